//! What the provider says about the lifetime of its keys, and conditional fetches.

use tower_bearer::{KeySetState, TokenError};

use crate::provider::*;

/// The key set with this `Cache-Control`.
fn cached(issuer: &tower_bearer_test::TestIssuer, cache_control: &str) -> Answer {
    Answer::Full(200, vec![("cache-control", cache_control.to_owned())], issuer.jwk_set().to_string())
}

/// Takes the provider down, and returns whether the set is still current.
async fn is_current_after(seconds: u64, cache_control: &str) -> bool {
    let (provider, issuer) = Provider::with_keys().await;
    provider.answer(JWK_SET, cached(&issuer, cache_control));
    let server = provider.resource_server();
    assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
    provider.answer(JWK_SET, Answer::Status(500));
    provider.answer(OAUTH_METADATA, Answer::Status(500));
    provider.pass(seconds);
    assert_eq!(reason(&server, &token(&provider.issuer(key(1)))).await, "key_not_proven_absent");
    match server.key_sets()[0].state {
        KeySetState::Current => true,
        KeySetState::Stale => false,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn f14_a_set_lives_as_long_as_the_provider_says_within_bounds() {
    for (cache_control, lifetime) in [
        ("public", 300),
        ("max-age=120", 120),
        ("max-age=1", 60),
        ("no-store", 60),
        ("max-age=-1", 60),
        ("max-age=86400", 3600),
        ("max-age=18446744073709551615", 3600),
    ] {
        assert!(is_current_after(lifetime - 1, cache_control).await, "{cache_control}");
        assert!(!is_current_after(lifetime, cache_control).await, "{cache_control}");
    }
}

#[tokio::test]
async fn f14_an_unchanged_set_is_not_sent_again_and_lives_on() {
    let (provider, issuer) = Provider::with_keys().await;
    provider.answer(JWK_SET, Answer::Validated("\"1\"", issuer.jwk_set().to_string()));
    let (server, good) = (provider.resource_server(), token(&issuer));
    let unknown = token(&provider.issuer(key(1)));
    assert_eq!(reason(&server, &good).await, "accepted");

    provider.pass(299);
    assert_eq!(reason(&server, &unknown).await, "no_matching_key");
    assert_eq!(provider.key_fetches(), 2);
    // Without the 304 the set would be past its lifetime now.
    provider.answer(JWK_SET, Answer::Status(500));
    provider.answer(OAUTH_METADATA, Answer::Status(500));
    provider.pass(299);
    assert_eq!(reason(&server, &unknown).await, "key_not_proven_absent");
    assert_eq!(server.key_sets()[0].state, KeySetState::Current);
    assert_eq!(reason(&server, &good).await, "accepted");
}

#[tokio::test]
async fn f14_a_changed_set_replaces_the_one_with_the_old_validator() {
    let (provider, old) = Provider::with_keys().await;
    provider.answer(JWK_SET, Answer::Validated("\"1\"", old.jwk_set().to_string()));
    let server = provider.resource_server();
    assert_eq!(reason(&server, &token(&old)).await, "accepted");
    let new = provider.issuer(key(1));
    provider.answer(JWK_SET, Answer::Validated("\"2\"", new.jwk_set().to_string()));
    assert_eq!(reason(&server, &token(&new)).await, "accepted");
    assert_eq!(reason(&server, &token(&old)).await, "no_matching_key");
}

#[tokio::test]
async fn j14_unchanged_since_a_set_that_never_came_is_a_failure() {
    let (provider, issuer) = Provider::with_keys().await;
    provider.answer(JWK_SET, Answer::Status(304));
    assert_eq!(reason(&provider.resource_server(), &token(&issuer)).await, "keys_unavailable");
}

#[tokio::test]
async fn j14_the_validator_of_a_broken_set_is_not_kept() {
    let (provider, issuer) = Provider::with_keys().await;
    provider.answer(JWK_SET, Answer::Validated("\"1\"", String::from("{}")));
    let (server, good) = (provider.resource_server(), token(&issuer));
    assert_eq!(reason(&server, &good).await, "keys_unavailable");
    // The same validator, and yet the provider is asked for the whole set.
    provider.answer(JWK_SET, Answer::Validated("\"1\"", issuer.jwk_set().to_string()));
    provider.pass(6);
    assert_eq!(reason(&server, &good).await, "accepted");
}

#[tokio::test]
async fn a_delay_that_the_provider_asks_for_is_honoured_within_bounds() {
    for (asked, seconds) in [("20", 20), ("0", 5), ("86400", 60)] {
        let (provider, issuer) = Provider::with_keys().await;
        let busy = Answer::Full(503, vec![("retry-after", asked.to_owned())], String::new());
        provider.answer(JWK_SET, busy);
        let error = provider.resource_server().validate(&token(&issuer)).await.unwrap_err();
        let TokenError::KeysUnavailable { retry_after } = error else { panic!("{error}") };
        assert_eq!(retry_after.as_secs(), seconds, "{asked}");
    }
}
