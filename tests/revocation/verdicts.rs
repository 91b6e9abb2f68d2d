//! Verdicts that take time: bounded in time and number, and no code of the user can hold a request.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tower_bearer::{RevocationAnswer, RevocationKind, RevocationVerdict, ValidatedToken};

use crate::fixtures::reason;
use crate::log;
use crate::world::{Kind, Way, World};

fn later(verdict: impl Future<Output = RevocationVerdict> + Send + 'static) -> RevocationAnswer {
    RevocationAnswer::Later(Box::pin(verdict))
}

#[tokio::test(start_paused = true)]
async fn n08_a_request_waits_a_quarter_of_a_second_unless_configured() {
    let default = World::new(Kind::Jwt);
    let patient = World::with(Kind::Jwt, |builder| builder.revocation_wait(Duration::from_secs(3)));
    for (world, milliseconds) in [(default, 250), (patient, 3_000)] {
        assert_eq!(world.use_token(Way::Layer, None).await, "accepted");
        world.script.answer(|| later(std::future::pending()));
        let began = Instant::now();
        assert_eq!(world.use_token(Way::Layer, None).await, "revocation_unavailable");
        assert_eq!(began.elapsed(), Duration::from_millis(milliseconds));
    }
}

/// A verdict on one token is not asked for again after the wait, and a token that is new is not proven again.
#[tokio::test]
async fn k02_one_use_asks_once() {
    for kind in [Kind::Jwt, Kind::Opaque, Kind::Hybrid] {
        let world = World::new(kind);
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        world.script.answer(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            later(async { RevocationVerdict::NotRevoked })
        });
        for uses in 1..4 {
            assert_eq!(world.use_token(Way::Validate, None).await, "accepted");
            assert_eq!(asked.load(Ordering::SeqCst), uses, "{kind:?}");
        }
        assert!(*world.asked.lock().unwrap() <= 1, "{kind:?}");
        assert_eq!(world.server.token_cache().unwrap().tokens, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn n08_a_bounded_number_of_requests_wait_and_others_are_refused_at_once() {
    let world = World::new(Kind::Jwt);
    assert_eq!(world.use_token(Way::Validate, None).await, "accepted");
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    world.script.answer(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        later(std::future::pending())
    });
    let waiting: Vec<_> = (0..1_024)
        .map(|_| {
            let (server, text) = (world.server.clone(), world.text.clone());
            tokio::spawn(async move { reason(&server, &text).await })
        })
        .collect();
    while asked.load(Ordering::SeqCst) < 1_024 {
        tokio::task::yield_now().await;
    }
    log::capture();
    let began = Instant::now();
    assert_eq!(world.use_token(Way::Validate, None).await, "revocation_unavailable");
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(log::take().contains("1024 requests wait for a verdict already"));
    for request in waiting {
        assert_eq!(request.await.unwrap(), "revocation_unavailable");
    }
    // Their places are free again.
    tokio::task::yield_now().await;
    world.script.answer_later(RevocationVerdict::NotRevoked);
    assert_eq!(world.use_token(Way::Validate, None).await, "accepted");
}

/// Dropped with the request, or when its time is over.
#[tokio::test(start_paused = true)]
async fn n08_a_verdict_without_a_waiting_request_is_dropped() {
    struct Guard(Arc<AtomicUsize>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (world, dropped) = (World::new(Kind::Jwt), Arc::new(AtomicUsize::new(0)));
    assert_eq!(world.use_token(Way::Validate, None).await, "accepted");
    let counter = Arc::clone(&dropped);
    world.script.answer(move || {
        let guard = Guard(Arc::clone(&counter));
        later(async move {
            std::future::pending::<()>().await;
            drop(guard);
            RevocationVerdict::NotRevoked
        })
    });
    let request = world.use_token(Way::Layer, None);
    assert!(tokio::time::timeout(Duration::from_millis(1), request).await.is_err());
    tokio::task::yield_now().await;
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    assert_eq!(world.use_token(Way::Layer, None).await, "revocation_unavailable");
    tokio::task::yield_now().await;
    assert_eq!(dropped.load(Ordering::SeqCst), 2);
}

/// The future blocks its thread until the test lets it go.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn n08_a_verdict_that_blocks_its_thread_holds_no_request() {
    let world = World::new(Kind::Jwt);
    assert_eq!(world.use_token(Way::Validate, None).await, "accepted");
    let (release, blocked) = mpsc::channel::<()>();
    let blocked = Arc::new(std::sync::Mutex::new(blocked));
    world.script.answer(move || {
        let blocked = Arc::clone(&blocked);
        later(async move {
            let _ = blocked.lock().unwrap().recv();
            RevocationVerdict::NotRevoked
        })
    });
    for _ in 0..2 {
        assert_eq!(world.use_token(Way::Validate, None).await, "revocation_unavailable");
    }
    drop(release);
}

/// A wait needs a runtime with timers.
#[test]
fn r18_without_timers_a_verdict_that_takes_time_is_unavailable() {
    let world = World::new(Kind::Opaque);
    let with = |enable_time: bool| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        if enable_time { builder.enable_time().build() } else { builder.build() }.unwrap()
    };
    let held = with(true).block_on(world.server.validate(&world.text)).unwrap();
    world.script.answer_later(RevocationVerdict::NotRevoked);
    assert_eq!(with(false).block_on(reason(&world.server, &world.text)), "revocation_unavailable");
    assert_eq!(with(true).block_on(reason(&world.server, &world.text)), "accepted");
    assert_eq!(
        with(false).block_on(world.server.revalidate_async(&held)).unwrap_err().reason(),
        "revocation_unavailable"
    );
}

/// The keys are withdrawn, or the token expires, while the verdict is under way.
#[tokio::test]
async fn k02_what_changes_during_the_wait_for_a_verdict_counts() {
    type Change = fn(&World);
    let changes: [(Change, &str); 3] = [
        (|it| it.clock.set_wall(Some(crate::fixtures::NOW.saturating_add(2 * crate::world::LIFETIME))), "expired"),
        (|it| assert!(it.server.disable_issuer(crate::fixtures::ISSUER)), "issuer_disabled"),
        (|it| assert!(it.server.remove_issuer(crate::fixtures::ISSUER)), "issuer_disabled"),
    ];
    for (change, expected) in changes {
        for is_known in [false, true] {
            let world = Arc::new(World::new(Kind::Jwt));
            if is_known {
                assert_eq!(world.use_token(Way::Validate, None).await, "accepted");
            }
            let (go, asked) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let (wait, ask) = (Arc::clone(&go), Arc::clone(&asked));
            world.script.answer(move || {
                let (wait, ask) = (Arc::clone(&wait), Arc::clone(&ask));
                later(async move {
                    ask.notify_one();
                    wait.notified().await;
                    RevocationVerdict::NotRevoked
                })
            });
            let user = Arc::clone(&world);
            let request = tokio::spawn(async move { user.use_token(Way::Layer, None).await });
            asked.notified().await;
            change(&world);
            go.notify_one();
            let got = request.await.unwrap();
            // Which of the two a removed issuer's token is refused by depends on what was known.
            assert!(got == expected || got == "issuer_mismatch", "{got}, {expected}, {is_known}");
        }
    }
}

/// Another wait follows, and the token is revoked during that one.
#[tokio::test]
async fn k02_a_verdict_counts_for_no_longer_than_until_the_next_wait() {
    let world = World::new(Kind::Opaque);
    assert_eq!(world.use_token(Way::Validate, None).await, "accepted");
    let (clock, action, script) = (world.clock.clone(), Arc::clone(&world.action), world.script.clone());
    world.script.answer(move || {
        let (clock, action, script) = (clock.clone(), Arc::clone(&action), script.clone());
        later(async move {
            // The issuer's answer is too old now, and the token is revoked while the issuer is asked again.
            clock.advance(Duration::from_secs(61));
            let revoked = RevocationVerdict::Revoked(RevocationKind::Subject);
            *action.lock().unwrap() = Some(Box::new(move || script.answer(move || revoked.into())));
            RevocationVerdict::NotRevoked
        })
    });
    assert_eq!(world.use_token(Way::Layer, None).await, "subject_revoked");
    assert_eq!(*world.asked.lock().unwrap(), 2);
}

/// One line when it begins, one a minute while it lasts, one when it is over.
#[tokio::test]
async fn an_outage_is_logged_when_it_begins_and_when_it_is_over() {
    let world = World::new(Kind::Jwt);
    assert_eq!(world.use_token(Way::Validate, None).await, "accepted");
    log::capture();
    let unavailable = || RevocationVerdict::Unavailable { retry_after: Duration::ZERO };
    world.script.answer(move || unavailable().into());
    for _ in 0..5 {
        assert_eq!(world.use_token(Way::Validate, None).await, "revocation_unavailable");
    }
    let lines = log::take();
    assert_eq!(lines.matches("revocation cannot be checked").count(), 1, "{lines}");
    assert!(lines.contains("WARN") && lines.contains("unknown"), "{lines}");
    world.clock.advance(Duration::from_secs(61));
    for _ in 0..2 {
        assert_eq!(world.use_token(Way::Validate, None).await, "revocation_unavailable");
    }
    assert_eq!(log::take().matches("revocation cannot be checked").count(), 1);
    // Other tokens may have passed all the time: it is over when nothing has failed for 5 seconds.
    world.script.answer(|| RevocationVerdict::NotRevoked.into());
    assert_eq!(world.use_token(Way::Validate, None).await, "accepted");
    assert_eq!(log::take(), "");
    world.clock.advance(Duration::from_secs(5));
    for _ in 0..2 {
        assert_eq!(world.use_token(Way::Validate, None).await, "accepted");
    }
    let lines = log::take();
    assert_eq!(lines.matches("revocation can be checked again").count(), 1, "{lines}");
}

/// The answer is too old, the issuer fails, and the token was revoked: what is known counts.
#[tokio::test]
async fn n02_k02_serving_stale_answers_accepts_no_revoked_token() {
    use tower_bearer::{Introspection, IntrospectionSource, IntrospectionSourceFuture, Issuer};

    #[derive(Clone, Debug)]
    struct Once(Arc<AtomicUsize>);
    impl IntrospectionSource for Once {
        fn introspect<'a>(&'a self, _: &'a str) -> IntrospectionSourceFuture<'a> {
            let first = self.0.fetch_add(1, Ordering::SeqCst) == 0;
            let now = crate::fixtures::NOW.as_secs();
            let claims =
                serde_json::json!({ "aud": crate::fixtures::AUDIENCE, "exp": now + 3_000, "iat": now, "sub": "alice" });
            Box::pin(async move { if first { Ok(Some(claims.to_string())) } else { Err("out of order".into()) } })
        }
    }
    let world = World::with(Kind::Jwt, |builder| {
        let introspection = Introspection::by(Once(Arc::default())).serve_stale(Duration::from_secs(1_000));
        let introspection = introspection.tokens_with_prefix("stale-");
        builder.issuer(Issuer::new("https://stale.example.com").without_keys().introspection(introspection))
    });
    let text = "stale-token";
    let held: ValidatedToken = world.server.validate(text).await.unwrap();
    world.clock.advance(Duration::from_secs(100));
    assert_eq!(reason(&world.server, text).await, "accepted", "stale");
    world.script.answer_later(RevocationVerdict::NotRevoked);
    assert_eq!(reason(&world.server, text).await, "accepted", "stale, after a wait");
    world.script.answer_later(RevocationVerdict::Revoked(RevocationKind::Subject));
    assert_eq!(reason(&world.server, text).await, "subject_revoked");
    world.script.answer(|| RevocationVerdict::Revoked(RevocationKind::Subject).into());
    assert_eq!(reason(&world.server, text).await, "subject_revoked");
    drop(held);
}
