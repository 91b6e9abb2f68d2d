//! Each use of a token asks whether it was revoked: in whatever way it is used, whatever proves it, and whether it is
//! new, cached, held, or revoked while the request waits.

use tower_bearer::{Revocation, RevocationKind, RevocationVerdict};

use crate::fixtures::{ISSUER, NOW};
use crate::world::{CLIENT, HELD, KINDS, Kind, PRESENTED, SESSION, SUBJECT, Script, TOKEN_ID, Way, World};

/// What is done to a token, and what a use of it gets.
type Change = (&'static str, fn(&Script), &'static str);

const LIST: [Change; 5] = [
    ("nothing", |_| {}, "accepted"),
    ("its id", |it| revoke(it, &Revocation::token_id(ISSUER, TOKEN_ID)), "token_revoked"),
    ("its session", |it| revoke(it, &Revocation::session(ISSUER, SESSION)), "session_revoked"),
    ("its client", |it| revoke(it, &Revocation::client(ISSUER, CLIENT, NOW)), "client_revoked"),
    ("its subject", |it| revoke(it, &Revocation::subject(ISSUER, SUBJECT, NOW)), "subject_revoked"),
];

const UNAVAILABLE: RevocationVerdict =
    RevocationVerdict::Unavailable { retry_after: std::time::Duration::from_secs(7) };

const AT_ONCE: [Change; 2] = [
    ("unavailable", |it| it.answer(|| UNAVAILABLE.into()), "revocation_unavailable"),
    ("panics", |it| it.answer(|| panic!("the check is broken")), "revocation_unavailable"),
];

const LATER: [Change; 5] = [
    ("later: nothing", |it| it.answer_later(RevocationVerdict::NotRevoked), "accepted"),
    ("later: revoked", |it| it.answer_later(RevocationVerdict::Revoked(RevocationKind::Session)), "session_revoked"),
    ("later: unavailable", |it| it.answer_later(UNAVAILABLE), "revocation_unavailable"),
    ("never", |it| it.answer(|| later(std::future::pending())), "revocation_unavailable"),
    ("later: panics", |it| it.answer(|| later(async { panic!("the check is broken") })), "revocation_unavailable"),
];

fn revoke(script: &Script, entry: &Revocation) {
    script.list.revoke(entry).unwrap();
}

fn later(verdict: impl Future<Output = RevocationVerdict> + Send + 'static) -> tower_bearer::RevocationAnswer {
    tower_bearer::RevocationAnswer::Later(Box::pin(verdict))
}

fn changes() -> impl Iterator<Item = Change> {
    LIST.into_iter().chain(AT_ONCE).chain(LATER)
}

fn world(kind: Kind, has_cache: bool) -> World {
    World::with(kind, |builder| if has_cache { builder } else { builder.token_cache_bytes(0) })
}

#[tokio::test(start_paused = true)]
async fn k02_a_token_that_was_used_before_is_asked_about_again() {
    for (kind, has_cache) in KINDS.into_iter().flat_map(|kind| [(kind, true), (kind, false)]) {
        for (way, (name, change, expected)) in
            PRESENTED.into_iter().flat_map(|way| changes().map(move |change| (way, change)))
        {
            let world = world(kind, has_cache);
            assert_eq!(world.use_token(way, None).await, "accepted");
            change(&world.script);
            for _ in 0..2 {
                assert_eq!(world.use_token(way, None).await, expected, "{way:?}, {kind:?}, {name}, {has_cache}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn k02_a_new_token_is_asked_about() {
    for (kind, way) in KINDS.into_iter().flat_map(|kind| PRESENTED.map(|way| (kind, way))) {
        for (name, change, expected) in changes() {
            for is_warm in [false, true] {
                let world = world(kind, true);
                if is_warm {
                    world.server.warm_up(std::time::Duration::from_secs(5)).await.unwrap();
                }
                change(&world.script);
                for _ in 0..2 {
                    assert_eq!(world.use_token(way, None).await, expected, "{way:?}, {kind:?}, {name}, {is_warm}");
                }
            }
        }
    }
}

/// The request waits for keys or for the issuer's answer, and the token is revoked in the meantime.
#[tokio::test(start_paused = true)]
async fn k02_a_token_that_is_revoked_during_a_wait_is_refused_after_it() {
    for (kind, way) in KINDS.into_iter().flat_map(|kind| PRESENTED.map(|way| (kind, way))) {
        for (name, change, expected) in changes() {
            let world = world(kind, true);
            let script = world.script.clone();
            *world.action.lock().unwrap() = Some(Box::new(move || change(&script)));
            assert_eq!(world.use_token(way, None).await, expected, "{way:?}, {kind:?}, {name}");
            assert!(world.action.lock().unwrap().is_none(), "it waited");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn k02_a_token_that_is_held_is_asked_about() {
    for (kind, has_cache) in KINDS.into_iter().flat_map(|kind| [(kind, true), (kind, false)]) {
        for (way, (name, change, expected)) in HELD.into_iter().flat_map(|way| changes().map(move |it| (way, it))) {
            let world = world(kind, has_cache);
            let held = world.server.validate(&world.text).await.unwrap();
            change(&world.script);
            // The sync form cannot wait, and then never says that the token is good.
            let must_wait = way == Way::Revalidate && LATER.iter().any(|later| later.0 == name);
            let expected = if must_wait { "revocation_unavailable" } else { expected };
            assert_eq!(world.use_token(way, Some(&held)).await, expected, "{way:?}, {kind:?}, {name}, {has_cache}");
        }
    }
}

/// A revoked token stays in the cache, where it is refused without asking its issuer, and stays refused.
#[tokio::test]
async fn k02_a_revoked_token_costs_no_call_to_its_issuer() {
    let world = World::new(Kind::Opaque);
    assert_eq!(world.use_token(Way::Validate, None).await, "accepted");
    revoke(&world.script, &Revocation::subject(ISSUER, SUBJECT, NOW));
    for _ in 0..10 {
        assert_eq!(world.use_token(Way::Layer, None).await, "subject_revoked");
    }
    assert_eq!(*world.asked.lock().unwrap(), 1);
    assert_eq!(world.server.token_cache().unwrap().tokens, 1);
}
