//! One replica of the API, and its clients.
//!
//! Requests come at random moments (a Poisson process), many a second. Most of them change nothing: the key is known
//! and no fetch is due, or the budget for unknown `kid`s is spent. Such a process has no memory, so those requests are
//! left out: the next one that is sent comes a random while after the moment from which it may matter. Should that
//! moment be foreseen wrongly, a request comes anyway after half a minute.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::time::{Instant, sleep, sleep_until};
use tower_bearer::time::Clock;
use tower_bearer::{Issuer, KeyPolicy, ResourceServer};

use crate::provider::{AUDIENCE, ISSUER, Provider};

/// Between two requests with good tokens, and between two with made-up `kid`s, on average.
const BETWEEN_GOOD: Duration = Duration::from_millis(100);
const BETWEEN_MADE_UP: Duration = Duration::from_millis(10);
/// No request is left out for longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What became of good tokens, by second since the start, all replicas together.
#[derive(Debug)]
pub(crate) struct Answers(Vec<[AtomicU32; 2]>);

impl Answers {
    pub(crate) fn new(seconds: u64) -> Self {
        Self((0..seconds).map(|_| [const { AtomicU32::new(0) }; 2]).collect())
    }

    /// How many were sent in this time, and how many of them refused.
    pub(crate) fn between(&self, from: u64, until: u64) -> [u64; 2] {
        let seconds = usize::try_from(from).unwrap()..usize::try_from(until).unwrap();
        let count =
            |which: usize| self.0[seconds.clone()].iter().map(move |it| u64::from(it[which].load(Ordering::Relaxed)));
        [count(0).sum(), count(1).sum()]
    }

    fn count(&self, at: Duration, is_refused: bool) {
        if let Some(second) = self.0.get(usize::try_from(at.as_secs()).unwrap()) {
            second[0].fetch_add(1, Ordering::Relaxed);
            second[1].fetch_add(is_refused.into(), Ordering::Relaxed);
        }
    }
}

/// The component itself, in front of this provider. No tokens are kept, so that each request looks for its key. Of
/// several issuers, the first one signs.
pub(crate) fn server(provider: &Provider, issuers: u32) -> ResourceServer {
    let others = (1..issuers).map(|n| format!("{ISSUER}/{n}"));
    let builder = ResourceServer::builder().audience(AUDIENCE).token_cache_bytes(0).clock(provider.clock());
    let builder = std::iter::once(ISSUER.to_owned())
        .chain(others)
        .fold(builder, |builder, url| builder.issuer(Issuer::new(url).key_source(provider.clone())));
    builder.build().unwrap()
}

/// Sends good tokens, each time all that there are: clients have old ones and new ones. At these moments the provider
/// changes.
pub(crate) async fn send_good_tokens(
    server: ResourceServer,
    provider: Provider,
    mut random: fastrand::Rng,
    changes: Vec<Instant>,
    answers: std::sync::Arc<Answers>,
) {
    loop {
        let until_due = server.key_sets()[0].next_refresh.unwrap_or_default();
        let next = Instant::now() + until_due.min(LONGEST_PAUSE);
        let change = changes.iter().find(|change| **change > Instant::now());
        sleep_until(change.map_or(next, |change| next.min(*change))).await;
        sleep(after(BETWEEN_GOOD, &mut random)).await;
        for token in provider.tokens() {
            let sent_at = provider.clock().monotonic();
            answers.count(sent_at, server.validate(&token).await.is_err());
        }
    }
}

/// Sends tokens with made-up `kid`s, whose budget is known.
pub(crate) async fn flood(server: ResourceServer, provider: Provider, mut random: fastrand::Rng, end: Instant) {
    let mut spent = [None; KeyPolicy::UNKNOWN_KID_FETCHES];
    while Instant::now() < end {
        let free_again = spent[0].map(|at: Instant| at + KeyPolicy::UNKNOWN_KID_WINDOW);
        let next = free_again.map_or(Instant::now(), |at| at.min(Instant::now() + Duration::from_secs(1)));
        sleep_until(next).await;
        sleep(after(BETWEEN_MADE_UP, &mut random)).await;
        let token = with_made_up_kid(&provider.tokens()[0], &mut random);
        let (began, fetches) = (Instant::now(), server.key_sets()[0].fetches.for_unknown_kids);
        let reason = server.validate(&token).await.unwrap_err().reason();
        // A refresh that was under way when the token arrived does not prove absence.
        assert!(["no_matching_key", "key_not_proven_absent"].contains(&reason), "{reason}");
        if server.key_sets()[0].fetches.for_unknown_kids > fetches {
            spent.rotate_left(1);
            spent[KeyPolicy::UNKNOWN_KID_FETCHES - 1] = Some(began);
        }
    }
}

/// How long until the next of requests that come this far apart on average.
fn after(between: Duration, random: &mut fastrand::Rng) -> Duration {
    between.mul_f64(-(1.0 - random.f64()).ln())
}

fn with_made_up_kid(token: &str, random: &mut fastrand::Rng) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    let header = format!(r#"{{"typ":"at+jwt","alg":"RS256","kid":"{:x}"}}"#, random.u128(..));
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
}
