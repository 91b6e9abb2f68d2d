//! The orders in which additions to a list and uses of tokens can meet, tried out by `shuttle`.

use std::sync::Arc;
use std::time::Duration;

use shuttle::{check_pct, check_random, thread};

use super::super::entry::Revocation;
use super::core::{Core, Settings, TokenNames};
use crate::revocation_kind::RevocationKind;
use crate::revocation_memo::RevocationMemo;
use crate::sync::{AtomicBool, Ordering};
use crate::time::{ManualClock, UnixTime};

const ISSUER: &str = "https://as.example.com";
const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

/// A list and one cached token, which threads use and revoke.
struct World {
    core: Core,
    memo: RevocationMemo,
    /// Set once `revoke` has returned.
    is_revoked: AtomicBool,
}

impl World {
    /// With one place, all names share it; with many, each name most likely has its own.
    fn new(places: usize) -> Arc<Self> {
        let clock = Arc::new(ManualClock::at(NOW));
        let (max_token_lifetime, leeway) = (Duration::from_secs(600), Duration::from_secs(30));
        let core = Core::new(Settings { max_token_lifetime, leeway, max_entries: 10, clock }, places).unwrap();
        Arc::new(Self { core, memo: RevocationMemo::default(), is_revoked: AtomicBool::new(false) })
    }

    fn find(&self) -> Option<RevocationKind> {
        self.core.find(&self.memo, || TokenNames {
            issuer: ISSUER,
            token_id: Some("t1"),
            session_id: Some("s1".into()),
            client_id: Some("app"),
            subject: Some("alice"),
            issued_at: Some(NOW),
        })
    }

    /// Uses the token some times: never is it accepted after `revoke` has returned.
    fn use_token(&self) {
        for _ in 0..3 {
            let was_revoked = self.is_revoked.load(Ordering::SeqCst);
            let found = self.find();
            assert!(found.is_some() || !was_revoked, "accepted after it was revoked");
        }
    }

    fn revoke(&self, entry: &Revocation) {
        self.core.revoke(entry).unwrap();
        self.is_revoked.store(true, Ordering::SeqCst);
    }
}

fn explore(scenario: impl Fn(&Arc<World>) + Send + Sync + 'static) {
    let scenario = Arc::new(scenario);
    for places in [1, 16] {
        let (random, pct) = (Arc::clone(&scenario), Arc::clone(&scenario));
        check_random(move || random(&World::new(places)), 2_000);
        check_pct(move || pct(&World::new(places)), 2_000, 3);
    }
}

fn spawn(world: &Arc<World>, act: impl Fn(&World) + Send + 'static) -> thread::JoinHandle<()> {
    let world = Arc::clone(world);
    thread::spawn(move || act(&world))
}

#[test]
fn k02_no_use_after_a_revocation_is_accepted_whenever_the_two_meet() {
    explore(|world| {
        let threads = [
            spawn(world, World::use_token),
            spawn(world, World::use_token),
            spawn(world, |world| world.revoke(&Revocation::token_id(ISSUER, "t1"))),
        ];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(world.find(), Some(RevocationKind::TokenId));
    });
}

/// The memo of the token moves on with each addition, and must not skip the one that counts.
#[test]
fn k02_other_additions_at_the_same_time_hide_no_revocation() {
    explore(|world| {
        let others = |world: &World| {
            for name in ["bob", "carol"] {
                world.core.revoke(&Revocation::subject(ISSUER, name, NOW)).unwrap();
            }
        };
        let threads = [
            spawn(world, World::use_token),
            spawn(world, others),
            spawn(world, |world| world.revoke(&Revocation::subject(ISSUER, "alice", NOW))),
        ];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!((world.find(), world.core.len()), (Some(RevocationKind::Subject), 3));
    });
}

/// An entry that is there, and revokes more: tokens that it did not revoke before.
#[test]
fn k02_an_entry_that_revokes_more_than_before_counts() {
    explore(|world| {
        let earlier = NOW.saturating_sub(Duration::from_secs(60));
        world.core.revoke(&Revocation::client(ISSUER, "app", earlier)).unwrap();
        assert_eq!(world.find(), None);
        let threads = [
            spawn(world, World::use_token),
            spawn(world, move |world| drop(world.core.revoke(&Revocation::client(ISSUER, "app", earlier)))),
            spawn(world, |world| world.revoke(&Revocation::client(ISSUER, "app", NOW))),
        ];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!((world.find(), world.core.len()), (Some(RevocationKind::Client), 1));
    });
}

/// Two tokens share a list, and one token two lists.
#[test]
fn k02_a_token_that_two_lists_look_at_is_refused_by_the_one_that_has_it() {
    explore(|world| {
        let other = World::new(16);
        let threads = [
            spawn(world, World::use_token),
            // The same memo, as if one server asked both lists.
            {
                let (world, other) = (Arc::clone(world), Arc::clone(&other));
                thread::spawn(move || {
                    for _ in 0..3 {
                        let names = || TokenNames {
                            issuer: ISSUER,
                            token_id: Some("t1"),
                            session_id: None,
                            client_id: None,
                            subject: None,
                            issued_at: None,
                        };
                        assert_eq!(other.core.find(&world.memo, names), None);
                    }
                })
            },
            spawn(world, |world| world.revoke(&Revocation::token_id(ISSUER, "t1"))),
        ];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(world.find(), Some(RevocationKind::TokenId));
    });
}
