//! How keys come and go, and a clock that is wrong.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, StatusCode, header};
use serde_json::json;
use tower::ServiceExt as _;
use tower_bearer::jose::Algorithm;
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer::{Issuer, ResourceServer};
use tower_bearer_authorization_server::AuthorizationServer;
use tower_bearer_test::{KeyChangeError, SigningKey, TestIssuer};

use crate::support::{AUDIENCE, builder, claims_of, get_json, header_of, issue, server, verify};

const OVERLAP: Duration = Duration::from_secs(600);
const MOMENT: Duration = Duration::from_nanos(1);

fn clock() -> ManualClock {
    ManualClock::at(UnixTime::from_secs(1_000_000))
}

/// An issuer with one Ed25519 key, and its clock.
fn issuer() -> (TestIssuer, ManualClock) {
    let clock = clock();
    let issuer = TestIssuer::with_algorithm("https://as.example.com", Algorithm::EdDSA).unwrap();
    (issuer.with_clock(clock.clone()), clock)
}

fn published(issuer: &TestIssuer) -> Vec<String> {
    issuer.published_keys().iter().map(|key| key.key_id().to_owned()).collect()
}

fn signs(issuer: &TestIssuer) -> String {
    let token = issuer.token().sign();
    assert_eq!(header_of(&token)["kid"], issuer.signing_key().key_id());
    issuer.signing_key().key_id().to_owned()
}

#[tokio::test]
async fn with_overlap_old_tokens_verify_until_it_is_over() {
    let server = server().await;
    let old = issue(&server).await;
    server.rotate_keys_with_overlap(OVERLAP).unwrap();
    let new = issue(&server).await;
    assert_ne!(header_of(&old)["kid"], header_of(&new)["kid"]);
    verify(&server, &old).await.unwrap();
    verify(&server, &new).await.unwrap();

    // Without overlap, every old key goes, those of earlier rotations too.
    server.rotate_keys().unwrap();
    assert_eq!(verify(&server, &old).await.unwrap_err(), "no such key");
    assert_eq!(verify(&server, &new).await.unwrap_err(), "no such key");
}

#[tokio::test]
async fn s14_with_an_overlap_of_their_lifetime_old_tokens_are_accepted_to_their_end() {
    let lifetime = Duration::from_secs(300);
    for (overlap, expected) in [(lifetime, StatusCode::OK), (lifetime - MOMENT, StatusCode::UNAUTHORIZED)] {
        let clock = clock();
        let server = builder().clock(clock.clone()).start().await.unwrap();
        let old = issue(&server).await;
        let claims = claims_of(&old);
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), lifetime.as_secs());
        server.rotate_keys_with_overlap(overlap).unwrap();
        let new = issue(&server).await;

        clock.advance(lifetime - MOMENT);
        assert_eq!(status(&server, &clock, &old).await, expected, "{overlap:?}");
        assert_eq!(status(&server, &clock, &new).await, StatusCode::OK);
        clock.advance(MOMENT);
        assert_eq!(status(&server, &clock, &old).await, StatusCode::UNAUTHORIZED);
    }
}

/// What an API behind the layer answers that has just started, and so knows only the keys that are published now.
async fn status(server: &AuthorizationServer, clock: &ManualClock, token: &str) -> StatusCode {
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(Issuer::new(server.issuer()));
    let api = api.leeway(Duration::ZERO).clock(clock.clone()).build().unwrap();
    let app = Router::new().route("/", get(async || "leads")).layer(api.layer());
    let request = Request::get("/").header(header::AUTHORIZATION, format!("Bearer {token}"));
    app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
}

#[tokio::test]
async fn the_servers_clock_ends_the_overlap() {
    let clock = clock();
    let server = builder().clock(clock.clone()).start().await.unwrap();
    let keys = async || get_json(server.jwks_uri()).await["keys"].as_array().unwrap().len();
    server.rotate_keys_with_overlap(OVERLAP).unwrap();
    clock.advance(OVERLAP - MOMENT);
    assert_eq!(keys().await, 2);
    clock.advance(MOMENT);
    assert_eq!(keys().await, 1);
}

#[test]
fn each_rotation_has_its_own_overlap() {
    let (issuer, clock) = issuer();
    let first = signs(&issuer);
    issuer.rotate_keys_with_overlap(2 * OVERLAP).unwrap();
    let second = signs(&issuer);
    clock.advance(OVERLAP / 2);
    issuer.rotate_keys_with_overlap(OVERLAP).unwrap();
    let third = signs(&issuer);

    assert_eq!(published(&issuer), [&*third, &*second, &*first]);
    clock.advance(OVERLAP);
    assert_eq!(published(&issuer), [&*third, &*first]);
    clock.advance(OVERLAP);
    assert_eq!(published(&issuer), [third]);
}

#[test]
fn the_wall_clock_says_nothing_about_overlaps() {
    let (issuer, clock) = issuer();
    issuer.rotate_keys_with_overlap(OVERLAP).unwrap();
    clock.set_wall(Some(UnixTime::from_secs(2_000_000)));
    issuer.set_clock_offset(1_000_000);
    assert_eq!(published(&issuer).len(), 2);

    // Nor does the clock of a clone that has another one.
    let other = issuer.clone().with_clock(ManualClock::at(UnixTime::from_secs(0)));
    clock.advance(OVERLAP);
    assert_eq!(published(&other).len(), 1);
}

#[test]
fn an_overlap_can_last_for_ever() {
    let (issuer, clock) = issuer();
    clock.advance(OVERLAP);
    issuer.rotate_keys_with_overlap(Duration::MAX).unwrap();
    assert_eq!(published(&issuer).len(), 2);
}

#[test]
fn every_key_is_rotated() {
    let (issuer, _) = issuer();
    issuer.add_key(SigningKey::generate(Algorithm::ES256).unwrap());
    let old = published(&issuer);
    issuer.rotate_keys_with_overlap(OVERLAP).unwrap();

    let keys = issuer.published_keys();
    let algorithms: Vec<_> = keys.iter().map(|key| key.algorithm().name()).collect();
    assert_eq!(algorithms, ["EdDSA", "ES256", "EdDSA", "ES256"]);
    assert_eq!(published(&issuer)[2..], old);
}

#[test]
fn a_key_is_announced_before_it_signs() {
    let (issuer, _) = issuer();
    let first = signs(&issuer);
    let next = issuer.publish_next_key().unwrap().key_id().to_owned();
    assert_eq!(issuer.publish_next_key().unwrap().key_id(), next, "asked twice");
    assert_eq!(signs(&issuer), first);
    assert_eq!(published(&issuer), [&*first, &*next]);

    issuer.rotate_keys().unwrap();
    assert_eq!(signs(&issuer), next);
    assert_eq!(published(&issuer), [&*next]);
    assert_ne!(issuer.publish_next_key().unwrap().key_id(), next);
}

#[test]
fn a_withdrawn_key_is_gone_wherever_it_stood() {
    let (issuer, _) = issuer();
    let retiring = signs(&issuer);
    issuer.rotate_keys_with_overlap(OVERLAP).unwrap();
    let signing = signs(&issuer);
    let next = issuer.publish_next_key().unwrap().key_id().to_owned();
    let other = SigningKey::generate(Algorithm::EdDSA).unwrap().with_key_id("other");
    issuer.add_key(other.clone());
    issuer.add_key(other);

    let mut left = published(&issuer);
    assert_eq!(left, [&*signing, &*next, "other", "other", &*retiring]);
    for key_id in [&*retiring, "other", &*next, &*signing] {
        issuer.withdraw_key(key_id).unwrap();
        left.retain(|left| left != key_id);
        assert_eq!(published(&issuer), left);
    }
    assert_eq!(issuer.jwk_set(), json!({ "keys": [] }));
}

#[test]
fn a_withdrawn_key_goes_on_signing_until_the_next_rotation() {
    let (issuer, _) = issuer();
    let signing = signs(&issuer);
    issuer.withdraw_key(&signing).unwrap();
    assert_eq!(signs(&issuer), signing);

    issuer.add_key(issuer.signing_key());
    assert_eq!(published(&issuer), [&*signing]);
    issuer.add_key(issuer.signing_key());
    assert_eq!(published(&issuer), [&*signing, &*signing], "a second time it is another key like any");

    issuer.withdraw_key(&signing).unwrap();
    issuer.rotate_keys_with_overlap(OVERLAP).unwrap();
    assert_eq!(published(&issuer), [signs(&issuer)], "what was withdrawn does not come back");
}

#[tokio::test]
async fn a_key_id_gets_new_material() {
    let server = server().await;
    let old = issue(&server).await;
    let key_id = header_of(&old)["kid"].as_str().unwrap().to_owned();
    server.replace_key_material(&key_id).unwrap();

    assert_eq!(verify(&server, &old).await.unwrap_err(), "InvalidSignature");
    let new = issue(&server).await;
    assert_eq!(header_of(&new)["kid"], key_id.as_str());
    verify(&server, &new).await.unwrap();
}

#[test]
fn material_is_replaced_wherever_the_key_stands() {
    let (issuer, clock) = issuer();
    issuer.rotate_keys_with_overlap(OVERLAP).unwrap();
    issuer.publish_next_key().unwrap();
    issuer.add_key(SigningKey::generate(Algorithm::ES256).unwrap());
    for (index, key) in issuer.published_keys().iter().enumerate() {
        issuer.replace_key_material(key.key_id()).unwrap();
        let new = &issuer.published_keys()[index];
        assert_eq!((new.key_id(), new.algorithm()), (key.key_id(), key.algorithm()));
        assert_ne!(new.public_key_der(), key.public_key_der());
    }
    clock.advance(OVERLAP);
    assert_eq!(published(&issuer).len(), 3, "an overlap stays what it was");
}

#[tokio::test]
async fn a_key_that_is_not_there_cannot_be_changed() {
    let server = builder().clock(clock()).start().await.unwrap();
    let key_id = server.test_issuer().signing_key().key_id().to_owned();
    let expected = format!("there is no key \"no\"; published are {key_id:?}");
    assert_eq!(server.withdraw_key("no").unwrap_err().to_string(), expected);
    assert_eq!(server.replace_key_material("no").unwrap_err().to_string(), expected);

    server.withdraw_key(&key_id).unwrap();
    let error = server.withdraw_key(&key_id).unwrap_err();
    assert_eq!(error, KeyChangeError::NoSuchKey { key_id: key_id.clone(), published: vec![] });
    assert_eq!(error.to_string(), format!("there is no key {key_id:?}; published are none"));
}

#[tokio::test]
async fn a_key_whose_overlap_is_over_cannot_be_changed() {
    let (issuer, clock) = issuer();
    let old = signs(&issuer);
    issuer.rotate_keys_with_overlap(OVERLAP).unwrap();
    clock.advance(OVERLAP);
    assert!(issuer.withdraw_key(&old).is_err());
    assert!(issuer.replace_key_material(&old).is_err());
}

#[test]
fn changes_at_the_same_time_are_all_made() {
    // An RSA key takes long to make: what else changes meanwhile must not be lost when it is there.
    let issuer = TestIssuer::with_algorithm("https://as.example.com", Algorithm::RS256).unwrap();
    let key = issuer.signing_key();
    let mut added = 0;
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| issuer.publish_next_key().unwrap());
        while !slow.is_finished() && added < 1_000 {
            issuer.add_key(key.clone().with_key_id(format!("key-{added}")));
            added += 1;
        }
    });
    assert_eq!(published(&issuer).len(), 2 + added);
}

#[tokio::test]
async fn tokens_have_the_time_of_a_wrong_clock() {
    let server: AuthorizationServer = builder().clock(clock()).start().await.unwrap();
    for (offset, iat) in [(3_600, 1_003_600), (-3_600, 996_400), (0, 1_000_000), (i64::MIN, 0)] {
        server.set_clock_offset(offset);
        assert_eq!(server.test_issuer().clock_offset(), offset);
        let claims = claims_of(&issue(&server).await);
        assert_eq!((&claims["iat"], &claims["exp"]), (&json!(iat), &json!(iat + 300)), "{offset}");
    }
}
