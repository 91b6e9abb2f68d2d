//! Places, turns and pauses: none is lost, and none is had twice.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tower_bearer::{Introspection, ResourceServer};

use crate::endpoint::*;
use crate::fixtures::reason;

const SECOND: Duration = Duration::from_secs(1);
/// Longer than any of these tests takes.
const PATIENCE: Duration = Duration::from_secs(3_600);

fn patient(endpoint: &Endpoint) -> Introspection {
    endpoint.introspection().request_wait(PATIENCE).timeout(PATIENCE)
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn request(runtime: &Runtime, server: &ResourceServer, token: &str) -> JoinHandle<&'static str> {
    let (server, token) = (server.clone(), token.to_owned());
    runtime.spawn(async move { reason(&server, &token).await })
}

/// The waiters of an interrupted call wait for another one. They count once.
#[test]
fn n08_waiters_of_an_interrupted_call_take_one_place_each() {
    let (main, ending) = (runtime(), runtime());
    let endpoint = main.block_on(Endpoint::start());
    let server = endpoint.server_with(patient(&endpoint).max_waiting_requests(4));
    endpoint.hold();
    drop(request(&ending, &server, "a"));
    main.block_on(endpoint.calls_reach(1));
    let waiting: Vec<_> = (0..2).map(|_| request(&main, &server, "a")).collect();
    main.block_on(waiting_reach(&server, 3));
    drop(ending);
    main.block_on(endpoint.calls_reach(2));
    main.block_on(waiting_reach(&server, 2));
    endpoint.let_go();
    for request in waiting {
        assert_eq!(main.block_on(request).unwrap(), "accepted");
    }
    // There are four places again, and no fifth.
    endpoint.hold();
    let waiting: Vec<_> = (0..4).map(|n| request(&main, &server, &format!("new-{n}"))).collect();
    main.block_on(waiting_reach(&server, 4));
    for n in 0..3 {
        assert_eq!(main.block_on(reason(&server, &format!("more-{n}"))), "introspection_unavailable");
    }
    endpoint.let_go();
    for request in waiting {
        assert_eq!(main.block_on(request).unwrap(), "accepted");
    }
    assert_eq!(server.introspections()[0].waiting_requests, 0);
}

/// A request whose runtime is no longer driven gets its turn, and cannot take it.
#[test]
fn n08_a_turn_that_nobody_takes_goes_to_another_request() {
    for is_late in [false, true] {
        let main = runtime();
        let idle = Builder::new_current_thread().enable_all().build().unwrap();
        let endpoint = main.block_on(Endpoint::start());
        let introspection = endpoint.introspection().request_wait(PATIENCE).timeout(10 * SECOND / 25).max_calls(1);
        let server = endpoint.server_with(introspection);
        let (answer, permission) = Answer::Active.when_told();
        endpoint.answer_about("first", answer);
        let first = request(&main, &server, "first");
        main.block_on(endpoint.calls_reach(1));
        let stalled = idle.spawn({
            let server = server.clone();
            async move { reason(&server, "stalled").await }
        });
        idle.block_on(waiting_reach(&server, 2));
        permission.notify_one();
        assert_eq!(main.block_on(first).unwrap(), "accepted");
        let next = if is_late {
            endpoint.pass(SECOND);
            request(&main, &server, "next")
        } else {
            let next = request(&main, &server, "next");
            main.block_on(waiting_reach(&server, 2));
            endpoint.pass(SECOND);
            next
        };
        assert_eq!(main.block_on(next).unwrap(), "accepted");
        assert_eq!(endpoint.calls(), 2);
        let status = server.introspections().remove(0);
        assert_eq!((status.calls, status.waiting_requests), (0, 0));
        assert_eq!(idle.block_on(stalled).unwrap(), "introspection_unavailable", "it lost its turn");
    }
}

fn request_here(server: &ResourceServer, token: &str) -> JoinHandle<&'static str> {
    let (server, token) = (server.clone(), token.to_owned());
    tokio::spawn(async move { reason(&server, &token).await })
}

/// A turn that was granted before calls paused, and not taken yet, begins no call during the pause.
#[tokio::test]
async fn n08_no_call_begins_during_a_pause() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server_with(patient(&endpoint).max_calls(3));
    let (good, when_good) = Answer::Active.when_told();
    let (full, when_full) = Answer::Full(429, vec![("retry-after", "20")], String::new()).when_told();
    endpoint.answer_about("good", good);
    endpoint.answer_about("full", full);
    let good = request_here(&server, "good");
    let full = request_here(&server, "full");
    endpoint.calls_reach(2).await;
    let mut granted = Box::pin(response(&server, "granted"));
    assert!(poll_once(&mut granted).await.is_pending());
    when_good.notify_one();
    assert_eq!(good.await.unwrap(), "accepted");
    when_full.notify_one();
    assert_eq!(full.await.unwrap(), "introspection_unavailable");
    assert_eq!(granted.await, (503, Some(20), "introspection_unavailable"));
    assert_eq!(endpoint.calls(), 2);
    let status = server.introspections().remove(0);
    assert_eq!((status.calls, status.waiting_requests), (0, 0));
}

/// All calls that were under way fail at once: that is one outage, and the first pause is the shortest.
#[tokio::test]
async fn n03_a_burst_of_failures_begins_the_shortest_pause() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server_with(patient(&endpoint));
    endpoint.answer(Answer::status(500));
    endpoint.hold();
    let burst: Vec<_> = (0..48).map(|n| request_here(&server, &format!("new-{n}"))).collect();
    endpoint.calls_reach(48).await;
    endpoint.let_go();
    for request in burst {
        assert_eq!(request.await.unwrap(), "introspection_unavailable");
    }
    let paused = server.introspections()[0].new_tokens_paused.unwrap();
    assert!(paused <= Duration::from_millis(1_100), "{paused:?}");
    endpoint.answer(Answer::Active);
    endpoint.pass(Duration::from_millis(1_100));
    assert_eq!(reason(&server, "next").await, "accepted", "within one step of the backoff");
    assert_eq!(endpoint.calls(), 49);
}

/// Few calls are shared as well: at least one is kept for tokens seen active.
#[tokio::test]
async fn n08_of_two_calls_one_is_reserved_for_tokens_seen_active() {
    for calls in [2, 3] {
        let endpoint = Endpoint::start().await;
        let server = endpoint.server_with(patient(&endpoint).max_calls(calls));
        assert_eq!(reason(&server, "seen").await, "accepted");
        endpoint.pass(61 * SECOND);
        endpoint.answer(Answer::Silence);
        endpoint.answer_about("seen", Answer::Active);
        let new: Vec<_> = (0..4).map(|n| request_here(&server, &format!("new-{n}"))).collect();
        waiting_reach(&server, 4).await;
        assert_eq!(reason(&server, "seen").await, "accepted", "of {calls} calls");
        new.iter().for_each(JoinHandle::abort);
    }
}
