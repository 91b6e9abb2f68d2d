//! Tokens that were accepted before, when what made them good has changed. Each answer is compared with that of a
//! resource server that keeps no tokens.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tower_bearer::jose::Algorithm;
use tower_bearer::time::UnixTime;
use tower_bearer::{Check, KeyPolicy, Step, StepListener};
use tower_bearer_test::{SigningKey, TestIssuer};

use crate::provider::{AUDIENCE, key, reason};
use crate::source::Mood;
use crate::token_cache_and_none::*;

const LEEWAY: u64 = 30;

fn at(seconds_after_start: i64) -> Option<UnixTime> {
    let by = Duration::from_secs(seconds_after_start.unsigned_abs());
    Some(if seconds_after_start < 0 { START.saturating_sub(by) } else { START.saturating_add(by) })
}

#[tokio::test(start_paused = true)]
async fn k01_exp_passes() {
    let pair = Pair::new();
    let token = pair.token().expires_in(Duration::from_secs(60)).sign();
    for (now, expected, kept) in [
        (0, "accepted", 1),
        (60, "accepted", 1),
        (60 + LEEWAY - 1, "accepted", 1),
        (60 + LEEWAY, "expired", 0),
        (60 + LEEWAY + 1, "expired", 0),
        // It is not kept for nothing, and comes back when the clock does.
        (60 + LEEWAY - 1, "accepted", 1),
    ] {
        pair.clock.set_wall(Some(START.saturating_add(Duration::from_secs(now))));
        assert_eq!((pair.answer(&token).await, pair.kept()), (expected, kept), "{now}");
    }
}

#[tokio::test(start_paused = true)]
async fn k01_the_maximum_age_passes() {
    let pair = Pair::with(|builder| builder.max_token_age(Duration::from_secs(60)));
    let token = pair.token().sign();
    for (now, expected, kept) in [
        (0, "accepted", 1),
        (60 + LEEWAY - 1, "accepted", 1),
        (60 + LEEWAY, "accepted", 1),
        (60 + LEEWAY + 1, "too_old", 0),
    ] {
        pair.clock.set_wall(Some(START.saturating_add(Duration::from_secs(now))));
        assert_eq!((pair.answer(&token).await, pair.kept()), (expected, kept), "{now}");
    }
}

#[tokio::test(start_paused = true)]
async fn k01_the_wall_clock_goes_back() {
    let pair = Pair::new();
    let not_before = pair.token().without_claim("iat").claim("nbf", START.as_secs()).sign();
    for (token, reason) in [(not_before, "not_yet_valid"), (pair.token().sign(), "issued_in_future")] {
        for (wall, expected) in [
            (at(0), "accepted"),
            (at(-29), "accepted"),
            (at(-30), "accepted"),
            (at(-31), reason),
            (Some(UnixTime::from_secs(0)), reason),
            (None, "clock_unavailable"),
            (at(0), "accepted"),
        ] {
            pair.clock.set_wall(wall);
            let kept = pair.kept();
            assert_eq!(pair.answer(&token).await, expected, "{wall:?}");
            assert!(pair.kept() >= kept, "a clock that is wrong costs no token its place");
        }
    }
    assert_eq!(pair.fetches(), [1, 1]);
}

/// Nobody else comes, so it is the remembered token that has the keys refreshed.
#[tokio::test(start_paused = true)]
async fn k02_f08_a_withdrawn_key_ends_remembered_tokens_at_a_refresh_that_they_alone_start() {
    let pair = Pair::new();
    let token = pair.token().sign();
    assert_eq!(pair.answer(&token).await, "accepted");
    pair.issuer.rotate_keys().unwrap();
    pair.clock.advance(Duration::from_secs(270));
    assert_eq!((pair.answer(&token).await, pair.fetches()), ("accepted", [2, 2]));
    assert_eq!((pair.answer(&token).await, pair.kept()), ("no_matching_key", 0));
}

#[tokio::test(start_paused = true)]
async fn k02_f15_the_same_kid_with_another_key_ends_remembered_tokens() {
    let pair = Pair::new();
    let token = pair.token().sign();
    assert_eq!(pair.answer(&token).await, "accepted");
    pair.issuer.replace_key_material(pair.issuer.signing_key().key_id()).unwrap();
    pair.clock.advance(Duration::from_secs(270));
    assert_eq!(pair.answer(&token).await, "accepted");
    assert_eq!((pair.answer(&token).await, pair.kept()), ("bad_signature", 0));
}

#[tokio::test(start_paused = true)]
async fn k02_a_key_that_comes_back_makes_its_tokens_good_again() {
    let pair = Pair::new();
    let (token, signing) = (pair.token().sign(), pair.issuer.signing_key());
    assert_eq!(pair.answer(&token).await, "accepted");
    pair.issuer.add_key(key(1));
    pair.issuer.withdraw_key(signing.key_id()).unwrap();
    pair.clock.advance(Duration::from_secs(270));
    assert_eq!(pair.answer(&token).await, "accepted");
    assert_eq!(pair.answer(&token).await, "no_matching_key");
    pair.issuer.add_key(signing);
    pair.clock.advance(KeyPolicy::UNKNOWN_KID_WINDOW);
    assert_eq!((pair.answer(&token).await, pair.kept()), ("accepted", 1));
}

/// A set that grows, or comes anew as it was, leaves what it signed in memory.
#[tokio::test(start_paused = true)]
async fn f05_a_refresh_that_keeps_the_key_keeps_its_tokens() {
    let pair = Pair::new();
    let token = pair.token().sign();
    assert_eq!(pair.answer(&token).await, "accepted");
    for n in 1..=3 {
        pair.issuer.rotate_keys_with_overlap(Duration::from_secs(86_400)).unwrap();
        pair.clock.advance(Duration::from_secs(270));
        assert_eq!((pair.answer(&token).await, pair.kept()), ("accepted", 1));
        assert_eq!(pair.fetches(), [1 + n; 2]);
    }
}

/// The one answer that differs. Nothing has to be tried for a token whose key is known.
#[tokio::test(start_paused = true)]
async fn a_remembered_token_without_kid_stays_good_when_its_issuers_keys_become_too_many_to_try() {
    let pair = Pair::new();
    let token = pair.token().without_header("kid").sign();
    assert_eq!(pair.answer(&token).await, "accepted");
    for n in 0..4 {
        pair.issuer.add_key(SigningKey::generate(Algorithm::EdDSA).unwrap().with_key_id(n.to_string()));
    }
    pair.clock.advance(Duration::from_secs(270));
    assert_eq!(pair.answer(&token).await, "accepted");
    let [with, without] = &pair.sides;
    assert_eq!(reason(&with.server, &token).await, "accepted");
    assert_eq!(reason(&without.server, &token).await, "too_many_keys");
    let new = pair.token().without_header("kid").sign();
    assert_eq!(pair.answer(&new).await, "too_many_keys");
}

/// No request is made for the keys of an issuer that is switched off.
#[tokio::test(start_paused = true)]
async fn d10_a_disabled_issuer_ends_remembered_tokens_until_it_is_enabled() {
    let pair = Pair::new();
    let token = pair.token().sign();
    assert_eq!(pair.answer(&token).await, "accepted");
    pair.on_both(|side| assert!(side.server.disable_issuer(ISSUER)));
    assert_eq!(pair.answer(&token).await, "issuer_disabled");
    pair.clock.advance(Duration::from_secs(270));
    assert_eq!((pair.answer(&token).await, pair.fetches()), ("issuer_disabled", [1, 1]));
    pair.on_both(|side| assert!(side.server.enable_issuer(ISSUER)));
    assert_eq!((pair.answer(&token).await, pair.fetches()), ("accepted", [2, 2]));
}

#[tokio::test(start_paused = true)]
async fn d10_an_issuer_removed_or_replaced_ends_remembered_tokens() {
    let pair = Pair::new();
    let token = pair.token().sign();
    assert_eq!(pair.answer(&token).await, "accepted");
    // The place of one that is trusted is taken, and then its place is empty.
    pair.add_issuer("https://other.example.com");
    assert_eq!(pair.answer(&token).await, "audience_mismatch");
    pair.add_issuer(AUDIENCE);
    assert_eq!(pair.answer(&token).await, "accepted");
    pair.on_both(|side| assert!(side.server.remove_issuer(ISSUER)));
    assert_eq!(pair.answer(&token).await, "issuer_mismatch");
    pair.add_issuer("https://other.example.com");
    assert_eq!(pair.answer(&token).await, "audience_mismatch");
    pair.add_issuer(AUDIENCE);
    assert_eq!((pair.answer(&token).await, pair.kept()), ("accepted", 1));
}

#[tokio::test]
async fn f07_keys_past_the_staleness_bound_are_503_for_remembered_tokens_and_heal() {
    let pair = Pair::new();
    let token = pair.token().sign();
    let mut urls = Vec::new();
    for side in &pair.sides {
        let app = Router::new().route("/", get(async || "leads")).route_layer(side.server.layer());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        urls.push(format!("http://{}", listener.local_addr().unwrap()));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    }
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let status = async || {
        let mut statuses = Vec::new();
        for url in &urls {
            let response = client.get(url).bearer_auth(&token).send().await.unwrap();
            let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
            // What has a challenge or a wait is told in full; only the wait has chance in it.
            assert_eq!(retry_after.is_some(), response.status() == 503);
            let wait = retry_after.map(|seconds| seconds.parse::<u64>().unwrap());
            assert!(wait.is_none_or(|seconds| (1..=66).contains(&seconds)), "{wait:?}");
            statuses.push((response.status().as_u16(), response.headers().get("www-authenticate").cloned()));
            settle().await;
        }
        assert_eq!(statuses[0], statuses[1]);
        statuses[0].0
    };
    assert_eq!(status().await, 200);
    pair.mood.send_replace(Mood::Fails);
    pair.clock.advance(Duration::from_secs(300 + 3_600 - 1));
    assert_eq!(status().await, 200);
    pair.clock.advance(Duration::from_secs(1));
    assert_eq!((status().await, pair.kept()), (503, 1));
    assert_eq!(status().await, 503);
    pair.mood.send_replace(Mood::Answers);
    pair.clock.advance(KeyPolicy::MAX_BACKOFF);
    assert_eq!((status().await, pair.kept()), (200, 1));
}

/// Not to know is no property of a token.
#[tokio::test(start_paused = true)]
async fn k04_a_503_is_not_kept() {
    let pair = Pair::new();
    pair.mood.send_replace(Mood::Fails);
    let token = pair.token().sign();
    assert_eq!((pair.answer(&token).await, pair.kept()), ("keys_unavailable", 0));
    pair.mood.send_replace(Mood::Answers);
    pair.clock.advance(Duration::from_secs(10));
    assert_eq!((pair.answer(&token).await, pair.kept()), ("accepted", 1));
}

/// `validate_explained` is for those who want to see every check, and they see them.
#[tokio::test(start_paused = true)]
async fn a_remembered_token_is_explained_with_every_check() {
    struct Heard(Vec<Check>);
    impl StepListener for Heard {
        fn step(&mut self, step: Step<'_>) {
            assert!(step.passed);
            self.0.push(step.check);
        }
    }
    let pair = Pair::new();
    let token = pair.token().sign();
    for _ in 0..3 {
        assert_eq!((pair.answer(&token).await, pair.kept()), ("accepted", 1));
        let mut heard = Heard(Vec::new());
        pair.sides[0].server.validate_explained(&token, &mut heard).await.unwrap();
        assert_eq!(heard.0, Check::ALL);
    }
}

#[test]
fn many_threads_that_bring_one_token_are_all_served_and_keep_one() {
    let issuer = TestIssuer::with_key(ISSUER, key(0));
    let builder = tower_bearer::ResourceServer::builder().audience(AUDIENCE).issuer(issuer.trusted());
    let (server, together) = (builder.build().unwrap(), Arc::new(Barrier::new(8)));
    for round in 1..=50 {
        let token = issuer.token().audience(AUDIENCE).sign();
        let threads = [(); 8].map(|()| {
            let (server, token, together) = (server.clone(), token.clone(), Arc::clone(&together));
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                together.wait();
                runtime.block_on(server.validate(&token)).is_ok()
            })
        });
        assert!(threads.map(|thread| thread.join().unwrap()).iter().all(|is_good| *is_good));
        assert_eq!(server.token_cache().unwrap().tokens, round);
    }
}
