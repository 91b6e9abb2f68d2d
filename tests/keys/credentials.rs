//! A credential is not sent to another origin: when keys cannot be fetched from there, the error says so.

use serde_json::json;
use tower_bearer::Issuer;
use tower_bearer_test::TestIssuer;

use crate::log;
use crate::provider::*;

const PUBLIC: &str = "https://login.example.com";
const METADATA: &str = "/internal/metadata";
const CREDENTIAL: &str = "s3cret-of-the-gateway";

/// How servers respond to a request without the credential.
fn failures() -> Vec<(&'static str, Answer)> {
    let page = |status, body: &str| Answer::Full(status, vec![("content-type", "text/html".into())], body.into());
    vec![
        ("401", Answer::Status(401)),
        ("403", page(403, "<h1>Forbidden</h1>")),
        ("404", Answer::Status(404)),
        ("a login page", page(200, "<form>")),
        ("a redirect to a login page", Answer::RedirectTo("https://login.example.com/".into())),
        ("500", Answer::Status(500)),
        ("an error in JSON", Answer::Json("{\"error\":\"unauthenticated\"}".into())),
        ("an empty set", Answer::Json("{\"keys\":[]}".into())),
        ("a compressed page", Answer::Full(200, vec![("content-encoding", "gzip".into())], "x".into())),
        ("a huge page", page(200, &"x".repeat(300 * 1024))),
    ]
}

/// The text in the log and in the status of the keys when they cannot be fetched.
async fn said(provider: &Provider, trusted: Issuer) -> (String, String) {
    log::capture();
    let trusted = trusted.key_request_header("x-api-key", CREDENTIAL).key_request_header("x-tenant", CREDENTIAL);
    let server = provider.resource_server_trusting(trusted);
    let issuer = TestIssuer::with_key(&server.key_sets()[0].issuer, key(0)).with_clock(provider.clock.clone());
    assert_eq!(reason(&server, &token(&issuer)).await, "keys_unavailable");
    (server.key_sets().remove(0).last_error.unwrap().text, log::take())
}

#[tokio::test]
async fn j16_a_credential_that_is_held_back_is_named_whatever_fails() {
    let (provider, elsewhere) = (Provider::start().await, Provider::start().await);
    let keys = elsewhere.url(JWK_SET);
    let names_keys = |issuer: &str| Answer::Json(json!({ "issuer": issuer, "jwks_uri": keys }).to_string());
    provider.answer(METADATA, names_keys(PUBLIC));
    provider.answer(OAUTH_METADATA, names_keys(&provider.url("")));
    let not_sent = format!(
        "`x-api-key`, `x-tenant` of `.key_request_header(..)` was not sent there, because it is for {} only",
        provider.url("")
    );
    for (name, answer) in failures() {
        elsewhere.answer(JWK_SET, answer);
        for (trusted, way_out) in [
            (Issuer::new(provider.url("")), "`.jwk_set_url(..)`"),
            (Issuer::new(PUBLIC).metadata_url(provider.url(METADATA)), "`.jwk_set_url(..)`"),
            (
                Issuer::new(provider.url("")).jwk_set_url(provider.url("/nowhere")).failover_jwk_set_url(&keys),
                "`.failover_key_source(..)`",
            ),
        ] {
            let (error, log) = said(&provider, trusted).await;
            for text in [&error, &log] {
                assert!(text.contains(&not_sent) && text.contains(way_out), "{name}: {text}");
                assert!(text.contains(&keys) && !text.contains(CREDENTIAL), "{name}: {text}");
            }
        }
    }
}

/// Another port or scheme of the same host is another origin.
#[tokio::test]
async fn j16_the_same_host_with_another_port_does_not_get_the_credential() {
    let provider = Provider::start().await;
    for uri in ["http://127.0.0.1:1/jwks".to_owned(), format!("https://{}{JWK_SET}", provider.address)] {
        let metadata = json!({ "issuer": provider.url(""), "jwks_uri": uri });
        provider.answer(OAUTH_METADATA, Answer::Json(metadata.to_string()));
        let (error, _) = said(&provider, Issuer::new(provider.url(""))).await;
        assert!(error.contains("was not sent there") && error.contains(&uri), "{error}");
    }
}

/// No error claims that a credential was withheld if it was sent, or if there is none.
#[tokio::test]
async fn a_credential_that_was_sent_or_is_not_configured_is_not_mentioned() {
    let (provider, elsewhere) = (Provider::start().await, Provider::start().await);
    for (name, answer) in failures() {
        provider.answer(JWK_SET, answer.clone());
        elsewhere.answer(JWK_SET, answer);
        provider.answer(OAUTH_METADATA, provider.metadata(&provider.url("")));
        let (error, log) = said(&provider, Issuer::new(provider.url(""))).await;
        assert!(!error.contains("not sent") && !log.contains("not sent"), "{name}: {error}");
        let keys = elsewhere.url(JWK_SET);
        let metadata = json!({ "issuer": provider.url(""), "jwks_uri": keys });
        provider.answer(OAUTH_METADATA, Answer::Json(metadata.to_string()));
        let server = provider.resource_server();
        assert_eq!(reason(&server, &token(&provider.issuer(key(0)))).await, "keys_unavailable");
        assert!(!server.key_sets().remove(0).last_error.unwrap().text.contains("not sent"), "{name}");
        // The remedy works: the credential is sent there.
        let way_out = Issuer::new(provider.url("")).jwk_set_url(keys);
        assert!(!said(&provider, way_out).await.0.contains("not sent"), "{name}");
    }
}

/// Error pages repeat what they were sent: a header field, or the query of a signed URL.
#[tokio::test]
async fn h12_a_credential_that_the_provider_repeats_is_not_quoted() {
    let provider = Provider::start().await;
    let signed = format!("{JWK_SET}?signature={CREDENTIAL}");
    for body in [
        format!("Invalid key {CREDENTIAL}"),
        format!("<p>{CREDENTIAL}</p>"),
        format!("Cannot GET {signed}"),
        format!("{{not json: {CREDENTIAL}"),
    ] {
        for status in [200, 401, 500] {
            let answer = Answer::Full(status, vec![("content-type", "text/plain".into())], body.clone());
            provider.answer(JWK_SET, answer.clone());
            provider.answer(&signed, answer);
            for path in [JWK_SET, &signed] {
                let (error, log) = said(&provider, Issuer::new(PUBLIC).jwk_set_url(provider.url(path))).await;
                assert!(!error.contains(CREDENTIAL) && !log.contains(CREDENTIAL), "{status} {body}: {error} {log}");
            }
            let server = provider.resource_server_trusting(Issuer::new(PUBLIC).jwk_set_url(provider.url(&signed)));
            let issuer = TestIssuer::with_key(PUBLIC, key(0)).with_clock(provider.clock.clone());
            assert_eq!(reason(&server, &token(&issuer)).await, "keys_unavailable");
            assert!(!server.key_sets().remove(0).last_error.unwrap().text.contains(CREDENTIAL), "{status} {body}");
        }
    }
}
