//! The guide's page on keys says what is so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use tower_bearer::KeySetState::{self, Absent, Current, Expired, Stale};
use tower_bearer::{Issuer, KeyPolicy};

use crate::provider::*;
use crate::source::{Fixture, Mood, fixture};

const GUIDE: &str = include_str!("../../src/guide/keys.md");

/// The default of each setting, as the page has it.
fn defaults() -> BTreeMap<&'static str, &'static str> {
    let (_, section) = GUIDE.split_once("\n# Defaults\n").unwrap();
    let rows = section.split("\n# ").next().unwrap().lines().filter_map(|line| line.strip_prefix("| "));
    rows.skip(1)
        .map(|row| {
            let mut cells = row.split(" | ");
            let setting = cells.next().unwrap().trim_matches(['[', '`', ']']);
            (setting, cells.next().unwrap())
        })
        .collect()
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}

#[test]
fn the_table_of_defaults_has_the_values_of_the_code() {
    let mut defaults = defaults();
    let mut expect = |setting: &str, value: &str| assert_eq!(defaults.remove(setting), Some(value), "{setting}");
    let bounds = KeyPolicy::LIFETIME_BOUNDS;
    expect("KeyPolicy::LIFETIME_BOUNDS", &format!("{} to {}", seconds(*bounds.start()), seconds(*bounds.end())));
    expect("KeyPolicy::UNKNOWN_KID_FETCHES", &KeyPolicy::UNKNOWN_KID_FETCHES.to_string());
    expect("KeyPolicy::UNKNOWN_KID_WINDOW", &seconds(KeyPolicy::UNKNOWN_KID_WINDOW));
    expect("KeyPolicy::MIN_BACKOFF", &seconds(KeyPolicy::MIN_BACKOFF));
    expect("KeyPolicy::MAX_BACKOFF", &seconds(KeyPolicy::MAX_BACKOFF));
    expect("KeyPolicy::MAX_WAITING_REQUESTS", &KeyPolicy::MAX_WAITING_REQUESTS.to_string());

    // What has no accessor is told by `Debug`.
    let shown = format!("{:?}", KeyPolicy::default());
    for setting in ["lifetime", "staleness_bound", "request_wait", "connect_timeout", "fetch_timeout"] {
        let value = shown.split_once(&format!(" {setting}: ")).unwrap().1.split([',', ' ']).next().unwrap();
        expect(&format!("KeyPolicy::{setting}"), &value.replace('s', " s"));
    }

    // What is private, the source tells.
    let sources = sources(&Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("src"));
    for (setting, value, line) in [
        ("refresh ahead", "80 % ± 10 %", "const REFRESH_AHEAD: f64 = 0.8;"),
        ("size of a document", "256 KiB", "const MAX_BODY_BYTES: usize = 256 * 1024;"),
        ("keys in a set", "100", "const MAX_KEYS: usize = 100;"),
        ("keys tried for one token", "4", "const MAX_CANDIDATES: usize = 4;"),
        ("`kid`s remembered as not found", "1,024", "const MAX_NOT_FOUND: u64 = 1024;"),
        ("resolved issuers kept", "1,000", "const MAX_RESOLVED: usize = 1_000;"),
        (
            "calls of the resolver",
            "100 in 30 s",
            "const MAX_CALLS: usize = 100;\nconst WINDOW: Duration = Duration::from_secs(30);",
        ),
        (
            "one call of the resolver",
            "5 s",
            "const CALL_TIMEOUT: Duration = Duration::from_secs(5);\nconst REQUEST_WAIT: Duration = Duration::from_secs(2);",
        ),
        (
            "not asked again: an issuer that is not ours",
            "30 s",
            "const NOT_OURS_FOR: Duration = Duration::from_secs(30);",
        ),
        ("not asked again: after the resolver failed", "5 s", "const FAILED_FOR: Duration = Duration::from_secs(5);"),
        ("length of an issuer for the resolver", "512 bytes", "const MAX_ISSUER_BYTES: usize = 512;"),
    ] {
        let setting = setting.trim_matches('`');
        expect(setting, value);
        assert!(sources.contains(line), "{line}");
    }
    assert!(sources.contains("const MAX_REMEMBERED: u64 = 10_000;"));
    assert_eq!(defaults, BTreeMap::new(), "the table has more than this test knows");
}

/// All Rust files below a folder.
fn sources(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| match path.extension() {
            _ if path.is_dir() => sources(&path),
            Some(extension) if extension == "rs" => std::fs::read_to_string(path).unwrap(),
            _ => String::new(),
        })
        .collect()
}

#[test]
fn the_tests_and_figures_that_the_page_names_are_there() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let tests = sources(&root.join("tests")) + &sources(&root.join("src"));
    let is_name = |word: &&str| {
        word.matches('_').count() >= 4 && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    let named: BTreeSet<_> = GUIDE.split('`').filter(is_name).collect();
    assert!(named.len() >= 20, "{named:?}");
    for name in named {
        let is_there = |text: String| tests.contains(&text);
        assert!(is_there(format!("fn {name}()")) || is_there(format!("str = \"{name}\"")), "{name}");
    }
}

#[tokio::test]
async fn a_jump_of_the_wall_clock_leaves_the_ages_of_keys_alone() {
    use tower_bearer::time::Clock;
    let (provider, issuer) = Provider::with_keys().await;
    let (server, good) = (provider.resource_server(), token(&issuer));
    assert_eq!(reason(&server, &good).await, "accepted");
    let now = provider.clock.now().unwrap();
    let years = Duration::from_secs(300_000_000);
    for (jump, expected) in [
        (Some(now.saturating_add(years)), "expired"),
        (Some(now.saturating_sub(years)), "issued_in_future"),
        (None, "clock_unavailable"),
        (Some(now), "accepted"),
    ] {
        provider.clock.set_wall(jump);
        assert_eq!(reason(&server, &good).await, expected);
        assert_eq!(server.key_sets()[0].age, Some(Duration::ZERO));
    }
    assert_eq!(provider.key_fetches(), 1);
}

/// The `kid` is known, so nobody is sent for it.
#[tokio::test]
async fn new_material_under_a_known_kid_comes_with_the_next_refresh() {
    let (provider, issuer) = Provider::with_keys().await;
    let server = provider.resource_server();
    let old = token(&issuer);
    assert_eq!(reason(&server, &old).await, "accepted");
    issuer.replace_key_material(key(0).key_id()).unwrap();
    provider.publish(&issuer);
    let new = token(&issuer);
    assert_eq!((reason(&server, &new).await, reason(&server, &old).await), ("bad_signature", "accepted"));
    assert_eq!(provider.key_fetches(), 1);

    provider.pass(300);
    assert_eq!(reason(&server, &old).await, "accepted", "this one starts the refresh");
    while server.key_sets()[0].fetches.fetched < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!((reason(&server, &new).await, reason(&server, &old).await), ("accepted", "bad_signature"));
}

/// Requests start fetches, and a service that is not ready gets none: its probe has to.
#[tokio::test]
async fn a_probe_heals_an_instance_that_gets_no_requests() {
    let (provider, issuer) = Provider::with_keys().await;
    provider.answer(OAUTH_METADATA, Answer::Status(500));
    let server = provider.resource_server_trusting(Issuer::new(provider.url("")));
    let settled = async || {
        while server.key_sets()[0].next_refresh.is_none() {
            tokio::task::yield_now().await;
        }
        server.key_sets()[0].fetches.failed
    };
    for _ in 0..3 {
        assert!(!server.readiness().is_ready());
        assert_eq!(settled().await, 1, "it keeps to the backoff");
    }
    provider.answer(OAUTH_METADATA, provider.metadata(&provider.url("")));
    provider.pass(KeyPolicy::MAX_BACKOFF.as_secs());
    assert!(!server.readiness().is_ready(), "it starts the fetch and does not wait for it");
    settled().await;
    assert!(server.readiness().is_ready());
    assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
}

/// An issuer with keys is left alone, and nothing happens outside of a runtime.
#[test]
fn a_probe_starts_no_fetch_that_is_not_needed() {
    let it = fixture(Mood::Answers);
    assert!(!it.server.readiness().is_ready());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(it.server.warm_up(Duration::from_secs(5))).unwrap();
    it.clock.advance(Duration::from_secs(400));
    runtime.block_on(async {
        assert!(it.server.readiness().is_ready());
        tokio::task::yield_now().await;
    });
    assert_eq!(it.fetches.load(Ordering::SeqCst), 1);
}

/// A set of this age, if any, and a source that does this from now on.
async fn in_state(state: KeySetState, mood: Mood) -> Fixture {
    let it = fixture(Mood::Answers);
    let age = match state {
        Absent => None,
        Current => Some(100),
        Stale => Some(400),
        _ => Some(4_000),
    };
    if let Some(age) = age {
        assert_eq!(reason(&it.server, &it.token).await, "accepted");
        it.clock.advance(Duration::from_secs(age));
    }
    assert_eq!(it.server.key_sets()[0].state, state);
    it.mood.send_replace(mood);
    it
}

fn with_kid(it: &Fixture, kid: &str) -> String {
    it.issuer.token().audience(AUDIENCE).expires_in(Duration::from_secs(86_400)).header("kid", kid).sign()
}

#[tokio::test(start_paused = true)]
async fn what_a_good_token_gets_in_each_state() {
    const KNOWN: bool = true;
    const UNKNOWN: bool = false;
    let (served, unknown, unavailable) = ("accepted", "no_matching_key", "keys_unavailable");
    let unproven = "key_not_proven_absent";
    for (state, is_known, [answers, fails, hangs], without_a_fetch) in [
        (Current, KNOWN, [(served, 0), (served, 0), (served, 0)], served),
        (Current, UNKNOWN, [(unknown, 0), (unproven, 0), (unproven, 2)], unproven),
        (Stale, KNOWN, [(served, 0), (served, 0), (served, 0)], served),
        (Stale, UNKNOWN, [(unknown, 0), (unproven, 0), (unproven, 2)], unproven),
        (Expired, KNOWN, [(served, 0), (unavailable, 0), (unavailable, 2)], unavailable),
        (Expired, UNKNOWN, [(unknown, 0), (unavailable, 0), (unavailable, 2)], unavailable),
        (Absent, KNOWN, [(served, 0), (unavailable, 0), (unavailable, 2)], unavailable),
        (Absent, UNKNOWN, [(unknown, 0), (unavailable, 0), (unavailable, 2)], unavailable),
    ] {
        for (mood, expected) in [(Mood::Answers, answers), (Mood::Fails, fails), (Mood::Hangs, hangs)] {
            let it = in_state(state, mood).await;
            let token = if is_known { it.token.clone() } else { with_kid(&it, "made-up") };
            let began = Instant::now();
            let got = (reason(&it.server, &token).await, began.elapsed().as_secs());
            assert_eq!(got, expected, "{state:?} {is_known} {mood:?}");
        }
        // The fetch that was due has failed, and the budget is spent.
        let it = in_state(state, Mood::Fails).await;
        for n in 0..4 {
            reason(&it.server, &with_kid(&it, &format!("made-up-{n}"))).await;
        }
        it.mood.send_replace(Mood::Hangs);
        let token = if is_known { it.token.clone() } else { with_kid(&it, "made-up") };
        let began = Instant::now();
        assert_eq!(reason(&it.server, &token).await, without_a_fetch, "{state:?} {is_known}");
        assert_eq!(began.elapsed(), Duration::ZERO, "{state:?} {is_known}");
    }
}
