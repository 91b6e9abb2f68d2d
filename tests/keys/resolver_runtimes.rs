//! Calls of the issuer resolver whose runtime is no longer driven, dropped, or without timers: the same rules as for
//! fetches.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tower_bearer::ResourceServer;
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer_test::TestIssuer;

use crate::log;
use crate::provider::{AUDIENCE, key, reason, token};
use crate::runtimes::{drive, idle_runtime, serving_runtime};

const TENANT: &str = "https://tenant.example.com";
const LIMIT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy)]
enum Says {
    Ours,
    /// Answers that the issuer is ours, once it may.
    OursLate,
    NotOurs,
    Hangs,
    Panics,
}

struct Tenants {
    server: ResourceServer,
    clock: ManualClock,
    says: Arc<Mutex<Says>>,
    calls: Arc<AtomicUsize>,
    /// Lets [`Says::OursLate`] answer.
    go: watch::Sender<bool>,
}

fn tenants(says: Says) -> Tenants {
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let (says, calls, go) = (Arc::new(Mutex::new(says)), Arc::new(AtomicUsize::new(0)), watch::Sender::new(false));
    let (list, count, may_go) = (Arc::clone(&says), Arc::clone(&calls), go.clone());
    let resolver = move |issuer: String| {
        let (list, count, mut may_go) = (Arc::clone(&list), Arc::clone(&count), may_go.subscribe());
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            let says = *list.lock().unwrap();
            match says {
                Says::Ours => {}
                Says::OursLate => drop(may_go.wait_for(|may| *may).await),
                Says::NotOurs => return Ok(None),
                Says::Hangs => std::future::pending().await,
                Says::Panics => panic!("the application's code may panic"),
            }
            Ok(Some(TestIssuer::with_key(issuer, key(0)).trusted()))
        }
    };
    let builder = ResourceServer::builder().audience(AUDIENCE).issuer_resolver(resolver);
    Tenants { server: builder.clock(clock.clone()).build().unwrap(), clock, says, calls, go }
}

impl Tenants {
    fn token_of(&self, issuer: &str) -> String {
        token(&TestIssuer::with_key(issuer, key(0)).with_clock(self.clock.clone()))
    }

    fn reason(&self, runtime: &Runtime, issuer: &str) -> &'static str {
        runtime.block_on(reason(&self.server, &self.token_of(issuer)))
    }

    fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Polls a request once, on a runtime that is then left alone.
    fn begin_request(&self, runtime: &Runtime, issuer: &str) {
        let _entered = runtime.enter();
        let token = self.token_of(issuer);
        let mut request = pin!(self.server.validate(&token));
        assert!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
}

#[test]
fn f16_a_call_of_the_resolver_that_nobody_polls_is_superseded() {
    log::capture();
    let (idle, serving, it) = (idle_runtime(), serving_runtime(), tenants(Says::Ours));
    it.begin_request(&idle, TENANT);
    it.clock.advance(LIMIT - Duration::from_millis(1));
    assert_eq!((it.reason(&serving, TENANT), it.calls()), ("keys_unavailable", 0));
    it.clock.advance(Duration::from_millis(1));
    assert_eq!((it.reason(&serving, TENANT), it.calls()), ("accepted", 1));
    assert!(log::take().contains("a call of the issuer resolver was superseded by another"));
    drive(&idle);
    assert_eq!(it.calls(), 1, "the first one is cancelled");
}

#[test]
fn f16_a_late_answer_of_the_resolver_is_discarded() {
    let (idle, serving, it) = (idle_runtime(), serving_runtime(), tenants(Says::OursLate));
    it.begin_request(&idle, TENANT);
    drive(&idle);
    assert_eq!(it.calls(), 1);
    // The tenant has left since.
    it.say(Says::NotOurs);
    it.clock.advance(LIMIT);
    assert_eq!((it.reason(&serving, TENANT), it.calls()), ("issuer_mismatch", 2));
    it.go.send_replace(true);
    drive(&idle);
    assert!(it.server.key_sets().is_empty());
    assert_eq!(it.reason(&serving, TENANT), "issuer_mismatch");
    // Nor does its end count as a failure.
    drop(idle);
    assert_eq!((it.reason(&serving, TENANT), it.calls()), ("issuer_mismatch", 2));
}

/// A call that waits for its turn to supersede an abandoned one goes on when the runtime of that one ends meanwhile.
#[test]
fn f17_an_abandoned_call_that_is_dropped_does_not_end_the_one_that_supersedes_it() {
    for may_restart in [true, false] {
        let (serving, it) = (serving_runtime(), tenants(Says::Ours));
        let start = || {
            let idle = idle_runtime();
            it.begin_request(&idle, TENANT);
            idle
        };
        if !may_restart {
            drop(start());
        }
        let abandoned = start();
        it.clock.advance(LIMIT);
        let text = it.token_of(TENANT);
        let mut request = Box::pin(reason(&it.server, &text));
        serving.block_on(async {
            assert!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        });
        drop(abandoned);
        assert_eq!(serving.block_on(request), "accepted", "{may_restart}");
        assert_eq!(it.calls(), 1, "{may_restart}");
    }
}

#[test]
fn f16_calls_that_nobody_polls_do_not_lock_other_tenants_out() {
    let (idle, serving, it) = (idle_runtime(), serving_runtime(), tenants(Says::Ours));
    for n in 0..100 {
        it.begin_request(&idle, &format!("https://{n}.example.com"));
    }
    assert_eq!(it.reason(&serving, "https://new.example.com"), "keys_unavailable", "all calls are under way");
    it.clock.advance(LIMIT);
    assert_eq!(it.reason(&serving, "https://7.example.com"), "accepted", "superseding one needs no place");
    it.clock.advance(LIMIT);
    assert_eq!(it.reason(&serving, "https://new.example.com"), "keys_unavailable", "those given up came to nothing");
    it.clock.advance(Duration::from_secs(30));
    assert_eq!(it.reason(&serving, "https://new.example.com"), "accepted");
    drive(&idle);
    assert_eq!(it.calls(), 2);
}

#[test]
fn f17_a_runtime_that_ends_during_a_call_of_the_resolver_is_no_failure_of_it() {
    for is_polled in [false, true] {
        let (ending, serving, it) = (idle_runtime(), serving_runtime(), tenants(Says::Hangs));
        it.begin_request(&ending, TENANT);
        if is_polled {
            drive(&ending);
        }
        it.say(Says::Ours);
        let token = it.token_of(TENANT);
        let mut request = Box::pin(reason(&it.server, &token));
        serving.block_on(async {
            assert!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        });
        drop(ending);
        let began = serving.block_on(async { tokio::time::Instant::now() });
        assert_eq!(serving.block_on(request), "accepted", "the waiter calls again at once");
        serving.block_on(async { assert_eq!(began.elapsed(), Duration::ZERO) });
        assert_eq!(it.calls(), 1 + usize::from(is_polled));
    }
}

#[test]
fn f17_a_second_interruption_within_thirty_seconds_and_a_panic_are_failures() {
    let (serving, it) = (serving_runtime(), tenants(Says::Hangs));
    let begin_and_end = || it.begin_request(&idle_runtime(), TENANT);
    begin_and_end();
    it.clock.advance(Duration::from_secs(29));
    begin_and_end();
    it.say(Says::Ours);
    assert_eq!(it.reason(&serving, TENANT), "keys_unavailable", "for five seconds");
    it.clock.advance(Duration::from_secs(5));
    assert_eq!(it.reason(&serving, TENANT), "accepted");

    let it = tenants(Says::Panics);
    for (pass, calls) in [(0, 1), (4, 1), (1, 2)] {
        it.clock.advance(Duration::from_secs(pass));
        assert_eq!((it.reason(&serving, TENANT), it.calls()), ("keys_unavailable", calls));
    }
}

#[test]
fn f16_a_runtime_without_timers_resolves_no_issuer() {
    log::capture();
    let (serving, it) = (serving_runtime(), tenants(Says::Ours));
    let timerless = Builder::new_current_thread().enable_io().build().unwrap();
    assert_eq!(it.reason(&timerless, TENANT), "keys_unavailable");
    assert!(log::take().contains("issuers cannot be resolved in a tokio runtime without timers"));
    assert_eq!((it.reason(&serving, TENANT), it.calls()), ("accepted", 1));
    assert_eq!(it.reason(&timerless, TENANT), "accepted");
}
