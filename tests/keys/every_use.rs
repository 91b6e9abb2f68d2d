//! Everything that can change after a token was accepted is checked on every use, on every path. Each change happens at
//! the last moment: between two uses or, if there is only one, during validation.

use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::time::{Clock, ManualClock, UnixTime};
use tower_bearer::{
    FetchedKeySet, Issuer, IssuerResolverError, KeySetError, KeySource, KeySourceFuture, Presentation, ResourceServer,
    TokenError, ValidatedToken,
};
use tower_bearer_test::{SigningKey, TestIssuer};

use crate::provider::{AUDIENCE, key, token};

const ISSUER: &str = "https://as.example.com";

/// What time, the issuer or the operator does to a token.
#[derive(Clone, Copy, Debug)]
enum Change {
    Nothing,
    Expiry,
    KeyWithdrawn,
    IssuerDisabled,
    KeysTooOld,
}

/// How a token is used.
#[derive(Clone, Copy, Debug)]
enum Way {
    Layer,
    Validate,
    ValidatePresentation,
    Revalidate,
    RevalidateAsync,
    UntilRefused,
}

const CHANGES: [(Change, &str); 5] = [
    (Change::Nothing, "accepted"),
    (Change::Expiry, "expired"),
    (Change::KeyWithdrawn, "no_matching_key"),
    (Change::IssuerDisabled, "issuer_disabled"),
    (Change::KeysTooOld, "keys_unavailable"),
];

#[derive(Clone)]
struct World {
    server: ResourceServer,
    clock: WatchedClock,
    source: Source,
}

impl World {
    fn new() -> Self {
        let clock = WatchedClock::new();
        let source = Source::default();
        source.publish(Some(key(0)));
        let trusted = Issuer::new(ISSUER).key_source(source.clone());
        let builder = ResourceServer::builder().audience(AUDIENCE).issuer(trusted).clock(clock.clone());
        Self { server: builder.build().unwrap(), clock, source }
    }

    fn issuer(&self, signing: usize) -> TestIssuer {
        TestIssuer::with_key(ISSUER, key(signing)).with_clock(self.clock.time.clone())
    }

    fn make(&self, change: Change) {
        match change {
            Change::Nothing => {}
            Change::Expiry => self.clock.time.set_wall(Some(UnixTime::from_secs(1_900_000_000))),
            Change::KeyWithdrawn => {
                self.source.publish(Some(key(1)));
                let (server, rotated) = (self.server.clone(), token(&self.issuer(1)));
                // In a runtime of its own: the one of the test may be in the middle of a judgement.
                let fetches = std::thread::spawn(move || runtime().block_on(async { server.validate(&rotated).await }));
                fetches.join().unwrap().unwrap();
            }
            Change::IssuerDisabled => assert!(self.server.disable_issuer(ISSUER)),
            Change::KeysTooOld => {
                self.source.publish(None);
                self.clock.time.advance(Duration::from_secs(300 + 3_600 + 1));
            }
        }
    }

    async fn use_token(&self, way: Way, text: &str, held: &ValidatedToken) -> &'static str {
        let request = || Request::builder().header("authorization", format!("Bearer {text}")).body(()).unwrap();
        let verdict = match way {
            Way::Layer => {
                let handler = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(())));
                let response = self.server.layer().layer(handler).oneshot(request()).await.unwrap();
                response.extensions().get::<TokenError>().cloned().map_or(Ok(()), Err)
            }
            Way::Validate => self.server.validate(text).await.map(drop),
            Way::ValidatePresentation => {
                self.server.validate_presentation(Presentation::in_request(&request())).await.map(drop)
            }
            Way::Revalidate => self.server.revalidate(held),
            Way::RevalidateAsync => self.server.revalidate_async(held).await,
            Way::UntilRefused => {
                // Time is paused, so a minute passes at once.
                let refused = tokio::time::timeout(Duration::from_secs(60), self.server.until_refused(held)).await;
                refused.map_or(Ok(()), Err)
            }
        };
        verdict.map_or_else(|error| error.reason(), |()| "accepted")
    }
}

#[tokio::test(start_paused = true)]
async fn k02_what_can_change_is_checked_on_every_use_of_a_cached_token() {
    let ways = [
        Way::Layer,
        Way::Validate,
        Way::ValidatePresentation,
        Way::Revalidate,
        Way::RevalidateAsync,
        Way::UntilRefused,
    ];
    for (way, (change, expected)) in ways.into_iter().flat_map(|way| CHANGES.map(|change| (way, change))) {
        let world = World::new();
        let text = token(&world.issuer(0));
        let held = world.server.validate(&text).await.unwrap();
        assert_eq!(world.server.token_cache().unwrap().tokens, 1);
        world.make(change);
        assert_eq!(world.use_token(way, &text, &held).await, expected, "{way:?}, {change:?}");
    }
}

/// The change comes after the rules have read the claims: only `check_use` can notice it.
#[tokio::test]
async fn k02_what_can_change_is_checked_last_for_a_new_token() {
    let ways = [Way::Layer, Way::Validate, Way::ValidatePresentation];
    for (way, (change, expected)) in ways.into_iter().flat_map(|way| CHANGES.map(|change| (way, change))) {
        for must_wait in [false, true] {
            let world = World::new();
            let others = token(&world.issuer(0));
            let held = if must_wait {
                // Of another world, so that no key is known in this one.
                World::new().server.validate(&others).await.unwrap()
            } else {
                world.server.validate(&others).await.unwrap()
            };
            let text = world.issuer(0).token().audience(AUDIENCE).subject("new").expires_in(DAY).sign();
            let changed = world.clone();
            // A fetch, too, reads the clock once, when it ends.
            world.clock.at_read(usize::from(must_wait), move || changed.make(change));
            let verdict = world.use_token(way, &text, &held).await;
            assert_eq!(verdict, expected, "{way:?}, {change:?}, waited: {must_wait}");
            assert!(world.clock.has_acted(), "{way:?}, {change:?}");
        }
    }
}

/// The sync form reports that it cannot decide; the async one waits for the keys.
#[tokio::test]
async fn k02_revalidation_waits_for_the_keys_only_in_its_async_form() {
    let world = World::new();
    let held = world.server.validate(&token(&world.issuer(0))).await.unwrap();
    world.clock.time.advance(Duration::from_secs(300 + 3_600 + 1));
    assert_eq!(world.server.revalidate(&held).unwrap_err().reason(), "keys_unavailable");
    assert_eq!(world.source.fetches(), 1, "it fetches nothing");
    assert_eq!(world.server.revalidate_async(&held).await, Ok(()));
    assert_eq!(world.source.fetches(), 2);
    // What is decided is decided at once.
    assert_eq!(World::new().server.revalidate_async(&held).await.unwrap_err().reason(), "other_resource_server");
    world.server.disable_issuer(ISSUER);
    assert_eq!(world.server.revalidate_async(&held).await.unwrap_err().reason(), "issuer_disabled");
    assert_eq!(world.source.fetches(), 2);
}

/// An issuer that was evicted does not come back, so its keys are fetched no more.
#[tokio::test]
async fn d11_revalidation_does_not_wait_for_the_keys_of_an_evicted_issuer() {
    let (kept, others, clock) = (Source::default(), Source::default(), WatchedClock::new());
    kept.publish(Some(key(0)));
    others.publish(Some(key(0)));
    let sources = (kept.clone(), others);
    let resolver = move |name: String| {
        let source = if name == ISSUER { &sources.0 } else { &sources.1 };
        let tenant = Issuer::new(name).key_source(source.clone());
        async move { Ok::<_, IssuerResolverError>(Some(tenant)) }
    };
    let builder = ResourceServer::builder().audience(AUDIENCE).issuer_resolver(resolver).clock(clock.clone());
    let server = builder.build().unwrap();
    let token_of = |name: &str| token(&TestIssuer::with_key(name, key(0)).with_clock(clock.time.clone()));
    let held = server.validate(&token_of(ISSUER)).await.unwrap();
    for n in 0..1_000 {
        clock.time.advance(Duration::from_millis(10));
        server.validate(&token_of(&format!("https://{n}.example.com"))).await.unwrap();
    }
    // A refresh would be due.
    clock.time.advance(Duration::from_secs(290));
    assert_eq!(server.revalidate_async(&held).await.unwrap_err().reason(), "keys_unavailable");
    assert_eq!(kept.fetches(), 1);
}

const DAY: Duration = Duration::from_secs(86_400);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Keys in memory; fetching them fails while there are none.
#[derive(Clone, Debug, Default)]
struct Source {
    json: Arc<Mutex<Option<String>>>,
    fetches: Arc<AtomicUsize>,
}

impl Source {
    fn publish(&self, signing: Option<SigningKey>) {
        *self.json.lock().unwrap() = signing.map(|key| TestIssuer::with_key(ISSUER, key).jwk_set().to_string());
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

impl KeySource for Source {
    fn fetch<'a>(&'a self, _: Option<&'a str>) -> KeySourceFuture<'a> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let json = self.json.lock().unwrap().clone();
        Box::pin(async {
            json.map(FetchedKeySet::new).ok_or_else(|| KeySetError::source_failed(std::io::Error::other("no keys")))
        })
    }
}

/// A clock that does something once, when its wall time is read.
#[derive(Clone)]
struct WatchedClock {
    time: ManualClock,
    action: Arc<Mutex<Option<(usize, Action)>>>,
}

type Action = Box<dyn FnOnce() + Send>;

impl WatchedClock {
    fn new() -> Self {
        Self { time: ManualClock::at(UnixTime::from_secs(1_800_000_000)), action: Arc::default() }
    }

    /// Acts at the next read after `earlier_reads` reads; that read still returns the old time.
    fn at_read(&self, earlier_reads: usize, action: impl FnOnce() + Send + 'static) {
        *self.action.lock().unwrap() = Some((earlier_reads, Box::new(action)));
    }

    fn has_acted(&self) -> bool {
        self.action.lock().unwrap().is_none()
    }
}

impl Clock for WatchedClock {
    fn now(&self) -> Option<UnixTime> {
        let now = self.time.now();
        let mut action = self.action.lock().unwrap();
        match action.take() {
            Some((0, act)) => {
                drop(action);
                act();
            }
            later => *action = later.map(|(reads, act)| (reads - 1, act)),
        }
        now
    }

    fn monotonic(&self) -> Duration {
        self.time.monotonic()
    }
}

impl fmt::Debug for WatchedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.time.fmt(f)
    }
}
