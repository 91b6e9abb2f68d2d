//! `until_refused` watches a token that a connection holds. Its clock is tokio's, which is paused: no test waits.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, advance, timeout};
use tower_bearer::time::{Clock, UnixTime};
use tower_bearer::{
    FetchedKeySet, Issuer, KeyPolicy, KeySetError, KeySource, KeySourceFuture, ResourceServer, ResourceServerBuilder,
    ValidatedToken,
};
use tower_bearer_test::{SigningKey, TestIssuer};

use crate::provider::{AUDIENCE, key};

const ISSUER: &str = "https://as.example.com";
const START: UnixTime = UnixTime::from_secs(1_800_000_000);
const MINUTE: Duration = Duration::from_secs(60);

/// The time of the runtime, from [`START`] on.
#[derive(Clone, Debug)]
struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> Option<UnixTime> {
        Some(START.saturating_add(self.0.elapsed()))
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Keys in memory. Without keys, a fetch fails; while the source is held, a fetch does not complete.
#[derive(Clone, Debug)]
struct Source {
    json: Arc<Mutex<Option<String>>>,
    is_held: Arc<AtomicBool>,
    released: Arc<Notify>,
    fetches: Arc<AtomicUsize>,
}

impl Source {
    fn new() -> Self {
        let source =
            Self { json: Arc::default(), is_held: Arc::default(), released: Arc::default(), fetches: Arc::default() };
        source.publish(Some(key(0)));
        source
    }

    fn publish(&self, signing: Option<SigningKey>) {
        *self.json.lock().unwrap() = signing.map(|key| TestIssuer::with_key(ISSUER, key).jwk_set().to_string());
    }
}

impl KeySource for Source {
    fn fetch<'a>(&'a self, _: Option<&'a str>) -> KeySourceFuture<'a> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            if self.is_held.load(Ordering::SeqCst) {
                self.released.notified().await;
            }
            let json = self.json.lock().unwrap().clone();
            json.map(FetchedKeySet::new).ok_or_else(|| KeySetError::source_failed(std::io::Error::other("no keys")))
        })
    }
}

struct World {
    server: ResourceServer,
    source: Source,
}

impl World {
    fn new() -> Self {
        Self::with(|builder| builder)
    }

    fn with(configure: impl FnOnce(ResourceServerBuilder) -> ResourceServerBuilder) -> Self {
        let source = Source::new();
        let builder = ResourceServer::builder()
            .audience(AUDIENCE)
            .issuer(Issuer::new(ISSUER).key_source(source.clone()).key_policy(KeyPolicy::default()))
            .clock(RuntimeClock(Instant::now()));
        Self { server: configure(builder).build().unwrap(), source }
    }

    /// A token that expires this long after [`START`].
    async fn token(&self, life: Duration) -> ValidatedToken {
        self.server.validate(&text(life)).await.unwrap()
    }
}

fn text(life: Duration) -> String {
    let end = START.saturating_add(life).as_secs();
    TestIssuer::with_key(ISSUER, key(0))
        .token()
        .audience(AUDIENCE)
        .claim("iat", START.as_secs())
        .claim("exp", end)
        .sign()
}

/// The reason, and how long it took.
async fn refusal(world: &World, token: &ValidatedToken) -> (&'static str, Duration) {
    let began = Instant::now();
    let refused = timeout(100 * MINUTE * 60, world.server.until_refused(token)).await;
    (refused.map_or("never", |error| error.reason()), began.elapsed())
}

fn assert_late_by_at_most(took: Duration, due: Duration, lateness: Duration) {
    assert!(took >= due && took <= due + lateness, "{took:?} where {due:?} was due");
}

const TIMER: Duration = Duration::from_millis(20);

#[tokio::test(start_paused = true)]
async fn k02_a_connection_ends_when_its_token_and_the_leeway_have_ended() {
    let world = World::new();
    let token = world.token(10 * MINUTE).await;
    let (reason, took) = refusal(&world, &token).await;
    assert_eq!(reason, "expired");
    assert_late_by_at_most(took, 10 * MINUTE + Duration::from_secs(30), TIMER);
}

/// A token in its leeway is accepted, so its connection is not closed at once.
#[tokio::test(start_paused = true)]
async fn k02_a_connection_that_opens_within_the_leeway_lasts_until_its_end() {
    let world = World::new();
    let token = world.token(MINUTE).await;
    advance(MINUTE + Duration::from_secs(10)).await;
    let (reason, took) = refusal(&world, &token).await;
    assert_eq!(reason, "expired");
    assert_late_by_at_most(took, Duration::from_secs(20), TIMER);
}

#[tokio::test(start_paused = true)]
async fn k02_the_maximum_age_ends_a_connection_too() {
    let world = World::with(|builder| builder.max_token_age(3 * MINUTE).leeway(Duration::from_secs(7)));
    let token = world.token(10 * MINUTE).await;
    let (reason, took) = refusal(&world, &token).await;
    assert_eq!(reason, "too_old");
    assert_late_by_at_most(took, 3 * MINUTE + Duration::from_secs(7), TIMER);
}

#[tokio::test(start_paused = true)]
async fn k02_what_the_operator_does_ends_a_connection_within_5_seconds() {
    let disable: fn(&ResourceServer) -> bool = |server| server.disable_issuer(ISSUER);
    let remove: fn(&ResourceServer) -> bool = |server| server.remove_issuer(ISSUER);
    for (operation, expected) in [(disable, "issuer_disabled"), (remove, "issuer_disabled")] {
        let world = World::new();
        let token = world.token(100 * MINUTE).await;
        let mut watched = pin!(world.server.until_refused(&token));
        assert!(timeout(MINUTE, watched.as_mut()).await.is_err(), "nothing has happened yet");
        assert!(operation(&world.server));
        let refused = timeout(Duration::from_secs(5), watched).await.expect("in time");
        assert_eq!(refused.reason(), expected);
    }
}

/// No request arrives: the connection alone keeps the keys up to date.
#[tokio::test(start_paused = true)]
async fn k02_a_withdrawn_key_ends_a_connection_without_any_request() {
    let world = World::new();
    let token = world.token(100 * MINUTE).await;
    world.source.publish(Some(key(1)));
    let (reason, took) = refusal(&world, &token).await;
    assert_eq!(reason, "no_matching_key");
    // The set lives for 5 minutes and is fetched again before its end.
    assert_late_by_at_most(took, 3 * MINUTE, 2 * MINUTE + Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn k02_an_outage_past_the_staleness_bound_ends_a_connection_and_a_short_one_does_not() {
    let world = World::new();
    let token = world.token(1_000 * MINUTE).await;
    world.source.publish(None);
    let mut watched = pin!(world.server.until_refused(&token));
    assert!(timeout(64 * MINUTE, watched.as_mut()).await.is_err(), "the last good set serves");
    world.source.publish(Some(key(0)));
    assert!(timeout(60 * MINUTE, watched.as_mut()).await.is_err(), "the keys are available again");
    world.source.publish(None);
    let began = Instant::now();
    assert_eq!(timeout(100 * MINUTE, watched).await.expect("past the bound").reason(), "keys_unavailable");
    assert!(began.elapsed() <= 65 * MINUTE + Duration::from_secs(7), "{:?}", began.elapsed());
}

/// A connection that waits for keys does not count as a waiting request.
#[tokio::test(start_paused = true)]
async fn k02_thousands_of_connections_do_not_count_as_waiting_requests() {
    let world = World::new();
    let token = world.token(1_000 * MINUTE).await;
    advance(66 * MINUTE).await;
    world.source.is_held.store(true, Ordering::SeqCst);
    let connections: Vec<_> = (0..2_000).map(|_| tokio::spawn(world.server.until_refused(&token))).collect();
    let requests = tokio::task::JoinSet::from_iter((0..256).map(|_| {
        let server = world.server.clone();
        async move { server.validate(&text(1_000 * MINUTE)).await.map(drop) }
    }));
    tokio::task::yield_now().await;
    world.source.is_held.store(false, Ordering::SeqCst);
    world.source.released.notify_waiters();
    assert!(requests.join_all().await.iter().all(Result::is_ok), "every request was allowed to wait");
    assert_eq!(world.source.fetches.load(Ordering::SeqCst), 2, "one fetch for all");
    advance(Duration::from_secs(10)).await;
    tokio::task::yield_now().await;
    assert!(connections.iter().all(|connection| !connection.is_finished()));
}

#[test]
fn a_runtime_without_timers_ends_it_at_once() {
    let with_timers = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (world, token) = with_timers.block_on(async {
        let world = World::new();
        let token = world.token(10 * MINUTE).await;
        (world, token)
    });
    let without = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(without.block_on(world.server.until_refused(&token)).reason(), "clock_unavailable");
}
