//! Answers that are used for longer than they count: while the endpoint is down, and at no other time.

use std::time::Duration;

use crate::endpoint::*;
use crate::fixtures::reason;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// Stale answers are for an endpoint that is down, not for one that answers something else about this token.
#[tokio::test]
async fn n02_no_stale_answer_counts_while_the_endpoint_answers() {
    let endpoint = Endpoint::start().await;
    let introspection = endpoint.introspection().serve_stale(Duration::from_secs(3_600));
    let server = endpoint.server_with(introspection);
    assert_eq!(reason(&server, "revoked").await, "accepted");
    endpoint.clock.advance(Duration::from_secs(61));
    endpoint.answer(Answer::status(500));
    assert_eq!(reason(&server, "revoked").await, "accepted", "it is down");
    endpoint.answer(Answer::status(400));
    for pause in [0, 1, 6, 60] {
        endpoint.clock.advance(Duration::from_secs(pause));
        assert_eq!(reason(&server, "revoked").await, "introspection_unavailable", "after {pause} s more");
    }
}

/// All places are taken by requests with tokens seen active, and the endpoint is slow, not down.
#[tokio::test]
async fn n02_no_stale_answer_counts_because_too_many_requests_wait() {
    let endpoint = Endpoint::start().await;
    let introspection = endpoint.introspection().serve_stale(HOUR).request_wait(HOUR).timeout(HOUR);
    let server = endpoint.server_with(introspection.max_waiting_requests(4));
    for n in 0..6 {
        assert_eq!(reason(&server, &format!("seen-{n}")).await, "accepted");
    }
    endpoint.pass(61 * SECOND);
    endpoint.hold();
    let mut waiting: Vec<_> = (0..4)
        .map(|n| {
            let (server, token) = (server.clone(), format!("seen-{n}"));
            tokio::spawn(async move { reason(&server, &token).await })
        })
        .collect();
    waiting_reach(&server, 4).await;
    assert_eq!(response(&server, "seen-4").await, (503, Some(1), "introspection_unavailable"));
    endpoint.let_go();
    while let Some(request) = waiting.pop() {
        assert_eq!(request.await.unwrap(), "accepted");
    }
    // Once the endpoint is down, they may as well have waited for it.
    endpoint.pass(61 * SECOND);
    endpoint.answer(Answer::status(500));
    assert_eq!(reason(&server, "seen-0").await, "accepted");
    endpoint.hold();
    let waiting: Vec<_> = (0..4)
        .map(|n| {
            let (server, token) = (server.clone(), format!("seen-{n}"));
            tokio::spawn(async move { reason(&server, &token).await })
        })
        .collect();
    waiting_reach(&server, 4).await;
    assert_eq!(reason(&server, "seen-4").await, "accepted");
    endpoint.let_go();
    for request in waiting {
        assert_eq!(request.await.unwrap(), "accepted");
    }
}

/// A request that times out while its call is under way cannot tell a slow endpoint from a dead one. One that never got
/// its turn can: calls end, if not its own.
#[tokio::test]
async fn n02_a_stale_answer_counts_after_a_timeout_of_the_call_and_not_of_the_turn() {
    let endpoint = Endpoint::start().await;
    let introspection = endpoint.introspection().serve_stale(HOUR).timeout(HOUR);
    let server = endpoint.server_with(introspection.request_wait(SECOND).max_calls(1));
    for token in ["called", "queued"] {
        assert_eq!(reason(&server, token).await, "accepted");
    }
    endpoint.pass(61 * SECOND);
    endpoint.hold();
    assert_eq!(reason(&server, "called").await, "accepted");
    assert_eq!(server.introspections()[0].calls, 1, "its call goes on");
    assert_eq!(reason(&server, "queued").await, "introspection_unavailable");
    assert_eq!(endpoint.calls(), 3);
    endpoint.let_go();
}

/// Without a runtime no call is made, and the endpoint is not to blame.
#[test]
fn n02_no_stale_answer_counts_without_a_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let endpoint = runtime.block_on(Endpoint::start());
    let server = endpoint.server_with(endpoint.introspection().serve_stale(HOUR));
    assert_eq!(runtime.block_on(reason(&server, "a")), "accepted");
    endpoint.pass(61 * SECOND);
    let without_timers = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    assert_eq!(without_timers.block_on(reason(&server, "a")), "introspection_unavailable");
    assert_eq!(runtime.block_on(reason(&server, "a")), "accepted");
}
