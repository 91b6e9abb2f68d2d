//! Puts one token before the very layer that the API has, once for each status policy, and has its steps told.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::response::Parts;
use http::{Request, Response};
use serde_json::Value;
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::jose::TokenType;
use tower_bearer::time::{Clock, SystemClock, UnixTime};
use tower_bearer::{
    BearerLayer, Check, Found, RequireScopes, ResourceServer, StatusPolicy, Step, StepListener, TokenError,
};

use super::advice;
use super::api::Api;
use super::explanation::{CheckResult, Explanation, LayerResponse, LayerResponses, Row};
use super::input::Line;
use super::untrusted::{Untrusted, time_claim};
use super::{keys, moment};
use crate::outcome::Failure;

/// The largest field that Apache takes by default; nginx takes two bytes more.
const PROXY_LIMIT: usize = 8_190;

/// How often a token is judged anew when the keys changed between the two answers.
const MAX_ATTEMPTS: usize = 3;

/// Judges tokens as one API does.
pub(super) struct Judge {
    api: Api,
    server: ResourceServer,
    default: Gate,
    rfc6750: Gate,
    /// With the statuses of the API, where they are known.
    configured: Option<Gate>,
    clock: StoppedClock,
    /// Whether the first fetch of each issuer's keys has ended.
    is_settled: Cell<bool>,
}

impl Judge {
    /// Starts the fetches of keys, as a warmed-up API does. Nothing waits for them here: which tokens need keys
    /// is for the layer to say.
    pub(super) fn new(api: Api, at: Option<UnixTime>) -> Result<Self, Failure> {
        let clock = StoppedClock::new(at);
        let server = api.server(clock.clone())?;
        let scopes = api.required_scopes()?;
        let gate = |bearer| Gate { bearer, scopes: scopes.clone() };
        let default = gate(server.with_status_policy(StatusPolicy::default()).layer());
        let rfc6750 = gate(server.with_status_policy(StatusPolicy::rfc6750()).layer());
        let configured = api.is_described.then(|| gate(server.layer()));
        let _ = server.readiness();
        Ok(Self { api, server, default, rfc6750, configured, clock, is_settled: Cell::new(false) })
    }

    pub(super) const fn api(&self) -> &Api {
        &self.api
    }

    pub(super) async fn explain(&self, line: &Line) -> Explanation {
        self.clock.stop();
        let presented = &line.presented;
        let (request, is_sendable) = presented.request();
        let text = std::str::from_utf8(&presented.token).unwrap_or_default();
        let mut attempts = 0;
        let (error, steps, answers, granted) = loop {
            attempts += 1;
            let default = self.default.answer(&request).await;
            let mut steps = Steps::default();
            let error = default.extensions.get::<TokenError>().cloned();
            // An API that has been running for a while would know.
            if is_undecided(error.as_ref()) && !self.is_settled.replace(true) {
                keys::settle(&self.server).await;
                attempts -= 1;
                continue;
            }
            let (mut agree, mut granted) = (true, Vec::new());
            if !is_credentials_fault(error.as_ref()) {
                let explained = self.server.validate_explained(text, &mut steps).await;
                agree = reason(explained.as_ref().err()) == reason_before_scopes(error.as_ref());
                granted.extend(explained.iter().flat_map(|token| token.scope().iter().map(str::to_owned)));
            }
            let rfc6750 = self.rfc6750.answer(&request).await;
            agree &= reason(error.as_ref()) == reason(rfc6750.extensions.get());
            let configured = match &self.configured {
                Some(gate) => Some(gate.answer(&request).await),
                None => None,
            };
            agree &= configured.as_ref().is_none_or(|it| reason(error.as_ref()) == reason(it.extensions.get()));
            if agree || attempts == MAX_ATTEMPTS {
                let answers = LayerResponses {
                    configured: configured.as_ref().map(LayerResponse::from_layer),
                    default: LayerResponse::from_layer(&default),
                    rfc6750: LayerResponse::from_layer(&rfc6750),
                };
                break (error, steps, answers, granted);
            }
        };

        let is_read = presented.token.len() <= self.api.configuration.max_token_bytes;
        let token = if is_read { Untrusted::read(text) } else { Untrusted::default() };
        let is_signed = steps.0.iter().any(|step| step.check == Check::Signature && step.passed);
        let judged_at = self.clock.now();
        let rows = self.rows(error.as_ref(), &steps, &token, judged_at);
        let case = advice::Case {
            api: &self.api,
            issuer: self.api.issuer_of(&token),
            server: &self.server,
            token: &token,
            presented,
            granted: &granted,
            text,
            now: judged_at,
        };
        let advice = error.as_ref().map(|error| case.advise(error)).unwrap_or_default();
        let mut notes = line.notes.clone();
        notes.extend(too_large_for_proxies(&request));
        if !is_sendable {
            notes.push("no HTTP header can carry this: the server answers 400 before the layer sees it".to_owned());
        }
        Explanation { line: line.number, judged_at, error, rows, answers, token, is_signed, advice, notes }
    }

    /// Every check in order; after the first that failed, what the token says about the others.
    fn rows(&self, error: Option<&TokenError>, steps: &Steps, token: &Untrusted, now: Option<UnixTime>) -> Vec<Row> {
        let credentials = Row {
            check: "credentials",
            result: if is_credentials_fault(error) { CheckResult::Failed } else { CheckResult::Passed },
            expected: "one bearer token".to_owned(),
            found: error.filter(|_| is_credentials_fault(error)).map_or_else(|| "one".to_owned(), ToString::to_string),
        };
        let mut rows = vec![credentials];
        for check in Check::ALL {
            let step = steps.0.iter().find(|step| step.check == *check);
            let mut row = Row {
                check: check.name(),
                result: step.map_or(CheckResult::Unverified, |step| step.result()),
                expected: step.map(|step| step.expected.clone()).unwrap_or_default(),
                found: step.map_or_else(|| token.found(*check, self.api.issuer_of(token)), |step| step.found.clone()),
            };
            // The library only reports that it is unknown; the header has its name.
            if let Some(name) = step.and_then(|step| step.named_by).and_then(|parameter| token.header(parameter)) {
                row.found = name.to_string();
            }
            let time = time_claim(*check).and_then(|claim| token.time(claim));
            if let (Some(time), Some(now)) = (time, now) {
                row.found = format!("{} ({}, {})", row.found, moment::show(time), moment::relative(time, now));
            }
            rows.push(row);
        }
        if !self.api.scopes.is_empty() {
            rows.push(self.scope_row(error, token));
        }
        rows
    }

    fn scope_row(&self, error: Option<&TokenError>, token: &Untrusted) -> Row {
        let found = token.scopes(self.api.issuer_of(token)).map(Value::to_string);
        let result = match error {
            None => CheckResult::Passed,
            Some(TokenError::InsufficientScope(_)) => CheckResult::Failed,
            Some(_) => CheckResult::Unverified,
        };
        let expected = format!("all of {:?}", self.api.scopes);
        Row { check: "scope", result, expected, found: found.unwrap_or_else(|| "absent".to_owned()) }
    }
}

/// The layers around one route, as an application puts them.
struct Gate {
    bearer: BearerLayer,
    scopes: Option<RequireScopes>,
}

impl Gate {
    async fn answer(&self, request: &Request<()>) -> Parts {
        let request = request.clone();
        let handler = service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(()))));
        let answer = match &self.scopes {
            Some(scopes) => {
                let answer = self.bearer.layer(scopes.layer(handler)).oneshot(request).await;
                answer.map(|response| response.into_parts().0)
            }
            None => self.bearer.layer(handler).oneshot(request).await.map(|response| response.into_parts().0),
        };
        match answer {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }
}

/// The layer reads larger tokens than most of what is in front of it passes on.
fn too_large_for_proxies(request: &Request<()>) -> Option<String> {
    let field = request.headers().get(AUTHORIZATION)?;
    let bytes = AUTHORIZATION.as_str().len() + ": ".len() + field.len();
    (bytes > PROXY_LIMIT).then(|| {
        format!(
            "The `Authorization` field has {bytes} bytes. Many proxies and servers refuse more than 8 KB with 400, 431 or \
             494 before the API sees the request: nginx (`large_client_header_buffers`), Apache \
             (`LimitRequestFieldSize`), Tomcat (`maxHttpHeaderSize`), gunicorn. Have the issuer put less into the token \
             (group lists, often), or raise the limit there."
        )
    })
}

fn is_credentials_fault(error: Option<&TokenError>) -> bool {
    matches!(error, Some(TokenError::Request(_) | TokenError::Absent | TokenError::DpopNotConfigured))
}

fn is_undecided(error: Option<&TokenError>) -> bool {
    error.is_some_and(|error| error.retry_after().is_some())
}

fn reason(error: Option<&TokenError>) -> Option<&'static str> {
    error.map(TokenError::reason)
}

/// A token that lacks a scope was good until then.
fn reason_before_scopes(error: Option<&TokenError>) -> Option<&'static str> {
    reason(error.filter(|error| !matches!(error, TokenError::InsufficientScope(_))))
}

/// What the validator told.
#[derive(Default)]
struct Steps(Vec<Told>);

struct Told {
    check: Check,
    passed: bool,
    expected: String,
    found: String,
    /// The header parameter that names an unknown algorithm or type.
    named_by: Option<&'static str>,
}

impl Told {
    const fn result(&self) -> CheckResult {
        if self.passed { CheckResult::Passed } else { CheckResult::Failed }
    }
}

impl StepListener for Steps {
    fn step(&mut self, step: Step<'_>) {
        // After a wait for keys the steps start anew.
        if step.check == Check::Structure {
            self.0.clear();
        }
        let named_by = match step.found {
            Found::UnknownAlgorithm => Some("alg"),
            Found::Type(TokenType::Other) => Some("typ"),
            _ => None,
        };
        let expected = step.expected.to_string();
        // As the token has it.
        let found = if let Found::Time(time) = step.found { time.to_string() } else { step.found.to_string() };
        self.0.push(Told { check: step.check, passed: step.passed, expected, found, named_by });
    }
}

/// The wall time stands while one token is judged, so that its answers agree; or for good, at the time of `--at`. Ages
/// of keys are real.
#[derive(Clone, Debug)]
struct StoppedClock {
    at: Option<UnixTime>,
    now: Arc<Mutex<Option<UnixTime>>>,
    system: SystemClock,
}

impl StoppedClock {
    fn new(at: Option<UnixTime>) -> Self {
        let system = SystemClock::new();
        Self { at, now: Arc::new(Mutex::new(at.or_else(|| system.now()))), system }
    }

    /// Stops the wall time at this moment, unless it stands anyway.
    fn stop(&self) {
        if self.at.is_none() {
            *self.now.lock().unwrap_or_else(PoisonError::into_inner) = self.system.now();
        }
    }
}

impl Clock for StoppedClock {
    fn now(&self) -> Option<UnixTime> {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn monotonic(&self) -> Duration {
        self.system.monotonic()
    }

    fn monotonic_coarse(&self) -> Duration {
        self.system.monotonic_coarse()
    }
}
