//! An introspection endpoint with responses that a test sets.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::HeaderMap;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore, watch};
use tower_bearer::time::ManualClock;
use tower_bearer::{ClientSecretBasic, Introspection, Issuer, ResourceServer, ResourceServerBuilder};

use crate::fixtures::{AUDIENCE, NOW, clock, serve};

pub(crate) const ISSUER: &str = "https://opaque.example.com";

/// What the endpoint answers about a token.
#[derive(Clone)]
pub(crate) enum Answer {
    /// An active token with good claims.
    Active,
    Json(Value),
    /// A status, header fields and a body.
    Full(u16, Vec<(&'static str, &'static str)>, String),
    /// This answer, once it may be given.
    After(Arc<Notify>, Box<Self>),
    /// Nothing, ever.
    Silence,
}

/// A request that has arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
    pub(crate) form: Vec<(String, String)>,
}

#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    pub(crate) clock: ManualClock,
    script: Arc<Script>,
    log: watch::Receiver<Vec<Asked>>,
}

struct Script {
    default: Mutex<Answer>,
    answers: Mutex<HashMap<String, Answer>>,
    authenticates: Mutex<Authenticates>,
    /// Requests that may be answered.
    gate: Semaphore,
    now: AtomicUsize,
    most: AtomicUsize,
}

/// Which requests have good credentials.
type Authenticates = Box<dyn Fn(&Asked) -> bool + Send>;

/// A request that is here, until it is answered or its client leaves.
struct Here<'a>(&'a Script);

impl<'a> Here<'a> {
    fn new(script: &'a Script) -> Self {
        let now = script.now.fetch_add(1, Ordering::SeqCst) + 1;
        script.most.fetch_max(now, Ordering::SeqCst);
        Self(script)
    }
}

impl Drop for Here<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Endpoint {
    /// An endpoint that finds every token active.
    pub(crate) async fn start() -> Self {
        let script = Arc::new(Script {
            default: Mutex::new(Answer::Active),
            answers: Mutex::default(),
            authenticates: Mutex::new(Box::new(|_| true)),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let (requests, log) = watch::channel(Vec::new());
        let shared = Arc::clone(&script);
        let app = axum::Router::new().fallback(async move |request: Request| {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let form: Vec<_> = url::form_urlencoded::parse(&body).into_owned().collect();
            let token = form.iter().find(|(name, _)| name == "token").map(|(_, value)| value.clone());
            let _here = Here::new(&shared);
            let (method, uri) = (parts.method.to_string(), parts.uri.to_string());
            let asked = Asked { method, uri, headers: parts.headers, form };
            let is_ours = (shared.authenticates.lock().unwrap())(&asked);
            requests.send_modify(|log: &mut Vec<Asked>| log.push(asked));
            if !is_ours {
                return Answer::status(401).respond().await;
            }
            let permit = shared.gate.acquire().await.unwrap();
            let answer = shared.answers.lock().unwrap().get(&token.unwrap_or_default()).cloned();
            let answer = answer.unwrap_or_else(|| shared.default.lock().unwrap().clone());
            drop(permit);
            answer.respond().await
        });
        let address = serve(app).await;
        Self { url: format!("http://{address}/introspect"), clock: clock(), script, log }
    }

    /// What is answered about tokens that have no answer of their own.
    pub(crate) fn answer(&self, answer: Answer) {
        *self.script.default.lock().unwrap() = answer;
    }

    pub(crate) fn answer_about(&self, token: &str, answer: Answer) {
        self.script.answers.lock().unwrap().insert(token.to_owned(), answer);
    }

    /// Requests without good credentials are answered with 401. At first, all have good ones.
    pub(crate) fn authenticate(&self, is_good: impl Fn(&Asked) -> bool + Send + 'static) {
        *self.script.authenticates.lock().unwrap() = Box::new(is_good);
    }

    /// From now on, requests get no response until they are released.
    pub(crate) fn hold(&self) {
        self.script.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn let_go(&self) {
        self.script.gate.add_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn requests(&self) -> Vec<Asked> {
        self.log.borrow().clone()
    }

    pub(crate) fn calls(&self) -> usize {
        self.log.borrow().len()
    }

    /// How many requests were here at once at most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.script.most.load(Ordering::SeqCst)
    }

    /// Waits until so many requests have come.
    pub(crate) async fn calls_reach(&self, count: usize) {
        let mut log = self.log.clone();
        log.wait_for(|log| log.len() >= count).await.unwrap();
    }

    pub(crate) fn pass(&self, duration: Duration) {
        self.clock.advance(duration);
    }

    /// Asks this endpoint, as the client `api`.
    pub(crate) fn introspection(&self) -> Introspection {
        Introspection::at(&self.url).client(ClientSecretBasic::new("api", "s3cret"))
    }

    pub(crate) fn issuer(&self) -> Issuer {
        self.issuer_with(self.introspection())
    }

    pub(crate) fn issuer_with(&self, introspection: Introspection) -> Issuer {
        Issuer::new(ISSUER).without_keys().introspection(introspection)
    }

    pub(crate) fn builder(&self) -> ResourceServerBuilder {
        ResourceServer::builder().audience(AUDIENCE).clock(self.clock.clone())
    }

    /// A resource server that asks this endpoint about every token.
    pub(crate) fn server(&self) -> ResourceServer {
        self.server_with(self.introspection())
    }

    pub(crate) fn server_with(&self, introspection: Introspection) -> ResourceServer {
        self.builder().issuer(self.issuer_with(introspection)).build().unwrap()
    }
}

impl Answer {
    pub(crate) fn status(status: u16) -> Self {
        Self::Full(status, vec![], String::new())
    }

    /// Good claims, changed by the members of this object: `null` leaves one out.
    pub(crate) fn with(changes: Value) -> Self {
        let mut answer = good();
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                answer.as_object_mut().unwrap().remove(name);
            } else {
                answer[name] = value.clone();
            }
        }
        Self::Json(answer)
    }

    pub(crate) fn inactive() -> Self {
        Self::Json(json!({ "active": false }))
    }

    /// This answer when the second half of the pair says so.
    pub(crate) fn when_told(self) -> (Self, Arc<Notify>) {
        let permission = Arc::new(Notify::new());
        (Self::After(Arc::clone(&permission), Box::new(self)), permission)
    }

    async fn respond(self) -> Response {
        let json = [("content-type", "application/json")];
        let (status, headers, body) = match self {
            Self::Active => (200, json.to_vec(), good().to_string()),
            Self::Json(answer) => (200, json.to_vec(), answer.to_string()),
            Self::Full(status, headers, body) => (status, headers, body),
            Self::After(permission, answer) => {
                permission.notified().await;
                return Box::pin(answer.respond()).await;
            }
            Self::Silence => std::future::pending().await,
        };
        let response =
            headers.into_iter().fold(Response::builder().status(status), |it, (name, value)| it.header(name, value));
        response.body(Body::from(body)).unwrap()
    }
}

/// Whether a future is ready when it is polled now.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context))).await
}

/// Waits until the introspection calls that are under way have ended.
pub(crate) async fn calls_end(server: &ResourceServer) {
    while server.introspections()[0].calls > 0 {
        tokio::task::yield_now().await;
    }
}

/// Waits until so many requests wait for an answer.
pub(crate) async fn waiting_reach(server: &ResourceServer, count: usize) {
    while server.introspections()[0].waiting_requests != count {
        tokio::task::yield_now().await;
    }
}

/// The answer about a good token that lives for an hour.
pub(crate) fn good() -> Value {
    json!({
        "active": true,
        "iss": ISSUER,
        "sub": "alice",
        "client_id": "app",
        "aud": AUDIENCE,
        "scope": "read:leads",
        "token_type": "Bearer",
        "exp": NOW.as_secs() + 3_600,
        "iat": NOW.as_secs(),
    })
}

/// The status, `Retry-After` and reason of the response to a request with this token, through the layer.
pub(crate) async fn response(server: &ResourceServer, token: &str) -> (u16, Option<u64>, &'static str) {
    use tower::{Layer, ServiceExt, service_fn};
    let inner = service_fn(async |_: http::Request<()>| Ok::<_, std::convert::Infallible>(http::Response::new(())));
    let request = http::Request::builder().header("authorization", format!("Bearer {token}")).body(()).unwrap();
    let response = server.layer().layer(inner).oneshot(request).await.unwrap();
    let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
    let reason = response.extensions().get::<tower_bearer::TokenError>().map_or("accepted", |error| error.reason());
    (response.status().as_u16(), retry_after, reason)
}
