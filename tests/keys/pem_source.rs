//! Keys in PEM that an application's own source brings, each under a `kid`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tower_bearer::jose::Algorithm;
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer::{FetchedKeySet, Issuer, KeySource, KeySourceFuture, ResourceServer};
use tower_bearer_test::{SigningKey, TestIssuer};

use crate::provider::{AUDIENCE, reason};

const ISSUER: &str = "https://as.example.com";

/// A store with one PEM text for each `kid`.
#[derive(Clone, Debug, Default)]
struct Store(Arc<Mutex<Vec<(String, String)>>>);

impl KeySource for Store {
    fn fetch<'a>(&'a self, _: Option<&'a str>) -> KeySourceFuture<'a> {
        let keys = self.0.lock().unwrap().clone();
        Box::pin(async { FetchedKeySet::from_pem(keys) })
    }
}

struct World {
    store: Store,
    clock: ManualClock,
    server: ResourceServer,
}

impl World {
    fn new() -> Self {
        let (store, clock) = (Store::default(), ManualClock::at(UnixTime::from_secs(1_800_000_000)));
        let issuer = Issuer::new(ISSUER).key_source(store.clone()).algorithms([
            Algorithm::RS256,
            Algorithm::ES256,
            Algorithm::ES384,
            Algorithm::EdDSA,
        ]);
        let server = ResourceServer::builder().audience(AUDIENCE).issuer(issuer).clock(clock.clone()).build().unwrap();
        Self { store, clock, server }
    }

    fn keep<const N: usize>(&self, keys: [(&str, String); N]) {
        *self.store.0.lock().unwrap() = keys.map(|(key_id, pem)| (key_id.to_owned(), pem)).to_vec();
    }

    async fn verdict(&self, key: &SigningKey) -> &'static str {
        let issuer = TestIssuer::with_key(ISSUER, key.clone()).with_clock(self.clock.clone());
        reason(&self.server, &issuer.token().audience(AUDIENCE).sign()).await
    }
}

fn key(algorithm: Algorithm, key_id: &str) -> SigningKey {
    SigningKey::generate(algorithm).unwrap().with_key_id(key_id)
}

#[tokio::test]
async fn keys_of_every_type_are_found_by_their_kid() {
    let world = World::new();
    let keys = [
        key(Algorithm::RS256, "rsa.pem"),
        key(Algorithm::ES256, "p-256"),
        key(Algorithm::ES384, "p-384 \"quoted\" é"),
        key(Algorithm::EdDSA, "ed"),
    ];
    world.keep(keys.each_ref().map(|key| (key.key_id(), key.public_key_pem())));
    for signing in &keys {
        assert_eq!(world.verdict(signing).await, "accepted", "{}", signing.key_id());
        let renamed = signing.clone().with_key_id("another");
        assert_eq!(world.verdict(&renamed).await, "no_matching_key", "{}", signing.key_id());
    }
}

/// A key is withdrawn when its text is gone, and one that stays keeps its tokens cached.
#[tokio::test]
async fn k02_a_text_that_is_gone_withdraws_its_key() {
    let world = World::new();
    let (old, new) = (key(Algorithm::ES256, "old"), key(Algorithm::ES256, "new"));
    world.keep([("old", old.public_key_pem()), ("new", new.public_key_pem())]);
    let issuer = TestIssuer::with_key(ISSUER, new.clone()).with_clock(world.clock.clone());
    let held = world.server.validate(&issuer.token().audience(AUDIENCE).sign()).await.unwrap();
    assert_eq!(world.verdict(&old).await, "accepted");

    world.keep([("new", new.public_key_pem())]);
    world.clock.advance(Duration::from_secs(299));
    let _ = world.verdict(&key(Algorithm::ES256, "unknown")).await;
    assert_eq!(world.verdict(&old).await, "no_matching_key");
    assert_eq!(world.server.revalidate(&held), Ok(()));
}

/// A half-written text, a private key, no key at all: the set that is there stays in use, and nothing is accepted in part.
#[tokio::test]
async fn a_text_that_is_no_public_key_changes_nothing() {
    let good = key(Algorithm::ES256, "good");
    let private = "-----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\n".to_owned();
    let pem = good.public_key_pem();
    for (bad, text) in [
        (pem[..pem.len() / 2].to_owned(), "the key `bad`: unusable key (`PUBLIC KEY`: missing or invalid key member: "),
        (private, "the key `bad`: unusable key (`PRIVATE KEY`: "),
        (String::new(), "the key `bad`: "),
    ] {
        let world = World::new();
        world.keep([("good", good.public_key_pem())]);
        assert_eq!(world.verdict(&good).await, "accepted");
        let other = key(Algorithm::ES256, "other");
        world.keep([("other", other.public_key_pem()), ("bad", bad)]);
        world.clock.advance(Duration::from_secs(299));
        assert_eq!(world.verdict(&other).await, "key_not_proven_absent");
        assert_eq!(world.verdict(&good).await, "accepted");
        let status = world.server.key_sets();
        let error = status[0].last_error.as_ref().unwrap();
        assert!(error.text.contains(text), "{error:?}");
    }
}
