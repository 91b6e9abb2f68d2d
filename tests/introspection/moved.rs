//! An endpoint that discovery found, and that is somewhere else later.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tower_bearer::{ClientSecretBasic, Introspection, Issuer, ResourceServer};

use crate::endpoint::*;
use crate::fixtures::{NOW, reason, serve};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// The metadata of an issuer, which name an endpoint.
#[derive(Clone, Default)]
struct Metadata {
    issuer: Arc<Mutex<String>>,
    /// None while the metadata cannot be had.
    endpoint: Arc<Mutex<Option<String>>>,
    fetches: Arc<AtomicUsize>,
}

impl Metadata {
    async fn naming(endpoint: &str) -> Self {
        let metadata = Self::default();
        metadata.name(endpoint);
        let served = metadata.clone();
        let address = serve(axum::Router::new().fallback(move || std::future::ready(served.respond()))).await;
        *metadata.issuer.lock().unwrap() = format!("http://{address}");
        metadata
    }

    fn name(&self, endpoint: &str) {
        *self.endpoint.lock().unwrap() = Some(endpoint.to_owned());
    }

    fn fail(&self) {
        *self.endpoint.lock().unwrap() = None;
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    fn respond(&self) -> Response {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        match self.endpoint.lock().unwrap().clone() {
            Some(endpoint) => {
                let issuer = self.issuer.lock().unwrap().clone();
                Json(json!({ "issuer": issuer, "introspection_endpoint": endpoint })).into_response()
            }
            None => http::StatusCode::SERVICE_UNAVAILABLE.into_response(),
        }
    }

    fn server(&self, endpoint: &Endpoint) -> ResourceServer {
        let introspection = Introspection::discovered().client(ClientSecretBasic::new("api", "s3cret"));
        let issuer = Issuer::new(self.issuer.lock().unwrap().clone()).without_keys().introspection(introspection);
        endpoint.builder().issuer(issuer).build().unwrap()
    }
}

fn active() -> Answer {
    Answer::with(json!({ "iss": null, "exp": NOW.as_secs() + 86_400 }))
}

/// Whatever the old place says, or if nothing is there any more.
#[tokio::test]
async fn r84_n06_an_endpoint_that_moved_is_found_again() {
    let page = Answer::Full(200, vec![("content-type", "text/html")], String::from("<p>gone"));
    let elsewhere = Answer::Full(302, vec![("location", "https://elsewhere.example.com/")], String::new());
    let answers = [404, 405, 410].map(Answer::status).into_iter().chain([page, elsewhere]).map(Some);
    for gone in answers.chain([None]) {
        let (old, new) = (Endpoint::start().await, Endpoint::start().await);
        old.answer(active());
        new.answer(active());
        let dead = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let dead = format!("http://{dead}/introspect");
        let metadata = Metadata::naming(if gone.is_some() { &old.url } else { &dead }).await;
        let server = metadata.server(&old);
        let first = if gone.is_some() { "accepted" } else { "introspection_unavailable" };
        assert_eq!(reason(&server, "first").await, first);
        assert_eq!(metadata.fetches(), 1);
        old.answer(gone.unwrap_or_else(active));
        metadata.name(&new.url);
        assert_eq!(reason(&server, "second").await, "introspection_unavailable");
        // At most one fetch in 30 seconds, for anybody may cause such failures.
        for n in 0..20 {
            assert_eq!(reason(&server, &format!("third-{n}")).await, "introspection_unavailable");
            old.pass(SECOND);
        }
        assert_eq!((metadata.fetches(), new.calls()), (1, 0));
        old.pass(40 * SECOND);
        assert_eq!(reason(&server, "fourth").await, "accepted");
        assert_eq!((metadata.fetches(), new.calls()), (2, 1));
        assert_eq!(reason(&server, "fifth").await, "accepted");
        assert_eq!(metadata.fetches(), 2);
    }
}

/// The old place still responds, for as long as it is not switched off.
#[tokio::test]
async fn r84_n06_metadata_are_fetched_again_after_an_hour() {
    let (old, new) = (Endpoint::start().await, Endpoint::start().await);
    old.answer(active());
    new.answer(active());
    let metadata = Metadata::naming(&old.url).await;
    let server = metadata.server(&old);
    assert_eq!(reason(&server, "a").await, "accepted");
    metadata.name(&new.url);
    old.pass(HOUR - SECOND);
    assert_eq!(reason(&server, "b").await, "accepted");
    assert_eq!((metadata.fetches(), old.calls(), new.calls()), (1, 2, 0));
    old.pass(SECOND);
    assert_eq!(reason(&server, "c").await, "accepted");
    assert_eq!((metadata.fetches(), old.calls(), new.calls()), (2, 2, 1));
    // While the metadata cannot be had, the place that is known is used.
    metadata.fail();
    old.pass(HOUR);
    for token in ["d", "e", "f"] {
        assert_eq!(reason(&server, token).await, "accepted");
    }
    assert_eq!((old.calls(), new.calls()), (2, 4));
}

/// Tokens and credentials go to the endpoint, so it is guarded as the keys are.
#[tokio::test]
async fn r84_n06_an_endpoint_on_another_origin_can_be_refused() {
    let endpoint = Endpoint::start().await;
    endpoint.answer(active());
    let metadata = Metadata::naming(&endpoint.url).await;
    let issuer = metadata.issuer.lock().unwrap().clone();
    let introspection = || Introspection::discovered().client(ClientSecretBasic::new("api", "s3cret"));
    let guarded =
        Issuer::new(issuer.clone()).without_keys().introspection(introspection()).require_same_origin_jwks_uri();
    let server = endpoint.builder().issuer(guarded).build().unwrap();
    assert_eq!(reason(&server, "a").await, "introspection_unavailable");
    assert_eq!(endpoint.calls(), 0);
    let failure = server.introspections().remove(0).last_error.unwrap();
    assert!(failure.text.contains("names a URL on another origin"), "{}", failure.text);
    // Keys that are not found by discovery leave the endpoint to be guarded.
    let guarded = Issuer::new(issuer.clone()).jwk_set_url(format!("{issuer}/keys")).introspection(introspection());
    let server = endpoint.builder().issuer(guarded.require_same_origin_jwks_uri()).build().unwrap();
    assert_eq!(reason(&server, "a").await, "introspection_unavailable");
    assert_eq!(endpoint.calls(), 0);
    // There is nothing to guard.
    let fixed = Issuer::new(ISSUER).without_keys().introspection(endpoint.introspection());
    let refused = endpoint.builder().issuer(fixed.require_same_origin_jwks_uri()).build().unwrap_err();
    assert_eq!(refused.setting(), "require_same_origin_jwks_uri");
}

/// A 404 about one token is about that token, as far as the others are concerned.
#[tokio::test]
async fn n08_a_404_for_one_token_slows_no_other() {
    let endpoint = Endpoint::start().await;
    endpoint.answer(active());
    endpoint.answer_about("unknown", Answer::status(404));
    let metadata = Metadata::naming(&endpoint.url).await;
    let server = metadata.server(&endpoint);
    assert_eq!(reason(&server, "good").await, "accepted");
    assert_eq!(reason(&server, "unknown").await, "introspection_unavailable");
    endpoint.hold();
    let requests: Vec<_> = (0..10)
        .map(|n| {
            let server = server.clone();
            tokio::spawn(async move { reason(&server, &format!("token-{n}")).await })
        })
        .collect();
    endpoint.calls_reach(2 + 10).await;
    endpoint.let_go();
    for request in requests {
        assert_eq!(request.await.unwrap(), "accepted");
    }
    assert_eq!(metadata.fetches(), 1);
}
