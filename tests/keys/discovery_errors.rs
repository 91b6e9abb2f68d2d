//! Documents that discovery cannot use, at each well-known place: the next place is tried, and when none is left, the
//! error says what was found at each.

use std::time::Duration;

use serde_json::{Value, json};
use tower_bearer::{Issuer, KeyPolicy};
use tower_bearer_test::TestIssuer;

use crate::log;
use crate::provider::*;

const PATH: &str = "/tenant";

/// The well-known places of an issuer with a path, in the order in which they are tried.
fn places() -> [String; 3] {
    [format!("{OAUTH_METADATA}{PATH}"), format!("{PATH}{OPENID_METADATA}"), format!("{OPENID_METADATA}{PATH}")]
}

fn page(status: u16, content_type: &str, body: &str) -> Answer {
    Answer::Full(status, vec![("content-type", content_type.to_owned())], body.to_owned())
}

/// A document of this issuer that cannot be used, and what the error says about it.
fn unusable(issuer: &str) -> Vec<(&'static str, Answer, Vec<String>)> {
    let document = |value: Value| page(200, "application/json", &value.to_string());
    let good = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/nowhere") });
    let with_uri = |uri: Value| document(json!({ "issuer": issuer, "jwks_uri": uri }));
    let other = format!("{issuer}/");
    let said = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
    let long = "x".repeat(300 * 1024);
    vec![
        ("no content", Answer::Status(204), said(&["answered with status 204 (no content type"])),
        (
            "a redirect",
            Answer::RedirectTo("https://u:s3cret@login.example.com/in?state=s3cret#s3cret".into()),
            said(&["status 302", "redirects to https://login.example.com/in, which"]),
        ),
        ("bad request", Answer::Status(400), said(&["status 400"])),
        (
            "a login",
            page(401, "text/html", "<title>Sign in</title>"),
            said(&["status 401 (content type \"text/html\", begins with \"<title>Sign in</title>\""]),
        ),
        (
            "forbidden",
            page(403, "text/plain", "access denied"),
            said(&["status 403 (content type \"text/plain\", begins with \"access denied\""]),
        ),
        (
            "not found",
            page(404, "application/json", "{\"error\":\"no\"}"),
            said(&["status 404 (content type \"application/json\")"]),
        ),
        ("gone", Answer::Status(410), said(&["status 410"])),
        ("too many requests", Answer::Status(429), said(&["status 429"])),
        ("server error", Answer::Status(500), said(&["status 500"])),
        (
            "unavailable",
            page(503, "text/html; charset=utf-8", "<html>503"),
            said(&["status 503 (content type \"text/html; charset=utf-8\", begins with \"<html>503\""]),
        ),
        (
            "HTML",
            page(200, "text/html", "<!doctype html><title>App</title>"),
            said(&[
                "not a JSON object (",
                "status 200, content type \"text/html\", and begins with \"<!doctype html><title>App</title>\"",
            ]),
        ),
        (
            "HTML, labelled as JSON",
            page(200, "application/json", "<html>"),
            said(&["not a JSON object (", "content type \"application/json\", and begins with \"<html>\""]),
        ),
        ("text", page(200, "text/plain", "OK"), said(&["not a JSON object (", "begins with \"OK\""])),
        ("nothing", Answer::Json(String::new()), said(&["status 200, no content type, and is empty"])),
        ("truncated", Answer::Json(good.to_string()[..20].to_owned()), said(&["it is not JSON", "begins with"])),
        ("trailing text", Answer::Json(format!("{good}}}")), said(&["it is not JSON", "begins with"])),
        (
            "a byte order mark",
            Answer::Json(format!("\u{feff}{good}")),
            said(&["not a JSON object (", "byte order mark"]),
        ),
        ("null", document(json!(null)), said(&["not a JSON object ("])),
        ("an array", document(json!([good])), said(&["not a JSON object ("])),
        ("a string", document(json!("metadata")), said(&["not a JSON object ("])),
        ("an empty object", document(json!({})), said(&["`issuer` is missing"])),
        ("no issuer", document(json!({ "jwks_uri": format!("{issuer}/nowhere") })), said(&["`issuer` is missing"])),
        (
            "an issuer of the wrong type",
            document(json!({ "issuer": [issuer], "jwks_uri": format!("{issuer}/nowhere") })),
            said(&["`issuer` is not a string"]),
        ),
        ("no jwks_uri", document(json!({ "issuer": issuer })), said(&["`jwks_uri` is missing"])),
        ("jwks_uri is null", with_uri(json!(null)), said(&["`jwks_uri` is missing"])),
        ("jwks_uri is a number", with_uri(json!(7)), said(&["`jwks_uri` is not a string"])),
        ("jwks_uri is a list", with_uri(json!([format!("{issuer}/nowhere")])), said(&["`jwks_uri` is not a string"])),
        ("jwks_uri is empty", with_uri(json!("")), said(&["`jwks_uri` is not a URL"])),
        ("jwks_uri is relative", with_uri(json!("/nowhere")), said(&["`jwks_uri` is not a URL"])),
        (
            "jwks_uri is long",
            with_uri(json!(format!("{issuer}/{}", "x".repeat(4_000)))),
            said(&["`jwks_uri` is longer than"]),
        ),
        (
            "jwks_uri with a password",
            with_uri(json!("http://u:s3cret@127.0.0.1/")),
            said(&["`jwks_uri` has user information"]),
        ),
        (
            "jwks_uri over HTTP",
            with_uri(json!("http://keys.example.com/")),
            said(&["\"http://keys.example.com/\" is not an HTTPS URL ("]),
        ),
        ("jwks_uri is a file", with_uri(json!("file:///keys")), said(&["is not an HTTPS URL ("])),
        (
            "another issuer",
            document(json!({ "issuer": other, "jwks_uri": format!("{issuer}/nowhere") })),
            vec![format!("the metadata is of the issuer {other:?}, the configuration says {issuer:?} (")],
        ),
        (
            "a duplicate member",
            Answer::Json(format!("{{\"issuer\":{issuer:?},\"issuer\":{issuer:?},\"jwks_uri\":\"https://a\"}}")),
            said(&["missing or has the wrong type"]),
        ),
        (
            "too large",
            document(json!({ "issuer": issuer, "padding": long })),
            said(&["sent more than 262144 bytes (content type \"application/json\")"]),
        ),
        (
            "compressed",
            Answer::Full(200, vec![("content-encoding", "gzip".into())], good.to_string()),
            said(&["in the content coding \"gzip\""]),
        ),
    ]
}

fn tenant(provider: &Provider) -> TestIssuer {
    TestIssuer::with_key(provider.url(PATH), key(0)).with_clock(provider.clock.clone())
}

#[tokio::test]
async fn r31_discovery_goes_on_past_any_unusable_document() {
    let provider = Provider::start().await;
    let issuer = tenant(&provider);
    provider.publish(&issuer);
    let places = places();
    let good = Answer::Json(json!({ "issuer": issuer.url(), "jwks_uri": provider.url(JWK_SET) }).to_string());
    for (name, answer, _) in unusable(issuer.url()) {
        // The usable document is at the last, the middle and the first place in turn.
        for usable in (0..places.len()).rev() {
            for (at, place) in places.iter().enumerate() {
                provider.answer(place, if at == usable { good.clone() } else { answer.clone() });
            }
            let before = provider.requests().len();
            let server = provider.resource_server_trusting(Issuer::new(issuer.url()));
            assert_eq!(reason(&server, &token(&issuer)).await, "accepted", "{name} before place {usable}");
            let expected: Vec<_> = places[..=usable].iter().map(String::as_str).chain([JWK_SET]).collect();
            assert_eq!(provider.requests()[before..], expected, "{name}");
        }
    }
}

/// Each unusable document at all places: every URL is named, with what was found there, in the log and in the status.
#[tokio::test]
async fn r31_an_error_of_discovery_names_every_url_and_what_was_there() {
    let provider = Provider::start().await;
    let issuer = tenant(&provider);
    for (name, answer, expected) in unusable(issuer.url()) {
        for place in places() {
            provider.answer(&place, answer.clone());
        }
        log::capture();
        let server = provider.resource_server_trusting(Issuer::new(issuer.url()));
        assert_eq!(reason(&server, &token(&issuer)).await, "keys_unavailable", "{name}");
        let error = server.key_sets().remove(0).last_error.unwrap().text;
        assert_eq!(server.readiness().issuers[0].last_error.as_ref().unwrap().text, error, "{name}");
        for place in places() {
            assert!(error.contains(&format!("{} ", provider.url(&place))), "{name}: {error}");
        }
        for part in &expected {
            assert_eq!(error.matches(part.as_str()).count(), 3, "{name}: {part} in {error}");
        }
        assert!(error.len() < 2_000 && !error.contains("s3cret"), "{name}: {error}");
        let log = log::take();
        assert!(log.contains("WARN") && expected.iter().all(|part| log.contains(part)), "{name}: {log}");
    }
    assert_eq!(provider.key_fetches(), 0);
}

/// The reason is that of the most informative failure, wherever it is.
#[tokio::test]
async fn r31_metadata_of_another_issuer_is_told_whatever_is_at_the_other_places() {
    let provider = Provider::start().await;
    let issuer = tenant(&provider);
    let others = [("trailing slash", format!("{}/", issuer.url())), ("base", provider.url(""))];
    for (name, other) in others {
        for at in 0..3 {
            for (position, place) in places().iter().enumerate() {
                let page = page(200, "text/html", "<html>");
                provider.answer(place, if position == at { provider.metadata(&other) } else { page });
            }
            log::capture();
            let server = provider.resource_server_trusting(Issuer::new(issuer.url()));
            let error = server.warm_up(Duration::from_secs(60)).await.unwrap_err().to_string();
            let both = format!("the metadata is of the issuer {other:?}, the configuration says {:?}", issuer.url());
            assert!(error.contains(&format!("no keys of {}: {both}", issuer.url())), "{name} {at}: {error}");
            assert!(places().iter().all(|place| error.contains(&provider.url(place))), "{name} {at}: {error}");
            assert!(log::take().contains("reason=\"issuer_mismatch\""), "{name} {at}");
        }
    }
    assert_eq!(provider.key_fetches(), 0);
}

/// For the first quarter of the fetch timeout, only the first place is tried.
#[tokio::test]
async fn r31_a_place_that_hangs_leaves_the_others_their_turn() {
    let provider = Provider::start().await;
    let issuer = tenant(&provider);
    provider.publish(&issuer);
    let good = Answer::Json(json!({ "issuer": issuer.url(), "jwks_uri": provider.url(JWK_SET) }).to_string());
    let (limit, minute) = (Duration::from_secs(4), Duration::from_secs(60));
    let policy = KeyPolicy::default().connect_timeout(minute).fetch_timeout(limit).request_wait(minute);
    for usable in [1, 2] {
        for (at, place) in places().iter().enumerate() {
            provider.answer(place, if at == usable { good.clone() } else { Answer::Silence });
        }
        let server = provider.resource_server_trusting(Issuer::new(issuer.url()).key_policy(policy.clone()));
        assert_eq!(reason(&server, &token(&issuer)).await, "accepted", "{usable}");
    }
    // All hang: the error names each of them.
    provider.answer(&places()[1], Answer::Silence);
    provider.answer(&places()[2], Answer::Status(404));
    let server = provider.resource_server_trusting(Issuer::new(issuer.url()).key_policy(policy));
    assert_eq!(reason(&server, &token(&issuer)).await, "keys_unavailable");
    let error = server.key_sets().remove(0).last_error.unwrap().text;
    for place in &places()[..2] {
        assert!(error.contains(&format!("longer than 4000 ms ({})", provider.url(place))), "{error}");
    }
    assert!(error.contains(&format!("{} answered with status 404", provider.url(&places()[2]))), "{error}");
}

#[tokio::test]
async fn r31_a_host_that_refuses_connections_is_named_with_every_place() {
    let provider = Provider::start().await;
    let issuer = TestIssuer::with_key("http://127.0.0.1:1", key(0)).with_clock(provider.clock.clone());
    log::capture();
    let server = provider.resource_server_trusting(Issuer::new(issuer.url()));
    assert_eq!(reason(&server, &token(&issuer)).await, "keys_unavailable");
    let error = server.key_sets().remove(0).last_error.unwrap().text;
    for place in [OAUTH_METADATA, OPENID_METADATA] {
        assert!(error.contains(&format!("{}{place} could not be fetched", issuer.url())), "{error}");
    }
    assert!(log::take().contains("reason=\"transport\""));
}

/// The same for the key set, wherever its URL comes from.
#[tokio::test]
async fn j04_a_key_set_that_is_not_json_is_named_with_its_url_and_beginning() {
    let (provider, issuer) = Provider::with_keys().await;
    let url = provider.url(JWK_SET);
    let failover = || Issuer::new(provider.url("")).jwk_set_file("/no/such/file").failover_jwk_set_url(&url);
    let sources = [
        ("discovery", Issuer::new(provider.url(""))),
        ("a URL", Issuer::new(provider.url("")).jwk_set_url(&url)),
        ("a failover", failover()),
    ];
    let private = r#"{"kty":"oct","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQ"}"#;
    for (body, expected) in [
        (
            "<html>\n",
            "it is not a JSON object (URL answered with status 200, content type \"text/x\", and begins with \"<html>\\n\"",
        ),
        ("", "it is not a JSON object (URL answered with status 200, content type \"text/x\", and is empty"),
        (
            "\u{feff}{}",
            "it is not a JSON object (URL answered with status 200, content type \"text/x\", and begins with a byte order mark",
        ),
        (
            "{\"keys\":[",
            "it is not JSON, at line 1 column 9 (URL answered with status 200, content type \"text/x\", and begins with \"{\\\"keys\\\":[\"",
        ),
        ("{\"keys\":[]}", "no usable key (it is empty) (URL answered with status 200, content type \"text/x\")"),
        (
            private,
            "missing or has the wrong type, at line 1 column 47 (URL answered with status 200, content type \"text/x\")",
        ),
        (
            &private[..40],
            "it is not JSON, at line 1 column 40 (URL answered with status 200, content type \"text/x\", and begins with \"{\\\"kty\\\":\"",
        ),
    ] {
        provider.answer(JWK_SET, page(200, "text/x", body));
        for (name, trusted) in &sources {
            let server = provider.resource_server_trusting(trusted.clone());
            assert_eq!(reason(&server, &token(&issuer)).await, "keys_unavailable", "{name}");
            let error = server.key_sets().remove(0).last_error.unwrap().text;
            assert!(error.contains(&expected.replace("URL", &url)), "{name}: {error}");
            assert!(!error.contains("c2VjcmV0"), "{name}: {error}");
        }
    }
}
