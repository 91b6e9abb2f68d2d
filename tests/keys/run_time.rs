//! Issuers that come, go and are switched off while requests are served, and connections that outlive a request.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tower_bearer::time::UnixTime;
use tower_bearer::{Issuer, KeyPolicy, ResourceServer, TokenError};
use tower_bearer_test::TestIssuer;

use crate::provider::*;
use crate::source::{Fixture, Mood, fixture, source_of};

const ISSUER: &str = "https://as.example.com";

fn reason_of(verdict: Result<(), TokenError>) -> &'static str {
    verdict.map_or_else(|error| error.reason(), |()| "good")
}

#[tokio::test(start_paused = true)]
async fn d10_a_disabled_issuer_is_refused_at_once_and_takes_nothing_else_along() {
    let it = fixture(Mood::Answers);
    let other = TestIssuer::with_key("https://other.example.com", key(1)).with_clock(it.clock.clone());
    it.server.add_issuer(&other.trusted()).unwrap();
    let accepted = it.server.validate(&it.token).await.unwrap();

    assert!(it.server.disable_issuer(ISSUER));
    assert_eq!(reason(&it.server, &it.token).await, "issuer_disabled");
    assert_eq!(reason_of(it.server.revalidate(&accepted)), "issuer_disabled");
    assert_eq!(reason(&it.server, &token(&other)).await, "accepted");

    assert!(it.server.enable_issuer(ISSUER));
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    assert_eq!(reason_of(it.server.revalidate(&accepted)), "good");
    assert_eq!(it.fetches.load(Ordering::SeqCst), 1, "its keys were kept");
    assert!(!it.server.disable_issuer("https://nobody.example.com"));
}

/// A request that waits for keys is judged by what is trusted when they come.
#[tokio::test(start_paused = true)]
async fn d10_an_issuer_disabled_while_a_request_waits_is_refused() {
    let it = fixture(Mood::AnswersLate);
    let waiting = tokio::spawn({
        let (server, token) = (it.server.clone(), it.token.clone());
        async move { reason(&server, &token).await }
    });
    while it.fetches.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    it.server.disable_issuer(ISSUER);
    it.mood.send_replace(Mood::Answers);
    assert_eq!(waiting.await.unwrap(), "issuer_disabled");
}

#[tokio::test(start_paused = true)]
async fn d10_a_removed_issuer_is_refused_and_its_keys_die() {
    let it = fixture(Mood::Answers);
    let accepted = it.server.validate(&it.token).await.unwrap();
    assert!(it.server.remove_issuer(ISSUER));
    assert!(!it.server.remove_issuer(ISSUER));
    assert_eq!(reason(&it.server, &it.token).await, "issuer_mismatch");
    assert_eq!(reason_of(it.server.revalidate(&accepted)), "issuer_disabled");
    assert!(it.server.key_sets().is_empty());

    // One that comes back has keys of its own.
    it.server.add_issuer(&Issuer::new(ISSUER).key_source(source_of(&it))).unwrap();
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    assert_eq!(it.fetches.load(Ordering::SeqCst), 2);
    assert_eq!(reason_of(it.server.revalidate(&accepted)), "issuer_disabled");
}

/// CVE-2024-45809: the configuration is reloaded while a fetch is under way.
#[tokio::test(start_paused = true)]
async fn j15_an_issuer_replaced_during_a_fetch_is_judged_by_its_new_configuration() {
    let it = fixture(Mood::Hangs);
    let waiting = tokio::spawn({
        let (server, token) = (it.server.clone(), it.token.clone());
        async move { reason(&server, &token).await }
    });
    while it.fetches.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    it.server.add_issuer(&it.issuer.trusted()).unwrap();
    assert_eq!(waiting.await.unwrap(), "accepted");
    assert_eq!(it.server.key_sets().len(), 1);
}

/// CVE-2025-64527: two tokens, two issuers, both fetches fail, and everybody goes on.
#[tokio::test(start_paused = true)]
async fn j15_two_issuers_whose_fetches_fail_together_stay_apart() {
    let (it, second) = (fixture(Mood::Fails), fixture(Mood::Fails));
    let other = TestIssuer::with_key("https://other.example.com", key(1)).with_clock(it.clock.clone());
    it.server.add_issuer(&Issuer::new(other.url()).key_source(source_of(&second))).unwrap();
    let other_token = token(&other);
    let verdicts = tokio::join!(reason(&it.server, &it.token), reason(&it.server, &other_token));
    assert_eq!(verdicts, ("keys_unavailable", "keys_unavailable"));
    it.mood.send_replace(Mood::Answers);
    it.clock.advance(KeyPolicy::MAX_BACKOFF);
    let verdicts = tokio::join!(reason(&it.server, &it.token), reason(&it.server, &other_token));
    assert_eq!(verdicts, ("accepted", "keys_unavailable"));
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_contradicts_itself_changes_nothing() {
    let it = fixture(Mood::Answers);
    let refused = it.server.add_issuer(&Issuer::new("http://as.example.com")).unwrap_err();
    assert_eq!(refused.setting(), "issuer");
    let refused = it.server.add_issuer(&Issuer::new(ISSUER).jwk_set("{}")).unwrap_err();
    assert_eq!(refused.setting(), "jwk_set");
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
}

#[tokio::test(start_paused = true)]
async fn f08_a_key_that_left_the_set_ends_what_it_signed() {
    let it = fixture(Mood::Answers);
    let (accepted, old) = (it.server.validate(&it.token).await.unwrap(), it.issuer.jwk_set());
    it.issuer.add_key(key(1));
    refresh(&it).await;
    // The same key in a new set is the same key.
    assert_ne!(it.issuer.jwk_set(), old);
    assert_eq!(reason_of(it.server.revalidate(&accepted)), "good");

    it.issuer.rotate_keys().unwrap();
    refresh(&it).await;
    assert_eq!(reason_of(it.server.revalidate(&accepted)), "no_matching_key");
}

/// Requests past four fifths of the lifetime start a refresh and do not wait for it.
async fn refresh(it: &Fixture) {
    it.clock.advance(Duration::from_secs(270));
    let before = it.fetches.load(Ordering::SeqCst);
    let fetched = || it.server.key_sets()[0].fetches.fetched;
    let count = fetched();
    let _ = it.server.validate(&it.token).await;
    while fetched() == count {
        tokio::task::yield_now().await;
    }
    assert_eq!(it.fetches.load(Ordering::SeqCst), before + 1);
}

#[tokio::test(start_paused = true)]
async fn k05_what_is_judged_again_is_judged_by_the_clock_of_now() {
    let it = fixture(Mood::Answers);
    let accepted = it.server.validate(&it.token).await.unwrap();
    let start = UnixTime::from_secs(1_800_000_000);
    let day = Duration::from_secs(86_400);
    for (wall, expected) in [
        (Some(start.saturating_add(day)), "good"), // leeway
        (Some(start.saturating_add(day + Duration::from_secs(30))), "expired"),
        (Some(start.saturating_sub(day)), "issued_in_future"),
        (Some(UnixTime::from_secs(0)), "issued_in_future"),
        (Some(UnixTime::from_secs(4_300_000_000)), "expired"),
        (None, "clock_unavailable"),
        (Some(start), "good"),
    ] {
        it.clock.set_wall(wall);
        assert_eq!(reason_of(it.server.revalidate(&accepted)), expected, "{wall:?}");
        assert_eq!(reason(&it.server, &it.token).await.replace("accepted", "good"), expected, "{wall:?}");
    }
    // The wall clock moved, the age of the keys did not.
    assert_eq!(it.fetches.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn f07_what_is_judged_again_with_keys_too_old_is_unavailable() {
    let it = fixture(Mood::Answers);
    let accepted = it.server.validate(&it.token).await.unwrap();
    it.clock.advance(Duration::from_secs(300 + 3600 - 1));
    assert_eq!(reason_of(it.server.revalidate(&accepted)), "good");
    it.clock.advance(Duration::from_secs(1));
    assert_eq!(reason_of(it.server.revalidate(&accepted)), "keys_unavailable");
}

#[tokio::test(start_paused = true)]
async fn r73_another_resource_server_does_not_judge_it_again() {
    let (it, other) = (fixture(Mood::Answers), fixture(Mood::Answers));
    let accepted = it.server.validate(&it.token).await.unwrap();
    assert_eq!(reason_of(other.server.revalidate(&accepted)), "other_resource_server");
}

#[tokio::test(start_paused = true)]
async fn f13_a_fetch_ends_with_the_last_handle() {
    let it = fixture(Mood::Hangs);
    let (server, token) = (it.server.clone(), it.token.clone());
    assert_eq!(reason(&server, &token).await, "keys_unavailable");
    let Fixture { server: last, fetches, .. } = it;
    // The source counts with us for as long as its fetch hangs.
    drop(server);
    assert_eq!(Arc::strong_count(&fetches), 2);
    drop(last);
    while Arc::strong_count(&fetches) > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn f13_a_fetch_ends_with_its_issuer() {
    let it = fixture(Mood::Hangs);
    assert_eq!(reason(&it.server, &it.token).await, "keys_unavailable");
    it.server.remove_issuer(ISSUER);
    while Arc::strong_count(&it.fetches) > 1 {
        tokio::task::yield_now().await;
    }
}

/// Also when a token that it signed outlives it.
#[tokio::test(start_paused = true)]
async fn f13_a_fetch_ends_with_its_issuer_though_a_token_keeps_its_keys() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let it = fixture(Mood::Answers);
    let accepted = it.server.validate(&it.token).await.unwrap();
    it.mood.send_replace(Mood::Hangs);
    it.clock.advance(Duration::from_secs(270));
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    while it.fetches.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(tasks(), 1, "the refresh hangs");
    it.server.remove_issuer(ISSUER);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(tasks(), 0);
    assert_eq!(reason_of(it.server.revalidate(&accepted)), "issuer_disabled");
}

/// Nothing runs in the background: an idle resource server owns no task.
#[tokio::test(start_paused = true)]
async fn f13_nothing_runs_while_nothing_is_needed() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let it = fixture(Mood::Answers);
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    it.clock.advance(Duration::from_secs(86_000));
    tokio::time::advance(Duration::from_secs(86_000)).await;
    tokio::task::yield_now().await;
    assert_eq!(tasks(), before);
    assert_eq!(it.fetches.load(Ordering::SeqCst), 1, "idle issuers are not polled");
}

#[tokio::test]
async fn a_key_is_there_when_it_was_fetched() {
    let (provider, issuer) = Provider::with_keys().await;
    let server: ResourceServer = provider.resource_server();
    let (url, algorithm) = (provider.url(""), tower_bearer::jose::Algorithm::EdDSA);
    assert!(!server.has_key(&url, None, algorithm));
    assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
    assert!(server.has_key(&url, None, algorithm));
    let kid = server.key_sets()[0].key_ids[0].clone();
    assert!(server.has_key(&url, Some(&kid), algorithm));
    assert!(!server.has_key(&url, Some("another"), algorithm));
    assert!(!server.has_key(&url, Some(&kid), tower_bearer::jose::Algorithm::RS256));
    assert!(!server.has_key("https://other.example.com", Some(&kid), algorithm));
    assert_eq!(provider.key_fetches(), 1, "nothing is fetched for it");
    server.disable_issuer(&url);
    assert!(!server.has_key(&url, Some(&kid), algorithm));
}
