//! What a failing or hostile provider can do: nothing to known keys, and nothing without bounds.

use std::time::Duration;

use tower_bearer::{Issuer, KeyPolicy, TokenError};
use tower_bearer_test::TestIssuer;

use crate::provider::*;

const LIFETIME: u64 = 300;
const STALENESS_BOUND: u64 = 3600;

/// Every answer that is no key set.
pub(crate) fn failures(elsewhere: &str) -> Vec<(&'static str, Answer)> {
    let json = |text: &str| Answer::Json(text.to_owned());
    // Good sets but for their status or size.
    let good = TestIssuer::with_key("https://as.example.com", key(0)).jwk_set();
    let mut too_large = good.clone();
    too_large["padding"] = "x".repeat(300 * 1024).into();
    let too_many = format!("{{\"keys\":[{}]}}", vec!["{\"kty\":\"ZZ\"}"; 101].join(","));
    vec![
        ("not found", Answer::Status(404)),
        ("server error", Answer::Status(500)),
        ("no content", Answer::Status(204)),
        ("somebody else's copy", Answer::Full(203, vec![], good.to_string())),
        ("a part", Answer::Full(206, vec![], good.to_string())),
        ("redirect", Answer::RedirectTo(elsewhere.to_owned())),
        ("HTML", json("<html></html>")),
        ("truncated", json("{\"keys\":[{\"kty\":")),
        ("no keys member", json("{}")),
        ("keys is null", json("{\"keys\":null}")),
        ("keys is an object", json("{\"keys\":{}}")),
        ("an empty set", json("{\"keys\":[]}")),
        ("no usable key", json("{\"keys\":[{\"kty\":\"ZZ\"}]}")),
        ("101 keys", Answer::Json(too_many)),
        ("300 KiB", Answer::Json(too_large.to_string())),
        ("silence", Answer::Silence),
    ]
}

#[tokio::test]
async fn f09_a_bad_answer_at_the_start_is_503_and_heals() {
    let elsewhere = Provider::start().await;
    for (name, answer) in failures(&elsewhere.url("/")) {
        let (provider, issuer) = Provider::with_keys().await;
        let trusted = Issuer::new(provider.url("")).key_policy(impatient());
        let (server, good) = (provider.resource_server_trusting(trusted), token(&issuer));
        provider.answer(JWK_SET, answer);
        let Err(TokenError::KeysUnavailable { retry_after }) = server.validate(&good).await else {
            panic!("{name}: not unavailable");
        };
        assert!((5_000..=5_500).contains(&retry_after.as_millis()), "{name}: {retry_after:?}");

        provider.publish(&issuer);
        provider.pass(4);
        assert_eq!(reason(&server, &good).await, "keys_unavailable", "{name}: asked again too soon");
        provider.pass(2);
        assert_eq!(reason(&server, &good).await, "accepted", "{name}");
    }
    assert_eq!(elsewhere.requests(), [""; 0], "a redirect was followed");
}

#[tokio::test]
async fn f09_a_bad_answer_later_keeps_the_last_good_set() {
    for (name, answer) in failures("http://127.0.0.1:1/") {
        let (provider, issuer) = Provider::with_keys().await;
        let trusted = Issuer::new(provider.url("")).key_policy(impatient());
        let (server, good) = (provider.resource_server_trusting(trusted), token(&issuer));
        assert_eq!(reason(&server, &good).await, "accepted");
        provider.answer(JWK_SET, answer);
        // An unknown `kid` makes the cache fetch, and waits for the end of it.
        let unknown = token(&provider.issuer(key(1)));
        assert_eq!(reason(&server, &unknown).await, "key_not_proven_absent", "{name}");
        assert_eq!(provider.key_fetches(), 2, "{name}");
        assert_eq!(reason(&server, &good).await, "accepted", "{name}");
    }
}

#[tokio::test]
async fn f07_known_keys_serve_through_an_outage_until_the_staleness_bound() {
    let (provider, issuer) = Provider::with_keys().await;
    let (server, good) = (provider.resource_server(), token(&issuer));
    assert_eq!(reason(&server, &good).await, "accepted");
    provider.answer(JWK_SET, Answer::Status(500));
    provider.answer(OAUTH_METADATA, Answer::Status(500));

    provider.pass(LIFETIME + STALENESS_BOUND - 1);
    assert_eq!(reason(&server, &good).await, "accepted");
    provider.pass(1);
    assert_eq!(reason(&server, &good).await, "keys_unavailable");

    // Within one backoff step after the provider's return.
    provider.answer(OAUTH_METADATA, provider.metadata(&provider.url("")));
    provider.publish(&issuer);
    provider.pass(KeyPolicy::MAX_BACKOFF.as_secs());
    assert_eq!(reason(&server, &good).await, "accepted");
}

#[tokio::test]
async fn r18_an_unknown_kid_is_503_in_an_outage_within_the_lifetime_and_after_it() {
    let (provider, issuer) = Provider::with_keys().await;
    let server = provider.resource_server();
    assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
    provider.answer(JWK_SET, Answer::Status(500));
    provider.answer(OAUTH_METADATA, Answer::Status(500));
    let unknown = token(&provider.issuer(key(1)));
    provider.pass(LIFETIME - 1);
    assert_eq!(reason(&server, &unknown).await, "key_not_proven_absent");
    provider.pass(1);
    assert_eq!(reason(&server, &unknown).await, "key_not_proven_absent");
    provider.pass(STALENESS_BOUND);
    assert_eq!(reason(&server, &unknown).await, "keys_unavailable");
}

#[tokio::test]
async fn r45_one_bad_key_does_not_spoil_the_set() {
    let (provider, issuer) = Provider::with_keys().await;
    let mut set = issuer.jwk_set();
    let keys = set["keys"].as_array_mut().unwrap();
    let good = keys.remove(0);
    keys.extend([
        serde_json::json!({ "kty": "ZZ" }),
        serde_json::json!(null),
        serde_json::json!({ "kty": "RSA", "kid": 7 }),
        good,
    ]);
    provider.answer(JWK_SET, Answer::Json(set.to_string()));
    assert_eq!(reason(&provider.resource_server(), &token(&issuer)).await, "accepted");
}

#[tokio::test]
async fn j07_a_provider_that_is_not_there_is_503_in_bounded_time() {
    let trusted = Issuer::new("http://127.0.0.1:1").key_policy(impatient());
    let provider = Provider::start().await;
    let server = provider.resource_server_trusting(trusted);
    let issuer = TestIssuer::with_key("http://127.0.0.1:1", key(0));
    let refused = tokio::time::timeout(Duration::from_secs(30), reason(&server, &token(&issuer))).await;
    assert_eq!(refused, Ok("keys_unavailable"));
}

/// Whichever notices first, the HTTP client or the cache.
#[tokio::test]
async fn f09_a_provider_that_is_silent_is_told_as_a_timeout() {
    let (provider, issuer) = Provider::with_keys().await;
    provider.answer(JWK_SET, Answer::Silence);
    for _ in 0..5 {
        let trusted = Issuer::new(provider.url("")).jwk_set_url(provider.url(JWK_SET)).key_policy(impatient());
        let server = provider.resource_server_trusting(trusted);
        assert_eq!(reason(&server, &token(&issuer)).await, "keys_unavailable");
        let error = format!("the fetch took longer than 200 ms ({})", provider.url(JWK_SET));
        assert_eq!(server.key_sets()[0].last_error.as_ref().unwrap().to_string(), error);
    }
}
