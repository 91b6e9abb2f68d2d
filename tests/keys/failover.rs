//! Several places for one issuer's keys: each gets its turn, none is taken for another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tower_bearer::{
    FetchedKeySet, Issuer, KeyPolicy, KeySetError, KeySetState, KeySource, KeySourceFuture, ResourceServer, TokenError,
};
use tower_bearer_test::TestIssuer;

use crate::failures::failures;
use crate::log;
use crate::provider::*;

/// A provider, a second one that has the keys too, and a resource server that knows both. The first one's issuer signs.
async fn pair() -> (Provider, Provider, TestIssuer, ResourceServer) {
    let ((first, issuer), second) = (Provider::with_keys().await, Provider::start().await);
    second.publish(&issuer);
    let trusted = Issuer::new(first.url("")).jwk_set_url(first.url(JWK_SET)).failover_jwk_set_url(second.url(JWK_SET));
    let server = first.resource_server_trusting(trusted);
    (first, second, issuer, server)
}

#[tokio::test]
async fn f09_the_failover_serves_whatever_the_first_place_answers_badly() {
    for (name, answer) in failures("http://127.0.0.1:1/") {
        if matches!(answer, Answer::Silence) {
            // That one takes time: below, where time is paused.
            continue;
        }
        let (first, second, issuer, server) = pair().await;
        first.answer(JWK_SET, answer);
        assert_eq!(reason(&server, &token(&issuer)).await, "accepted", "{name}");
        assert_eq!((first.key_fetches(), second.key_fetches()), (1, 1), "{name}");
    }
}

#[tokio::test]
async fn f09_that_a_failover_served_is_logged_with_the_reason() {
    let (first, _second, issuer, server) = pair().await;
    log::capture();
    first.answer(JWK_SET, Answer::Status(500));
    assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
    let log = log::take();
    assert!(log.contains("WARN") && log.contains("a failover served the keys"), "{log}");
    assert!(log.contains(&format!("{} answered with status 500", first.url(JWK_SET))), "{log}");
}

#[tokio::test]
async fn f09_the_first_place_takes_over_again_by_itself() {
    let (first, second, issuer, server) = pair().await;
    first.answer(JWK_SET, Answer::Status(500));
    assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
    let rotated = first.issuer(key(1));
    first.publish(&rotated);
    assert_eq!(reason(&server, &token(&rotated)).await, "accepted");
    assert_eq!((first.key_fetches(), second.key_fetches()), (2, 1), "the failover is not asked any more");
}

#[tokio::test]
async fn a_good_set_without_the_key_is_no_failure() {
    let (first, second, _, server) = pair().await;
    let other = first.issuer(key(1));
    second.publish(&other);
    assert_eq!(reason(&server, &token(&other)).await, "no_matching_key");
    assert_eq!(second.requests(), [""; 0]);
}

#[tokio::test]
async fn d11_a_foreign_issuer_costs_the_failover_no_request_either() {
    let (first, second, _, server) = pair().await;
    first.answer(JWK_SET, Answer::Status(500));
    let foreign = TestIssuer::with_key("https://elsewhere.example", key(0));
    assert_eq!(server.validate(&token(&foreign)).await.err(), Some(TokenError::IssuerMismatch));
    assert_eq!((first.requests().len(), second.requests().len()), (0, 0));
}

/// Both places use the same validator for different sets, as counters do.
#[tokio::test]
async fn j14_a_validator_is_only_given_to_the_place_it_came_from() {
    let (first, second, issuer, server) = pair().await;
    let other = first.issuer(key(1));
    first.answer(JWK_SET, Answer::Validated("\"1\"", issuer.jwk_set().to_string()));
    second.answer(JWK_SET, Answer::Validated("\"1\"", other.jwk_set().to_string()));
    assert_eq!(reason(&server, &token(&issuer)).await, "accepted");

    first.answer(JWK_SET, Answer::Status(500));
    assert_eq!(reason(&server, &token(&other)).await, "accepted", "the failover was asked with the first one's");

    first.answer(JWK_SET, Answer::Validated("\"1\"", issuer.jwk_set().to_string()));
    assert_eq!(reason(&server, &token(&issuer)).await, "accepted", "the first was asked with the failover's");
}

/// A copy of the set that was made with a failover has a validator that is none for a server.
#[tokio::test]
async fn j14_the_validator_in_a_copy_from_a_failover_is_not_sent() {
    let (first, second, issuer, server) = pair().await;
    first.answer(JWK_SET, Answer::Status(500));
    second.answer(JWK_SET, Answer::Validated("\"1\"", issuer.jwk_set().to_string()));
    assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
    let copy = server.export_key_sets();

    let alone = first.resource_server_trusting(Issuer::new(first.url("")).jwk_set_url(first.url(JWK_SET)));
    assert_eq!(alone.import_key_sets(&copy), 1);
    let rotated = first.issuer(key(1));
    let unconditional = |headers: &http::HeaderMap| !headers.contains_key("if-none-match");
    first.answer(JWK_SET, Answer::OnlyTo(unconditional, rotated.jwk_set().to_string()));
    assert_eq!(reason(&alone, &token(&rotated)).await, "accepted");
}

#[tokio::test]
async fn f14_a_failover_may_say_that_its_own_set_is_unchanged() {
    let (first, second, issuer, server) = pair().await;
    let unknown = token(&first.issuer(key(1)));
    first.answer(JWK_SET, Answer::Status(500));
    second.answer(JWK_SET, Answer::Validated("\"1\"", issuer.jwk_set().to_string()));
    assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
    first.pass(299);
    assert_eq!(reason(&server, &unknown).await, "key_not_proven_absent");
    assert_eq!(second.key_fetches(), 2);
    // Without the 304 the set would be past its lifetime now.
    second.answer(JWK_SET, Answer::Status(500));
    first.pass(299);
    assert_eq!(reason(&server, &unknown).await, "key_not_proven_absent");
    assert_eq!(server.key_sets()[0].state, KeySetState::Current);
}

#[tokio::test]
async fn j14_unchanged_from_a_place_that_never_gave_a_set_is_a_failure_of_it() {
    let (first, second, issuer, _) = pair().await;
    let trusted = Issuer::new(first.url("")).key_source(Unchanged).failover_jwk_set_url(second.url(JWK_SET));
    let server = first.resource_server_trusting(trusted);
    let rotated = first.issuer(key(1));
    assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
    second.publish(&rotated);
    assert_eq!(reason(&server, &token(&rotated)).await, "accepted");
}

#[derive(Debug)]
struct Unchanged;

impl KeySource for Unchanged {
    fn fetch<'a>(&'a self, _: Option<&'a str>) -> KeySourceFuture<'a> {
        Box::pin(async { Ok(FetchedKeySet::unchanged()) })
    }
}

#[tokio::test]
async fn f14_a_set_from_a_failover_lives_as_long_as_the_failover_says() {
    for (passed, expected) in [(119, KeySetState::Current), (120, KeySetState::Stale)] {
        let (first, second, issuer, server) = pair().await;
        first.answer(JWK_SET, Answer::Status(500));
        let cached = vec![("cache-control", "max-age=120".to_owned())];
        second.answer(JWK_SET, Answer::Full(200, cached, issuer.jwk_set().to_string()));
        assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
        second.answer(JWK_SET, Answer::Status(500));
        first.pass(passed);
        assert_eq!(reason(&server, &token(&first.issuer(key(1)))).await, "key_not_proven_absent", "{passed} s");
        assert_eq!(server.key_sets()[0].state, expected, "{passed} s");
    }
}

#[tokio::test]
async fn j07_when_every_place_fails_the_error_says_what_became_of_each_and_the_longest_delay_counts() {
    for (delays, seconds) in [(["20", "30"], 30), (["30", "20"], 30), (["", "20"], 20), (["20", ""], 20)] {
        let (first, second, issuer, server) = pair().await;
        log::capture();
        for (provider, delay) in [&first, &second].into_iter().zip(delays) {
            provider.answer(JWK_SET, Answer::Full(503, vec![("retry-after", delay.to_owned())], String::new()));
        }
        let error = server.validate(&token(&issuer)).await.unwrap_err();
        let TokenError::KeysUnavailable { retry_after } = error else { panic!("{error}") };
        assert_eq!(retry_after.as_secs(), seconds, "{delays:?}");
        let log = log::take();
        let failed = |n, provider: &Provider| format!("source {n} failed: {} answered with", provider.url(JWK_SET));
        assert!(log.contains(&failed(1, &first)) && log.contains(&failed(2, &second)), "{log}");
        assert!(!log.contains("a failover served"), "{log}");
    }
}

#[tokio::test]
async fn f01_discovery_can_fail_over_to_a_file_and_to_another_url() {
    let (provider, mirror) = (Provider::start().await, Provider::start().await);
    let issuer = provider.issuer(key(0));
    let path = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("failover-{}", std::process::id()));
    std::fs::write(&path, issuer.jwk_set().to_string()).unwrap();
    let trusted = || Issuer::new(provider.url(""));
    for trusted in [
        trusted().failover_jwk_set_file(&path),
        trusted().failover_jwk_set_url(mirror.url(JWK_SET)).failover_jwk_set_file(&path),
    ] {
        let server = provider.resource_server_trusting(trusted);
        assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
    }
    assert_eq!(mirror.requests(), [JWK_SET]);
    assert_eq!(provider.requests(), [OAUTH_METADATA, OPENID_METADATA, OAUTH_METADATA, OPENID_METADATA]);
}

/// A source in memory that hangs until it is told to answer.
#[derive(Clone, Debug)]
struct Source {
    json: Option<String>,
    fetches: Arc<AtomicUsize>,
}

impl Source {
    fn hanging() -> Self {
        Self { json: None, fetches: Arc::default() }
    }

    fn of(issuer: &TestIssuer) -> Self {
        Self { json: Some(issuer.jwk_set().to_string()), fetches: Arc::default() }
    }
}

impl KeySource for Source {
    fn fetch<'a>(&'a self, _: Option<&'a str>) -> KeySourceFuture<'a> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            match &self.json {
                Some(json) => Ok(FetchedKeySet::new(json.clone())),
                None => std::future::pending().await,
            }
        })
    }
}

fn in_memory(first: Source, failovers: impl IntoIterator<Item = Source>) -> ResourceServer {
    let patient = KeyPolicy::default().request_wait(Duration::from_secs(60));
    let trusted = Issuer::new("https://as.example.com").key_source(first).key_policy(patient);
    let trusted = failovers.into_iter().fold(trusted, Issuer::failover_key_source);
    ResourceServer::builder().audience(AUDIENCE).issuer(trusted).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn j03_a_place_that_hangs_leaves_the_next_one_its_turn() {
    let issuer = TestIssuer::with_key("https://as.example.com", key(0));
    for (hanging, millis) in [(1, 2_375), (2, 2 * 1_584), (4, 4 * 950)] {
        let failovers = (1..hanging).map(|_| Source::hanging()).chain([Source::of(&issuer)]);
        let (server, began) = (in_memory(Source::hanging(), failovers), Instant::now());
        assert_eq!(reason(&server, &token(&issuer)).await, "accepted", "{hanging} hang");
        assert_eq!(began.elapsed().as_millis(), millis, "{hanging} hang");
    }
}

#[tokio::test(start_paused = true)]
async fn j03_when_all_hang_the_error_still_names_each() {
    log::capture();
    let issuer = TestIssuer::with_key("https://as.example.com", key(0));
    let sources = [Source::hanging(), Source::hanging()];
    let (server, began) = (in_memory(sources[0].clone(), [sources[1].clone()]), Instant::now());
    assert_eq!(reason(&server, &token(&issuer)).await, "keys_unavailable");
    assert_eq!(began.elapsed(), Duration::from_millis(4_750));
    assert_eq!(sources.map(|source| source.fetches.load(Ordering::SeqCst)), [1, 1]);
    let log = log::take();
    for n in [1, 2] {
        assert!(log.contains(&format!("source {n} failed: the fetch took longer than 2375 ms")), "{log}");
    }
}

#[test]
fn the_texts_of_several_failures() {
    let failed = |text: &'static str| KeySetError::source_failed(std::io::Error::other(text));
    let error = KeySetError::AllSources { failures: [failed("no store"), failed("no file")].into() };
    let expected = "source 1 failed: the key source failed: no store; source 2 failed: the key source failed: no file";
    assert_eq!(error.to_string(), expected);
}
