//! What a resource server makes of the faults: each is one that it can have in the field.

use std::time::Duration;

use tower_bearer::jose::Algorithm;
use tower_bearer::{Issuer, KeyPolicy, ResourceServer};
use tower_bearer_authorization_server::{AuthorizationServer, Endpoint, Fault};
use tower_bearer_test::SigningKey;

use crate::support::{AUDIENCE, builder, server};

/// Long enough for a machine that has other things to do; what is accepted never waits for it.
const PATIENT: Duration = Duration::from_secs(30);

/// The verdict of a resource server that looks for the keys of this server for the first time, and gives each fetch so
/// much time.
async fn verdict(server: &AuthorizationServer, fetch_timeout: Duration) -> &'static str {
    let policy = KeyPolicy::default().fetch_timeout(fetch_timeout).request_wait(PATIENT);
    let issuer = Issuer::new(server.issuer()).key_policy(policy);
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(issuer).build().unwrap();
    let token = server.token().sign();
    api.validate(&token).await.map_or_else(|error| error.reason(), |_| "accepted")
}

async fn verdict_on(
    server: &AuthorizationServer,
    endpoint: Endpoint,
    fault: Fault,
    fetch_timeout: Duration,
) -> &'static str {
    server.misbehave(endpoint, fault).unwrap();
    let verdict = verdict(server, fetch_timeout).await;
    server.behave(endpoint);
    verdict
}

#[tokio::test]
async fn some_faults_leave_a_key_that_works() {
    let server = server().await;
    assert_eq!(verdict(&server, PATIENT).await, "accepted");
    for fault in
        [Fault::OneBadKey, Fault::DuplicateKeyIds, Fault::ManyKeys { count: 99 }, Fault::Huge { bytes: 200_000 }]
    {
        assert_eq!(verdict_on(&server, Endpoint::JwkSet, fault.clone(), PATIENT).await, "accepted", "{fault:?}");
    }
}

#[tokio::test]
async fn keys_of_the_same_id_are_all_candidates() {
    // A resource server tries four at most, and none of more: keys that it could not use would not count.
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let server = AuthorizationServer::builder().signing_algorithm(algorithm).start().await.unwrap();
        let verdict = async || verdict_on(&server, Endpoint::JwkSet, Fault::DuplicateKeyIds, PATIENT).await;
        let add = || {
            let key_id = server.test_issuer().signing_key().key_id().to_owned();
            server.test_issuer().add_key(SigningKey::generate(algorithm).unwrap().with_key_id(key_id));
        };
        add();
        assert_eq!(verdict().await, "accepted", "{algorithm}: two keys and two others");
        add();
        assert_ne!(verdict().await, "accepted", "{algorithm}: three keys and three others");
    }
}

#[tokio::test]
async fn most_faults_leave_no_keys() {
    let server = builder().start().await.unwrap();
    let hour = Duration::from_secs(3600);
    let redirect = || Fault::RedirectTo { url: server.jwks_uri().to_owned() };
    let everywhere = [
        Fault::SlowHeaders { delay: hour },
        Fault::SlowBody { pause: hour },
        Fault::Hang,
        Fault::Stall,
        Fault::Disconnect,
        Fault::status(404),
        Fault::status(500),
        redirect(),
        Fault::Html,
        Fault::Truncated,
        Fault::WrongTypes,
        Fault::Huge { bytes: 100 << 20 },
    ];
    let keys = [Fault::EmptySet, Fault::ManyKeys { count: 10_000 }];
    let metadata = [Fault::WrongIssuer { issuer: "https://evil.example".to_owned() }];
    let cases = everywhere.iter().flat_map(|fault| [(Endpoint::JwkSet, fault), (Endpoint::Metadata, fault)]);
    let cases = cases.chain(keys.iter().map(|fault| (Endpoint::JwkSet, fault)));
    for (endpoint, fault) in cases.chain(metadata.iter().map(|fault| (Endpoint::Metadata, fault))) {
        let verdict = verdict_on(&server, endpoint, fault.clone(), Duration::from_millis(200)).await;
        assert_eq!(verdict, "keys_unavailable", "{endpoint} {fault:?}");
    }
    assert_eq!(verdict(&server, PATIENT).await, "accepted");
}
