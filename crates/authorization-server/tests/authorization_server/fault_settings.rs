//! Faults as settings: which make sense where, and their names in JSON.

use std::time::Duration;

use serde_json::json;
use tower_bearer_authorization_server::{Endpoint, Fault};
use tower_bearer_test::Defect;

use crate::support::server;

#[tokio::test]
async fn a_fault_that_makes_no_sense_is_refused_and_nothing_changes() {
    let server = server().await;
    let many = "this fault means nothing at the endpoint `metadata`; set it at `jwk_set`";
    let issuer = || Fault::WrongIssuer { issuer: "https://evil.example".to_owned() };
    let flapping = |good, bad, fault| Fault::Flapping { good, bad, fault: Box::new(fault) };
    let turns = "good and bad answers cannot take turns with none of one kind; give `good` and `bad` at least 1";
    let cases = [
        (Endpoint::Metadata, Fault::EmptySet, many),
        (Endpoint::Metadata, Fault::OneBadKey, many),
        (Endpoint::Metadata, Fault::DuplicateKeyIds, many),
        (Endpoint::Metadata, Fault::ManyKeys { count: 1 }, many),
        (Endpoint::Metadata, flapping(1, 1, Fault::EmptySet), many),
        (Endpoint::JwkSet, issuer(), "this fault means nothing at the endpoint `jwk_set`; set it at `metadata`"),
        (Endpoint::Token, issuer(), "this fault means nothing at the endpoint `token`; set it at `metadata`"),
        (
            Endpoint::Token,
            Fault::ActiveAsText,
            "this fault means nothing at the endpoint `token`; set it at `introspection`",
        ),
        (
            Endpoint::JwkSet,
            flapping(1, 1, Fault::refresh_tokens_active()),
            "this fault means nothing at the endpoint `jwk_set`; set it at `introspection`",
        ),
        (
            Endpoint::Login,
            Fault::member("a", 1),
            "the endpoint `login` has no JSON in its responses, so this fault means nothing there; set it at one that has",
        ),
        (Endpoint::Token, Fault::status(199), "199 is no status of an answer; give one from 200 to 599"),
        (Endpoint::Token, Fault::status(600), "600 is no status of an answer; give one from 200 to 599"),
        (
            Endpoint::JwkSet,
            Fault::RedirectTo { url: "http://a\r\nb: c".to_owned() },
            "\"http://a\\r\\nb: c\" cannot stand in `Location`; give a URL of printable ASCII characters",
        ),
        (
            Endpoint::JwkSet,
            Fault::RedirectTo { url: "http://é".to_owned() },
            "\"http://é\" cannot stand in `Location`; give a URL of printable ASCII characters",
        ),
        (Endpoint::JwkSet, flapping(0, 1, Fault::Html), turns),
        (Endpoint::JwkSet, flapping(1, 0, Fault::Html), turns),
        (
            Endpoint::JwkSet,
            flapping(1, 1, flapping(1, 1, Fault::Html)),
            "what is bad about a flapping endpoint cannot be that it flaps; give `fault` another one",
        ),
    ];
    for endpoint in Endpoint::ALL {
        server.misbehave(*endpoint, Fault::Hang).unwrap();
    }
    for (endpoint, fault, sentence) in cases {
        assert_eq!(server.misbehave(endpoint, fault).unwrap_err().to_string(), sentence);
        assert_eq!(server.fault(endpoint), Some(Fault::Hang));
    }
}

#[test]
fn faults_have_stable_names_in_json() {
    let second = Duration::from_secs(1);
    let cases = [
        (Fault::SlowHeaders { delay: second }, json!({ "slow_headers": { "delay_ms": 1000 } })),
        (Fault::SlowBody { pause: second }, json!({ "slow_body": { "pause_ms": 1000 } })),
        (Fault::Hang, json!("hang")),
        (Fault::Stall, json!("stall")),
        (Fault::Disconnect, json!("disconnect")),
        (Fault::status(404), json!({ "status": { "code": 404 } })),
        (
            Fault::Status { code: 503, retry_after: Some(second) },
            json!({ "status": { "code": 503, "retry_after_s": 1 } }),
        ),
        (Fault::RedirectTo { url: "http://a".to_owned() }, json!({ "redirect_to": { "url": "http://a" } })),
        (
            Fault::Flapping { good: 1, bad: 2, fault: Box::new(Fault::Html) },
            json!({ "flapping": { "good": 1, "bad": 2, "fault": "html" } }),
        ),
        (Fault::Html, json!("html")),
        (Fault::Truncated, json!("truncated")),
        (Fault::WrongTypes, json!("wrong_types")),
        (Fault::Huge { bytes: 100 }, json!({ "huge": { "bytes": 100 } })),
        (Fault::EmptySet, json!("empty_set")),
        (Fault::OneBadKey, json!("one_bad_key")),
        (Fault::DuplicateKeyIds, json!("duplicate_key_ids")),
        (Fault::ManyKeys { count: 10_000 }, json!({ "many_keys": { "count": 10_000 } })),
        (Fault::WrongIssuer { issuer: "x".to_owned() }, json!({ "wrong_issuer": { "issuer": "x" } })),
        (Fault::member("aud", json!(["x"])), json!({ "members": { "aud": ["x"] } })),
        (Fault::ActiveAsText, json!("active_as_text")),
        (Fault::WithoutActive, json!("without_active")),
        (Fault::WithoutAudience, json!("without_audience")),
        (Fault::WithoutExpiry, json!("without_expiry")),
        (Fault::RefreshTokensActive(serde_json::Map::new()), json!({ "refresh_tokens_active": {} })),
        (Fault::Unsigned, json!("unsigned")),
        (Fault::SignedDefect(Defect::TamperedSignature), json!({ "signed_defect": "tampered-signature" })),
        (Fault::refresh_tokens_active(), json!({ "refresh_tokens_active": { "token_use": "refresh_token" } })),
    ];
    for (fault, json) in cases {
        assert_eq!(serde_json::to_value(&fault).unwrap(), json);
        assert_eq!(serde_json::from_value::<Fault>(json).unwrap(), fault);
    }
    for bad in [
        json!("htm"),
        json!({ "status": { "code": 404, "body": "x" } }),
        json!({ "slow_body": { "pause_ms": -1 } }),
        json!({ "slow_body": { "pause": 1 } }),
        json!({ "huge": {} }),
        json!({ "signed_defect": "tampered" }),
    ] {
        assert!(serde_json::from_value::<Fault>(bad.clone()).is_err(), "{bad}");
    }
    for endpoint in Endpoint::ALL {
        assert_eq!(serde_json::to_value(endpoint).unwrap(), endpoint.name());
        assert_eq!(endpoint.to_string(), endpoint.name());
    }
}
