//! Fetches whose runtime is blocked, no longer driven, dropped, or without timers. Each test has two runtimes; the one
//! that requests use has paused time, so nothing here waits.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;
use tower_bearer::{Issuer, KeyPolicy, KeySetState, KeySetStatus, ResourceServer};

use crate::log;
use crate::provider::{AUDIENCE, reason, token};
use crate::source::{Fixture, Mood, fixture, fixture_with, source_of};

const LIMIT: Duration = Duration::from_secs(5);
const DEADLINE: Duration = Duration::from_secs(60);

/// A runtime that starts things and is not driven any more.
pub(crate) fn idle_runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The runtime that serves requests.
pub(crate) fn serving_runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

/// Drives a runtime until its tasks have nothing to do.
pub(crate) fn drive(runtime: &Runtime) {
    runtime.block_on(async {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    });
}

/// Lets paused time pass, with all that it wakes.
fn pass(runtime: &Runtime, time: Duration) {
    runtime.block_on(async { tokio::time::sleep(time).await });
}

fn status(server: &ResourceServer) -> KeySetStatus {
    server.key_sets().remove(0)
}

fn fetches(it: &Fixture) -> usize {
    it.fetches.load(Ordering::SeqCst)
}

/// Polls a request once, on a runtime that is then left alone.
fn begin_request(runtime: &Runtime, server: &ResourceServer, token: &str) {
    let _entered = runtime.enter();
    let mut request = pin!(server.validate(token));
    assert!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

type Starter = (&'static str, fn(&Runtime, &Fixture));

/// Each way to start the first fetch, or to supersede one.
fn starters() -> [Starter; 3] {
    [
        ("readiness", |runtime, it| {
            runtime.block_on(async { assert!(!it.server.readiness().is_ready()) });
        }),
        ("a request", |runtime, it| begin_request(runtime, &it.server, &it.token)),
        ("a warm-up", |runtime, it| {
            let server = it.server.clone();
            let _warm_up = runtime.spawn(async move { server.warm_up(DEADLINE).await });
            drive(runtime);
        }),
    ]
}

#[test]
fn f16_a_first_fetch_that_nobody_polls_is_superseded_after_its_limit() {
    for (name, start) in starters() {
        log::capture();
        let (idle, serving, it) = (idle_runtime(), serving_runtime(), fixture(Mood::Hangs));
        start(&idle, &it);
        it.mood.send_replace(Mood::Answers);
        let begun = fetches(&it);
        it.clock.advance(LIMIT - Duration::from_millis(1));
        assert_eq!(serving.block_on(reason(&it.server, &it.token)), "keys_unavailable", "{name}");
        assert_eq!((fetches(&it), status(&it.server).next_refresh), (begun, None), "{name}: one at a time");

        it.clock.advance(Duration::from_millis(1));
        assert_eq!(status(&it.server).next_refresh, Some(Duration::ZERO), "{name}");
        assert_eq!(serving.block_on(reason(&it.server, &it.token)), "accepted", "{name}");
        let after = status(&it.server);
        assert_eq!((after.fetches.fetched, after.fetches.failed, after.failures), (1, 1, 0), "{name}");
        let log = log::take();
        assert!(log.contains("WARN") && log.contains("a fetch of the keys was superseded by another"), "{name}: {log}");
        assert!(log.contains("reason=\"abandoned\""), "{name}: {log}");
    }
}

/// Each of them does, whether or not a request waits.
#[test]
fn f16_whoever_needs_keys_supersedes_an_abandoned_fetch() {
    for (first, start) in starters() {
        for (second, supersede) in starters() {
            let (idle, serving, it) = (idle_runtime(), serving_runtime(), fixture(Mood::Hangs));
            start(&idle, &it);
            it.mood.send_replace(Mood::Answers);
            it.clock.advance(LIMIT);
            supersede(&serving, &it);
            pass(&serving, Duration::from_secs(1));
            assert_eq!(status(&it.server).fetches.fetched, 1, "{first}, then {second}");
        }
    }
}

#[test]
fn f16_a_warm_up_that_joined_an_abandoned_fetch_supersedes_it() {
    let (idle, serving, it) = (idle_runtime(), serving_runtime(), fixture(Mood::Answers));
    idle.block_on(async { it.server.readiness() });
    serving.block_on(async {
        let (warm, ()) = tokio::join!(it.server.warm_up(DEADLINE), async {
            tokio::task::yield_now().await;
            it.clock.advance(LIMIT);
        });
        warm.unwrap();
    });
    assert_eq!(fetches(&it), 1);
}

/// Takeovers have no backoff, however many there are.
#[test]
fn f16_a_fetch_that_supersedes_another_can_be_superseded_itself() {
    let it = fixture(Mood::Answers);
    let idle: Vec<_> = (0..5).map(|_| idle_runtime()).collect();
    for runtime in &idle {
        runtime.block_on(async { it.server.readiness() });
        it.clock.advance(LIMIT);
    }
    let serving = serving_runtime();
    it.mood.send_replace(Mood::Hangs);
    begin_request(&serving, &it.server, &it.token);
    pass(&serving, Duration::from_millis(500));
    let hanging = status(&it.server);
    assert_eq!((hanging.failures, hanging.fetches.failed), (1, 1));
    let error = "the fetch did not end within 5000 ms, because its runtime is blocked or no longer driven";
    assert_eq!(hanging.last_error.unwrap().to_string(), error);
    it.mood.send_replace(Mood::Answers);
    it.clock.advance(LIMIT);
    assert_eq!(serving.block_on(reason(&it.server, &it.token)), "accepted");
    // Should those runtimes be driven again, their fetches are cancelled before they ask the provider.
    let begun = fetches(&it);
    idle.iter().for_each(drive);
    assert_eq!((fetches(&it), status(&it.server).fetches.fetched), (begun, 1));
}

/// A refresh that nobody waits for: the set would go stale and expire while requests are served.
#[test]
fn f16_an_abandoned_refresh_is_superseded_by_cache_hits() {
    for is_cached_token in [true, false] {
        let (idle, serving, it) = (idle_runtime(), serving_runtime(), fixture(Mood::Answers));
        assert_eq!(serving.block_on(reason(&it.server, &it.token)), "accepted");
        it.clock.advance(Duration::from_secs(290));
        assert_eq!(idle.block_on(reason(&it.server, &it.token)), "accepted");
        assert_eq!(fetches(&it), 1, "the refresh was started and is not polled");
        let next = || if is_cached_token { it.token.clone() } else { token(&it.issuer) };
        for (seconds, expected) in [(4, 1), (1, 2)] {
            it.clock.advance(Duration::from_secs(seconds));
            assert_eq!(serving.block_on(reason(&it.server, &next())), "accepted");
            pass(&serving, Duration::from_secs(1));
            assert_eq!(fetches(&it), expected, "{is_cached_token}");
        }
        assert_eq!(status(&it.server).state, KeySetState::Current);
    }
}

#[test]
fn f16_an_abandoned_fetch_for_an_unknown_kid_is_superseded() {
    for set in [KeySetState::Current, KeySetState::Stale] {
        let (idle, serving, it) = (idle_runtime(), serving_runtime(), fixture(Mood::Answers));
        assert_eq!(serving.block_on(reason(&it.server, &it.token)), "accepted");
        if set == KeySetState::Stale {
            it.clock.advance(Duration::from_secs(400));
        }
        it.issuer.rotate_keys().unwrap();
        let rotated = token(&it.issuer);
        begin_request(&idle, &it.server, &rotated);
        assert_eq!(serving.block_on(reason(&it.server, &rotated)), "key_not_proven_absent", "row f: {set:?}");
        it.clock.advance(LIMIT);
        assert_eq!(serving.block_on(reason(&it.server, &rotated)), "accepted", "row d: {set:?}");
        let counts = status(&it.server).fetches;
        assert_eq!(counts.for_unknown_kids, u64::from(set == KeySetState::Current), "the takeover costs no budget");
    }
}

#[test]
fn f16_a_late_result_is_discarded_and_its_fetch_cancelled() {
    let (idle, serving, it) = (idle_runtime(), serving_runtime(), fixture(Mood::AnswersLate));
    idle.block_on(async { it.server.readiness() });
    drive(&idle);
    assert_eq!(fetches(&it), 1, "it has read the old keys");
    it.issuer.rotate_keys().unwrap();
    let new = token(&it.issuer);
    // The first fetch could now end, if it were polled.
    it.mood.send_replace(Mood::Answers);
    it.clock.advance(LIMIT);
    assert_eq!(serving.block_on(reason(&it.server, &new)), "accepted");
    let before = status(&it.server);
    let receivers = it.mood.receiver_count();
    drive(&idle);
    assert_eq!(it.mood.receiver_count(), receivers - 1, "its future was dropped");
    let after = status(&it.server);
    let told = |status: &KeySetStatus| {
        (status.fetches, status.key_ids.clone(), status.last_error.as_ref().map(|it| it.text.clone()))
    };
    assert_eq!(told(&after), told(&before));
    assert_eq!(after.next_refresh, before.next_refresh);
    assert_eq!(serving.block_on(reason(&it.server, &new)), "accepted");
    assert_eq!(serving.block_on(reason(&it.server, &it.token)), "no_matching_key", "the old set did not come back");
}

/// The superseded one ends while the other is under way: it neither ends it nor makes its keys current.
#[test]
fn f16_a_late_result_does_not_touch_the_fetch_under_way() {
    let (idle, serving, it) = (idle_runtime(), serving_runtime(), fixture(Mood::AnswersLate));
    idle.block_on(async { it.server.readiness() });
    drive(&idle);
    it.mood.send_replace(Mood::Hangs);
    it.clock.advance(LIMIT);
    begin_request(&serving, &it.server, &it.token);
    pass(&serving, Duration::from_secs(1));
    assert_eq!(fetches(&it), 2);
    drive(&idle);
    drop(idle);
    let hanging = status(&it.server);
    assert_eq!((hanging.state, hanging.next_refresh, hanging.failures), (KeySetState::Absent, None, 1));
    assert_eq!(hanging.fetches.failed, 1, "the end of its runtime is not told a second time");
}

/// On a runtime that is well, a request can come between the limit of a fetch and its timer: that is a timeout, with a
/// backoff, and not an abandoned fetch.
#[test]
fn f16_a_fetch_that_times_out_by_itself_is_not_superseded() {
    log::capture();
    let (serving, it) = (serving_runtime(), fixture(Mood::Hangs));
    serving.block_on(async {
        let _ = it.server.readiness();
        tokio::time::sleep(Duration::from_millis(4_990)).await;
        it.clock.advance(LIMIT);
        assert_eq!(reason(&it.server, &it.token).await, "keys_unavailable");
    });
    let after = status(&it.server);
    assert_eq!(after.last_error.unwrap().to_string(), "the fetch took longer than 5000 ms");
    assert_eq!((after.failures, after.fetches.failed, fetches(&it)), (1, 1, 1));
    assert!(after.next_refresh.unwrap() >= Duration::from_millis(4_999), "the backoff");
    assert!(!log::take().contains("superseded"));
}

#[test]
fn f16_failover_sources_are_superseded_as_well() {
    let (idle, serving) = (idle_runtime(), serving_runtime());
    let (first, second) = (fixture(Mood::Fails), fixture(Mood::Answers));
    let trusted =
        Issuer::new("https://as.example.com").key_source(source_of(&first)).failover_key_source(source_of(&second));
    let builder = ResourceServer::builder().audience(AUDIENCE).issuer(trusted).clock(first.clock.clone());
    let server = builder.build().unwrap();
    idle.block_on(async { server.readiness() });
    first.clock.advance(LIMIT);
    assert_eq!(serving.block_on(reason(&server, &first.token)), "accepted");
    assert_eq!((fetches(&first), fetches(&second)), (1, 1));
}

#[test]
fn f16_keys_can_be_imported_past_an_abandoned_fetch() {
    let (idle, serving) = (idle_runtime(), serving_runtime());
    let it = fixture(Mood::Answers);
    assert_eq!(serving.block_on(reason(&it.server, &it.token)), "accepted");
    let copy = it.server.export_key_sets();
    let trusted = Issuer::new("https://as.example.com").key_source(source_of(&it));
    let builder = ResourceServer::builder().audience(AUDIENCE).issuer(trusted).clock(it.clock.clone());
    let server = builder.build().unwrap();
    idle.block_on(async { server.readiness() });
    assert_eq!(server.import_key_sets(&copy), 0, "newer keys are under way");
    it.clock.advance(LIMIT);
    assert_eq!(server.import_key_sets(&copy), 1);
    assert_eq!(serving.block_on(reason(&server, &it.token)), "accepted");
    let after = status(&server);
    assert_eq!((after.fetches.failed, after.last_error.is_some()), (1, true));
    drive(&idle);
    assert_eq!(fetches(&it), 1, "the abandoned one was cancelled");
}

#[test]
fn d10_an_issuer_removed_during_an_abandoned_fetch_is_not_asked_any_more() {
    let (idle, it) = (idle_runtime(), fixture(Mood::Answers));
    idle.block_on(async { it.server.readiness() });
    assert!(it.server.remove_issuer("https://as.example.com"));
    drive(&idle);
    assert_eq!(fetches(&it), 0);
}

/// The task is dropped before its first poll, or in the middle of the fetch.
#[test]
fn f17_a_runtime_that_ends_during_a_fetch_is_no_failure_of_the_provider() {
    for is_polled in [false, true] {
        log::capture();
        let (ending, serving, it) = (idle_runtime(), serving_runtime(), fixture(Mood::Hangs));
        ending.block_on(async { it.server.readiness() });
        if is_polled {
            drive(&ending);
        }
        it.mood.send_replace(Mood::Answers);
        let began = serving.block_on(async { Instant::now() });
        let mut request = Box::pin(reason(&it.server, &it.token));
        serving.block_on(async {
            assert!(matches!(futures_poll(&mut request), Poll::Pending), "it joins the fetch under way");
        });
        drop(ending);
        let after = status(&it.server);
        assert_eq!((after.failures, after.fetches.failed, after.next_refresh), (0, 1, Some(Duration::ZERO)));
        assert_eq!(after.last_error.unwrap().to_string(), "the fetch was interrupted");
        // The waiter starts the next one itself.
        assert_eq!(serving.block_on(request), "accepted", "{is_polled}");
        serving.block_on(async { assert_eq!(began.elapsed(), Duration::ZERO, "{is_polled}") });
        assert_eq!(fetches(&it), 1 + usize::from(is_polled));
        let log = log::take();
        assert!(log.contains("a fetch of the keys was interrupted because its runtime ended"), "{log}");
        assert!(!log.contains("WARN"), "{log}");
    }
}

fn futures_poll<F: Future>(future: &mut std::pin::Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn f17_a_second_runtime_that_ends_within_thirty_seconds_costs_a_backoff() {
    let (serving, it) = (serving_runtime(), fixture(Mood::Hangs));
    let start_and_end = || {
        let ending = idle_runtime();
        ending.block_on(async { it.server.readiness() });
    };
    start_and_end();
    assert_eq!((status(&it.server).failures, status(&it.server).next_refresh), (0, Some(Duration::ZERO)));
    it.clock.advance(Duration::from_secs(29));
    start_and_end();
    let second = status(&it.server);
    assert!(second.failures == 1 && second.next_refresh.unwrap() >= Duration::from_secs(5));
    it.mood.send_replace(Mood::Answers);
    assert_eq!(serving.block_on(reason(&it.server, &it.token)), "keys_unavailable");
    it.clock.advance(KeyPolicy::MAX_BACKOFF);
    start_and_end();
    assert_eq!(status(&it.server).next_refresh, Some(Duration::ZERO), "30 seconds after the last restart");
    assert_eq!(serving.block_on(reason(&it.server, &it.token)), "accepted");
}

/// A fetch that waits for its turn to supersede an abandoned one goes on when the runtime of that one ends meanwhile.
#[test]
fn f17_an_abandoned_fetch_that_is_dropped_does_not_end_the_one_that_supersedes_it() {
    for may_restart in [true, false] {
        let (serving, it) = (serving_runtime(), fixture(Mood::Hangs));
        let start = || {
            let idle = idle_runtime();
            idle.block_on(async { it.server.readiness() });
            idle
        };
        if !may_restart {
            drop(start());
        }
        let abandoned = start();
        it.mood.send_replace(Mood::Answers);
        it.clock.advance(LIMIT);
        let mut request = Box::pin(reason(&it.server, &it.token));
        serving.block_on(async { assert!(matches!(futures_poll(&mut request), Poll::Pending)) });
        drop(abandoned);
        assert_eq!(status(&it.server).failures, 0, "{may_restart}");
        assert_eq!(serving.block_on(request), "accepted", "{may_restart}");
        assert_eq!(fetches(&it), 1, "{may_restart}: only the second one was polled");
    }
}

/// An interruption is no failure of the provider, and no success either: it proves nothing about a `kid`.
#[test]
fn f17_an_interrupted_fetch_proves_no_absence() {
    let (ending, serving) = (idle_runtime(), serving_runtime());
    let it = fixture_with(Mood::Answers, KeyPolicy::default().lifetime(Duration::from_secs(20)));
    let unknown = |name: &str| it.issuer.token().audience(AUDIENCE).header("kid", name).sign();
    assert_eq!(serving.block_on(reason(&it.server, &it.token)), "accepted");
    for name in ["a", "b"] {
        assert_eq!(serving.block_on(reason(&it.server, &unknown(name))), "no_matching_key", "this spends the budget");
    }
    it.clock.advance(Duration::from_secs(19));
    assert_eq!(ending.block_on(reason(&it.server, &it.token)), "accepted", "this starts a refresh");
    drop(ending);
    assert_eq!((status(&it.server).failures, status(&it.server).state), (0, KeySetState::Current));
    // Outside of a runtime it cannot wait for the next one.
    let verdict = pin!(reason(&it.server, &unknown("c"))).poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(verdict, Poll::Ready("key_not_proven_absent"));
}

#[test]
fn f17_a_source_that_panics_has_failed_and_a_worker_that_panics_has_not() {
    let (serving, it) = (serving_runtime(), fixture(Mood::Panics));
    assert_eq!(serving.block_on(reason(&it.server, &it.token)), "keys_unavailable");
    let failed = status(&it.server);
    assert!(failed.failures == 1 && failed.next_refresh.unwrap() >= Duration::from_secs(5));

    // A server with a runtime for each thread, of which one panics for another reason.
    let it = fixture(Mood::Hangs);
    let server = it.server.clone();
    let worker = std::thread::spawn(move || {
        let own = idle_runtime();
        own.block_on(async { server.readiness() });
        drive(&own);
        panic!("a handler of the application's own may panic");
    });
    worker.join().unwrap_err();
    assert_eq!((status(&it.server).failures, status(&it.server).next_refresh), (0, Some(Duration::ZERO)));
    it.mood.send_replace(Mood::Answers);
    assert_eq!(serving.block_on(reason(&it.server, &it.token)), "accepted");
}

#[test]
fn f17_the_runtime_of_a_warm_up_may_end() {
    let (ending, serving, it) = (idle_runtime(), serving_runtime(), fixture(Mood::Hangs));
    let server = it.server.clone();
    let _warm_up = ending.spawn(async move { server.warm_up(DEADLINE).await });
    drive(&ending);
    assert_eq!(fetches(&it), 1);
    it.mood.send_replace(Mood::Answers);
    drop(ending);
    assert_eq!(serving.block_on(reason(&it.server, &it.token)), "accepted");
    // The other way round: a warm-up waits for a fetch whose runtime ends.
    let (ending, it) = (idle_runtime(), fixture(Mood::Answers));
    ending.block_on(async { it.server.readiness() });
    serving.block_on(async {
        let began = Instant::now();
        let (warm, ()) = tokio::join!(it.server.warm_up(DEADLINE), async {
            tokio::task::yield_now().await;
            ending.shutdown_background();
        });
        warm.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
    });
}

#[test]
fn f16_a_thread_of_the_blocking_pool_can_start_a_fetch() {
    let (serving, it) = (serving_runtime(), fixture(Mood::Answers));
    let server = it.server.clone();
    serving.block_on(async {
        let readiness = tokio::task::spawn_blocking(move || server.readiness()).await.unwrap();
        assert!(!readiness.is_ready());
    });
    drive(&serving);
    assert!(it.server.readiness().is_ready());
}

/// A runtime that cannot bound a fetch in time makes none, and nothing panics in a request.
#[test]
fn f16_a_runtime_without_timers_is_503_and_an_error_in_the_log() {
    let without_io = || Builder::new_current_thread().build().unwrap();
    let with_io = || Builder::new_current_thread().enable_io().build().unwrap();
    let of_many_threads = || Builder::new_multi_thread().worker_threads(1).enable_io().build().unwrap();
    let runtimes: [&dyn Fn() -> Runtime; 3] = [&without_io, &with_io, &of_many_threads];
    for timerless in runtimes.map(|build| build()) {
        log::capture();
        let (serving, it) = (serving_runtime(), fixture(Mood::Answers));
        assert_eq!(timerless.block_on(reason(&it.server, &it.token)), "keys_unavailable");
        assert!(log::take().contains(
            "ERROR tower_bearer::keys::cache::report: keys cannot be fetched in a tokio runtime without timers"
        ));
        assert!(!timerless.block_on(async { it.server.readiness() }).is_ready());
        assert!(log::take().contains("without timers"));
        let error = timerless.block_on(it.server.warm_up(DEADLINE)).unwrap_err();
        let expected = "no keys of https://as.example.com: keys cannot be fetched here: the tokio runtime has no \
                        timers; build it with `enable_time` or `enable_all`";
        assert_eq!(error.to_string(), expected);
        assert_eq!((fetches(&it), status(&it.server).failures), (0, 0), "nothing was tried");

        // Another runtime may have timers; then known keys are served here too, and nothing else is.
        assert_eq!(serving.block_on(reason(&it.server, &it.token)), "accepted");
        timerless.block_on(it.server.warm_up(DEADLINE)).unwrap();
        assert_eq!(timerless.block_on(reason(&it.server, &token(&it.issuer))), "accepted");
        let unknown = it.issuer.token().audience(AUDIENCE).header("kid", "unknown").sign();
        assert_eq!(timerless.block_on(reason(&it.server, &unknown)), "key_not_proven_absent");
        it.clock.advance(Duration::from_secs(290));
        log::capture();
        for _ in 0..10 {
            assert_eq!(timerless.block_on(reason(&it.server, &it.token)), "accepted", "a refresh is due");
            assert!(timerless.block_on(async { it.server.readiness() }).is_ready());
        }
        assert_eq!(log::take().matches("without timers").count(), 1, "not for each request");
        assert_eq!(fetches(&it), 1);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(serving.block_on(reason(&it.server, &it.token)), "accepted");
                drive(&serving);
            });
        });
        assert_eq!(fetches(&it), 2, "the runtime with timers is not held up");
    }
}

#[test]
fn f16_a_warm_up_outside_of_a_runtime_is_an_error() {
    let (serving, it) = (serving_runtime(), fixture(Mood::Answers));
    let poll_once = || pin!(it.server.warm_up(DEADLINE)).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Err(error)) = poll_once() else { panic!("no error") };
    let expected = "no keys of https://as.example.com: keys cannot be fetched here: this thread runs no tokio runtime";
    assert_eq!(error.to_string(), expected);
    assert_eq!(fetches(&it), 0);
    serving.block_on(it.server.warm_up(DEADLINE)).unwrap();
    assert!(matches!(poll_once(), Poll::Ready(Ok(()))), "there is nothing to wait for");
}

/// A timeout beyond the end of the numbers: such a fetch is under way for ever.
#[test]
fn f16_a_fetch_without_a_limit_is_never_superseded() {
    let (idle, serving) = (idle_runtime(), serving_runtime());
    let it = fixture_with(Mood::Answers, KeyPolicy::default().fetch_timeout(Duration::MAX));
    idle.block_on(async { it.server.readiness() });
    it.clock.advance(Duration::from_secs(u64::from(u32::MAX)));
    assert_eq!(serving.block_on(reason(&it.server, &it.token)), "keys_unavailable");
    assert_eq!(fetches(&it), 0);
}
