//! A key source in memory that does what a test tells it to, and a resource server in front of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer::{FetchedKeySet, Issuer, KeyPolicy, KeySetError, KeySource, KeySourceFuture, ResourceServer};
use tower_bearer_test::TestIssuer;

use crate::provider::{AUDIENCE, key, token};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Mood {
    Answers,
    /// Answers what was published when the fetch began, once the mood has changed.
    AnswersLate,
    Hangs,
    Fails,
    /// So many times.
    FailsAtFirst(usize),
    Panics,
}

#[derive(Debug)]
pub(crate) struct Source {
    issuer: TestIssuer,
    mood: watch::Receiver<Mood>,
    fetches: Arc<AtomicUsize>,
}

impl KeySource for Source {
    fn fetch<'a>(&'a self, _: Option<&'a str>) -> KeySourceFuture<'a> {
        let fetches_before = self.fetches.fetch_add(1, Ordering::SeqCst);
        let mut moods = self.mood.clone();
        let (mood, published) = (*moods.borrow_and_update(), self.issuer.jwk_set().to_string());
        Box::pin(async move {
            match mood {
                Mood::AnswersLate => {
                    moods.changed().await.unwrap();
                    Ok(FetchedKeySet::new(published))
                }
                Mood::FailsAtFirst(times) if fetches_before < times => {
                    Err(KeySetError::source_failed(std::io::Error::other("not yet")))
                }
                Mood::Answers | Mood::FailsAtFirst(_) => Ok(FetchedKeySet::new(published)),
                Mood::Fails => Err(KeySetError::source_failed(std::io::Error::other("no store"))),
                Mood::Panics => panic!("a source of the application's own may panic"),
                Mood::Hangs => std::future::pending().await,
            }
        })
    }
}

impl Source {
    pub(crate) fn new(issuer: &TestIssuer, mood: &watch::Sender<Mood>, fetches: &Arc<AtomicUsize>) -> Self {
        Self { issuer: issuer.clone(), mood: mood.subscribe(), fetches: Arc::clone(fetches) }
    }
}

pub(crate) struct Fixture {
    pub(crate) issuer: TestIssuer,
    pub(crate) server: ResourceServer,
    pub(crate) token: String,
    pub(crate) clock: ManualClock,
    pub(crate) mood: watch::Sender<Mood>,
    pub(crate) fetches: Arc<AtomicUsize>,
}

pub(crate) fn fixture(mood: Mood) -> Fixture {
    fixture_with(mood, KeyPolicy::default())
}

pub(crate) fn fixture_with(mood: Mood, policy: KeyPolicy) -> Fixture {
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let issuer = TestIssuer::with_key("https://as.example.com", key(0)).with_clock(clock.clone());
    let token = token(&issuer);
    let fetches = Arc::new(AtomicUsize::new(0));
    let mood = watch::Sender::new(mood);
    let source = Source::new(&issuer, &mood, &fetches);
    let trusted = Issuer::new("https://as.example.com").key_source(source).key_policy(policy);
    let server = ResourceServer::builder().audience(AUDIENCE).issuer(trusted).clock(clock.clone()).build().unwrap();
    Fixture { issuer, server, token, clock, mood, fetches }
}

/// Another way to the source of a fixture: it has its mood and counts with it.
pub(crate) fn source_of(it: &Fixture) -> Source {
    Source::new(&it.issuer, &it.mood, &it.fetches)
}
