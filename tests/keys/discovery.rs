//! Finding the keys (RFC 8414 §3, OpenID Connect Discovery 1.0 §4).

use std::process::Command;
use std::time::Duration;

use tower_bearer::{Issuer, KeyPolicy, TokenError};

use crate::provider::*;

/// The well-known places of an issuer without a path.
const PLACES: [&str; 2] = [OAUTH_METADATA, OPENID_METADATA];

#[tokio::test]
async fn r31_oauth_metadata_is_asked_first() {
    let (provider, issuer) = Provider::with_keys().await;
    assert_eq!(reason(&provider.resource_server(), &token(&issuer)).await, "accepted");
    assert_eq!(provider.requests(), [OAUTH_METADATA, JWK_SET]);
}

/// The environment of a process is read once: so a process of its own fetches keys, with a proxy that nobody serves.
#[test]
fn r31_a_proxy_from_the_environment_is_not_asked() {
    let mut process = Command::new(std::env::current_exe().unwrap());
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        process.env(name, "http://127.0.0.1:1");
    }
    process.env_remove("no_proxy").env_remove("NO_PROXY");
    let output = process.args(["--exact", "discovery::r31_oauth_metadata_is_asked_first"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
async fn r31_openid_metadata_is_asked_second() {
    let provider = Provider::start().await;
    let issuer = provider.issuer(key(0));
    provider.answer(OPENID_METADATA, provider.metadata(&provider.url("")));
    provider.publish(&issuer);
    assert_eq!(reason(&provider.resource_server(), &token(&issuer)).await, "accepted");
    assert_eq!(provider.requests(), [OAUTH_METADATA, OPENID_METADATA, JWK_SET]);
}

#[tokio::test]
async fn r31_the_well_known_path_goes_before_the_issuers_own_and_behind_it() {
    for path in ["/tenant/a", "/tenant/a/"] {
        let provider = Provider::start().await;
        let server = provider.resource_server_trusting(Issuer::new(provider.url(path)));
        let issuer = tower_bearer_test::TestIssuer::with_key(provider.url(path), key(0));
        assert_eq!(reason(&server, &token(&issuer)).await, "keys_unavailable");
        let (oauth, openid) = (format!("{OAUTH_METADATA}/tenant/a"), format!("/tenant/a{OPENID_METADATA}"));
        let openid_by_rfc8414 = format!("{OPENID_METADATA}/tenant/a");
        assert_eq!(provider.requests(), [oauth, openid, openid_by_rfc8414], "{path}");
    }
}

#[tokio::test]
async fn r31_metadata_of_another_issuer_is_refused() {
    for other in ["/", "/other", "x"] {
        let (provider, issuer) = Provider::with_keys().await;
        provider.answer(OAUTH_METADATA, provider.metadata(&provider.url(other)));
        assert_eq!(reason(&provider.resource_server(), &token(&issuer)).await, "keys_unavailable", "{other}");
        assert_eq!(provider.requests(), PLACES, "the keys of another issuer are not fetched");
    }
}

#[tokio::test]
async fn r65_a_jwks_uri_that_is_not_https_is_refused() {
    for uri in ["http://as.example.com/jwks", "file:///etc/passwd", "ftp://127.0.0.1/jwks", "not a url"] {
        let (provider, issuer) = Provider::with_keys().await;
        let metadata = serde_json::json!({ "issuer": provider.url(""), "jwks_uri": uri });
        provider.answer(OAUTH_METADATA, Answer::Json(metadata.to_string()));
        assert_eq!(reason(&provider.resource_server(), &token(&issuer)).await, "keys_unavailable", "{uri}");
    }
}

#[tokio::test]
async fn r65_a_jwks_uri_with_user_information_is_refused() {
    let (provider, issuer) = Provider::with_keys().await;
    let uri = format!("http://user:password@{}{JWK_SET}", provider.address);
    let metadata = serde_json::json!({ "issuer": provider.url(""), "jwks_uri": uri });
    provider.answer(OAUTH_METADATA, Answer::Json(metadata.to_string()));
    assert_eq!(reason(&provider.resource_server(), &token(&issuer)).await, "keys_unavailable");
    assert_eq!(provider.requests(), PLACES);
}

#[tokio::test]
async fn r65_urls_in_the_token_are_not_fetched() {
    let (provider, issuer) = Provider::with_keys().await;
    let server = provider.resource_server();
    let canary = Provider::start().await;
    for name in ["jku", "x5u"] {
        let spoiled = issuer.token().audience(AUDIENCE).header(name, canary.url("/")).key(&key(1)).sign();
        assert_eq!(reason(&server, &spoiled).await, "no_matching_key");
    }
    assert_eq!(canary.requests(), [""; 0]);
}

#[tokio::test]
async fn d11_a_foreign_issuer_costs_no_request() {
    let (provider, _) = Provider::with_keys().await;
    let server = provider.resource_server();
    let foreign = tower_bearer_test::TestIssuer::with_key("https://elsewhere.example", key(1));
    assert_eq!(server.validate(&token(&foreign)).await.err(), Some(TokenError::IssuerMismatch));
    assert_eq!(provider.requests(), [""; 0]);
}

#[tokio::test]
async fn a_known_key_set_url_needs_no_metadata() {
    let (provider, issuer) = Provider::with_keys().await;
    let trusted = Issuer::new(provider.url("")).jwk_set_url(provider.url(JWK_SET));
    assert_eq!(reason(&provider.resource_server_trusting(trusted), &token(&issuer)).await, "accepted");
    assert_eq!(provider.requests(), [JWK_SET]);
}

/// A validator is of one URL (RFC 9110 §8.8.3): what the new place calls by the same name is another set.
#[tokio::test]
async fn j14_a_jwks_uri_that_moved_is_asked_for_the_whole_set() {
    let (provider, old) = Provider::with_keys().await;
    let server = provider.resource_server();
    provider.answer(JWK_SET, Answer::Validated("\"1\"", old.jwk_set().to_string()));
    assert_eq!(reason(&server, &token(&old)).await, "accepted");

    let new = provider.issuer(key(1));
    let metadata = serde_json::json!({ "issuer": provider.url(""), "jwks_uri": provider.url("/moved") }).to_string();
    provider.answer(OAUTH_METADATA, Answer::Json(metadata));
    provider.answer(JWK_SET, Answer::Status(404));
    provider.answer("/moved", Answer::Validated("\"1\"", new.jwk_set().to_string()));
    assert_eq!(reason(&server, &token(&new)).await, "key_not_proven_absent");
    provider.clock.advance(Duration::from_secs(60));
    assert_eq!(reason(&server, &token(&new)).await, "accepted");
    assert_eq!(reason(&server, &token(&old)).await, "no_matching_key");
}

#[tokio::test]
async fn f06_keys_that_moved_are_found_through_the_metadata() {
    const NEW_PLACE: &str = "/new/jwks";
    let (provider, old) = Provider::with_keys().await;
    // It is about the second look, so the first one must not end early.
    let minute = Duration::from_secs(60);
    let patient = KeyPolicy::default().fetch_timeout(minute).connect_timeout(minute).request_wait(minute);
    let server = provider.resource_server_trusting(Issuer::new(provider.url("")).key_policy(patient));
    assert_eq!(reason(&server, &token(&old)).await, "accepted");
    provider.pass(1);

    let new = provider.issuer(key(1));
    let metadata = serde_json::json!({ "issuer": provider.url(""), "jwks_uri": provider.url(NEW_PLACE) });
    provider.answer(OAUTH_METADATA, Answer::Json(metadata.to_string()));
    provider.answer(JWK_SET, Answer::Status(404));
    provider.answer(NEW_PLACE, Answer::Json(new.jwk_set().to_string()));
    // The first look finds that the old place is empty, the second one asks where the new one is.
    assert_eq!(reason(&server, &token(&new)).await, "key_not_proven_absent");
    assert_eq!(reason(&server, &token(&new)).await, "accepted");
    assert_eq!(provider.requests(), [OAUTH_METADATA, JWK_SET, JWK_SET, OAUTH_METADATA, NEW_PLACE]);
}
