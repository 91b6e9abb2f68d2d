//! A configured issuer that is not quite the one in the tokens' `iss`: 401 from the first request on, in every state of
//! the keys, and warnings continue while the configuration cannot work.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::{Issuer, KeySetState, ResourceServer, TokenError};
use tower_bearer_test::TestIssuer;

use crate::log;
use crate::provider::*;

/// The configured name, spelled differently.
fn respelt(configured: &str) -> Vec<(&'static str, String)> {
    let host = configured.strip_prefix("http://").unwrap();
    let (address, _) = host.split_once('/').unwrap();
    let (ip, port) = address.split_once(':').unwrap();
    vec![
        ("a slash more", format!("{configured}/")),
        ("a byte less", configured.strip_suffix('t').unwrap().to_owned()),
        ("https", format!("https://{host}")),
        ("case of the scheme", format!("HTTP://{host}")),
        ("case of the path", configured.replace("/tenant", "/Tenant")),
        ("no port", format!("http://{ip}/tenant")),
        ("another port", format!("http://{ip}:1{port}/tenant")),
        ("another path", format!("http://{address}/tenants")),
        ("no path", format!("http://{address}")),
        ("another host", "https://elsewhere.example/tenant".to_owned()),
        ("a space", format!("{configured} ")),
        ("percent-encoded", configured.replace("tenant", "t%65nant")),
    ]
}

struct World {
    provider: Provider,
    issuer: TestIssuer,
}

impl World {
    async fn new() -> Self {
        let provider = Provider::start().await;
        let issuer = TestIssuer::with_key(provider.url("/tenant"), key(0)).with_clock(provider.clock.clone());
        provider.publish(&issuer);
        Self { provider, issuer }
    }

    /// One issuer, or two.
    fn servers(&self) -> [(&'static str, ResourceServer); 2] {
        let builder = || ResourceServer::builder().audience(AUDIENCE).clock(self.provider.clock.clone());
        let trusted = || Issuer::new(self.issuer.url()).jwk_set_url(self.provider.url(JWK_SET));
        let other = TestIssuer::with_key("https://other.example.com", key(2)).trusted();
        [
            ("one", builder().issuer(trusted()).build().unwrap()),
            ("two", builder().issuer(trusted()).issuer(other).build().unwrap()),
        ]
    }

    /// Tokens of other issuers: signed with the known key and with others, whose `kid` is unknown, ours or absent, and
    /// with algorithms that are not allowed or unknown.
    fn foreign(&self) -> Vec<(String, String)> {
        let clock = &self.provider.clock;
        let tokens = |(name, iss): (&'static str, String)| {
            let named = |signing: usize| TestIssuer::with_key(&iss, key(signing)).with_clock(clock.clone());
            let day = Duration::from_secs(86_400);
            let other = || named(1).token().audience(AUDIENCE).expires_in(day);
            [
                (format!("{name}, unknown kid"), token(&named(1))),
                (format!("{name}, no kid"), other().without_header("kid").sign()),
                (format!("{name}, our kid"), other().header("kid", key(0).key_id()).sign()),
                (format!("{name}, our key"), token(&named(0))),
                (format!("{name}, an algorithm that is not allowed"), other().header("alg", "HS256").sign()),
                (format!("{name}, an unknown algorithm"), other().header("alg", "ES256K").sign()),
            ]
        };
        respelt(self.issuer.url()).into_iter().flat_map(tokens).collect()
    }

    /// Each is refused at once for its issuer, and causes no request to the provider.
    async fn refuses(&self, state: &str, server: &ResourceServer) {
        let before = self.provider.requests().len();
        for (name, foreign) in self.foreign() {
            let mut validation = pin!(server.validate(&foreign));
            let polled = validation.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            let Poll::Ready(verdict) = polled else { panic!("{state}: {name} waits") };
            assert_eq!(verdict.unwrap_err(), TokenError::IssuerMismatch, "{state}: {name}");
        }
        assert_eq!(self.provider.requests().len(), before, "{state}");
    }
}

#[tokio::test]
async fn r23_an_issuer_that_is_spelt_otherwise_is_401_in_every_state_of_the_keys() {
    for issuers in [0, 1] {
        let it = World::new().await;
        let (provider, good) = (&it.provider, token(&it.issuer));
        let (name, server) = &it.servers()[issuers];
        let state = |state: &str| format!("{name}, {state}");
        let unknown = || token(&TestIssuer::with_key(it.issuer.url(), key(1)).with_clock(provider.clock.clone()));

        it.refuses(&state("nothing fetched"), server).await;
        provider.answer(JWK_SET, Answer::Status(503));
        assert_eq!(reason(server, &good).await, "keys_unavailable");
        it.refuses(&state("first fetch failed"), server).await;
        provider.pass(6);
        it.refuses(&state("retry due"), server).await;

        provider.publish(&it.issuer);
        assert_eq!(reason(server, &good).await, "accepted");
        it.refuses(&state("current"), server).await;
        for _ in 0..3 {
            let refused = server.validate(&unknown()).await.unwrap_err();
            assert_ne!(refused, TokenError::IssuerMismatch);
        }
        it.refuses(&state("budget spent"), server).await;

        provider.answer(JWK_SET, Answer::Status(503));
        provider.pass(301);
        assert_ne!(reason(server, &unknown()).await, "accepted");
        assert_eq!(server.key_sets()[0].state, KeySetState::Stale);
        it.refuses(&state("stale"), server).await;

        provider.pass(3_700);
        assert_eq!(reason(server, &good).await, "keys_unavailable");
        assert_eq!(server.key_sets()[0].state, KeySetState::Expired);
        it.refuses(&state("expired"), server).await;
    }
}

/// With fixed keys, too, the issuer check fails and not the key check.
#[tokio::test]
async fn r23_the_log_blames_the_issuer_and_not_the_key() {
    let it = World::new().await;
    let fixed =
        ResourceServer::builder().audience(AUDIENCE).issuer(it.issuer.trusted()).clock(it.provider.clock.clone());
    let fixed = fixed.build().unwrap();
    let [(_, one), (_, two)] = it.servers();
    for (name, foreign) in it.foreign().into_iter().filter(|(name, _)| name.ends_with("unknown kid")) {
        for server in [&one, &two, &fixed] {
            log::capture();
            let request = Request::builder().header("authorization", format!("Bearer {foreign}")).body(()).unwrap();
            let handler = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(())));
            let response = server.layer().layer(handler).oneshot(request).await.unwrap();
            assert_eq!(response.status(), 401, "{name}");
            let log = log::take();
            assert!(log.contains("check=issuer") && !log.contains("check=key"), "{name}: {log}");
            assert!(log.contains("reason=\"issuer_mismatch\"") && log.contains(it.issuer.url()), "{name}: {log}");
        }
    }
}

/// The reported case: configured with an extra slash, `warm_up`, one request a second.
#[tokio::test]
async fn f10_an_issuer_that_cannot_work_stays_loud() {
    let (provider, issuer) = Provider::with_keys().await;
    let configured = provider.url("/");
    let trusted = || Issuer::new(&configured);
    let other = TestIssuer::with_key("https://other.example.com", key(2)).trusted();
    let several = ResourceServer::builder().audience(AUDIENCE).issuer(trusted()).issuer(other);
    for server in [provider.resource_server_trusting(trusted()), several.clock(provider.clock.clone()).build().unwrap()]
    {
        log::capture();
        server.warm_up(Duration::from_secs(60)).await.unwrap_err();
        let fetched = provider.requests().len();
        for _ in 0..180 {
            assert_eq!(reason(&server, &token(&issuer)).await, "issuer_mismatch");
            provider.pass(1);
        }
        assert_eq!(provider.requests().len(), fetched, "they cost no request");
        let log = log::take();
        let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
        assert_eq!(warnings.len(), 1 + 3, "one for the fetch, then one a minute: {log}");
        assert!(
            warnings[0].contains("reason=\"issuer_mismatch\"") && warnings[0].contains("all others with 401"),
            "{log}"
        );
        let both = format!("the metadata is of the issuer {:?}, the configuration says {configured:?}", issuer.url());
        for place in [OAUTH_METADATA, OPENID_METADATA] {
            assert!(warnings.iter().all(|line| line.contains(&both) && line.contains(&provider.url(place))), "{log}");
        }

        // A readiness probe starts another attempt when one is due, and each failure is a warning.
        for attempt in 2..5 {
            let readiness = server.readiness();
            assert!(!readiness.is_ready());
            while server.key_sets()[0].failures < attempt {
                tokio::task::yield_now().await;
            }
            let error = server.readiness().issuers[0].last_error.clone().unwrap().text;
            assert!(error.contains(&both) && error.contains(&provider.url(OPENID_METADATA)), "{error}");
            assert_eq!(server.key_sets()[0].last_error.as_ref().unwrap().text, error);
            assert_eq!(log::take().matches("could not fetch the keys").count(), 1);
            provider.pass(66);
        }
    }
}

/// The other way round: tokens and configuration agree, and the metadata does not.
#[tokio::test]
async fn f10_tokens_of_the_configured_issuer_are_503_while_its_metadata_names_another() {
    let (provider, _) = Provider::with_keys().await;
    let configured = provider.url("/");
    let issuer = TestIssuer::with_key(&configured, key(0)).with_clock(provider.clock.clone());
    let server = provider.resource_server_trusting(Issuer::new(&configured));
    log::capture();
    for _ in 0..3 {
        for _ in 0..10 {
            assert_eq!(reason(&server, &token(&issuer)).await, "keys_unavailable");
        }
        provider.pass(66);
    }
    let log = log::take();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 3, "{log}");
    assert!(warnings.iter().all(|line| line.contains("reason=\"issuer_mismatch\"")), "{log}");
}

/// Without `warm_up` and without a readiness probe, and with keys that do not come by discovery.
#[tokio::test]
async fn f10_an_issuer_that_no_token_names_is_warned_of_without_a_warm_up() {
    let (provider, issuer) = Provider::with_keys().await;
    let configured = provider.url("/");
    let elsewhere = "https://elsewhere.example.com";
    let by_url = Issuer::new(elsewhere).jwk_set_url(provider.url(JWK_SET));
    let fixed = |signing: usize| TestIssuer::with_key(elsewhere, key(signing)).trusted();
    for (name, trusted) in [
        ("discovery", Issuer::new(&configured)),
        ("a URL", by_url),
        ("fixed keys", fixed(2)),
        ("the fixed keys that sign the tokens", fixed(0)),
    ] {
        let server = provider.resource_server_trusting(trusted);
        log::capture();
        for _ in 0..240 {
            assert_eq!(reason(&server, &token(&issuer)).await, "issuer_mismatch", "{name}");
            provider.pass(1);
        }
        let log = log::take();
        let warnings = log.matches("tokens name another issuer than the configured one").count();
        assert_eq!(warnings, 4, "{name}: one a minute: {log}");
        assert_eq!(provider.requests().len(), 0, "{name}: and no request");
    }
    // Tokens of another issuer next to good ones are nothing to warn of.
    let server = provider.resource_server_trusting(issuer.trusted());
    assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
    log::capture();
    let foreign = token(&TestIssuer::with_key(elsewhere, key(2)).with_clock(provider.clock.clone()));
    assert_eq!(reason(&server, &foreign).await, "issuer_mismatch");
    assert!(!log::take().contains("WARN"));
}
