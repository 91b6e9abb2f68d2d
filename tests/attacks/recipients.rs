//! D04, D05, D11: who a token is from, and for whom it is.

use std::time::Duration;

use serde_json::{Value, json};
use tower_bearer::jose::Algorithm;
use tower_bearer::{Issuer, ResourceServer};
use tower_bearer_test::{SigningKey, TestIssuer};

use crate::canary::KeyServer;
use crate::support::*;

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
        several.invalid(&token().claim("iss", wrong).sign(), "claim_type").await;
    }
    single.invalid(&token().without_claim("iss").sign(), "claim_missing").await;
    several.invalid(&token().without_claim("iss").sign(), "claim_missing").await;
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
    for iss in [json!([ISSUER]), Value::Null] {
        let lured = token_with(Algorithm::ES256).key(&attacker).claim("iss", iss).sign();
        single.invalid(&lured, "claim_type").await;
        several.invalid(&lured, "claim_type").await;
    }
    assert_eq!((canary.connections(), provider.connections()), (0, 0));
    // The provider is asked as soon as a token of its own comes.
    single.accepts(&token_with(Algorithm::ES256).sign()).await;
    assert!(provider.connections() > 0);
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
        ((audiences[0], &issuers[0]), (audiences[0], &issuers[1]), "issuer_mismatch"),
        ((audiences[0], &issuers[0]), (audiences[1], &issuers[1]), "issuer_mismatch"),
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
