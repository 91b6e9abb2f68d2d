//! Two resource servers that differ in one thing: one keeps accepted tokens, the other does not. Whatever happens, a
//! request gets the same answer from both, and the provider the same requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use tokio::sync::watch;
use tower_bearer::time::{Clock, ManualClock, UnixTime};
use tower_bearer::{Issuer, ResourceServer, ResourceServerBuilder};
use tower_bearer_test::{TestIssuer, TokenBuilder};

use crate::provider::{AUDIENCE, key, reason};
use crate::source::{Mood, Source};

pub(crate) const ISSUER: &str = "https://as.example.com";
pub(crate) const START: UnixTime = UnixTime::from_secs(1_800_000_000);

pub(crate) struct Pair {
    pub(crate) issuer: TestIssuer,
    pub(crate) clock: ManualClock,
    pub(crate) mood: watch::Sender<Mood>,
    /// The one that keeps tokens comes first.
    pub(crate) sides: [Side; 2],
}

pub(crate) struct Side {
    pub(crate) server: ResourceServer,
    pub(crate) fetches: Arc<AtomicUsize>,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(configure: impl Fn(ResourceServerBuilder) -> ResourceServerBuilder) -> Self {
        let clock = ManualClock::at(START);
        let issuer = TestIssuer::with_key(ISSUER, key(0)).with_clock(clock.clone());
        let mood = watch::Sender::new(Mood::Answers);
        let side = |bytes: Option<usize>| {
            let fetches = Arc::default();
            let trusted = Issuer::new(ISSUER).key_source(Source::new(&issuer, &mood, &fetches));
            let builder = ResourceServer::builder().audience(AUDIENCE).issuer(trusted).clock(clock.clone());
            let builder = bytes.into_iter().fold(builder, ResourceServerBuilder::token_cache_bytes);
            Side { server: configure(builder).build().unwrap(), fetches }
        };
        let sides = [side(None), side(Some(0))];
        assert!(sides[0].server.token_cache().is_some() && sides[1].server.token_cache().is_none());
        Self { issuer, clock, mood, sides }
    }

    /// A token that lives for a day.
    pub(crate) fn token(&self) -> TokenBuilder {
        self.issuer.token().audience(AUDIENCE).expires_in(Duration::from_secs(86_400))
    }

    /// The answer of both.
    #[track_caller]
    pub(crate) fn answer(&self, token: &str) -> impl Future<Output = &'static str> {
        let caller = std::panic::Location::caller();
        async move {
            let mut answers = [""; 2];
            for (side, answer) in self.sides.iter().zip(&mut answers) {
                *answer = reason(&side.server, token).await;
                settle().await;
            }
            assert_eq!(answers[0], answers[1], "with and without a cache, {caller}");
            let [with, without] = self.fetches();
            assert_eq!(with, without, "fetches with and without a cache, {caller}");
            answers[0]
        }
    }

    pub(crate) fn fetches(&self) -> [usize; 2] {
        self.sides.each_ref().map(|side| side.fetches.load(Ordering::SeqCst))
    }

    /// How many tokens are kept.
    pub(crate) fn kept(&self) -> usize {
        self.sides[0].server.token_cache().unwrap().tokens
    }

    pub(crate) fn on_both<T>(&self, change: impl Fn(&Side) -> T) -> [T; 2] {
        self.sides.each_ref().map(change)
    }

    /// Trusts the issuer anew, for this audience.
    pub(crate) fn add_issuer(&self, audience: &str) {
        self.on_both(|side| {
            let source = Source::new(&self.issuer, &self.mood, &side.fetches);
            side.server.add_issuer(&Issuer::new(ISSUER).audience(audience).key_source(source)).unwrap();
        });
    }
}

/// Lets fetches that nobody waits for end.
pub(crate) async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// Refreshes are due at a random time around 240 s after a fetch, retries around 5 to 60 s after a failure: these steps
/// never add up to a time at which one of the servers could fetch and the other not.
const STEPS: [Duration; 4] =
    [Duration::from_millis(50), Duration::from_secs(300), Duration::from_secs(4_000), Duration::from_secs(86_400)];

#[derive(Clone, Debug)]
enum Event {
    Pass(Index),
    JumpOfWallClock(Option<i16>),
    Rotate {
        overlap: bool,
    },
    Withdraw,
    PublishAgain,
    NewMaterial,
    Outage,
    Recovery,
    Disable,
    Enable,
    Remove,
    Add {
        is_for_us: bool,
    },
    AnotherIssuerComesOrGoes,
    NewToken {
        lifetime: Index,
        is_for_us: bool,
    },
    Request(Index),
    /// With one character in another's place.
    Tampered(Index, Index),
}

fn event() -> impl Strategy<Value = Event> {
    let index = any::<Index>;
    prop_oneof![
        4 => index().prop_map(Event::Pass),
        1 => any::<Option<i16>>().prop_map(Event::JumpOfWallClock),
        1 => any::<bool>().prop_map(|overlap| Event::Rotate { overlap }),
        1 => Just(Event::Withdraw),
        1 => Just(Event::PublishAgain),
        1 => Just(Event::NewMaterial),
        1 => Just(Event::Outage),
        2 => Just(Event::Recovery),
        1 => Just(Event::Disable),
        2 => Just(Event::Enable),
        1 => Just(Event::Remove),
        2 => any::<bool>().prop_map(|is_for_us| Event::Add { is_for_us }),
        1 => Just(Event::AnotherIssuerComesOrGoes),
        4 => (index(), any::<bool>()).prop_map(|(lifetime, is_for_us)| Event::NewToken { lifetime, is_for_us }),
        16 => index().prop_map(Event::Request),
        4 => (index(), index()).prop_map(|(token, place)| Event::Tampered(token, place)),
    ]
}

impl Pair {
    async fn happen(&self, event: &Event, tokens: &mut Vec<String>) -> Option<&'static str> {
        match event {
            Event::Pass(step) => self.clock.advance(*step.get(&STEPS)),
            Event::JumpOfWallClock(jump) => {
                let now = START.saturating_add(self.clock.monotonic());
                self.clock.set_wall(jump.map(|seconds| {
                    let by = Duration::from_secs(u64::from(seconds.unsigned_abs()));
                    if seconds < 0 { now.saturating_sub(by) } else { now.saturating_add(by) }
                }));
            }
            Event::Rotate { overlap: true } => {
                self.issuer.rotate_keys_with_overlap(Duration::from_secs(100_000)).unwrap();
            }
            Event::Rotate { overlap: false } => self.issuer.rotate_keys().unwrap(),
            Event::Withdraw => drop(self.issuer.withdraw_key(self.issuer.signing_key().key_id())),
            Event::PublishAgain => self.issuer.add_key(self.issuer.signing_key()),
            Event::NewMaterial => drop(self.issuer.replace_key_material(self.issuer.signing_key().key_id())),
            Event::Outage => drop(self.mood.send_replace(Mood::Fails)),
            Event::Recovery => drop(self.mood.send_replace(Mood::Answers)),
            Event::Disable => drop(self.on_both(|side| side.server.disable_issuer(ISSUER))),
            Event::Enable => drop(self.on_both(|side| side.server.enable_issuer(ISSUER))),
            Event::Remove => drop(self.on_both(|side| side.server.remove_issuer(ISSUER))),
            Event::Add { is_for_us } => {
                self.add_issuer(if *is_for_us { AUDIENCE } else { "https://other.example.com" })
            }
            Event::AnotherIssuerComesOrGoes => {
                let other = TestIssuer::with_key("https://b.example.com", key(1)).trusted();
                self.on_both(|side| {
                    if !side.server.remove_issuer("https://b.example.com") {
                        side.server.add_issuer(&other).unwrap();
                    }
                });
            }
            Event::NewToken { lifetime, is_for_us } => {
                let token = self.token().expires_in(*lifetime.get(&STEPS[1..]));
                let audience = if *is_for_us { AUDIENCE } else { "https://other.example.com" };
                tokens.push(token.claim("aud", audience).sign());
            }
            Event::Request(token) => return Some(self.answer(&tokens[token.index(tokens.len())]).await),
            Event::Tampered(token, place) => {
                let token = &tokens[token.index(tokens.len())];
                let place = place.index(token.len());
                let other = if token.as_bytes()[place] == b'A' { "B" } else { "A" };
                return Some(self.answer(&[&token[..place], other, &token[place + 1..]].concat()).await);
            }
        }
        None
    }
}

#[test]
fn k01_k02_k03_f08_d10_a_cache_of_tokens_changes_no_answer_and_no_fetch() {
    let reasons = std::cell::RefCell::new(std::collections::BTreeMap::<_, usize>::new());
    let from_memory = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    let run = runner.run(&prop::collection::vec(event(), 1..60), |events| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let pair = Pair::new();
            let mut tokens = vec![pair.token().sign()];
            for event in &events {
                let kept = pair.kept();
                if let Some(answer) = pair.happen(event, &mut tokens).await {
                    *reasons.borrow_mut().entry(answer).or_default() += 1;
                    from_memory.update(|count| count + usize::from(answer == "accepted" && pair.kept() == kept));
                }
            }
        });
        Ok(())
    });
    run.unwrap();
    // The events do come to all of these.
    let reasons = reasons.into_inner();
    println!("{reasons:?}, from memory {}", from_memory.get());
    for reason in [
        "accepted",
        "expired",
        "issued_in_future",
        "clock_unavailable",
        "bad_signature",
        "no_matching_key",
        "keys_unavailable",
        "issuer_disabled",
        "issuer_mismatch",
        "audience_mismatch",
    ] {
        assert!(reasons.contains_key(reason), "{reason} in {reasons:?}");
    }
    assert!(from_memory.get() > 100, "{}", from_memory.get());
}
