//! The cache in front of a source in memory, under paused time: how long requests wait, and how many.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use tokio::time::Instant;
use tower::{Layer, Service, service_fn};
use tower_bearer::layer::ResponseBody;
use tower_bearer::{KeyPolicy, ResourceServer, TokenError};

use crate::provider::{AUDIENCE, reason, token};
use crate::source::{Mood, fixture, fixture_with};

#[tokio::test(start_paused = true)]
async fn r18_the_first_request_waits_two_seconds_for_a_source_that_hangs() {
    let it = fixture(Mood::Hangs);
    let began = Instant::now();
    assert_eq!(reason(&it.server, &it.token).await, "keys_unavailable");
    assert_eq!(began.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn f09_a_fetch_that_hangs_ends_after_five_seconds() {
    let it = fixture(Mood::Hangs);
    let began = Instant::now();
    // Two requests give up after two seconds each; the third sees the end of the fetch.
    for seconds in [2, 4, 5] {
        assert_eq!(reason(&it.server, &it.token).await, "keys_unavailable");
        assert_eq!(began.elapsed(), Duration::from_secs(seconds));
    }
    assert_eq!(it.fetches.load(Ordering::SeqCst), 1, "one fetch at a time");
    it.mood.send_replace(Mood::Answers);
    it.clock.advance(Duration::from_secs(6));
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    assert_eq!(it.fetches.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn j08_at_most_256_requests_wait_for_one_fetch() {
    let it = fixture(Mood::Hangs);
    let began = Instant::now();
    let requests: Vec<_> = (0..300)
        .map(|_| {
            let (server, token) = (it.server.clone(), it.token.clone());
            tokio::spawn(async move {
                assert_eq!(reason(&server, &token).await, "keys_unavailable");
                began.elapsed()
            })
        })
        .collect();
    let mut at_once = 0;
    for request in requests {
        at_once += usize::from(request.await.unwrap().is_zero());
    }
    assert_eq!(at_once, 300 - KeyPolicy::MAX_WAITING_REQUESTS);
    assert_eq!(it.fetches.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn f09_a_source_that_fails_or_panics_leaves_nobody_waiting() {
    for mood in [Mood::Fails, Mood::Panics] {
        let it = fixture(mood);
        let began = Instant::now();
        assert_eq!(reason(&it.server, &it.token).await, "keys_unavailable", "{mood:?}");
        assert!(began.elapsed().is_zero(), "{mood:?}");
        it.mood.send_replace(Mood::Answers);
        it.clock.advance(Duration::from_secs(6));
        assert_eq!(reason(&it.server, &it.token).await, "accepted", "{mood:?}");
    }
}

/// A service behind the layer, to be called and polled apart.
fn service(
    server: &ResourceServer,
) -> impl Service<Request<()>, Response = Response<ResponseBody<Empty<Bytes>>>, Error = Infallible> {
    server.layer().layer(service_fn(async |_: Request<()>| Ok(Response::new(Empty::new()))))
}

fn request(token: &str) -> Request<()> {
    Request::get("/").header("authorization", format!("Bearer {token}")).body(()).unwrap()
}

/// The reason code of a refusal, or "accepted".
fn outcome<B>(answer: Result<Response<B>, Infallible>) -> &'static str {
    answer.unwrap().extensions().get::<TokenError>().map_or("accepted", TokenError::reason)
}

/// A server is free to poll late: the fetch that a request was to wait for may have ended by then.
#[tokio::test(start_paused = true)]
async fn j09_a_request_that_comes_late_to_a_fetch_starts_no_other() {
    for (mood, expected) in [(Mood::Answers, "accepted"), (Mood::Fails, "keys_unavailable")] {
        let it = fixture(mood);
        let mut service = service(&it.server);
        let (early, late) = (service.call(request(&it.token)), service.call(request(&it.token)));
        assert_eq!(outcome(early.await), expected);
        assert_eq!(outcome(late.await), expected);
        assert_eq!(it.fetches.load(Ordering::SeqCst), 1, "{mood:?}");
    }
    // The same for a `kid` that the first one looked for in vain.
    let it = fixture(Mood::Answers);
    let mut service = service(&it.server);
    assert_eq!(outcome(service.call(request(&it.token)).await), "accepted");
    let unknown = it.issuer.token().audience(AUDIENCE).header("kid", "unknown").sign();
    let (early, late) = (service.call(request(&unknown)), service.call(request(&unknown)));
    assert_eq!(outcome(early.await), "no_matching_key");
    assert_eq!(outcome(late.await), "no_matching_key");
    assert_eq!(it.fetches.load(Ordering::SeqCst), 2);
}

/// A fetch that began before a key was published says nothing about the key: the next request looks for it anew.
#[tokio::test(start_paused = true)]
async fn f06_a_key_published_during_a_fetch_is_found_by_the_next_one() {
    let it = fixture(Mood::AnswersLate);
    let mut service = service(&it.server);
    let mut early = pin!(service.call(request(&it.token)));
    assert!(early.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    tokio::task::yield_now().await;
    it.clock.advance(Duration::from_secs(1));
    it.issuer.rotate_keys().unwrap();
    let rotated = token(&it.issuer);
    let mut late = pin!(service.call(request(&rotated)));
    assert!(late.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    it.mood.send_replace(Mood::Answers);
    assert_eq!(outcome(early.await), "accepted");
    assert_eq!(outcome(late.await), "key_not_proven_absent");
    assert_eq!(it.fetches.load(Ordering::SeqCst), 1);
    assert_eq!(reason(&it.server, &rotated).await, "accepted");
}

#[tokio::test(start_paused = true)]
async fn j08_requests_that_came_before_any_of_them_waited_are_counted_too() {
    let it = fixture(Mood::Hangs);
    let mut service = service(&it.server);
    let mut requests: Vec<_> = (0..300).map(|_| Box::pin(service.call(request(&it.token)))).collect();
    let mut context = Context::from_waker(Waker::noop());
    let waiting = requests.iter_mut().filter_map(|it| it.as_mut().poll(&mut context).is_pending().then_some(()));
    assert_eq!(waiting.count(), KeyPolicy::MAX_WAITING_REQUESTS);
}

#[tokio::test(start_paused = true)]
async fn r18_a_fetch_without_an_end_gives_the_longest_retry_after() {
    let it = fixture_with(Mood::Hangs, KeyPolicy::default().fetch_timeout(Duration::MAX));
    let answer = service(&it.server).call(request(&it.token)).await.unwrap();
    assert_eq!(answer.headers()["retry-after"], u64::MAX.to_string());
}

/// A runtime that shuts down drops a task at once, on the thread that spawns it.
#[test]
fn h15_a_fetch_that_is_dropped_as_it_starts_blocks_nobody() {
    let (runtime, it) = (tokio::runtime::Runtime::new().unwrap(), fixture(Mood::Answers));
    assert_eq!(runtime.block_on(reason(&it.server, &it.token)), "accepted");
    let handle = runtime.handle().clone();
    drop(runtime);
    // The keys are known, and due for a refresh.
    it.clock.advance(Duration::from_secs(300));
    let (verdict, verdicts) = mpsc::channel();
    std::thread::spawn(move || {
        let _entered = handle.enter();
        for _ in 0..2 {
            let mut validation = pin!(it.server.validate(&it.token));
            let answer = validation.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            verdict.send(matches!(answer, Poll::Ready(Ok(_)))).unwrap();
        }
    });
    for _ in 0..2 {
        assert_eq!(verdicts.recv_timeout(Duration::from_secs(30)), Ok(true));
    }
}

#[test]
fn outside_of_a_runtime_a_fetch_is_refused_without_a_panic() {
    let it = fixture(Mood::Answers);
    let mut validation = pin!(it.server.validate(&it.token));
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(verdict) = validation.as_mut().poll(&mut context) else { panic!("still waiting") };
    assert_eq!(verdict.unwrap_err().reason(), "keys_unavailable");
    assert_eq!(it.fetches.load(Ordering::SeqCst), 0);
}
