//! The provider: its keys, its outages, the tokens it gives out, and a count of what it is asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower_bearer::jose::Algorithm;
use tower_bearer::time::{Clock, UnixTime};
use tower_bearer::{FetchedKeySet, KeySetError, KeySource, KeySourceFuture};
use tower_bearer_test::TestIssuer;

use crate::scenario::Event;

pub(crate) const ISSUER: &str = "https://as.example.com";
pub(crate) const AUDIENCE: &str = "https://api.example.com";

/// From a request for the keys to its answer.
const LATENCY: Duration = Duration::from_millis(50);
/// For how long a key stays that a new one has taken over from.
const OVERLAP: Duration = Duration::from_secs(3_600);
const LONGER_THAN_ANY_SCENARIO: Duration = Duration::from_secs(86_400);

/// Clones are the same provider.
#[derive(Clone, Debug)]
pub(crate) struct Provider {
    issuer: TestIssuer,
    clock: SimulatedClock,
    now: Arc<Mutex<Now>>,
}

#[derive(Debug, Default)]
struct Now {
    is_down: bool,
    tokens: Vec<Arc<str>>,
    /// Requests for the keys, by second since the start.
    requests: Vec<u32>,
}

impl Provider {
    pub(crate) fn new() -> Self {
        let clock = SimulatedClock { start: Instant::now() };
        let issuer = TestIssuer::with_algorithm(ISSUER, Algorithm::RS256).unwrap().with_clock(clock);
        let provider = Self { issuer, clock, now: Arc::default() };
        provider.give_out_token();
        provider
    }

    pub(crate) const fn clock(&self) -> SimulatedClock {
        self.clock
    }

    pub(crate) fn change(&self, event: Event) {
        match event {
            Event::AnnounceKey => drop(self.issuer.publish_next_key().unwrap()),
            Event::Rotate => {
                self.issuer.rotate_keys_with_overlap(OVERLAP).unwrap();
                self.give_out_token();
            }
            Event::RotateWithoutOverlap => {
                self.issuer.rotate_keys().unwrap();
                self.now.lock().unwrap().tokens.clear();
                self.give_out_token();
            }
            Event::GoDown => self.now.lock().unwrap().is_down = true,
            Event::ComeBack => self.now.lock().unwrap().is_down = false,
            Event::Flood { .. } => {}
        }
    }

    /// The good tokens that clients have.
    pub(crate) fn tokens(&self) -> Vec<Arc<str>> {
        self.now.lock().unwrap().tokens.clone()
    }

    /// Requests for the keys in each second of this time.
    pub(crate) fn requests(&self, from: u64, until: u64) -> Vec<u32> {
        let requests = &self.now.lock().unwrap().requests;
        (from..until).map(|second| requests.get(usize::try_from(second).unwrap()).copied().unwrap_or(0)).collect()
    }

    fn give_out_token(&self) {
        let token = self.issuer.token().audience(AUDIENCE).expires_in(LONGER_THAN_ANY_SCENARIO).sign();
        self.now.lock().unwrap().tokens.push(token.into());
    }

    fn count_request(&self) {
        let second = usize::try_from(self.clock.monotonic().as_secs()).unwrap();
        let requests = &mut self.now.lock().unwrap().requests;
        requests.resize(requests.len().max(second + 1), 0);
        requests[second] += 1;
    }
}

impl KeySource for Provider {
    fn fetch<'a>(&'a self, _: Option<&'a str>) -> KeySourceFuture<'a> {
        self.count_request();
        Box::pin(async {
            sleep(LATENCY).await;
            if self.now.lock().unwrap().is_down {
                return Err(KeySetError::source_failed(std::io::Error::other("the provider is down")));
            }
            Ok(FetchedKeySet::new(self.issuer.jwk_set().to_string()))
        })
    }
}

/// The time of the runtime, which passes at once when there is nothing to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SimulatedClock {
    start: Instant,
}

impl Clock for SimulatedClock {
    fn now(&self) -> Option<UnixTime> {
        Some(UnixTime::from_secs(1_800_000_000).saturating_add(self.monotonic()))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}
