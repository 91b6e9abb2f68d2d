//! Tokens that are refused without a fetch, whatever the state of the provider.

use std::sync::atomic::Ordering;

use super::*;
use crate::source::{Fixture, Mood, fixture};

/// Row a: no fetch for a `kid` that no set can have, whatever the state of the keys.
#[tokio::test(start_paused = true)]
async fn r18_a_a_kid_that_no_set_can_have_and_fixed_keys_need_no_fetch() {
    let too_long = "k".repeat(1_025);
    let it = fixture(Mood::Fails);
    assert_eq!(at_once(&it.server, &with_kid(&it.issuer, &too_long)), Some(UNKNOWN), "without a set");
    it.mood.send_replace(Mood::Answers);
    it.clock.advance(Duration::from_secs(6));
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    it.mood.send_replace(Mood::Fails);
    for passed in [0, 300, 3_600] {
        it.clock.advance(Duration::from_secs(passed));
        assert_eq!(at_once(&it.server, &with_kid(&it.issuer, &too_long)), Some(UNKNOWN), "{passed}");
    }
    assert_eq!(it.fetches.load(Ordering::SeqCst), 1);

    let trusted = it.issuer.trusted();
    let fixed = ResourceServer::builder().audience(AUDIENCE).issuer(trusted).clock(it.clock.clone()).build().unwrap();
    for kid in ["junk", &too_long] {
        assert_eq!(at_once(&fixed, &with_kid(&it.issuer, kid)), Some(UNKNOWN));
    }
}

/// A set with a good key, and others that have to be dropped.
fn set_with_dropped(issuer: &TestIssuer) -> String {
    let mut set = issuer.jwk_set();
    let good = set["keys"][0].clone();
    let spoilt = |kid: &str, name: &str, value: serde_json::Value| {
        let mut jwk = good.clone();
        jwk["kid"] = kid.into();
        jwk[name] = value;
        jwk
    };
    set["keys"].as_array_mut().unwrap().extend([
        spoilt("for-encryption", "use", "enc".into()),
        spoilt("private", "d", "AQAB".into()),
        spoilt("of-another-type", "kty", "AKP".into()),
        spoilt("for-another-algorithm", "alg", "ES256".into()),
        spoilt("cut", "x", "AQAB".into()),
        spoilt("a-number", "x", 1.into()),
        serde_json::json!({ "kty": "oct", "kid": "symmetric", "k": "AQAB" }),
        serde_json::json!({ "kid": "nothing-else" }),
        serde_json::json!({ "kty": "RSA", "kid": 7 }),
        serde_json::json!(null),
    ]);
    set.to_string()
}

const DROPPED: [&str; 8] = [
    "for-encryption",
    "private",
    "of-another-type",
    "for-another-algorithm",
    "cut",
    "a-number",
    "symmetric",
    "nothing-else",
];

#[tokio::test]
async fn r45_the_kid_of_a_dropped_key_is_401_of_its_own_and_causes_no_fetch() {
    let (provider, issuer) = Provider::with_keys().await;
    provider.answer(JWK_SET, Answer::Json(set_with_dropped(&issuer)));
    let server = provider.resource_server();
    assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
    let refused = async |server: &ResourceServer| {
        for kid in DROPPED {
            let answer = ask(server, &with_kid(&issuer, kid)).await;
            assert_eq!((answer.status, answer.reason), (401, "unusable_key"), "{kid}");
            let challenge = answer.headers["www-authenticate"].to_str().unwrap();
            assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
        }
    };
    refused(&server).await;
    assert_eq!(provider.key_fetches(), 1);
    // In an outage, too: the set has the key, so no fetch is needed.
    provider.answer(JWK_SET, Answer::Status(503));
    refused(&server).await;
    assert_eq!(provider.key_fetches(), 1);
    // The provider fixes one of them: it comes with the next fetch.
    let mended = provider.issuer(key(1).with_key_id("cut"));
    provider.publish(&mended);
    assert_eq!(reason(&server, &with_kid(&issuer, "junk")).await, UNKNOWN);
    assert_eq!(reason(&server, &token(&mended)).await, "accepted");

    let fixed = Issuer::new(issuer.url()).dangerously_allow_http().jwk_set(set_with_dropped(&issuer));
    refused(&provider.resource_server_trusting(fixed)).await;
}

/// Nothing that is already known causes a fetch, in an outage or not.
#[tokio::test(start_paused = true)]
async fn r18_a_token_without_kid_and_new_material_under_a_known_one_are_401_without_a_fetch() {
    for mood in [Mood::Answers, Mood::Fails] {
        let it = fixture(Mood::Answers);
        assert_eq!(reason(&it.server, &it.token).await, "accepted");
        it.mood.send_replace(mood);
        let by_other = |it: &Fixture| it.issuer.token().audience(AUDIENCE).key(&key(1));
        let unnamed = by_other(&it).without_header("kid").sign();
        let known = by_other(&it).header("kid", key(0).key_id()).sign();
        for forged in [unnamed, known] {
            assert_eq!(at_once(&it.server, &forged), Some("bad_signature"), "{mood:?}");
        }
        assert_eq!(it.fetches.load(Ordering::SeqCst), 1, "{mood:?}");
    }
}
