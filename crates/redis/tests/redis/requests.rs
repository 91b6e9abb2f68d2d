//! Through a resource server: what a client gets, for new tokens, cached ones and those that a connection holds.

use std::time::Duration;

use tower_bearer::time::Clock as _;
use tower_bearer::{ResourceServer, RevocationCheck as _};
use tower_bearer_test::{TestIssuer, TokenBuilder};

use crate::double::{Double, Store};
use crate::support::*;

/// A resource server of this replica's.
fn api(replica: &Replica, issuer: &TestIssuer) -> ResourceServer {
    let api = ResourceServer::builder().audience(TokenBuilder::DEFAULT_AUDIENCE).issuer(issuer.trusted());
    api.clock(replica.clock.clone()).revocation(replica.revocations.clone()).build().unwrap()
}

async fn reason(api: &ResourceServer, token: &str) -> &'static str {
    api.validate(token).await.map_or_else(|error| error.reason(), |_| "accepted")
}

#[tokio::test]
async fn n09_k02_requests_are_refused_on_every_replica_and_get_503_while_that_is_unknown() {
    let (double, [first, second]) = fleet().await;
    let issuer = TestIssuer::new(ISSUER).unwrap().with_clock(first.clock.clone());
    let [revoking, other] = [api(&first, &issuer), api(&second, &issuer)];
    let token = |id: &str| issuer.token().claim("jti", id).subject("alice").sign();
    let (revoked, good, new) = (token("revoked"), token("good"), token("new"));
    for token in [&revoked, &good] {
        assert_eq!((reason(&revoking, token).await, reason(&other, token).await), ("accepted", "accepted"));
    }
    // A connection on the other replica.
    let held = other.validate(&revoked).await.unwrap();
    first.revocations.revoke_token(&held).await.unwrap();
    assert_eq!(reason(&revoking, &revoked).await, "token_revoked", "a hit, at once");
    let closed = tokio::time::timeout(Duration::from_secs(10), other.until_refused(&held)).await;
    assert_eq!(closed.unwrap().reason(), "token_revoked");
    assert_eq!(reason(&other, &revoked).await, "token_revoked", "a hit");
    assert_eq!(reason(&other, &good).await, "accepted");
    let cold = api(&second, &issuer);
    assert_eq!(reason(&cold, &revoked).await, "token_revoked", "a miss");

    // An outage that is longer than tolerated.
    double.kill();
    second.clock.advance(Duration::from_secs(302));
    for token in [&good, &new] {
        let error = other.validate(token).await.unwrap_err();
        assert_eq!(error.reason(), "revocation_unavailable");
        assert!(error.retry_after().is_some_and(|after| after > Duration::ZERO));
    }
    assert_eq!(reason(&other, &revoked).await, "token_revoked");
    assert!(!other.readiness().is_ready() && revoking.readiness().is_ready());
    assert!(second.clock.monotonic() > first.clock.monotonic());

    // A server that lost everything: the replica within the tolerated outage fills it, and both go on.
    double.restart(Store::default());
    double.until("it recovers", || second.revocations.status().state.is_ready()).await;
    assert_eq!((reason(&other, &good).await, reason(&other, &revoked).await), ("accepted", "token_revoked"));
    assert!(other.readiness().is_ready());
}

#[tokio::test]
async fn a_replica_is_not_ready_before_it_has_the_list() {
    let double = Double::start().await;
    let replica = Replica::start(&double);
    let issuer = TestIssuer::new(ISSUER).unwrap().with_clock(replica.clock.clone());
    let api = api(&replica, &issuer);
    let token = issuer.token().claim("jti", "1").sign();
    assert_eq!(reason(&api, &token).await, "revocation_unavailable");
    assert!(!api.readiness().is_ready());
    replica.revocations.initialize().await.unwrap();
    replica.revocations.ready().await;
    assert_eq!(reason(&api, &token).await, "accepted");
    assert!(api.readiness().is_ready());
    // The list enforces the lifetime that it was made with.
    let old = issuer.token().claim("jti", "2").claim("iat", NOW - 3_700).claim("exp", NOW + 60).sign();
    assert_eq!(reason(&api, &old).await, "too_old");
}
