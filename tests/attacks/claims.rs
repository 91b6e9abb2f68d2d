//! D: claims that are almost right, under a good signature.

use std::time::Duration;

use serde_json::{Value, json};
use tower_bearer::jose::Algorithm;
use tower_bearer::test_util::{SigningKey, TestIssuer};
use tower_bearer::time::UnixTime;
use tower_bearer::{Issuer, RequireScopes, ResourceServer};

use crate::canary::KeyServer;
use crate::support::*;

const LEEWAY: u64 = 30;
const THE_TIME: u64 = NOW.as_secs();

/// The good claims with this raw JSON text in the place of one of them.
fn with_raw(name: &str, json_text: &str) -> String {
    let key = key(Algorithm::RS256);
    let claims = token().without_claim(name).sign();
    let claims = String::from_utf8(decode(parts(&claims)[1])).unwrap();
    let claims = format!("{},\"{name}\":{json_text}}}", claims.strip_suffix('}').unwrap());
    key.sign_compact(json!({ "alg": "RS256", "kid": key.key_id() }).to_string(), claims)
}

#[tokio::test]
async fn d01_exp_is_a_number_in_range() {
    let trial = Trial::start().await;
    trial.invalid(&token().without_claim("exp").sign(), "claim_missing").await;
    for wrong in [
        "\"2000000000\"",
        "null",
        "true",
        "[2000000000]",
        "{\"$numberLong\":\"2000000000\"}",
        "\"\"",
        "-1",
        "-2000000000",
        "-0.5",
        "1e18",
        "1e300",
        "9007199254740993",
        "18446744073709551615",
        "18446744073709551616",
        "253402300800",
        "253402300799.5",
        "{\"$serde_json::private::Number\":\"2000000000\"}",
        "{\"secs\":2000000000,\"nanos\":0}",
    ] {
        trial.invalid(&with_raw("exp", wrong), "claim_type").await;
    }
    for not_json in ["NaN", "Infinity", "-Infinity", "1e999", "0x7fffffff", "+2000000000", "2_000_000_000", "1.", ".5"]
    {
        trial.invalid(&with_raw("exp", not_json), "claims_json").await;
    }
    for past in ["0", "-0", "0.0", "1", "1e-300", "1.5e9"] {
        trial.invalid(&with_raw("exp", past), "expired").await;
    }
    // A name is the same name however it is escaped.
    trial.invalid(&with_raw("\\u0065x\\u0070", "1"), "claims_duplicate").await;
    let unescaped = String::from_utf8(decode(parts(&with_raw("exp", "1"))[1])).unwrap();
    let escaped = unescaped.replace("\"exp\"", "\"\\u0065x\\u0070\"");
    assert_ne!(escaped, unescaped);
    let key = key(Algorithm::RS256);
    let header = json!({ "alg": "RS256", "kid": key.key_id() }).to_string();
    trial.invalid(&key.sign_compact(header, escaped), "expired").await;
    for good in ["2000000000", "2000000000.75", "2e9", "253402300799", "2.5e+10"] {
        trial.accepts(&with_raw("exp", good)).await;
    }
}

#[tokio::test]
async fn d01_a_far_future_exp_can_be_capped_by_age() {
    let capped = builder().max_token_age(Duration::from_secs(3600)).issuer(issuer_with(Algorithm::RS256).trusted());
    let trial = Trial::with(capped).await;
    let eternal = || token().claim("exp", UnixTime::MAX.as_secs());
    trial.accepts(&eternal().claim("iat", THE_TIME - 3600 - LEEWAY).sign()).await;
    trial.invalid(&eternal().claim("iat", THE_TIME - 3600 - LEEWAY - 1).sign(), "too_old").await;
    trial.invalid(&eternal().without_claim("iat").sign(), "claim_missing").await;
}

#[tokio::test]
async fn d02_boundaries_to_the_second() {
    let trial = Trial::start().await;
    for (claim, value, expected) in [
        ("exp", THE_TIME + 1, "accepted"),
        ("exp", THE_TIME, "accepted"),
        ("exp", THE_TIME - LEEWAY + 1, "accepted"),
        ("exp", THE_TIME - LEEWAY, "expired"),
        ("exp", THE_TIME - LEEWAY - 1, "expired"),
        ("nbf", THE_TIME, "accepted"),
        ("nbf", THE_TIME + LEEWAY, "accepted"),
        ("nbf", THE_TIME + LEEWAY + 1, "not_yet_valid"),
        ("iat", THE_TIME + LEEWAY, "accepted"),
        ("iat", THE_TIME + LEEWAY + 1, "issued_in_future"),
    ] {
        let token = token().claim(claim, value).sign();
        if expected == "accepted" {
            trial.accepts(&token).await;
        } else {
            trial.invalid(&token, expected).await;
        }
    }
    for (claim, value, expected) in [
        ("exp", format!("{}.000001", THE_TIME - LEEWAY), "accepted"),
        ("nbf", format!("{}.000001", THE_TIME + LEEWAY), "not_yet_valid"),
    ] {
        assert_eq!(reason(&trial.server, &with_raw(claim, &value)).await, expected);
    }
    let exact = builder().leeway(Duration::ZERO).issuer(issuer_with(Algorithm::RS256).trusted()).build().unwrap();
    assert_eq!(reason(&exact, &token().claim("exp", THE_TIME + 1).sign()).await, "accepted");
    assert_eq!(reason(&exact, &token().claim("exp", THE_TIME).sign()).await, "expired");
    assert_eq!(reason(&exact, &token().claim("nbf", THE_TIME).sign()).await, "accepted");
    assert_eq!(reason(&exact, &token().claim("nbf", THE_TIME + 1).sign()).await, "not_yet_valid");
}

#[tokio::test]
async fn d03_nbf_and_iat_of_another_type_are_not_absent() {
    let trial = Trial::start().await;
    for claim in ["nbf", "iat"] {
        for wrong in ["\"1\"", "null", "{}", "[]", "true", "-1", "1e300", "18446744073709551616"] {
            trial.invalid(&with_raw(claim, wrong), "claim_type").await;
        }
        trial.accepts(&with_raw(claim, "0.5")).await;
    }
}

#[tokio::test]
async fn d04_aud_has_one_exact_member() {
    let trial = Trial::start().await;
    trial.invalid(&token().without_claim("aud").sign(), "claim_missing").await;
    for other in [
        json!("https://other.example.com"),
        json!(&AUDIENCE[..AUDIENCE.len() - 1]),
        json!(&AUDIENCE[1..]),
        json!(format!("{AUDIENCE}.evil.example")),
        json!(format!("{AUDIENCE}/")),
        json!("HTTPS://api.example.com"),
        json!("https://API.example.com"),
        json!("https://api.example.com:443"),
        json!("https://api%2Eexample.com"),
        json!(format!(" {AUDIENCE}")),
        json!(format!("{AUDIENCE}\0")),
        json!(format!("{AUDIENCE} x")),
        json!(""),
        json!("*"),
        json!(".*"),
        json!("https://*.example.com"),
        json!([]),
        json!(["https://other.example.com"]),
        json!(["", "https://other.example.com"]),
        json!("https://\u{430}pi.example.com"),
        json!(format!("https://x.example.com {AUDIENCE}")),
        json!(format!("https://x.example.com,{AUDIENCE}")),
    ] {
        trial.invalid(&token().claim("aud", other).sign(), "audience_mismatch").await;
    }
    for wrong in [
        json!(null),
        json!(7),
        json!(true),
        json!({ "aud": AUDIENCE }),
        json!([null]),
        json!([AUDIENCE, null]),
        json!([AUDIENCE, 7]),
        json!([[AUDIENCE]]),
        json!([{ "aud": AUDIENCE }]),
    ] {
        trial.invalid(&token().claim("aud", wrong).sign(), "claim_type").await;
    }
    for good in [json!([AUDIENCE]), json!(["https://other.example.com", AUDIENCE]), json!([AUDIENCE, AUDIENCE])] {
        trial.accepts(&token().claim("aud", good).sign()).await;
    }
}

#[tokio::test]
async fn d05_iss_is_equal_byte_by_byte() {
    let single = Trial::start().await;
    let several = Trial::with(builder().issuer(issuer_with(Algorithm::RS256).trusted()).issuer(second_issuer())).await;
    for trial in [&single, &several] {
        trial.accepts(&token().sign()).await;
        for other in [
            "https://other.example.com",
            &ISSUER[..ISSUER.len() - 1],
            "https://as.example.com/",
            "https://as.example.com.evil",
            "https://AS.example.com",
            "HTTPS://as.example.com",
            "https://as%2Eexample.com",
            "https://as.example.com:443",
            "https://\u{430}s.example.com",
            "https://as\u{ff0e}example.com",
            " https://as.example.com",
            "",
            "https://as.example.com\0",
            "https://as.example.com#",
            "https://as.example.com?",
            "http://as.example.com",
            "https://user@as.example.com",
            "https://as.example.com/.",
            "https://as.example.com\\",
        ] {
            trial.invalid(&token().claim("iss", other).sign(), "issuer_mismatch").await;
        }
        // Another of ours, by the key of the first.
        let foreign = token().claim("iss", "https://b.example.com").sign();
        trial.invalid(&foreign, if std::ptr::eq(trial, &single) { "issuer_mismatch" } else { "no_matching_key" }).await;
    }
    let arrays =
        [json!(["https://evil.example.com", ISSUER]), json!([ISSUER]), json!({ "iss": ISSUER }), json!(null), json!(7)];
    for wrong in arrays {
        single.invalid(&token().claim("iss", wrong.clone()).sign(), "claim_type").await;
        several.invalid(&token().claim("iss", wrong).sign(), "issuer_mismatch").await;
    }
    single.invalid(&token().without_claim("iss").sign(), "claim_missing").await;
    several.invalid(&token().without_claim("iss").sign(), "issuer_mismatch").await;
}

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
async fn d11_an_issuer_that_is_not_ours_costs_nobody_a_request() {
    let attacker = attackers_key(Algorithm::ES256);
    let canary = KeyServer::start(json!({ "keys": [attacker.public_jwk()] }).to_string()).await;
    let provider = KeyServer::start(issuer_with(Algorithm::ES256).jwk_set().to_string()).await;
    let evil = format!("http://{}", canary.address);
    let remote = Issuer::new(ISSUER).jwk_set_url(provider.url());
    let single = Trial::of(remote.clone()).await;
    let several = Trial::with(builder().issuer(remote).issuer(second_issuer())).await;
    let unproven = [
        json!(evil),
        json!(format!("{evil}/")),
        json!(format!("{ISSUER}/../{evil}")),
        json!(format!("{ISSUER}@{evil}")),
        json!("file:///etc/passwd"),
        json!("https://169.254.169.254"),
    ];
    for iss in unproven {
        let lured = token_with(Algorithm::ES256).key(&attacker).claim("iss", iss).sign();
        single.invalid(&lured, "issuer_mismatch").await;
        several.invalid(&lured, "issuer_mismatch").await;
    }
    for (iss, alone) in [(json!([ISSUER]), "claim_missing"), (Value::Null, "claim_missing")] {
        let lured = token_with(Algorithm::ES256).key(&attacker).claim("iss", iss).sign();
        single.invalid(&lured, alone).await;
        several.invalid(&lured, "issuer_mismatch").await;
    }
    assert_eq!((canary.connections(), provider.connections()), (0, 0));
    // The provider is asked as soon as a token of its own comes.
    single.accepts(&token_with(Algorithm::ES256).sign()).await;
    assert!(provider.connections() > 0);
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
    // Under the DPoP scheme it is no bearer token either.
    let dpop = format!("DPoP {}", token().claim("cnf", json!({ "jkt": "x" })).sign());
    trial.absent(&[("authorization", dpop.as_bytes())]).await;
}

/// Two APIs in one process, each with its own audience, or issuer, or key.
#[tokio::test]
async fn d04_two_resource_servers_never_accept_each_others_tokens() {
    let other_key = SigningKey::generate(Algorithm::RS256).unwrap();
    let url = "https://other-as.example.com";
    let issuers = [issuer_with(Algorithm::RS256), TestIssuer::with_key(url, other_key.clone()).with_clock(clock())];
    let audiences = [AUDIENCE, "https://other.example.com"];
    let server = |audience: &str, issuer: &TestIssuer| {
        ResourceServer::builder().audience(audience).issuer(issuer.trusted()).clock(clock()).build().unwrap()
    };
    // The same issuer, two audiences.
    for (own, other, refused) in [
        ((audiences[0], &issuers[0]), (audiences[1], &issuers[0]), "audience_mismatch"),
        ((audiences[0], &issuers[0]), (audiences[0], &issuers[1]), "no_matching_key"),
        ((audiences[0], &issuers[0]), (audiences[1], &issuers[1]), "no_matching_key"),
    ] {
        let [own_token, other_token] = [own, other].map(|(audience, issuer)| issuer.token().audience(audience).sign());
        let [own, other] = [own, other].map(|(audience, issuer)| server(audience, issuer));
        assert_eq!((reason(&own, &own_token).await, reason(&other, &other_token).await), ("accepted", "accepted"));
        assert_eq!((reason(&own, &other_token).await, reason(&other, &own_token).await), (refused, refused));
    }
    // The same key under two issuer names.
    let twin = TestIssuer::with_key(url, key(Algorithm::RS256)).with_clock(clock());
    let token = twin.token().audience(AUDIENCE).sign();
    assert_eq!(reason(&server(AUDIENCE, &issuers[0]), &token).await, "issuer_mismatch");
}

/// The builder refuses what would accept the tokens of any service (CVE-2025-62610, CVE-2026-22748).
#[test]
fn d04_no_audience_and_no_issuer_are_not_a_configuration() {
    let issuer = || issuer_with(Algorithm::RS256).trusted();
    let settings = [
        ResourceServer::builder().issuer(issuer()),
        ResourceServer::builder().audience("").issuer(issuer()),
        ResourceServer::builder().audience(AUDIENCE),
        builder().issuer(issuer().algorithms([])),
        builder().issuer(issuer().algorithms([Algorithm::RS256, Algorithm::HS256])),
        builder().issuer(issuer()).leeway(Duration::from_secs(301)),
    ];
    for setting in settings {
        assert!(setting.build().is_err());
    }
}
