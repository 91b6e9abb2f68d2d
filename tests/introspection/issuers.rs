//! Which issuer is asked about which token.

use tower_bearer::{Introspection, Issuer, ResourceServer};
use tower_bearer_test::TestIssuer;

use crate::endpoint::*;
use crate::fixtures::{AUDIENCE, ISSUER as SIGNING, issuer_with, reason, token};
use crate::log;

const OTHER: &str = "https://other.example.com";

fn issuer(name: &str, introspection: Introspection) -> Issuer {
    Issuer::new(name).without_keys().introspection(introspection)
}

#[tokio::test]
async fn n07_each_token_goes_to_the_one_issuer_that_claims_it() {
    let (one, two) = (Endpoint::start().await, Endpoint::start().await);
    one.answer(Answer::with(serde_json::json!({ "iss": null })));
    two.answer(Answer::with(serde_json::json!({ "iss": null })));
    let server = one.builder();
    let server = server.issuer(issuer(ISSUER, one.introspection().tokens_with_prefix("ory_at_")));
    let by_length = two.introspection().tokens_with_prefix("gho_").tokens_that(|token| token.len() == 7);
    let server = server.issuer(issuer(OTHER, by_length)).build().unwrap();
    log::capture();
    for (token, issuer, reason) in [
        ("ory_at_a.b", Some(ISSUER), "accepted"),
        ("gho_x", Some(OTHER), "accepted"),
        ("1234567", Some(OTHER), "accepted"),
        ("ory_at_", None, "token_claimed_twice"),
        ("ya29.x", None, "opaque_token"),
        ("", None, "opaque_token"),
    ] {
        let before = (one.calls(), two.calls());
        let verdict = server.validate(token).await;
        assert_eq!(verdict.as_ref().map_or_else(|error| error.reason(), |_| "accepted"), reason, "{token}");
        assert_eq!(verdict.as_ref().ok().map(|token| token.issuer()), issuer, "{token}");
        let asked = (one.calls() - before.0, two.calls() - before.1);
        let expected = (usize::from(issuer == Some(ISSUER)), usize::from(issuer == Some(OTHER)));
        assert_eq!(asked, expected, "{token}");
    }
    assert_eq!(response(&server, "ory_at_").await, (500, None, "token_claimed_twice"));
    assert_eq!(response(&server, "ya29.x").await, (400, None, "opaque_token"));
    assert!(log::take().contains("ERROR"));
}

#[tokio::test]
async fn n07_with_one_issuer_opaque_tokens_are_its_own_subject_to_their_shape() {
    let endpoint = Endpoint::start().await;
    let shaped = endpoint.introspection().tokens_with_prefix("a_").tokens_that(|token| token.ends_with("_b"));
    let server = endpoint.server_with(shaped);
    for (token, expected) in [("a_x", "accepted"), ("x_b", "accepted"), ("x", "opaque_token")] {
        assert_eq!(reason(&server, token).await, expected, "{token}");
    }
    assert_eq!(endpoint.calls(), 2);
    for odd in ["x", "..", "a.b", "eyJ0eXAiOiJKV1QifQ.e30.AA"] {
        assert_eq!(reason(&endpoint.server(), odd).await, "accepted", "{odd}");
    }
}

#[tokio::test]
async fn n07_a_jwt_of_an_unconfigured_issuer_reaches_no_endpoint() {
    let endpoint = Endpoint::start().await;
    let stranger = || token().claim("iss", "https://stranger.example.com");
    let signing = issuer_with(tower_bearer::jose::Algorithm::RS256);
    let alone = endpoint.server();
    let beside = endpoint.builder().issuer(endpoint.issuer()).issuer(signing.trusted()).build().unwrap();
    let both = signing.trusted().introspection(endpoint.introspection());
    let both = endpoint.builder().issuer(both).build().unwrap();
    for server in [&alone, &beside, &both] {
        for (jwt, expected) in [
            (stranger().sign(), "issuer_mismatch"),
            (stranger().header("alg", "HS256").sign(), "issuer_mismatch"),
            (stranger().header("alg", "none").sign(), "issuer_mismatch"),
            (stranger().claim("iss", serde_json::Value::Null).sign(), "claim_type"),
            (stranger().claim("iss", format!("{ISSUER}/")).sign(), "issuer_mismatch"),
            (stranger().header("crit", "x").sign(), "unsupported_header"),
            (stranger().sign() + ".x", "token_parts"),
            (stranger().sign() + ".x.y", "encrypted_token"),
            (format!("{}=", stranger().sign()), "token_base64"),
            (stranger().sign().replacen('.', "..", 1), "token_parts"),
        ] {
            assert_eq!(reason(server, &jwt).await, expected);
        }
    }
    assert_eq!(endpoint.calls(), 0);
    // Those of an issuer with keys are verified with them.
    assert_eq!(reason(&beside, &token().sign()).await, "accepted");
    assert_eq!(reason(&both, &token().sign()).await, "accepted");
    assert_eq!(reason(&both, &token().claim("exp", 1).sign()).await, "expired");
    assert_eq!(endpoint.calls(), 0);
    endpoint.answer(Answer::with(serde_json::json!({ "iss": SIGNING })));
    assert_eq!(reason(&both, "opaque").await, "accepted");
    assert_eq!(endpoint.calls(), 1);
}

#[tokio::test]
async fn n07_a_jwt_of_an_issuer_without_keys_is_sent_to_it() {
    let endpoint = Endpoint::start().await;
    let jwt = || TestIssuer::new(ISSUER).unwrap().token().audience(AUDIENCE);
    let signing = issuer_with(tower_bearer::jose::Algorithm::RS256);
    for server in
        [endpoint.server(), endpoint.builder().issuer(endpoint.issuer()).issuer(signing.trusted()).build().unwrap()]
    {
        let before = endpoint.calls();
        assert_eq!(reason(&server, &jwt().sign()).await, "accepted");
        assert_eq!(reason(&server, &jwt().header("typ", "logout+jwt").sign()).await, "token_type");
        assert_eq!(endpoint.calls(), before + 2);
    }
}

#[tokio::test]
async fn n07_an_encrypted_token_is_claimed_by_predicate_only() {
    let endpoint = Endpoint::start().await;
    let header =
        base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, r#"{"alg":"dir","enc":"A"}"#);
    let jwe = format!("{header}.a.b.c.d");
    for (introspection, expected) in [
        (endpoint.introspection(), "encrypted_token"),
        (endpoint.introspection().tokens_with_prefix("eyJ"), "encrypted_token"),
        (endpoint.introspection().tokens_that(|token| !token.starts_with("eyJ")), "encrypted_token"),
        (endpoint.introspection().tokens_that(|token| token.starts_with("eyJ")), "accepted"),
    ] {
        assert_eq!(reason(&endpoint.server_with(introspection), &jwe).await, expected);
    }
    assert_eq!(endpoint.calls(), 1);
}

#[tokio::test]
async fn n07_issuers_of_a_resolver_claim_no_opaque_token() {
    let (endpoint, tenant) = (Endpoint::start().await, Endpoint::start().await);
    let of_tenant = tenant.introspection();
    let server = endpoint.builder().issuer(endpoint.issuer());
    let server = server.issuer_resolver(move |name: String| {
        let issuer = issuer(&name, of_tenant.clone());
        async move { Ok((name == OTHER).then_some(issuer)) }
    });
    let server = server.build().unwrap();
    tenant.answer(Answer::with(serde_json::json!({ "iss": OTHER })));
    let jwt = TestIssuer::new(OTHER).unwrap().token().audience(AUDIENCE).sign();
    assert_eq!(reason(&server, &jwt).await, "accepted");
    assert_eq!(reason(&server, "opaque").await, "accepted");
    assert_eq!((endpoint.calls(), tenant.calls()), (1, 1));
}

#[tokio::test]
async fn n07_issuers_change_at_run_time_and_stay_told_apart() {
    let (one, two) = (Endpoint::start().await, Endpoint::start().await);
    two.answer(Answer::with(serde_json::json!({ "iss": OTHER })));
    let server: ResourceServer = one.server_with(one.introspection().tokens_with_prefix("a_"));
    let add = |prefix: &str| server.add_issuer(&issuer(OTHER, two.introspection().tokens_with_prefix(prefix)));
    assert!(add("a_b").unwrap_err().to_string().contains("prefix"));
    assert!(server.add_issuer(&issuer(OTHER, two.introspection())).is_err());
    assert_eq!(reason(&server, "a_b").await, "accepted");
    assert_eq!((one.calls(), two.calls()), (1, 0), "nothing has changed");

    add("b_").unwrap();
    assert_eq!(reason(&server, "b_").await, "accepted");
    assert_eq!((one.calls(), two.calls()), (1, 1));
    server.disable_issuer(OTHER);
    assert_eq!(reason(&server, "b_").await, "issuer_disabled");
    server.enable_issuer(OTHER);
    assert_eq!(reason(&server, "b_").await, "accepted");
    assert!(server.remove_issuer(OTHER));
    assert_eq!(reason(&server, "b_").await, "opaque_token");
    assert_eq!((one.calls(), two.calls()), (1, 1));
}

#[tokio::test]
async fn n07_without_introspection_nothing_changes() {
    let server = crate::fixtures::server();
    for (token, expected) in [("abc", "opaque_token"), ("eyJ", "token_parts"), ("a.b.c.d.e", "encrypted_token")] {
        assert_eq!(reason(&server, token).await, expected);
    }
}
