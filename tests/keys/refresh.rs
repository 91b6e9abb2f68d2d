//! Refreshes, rotations and floods.

use tower_bearer::KeyPolicy;

use crate::provider::*;

#[tokio::test]
async fn f04_concurrent_first_requests_share_one_fetch() {
    let (provider, issuer) = Provider::with_keys().await;
    let (server, token) = (provider.resource_server(), token(&issuer));
    let requests = (0..200).map(|_| {
        let (server, token) = (server.clone(), token.clone());
        tokio::spawn(async move { reason(&server, &token).await })
    });
    for request in requests.collect::<Vec<_>>() {
        assert_eq!(request.await.unwrap(), "accepted");
    }
    assert_eq!(provider.requests(), [OAUTH_METADATA, JWK_SET]);
}

#[tokio::test]
async fn f06_a_rotated_key_is_fetched_by_the_first_token_that_needs_it() {
    let (provider, old) = Provider::with_keys().await;
    let server = provider.resource_server();
    assert_eq!(reason(&server, &token(&old)).await, "accepted");

    let new = provider.issuer(key(1));
    provider.publish(&new);
    assert_eq!(reason(&server, &token(&new)).await, "accepted");
    assert_eq!(provider.key_fetches(), 2);
    // The old key was withdrawn. Its `kid` is unknown now and may be looked for, once.
    assert_eq!(reason(&server, &token(&old)).await, "no_matching_key");
}

#[tokio::test]
async fn f02_random_kids_cost_two_fetches_in_thirty_seconds() {
    let (provider, issuer) = Provider::with_keys().await;
    let server = provider.resource_server();
    assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
    let flood = async |from: usize| {
        for n in from..from + 50 {
            let random = issuer.token().audience(AUDIENCE).header("kid", format!("random-{n}")).sign();
            assert_eq!(reason(&server, &random).await, "no_matching_key");
        }
    };
    flood(0).await;
    assert_eq!(provider.key_fetches(), 1 + KeyPolicy::UNKNOWN_KID_FETCHES);
    provider.pass(29);
    flood(50).await;
    assert_eq!(provider.key_fetches(), 1 + KeyPolicy::UNKNOWN_KID_FETCHES);
    provider.pass(1);
    flood(100).await;
    assert_eq!(provider.key_fetches(), 1 + 2 * KeyPolicy::UNKNOWN_KID_FETCHES);
    assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
}

#[tokio::test]
async fn f02_one_kid_that_was_not_found_is_not_looked_for_again_for_thirty_seconds() {
    let (provider, issuer) = Provider::with_keys().await;
    let server = provider.resource_server();
    let unknown = token(&provider.issuer(key(1)));
    assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
    for (wait, fetches) in [(0, 2), (29, 2), (1, 3)] {
        provider.pass(wait);
        assert_eq!(reason(&server, &unknown).await, "no_matching_key");
        assert_eq!(provider.key_fetches(), fetches, "{wait}");
    }
}

#[tokio::test]
async fn f03_failed_fetches_count_as_well() {
    let (provider, issuer) = Provider::with_keys().await;
    let server = provider.resource_server();
    assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
    provider.answer(JWK_SET, Answer::Status(500));
    provider.answer(OAUTH_METADATA, Answer::Status(500));
    for n in 0..20 {
        let random = issuer.token().audience(AUDIENCE).header("kid", format!("random-{n}")).sign();
        assert_eq!(reason(&server, &random).await, "key_not_proven_absent");
    }
    // The first failure forgets the address, so the second stops at the metadata.
    let asked = provider.requests().iter().filter(|path| *path == JWK_SET || *path == OAUTH_METADATA).count();
    assert_eq!(asked, 2 + KeyPolicy::UNKNOWN_KID_FETCHES);
}

#[tokio::test]
async fn a_refresh_ahead_keeps_no_request_waiting() {
    let (provider, issuer) = Provider::with_keys().await;
    let (server, good) = (provider.resource_server(), token(&issuer));
    assert_eq!(reason(&server, &good).await, "accepted");
    provider.answer(JWK_SET, Answer::Silence);

    // 80 % of five minutes, give or take a tenth.
    provider.pass(215);
    assert_eq!(reason(&server, &good).await, "accepted");
    assert_eq!(provider.key_fetches(), 1, "too soon");
    provider.pass(50);
    assert_eq!(reason(&server, &good).await, "accepted");
    provider.key_fetches_reach(2).await;
    // The provider is silent, the refresh hangs, and requests go on.
    assert_eq!(reason(&server, &good).await, "accepted");
    assert_eq!(provider.key_fetches(), 2);
}

#[tokio::test]
async fn h15_a_cancelled_request_does_not_cancel_the_fetch() {
    let (provider, issuer) = Provider::with_keys().await;
    let (server, good) = (provider.resource_server(), token(&issuer));
    let waiting = tokio::spawn({
        let (server, good) = (server.clone(), good.clone());
        async move { reason(&server, &good).await }
    });
    provider.key_fetches_reach(1).await;
    waiting.abort();
    assert_eq!(reason(&server, &good).await, "accepted");
    assert_eq!(provider.requests(), [OAUTH_METADATA, JWK_SET]);
}
