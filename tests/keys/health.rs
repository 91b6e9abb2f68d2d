//! Warm-up, readiness, status, and key sets that outlive a process.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use tower_bearer::time::ManualClock;
use tower_bearer::{ExportedKeySets, Issuer, KeyPolicy, KeySetState, ResourceServer};

use crate::provider::*;
use crate::source::{Fixture, Mood, fixture, source_of};

const DEADLINE: Duration = Duration::from_secs(60);

fn status(server: &ResourceServer) -> Value {
    serde_json::to_value(&server.key_sets()[0]).unwrap()
}

#[tokio::test]
async fn warm_up_fetches_before_the_first_request() {
    let (provider, issuer) = Provider::with_keys().await;
    let server = provider.resource_server();
    assert!(!server.readiness().is_ready());
    server.warm_up(DEADLINE).await.unwrap();
    assert!(server.readiness().is_ready());
    server.warm_up(DEADLINE).await.unwrap();
    assert_eq!(provider.requests(), [OAUTH_METADATA, JWK_SET]);
    assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
    assert_eq!(provider.key_fetches(), 1);
}

/// The classic mistake. Waiting does not heal it, so the error comes at once and shows both.
#[tokio::test]
async fn f10_a_trailing_slash_is_told_at_the_start() {
    let (provider, _) = Provider::with_keys().await;
    let server = provider.resource_server_trusting(Issuer::new(provider.url("/")));
    let error = server.warm_up(Duration::from_secs(3600)).await.unwrap_err();
    let (ours, theirs) = (provider.url("/"), provider.url(""));
    let expected = format!(
        "no keys of {ours}: the metadata is of the issuer {theirs:?}, the configuration says {ours:?} \
         ({} answered with status 200, no content type); {} answered with status 404 (no content type)",
        provider.url(OAUTH_METADATA),
        provider.url(OPENID_METADATA),
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.failures().map(|(issuer, _)| issuer).collect::<Vec<_>>(), [ours]);
}

#[tokio::test(start_paused = true)]
async fn f10_a_provider_that_comes_late_is_waited_for() {
    let it = fixture(Mood::FailsAtFirst(3));
    let began = Instant::now();
    it.server.warm_up(DEADLINE).await.unwrap();
    assert_eq!(it.fetches.load(Ordering::SeqCst), 4);
    // 5 s, 10 s and 20 s, give or take a tenth: the pace of the policy.
    assert!((31..=39).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn f10_a_provider_that_stays_dead_is_told_at_the_deadline() {
    for (mood, cause) in [
        (Mood::Fails, "the key source failed: no store"),
        (Mood::Panics, "the fetch was interrupted"),
        (Mood::Hangs, "the fetch took longer than 5000 ms"),
    ] {
        let it = fixture(mood);
        let began = Instant::now();
        let error = it.server.warm_up(DEADLINE).await.unwrap_err();
        assert_eq!(error.to_string(), format!("no keys of https://as.example.com: {cause}"));
        assert_eq!(began.elapsed(), DEADLINE);
        assert!(!it.server.readiness().is_ready());
        // The service goes on, and heals.
        it.mood.send_replace(Mood::Answers);
        it.clock.advance(KeyPolicy::MAX_BACKOFF);
        assert_eq!(reason(&it.server, &it.token).await, "accepted", "{mood:?}");
    }
    let it = fixture(Mood::Hangs);
    let error = it.server.warm_up(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "no keys of https://as.example.com: the fetch took longer than 1000 ms");
}

/// A probe that calls it every second asks the provider no more often than the policy says.
#[tokio::test(start_paused = true)]
async fn f03_repeated_warm_ups_keep_to_the_backoff() {
    let it = fixture(Mood::Fails);
    for _ in 0..4 {
        it.server.warm_up(Duration::from_secs(1)).await.unwrap_err();
    }
    assert_eq!(it.fetches.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn d10_the_removal_of_an_issuer_ends_its_warm_up() {
    let it = fixture(Mood::Hangs);
    let began = Instant::now();
    let warm_up = tokio::spawn({
        let server = it.server.clone();
        async move { server.warm_up(DEADLINE).await }
    });
    while it.fetches.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    it.server.remove_issuer("https://as.example.com");
    let error = warm_up.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "no keys of https://as.example.com: the fetch was interrupted");
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn every_issuer_without_keys_is_named() {
    let (it, bad) = (fixture(Mood::Answers), fixture(Mood::Fails));
    for url in ["https://b.example.com", "https://c.example.com"] {
        it.server.add_issuer(&Issuer::new(url).key_source(source_of(&bad))).unwrap();
    }
    let began = Instant::now();
    let error = it.server.warm_up(DEADLINE).await.unwrap_err();
    assert_eq!(began.elapsed(), DEADLINE, "they are fetched beside each other");
    let failed: Vec<_> = error.failures().map(|(issuer, _)| issuer.to_owned()).collect();
    assert_eq!(failed, ["https://b.example.com", "https://c.example.com"]);
    let readiness = it.server.readiness();
    assert!(!readiness.is_ready());
    assert_eq!(readiness.issuers.iter().map(|it| it.is_ready()).collect::<Vec<_>>(), [true, false, false]);
    // Those that are switched off need no keys.
    it.server.disable_issuer("https://b.example.com");
    it.server.disable_issuer("https://c.example.com");
    assert!(it.server.readiness().is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_status_tells_the_whole_life_of_a_set() {
    let it = fixture(Mood::Answers);
    let fetches = |fetched: u64, failed: u64| json!({ "fetched": fetched, "unchanged": 0, "failed": failed, "for_unknown_kids": 0 });
    assert_eq!(
        status(&it.server),
        json!({
            "issuer": "https://as.example.com", "enabled": true, "state": "absent", "age_s": null, "lifetime_s": null,
            "next_refresh_s": 0.0, "failures": 0, "last_error": null, "key_ids": [], "dropped_keys": [],
            "fetches": fetches(0, 0), "waiting_requests": 0, "waited_requests": 0,
        })
    );
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    it.clock.advance(Duration::from_secs(100));
    let mut current = status(&it.server);
    let next_refresh = current["next_refresh_s"].take().as_f64().unwrap();
    assert!((116.0..=164.0).contains(&next_refresh), "four fifths of 300 s, give or take a tenth: {next_refresh}");
    assert_eq!(
        current,
        json!({
            "issuer": "https://as.example.com", "enabled": true, "state": "current", "age_s": 100.0,
            "lifetime_s": 300.0, "next_refresh_s": null, "failures": 0, "last_error": null,
            "key_ids": [it.issuer.jwk_set()["keys"][0]["kid"]], "dropped_keys": [], "fetches": fetches(1, 0),
            "waiting_requests": 0, "waited_requests": 1,
        })
    );

    it.mood.send_replace(Mood::Fails);
    it.clock.advance(Duration::from_secs(200));
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    while it.server.key_sets()[0].fetches.failed == 0 {
        tokio::task::yield_now().await;
    }
    let stale = status(&it.server);
    assert_eq!((&stale["state"], &stale["failures"]), (&json!("stale"), &json!(1)));
    let failure = json!({ "reason": "source", "url": null, "text": "the key source failed: no store" });
    assert_eq!(stale["last_error"], failure);
    assert_eq!(stale["fetches"], fetches(1, 1));
    assert!(it.server.readiness().is_ready());

    it.clock.advance(Duration::from_secs(3600));
    assert_eq!(it.server.key_sets()[0].state, KeySetState::Expired);
    assert!(!it.server.readiness().is_ready());
    it.server.disable_issuer("https://as.example.com");
    assert_eq!(status(&it.server)["enabled"], false);
}

/// Nobody asked for its keys for hours. That is no outage.
#[tokio::test(start_paused = true)]
async fn an_idle_issuer_stays_ready() {
    let it = fixture(Mood::Answers);
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    it.clock.advance(Duration::from_secs(80_000));
    assert_eq!(it.server.key_sets()[0].state, KeySetState::Expired);
    assert!(it.server.readiness().is_ready());
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
}

/// Whoever gets no requests until it is ready has nobody else to ask for the keys.
#[tokio::test(start_paused = true)]
async fn f10_a_service_without_traffic_becomes_ready_when_the_provider_is_back() {
    let it = fixture(Mood::Fails);
    let is_ready_soon = async || {
        let _ = it.server.readiness();
        // Until no fetch is under way.
        while it.server.key_sets()[0].next_refresh.is_none() {
            tokio::task::yield_now().await;
        }
        it.server.readiness().is_ready()
    };
    // Lazy, and never asked for a token.
    assert!(!is_ready_soon().await);
    it.mood.send_replace(Mood::Answers);
    assert!(!is_ready_soon().await, "a probe asks the provider no more often than the policy says");
    assert_eq!(it.fetches.load(Ordering::SeqCst), 1);
    it.clock.advance(KeyPolicy::MAX_BACKOFF);
    assert!(is_ready_soon().await);

    // An outage beyond the staleness bound, in which the traffic was taken away.
    it.mood.send_replace(Mood::Fails);
    it.clock.advance(Duration::from_secs(300 + 3600));
    assert_eq!(reason(&it.server, &it.token).await, "keys_unavailable");
    it.mood.send_replace(Mood::Answers);
    it.clock.advance(KeyPolicy::MAX_BACKOFF);
    assert!(is_ready_soon().await);
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
}

/// Several who wait for the keys of a dead provider ask it no more often than one.
#[tokio::test(start_paused = true)]
async fn f03_warm_ups_beside_each_other_keep_to_the_backoff() {
    let it = fixture(Mood::Fails);
    let warm_ups = (0..500_u64).map(|n| {
        let server = it.server.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(n)).await;
            server.warm_up(Duration::from_secs(8)).await.unwrap_err();
        })
    });
    for warm_up in warm_ups.collect::<Vec<_>>() {
        warm_up.await.unwrap();
    }
    assert_eq!(it.fetches.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn fetches_for_unknown_kids_and_unchanged_sets_are_counted() {
    let (provider, issuer) = Provider::with_keys().await;
    let server = provider.resource_server();
    provider.answer(JWK_SET, Answer::Validated("\"1\"", issuer.jwk_set().to_string()));
    assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
    assert_eq!(reason(&server, &token(&provider.issuer(key(1)))).await, "no_matching_key");
    let counts = server.key_sets()[0].fetches;
    assert_eq!((counts.fetched, counts.unchanged, counts.failed, counts.for_unknown_kids), (1, 1, 0, 1));
}

/// Another process with the same configuration: its monotonic time starts anew.
fn next_process(it: &Fixture, after: Duration) -> (ResourceServer, ManualClock) {
    use tower_bearer::time::Clock;
    let clock = ManualClock::at(it.clock.now().unwrap().saturating_add(after));
    let trusted = Issuer::new("https://as.example.com").key_source(source_of(it));
    let server = ResourceServer::builder().audience(AUDIENCE).issuer(trusted).clock(clock.clone()).build().unwrap();
    (server, clock)
}

/// As it is on disk.
fn exported(server: &ResourceServer) -> ExportedKeySets {
    serde_json::from_str(&serde_json::to_string(&server.export_key_sets()).unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn exported_sets_start_the_next_process_without_the_provider() {
    let it = fixture(Mood::Answers);
    assert_eq!(exported(&it.server).len(), 0, "there is nothing yet");
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    it.clock.advance(Duration::from_secs(10));
    it.mood.send_replace(Mood::Fails);
    let copy = exported(&it.server);

    let (server, clock) = next_process(&it, Duration::from_secs(90));
    assert_eq!(server.import_key_sets(&copy), 1);
    assert_eq!(server.import_key_sets(&copy), 0, "what is there already stays");
    assert_eq!(reason(&server, &it.token).await, "accepted");
    assert_eq!(it.fetches.load(Ordering::SeqCst), 1, "it is within its lifetime");
    assert_eq!(server.key_sets()[0].age, Some(Duration::from_secs(100)));

    // It goes on ageing: refreshed ahead, and dead at the bound.
    clock.advance(Duration::from_secs(170));
    assert_eq!(reason(&server, &it.token).await, "accepted");
    while server.key_sets()[0].fetches.failed == 0 {
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_secs(300 + 3600 - 270 - 1));
    assert_eq!(reason(&server, &it.token).await, "accepted");
    clock.advance(Duration::from_secs(1));
    assert_eq!(reason(&server, &it.token).await, "keys_unavailable");
}

#[tokio::test(start_paused = true)]
async fn exported_sets_are_taken_only_where_they_belong() {
    let it = fixture(Mood::Answers);
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    let good = serde_json::to_value(it.server.export_key_sets()).unwrap();
    let taken = |change: &dyn Fn(&mut Value), after: u64| {
        let mut copy = good.clone();
        change(&mut copy["key_sets"][0]);
        let (server, _) = next_process(&it, Duration::from_secs(after));
        serde_json::from_value(copy).map(|copy: ExportedKeySets| server.import_key_sets(&copy)).ok()
    };
    assert_eq!(taken(&|_| {}, 0), Some(1));
    let bound = 300 + 3600;
    assert_eq!((taken(&|_| {}, bound - 1), taken(&|_| {}, bound)), (Some(1), Some(0)), "the staleness bound");
    assert_eq!(taken(&|copy| copy["fetched_at"] = 1_800_000_001.into(), 0), Some(0), "from the future");
    assert_eq!(taken(&|copy| copy["lifetime_s"] = u64::MAX.into(), 3600 + 3599), Some(1), "clamped to an hour");
    assert_eq!(taken(&|copy| copy["lifetime_s"] = u64::MAX.into(), 3600 + 3600), Some(0), "clamped to an hour");
    assert_eq!(taken(&|copy| copy["issuer"] = "https://other.example.com".into(), 0), Some(0), "not configured");
    assert_eq!(taken(&|copy| copy["jwk_set"] = json!({ "keys": [] }), 0), Some(0), "no set");
    assert_eq!(taken(&|copy| copy["surprise"] = 1.into(), 0), None, "no copy");
    // A validator that cannot go into a header is forgotten; the set is good.
    assert_eq!(taken(&|copy| copy["etag"] = "line\nbreak".into(), 0), Some(1));
}

/// What an export holds can be read by everybody, and restricts keys as the provider did.
#[tokio::test(start_paused = true)]
async fn an_export_has_the_public_keys_and_nothing_else() {
    let it = fixture(Mood::Answers);
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    let copy = serde_json::to_value(it.server.export_key_sets()).unwrap();
    let published = &it.issuer.jwk_set()["keys"][0];
    let of_copy = copy["key_sets"][0]["jwk_set"]["keys"][0].as_object().unwrap();
    for (name, value) in of_copy {
        assert_eq!(value, &published[name], "{name}");
    }
    let names: Vec<_> = of_copy.keys().map(String::as_str).collect();
    assert_eq!(names, ["alg", "crv", "kid", "kty", "x"]);
}
