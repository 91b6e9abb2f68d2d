//! H14, H15: requests that share a connection, a service, or a fetch of keys.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{Empty, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::{Layer, Service, ServiceExt};
use tower_bearer::jose::Algorithm;
use tower_bearer::{Issuer, KeyPolicy, RequireScopes, ResourceServer, TokenError, ValidatedToken};

use crate::canary::KeyServer;
use crate::support::*;

#[tokio::test]
async fn h14_an_unread_body_is_not_taken_for_a_request() {
    let trial = Trial::start().await;
    let (api, good) = (&trial.default, token().sign());
    let smuggled = format!("GET /leads HTTP/1.1\r\nhost: api\r\nauthorization: Bearer {good}\r\n\r\n");
    let length = format!("content-length: {}\r\n\r\n{smuggled}", smuggled.len());
    let chunked = format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
    for body in [length, chunked] {
        let runs = api.runs();
        let mut stream = TcpStream::connect(api.address).await.unwrap();
        stream.write_all(format!("POST /leads HTTP/1.1\r\nhost: api\r\n{body}").as_bytes()).await.unwrap();
        // A server may end the connection after a body that nobody read; then there is no second request.
        let last =
            format!("GET /leads HTTP/1.1\r\nhost: api\r\nconnection: close\r\nauthorization: Bearer {good}\r\n\r\n");
        let _ = stream.write_all(last.as_bytes()).await;
        let mut answers = Vec::new();
        let _ = stream.read_to_end(&mut answers).await;
        let answers = String::from_utf8(answers).unwrap();
        assert!(answers.starts_with("HTTP/1.1 400 ") && answers.contains("x-reason: token_absent"), "{answers}");
        let good_answers = answers.matches("HTTP/1.1 200 ").count();
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1 + good_answers);
        assert!(good_answers <= 1, "the body was taken for a request: {answers}");
        assert_eq!(api.runs(), runs + good_answers);
    }
    // Two lengths, or a length beside chunks, never reach the layer as two requests.
    for lengths in
        ["content-length: 0\r\ncontent-length: 5\r\n", "content-length: 5\r\ntransfer-encoding: chunked, x\r\n"]
    {
        let runs = api.runs();
        let answer =
            api.raw(format!("POST /leads HTTP/1.1\r\nhost: api\r\nconnection: close\r\n{lengths}\r\n{smuggled}")).await;
        assert!(!answer.contains("HTTP/1.1 200 "), "{answer}");
        assert_eq!(api.runs(), runs);
    }
}

/// Answers 200, and panics when it is called without having been asked whether it is ready. A clone is not ready.
#[derive(Debug, Default)]
struct Contract {
    is_ready: bool,
    calls: Arc<AtomicUsize>,
    /// How often `poll_ready` has to be asked.
    delay: usize,
}

impl Clone for Contract {
    fn clone(&self) -> Self {
        Self { is_ready: false, calls: Arc::clone(&self.calls), delay: self.delay }
    }
}

impl<B> Service<Request<B>> for Contract {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, task: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.delay > 0 {
            self.delay -= 1;
            task.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called without poll_ready");
        assert!(request.extensions().get::<ValidatedToken>().is_some());
        self.calls.fetch_add(1, Ordering::SeqCst);
        ready(Ok(Response::new(Full::default())))
    }
}

fn bearer(token: &str) -> Request<Empty<Bytes>> {
    Request::get("/leads").header("authorization", format!("Bearer {token}")).body(Empty::new()).unwrap()
}

fn outcome<B>(response: &Response<B>) -> (StatusCode, &'static str) {
    (response.status(), response.extensions().get::<TokenError>().map_or("", TokenError::reason))
}

/// Waits for keys as long as it takes: nothing here depends on how fast the machine is.
fn patient(keys: &KeyServer) -> ResourceServer {
    let hour = Duration::from_secs(3600);
    let policy = KeyPolicy::default().request_wait(hour).fetch_timeout(hour).connect_timeout(hour);
    server_trusting(Issuer::new(ISSUER).jwk_set_url(keys.url()).key_policy(policy))
}

fn jwks() -> String {
    issuer_with(Algorithm::RS256).jwk_set().to_string()
}

#[tokio::test]
async fn h15_the_inner_service_is_called_only_when_it_is_ready() {
    for delay in [0, 3] {
        let inner = Contract { delay, ..Contract::default() };
        let calls = Arc::clone(&inner.calls);
        let mut service = server().layer().layer(RequireScopes::all(["read:leads"]).layer(inner));
        for round in 1..=3 {
            let ready = ServiceExt::<Request<Empty<Bytes>>>::ready(&mut service).await.unwrap();
            let response = ready.call(bearer(&token().sign())).await.unwrap();
            assert_eq!((outcome(&response), calls.load(Ordering::SeqCst)), ((StatusCode::OK, ""), round));
        }
        // A refusal uses nothing up.
        let ready = ServiceExt::<Request<Empty<Bytes>>>::ready(&mut service).await.unwrap();
        let refused = ready.call(bearer("x")).await.unwrap();
        assert_eq!(outcome(&refused), (StatusCode::BAD_REQUEST, "opaque_token"));
        // A clone of a ready service is not ready.
        let response = service.clone().oneshot(bearer(&token().sign())).await.unwrap();
        assert_eq!((outcome(&response), calls.load(Ordering::SeqCst)), ((StatusCode::OK, ""), 4));
    }
}

/// Takes one of the free places in `poll_ready`, as tower's concurrency limit does, and answers 200.
struct Limited {
    free: Arc<Semaphore>,
    place: Option<OwnedSemaphorePermit>,
}

impl Clone for Limited {
    fn clone(&self) -> Self {
        Self { free: Arc::clone(&self.free), place: None }
    }
}

impl<B> Service<Request<B>> for Limited {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.place = self.place.take().or_else(|| Arc::clone(&self.free).try_acquire_owned().ok());
        if self.place.is_some() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        drop(self.place.take().expect("ready"));
        ready(Ok(Response::new(Full::default())))
    }
}

/// What a service reserves in `poll_ready` must be free again after a refusal, also where the service itself lives on:
/// else whoever sends bad tokens over a few idle connections could hold every place.
#[tokio::test]
async fn h15_a_refused_request_leaves_its_place_to_others() {
    let free = Arc::new(Semaphore::new(1));
    let connection = || server().layer().layer(Limited { free: Arc::clone(&free), place: None });
    let (mut refused, other) = (connection(), connection());
    let ready = ServiceExt::<Request<Empty<Bytes>>>::ready(&mut refused).await.unwrap();
    assert_eq!(outcome(&ready.call(bearer("x")).await.unwrap()), (StatusCode::BAD_REQUEST, "opaque_token"));
    let mut answer = pin!(other.oneshot(bearer(&token().sign())));
    let Poll::Ready(answer) = answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("the refused request holds the only place")
    };
    assert_eq!(outcome(&answer.unwrap()), (StatusCode::OK, ""));
    // A route layer does the same.
    let mut route = RequireScopes::all(["read:leads"]).layer(Limited { free: Arc::clone(&free), place: None });
    let ready = ServiceExt::<Request<Empty<Bytes>>>::ready(&mut route).await.unwrap();
    assert_eq!(ready.call(bearer("x")).await.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(free.available_permits(), 1);
    // The service that refused goes on.
    let ready = ServiceExt::<Request<Empty<Bytes>>>::ready(&mut refused).await.unwrap();
    assert_eq!(outcome(&ready.call(bearer(&token().sign())).await.unwrap()), (StatusCode::OK, ""));
}

#[tokio::test]
async fn h15_a_request_that_waits_for_keys_keeps_the_service_that_was_ready() {
    let keys = KeyServer::start_shut(jwks()).await;
    let inner = Contract::default();
    let calls = Arc::clone(&inner.calls);
    let mut service = patient(&keys).layer().layer(inner);
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let ready = ServiceExt::<Request<Empty<Bytes>>>::ready(&mut service).await.unwrap();
        waiting.push(tokio::spawn(ready.call(bearer(&token().sign()))));
    }
    keys.connected(1).await;
    assert_eq!(calls.load(Ordering::SeqCst), 0, "nobody passes before the keys are there");
    keys.open();
    for request in waiting {
        assert_eq!(outcome(&request.await.unwrap().unwrap()), (StatusCode::OK, ""));
    }
    assert_eq!((calls.load(Ordering::SeqCst), keys.connections()), (3, 1));
}

#[tokio::test]
async fn h15_requests_dropped_while_they_wait_leave_nothing_behind() {
    let keys = KeyServer::start_shut(jwks()).await;
    let service = patient(&keys).layer().layer(Contract::default());
    // More than may wait at once, one after the other: each takes a place and must give it back.
    for _ in 0..2 * KeyPolicy::MAX_WAITING_REQUESTS {
        let mut request = pin!(service.clone().oneshot(bearer(&token_of_now())));
        assert!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    keys.connected(1).await;
    let last = tokio::spawn(service.clone().oneshot(bearer(&token_of_now())));
    tokio::task::yield_now().await;
    keys.open();
    assert_eq!(outcome(&last.await.unwrap().unwrap()), (StatusCode::OK, ""));
    assert_eq!(keys.connections(), 1, "the fetch outlives the requests that asked for it");

    // A fetch for an unknown `kid` too.
    let unknown = token().header("kid", "other").sign();
    let mut request = Box::pin(service.clone().oneshot(bearer(&unknown)));
    assert!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(request);
    let response = service.clone().oneshot(bearer(&token_of_now())).await.unwrap();
    assert_eq!(outcome(&response), (StatusCode::OK, ""));
    let response = service.oneshot(bearer(&unknown)).await.unwrap();
    assert_eq!(outcome(&response), (StatusCode::UNAUTHORIZED, "no_matching_key"));
}

/// One token for many requests: making one is slower than judging it.
fn token_of_now() -> String {
    static TOKEN: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| token().sign());
    TOKEN.clone()
}

#[tokio::test]
async fn h15_at_most_so_many_requests_wait_and_the_rest_is_answered() {
    let keys = KeyServer::start_shut(jwks()).await;
    let service = patient(&keys).layer().layer(Contract::default());
    let mut waiting = Vec::new();
    for _ in 0..KeyPolicy::MAX_WAITING_REQUESTS {
        let mut request = Box::pin(service.clone().oneshot(bearer(&token_of_now())));
        assert!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        waiting.push(request);
    }
    let response = service.oneshot(bearer(&token_of_now())).await.unwrap();
    assert_eq!(outcome(&response), (StatusCode::SERVICE_UNAVAILABLE, "keys_unavailable"));
    keys.open();
    for request in waiting {
        assert_eq!(outcome(&request.await.unwrap()), (StatusCode::OK, ""));
    }
    assert_eq!(keys.connections(), 1);
}

/// A flood of `kid`s that nobody has: few fetches, and known keys are served all the while.
#[tokio::test]
async fn a09_a_flood_of_unknown_key_ids_costs_the_provider_no_more_than_the_budget() {
    let keys = KeyServer::start(jwks()).await;
    let server = patient(&keys);
    assert_eq!(reason(&server, &token_of_now()).await, "accepted");
    for n in 0..3_000 {
        // Not even signed: an unknown `kid` is refused before any signature is looked at.
        let flood = format!("{}.{}.AAAA", encode(format!("{{\"alg\":\"RS256\",\"kid\":\"k{n}\"}}")), claims_of_now());
        assert_eq!(reason(&server, &flood).await, "no_matching_key");
    }
    assert_eq!(reason(&server, &token_of_now()).await, "accepted");
    assert_eq!(keys.connections(), 1 + KeyPolicy::UNKNOWN_KID_FETCHES);
}

fn claims_of_now() -> String {
    parts(&token_of_now())[1].to_owned()
}

/// Under a second resource server: neither route layers nor extractors take the token that the first one judged.
#[tokio::test]
async fn d04_a_token_judged_by_another_resource_server_is_a_fault() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = |runs: &Arc<AtomicUsize>| {
        let runs = Arc::clone(runs);
        async move || runs.fetch_add(1, Ordering::SeqCst).to_string()
    };
    let extracting = |runs: &Arc<AtomicUsize>| {
        let runs = Arc::clone(runs);
        async move |_: Option<ValidatedToken>| runs.fetch_add(1, Ordering::SeqCst).to_string()
    };
    let outer = server();
    let inner = builder().audience("https://inner.example.com").issuer(issuer_with(Algorithm::RS256).trusted()).build();
    let inner = inner.unwrap();
    let public = || inner.layer().public_when(|_, _| true);
    let app = Router::new()
        .route("/under", get(counted(&runs)).route_layer(RequireScopes::all(["read:leads"]).under(&inner)))
        .route("/scoped", get(counted(&runs)).route_layer(RequireScopes::all(["read:leads"])).route_layer(public()))
        .route("/extracted", get(extracting(&runs)).route_layer(public()))
        .layer(outer.layer())
        .route("/bare", get(counted(&runs)).route_layer(RequireScopes::all(["read:leads"])))
        .route("/bare-extracted", get(extracting(&runs)));
    let api = Api::serve(app, Arc::clone(&runs)).await;
    for (path, reason) in [
        ("under", "other_resource_server"),
        ("scoped", "other_resource_server"),
        ("extracted", "other_resource_server"),
        ("bare", "layer_missing"),
        ("bare-extracted", "layer_missing"),
    ] {
        let request = client().get(format!("http://{}/{path}", api.address)).bearer_auth(token_of_now());
        let response = request.send().await.unwrap();
        assert_eq!((response.status().as_u16(), reason_of(&response)), (500, reason), "{path}");
        assert!(response.headers().get("www-authenticate").is_none());
    }
    assert_eq!(runs.load(Ordering::SeqCst), 0);
}
