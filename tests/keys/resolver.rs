//! Issuers that the application names when a token asks for them.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;
use tower_bearer::jose::Algorithm;
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer::{Issuer, ResourceServer};
use tower_bearer_test::{SigningKey, TestIssuer};

use crate::provider::{AUDIENCE, key, reason, token};
use crate::source::{Mood, fixture, source_of};

/// What the application's list says.
#[derive(Clone, Copy, Debug)]
enum Says {
    Ours,
    NotOurs,
    Fails,
    Hangs,
    AnotherIssuer,
    Contradiction,
    Panics,
}

struct Tenants {
    server: ResourceServer,
    clock: ManualClock,
    says: Arc<Mutex<Says>>,
    calls: Arc<AtomicUsize>,
}

fn tenants(says: Says) -> Tenants {
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let (says, calls) = (Arc::new(Mutex::new(says)), Arc::new(AtomicUsize::new(0)));
    let (list, count) = (Arc::clone(&says), Arc::clone(&calls));
    let resolver = move |issuer: String| {
        count.fetch_add(1, Ordering::SeqCst);
        let says = *list.lock().unwrap();
        async move {
            match says {
                Says::Ours => Ok(Some(TestIssuer::with_key(issuer, key(0)).trusted())),
                Says::NotOurs => Ok(None),
                Says::Fails => Err(io::Error::other("the database is away").into()),
                Says::Hangs => std::future::pending().await,
                Says::AnotherIssuer => Ok(Some(TestIssuer::with_key("https://other.example.com", key(0)).trusted())),
                Says::Contradiction => Ok(Some(Issuer::new(issuer).algorithms([]))),
                Says::Panics => {
                    Ok(Some(Issuer::new(issuer).http_client(|_| panic!("the application's code may panic"))))
                }
            }
        }
    };
    let builder = ResourceServer::builder().audience(AUDIENCE).issuer_resolver(resolver);
    Tenants { server: builder.clock(clock.clone()).build().unwrap(), clock, says, calls }
}

impl Tenants {
    fn token_of(&self, issuer: &str) -> String {
        token(&TestIssuer::with_key(issuer, key(0)).with_clock(self.clock.clone()))
    }

    async fn reason(&self, issuer: &str) -> &'static str {
        reason(&self.server, &self.token_of(issuer)).await
    }

    fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

const TENANT: &str = "https://tenant.example.com";

#[tokio::test(start_paused = true)]
async fn a_resolved_issuer_is_asked_for_once() {
    let it = tenants(Says::Ours);
    let requests = (0..50).map(|_| {
        let (server, token) = (it.server.clone(), it.token_of(TENANT));
        tokio::spawn(async move { reason(&server, &token).await })
    });
    for request in requests.collect::<Vec<_>>() {
        assert_eq!(request.await.unwrap(), "accepted");
    }
    it.clock.advance(Duration::from_secs(80_000));
    assert_eq!(it.reason(TENANT).await, "accepted");
    assert_eq!(it.calls(), 1);
    assert_eq!(it.server.key_sets()[0].issuer, TENANT);
}

/// A tenant's keys are fetched as any issuer's: the request waits for the resolver, and then for the keys.
#[tokio::test(start_paused = true)]
async fn f06_the_first_request_of_a_tenant_waits_for_issuer_and_keys() {
    let keys = fixture(Mood::Answers);
    let source = Arc::new(Mutex::new(Some(source_of(&keys))));
    let server = ResourceServer::builder()
        .audience(AUDIENCE)
        .issuer_resolver(move |issuer: String| {
            let source = source.lock().unwrap().take().unwrap();
            async move { Ok(Some(Issuer::new(issuer).key_source(source))) }
        })
        .clock(keys.clock.clone())
        .build()
        .unwrap();
    assert_eq!(reason(&server, &keys.token).await, "accepted");
    assert_eq!(keys.fetches.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn d11_an_issuer_that_is_not_ours_is_remembered_for_thirty_seconds() {
    let it = tenants(Says::NotOurs);
    for (wait, calls) in [(0, 1), (29, 1), (1, 2)] {
        it.clock.advance(Duration::from_secs(wait));
        assert_eq!(it.reason(TENANT).await, "issuer_mismatch");
        assert_eq!(it.calls(), calls, "{wait}");
    }
    // A tenant that has come since is found.
    it.say(Says::Ours);
    it.clock.advance(Duration::from_secs(30));
    assert_eq!(it.reason(TENANT).await, "accepted");
}

#[tokio::test(start_paused = true)]
async fn j07_a_resolver_that_fails_is_503_and_is_asked_again_after_five_seconds() {
    for says in [Says::Fails, Says::AnotherIssuer, Says::Contradiction, Says::Panics] {
        let it = tenants(says);
        for (wait, calls) in [(0, 1), (4, 1), (1, 2)] {
            it.clock.advance(Duration::from_secs(wait));
            assert_eq!(it.reason(TENANT).await, "keys_unavailable", "{says:?}");
            assert_eq!(it.calls(), calls, "{says:?} {wait}");
        }
        assert!(it.server.key_sets().is_empty(), "{says:?}");
        it.say(Says::Ours);
        it.clock.advance(Duration::from_secs(5));
        assert_eq!(it.reason(TENANT).await, "accepted", "{says:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn j03_a_resolver_that_hangs_keeps_a_request_for_two_seconds_and_ends_after_five() {
    let it = tenants(Says::Hangs);
    let began = Instant::now();
    for seconds in [2, 4, 5] {
        assert_eq!(it.reason(TENANT).await, "keys_unavailable");
        assert_eq!(began.elapsed(), Duration::from_secs(seconds));
    }
    assert_eq!(it.calls(), 1);
    it.say(Says::Ours);
    it.clock.advance(Duration::from_secs(5));
    assert_eq!(it.reason(TENANT).await, "accepted");
}

/// The name is that of a token which nobody has verified.
#[tokio::test(start_paused = true)]
async fn d11_what_cannot_be_an_issuer_is_not_asked_for() {
    let it = tenants(Says::Ours);
    let long = format!("https://as.example.com/{}", "x".repeat(500));
    for issuer in ["", " tenant", "ten\nant", ":tenant", "a b:c", "urn:{tenant}", "https://u:p@as.example.com", &long] {
        assert_eq!(it.reason(issuer).await, "issuer_mismatch", "{issuer}");
    }
    let missing = TestIssuer::with_key(TENANT, key(0)).token().without_claim("iss").sign();
    assert_eq!(reason(&it.server, &missing).await, "claim_missing");
    assert_eq!(it.calls(), 0);
}

/// An issuer is a StringOrURI (RFC 7519 §4.1.1): the application decides which ones are ours.
#[tokio::test(start_paused = true)]
async fn d11_an_issuer_that_is_no_url_can_be_resolved() {
    let it = tenants(Says::Ours);
    let names =
        ["tenant", "privy.example", "urn:example:tenant", "http://as.example.com", "https://as.example.com/?a=b"];
    for (calls, name) in (1..).zip(names) {
        assert_eq!(it.reason(name).await, "accepted", "{name}");
        assert_eq!(it.calls(), calls, "{name}");
    }
}

/// A flood of invented issuers costs 100 calls in 30 seconds, and tenants that are known do not notice.
#[tokio::test(start_paused = true)]
async fn f11_a_flood_of_issuers_is_bounded_and_known_tenants_do_not_notice() {
    let it = tenants(Says::Ours);
    assert_eq!(it.reason(TENANT).await, "accepted");
    it.say(Says::NotOurs);
    let mut answers = Vec::new();
    for n in 0..300 {
        answers.push(it.reason(&format!("https://{n}.example.com")).await);
    }
    assert_eq!(it.calls(), 1 + 100);
    assert!(answers[..100].iter().all(|answer| *answer == "issuer_mismatch"));
    assert!(answers[100..].iter().all(|answer| *answer == "keys_unavailable"), "nobody can say whether they are ours");
    assert_eq!(it.reason(TENANT).await, "accepted");
    it.clock.advance(Duration::from_secs(30));
    it.say(Says::Ours);
    assert_eq!(it.reason("https://new.example.com").await, "accepted");
}

/// Calls that bring an issuer are free: a thousand tenants can come at once.
#[tokio::test(start_paused = true)]
async fn a_thousand_tenants_are_kept_and_the_least_recently_verified_goes() {
    let it = tenants(Says::Ours);
    let name = |n: usize| format!("https://{n}.example.com");
    for n in 0..1_000 {
        assert_eq!(it.reason(&name(n)).await, "accepted");
        it.clock.advance(Duration::from_secs(1));
    }
    assert_eq!((it.server.key_sets().len(), it.calls()), (1_000, 1_000));
    // The first one is verified again, so the second one is the oldest.
    assert_eq!(it.reason(&name(0)).await, "accepted");
    assert_eq!(it.reason("https://new.example.com").await, "accepted");
    let urls: Vec<_> = it.server.key_sets().into_iter().map(|status| status.issuer).collect();
    assert_eq!(urls.len(), 1_000);
    assert!(urls.contains(&name(0)) && urls.contains(&name(2)) && !urls.contains(&name(1)));
}

/// Tokens that only name tenants, with bad signatures, push out one tenant and then each other.
#[tokio::test(start_paused = true)]
async fn f11_naming_tenants_does_not_displace_verified_ones() {
    let it = tenants(Says::Ours);
    let name = |n: usize| format!("https://{n}.example.com");
    for n in 0..1_000 {
        assert_eq!(it.reason(&name(n)).await, "accepted");
    }
    let forger = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let keys = [(forger.clone(), "no_matching_key"), (forger.with_key_id(key(0).key_id()), "bad_signature")];
    for n in 1_000..1_050 {
        let (key, expected) = keys[n % 2].clone();
        let forged = TestIssuer::with_key(name(n), key).with_clock(it.clock.clone());
        assert_eq!(reason(&it.server, &token(&forged)).await, expected);
        it.clock.advance(Duration::from_secs(1));
    }
    let urls: Vec<_> = it.server.key_sets().into_iter().map(|status| status.issuer).collect();
    assert_eq!((0..1_000).filter(|n| urls.contains(&name(*n))).count(), 999);
}

/// Nor does it cost more than the budget, although each of them is ours: a tenant that makes room for another one and
/// comes back would have its keys fetched each time.
#[tokio::test(start_paused = true)]
async fn f11_naming_tenants_in_turn_is_bounded() {
    let it = tenants(Says::Ours);
    let name = |n: usize| format!("https://{n}.example.com");
    for n in 0..1_000 {
        assert_eq!(it.reason(&name(n)).await, "accepted");
    }
    let forger = SigningKey::generate(Algorithm::EdDSA).unwrap();
    for n in 0..500 {
        let forged = TestIssuer::with_key(name(1_000 + n % 2), forger.clone()).with_clock(it.clock.clone());
        reason(&it.server, &token(&forged)).await;
    }
    assert!(it.calls() <= 1_000 + 101, "{}", it.calls());
    assert_eq!(it.reason(&name(999)).await, "accepted");
    it.clock.advance(Duration::from_secs(30));
    assert_eq!(it.reason("https://new.example.com").await, "accepted");
}

/// Tenants that are of use cost no budget, however many there are.
#[tokio::test(start_paused = true)]
async fn more_than_a_thousand_tenants_in_turn_are_served() {
    let it = tenants(Says::Ours);
    for n in (0..1_200).chain(0..1_200) {
        assert_eq!(it.reason(&format!("https://{n}.example.com")).await, "accepted", "{n}");
        it.clock.advance(Duration::from_millis(10));
    }
}

/// Nobody who keeps a token sees what becomes of its tenant after that made room for another one.
#[tokio::test(start_paused = true)]
async fn d10_a_tenant_disabled_after_it_made_room_and_came_back_is_not_good_any_more() {
    let it = tenants(Says::Ours);
    let kept = it.server.validate(&it.token_of(TENANT)).await.unwrap();
    for n in 0..1_000 {
        it.clock.advance(Duration::from_millis(10));
        assert_eq!(it.reason(&format!("https://{n}.example.com")).await, "accepted");
    }
    assert_eq!(it.server.revalidate(&kept).unwrap_err().reason(), "keys_unavailable");
    assert_eq!(it.reason(TENANT).await, "accepted");
    assert!(it.server.disable_issuer(TENANT));
    assert_eq!(it.reason(TENANT).await, "issuer_disabled");
    assert_eq!(it.server.revalidate(&kept).unwrap_err().reason(), "keys_unavailable");
}

/// Who is asked about often is of use: the tenant of a long connection does not make room.
#[tokio::test(start_paused = true)]
async fn a_tenant_that_is_judged_again_stays() {
    let it = tenants(Says::Ours);
    let kept = it.server.validate(&it.token_of(TENANT)).await.unwrap();
    for n in 0..1_100 {
        it.clock.advance(Duration::from_millis(10));
        assert_eq!(it.reason(&format!("https://{n}.example.com")).await, "accepted");
        assert!(it.server.revalidate(&kept).is_ok(), "{n}");
    }
}

/// A remembered token does not speak for a tenant that made room, whatever the resolver says of it now.
#[tokio::test(start_paused = true)]
async fn d10_a_remembered_token_of_a_tenant_that_made_room_is_judged_anew() {
    for (says, expected) in
        [(Says::Ours, "accepted"), (Says::NotOurs, "issuer_mismatch"), (Says::Fails, "keys_unavailable")]
    {
        let it = tenants(Says::Ours);
        let kept = it.token_of(TENANT);
        assert_eq!(reason(&it.server, &kept).await, "accepted");
        for n in 0..1_000 {
            it.clock.advance(Duration::from_millis(10));
            assert_eq!(it.reason(&format!("https://{n}.example.com")).await, "accepted");
        }
        it.say(says);
        assert_eq!(reason(&it.server, &kept).await, expected);
        assert_eq!(it.calls(), 1_002, "the resolver was asked");
    }
}

/// A tenant whose tokens are remembered is of use: it does not make room.
#[tokio::test(start_paused = true)]
async fn a_tenant_whose_token_is_remembered_stays() {
    let it = tenants(Says::Ours);
    let kept = it.token_of(TENANT);
    for n in 0..1_100 {
        it.clock.advance(Duration::from_millis(10));
        assert_eq!(reason(&it.server, &kept).await, "accepted");
        assert_eq!(it.reason(&format!("https://{n}.example.com")).await, "accepted");
    }
    assert_eq!(it.calls(), 1_101);
}

#[tokio::test(start_paused = true)]
async fn d10_a_disabled_tenant_is_not_brought_back_by_the_resolver() {
    let it = tenants(Says::Ours);
    assert_eq!(it.reason(TENANT).await, "accepted");
    assert!(it.server.disable_issuer(TENANT));
    for n in 0..1_001 {
        assert_eq!(it.reason(&format!("https://{n}.example.com")).await, "accepted");
    }
    assert_eq!(it.reason(TENANT).await, "issuer_disabled");
    assert!(it.server.enable_issuer(TENANT));
    assert_eq!(it.reason(TENANT).await, "accepted");
}

/// One tenant's flood or outage is its own.
#[tokio::test(start_paused = true)]
async fn f11_a_storm_at_one_issuer_does_not_use_the_budget_of_another() {
    let (a, b) = (fixture(Mood::Answers), fixture(Mood::Answers));
    let other = TestIssuer::with_key("https://b.example.com", key(0)).with_clock(a.clock.clone());
    a.server.add_issuer(&Issuer::new(other.url()).key_source(source_of(&b))).unwrap();
    let good_of_b = token(&other);
    assert_eq!(reason(&a.server, &a.token).await, "accepted");
    assert_eq!(reason(&a.server, &good_of_b).await, "accepted");

    a.mood.send_replace(Mood::Hangs);
    for n in 0..10 {
        let random = a.issuer.token().audience(AUDIENCE).header("kid", format!("random-{n}")).sign();
        assert_eq!(reason(&a.server, &random).await, "key_not_proven_absent");
    }
    let began = Instant::now();
    let rotated = other.token().audience(AUDIENCE).header("kid", "rotated").sign();
    assert_eq!(reason(&a.server, &rotated).await, "no_matching_key");
    assert_eq!(b.fetches.load(Ordering::SeqCst), 2, "its own budget is whole");
    assert_eq!(began.elapsed(), Duration::ZERO, "and its provider answers");
}

#[tokio::test(start_paused = true)]
async fn f13_a_call_ends_with_the_last_handle() {
    let it = tenants(Says::Hangs);
    assert_eq!(it.reason(TENANT).await, "keys_unavailable");
    let Tenants { server, calls, .. } = it;
    drop(server);
    // The closure holds the counter for as long as the call hangs.
    while Arc::strong_count(&calls) > 1 {
        tokio::task::yield_now().await;
    }
}

/// One tenant's outage must not take the service out of rotation, nor keep it from starting.
#[tokio::test(start_paused = true)]
async fn f10_a_tenant_without_keys_does_not_make_the_service_unready() {
    let keys = fixture(Mood::Fails);
    let source = Arc::new(Mutex::new(Some(source_of(&keys))));
    let resolver = move |issuer: String| {
        let source = source.lock().unwrap().take().unwrap();
        async move { Ok(Some(Issuer::new(issuer).key_source(source))) }
    };
    let builder = ResourceServer::builder().audience(AUDIENCE).issuer_resolver(resolver);
    let server = builder.clock(keys.clock.clone()).build().unwrap();
    assert_eq!(reason(&server, &keys.token).await, "keys_unavailable");
    assert_eq!(server.key_sets().len(), 1);
    assert!(server.readiness().is_ready() && server.readiness().issuers.is_empty());
    server.warm_up(Duration::from_secs(60)).await.unwrap();
}
