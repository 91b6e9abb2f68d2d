//! D06 to D09: what kind of token it is, whom it speaks for and what it permits.

use serde_json::json;
use tower_bearer::RequireScopes;
use tower_bearer::jose::Algorithm;

use crate::support::*;

#[tokio::test]
async fn d06_other_kinds_of_token() {
    let lax = Trial::start().await;
    let strict = Trial::of(issuer_with(Algorithm::RS256).trusted().require_at_jwt()).await;
    strict.accepts(&token().sign()).await;
    let kinds = [
        "logout+jwt",
        "dpop+jwt",
        "entity-statement+jwt",
        "secevent+jwt",
        "id_token+jwt",
        "JOSE",
        "token-introspection+jwt",
    ];
    for trial in [&lax, &strict] {
        for kind in kinds {
            trial.invalid(&token().header("typ", kind).sign(), "token_type").await;
            trial.invalid(&token().header("typ", format!("application/{kind}")).sign(), "token_type").await;
        }
        for (claim, value) in [
            ("nonce", json!("n")),
            ("nonce", json!(null)),
            ("at_hash", json!("h")),
            ("c_hash", json!("h")),
            ("events", json!({})),
            ("events", json!(null)),
            ("typ", json!("ID")),
            ("typ", json!("Refresh")),
            ("typ", json!("Logout")),
            ("typ", json!("Offline")),
            ("typ", json!("id")),
            ("token_use", json!("id")),
            ("token_use", json!("")),
            ("token_use", json!("Access")),
        ] {
            trial.invalid(&token().claim(claim, value).sign(), "not_an_access_token").await;
        }
        for (claim, value) in [("typ", json!(7)), ("typ", json!(null)), ("token_use", json!(["access"]))] {
            trial.invalid(&token().claim(claim, value).sign(), "claim_type").await;
        }
        trial.accepts(&token().claim("token_use", "access").claim("typ", "Bearer").sign()).await;
    }
    // An ID token of OpenID Connect, for a client that has our audience as its id.
    let id_token = || token().header("typ", "JWT").claim("nonce", "n").claim("aud", AUDIENCE);
    strict.invalid(&id_token().sign(), "token_type").await;
    lax.invalid(&id_token().sign(), "not_an_access_token").await;
}

#[tokio::test]
async fn d07_typ_is_a_media_type_and_not_a_prefix() {
    let lax = Trial::start().await;
    let strict = Trial::of(issuer_with(Algorithm::RS256).trusted().require_at_jwt()).await;
    for typ in ["at+jwt", "AT+JWT", "At+Jwt", "application/at+jwt", "APPLICATION/at+JWT"] {
        strict.accepts(&token().header("typ", typ).sign()).await;
        lax.accepts(&token().header("typ", typ).sign()).await;
    }
    for typ in ["JWT", "jwt", "application/jwt"] {
        strict.invalid(&token().header("typ", typ).sign(), "token_type").await;
        lax.accepts(&token().header("typ", typ).sign()).await;
    }
    strict.invalid(&token().without_header("typ").sign(), "token_type").await;
    lax.accepts(&token().without_header("typ").sign()).await;
    for trial in [&lax, &strict] {
        for typ in [
            "at+jwt;x",
            "at+jwt; charset=utf-8",
            " at+jwt",
            "at+jwt ",
            "at jwt",
            "at%2Bjwt",
            "at+jwt\0",
            "",
            "at+jwtx",
            "text/at+jwt",
            "application/",
            "application/application/at+jwt",
            "application//at+jwt",
            "\u{0430}t+jwt",
            "at+\u{212a}wt",
        ] {
            trial.invalid(&token().header("typ", typ).sign(), "token_type").await;
        }
        for typ in [json!(7), json!(null), json!(["at+jwt"]), json!({ "typ": "at+jwt" })] {
            trial.invalid(&token().header("typ", typ).sign(), "header_parameter").await;
        }
    }
}

#[tokio::test]
async fn d08_identifiers_have_their_types_and_bounds() {
    let lax = Trial::start().await;
    let strict = Trial::of(issuer_with(Algorithm::RS256).trusted().require_at_jwt()).await;
    for claim in ["sub", "client_id", "jti"] {
        for trial in [&lax, &strict] {
            for wrong in [json!(7), json!(null), json!(["a"]), json!({}), json!(true)] {
                trial.invalid(&token().claim(claim, wrong).sign(), "claim_type").await;
            }
            for unacceptable in ["", "a\nb", "a\0", &"s".repeat(1025), &"s".repeat(10_000), &"\u{e9}".repeat(513)] {
                trial.invalid(&token().claim(claim, unacceptable).sign(), "claim_invalid").await;
            }
            trial.accepts(&token().claim(claim, "s".repeat(1024)).sign()).await;
        }
        lax.accepts(&token().without_claim(claim).sign()).await;
        strict.invalid(&token().without_claim(claim).sign(), "claim_missing").await;
    }
    strict.invalid(&token().without_claim("iat").sign(), "claim_missing").await;
}

/// The answer of a route that asks for the scope `read`.
async fn asked_for_read(token: &str) -> reqwest::Response {
    let server = server();
    let app = axum::Router::new()
        .route("/leads", axum::routing::get(async || "leads").route_layer(RequireScopes::all(["read"])))
        .layer(server.layer());
    let api = Api::serve(app, std::sync::Arc::default()).await;
    api.send(token).await
}

#[tokio::test]
async fn d09_scopes_are_compared_whole() {
    for good in [json!("read"), json!("admin read"), json!(["read"]), json!(["admin", "read"]), json!("  read  read ")]
    {
        assert_eq!(asked_for_read(&token().claim("scope", good.clone()).sign()).await.status(), 200, "{good}");
    }
    let lacking = [
        "\"readx\"",
        "\"xread\"",
        "\"Read\"",
        "\"READ\"",
        "\"read:leads\"",
        "\"read,admin\"",
        "\"admin\\tread\"",
        "\"admin\\u00a0read\"",
        "\"admin\\nread\"",
        "\"read\\u0000\"",
        "\"\\u0072e\\u0430d\"",
        "\"\"",
        "[]",
        "[\"\"]",
        "[\"admin read\"]",
        "[\" read\"]",
        "[\"read \"]",
        "\"re ad\"",
        "\"*\"",
        "\".*\"",
    ];
    for scope in lacking {
        let response = asked_for_read(&with_raw("scope", scope)).await;
        assert_eq!(response.status(), 403, "{scope}");
        let challenge = response.headers()["www-authenticate"].to_str().unwrap();
        assert!(
            challenge.contains("error=\"insufficient_scope\"") && challenge.ends_with("scope=\"read\""),
            "{challenge}"
        );
        assert_eq!(reason_of(&response), "insufficient_scope");
    }
    // In JSON an escaped space is a space.
    assert_eq!(asked_for_read(&with_raw("scope", "\"admin\\u0020read\"")).await.status(), 200);
    assert_eq!(asked_for_read(&token().without_claim("scope").sign()).await.status(), 403);
    // `scope` wins over `scp`, in whatever order they stand.
    let both = token().claim("scope", "other").claim("scp", json!(["read"])).sign();
    assert_eq!(asked_for_read(&both).await.status(), 403);
    assert_eq!(
        asked_for_read(&token().without_claim("scope").claim("scp", json!(["read"])).sign()).await.status(),
        200
    );
    let trial = Trial::start().await;
    for wrong in [json!(null), json!(7), json!({ "read": true }), json!([["read"]]), json!(["read", 7]), json!([null])]
    {
        for claim in ["scope", "scp"] {
            trial.invalid(&token().claim(claim, wrong.clone()).sign(), "claim_type").await;
        }
    }
}

#[tokio::test]
async fn p09_a_sender_constrained_token_is_no_bearer_token() {
    let trial = Trial::start().await;
    let aware = Trial::of(issuer_with(Algorithm::RS256).trusted().dangerously_accept_sender_constrained()).await;
    for cnf in [
        json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }),
        json!({ "x5t#S256": "x" }),
        json!({ "jwk": {} }),
        json!({ "kid": "k" }),
        json!({ "unknown": true }),
        json!({}),
        json!(null),
        json!([]),
        json!(""),
        json!(false),
        json!(0),
    ] {
        let bound = token().claim("cnf", cnf).sign();
        trial.invalid(&bound, "sender_constrained").await;
        aware.accepts(&bound).await;
    }
    trial.accepts(&token().claim("CNF", json!({})).claim("act", json!({ "cnf": {} })).sign()).await;
}
