//! What is counted about revocation.

use std::sync::Mutex;
use std::time::Duration;

use metrics::set_default_local_recorder;
use tower_bearer::{RevocationHealth, RevocationList, RevocationState, RevocationStatus};

use crate::fixtures::*;
use crate::scrape::{Scrape, recorder};

const LIFETIME: Duration = Duration::from_secs(600);

/// The gauge adds up all lists of the process.
static ENTRIES: Mutex<()> = Mutex::new(());

/// One of each figure.
pub(crate) fn count_everything() {
    let _alone = ENTRIES.lock().unwrap();
    RevocationList::new(LIFETIME).unwrap().revoke_session(ISSUER, "s1").unwrap();
    let health = RevocationHealth::new(RevocationState::Current);
    let mut status = RevocationStatus::new(RevocationState::Current);
    (status.age, status.connected) = (Some(Duration::ZERO), Some(true));
    health.update(status);
    health.propagated(Duration::from_millis(1));
}

#[test]
fn entries_of_all_lists_are_counted_until_they_end() {
    let _alone = ENTRIES.lock().unwrap();
    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let clock = clock();
    let list = || RevocationList::builder(LIFETIME).clock(clock.clone()).build().unwrap();
    let entries = || Scrape::read(recorder.handle().render()).figure("tower_bearer_revocation_entries");
    let (first, second) = (list(), list());
    for name in ["s1", "s2", "s1"] {
        first.revoke_session(ISSUER, name).unwrap();
    }
    assert_eq!(entries(), 2.0);
    clock.advance(Duration::from_secs(1));
    second.revoke_subject(ISSUER, "alice").unwrap();
    assert_eq!(entries(), 3.0);
    clock.advance(LIFETIME + Duration::from_secs(60));
    assert_eq!((first.len(), second.len()), (0, 1));
    assert_eq!(entries(), 1.0);
    drop(second);
    assert_eq!(entries(), 0.0);
}

#[test]
fn the_state_of_a_shared_list_is_counted() {
    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let health = RevocationHealth::new(RevocationState::Unavailable);
    let mut status = RevocationStatus::new(RevocationState::Stale);
    (status.age, status.connected) = (Some(Duration::from_secs(7)), Some(false));
    health.update(status.clone());
    for milliseconds in [2, 400] {
        health.propagated(Duration::from_millis(milliseconds));
    }
    let scrape = || Scrape::read(recorder.handle().render());
    assert_eq!(scrape().figure("tower_bearer_revocation_list_age_seconds"), 7.0);
    assert_eq!(scrape().figure("tower_bearer_revocation_connected"), 0.0);
    assert_eq!(scrape().figure("tower_bearer_revocation_propagation_seconds_count"), 2.0);
    status.connected = Some(true);
    health.update(status);
    assert_eq!(scrape().figure("tower_bearer_revocation_connected"), 1.0);
    assert_eq!(health.status().propagation, Some(Duration::from_millis(400)));
}
