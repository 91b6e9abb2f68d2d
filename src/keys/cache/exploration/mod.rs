//! The orders in which threads can meet in the cache, tried out by `shuttle`.

mod takeover;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::{check_pct, check_random, thread};
use tower_bearer_test::{SigningKey, TestIssuer};

use super::fetch::{Fetch, Fetched, FetchedSet};
use super::fetches::{Joined, Need};
use super::{KeyCache, KeyPolicy};
use crate::error::{KeySetError, TokenError};
use crate::jose::{Algorithm, JwkSet, VerifyingKey};
use crate::keys::{Arrival, FetchedKeySet, KeySource, KeySourceFuture, Lookup};
use crate::resource_server::{Subject, Waited};
use crate::single_flight::{Call, Ending, Wakeup};
use crate::sync::{AtomicBool, AtomicUsize, Ordering};
use crate::telemetry::IssuerMeter;
use crate::time::{ManualClock, UnixTime};
use crate::validator::NoListener;
use crate::{Issuer, Presentation, ResourceServer};

const ISSUER: &str = "https://as.example.com";

/// Two sets, of one key each.
static SETS: LazyLock<[String; 2]> = LazyLock::new(|| [(); 2].map(|()| issuer().jwk_set().to_string()));

fn issuer() -> TestIssuer {
    TestIssuer::with_key(ISSUER, SigningKey::generate(tower_bearer::jose::Algorithm::EdDSA).unwrap())
}

/// At random, and with few changes of thread at the worst moments: each finds what the other misses.
fn explore(scenario: impl Fn() + Send + Sync + 'static) {
    LazyLock::force(&SETS);
    let scenario = Arc::new(scenario);
    let again = Arc::clone(&scenario);
    check_random(move || scenario(), 2_000);
    check_pct(move || again(), 2_000, 3);
}

#[derive(Debug)]
struct NoSource;

impl KeySource for NoSource {
    fn fetch<'a>(&'a self, _etag: Option<&'a str>) -> KeySourceFuture<'a> {
        Box::pin(async { Ok(FetchedKeySet::unchanged()) })
    }
}

fn cache() -> (Arc<KeyCache>, ManualClock) {
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let (source, policy) = (Arc::new(NoSource), KeyPolicy::default());
    let cache = KeyCache::new(
        ISSUER.into(),
        [Algorithm::EdDSA].into(),
        source,
        policy,
        Arc::new(clock.clone()),
        IssuerMeter::of_resolved(),
    );
    (Arc::new(cache), clock)
}

fn fetched(set: usize) -> Result<Fetched, KeySetError> {
    let set = FetchedSet::New(JwkSet::parse(SETS[set].as_bytes(), &[Algorithm::EdDSA])?);
    Ok(Fetched { set, etag: None, max_age: None, is_from_failover: false })
}

/// A cache with the first set, and a refresh of it that is due.
fn filled_cache() -> Arc<KeyCache> {
    let (cache, clock) = cache();
    end(cache.join(Need::Due).unwrap(), fetched(0));
    clock.advance(Duration::from_secs(300));
    cache
}

fn end(joined: Joined, result: Result<Fetched, KeySetError>) {
    call(joined).end(Ending::Finished(result));
}

fn call(joined: Joined) -> Call<Fetch> {
    joined.start.unwrap().0
}

fn look_up(
    cache: &Arc<KeyCache>,
    key_id: Option<&str>,
    algorithm: Algorithm,
    waited_since: Option<Arrival>,
) -> Lookup<'static> {
    let further = || cache.look_further(key_id, algorithm, waited_since);
    cache.known(key_id, algorithm).map_or_else(further, Lookup::Found)
}

fn key(cache: &Arc<KeyCache>) -> Option<Arc<VerifyingKey>> {
    match look_up(cache, None, Algorithm::EdDSA, None) {
        Lookup::Found(keys) => keys.iter().next().cloned(),
        _ => None,
    }
}

#[test]
fn h15_cancelled_waiters_leave_no_trace_and_nobody_stuck() {
    explore(|| {
        let (cache, _clock) = cache();
        let started = Arc::new(AtomicUsize::new(0));
        let waiter = |patient: bool, result: fn() -> Result<Fetched, KeySetError>| {
            let (cache, started) = (Arc::clone(&cache), Arc::clone(&started));
            thread::spawn(move || {
                let _place = cache.waiting.take().unwrap();
                let Some(mut joined) = cache.join(Need::Due) else { return };
                if let Some((mut fetch, _)) = joined.start.take() {
                    started.fetch_add(1, Ordering::SeqCst);
                    thread::spawn(move || fetch.end(Ending::Finished(result())));
                }
                if patient {
                    block_on(joined.waiter.ended());
                    assert!(key(&cache).is_some());
                }
            })
        };
        for waiter in [false, true, true].map(|patient| waiter(patient, || fetched(0))) {
            waiter.join().unwrap();
        }
        assert_eq!(started.load(Ordering::SeqCst), 1);
        assert_eq!(cache.waiting.taken(), 0);
    });
}

#[test]
fn d10_a_refresh_that_races_a_removal_leaves_no_key_alive() {
    explore(|| {
        let cache = filled_cache();
        let old = key(&cache).unwrap();
        let joined = cache.join(Need::Due).unwrap();
        let refresh = thread::spawn(move || end(joined, fetched(1)));
        let reader = {
            let cache = Arc::clone(&cache);
            thread::spawn(move || key(&cache))
        };
        cache.close();
        assert!(key(&cache).is_none());
        refresh.join().unwrap();
        let read = reader.join().unwrap();
        assert!(key(&cache).is_none() && cache.join(Need::Retry { failures: 0 }).is_none());
        assert!(old.is_withdrawn() && read.is_none_or(|read| read.is_withdrawn()));
    });
}

#[test]
fn f13_the_last_handle_that_goes_during_a_refresh_takes_everything_along() {
    explore(|| {
        let cache = filled_cache();
        let mut joined = cache.join(Need::Due).unwrap();
        let (mut fetch, _) = joined.start.take().unwrap();
        let gone = Arc::downgrade(&cache);
        let drop_it = thread::spawn(move || drop(cache));
        let refresh = thread::spawn(move || fetch.end(Ending::Finished(fetched(1))));
        assert_eq!(block_on(joined.waiter.ended()), Wakeup::Ended);
        drop_it.join().unwrap();
        refresh.join().unwrap();
        assert!(gone.upgrade().is_none());
    });
}

#[test]
fn f02_flooding_threads_share_one_budget() {
    explore(|| {
        let (cache, _clock) = cache();
        end(cache.join(Need::Due).unwrap(), fetched(0));
        let started = Arc::new(AtomicUsize::new(0));
        let flood = |name: &'static str| {
            let (cache, started) = (Arc::clone(&cache), Arc::clone(&started));
            thread::spawn(move || {
                if let Some(Joined { start: Some((mut fetch, _)), .. }) = cache.join(Need::Key(name)) {
                    started.fetch_add(1, Ordering::SeqCst);
                    fetch.end(Ending::TimedOut);
                }
            })
        };
        for flood in ["a", "b", "c"].map(flood) {
            flood.join().unwrap();
        }
        assert!((1..=KeyPolicy::UNKNOWN_KID_FETCHES).contains(&started.load(Ordering::SeqCst)));
    });
}

/// The `kid` of the second set's key.
fn second_kid() -> String {
    let set = JwkSet::parse(SETS[1].as_bytes(), &[Algorithm::EdDSA]).unwrap();
    set.key_ids()[0].to_owned()
}

/// The keys are rotated before a token arrives. A fetch that began before the rotation may bring the old set; one that
/// begins later brings the new one. In any order, the token is accepted or undecided, never refused.
#[test]
fn r18_a_key_that_was_published_before_its_token_came_is_never_called_unknown() {
    explore(|| {
        let (cache, clock) = cache();
        end(cache.join(Need::Due).unwrap(), fetched(0));
        clock.advance(Duration::from_secs(300));
        let published = Arc::new(AtomicUsize::new(0));
        let run = {
            let published = Arc::clone(&published);
            // A provider reads its keys after the request has arrived.
            move |mut fetch: Call<Fetch>| fetch.end(Ending::Finished(fetched(published.load(Ordering::SeqCst))))
        };
        let refresh = {
            let (cache, run) = (Arc::clone(&cache), run.clone());
            thread::spawn(move || {
                if let Some(Joined { start: Some((fetch, _)), .. }) = cache.join(Need::Due) {
                    run(fetch);
                }
            })
        };
        let request = thread::spawn(move || {
            published.store(1, Ordering::SeqCst);
            let kid = second_kid();
            let arrival = match look_up(&cache, Some(&kid), Algorithm::EdDSA, None) {
                Lookup::Wait(arrival) => arrival,
                first => return assert!(matches!(first, Lookup::Found(_)), "the refresh was quick"),
            };
            if let Some(mut joined) = cache.join(Need::Key(&kid)) {
                match joined.start {
                    Some((fetch, _)) => run(fetch),
                    None => assert_eq!(block_on(joined.waiter.ended()), Wakeup::Ended),
                }
            }
            cache.note_missing(Some(&kid), arrival);
            let answer = look_up(&cache, Some(&kid), Algorithm::EdDSA, Some(arrival));
            assert!(!matches!(answer, Lookup::Refused(TokenError::NoMatchingKey) | Lookup::Wait(_)));
        });
        request.join().unwrap();
        refresh.join().unwrap();
    });
}

/// The last fetch of the budget brings the key during the lookup: the set and the state of the fetches must be read at
/// the same moment.
#[test]
fn r18_a_set_that_comes_during_the_look_is_not_overlooked() {
    explore(|| {
        let (cache, _clock) = cache();
        end(cache.join(Need::Due).unwrap(), fetched(0));
        end(cache.join(Need::Key("a")).unwrap(), fetched(0));
        let last = cache.join(Need::Key("b")).unwrap();
        let fetch = thread::spawn(move || end(last, fetched(1)));
        let answer = look_up(&cache, Some(&second_kid()), Algorithm::EdDSA, None);
        assert!(matches!(answer, Lookup::Found(_) | Lookup::Wait(_)));
        fetch.join().unwrap();
    });
}

/// Once `disable_issuer` has returned, no request that starts is let through.
#[test]
fn d10_a_disabled_issuer_lets_no_later_request_through() {
    static TOKEN: LazyLock<(TestIssuer, String)> = LazyLock::new(|| {
        let issuer = issuer();
        let token = issuer.token().audience("https://api.example.com").sign();
        (issuer, token)
    });
    LazyLock::force(&TOKEN);
    explore(|| {
        let trusted = Issuer::new(ISSUER).jwk_set(TOKEN.0.jwk_set().to_string());
        let server = ResourceServer::builder().audience("https://api.example.com").issuer(trusted).build().unwrap();
        let disabled = Arc::new(AtomicBool::new(false));
        let hits = {
            let (server, disabled) = (server.clone(), Arc::clone(&disabled));
            thread::spawn(move || {
                for _ in 0..2 {
                    let came_after = disabled.load(Ordering::SeqCst);
                    let presented = Subject::Presented(Presentation::bearer(&TOKEN.1));
                    let decided = server.decide(presented, Waited::NOTHING, &mut NoListener);
                    let passed = decided.is_ok_and(|token| server.revalidate(&token).is_ok());
                    assert!(!(came_after && passed));
                }
            })
        };
        server.disable_issuer(ISSUER);
        disabled.store(true, Ordering::SeqCst);
        hits.join().unwrap();
    });
}
