//! Connections that outlive their request. Time is that of the runtime, which is paused.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tower_bearer::time::{Clock, UnixTime};
use tower_bearer::{
    Introspection, IntrospectionSource, IntrospectionSourceFuture, Issuer, ResourceServer, ResourceServerBuilder,
};

use crate::endpoint::good;
use crate::fixtures::{AUDIENCE, NOW};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> Option<UnixTime> {
        Some(NOW.saturating_add(self.monotonic()))
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed() + SECOND
    }
}

#[derive(Clone, Copy, Debug)]
enum Mood {
    Active,
    Inactive,
    Fails,
}

#[derive(Clone, Debug)]
struct Source(Arc<(Mutex<Mood>, AtomicUsize)>);

impl Source {
    fn new() -> Self {
        Self(Arc::new((Mutex::new(Mood::Active), AtomicUsize::new(0))))
    }

    fn set(&self, mood: Mood) {
        *self.0.0.lock().unwrap() = mood;
    }

    fn calls(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

impl IntrospectionSource for Source {
    fn introspect<'a>(&'a self, _: &'a str) -> IntrospectionSourceFuture<'a> {
        self.0.1.fetch_add(1, Ordering::SeqCst);
        let mood = *self.0.0.lock().unwrap();
        Box::pin(async move {
            match mood {
                Mood::Active => Ok(Some(good().to_string())),
                Mood::Inactive => Ok(None),
                Mood::Fails => Err("out of order".into()),
            }
        })
    }
}

fn server(
    source: &Source,
    change: impl FnOnce(Introspection) -> Introspection,
    configure: impl FnOnce(ResourceServerBuilder) -> ResourceServerBuilder,
) -> ResourceServer {
    let issuer = Issuer::new(crate::endpoint::ISSUER).without_keys();
    let issuer = issuer.introspection(change(Introspection::by(source.clone())));
    let builder = ResourceServer::builder().audience(AUDIENCE).issuer(issuer).clock(RuntimeClock(Instant::now()));
    configure(builder).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn k02_n02_a_connection_ends_when_its_token_is_revoked_although_nobody_else_sends_it() {
    for cache_bytes in [1024 * 1024, 0] {
        let source = Source::new();
        let server = server(&source, |it| it, |builder| builder.token_cache_bytes(cache_bytes));
        let token = server.validate("a").await.unwrap();
        let mut refused = Box::pin(server.until_refused(&token));
        assert!(timeout(600 * SECOND, &mut refused).await.is_err(), "it is open while the token is active");
        assert!(source.calls() >= 10, "{}", source.calls());
        assert!(cache_bytes == 0 || source.calls() <= 14, "{}", source.calls());
        source.set(Mood::Inactive);
        let revoked_at = Instant::now();
        assert_eq!(refused.await.reason(), "token_inactive");
        assert!(revoked_at.elapsed() <= 67 * SECOND, "{:?}", revoked_at.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn k02_n03_an_outage_ends_a_connection_when_the_answer_may_no_longer_be_used() {
    for (stale, earliest, latest) in [(None, 0, 67), (Some(300 * SECOND), 300, 370)] {
        let source = Source::new();
        let server = server(&source, |it| stale.into_iter().fold(it, Introspection::serve_stale), |builder| builder);
        let token = server.validate("a").await.unwrap();
        source.set(Mood::Fails);
        let failing_since = Instant::now();
        assert_eq!(server.until_refused(&token).await.reason(), "introspection_unavailable");
        let took = failing_since.elapsed().as_secs();
        assert!((earliest..=latest).contains(&took), "{took}");
    }
}
