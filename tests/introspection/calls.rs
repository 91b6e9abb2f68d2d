//! How many calls are made, who waits for them, and who does not.

use std::time::Duration;

use tokio::task::JoinSet;
use tower_bearer::{Introspection, ResourceServer};

use crate::endpoint::*;
use crate::fixtures::reason;

const MINUTE: Duration = Duration::from_secs(60);
/// Longer than any of these tests takes.
const PATIENCE: Duration = Duration::from_secs(3_600);

fn patient(endpoint: &Endpoint) -> Introspection {
    endpoint.introspection().request_wait(PATIENCE).timeout(PATIENCE)
}

/// The verdicts about these tokens, each asked for in a task of its own.
fn verdicts(server: &ResourceServer, tokens: impl Iterator<Item = String>) -> JoinSet<&'static str> {
    tokens
        .map(|token| {
            let server = server.clone();
            async move { reason(&server, &token).await }
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n08_a_thousand_requests_with_one_new_token_make_one_call() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server_with(patient(&endpoint));
    endpoint.hold();
    let requests = verdicts(&server, (0..1_000).map(|_| String::from("a")));
    endpoint.calls_reach(1).await;
    endpoint.let_go();
    assert!(requests.join_all().await.iter().all(|verdict| *verdict == "accepted"));
    assert_eq!(endpoint.calls(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n08_a_thousand_different_tokens_make_at_most_64_calls_at_once_and_all_are_answered() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server_with(patient(&endpoint));
    endpoint.hold();
    let requests = verdicts(&server, (0..1_000).map(|n| format!("token-{n}")));
    endpoint.calls_reach(48).await;
    endpoint.let_go();
    assert!(requests.join_all().await.iter().all(|verdict| *verdict == "accepted"));
    assert_eq!(endpoint.calls(), 1_000);
    assert!((48..=64).contains(&endpoint.most_at_once()), "{}", endpoint.most_at_once());
}

/// The answers about different tokens come in any order, and each goes to its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n05_concurrent_answers_are_never_mixed_up() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server_with(patient(&endpoint).cache(Duration::ZERO));
    for n in 0..50 {
        let answer = Answer::with(serde_json::json!({ "sub": format!("user-{n}") }));
        endpoint.answer_about(&format!("token-{n}"), if n % 5 == 0 { Answer::inactive() } else { answer });
    }
    let requests: JoinSet<_> = (0..1_000)
        .map(|n| {
            let server = server.clone();
            async move {
                let n = n % 50;
                let subject = server.validate(&format!("token-{n}")).await.ok();
                let subject = subject.map(|token| token.subject().unwrap().to_owned());
                assert_eq!(subject, (n % 5 != 0).then(|| format!("user-{n}")));
            }
        })
        .collect();
    requests.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n08_tokens_seen_active_are_asked_about_again_during_a_flood_of_new_ones() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server_with(patient(&endpoint));
    let seen: Vec<_> = (0..100).map(|n| format!("seen-{n}")).collect();
    for token in &seen {
        endpoint.answer_about(token, Answer::Active);
        assert_eq!(reason(&server, token).await, "accepted");
    }
    endpoint.answer(Answer::Silence);
    let flood = verdicts(&server, (0..2_000).map(|n| format!("new-{n}")));
    endpoint.calls_reach(100 + 48).await;
    for _ in 0..3 {
        endpoint.pass(MINUTE);
        let again = verdicts(&server, seen.iter().cloned()).join_all().await;
        assert!(again.iter().all(|verdict| *verdict == "accepted"), "{again:?}");
    }
    assert_eq!(endpoint.calls(), 100 + 48 + 3 * 100, "no more than 48 calls for new tokens");
    drop(flood);
}

#[tokio::test]
async fn n08_a_bounded_number_of_requests_wait_and_those_seen_active_have_their_share() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server_with(patient(&endpoint).max_calls(4).max_waiting_requests(8));
    assert_eq!(reason(&server, "seen").await, "accepted");
    endpoint.pass(MINUTE);
    endpoint.hold();
    let mut new = verdicts(&server, (0..20).map(|n| format!("new-{n}")));
    // Eight wait, three of them for a call; the rest is answered at once.
    for _ in 0..12 {
        assert_eq!(new.join_next().await.unwrap().unwrap(), "introspection_unavailable");
    }
    endpoint.calls_reach(1 + 3).await;
    assert_eq!(response(&server, "another").await, (503, Some(1), "introspection_unavailable"));

    // It takes the place of a new one, and the call that is kept free.
    let seen = verdicts(&server, std::iter::once(String::from("seen")));
    assert_eq!(new.join_next().await.unwrap().unwrap(), "introspection_unavailable");
    endpoint.calls_reach(1 + 4).await;
    endpoint.let_go();
    assert_eq!(seen.join_all().await, ["accepted"]);
    assert_eq!(new.join_all().await, ["accepted"; 7]);
}

/// Requests with one new token take all places, and its call is under way.
#[tokio::test]
async fn n08_requests_that_wait_for_a_call_make_way_as_well() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server_with(patient(&endpoint).max_waiting_requests(8));
    assert_eq!(reason(&server, "seen").await, "accepted");
    endpoint.pass(MINUTE);
    endpoint.hold();
    let mut new = verdicts(&server, (0..8).map(|_| String::from("new")));
    endpoint.calls_reach(2).await;
    while server.introspections()[0].waiting_requests < 8 {
        tokio::task::yield_now().await;
    }
    let seen = verdicts(&server, std::iter::once(String::from("seen")));
    assert_eq!(new.join_next().await.unwrap().unwrap(), "introspection_unavailable");
    endpoint.calls_reach(3).await;
    endpoint.let_go();
    assert_eq!(seen.join_all().await, ["accepted"]);
    assert_eq!(reason(&server, "new").await, "accepted", "the call went on");
    assert_eq!(endpoint.calls(), 3);
}

#[tokio::test]
async fn n08_cancelled_requests_leave_nobody_stuck() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server_with(patient(&endpoint).max_calls(2).max_waiting_requests(64));
    for _ in 0..3 {
        endpoint.hold();
        let before = endpoint.calls();
        let mut requests = verdicts(&server, (0..60).map(|n| format!("{before}-{}", n / 2)));
        endpoint.calls_reach(before + 1).await;
        tokio::task::yield_now().await;
        requests.abort_all();
        while requests.join_next().await.is_some() {}
        endpoint.let_go();
        let next = verdicts(&server, (0..60).map(|n| format!("next-{before}-{n}")));
        assert_eq!(next.join_all().await, ["accepted"; 60]);
    }
}

#[tokio::test]
async fn n03_five_failures_pause_calls_for_longer_and_longer_until_one_succeeds() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server();
    endpoint.answer(Answer::status(500));
    for n in 0..10 {
        let (status, retry_after, reason) = response(&server, &format!("token-{n}")).await;
        assert_eq!((status, reason), (503, "introspection_unavailable"));
        // A pause of a second, give or take a tenth.
        assert!((1..=2).contains(&retry_after.unwrap()));
    }
    assert_eq!(endpoint.calls(), 5);
    // One call after each pause, which doubles, give or take a tenth.
    for (call, seconds) in [(6, 1), (7, 2), (8, 4), (9, 8), (10, 16), (11, 30), (12, 30)] {
        endpoint.pass(Duration::from_millis(seconds * 890));
        assert_eq!(response(&server, "a").await.0, 503);
        assert_eq!(endpoint.calls(), call - 1, "{seconds}");
        endpoint.pass(Duration::from_millis(seconds * 220));
        for _ in 0..3 {
            assert_eq!(response(&server, "a").await.0, 503);
        }
        assert_eq!(endpoint.calls(), call, "{seconds}");
    }
    endpoint.answer(Answer::Active);
    endpoint.pass(Duration::from_secs(33));
    assert_eq!(response(&server, "a").await.0, 200, "within one step of the backoff");
    endpoint.answer(Answer::status(500));
    for n in 20..24 {
        assert_eq!(response(&server, &format!("token-{n}")).await.0, 503);
    }
    endpoint.answer(Answer::Active);
    assert_eq!(response(&server, "b").await.0, 200, "failures are counted from zero");
}

#[tokio::test]
async fn n08_calls_for_new_tokens_and_for_those_seen_active_pause_apart() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server();
    assert_eq!(reason(&server, "seen").await, "accepted");
    endpoint.answer_about("seen", Answer::Active);
    endpoint.answer(Answer::status(500));
    for n in 0..10 {
        assert_eq!(reason(&server, &format!("new-{n}")).await, "introspection_unavailable");
    }
    assert_eq!(endpoint.calls(), 6);
    endpoint.pass(MINUTE);
    assert_eq!(reason(&server, "new").await, "introspection_unavailable");
    assert_eq!(reason(&server, "seen").await, "accepted");
    assert_eq!(endpoint.calls(), 8);
    assert_eq!(reason(&server, "new").await, "introspection_unavailable", "the success of the other changes nothing");
    assert_eq!(endpoint.calls(), 8);
}

#[tokio::test]
async fn n08_a_429_is_honoured_at_once() {
    let endpoint = Endpoint::start().await;
    for (status, asked, pause) in [(429, "7", 7), (503, "7", 7), (429, "3600", 30)] {
        let server = endpoint.server();
        endpoint.answer(Answer::Full(status, vec![("retry-after", asked)], String::new()));
        assert_eq!(response(&server, "a").await, (503, Some(pause), "introspection_unavailable"));
        endpoint.answer(Answer::Active);
        let before = endpoint.calls();
        endpoint.pass(Duration::from_millis(pause * 1_000 - 1));
        assert_eq!(response(&server, "b").await, (503, Some(1), "introspection_unavailable"));
        assert_eq!(endpoint.calls(), before);
        endpoint.pass(Duration::from_millis(1));
        assert_eq!(response(&server, "b").await.0, 200);
    }
}

#[tokio::test]
async fn n08_a_4xx_counts_against_its_token_alone() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server();
    endpoint.answer(Answer::status(400));
    for n in 0..50 {
        assert_eq!(reason(&server, &format!("bad-{n}")).await, "introspection_unavailable");
    }
    assert_eq!(endpoint.calls(), 50);
    endpoint.answer_about("good", Answer::Active);
    assert_eq!(reason(&server, "good").await, "accepted");
    // The time for which it is refused may be long; what clients are told is not.
    for (refused_for, retry_after) in [(0, 1), (5, 5), (3_600, 30)] {
        let introspection = endpoint.introspection().inactive_cache(Duration::from_secs(refused_for));
        let server = endpoint.server_with(introspection);
        for _ in 0..2 {
            let expected = (503, Some(retry_after), "introspection_unavailable");
            assert_eq!(response(&server, "bad").await, expected);
        }
    }
}

#[test]
fn n03_a_request_outside_of_a_runtime_or_without_timers_is_503() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let endpoint = runtime.block_on(Endpoint::start());
    let server = endpoint.server();
    let without_timers = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    assert_eq!(without_timers.block_on(reason(&server, "a")), "introspection_unavailable");
    let mut outside = Box::pin(reason(&server, "a"));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let polled = outside.as_mut().poll(&mut context);
    assert_eq!(polled, std::task::Poll::Ready("introspection_unavailable"));
    assert_eq!(endpoint.calls(), 0);
    assert_eq!(runtime.block_on(reason(&server, "a")), "accepted");
}

#[test]
fn n03_a_call_whose_runtime_ends_or_is_not_driven_is_made_again() {
    let runtime =
        |threads| tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap();
    let (main, ending) = (runtime(2), runtime(1));
    let endpoint = main.block_on(Endpoint::start());
    let server = endpoint.server_with(patient(&endpoint).timeout(Duration::from_secs(5)));
    endpoint.hold();
    ending.spawn({
        let server = server.clone();
        async move { reason(&server, "a").await }
    });
    main.block_on(endpoint.calls_reach(1));
    let waiting = main.spawn({
        let server = server.clone();
        async move { reason(&server, "a").await }
    });
    main.block_on(tokio::task::yield_now());
    drop(ending);
    main.block_on(endpoint.calls_reach(2));
    endpoint.let_go();
    assert_eq!(main.block_on(waiting).unwrap(), "accepted");

    // A runtime that is kept and not driven.
    let idle = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    endpoint.hold();
    idle.block_on(async {
        let request = tokio::spawn({
            let server = server.clone();
            async move { reason(&server, "b").await }
        });
        endpoint.calls_reach(3).await;
        request.abort();
    });
    endpoint.let_go();
    // Its limit passes on the clock of the policy.
    endpoint.pass(Duration::from_secs(6));
    assert_eq!(main.block_on(reason(&server, "b")), "accepted");
}
