//! Keys that rotate while requests come.

use std::time::Duration;

use tower_bearer::jose::Algorithm;
use tower_bearer_authorization_server::Endpoint;
use tower_bearer_test::{SigningKey, TestIssuer};

use crate::support::*;

const ROTATIONS: usize = 20;
const REQUESTS: usize = 200_000;
const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// Good tokens of the new key and of the one before, and tokens that somebody else signed under the same `kid`s.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f05_rotation_with_overlap_gives_no_wrong_answer_under_load() {
    let it = Fixture::start().await;
    let mut clients = it.clients().await;
    let forger = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let forged = |it: &Fixture| {
        let forger = TestIssuer::with_key(it.provider.issuer(), forger.clone()).with_clock(it.clock.clone());
        let kid = it.provider.test_issuer().signing_key().key_id().to_owned();
        forger.token().audience(AUDIENCE).expires_in(A_DAY).header("kid", kid).sign()
    };
    let (mut before, mut forged_before) = (it.token(), forged(&it));
    assert_eq!(clients[0].get(&before).await.status(), 200);

    for rotation in 1..=ROTATIONS {
        it.provider.rotate_keys_with_overlap(2 * FIVE_MINUTES).unwrap();
        it.pass(FIVE_MINUTES);
        let (now, forged_now) = (it.token(), forged(&it));
        let fetches = it.provider.requests(Endpoint::JwkSet);
        let requests =
            [(before, 200), (now.clone(), 200), (forged_before, 401), (now.clone(), 200), (forged_now.clone(), 401)];
        let (back, wrong) = send(clients, REQUESTS / ROTATIONS / CONNECTIONS + 1, requests).await;
        assert_eq!(wrong, 0, "rotation {rotation}");
        let fetches = it.provider.requests(Endpoint::JwkSet) - fetches;
        assert!((1..=2).contains(&fetches), "rotation {rotation}: {fetches} fetches");
        (clients, before, forged_before) = (back, now, forged_now);
    }
    assert_eq!(it.status().failures, 0);
}

/// The key is withdrawn as the new one starts to sign.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f06_rotation_without_overlap_makes_one_fetch_that_the_first_requests_wait_for() {
    let it = Fixture::start().await;
    let mut clients = it.clients().await;
    let mut old = it.token();
    assert_eq!(clients[0].get(&old).await.status(), 200);

    for _ in 0..ROTATIONS {
        it.provider.rotate_keys().unwrap();
        it.pass(Duration::from_secs(30));
        let (new, before) = (it.token(), it.status());
        let (back, wrong) = send(clients, 1, [(new.clone(), 200)]).await;
        assert_eq!(wrong, 0);
        let after = it.status();
        assert_eq!(after.fetches.fetched - before.fetches.fetched, 1);
        assert!((1..=64).contains(&(after.waited_requests - before.waited_requests)));
        // The set that brought the new key took the old one away.
        let (back, wrong) = send(back, 20, [(new.clone(), 200), (old, 401)]).await;
        assert_eq!(wrong, 0);
        (clients, old) = (back, new);
    }
}

/// Nobody shows the new key, so only the refresh can notice: at the latest with the first request past the lifetime.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j10_a_withdrawn_key_passes_no_longer_than_its_bound() {
    let it = Fixture::start().await;
    let mut client = it.clients().await.remove(0);
    let old = it.token();
    assert_eq!(client.get(&old).await.status(), 200);
    it.provider.rotate_keys().unwrap();

    it.pass(FIVE_MINUTES - Duration::from_secs(100));
    assert_eq!(client.get(&old).await.status(), 200, "within the lifetime it may pass");
    it.pass(Duration::from_secs(100));
    let before = it.status().fetches.fetched;
    assert_eq!(client.get(&old).await.status(), 200, "this one starts the refresh");
    while it.status().fetches.fetched == before {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        assert_eq!(client.get(&old).await.status(), 401);
    }
}
