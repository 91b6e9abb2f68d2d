//! Ways to introspect other than RFC 7662.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use tower_bearer::{
    Introspection, IntrospectionSource, IntrospectionSourceError, IntrospectionSourceFailure,
    IntrospectionSourceFuture, Issuer, ResourceServer,
};

use crate::endpoint::*;
use crate::fixtures::{AUDIENCE, NOW, clock, reason};
use crate::log;

/// Fails in the way that the token names.
#[derive(Debug)]
struct Failing;

/// An error with a cause.
#[derive(Debug)]
struct Wrapped(IntrospectionSourceError);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapped")
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

impl IntrospectionSource for Failing {
    fn introspect<'a>(&'a self, token: &'a str) -> IntrospectionSourceFuture<'a> {
        Box::pin(async move {
            let failure: IntrospectionSourceError = match token.split('-').next().unwrap() {
                "plain" => "an internal address: 10.0.0.7".into(),
                "token" => IntrospectionSourceFailure::of_token("not this one").into(),
                "wrapped" => Wrapped(IntrospectionSourceFailure::of_token("not this one").into()).into(),
                "issuer" => IntrospectionSourceFailure::of_issuer("down").into(),
                "full" => IntrospectionSourceFailure::of_issuer("full").retry_after(Duration::from_secs(7)).into(),
                _ => {
                    let exp = NOW.as_secs() + 3_600;
                    return Ok(Some(format!(r#"{{"sub":"alice","aud":"{AUDIENCE}","exp":{exp}}}"#)));
                }
            };
            Err(failure)
        })
    }
}

fn server() -> ResourceServer {
    let issuer = Issuer::new(ISSUER).without_keys().introspection(Introspection::by(Failing));
    ResourceServer::builder().audience(AUDIENCE).clock(clock()).issuer(issuer).build().unwrap()
}

/// A source can say that only this token could not be introspected, and that its issuer wants a pause.
#[tokio::test]
async fn n08_a_failure_of_a_source_counts_against_whom_it_says() {
    for (kind, pauses_after, retry_after) in
        [("plain", Some(5), 1), ("issuer", Some(5), 1), ("full", Some(1), 7), ("token", None, 5), ("wrapped", None, 5)]
    {
        let server = server();
        for n in 0..30 {
            let (status, after, reason) = response(&server, &format!("{kind}-{n}")).await;
            assert_eq!((status, reason), (503, "introspection_unavailable"), "{kind}");
            let is_paused = server.introspections()[0].new_tokens_paused.is_some();
            assert_eq!(is_paused, pauses_after.is_some_and(|failures| n + 1 >= failures), "{kind} {n}");
            if n == 29 {
                assert!((retry_after..=retry_after + 1).contains(&after.unwrap()), "{kind}: {after:?}");
            }
        }
        let expected = if pauses_after.is_some() { "introspection_unavailable" } else { "accepted" };
        assert_eq!(reason(&server, "good").await, expected, "{kind}");
    }
}

/// Answers after 20 ms, with a subject for each token.
#[derive(Debug, Default)]
struct Distant(Arc<Load>);

#[derive(Debug, Default)]
struct Load {
    calls: AtomicUsize,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl IntrospectionSource for Distant {
    fn introspect<'a>(&'a self, token: &'a str) -> IntrospectionSourceFuture<'a> {
        Box::pin(async move {
            self.0.calls.fetch_add(1, Ordering::SeqCst);
            let now = self.0.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.0.most.fetch_max(now, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.0.now.fetch_sub(1, Ordering::SeqCst);
            let exp = NOW.as_secs() + 3_600;
            Ok(Some(format!(r#"{{"sub":"{token}","aud":"{AUDIENCE}","exp":{exp}}}"#)))
        })
    }
}

/// Within the two seconds that a request waits by default, in tokio's paused time.
#[tokio::test(start_paused = true)]
async fn n08_a_stampede_is_answered_within_its_deadline() {
    for (tokens, calls) in [(1, 1), (1_000, 1_000)] {
        let load = Arc::new(Load::default());
        let introspection = Introspection::by(Distant(Arc::clone(&load)));
        let issuer = Issuer::new(ISSUER).without_keys().introspection(introspection);
        let server = ResourceServer::builder().audience(AUDIENCE).clock(clock()).issuer(issuer).build().unwrap();
        let began = tokio::time::Instant::now();
        let requests: JoinSet<_> = (0..1_000)
            .map(|n| {
                let server = server.clone();
                let token = format!("token-{}", n % tokens);
                async move { server.validate(&token).await.unwrap().subject() == Some(&*token) }
            })
            .collect();
        assert!(requests.join_all().await.into_iter().all(|is_its_own| is_its_own));
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        assert_eq!(load.calls.load(Ordering::SeqCst), calls);
        assert!(load.most.load(Ordering::SeqCst) <= 64);
    }
}

/// What a source says is the application's own, and for operators only.
#[tokio::test]
async fn h12_a_health_report_shows_no_error_of_a_source() {
    log::capture();
    let server = server();
    assert_eq!(reason(&server, "plain").await, "introspection_unavailable");
    let status = serde_json::to_string(&server.readiness()).unwrap();
    assert!(!status.contains("10.0.0.7") && status.contains("the log says why"), "{status}");
    assert!(log::take().contains("10.0.0.7"));
}
