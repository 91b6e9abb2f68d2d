//! For how long answers count, and what displaces them.

use std::time::Duration;

use serde_json::json;
use tower_bearer::ResourceServer;
use tower_bearer::time::Clock;

use crate::endpoint::*;
use crate::fixtures::reason;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn r85_an_answer_counts_for_its_time_and_never_past_exp() {
    let endpoint = Endpoint::start().await;
    // The first token ends before the cache time, the second after it.
    for (token, lives, counts) in [("short", 10, 10), ("long", 600, 60)] {
        let (server, before) = (endpoint.server(), endpoint.calls());
        let exp = endpoint.clock.now().unwrap().as_secs() + lives;
        endpoint.answer_about(token, Answer::with(json!({ "exp": exp })));
        assert_eq!(reason(&server, token).await, "accepted");
        // Too early for a refresh ahead.
        endpoint.pass(Duration::from_secs(counts * 7 / 10));
        assert_eq!(reason(&server, token).await, "accepted");
        assert_eq!(endpoint.calls(), before + 1, "{token}");
        endpoint.pass(Duration::from_secs(counts - counts * 7 / 10));
        // Within the leeway of `exp`, the issuer says that the token is active: it is asked each time.
        for asked in 2..4 {
            assert_eq!(reason(&server, token).await, "accepted");
            if token == "short" {
                assert_eq!(endpoint.calls(), before + asked, "{token}");
            }
        }
        assert!(endpoint.calls() >= before + 2, "{token}");
    }
}

#[tokio::test]
async fn r85_caching_can_be_off_for_either_kind_of_answer() {
    let endpoint = Endpoint::start().await;
    endpoint.answer_about("bad", Answer::inactive());
    let off = endpoint.introspection().cache(Duration::ZERO).inactive_cache(Duration::ZERO);
    for (server, good_calls, bad_calls) in [
        (endpoint.server(), 1, 1),
        (endpoint.server_with(off.clone()), 3, 3),
        (endpoint.server_with(off.inactive_cache(5 * SECOND)), 3, 1),
        (endpoint.builder().token_cache_bytes(0).issuer(endpoint.issuer()).build().unwrap(), 3, 1),
    ] {
        for (token, expected, calls) in [("good", "accepted", good_calls), ("bad", "token_inactive", bad_calls)] {
            let before = endpoint.calls();
            for _ in 0..3 {
                assert_eq!(reason(&server, token).await, expected);
            }
            assert_eq!(endpoint.calls() - before, calls, "{token}");
        }
    }
}

#[tokio::test]
async fn n02_a_refusal_is_remembered_for_five_seconds() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server();
    for (token, answer, expected) in [
        ("inactive", Answer::inactive(), "token_inactive"),
        ("other audience", Answer::with(json!({ "aud": "x" })), "audience_mismatch"),
        ("refused alone", Answer::status(400), "introspection_unavailable"),
    ] {
        endpoint.answer_about(token, answer);
        let before = endpoint.calls();
        for _ in 0..5 {
            assert_eq!(reason(&server, token).await, expected);
        }
        assert_eq!(endpoint.calls(), before + 1, "{token}");
        endpoint.answer_about(token, Answer::Active);
        endpoint.pass(5 * SECOND - Duration::from_millis(1));
        assert_eq!(reason(&server, token).await, expected);
        endpoint.pass(Duration::from_millis(1));
        assert_eq!(reason(&server, token).await, "accepted");
    }
}

#[tokio::test]
async fn n02_a_token_in_use_is_asked_about_ahead_and_its_revocation_noticed_then() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server();
    assert_eq!(reason(&server, "a").await, "accepted");
    endpoint.answer(Answer::inactive());
    endpoint.pass(42 * SECOND);
    assert_eq!(reason(&server, "a").await, "accepted");
    assert_eq!(endpoint.calls(), 1);
    // Four fifths of the time, and a tenth of jitter.
    endpoint.pass(11 * SECOND);
    endpoint.hold();
    for _ in 0..10 {
        assert_eq!(reason(&server, "a").await, "accepted", "nobody waits");
    }
    endpoint.calls_reach(2).await;
    endpoint.let_go();
    while reason(&server, "a").await == "accepted" {
        tokio::task::yield_now().await;
    }
    assert_eq!(reason(&server, "a").await, "token_inactive");
    assert_eq!(endpoint.calls(), 2, "one call for all");
}

#[tokio::test]
async fn n02_ahead_or_not_an_active_token_is_asked_about_once_in_its_time() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server();
    assert_eq!(reason(&server, "a").await, "accepted");
    for minute in 1..10 {
        endpoint.pass(53 * SECOND);
        assert_eq!(reason(&server, "a").await, "accepted");
        endpoint.calls_reach(minute + 1).await;
        while server.introspections()[0].calls > 0 {
            tokio::task::yield_now().await;
        }
    }
    assert!(endpoint.calls() <= 12, "{}", endpoint.calls());
}

/// Junk has a memory of its own, which good tokens do not share.
#[tokio::test]
async fn n08_junk_evicts_no_good_token() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server();
    let good: Vec<_> = (0..200).map(|n| format!("good-{n}")).collect();
    for token in &good {
        assert_eq!(reason(&server, token).await, "accepted");
    }
    endpoint.answer(Answer::inactive());
    for n in 0..5_000 {
        assert_eq!(reason(&server, &format!("junk-{n}")).await, "token_inactive");
    }
    let before = endpoint.calls();
    for token in &good {
        assert_eq!(reason(&server, token).await, "accepted");
    }
    assert_eq!(endpoint.calls(), before, "every good token was still cached");
    assert_eq!(server.token_cache().unwrap().tokens, 200);
}

#[tokio::test]
async fn n02_a_held_token_is_checked_again() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server();
    let held = server.validate("a").await.unwrap();
    assert!(server.revalidate(&held).is_ok());
    endpoint.pass(60 * SECOND);
    // It would have to wait, so it cannot decide.
    assert_eq!(server.revalidate(&held).unwrap_err().reason(), "introspection_unavailable");
    assert!(server.revalidate_async(&held).await.is_ok());
    assert_eq!(endpoint.calls(), 2);
    assert!(server.revalidate(&held).is_ok(), "there is a newer answer");
    assert_eq!(endpoint.calls(), 2);

    endpoint.answer(Answer::inactive());
    endpoint.pass(60 * SECOND);
    assert_eq!(server.revalidate_async(&held).await.unwrap_err().reason(), "token_inactive");
    assert_eq!(server.revalidate(&held).unwrap_err().reason(), "introspection_unavailable");
    endpoint.answer(Answer::status(500));
    endpoint.pass(60 * SECOND);
    assert_eq!(server.revalidate_async(&held).await.unwrap_err().reason(), "introspection_unavailable");

    let other = ResourceServer::builder().audience("x").issuer(endpoint.issuer()).build().unwrap();
    assert_eq!(other.revalidate(&held).unwrap_err().reason(), "other_resource_server");
    server.disable_issuer(ISSUER);
    assert_eq!(server.revalidate_async(&held).await.unwrap_err().reason(), "issuer_disabled");
}

/// The issuer was disabled, not the token: once it is enabled again, the token is good.
#[tokio::test]
async fn n02_a_disabled_issuer_is_no_refusal_of_its_token() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server();
    endpoint.hold();
    let judged = tokio::spawn({
        let server = server.clone();
        async move { reason(&server, "a").await }
    });
    endpoint.calls_reach(1).await;
    assert!(server.disable_issuer(ISSUER));
    endpoint.let_go();
    assert_eq!(judged.await.unwrap(), "issuer_disabled");
    assert!(server.enable_issuer(ISSUER));
    assert_eq!(reason(&server, "a").await, "accepted");
}

/// Our clock is broken, not the token, nor the endpoint.
#[tokio::test]
async fn k05_n02_a_clock_that_fails_forgets_no_good_token() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server();
    assert_eq!(reason(&server, "a").await, "accepted");
    let wall = endpoint.clock.now();
    endpoint.clock.set_wall(None);
    for _ in 0..10 {
        assert_eq!(reason(&server, "a").await, "clock_unavailable");
    }
    endpoint.clock.set_wall(wall);
    assert_eq!(reason(&server, "a").await, "accepted");
    assert_eq!(endpoint.calls(), 1, "it was still cached");
    assert_eq!(server.introspections()[0].refused_tokens, 0);
}

/// A request is polled again long after its answer came: by then the token may have been revoked.
#[tokio::test]
async fn n02_a_late_request_accepts_no_answer_that_is_too_old() {
    let endpoint = Endpoint::start().await;
    // The call may take two seconds, and the request waits for a hundred.
    for (cache, lasts) in [(60, 102), (0, 102), (600, 600)] {
        for (old, expected) in [(lasts - 1, "accepted"), (lasts, "introspection_unavailable")] {
            let introspection = endpoint.introspection().cache(SECOND * cache).request_wait(100 * SECOND);
            let server = endpoint.server_with(introspection);
            let before = endpoint.calls();
            let mut late = Box::pin(reason(&server, "a"));
            assert!(poll_once(&mut late).await.is_pending());
            endpoint.calls_reach(before + 1).await;
            calls_end(&server).await;
            endpoint.pass(SECOND * old);
            assert_eq!(late.await, expected, "after {old} s, cached for {cache} s");
            assert_eq!(endpoint.calls(), before + 1);
        }
    }
}

#[tokio::test]
async fn n02_a_late_request_accepts_no_answer_before_a_refusal() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server_with(endpoint.introspection().cache(Duration::ZERO));
    let mut late = Box::pin(reason(&server, "a"));
    assert!(poll_once(&mut late).await.is_pending());
    endpoint.calls_reach(1).await;
    calls_end(&server).await;
    endpoint.answer(Answer::inactive());
    endpoint.pass(SECOND);
    assert_eq!(reason(&server, "a").await, "token_inactive");
    assert_eq!(late.await, "token_inactive");
    assert_eq!(endpoint.calls(), 2);
}
