//! A resource server with a revocation check that a test controls, and three kinds of token to use.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::jose::Algorithm;
use tower_bearer::time::ManualClock;
use tower_bearer::{
    FetchedKeySet, Introspection, IntrospectionSource, IntrospectionSourceFuture, Issuer, KeySource, KeySourceFuture,
    Presentation, ResourceServer, ResourceServerBuilder, RevocationAnswer, RevocationCheck, RevocationList,
    RevocationSignal, RevocationState, RevocationStatus, RevocationVerdict, Step, StepListener, TokenError,
    ValidatedToken,
};
use tower_bearer_test::TestIssuer;

use crate::fixtures::{AUDIENCE, ISSUER, NOW, key};

pub(crate) const LIFETIME: Duration = Duration::from_secs(3_600);
pub(crate) const SUBJECT: &str = "alice";
pub(crate) const CLIENT: &str = "app";
pub(crate) const SESSION: &str = "s1";
pub(crate) const TOKEN_ID: &str = "t1";

/// Says what a test tells it to; at first, what its list says.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) list: RevocationList,
    answer: Arc<Mutex<Option<Answer>>>,
}

type Answer = Arc<dyn Fn() -> RevocationAnswer + Send + Sync>;

impl Script {
    fn new(clock: &ManualClock) -> Self {
        let list = RevocationList::builder(LIFETIME).clock(clock.clone()).build().unwrap();
        Self { list, answer: Arc::default() }
    }

    pub(crate) fn answer(&self, answer: impl Fn() -> RevocationAnswer + Send + Sync + 'static) {
        *self.answer.lock().unwrap() = Some(Arc::new(answer));
    }

    pub(crate) fn answer_later(&self, verdict: RevocationVerdict) {
        self.answer(move || {
            RevocationAnswer::Later(Box::pin(async move {
                tokio::task::yield_now().await;
                verdict
            }))
        });
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list.fmt(f)
    }
}

impl RevocationCheck for Script {
    fn check(&self, token: &ValidatedToken) -> RevocationAnswer {
        let answer = self.answer.lock().unwrap().clone();
        answer.map_or_else(|| self.list.check(token), |answer| answer())
    }

    fn max_token_lifetime(&self) -> Option<Duration> {
        self.list.max_token_lifetime()
    }

    fn max_leeway(&self) -> Option<Duration> {
        self.list.max_leeway()
    }

    fn changes(&self) -> Option<&RevocationSignal> {
        self.list.changes()
    }

    fn status(&self) -> RevocationStatus {
        let mut status = self.list.status();
        if self.answer.lock().unwrap().is_some() {
            status.state = RevocationState::Stale;
        }
        status
    }
}

/// What proves a token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Jwt,
    Opaque,
    /// A JWT that its issuer is asked about, too.
    Hybrid,
}

pub(crate) const KINDS: [Kind; 3] = [Kind::Jwt, Kind::Opaque, Kind::Hybrid];

/// How a token is used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    Layer,
    OptionalLayer,
    Validate,
    ValidateExplained,
    ValidatePresentation,
    OtherStatuses,
    Revalidate,
    RevalidateAsync,
    UntilRefused,
}

/// Those for a token that a client sends.
pub(crate) const PRESENTED: [Way; 6] = [
    Way::Layer,
    Way::OptionalLayer,
    Way::Validate,
    Way::ValidateExplained,
    Way::ValidatePresentation,
    Way::OtherStatuses,
];
pub(crate) const HELD: [Way; 3] = [Way::Revalidate, Way::RevalidateAsync, Way::UntilRefused];

/// Something to do once, while a request waits.
type Action = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

pub(crate) struct World {
    pub(crate) server: ResourceServer,
    pub(crate) script: Script,
    pub(crate) clock: ManualClock,
    pub(crate) text: String,
    pub(crate) asked: Arc<Mutex<usize>>,
    /// Done by the next fetch of keys, or call to the issuer.
    pub(crate) action: Action,
}

impl World {
    pub(crate) fn new(kind: Kind) -> Self {
        Self::with(kind, |builder| builder)
    }

    pub(crate) fn with(kind: Kind, change: impl Fn(ResourceServerBuilder) -> ResourceServerBuilder) -> Self {
        let clock = ManualClock::at(NOW);
        let (script, action, asked) = (Script::new(&clock), Action::default(), Arc::default());
        let signer = TestIssuer::with_key(ISSUER, key(Algorithm::EdDSA)).with_clock(clock.clone());
        let token = signer.token().audience(AUDIENCE).subject(SUBJECT).client_id(CLIENT).expires_in(LIFETIME);
        let token = token.claim("jti", TOKEN_ID).claim("sid", SESSION);
        let keys = Keys { json: signer.jwk_set().to_string(), action: Arc::clone(&action) };
        let source = Answers { action: Arc::clone(&action), asked: Arc::clone(&asked) };
        let introspection = || Introspection::by(source.clone()).introspect_jwts(LIFETIME);
        let issuer = match kind {
            Kind::Jwt => Issuer::new(ISSUER).key_source(keys),
            Kind::Hybrid => Issuer::new(ISSUER).key_source(keys).introspection(introspection()),
            Kind::Opaque => Issuer::new(ISSUER).without_keys().introspection(Introspection::by(source.clone())),
        };
        let builder = ResourceServer::builder().audience(AUDIENCE).issuer(issuer).clock(clock.clone());
        let server = change(builder.revocation(script.clone())).build().unwrap();
        let text = if kind == Kind::Opaque { "0paque".to_owned() } else { token.sign() };
        Self { server, script, clock, text, asked, action }
    }

    /// Uses the token; the reason, if it is refused.
    pub(crate) async fn use_token(&self, way: Way, held: Option<&ValidatedToken>) -> &'static str {
        let verdict = match (way, held) {
            (Way::Layer, _) => self.respond(self.server.layer()).await,
            (Way::OptionalLayer, _) => self.respond(self.server.layer().optional()).await,
            (Way::Validate, _) => self.server.validate(&self.text).await.map(drop),
            (Way::ValidateExplained, _) => self.server.validate_explained(&self.text, &mut NoListener).await.map(drop),
            (Way::ValidatePresentation, _) => {
                self.server.validate_presentation(Presentation::in_request(&self.request())).await.map(drop)
            }
            (Way::OtherStatuses, _) => {
                let other = self.server.with_status_policy(tower_bearer::StatusPolicy::rfc6750());
                other.validate(&self.text).await.map(drop)
            }
            (Way::Revalidate, Some(held)) => self.server.revalidate(held),
            (Way::RevalidateAsync, Some(held)) => self.server.revalidate_async(held).await,
            (Way::UntilRefused, Some(held)) => {
                // Time is paused, so this passes at once.
                let refused = tokio::time::timeout(Duration::from_secs(20), self.server.until_refused(held)).await;
                refused.map_or(Ok(()), Err)
            }
            (_, None) => panic!("{way:?} needs a token that is held"),
        };
        verdict.map_or_else(|error| error.reason(), |()| "accepted")
    }

    pub(crate) fn request(&self) -> Request<()> {
        Request::builder().header("authorization", format!("Bearer {}", self.text)).body(()).unwrap()
    }

    async fn respond(&self, layer: tower_bearer::BearerLayer) -> Result<(), TokenError> {
        let response = layer.layer(service_fn(accept)).oneshot(self.request()).await.unwrap();
        response.extensions().get::<TokenError>().cloned().map_or(Ok(()), Err)
    }
}

async fn accept(_: Request<()>) -> Result<Response<()>, Infallible> {
    Ok(Response::new(()))
}

struct NoListener;

impl StepListener for NoListener {
    fn step(&mut self, _: Step<'_>) {}
}

fn act(action: &Action) {
    let action = action.lock().unwrap().take();
    if let Some(act) = action {
        act();
    }
}

#[derive(Clone)]
struct Keys {
    json: String,
    action: Action,
}

impl KeySource for Keys {
    fn fetch<'a>(&'a self, _: Option<&'a str>) -> KeySourceFuture<'a> {
        act(&self.action);
        Box::pin(async { Ok(FetchedKeySet::new(self.json.clone())) })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

/// Says that every token is active and is alice's.
#[derive(Clone)]
struct Answers {
    action: Action,
    asked: Arc<Mutex<usize>>,
}

impl IntrospectionSource for Answers {
    fn introspect<'a>(&'a self, _: &'a str) -> IntrospectionSourceFuture<'a> {
        act(&self.action);
        *self.asked.lock().unwrap() += 1;
        let (issued, ends) = (NOW.as_secs(), NOW.as_secs() + LIFETIME.as_secs());
        let claims = serde_json::json!({
            "aud": AUDIENCE, "sub": SUBJECT, "client_id": CLIENT, "jti": TOKEN_ID, "sid": SESSION,
            "iat": issued, "exp": ends
        });
        Box::pin(async move { Ok(Some(claims.to_string())) })
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answers")
    }
}
