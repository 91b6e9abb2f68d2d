//! The rows of the table that make a request wait, refuse it, or leave it undecided.

use std::sync::atomic::Ordering;

use super::*;
use crate::source::{Mood, fixture, fixture_with};

/// Row c: a `kid` that a fetch proved absent stays so for 30 seconds, whatever happens to the provider.
#[tokio::test]
async fn r18_c_a_kid_that_was_looked_for_is_401_for_thirty_seconds_and_then_not_proven() {
    for (passed, expected) in [(0, UNKNOWN), (29, UNKNOWN), (30, UNPROVEN)] {
        let (provider, issuer) = Provider::with_keys().await;
        let server = provider.resource_server();
        assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
        let junk = with_kid(&issuer, "junk");
        assert_eq!(reason(&server, &junk).await, UNKNOWN);
        provider.answer(JWK_SET, Answer::Status(503));
        provider.answer(OAUTH_METADATA, Answer::Status(503));
        provider.pass(passed);
        assert_eq!(reason(&server, &junk).await, expected, "{passed}");
        assert_eq!(reason(&server, &with_kid(&issuer, "other")).await, UNPROVEN, "nobody looked for this one");
    }
}

/// The fetch remembers the `kid` it looked for, even when no request waits for it any more.
#[tokio::test(start_paused = true)]
async fn r18_c_a_request_that_left_has_looked_for_its_kid() {
    let it = fixture(Mood::Answers);
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    let junk = with_kid(&it.issuer, "junk");
    it.mood.send_replace(Mood::AnswersLate);
    assert_eq!(at_once(&it.server, &junk), None);
    it.mood.send_replace(Mood::Answers);
    while it.server.key_sets()[0].fetches.fetched < 2 {
        tokio::task::yield_now().await;
    }
    it.mood.send_replace(Mood::Fails);
    assert_eq!(at_once(&it.server, &junk), Some(UNKNOWN));
    assert_eq!(it.fetches.load(Ordering::SeqCst), 2);
}

/// Row h: a fetch that began before the request arrived proves nothing, however close the two are.
#[tokio::test(start_paused = true)]
async fn r18_h_a_fetch_that_began_before_the_request_proves_nothing() {
    let it = fixture(Mood::Answers);
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    it.mood.send_replace(Mood::AnswersLate);
    let early = tokio::spawn({
        let (server, junk) = (it.server.clone(), with_kid(&it.issuer, "junk"));
        async move { reason(&server, &junk).await }
    });
    while it.fetches.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    it.issuer.rotate_keys().unwrap();
    let rotated = token(&it.issuer);
    let mut late = pin!(it.server.validate(&rotated));
    assert!(late.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    it.mood.send_replace(Mood::Answers);
    assert_eq!(early.await.unwrap(), UNKNOWN, "e: that one asked for the fetch");
    let error = late.await.unwrap_err();
    assert_eq!(retry_after(&error), Duration::ZERO, "there is a fetch left in the budget");
    assert_eq!(reason(&it.server, &rotated).await, "accepted");
}

/// Row d, then f: the request has waited, and the fetch has not ended.
#[tokio::test(start_paused = true)]
async fn r18_f_a_fetch_that_has_not_ended_proves_nothing() {
    let it = fixture_with(Mood::Answers, KeyPolicy::default().fetch_timeout(Duration::from_secs(600)));
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    it.mood.send_replace(Mood::Hangs);
    let began = tokio::time::Instant::now();
    let error = it.server.validate(&with_kid(&it.issuer, "junk")).await.unwrap_err();
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    assert_eq!(retry_after(&error), Duration::from_secs(30), "not the 600 that the fetch may take");
}

#[tokio::test(start_paused = true)]
async fn r18_f_an_interrupted_fetch_proves_nothing() {
    let it = fixture(Mood::Answers);
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    it.mood.send_replace(Mood::Panics);
    for n in 0..4 {
        let error = it.server.validate(&with_kid(&it.issuer, &format!("junk-{n}"))).await.unwrap_err();
        // Once the budget is spent, when the backoff after two failures is over.
        let expected = if n == 0 { 0..=0 } else { 9_000..=11_000 };
        assert!(expected.contains(&retry_after(&error).as_millis()), "{n}: {error}");
    }
    assert_eq!(it.fetches.load(Ordering::SeqCst), 1 + KeyPolicy::UNKNOWN_KID_FETCHES);
}

/// Row f: too many requests wait already.
#[tokio::test(start_paused = true)]
async fn r18_f_when_all_places_are_taken_nothing_is_proven() {
    let it = fixture(Mood::Answers);
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    it.mood.send_replace(Mood::Hangs);
    let junk = with_kid(&it.issuer, "junk");
    let mut context = Context::from_waker(Waker::noop());
    let mut waiting: Vec<_> =
        (0..KeyPolicy::MAX_WAITING_REQUESTS).map(|_| Box::pin(it.server.validate(&junk))).collect();
    assert!(waiting.iter_mut().all(|request| request.as_mut().poll(&mut context).is_pending()));
    let answer = ask(&it.server, &junk).await;
    assert_eq!((answer.status, answer.reason, &answer.headers["retry-after"]), (503, UNPROVEN, &"5".parse().unwrap()));
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    waiting.pop();
    assert_eq!(at_once(&it.server, &junk), None, "d: there is a place again");
}

/// A provider and its failover, which has the same keys; the provider has rotated its own and is down.
async fn failed_over() -> (Provider, Provider, ResourceServer, TestIssuer) {
    let ((first, issuer), second) = (Provider::with_keys().await, Provider::start().await);
    second.publish(&issuer);
    let trusted = Issuer::new(first.url("")).jwk_set_url(first.url(JWK_SET)).failover_jwk_set_url(second.url(JWK_SET));
    let server = first.resource_server_trusting(trusted);
    first.answer(JWK_SET, Answer::Status(503));
    assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
    (first, second, server, issuer)
}

#[tokio::test]
async fn r18_f_a_failovers_set_proves_no_absence() {
    let (first, second, server, issuer) = failed_over().await;
    let rotated = first.issuer(key(1));
    for n in 0..4 {
        let answer = ask(&server, &token(&rotated)).await;
        assert_eq!((answer.status, answer.reason), (503, UNPROVEN), "{n}");
        assert_eq!(reason(&server, &with_kid(&issuer, &format!("junk-{n}"))).await, UNPROVEN, "{n}");
        assert_eq!(reason(&server, &token(&issuer)).await, "accepted", "{n}");
    }
    assert_eq!(second.key_fetches(), 1 + KeyPolicy::UNKNOWN_KID_FETCHES);
    assert_eq!(server.key_sets()[0].failures, 0, "the failover serves");

    first.publish(&rotated);
    first.pass(30);
    assert_eq!(reason(&server, &token(&rotated)).await, "accepted");
    assert_eq!(reason(&server, &token(&issuer)).await, UNKNOWN, "the provider itself has answered");
}

/// The same for "nothing has changed", from a failover and from the provider itself.
#[tokio::test]
async fn r18_f_whoever_says_unchanged_proves_as_much_as_with_a_set() {
    let (first, second, server, issuer) = failed_over().await;
    let set = issuer.jwk_set().to_string();
    second.answer(JWK_SET, Answer::Validated("\"1\"", set.clone()));
    for n in 0..3 {
        assert_eq!(reason(&server, &with_kid(&issuer, &format!("junk-{n}"))).await, UNPROVEN, "{n}");
    }
    assert_eq!(server.key_sets()[0].fetches.unchanged, 1);

    first.answer(JWK_SET, Answer::Validated("\"1\"", set));
    first.pass(30);
    for n in 0..3 {
        assert_eq!(reason(&server, &with_kid(&issuer, &format!("other-{n}"))).await, UNKNOWN, "{n}");
    }
    assert_eq!(server.key_sets()[0].fetches.unchanged, 2);
}

/// A token that was accepted with the provider's set, whose key a failover's set lacks.
#[tokio::test]
async fn r18_f_a_key_that_only_a_failover_lacks_is_not_proven_absent_for_accepted_tokens_either() {
    let ((first, issuer), second) = (Provider::with_keys().await, Provider::start().await);
    second.publish(&first.issuer(key(1)));
    let trusted = Issuer::new(first.url("")).jwk_set_url(first.url(JWK_SET)).failover_jwk_set_url(second.url(JWK_SET));
    let server = first.resource_server_trusting(trusted);
    let accepted = server.validate(&token(&issuer)).await.unwrap();
    first.answer(JWK_SET, Answer::Status(503));
    assert_eq!(reason(&server, &token(&first.issuer(key(1)))).await, "accepted", "the failover answers");
    assert!(retry_after(&server.revalidate(&accepted).unwrap_err()) <= Duration::from_secs(30));
    assert_eq!(reason(&server, &token(&issuer)).await, UNPROVEN);

    let rotated = first.issuer(key(2));
    first.publish(&rotated);
    first.pass(30);
    assert_eq!(reason(&server, &token(&rotated)).await, "accepted");
    assert_eq!(server.revalidate(&accepted).unwrap_err().reason(), UNKNOWN, "the provider itself lacks it");
}

/// A failover's set replaces the issuer's for a while: a connection that was accepted before goes on after that.
#[tokio::test]
async fn r18_f_a_key_that_comes_back_with_the_issuers_own_set_is_good_again() {
    let ((first, issuer), second) = (Provider::with_keys().await, Provider::start().await);
    second.publish(&first.issuer(key(1)));
    let trusted = Issuer::new(first.url("")).jwk_set_url(first.url(JWK_SET)).failover_jwk_set_url(second.url(JWK_SET));
    let server = first.resource_server_trusting(trusted);
    let accepted = server.validate(&token(&issuer)).await.unwrap();
    first.answer(JWK_SET, Answer::Status(503));
    assert_eq!(reason(&server, &token(&first.issuer(key(1)))).await, "accepted", "the failover answers");
    assert!(server.revalidate(&accepted).is_err());

    first.publish(&issuer);
    first.pass(30);
    assert_eq!(reason(&server, &token(&issuer)).await, "accepted", "the issuer answers, with the same key");
    assert_eq!(server.revalidate(&accepted), Ok(()));
}

/// Row b: without a set the `kid` does not matter.
#[tokio::test]
async fn r18_b_without_a_set_it_is_an_outage() {
    let (provider, issuer) = Provider::with_keys().await;
    let answers = provider.resource_server();
    provider.answer(JWK_SET, Answer::Status(503));
    for unknown in [token(&issuer), with_kid(&issuer, "junk")] {
        let answer = ask(&answers, &unknown).await;
        assert_eq!((answer.status, answer.reason), (503, "keys_unavailable"));
    }
    provider.publish(&issuer);
    provider.pass(6);
    assert_eq!(reason(&answers, &with_kid(&issuer, "junk")).await, UNKNOWN, "e: the fetch began after it arrived");
}

/// An imported set is not a fetch: the first unknown `kid` causes one.
#[tokio::test]
async fn r18_an_imported_set_proves_no_absence() {
    let (provider, issuer) = Provider::with_keys().await;
    let before = provider.resource_server();
    assert_eq!(reason(&before, &token(&issuer)).await, "accepted");
    let copy = before.export_key_sets();
    let after = provider.resource_server();
    assert_eq!(after.import_key_sets(&copy), 1);
    provider.answer(OAUTH_METADATA, Answer::Status(503));
    provider.answer(OPENID_METADATA, Answer::Status(503));
    for n in 0..4 {
        assert_eq!(reason(&after, &with_kid(&issuer, &format!("junk-{n}"))).await, UNPROVEN, "{n}");
    }
    assert_eq!(reason(&after, &token(&issuer)).await, "accepted");
}
