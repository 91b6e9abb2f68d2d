//! The health of a list that replicas share: each change of its state is logged, once.

use std::time::Duration;

use tower_bearer::{RevocationHealth, RevocationState, RevocationStatus};

use crate::log;

fn status(state: RevocationState, age_s: u64, error: Option<&str>) -> RevocationStatus {
    let mut status = RevocationStatus::new(state);
    (status.age, status.last_error) = (Some(Duration::from_secs(age_s)), error.map(str::to_owned));
    status
}

#[test]
fn each_change_of_the_state_is_logged_once() {
    use RevocationState::{Current, Stale, Unavailable};
    let health = RevocationHealth::new(Unavailable);
    log::capture();
    for (state, age_s, error, level, text) in [
        (Unavailable, 0, Some("not connected yet"), "", ""),
        (Current, 0, None, "INFO", "the revocation list is up to date"),
        (Current, 1, None, "", ""),
        (Stale, 6, Some("connection refused"), "WARN", "may lack what other replicas have revoked lately"),
        (Stale, 7, Some("connection refused"), "", ""),
        (Current, 0, None, "INFO", "the revocation list is up to date"),
        (Stale, 6, Some("timed out"), "WARN", "timed out"),
        (Unavailable, 300, Some("timed out"), "WARN", "the revocation list is too old"),
        (Unavailable, 301, Some("timed out"), "", ""),
        (Current, 0, None, "INFO", "the revocation list is up to date"),
    ] {
        health.update(status(state, age_s, error));
        let lines = log::take();
        assert!(lines.contains(level) && lines.contains(text), "{state:?}: {lines}");
        assert_eq!(lines.lines().count(), usize::from(!level.is_empty()), "{state:?}: {lines}");
        if level == "WARN" {
            assert!(lines.contains(&format!("age_s={age_s}")), "{lines}");
        }
        assert_eq!(health.status(), status(state, age_s, error));
    }
}

#[test]
fn a_status_is_json_with_seconds() {
    let mut status = status(RevocationState::Stale, 90, Some("timed out"));
    (status.entries, status.connected) = (Some(3), Some(false));
    status.propagation = Some(Duration::from_millis(2));
    assert_eq!(
        serde_json::to_string(&status).unwrap(),
        r#"{"state":"stale","entries":3,"age_s":90.0,"connected":false,"propagation_s":0.002,"last_error":"timed out"}"#
    );
    assert!(RevocationState::Stale.is_ready() && !RevocationState::Unavailable.is_ready());
}
