//! What is in a set, and what becomes of tokens when it changes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tower_bearer::jose::Algorithm;
use tower_bearer::time::UnixTime;
use tower_bearer::{Issuer, KeyPolicy, ResourceServer};
use tower_bearer_test::{SigningKey, TestIssuer};

use crate::provider::*;
use crate::source::{Fixture, Mood, fixture};

const LIFETIME: Duration = Duration::from_secs(300);

fn with_kid(it: &Fixture, kid: &str) -> String {
    it.issuer.token().audience(AUDIENCE).expires_in(Duration::from_secs(86_400)).header("kid", kid).sign()
}

/// Lets the refresh become due, has a request start it, and waits for its end.
async fn refresh(it: &Fixture) {
    it.clock.advance(LIFETIME * 9 / 10);
    let fetched = || it.server.key_sets()[0].fetches.fetched;
    let before = fetched();
    let _ = it.server.validate(&it.token).await;
    while fetched() == before {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn f01_an_unknown_kid_causes_one_fetch_and_then_none_for_thirty_seconds() {
    let it = fixture(Mood::Answers);
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    let unknown = with_kid(&it, "unknown");
    for (passed, fetches) in [(0, 2), (0, 2), (29, 2), (1, 3), (0, 3)] {
        it.clock.advance(Duration::from_secs(passed));
        assert_eq!(reason(&it.server, &unknown).await, "no_matching_key");
        assert_eq!(it.fetches.load(Ordering::SeqCst), fetches, "{passed}");
    }
}

#[tokio::test(start_paused = true)]
async fn f04_concurrent_requests_for_unknown_kids_share_one_fetch() {
    let it = fixture(Mood::Answers);
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    it.issuer.rotate_keys().unwrap();
    it.mood.send_replace(Mood::AnswersLate);
    let rotated = token(&it.issuer);
    let requests: Vec<_> = (0..100)
        .map(|n| {
            let token = if n % 2 == 0 { rotated.clone() } else { with_kid(&it, &format!("unknown-{n}")) };
            let server = it.server.clone();
            tokio::spawn(async move { (n, reason(&server, &token).await) })
        })
        .collect();
    while it.server.key_sets()[0].waiting_requests < 100 {
        tokio::task::yield_now().await;
    }
    it.mood.send_replace(Mood::Answers);
    for request in requests {
        let (n, verdict) = request.await.unwrap();
        // That one fetch began before all but the first of them arrived, so it does not prove absence.
        assert_eq!(verdict, if n % 2 == 0 { "accepted" } else { "key_not_proven_absent" });
    }
    assert_eq!(it.fetches.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn f05_j10_with_an_overlap_both_keys_pass_all_the_time() {
    let it = fixture(Mood::Answers);
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    for rotation in 0..5 {
        let old = token(&it.issuer);
        it.issuer.rotate_keys_with_overlap(2 * LIFETIME).unwrap();
        let new = token(&it.issuer);
        for token in [&old, &new, &old] {
            assert_eq!(reason(&it.server, token).await, "accepted", "{rotation}");
        }
        refresh(&it).await;
        for token in [&old, &new] {
            assert_eq!(reason(&it.server, token).await, "accepted", "{rotation}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn j10_a_key_that_left_the_set_is_refused_after_the_refresh() {
    let it = fixture(Mood::Answers);
    let accepted = it.server.validate(&it.token).await.unwrap();
    it.issuer.rotate_keys().unwrap();
    assert_eq!(reason(&it.server, &it.token).await, "accepted", "nobody has looked yet");
    assert_eq!(reason(&it.server, &token(&it.issuer)).await, "accepted", "this one looked");
    assert_eq!(reason(&it.server, &it.token).await, "no_matching_key");
    assert_eq!(it.server.revalidate(&accepted).unwrap_err().reason(), "no_matching_key");
}

/// Anybody can write a known `kid` above a bad signature, so that alone causes no fetch. The refresh that is due within
/// the lifetime, and that any request starts, notices.
#[tokio::test(start_paused = true)]
async fn f15_j11_new_material_under_an_old_kid_counts_from_the_next_refresh_on() {
    let it = fixture(Mood::Answers);
    let accepted = it.server.validate(&it.token).await.unwrap();
    let kid = it.issuer.signing_key().key_id().to_owned();
    it.issuer.replace_key_material(&kid).unwrap();
    let new = token(&it.issuer);
    for _ in 0..100 {
        assert_eq!(reason(&it.server, &new).await, "bad_signature");
    }
    assert_eq!(it.fetches.load(Ordering::SeqCst), 1);
    assert_eq!(reason(&it.server, &it.token).await, "accepted");

    // Nobody but the one with the new key comes: 80 % of the lifetime, and a tenth of that.
    it.clock.advance(Duration::from_secs(264));
    assert_eq!(reason(&it.server, &new).await, "bad_signature", "this one starts the refresh");
    while it.server.key_sets()[0].fetches.fetched < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(reason(&it.server, &new).await, "accepted");
    assert_eq!(reason(&it.server, &it.token).await, "bad_signature");
    assert_eq!(it.server.revalidate(&accepted).unwrap_err().reason(), "no_matching_key", "it is another key");
    assert_eq!(it.fetches.load(Ordering::SeqCst), 2);
}

/// A provider that publishes this document, and a resource server that knows its issuer.
async fn publishing(set: &Value) -> (Provider, ResourceServer) {
    let (provider, _) = Provider::with_keys().await;
    provider.answer(JWK_SET, Answer::Json(set.to_string()));
    let trusted = Issuer::new(provider.url("")).jwk_set_url(provider.url(JWK_SET));
    let server = provider.resource_server_trusting(trusted);
    (provider, server)
}

fn jwk(key: &SigningKey) -> Value {
    key.public_jwk()
}

#[tokio::test]
async fn j11_of_keys_with_one_kid_up_to_four_are_tried_and_more_are_refused() {
    let keys: Vec<_> = (0..5).map(|_| SigningKey::generate(Algorithm::EdDSA).unwrap().with_key_id("same")).collect();
    for count in 1..=5 {
        let set = json!({ "keys": keys[..count].iter().map(jwk).collect::<Vec<_>>() });
        let (provider, server) = publishing(&set).await;
        for (n, key) in keys.iter().enumerate() {
            let expected = match () {
                () if count > 4 => "too_many_keys",
                () if n < count => "accepted",
                () => "bad_signature",
            };
            assert_eq!(reason(&server, &token(&provider.issuer(key.clone()))).await, expected, "{n} of {count}");
        }
    }
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A public exponent of 65537 unless another is given.
fn rsa(kid: &str, modulus: &[u8], exponent: &[u8]) -> Value {
    json!({ "kty": "RSA", "kid": kid, "n": encoded(modulus), "e": encoded(exponent) })
}

fn point(kid: &str, x: &[u8], y: &[u8]) -> Value {
    json!({ "kty": "EC", "crv": "P-256", "kid": kid, "x": encoded(x), "y": encoded(y) })
}

fn with(key: &SigningKey, kid: &str, name: &str, value: Value) -> Value {
    let mut jwk = key.public_jwk();
    jwk["kid"] = kid.into();
    jwk[name] = value;
    jwk
}

/// Keys that nobody may use, by name.
fn unusable_keys() -> Vec<Value> {
    const F4: &[u8] = &[1, 0, 1];
    let modulus = |bytes: usize, last: u8| [vec![0xff; bytes - 1], vec![last]].concat();
    let ec = SigningKey::generate(Algorithm::ES256).unwrap();
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(ec.public_jwk()[name].as_str().unwrap()).unwrap();
    let (x, y) = (coordinate("x"), coordinate("y"));
    let padded = |coordinate: &[u8]| [&[0], coordinate].concat();
    let flipped = || y.iter().map(|byte| byte ^ 1).collect::<Vec<_>>();
    vec![
        with(&key(1), "private Ed25519", "d", encoded(&[7; 32]).into()),
        with(&ec, "private EC", "d", encoded(&[7; 32]).into()),
        json!({ "kty": "RSA", "kid": "private RSA", "n": encoded(&modulus(256, 0xff)), "e": "AQAB", "d": "Bw" }),
        json!({ "kty": "oct", "kid": "oct", "k": encoded(&[7; 64]) }),
        with(&key(1), "for encryption", "use", "enc".into()),
        with(&key(1), "for signing", "key_ops", json!(["sign"])),
        with(&key(1), "for nothing", "key_ops", json!([])),
        rsa("RSA-1024", &modulus(128, 0xff), F4),
        rsa("RSA-16384", &modulus(2048, 0xff), F4),
        rsa("even modulus", &modulus(256, 0xfe), F4),
        rsa("n = 0", &[0; 256], F4),
        rsa("no n", &[], F4),
        rsa("e = 0", &modulus(256, 0xff), &[0]),
        rsa("e = 1", &modulus(256, 0xff), &[1]),
        rsa("e = 2", &modulus(256, 0xff), &[2]),
        rsa("even e", &modulus(256, 0xff), &[1, 0, 0]),
        rsa("e > 2^33", &modulus(256, 0xff), &[2, 0, 0, 0, 1]),
        point("off the curve", &x, &flipped()),
        point("x = y = 0", &[0; 32], &[0; 32]),
        point("short x", &x[1..], &y),
        point("short y", &x, &y[..31]),
        point("long", &padded(&x), &padded(&y)),
        point("cut elsewhere", &x[..31], &[&x[31..], &y[..]].concat()),
    ]
}

#[tokio::test]
async fn j12_a_key_that_nobody_may_use_is_dropped_alone() {
    let bad = unusable_keys();
    let fine = SigningKey::generate(Algorithm::ES256).unwrap().with_key_id("fine");
    let all: Vec<_> = bad.iter().cloned().chain([jwk(&fine), rsa("fine RSA", &[0xff; 256], &[1, 0, 1])]).collect();
    let (provider, server) = publishing(&json!({ "keys": all })).await;
    assert_eq!(reason(&server, &token(&provider.issuer(fine.clone()))).await, "accepted");
    assert_eq!(server.key_sets()[0].key_ids, ["fine", "fine RSA"]);
    // One by one they are no set, and the one that is there stays.
    for (n, bad) in bad.into_iter().enumerate() {
        provider.answer(JWK_SET, Answer::Json(json!({ "keys": [bad] }).to_string()));
        provider.pass(30);
        assert_eq!(reason(&server, &token(&provider.issuer(key(2)))).await, "key_not_proven_absent", "{bad}");
        let status = &server.key_sets()[0];
        assert_eq!(usize::try_from(status.fetches.failed).unwrap(), n + 1, "{bad}");
        assert_eq!(reason(&server, &token(&provider.issuer(fine.clone()))).await, "accepted", "{bad}");
        // So that none of this is about the age of the set.
        provider.answer(JWK_SET, Answer::Json(json!({ "keys": all }).to_string()));
        provider.pass(KeyPolicy::MAX_BACKOFF.as_secs());
        assert_eq!(reason(&server, &token(&provider.issuer(key(2)))).await, "no_matching_key");
        assert_eq!(server.key_sets()[0].failures, 0);
    }
}

#[tokio::test]
async fn j13_odd_members_spoil_their_own_key_and_no_other() {
    let odd = |kid: Value| {
        let mut jwk = key(1).public_jwk();
        jwk["kid"] = kid;
        jwk
    };
    let mut x5c = key(0).public_jwk();
    x5c["x5c"] = "not an array".into();
    let elements = [
        Value::Null,
        json!(7),
        json!("key"),
        json!([]),
        json!({}),
        odd(7.into()),
        odd(json!({})),
        odd("x".repeat(100_000).into()),
        x5c,
    ];
    let (provider, server) = publishing(&json!({ "keys": elements })).await;
    assert_eq!(reason(&server, &token(&provider.issuer(key(0)))).await, "accepted");
    assert_eq!(server.key_sets()[0].key_ids, [key(0).key_id()]);
    for forged in [key(1), key(1).with_key_id("7")] {
        assert_eq!(reason(&server, &token(&provider.issuer(forged))).await, "no_matching_key");
    }
}

#[tokio::test]
async fn j13_a_set_that_is_too_large_in_any_way_leaves_the_old_one() {
    let many = |count| json!({ "keys": vec![jwk(&key(0)); count] });
    let mut long = key(0).public_jwk();
    long["kid"] = "x".repeat(1 << 20).into();
    for (set, why) in [
        (many(101), "101 keys"),
        // Either bound would do.
        (json!({ "keys": vec![json!({}); 10_000] }), "10000 keys"),
        (many(10_000), "262144 bytes"),
        (json!({ "keys": [long, jwk(&key(1))] }), "262144 bytes"),
    ] {
        let (provider, server) = publishing(&json!({ "keys": [jwk(&key(0))] })).await;
        let good = token(&provider.issuer(key(0)));
        assert_eq!(reason(&server, &good).await, "accepted");
        provider.answer(JWK_SET, Answer::Json(set.to_string()));
        assert_eq!(reason(&server, &token(&provider.issuer(key(1)))).await, "key_not_proven_absent");
        let error = server.key_sets()[0].last_error.clone().unwrap().text;
        assert!(error.contains(why), "{error}");
        assert_eq!(reason(&server, &good).await, "accepted");
    }
}

/// The same key in a set again and again is as many keys: up to four are tried.
#[tokio::test]
async fn j13_a_repeated_key_is_bounded_and_the_others_work() {
    for (count, expected) in [(4, "accepted"), (5, "too_many_keys"), (99, "too_many_keys")] {
        let keys: Vec<_> = std::iter::repeat_n(jwk(&key(0)), count).chain([jwk(&key(1))]).collect();
        let (provider, server) = publishing(&json!({ "keys": keys })).await;
        assert_eq!(reason(&server, &token(&provider.issuer(key(0)))).await, expected, "{count}");
        assert_eq!(reason(&server, &token(&provider.issuer(key(1)))).await, "accepted", "{count}");
    }
}

#[tokio::test]
async fn j16_metadata_that_is_wrong_gives_no_keys_and_takes_none_away() {
    let metadata = |issuer: &str, uri: &str| Answer::Json(json!({ "issuer": issuer, "jwks_uri": uri }).to_string());
    let elsewhere = Provider::start().await;
    let (provider, issuer) = Provider::with_keys().await;
    let (url, good) = (provider.url(""), token(&issuer));
    let mut huge = json!({ "issuer": url, "jwks_uri": provider.url(JWK_SET) });
    huge["padding"] = "x".repeat(300 * 1024).into();
    for (name, answer) in [
        ("another issuer", metadata(&elsewhere.url(""), &provider.url(JWK_SET))),
        ("http elsewhere", metadata(&url, "http://keys.example.com/jwks")),
        ("a file", metadata(&url, "file:///etc/passwd")),
        ("huge", Answer::Json(huge.to_string())),
        ("no jwks_uri", Answer::Json(json!({ "issuer": url }).to_string())),
        ("an array", Answer::Json(json!([url, provider.url(JWK_SET)]).to_string())),
        ("redirect", Answer::RedirectTo(elsewhere.url(OAUTH_METADATA))),
    ] {
        provider.answer(OAUTH_METADATA, provider.metadata(&url));
        provider.publish(&issuer);
        let loaded = provider.resource_server();
        assert_eq!(reason(&loaded, &good).await, "accepted", "{name}");

        provider.answer(OAUTH_METADATA, answer);
        let fetches = provider.key_fetches();
        assert_eq!(reason(&provider.resource_server(), &good).await, "keys_unavailable", "{name}: at the start");
        assert_eq!(provider.key_fetches(), fetches, "{name}: keys were fetched all the same");

        // The place that is known fails, so the metadata is asked again.
        provider.answer(JWK_SET, Answer::Status(404));
        for n in 0..2 {
            let random = issuer.token().audience(AUDIENCE).header("kid", format!("random-{n}")).sign();
            assert_eq!(reason(&loaded, &random).await, "key_not_proven_absent", "{name}");
        }
        assert_eq!(loaded.key_sets()[0].fetches.failed, 2, "{name}");
        assert_eq!(reason(&loaded, &good).await, "accepted", "{name}: the old set is kept");
    }
    assert_eq!(elsewhere.requests(), [""; 0]);
}

/// What the metadata says about algorithms is not asked: the configuration says what is allowed.
#[tokio::test]
async fn j16_metadata_cannot_allow_an_algorithm() {
    let (provider, issuer) = Provider::with_keys().await;
    let algorithms = json!(["none", "HS256"]);
    let metadata = json!({
        "issuer": provider.url(""), "jwks_uri": provider.url(JWK_SET),
        "id_token_signing_alg_values_supported": algorithms, "token_endpoint_auth_signing_alg_values_supported": algorithms,
    });
    provider.answer(OAUTH_METADATA, Answer::Json(metadata.to_string()));
    let server = provider.resource_server();
    assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
    let good = token(&issuer);
    let claims = good.split('.').nth(1).unwrap();
    let header = encoded(br#"{"alg":"none","typ":"at+jwt"}"#);
    for unsigned in [format!("{header}.{claims}."), format!("{header}.{claims}.AA")] {
        let refused = reason(&server, &unsigned).await;
        assert!(refused != "accepted", "{refused}");
    }
}

/// The wall clock jumps; ages go by the other one.
#[tokio::test(start_paused = true)]
async fn f12_k05_the_wall_clock_neither_starts_nor_stops_a_refresh() {
    let start = UnixTime::from_secs(1_800_000_000);
    let day = Duration::from_secs(86_400);
    let walls = [
        Some(start.saturating_add(day)),
        Some(start.saturating_sub(day)),
        Some(UnixTime::from_secs(0)),
        Some(UnixTime::from_secs(4_300_000_000)), // 2106
        None,                                     // before the epoch
    ];
    for wall in walls {
        let it = fixture(Mood::Answers);
        assert_eq!(reason(&it.server, &it.token).await, "accepted");
        // There and back, ten times: no fetch.
        for _ in 0..10 {
            it.clock.set_wall(wall);
            let refused = reason(&it.server, &it.token).await;
            assert!(wall == walls[0] || refused != "accepted", "{wall:?}");
            assert_eq!(it.server.key_sets()[0].age, Some(Duration::ZERO));
            it.clock.set_wall(Some(start));
            assert_eq!(reason(&it.server, &it.token).await, "accepted", "{wall:?}");
        }
        assert_eq!(it.fetches.load(Ordering::SeqCst), 1, "{wall:?}");

        // While it is wrong, the refresh comes in its time, and the set ends in its time.
        it.clock.set_wall(wall);
        refresh(&it).await;
        assert_eq!(it.fetches.load(Ordering::SeqCst), 2, "{wall:?}");
        it.mood.send_replace(Mood::Hangs);
        let accepted = |server: &ResourceServer| server.has_key("https://as.example.com", None, Algorithm::EdDSA);
        it.clock.advance(Duration::from_secs(300 + 3600 - 1));
        assert!(accepted(&it.server), "{wall:?}");
        it.clock.advance(Duration::from_secs(1));
        assert!(!accepted(&it.server), "{wall:?}");
        it.clock.set_wall(Some(start));
        assert_eq!(reason(&it.server, &it.token).await, "keys_unavailable", "{wall:?}");
    }
}

/// A copy of keys has a wall time, since monotonic time does not outlive a process. A wrong one makes keys older, never
/// younger.
#[tokio::test(start_paused = true)]
async fn k05_a_copy_that_was_made_by_a_wrong_clock_is_left_out() {
    let start = UnixTime::from_secs(1_800_000_000);
    for (at_export, at_import, taken) in [
        (Some(0), start.as_secs(), 0),
        (Some(start.as_secs() + 86_400), start.as_secs(), 0),
        (Some(start.as_secs()), 0, 0),
        (Some(start.as_secs()), 4_300_000_000, 0),
        (None, start.as_secs(), 0),
        (Some(start.as_secs()), start.as_secs(), 1),
    ] {
        let (it, next) = (fixture(Mood::Answers), fixture(Mood::Hangs));
        assert_eq!(reason(&it.server, &it.token).await, "accepted");
        it.clock.set_wall(at_export.map(UnixTime::from_secs));
        let copy = it.server.export_key_sets();
        next.clock.set_wall(Some(UnixTime::from_secs(at_import)));
        assert_eq!(next.server.import_key_sets(&copy), taken, "{at_export:?} {at_import}");
    }
    let (it, next) = (fixture(Mood::Answers), fixture(Mood::Hangs));
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    let copy = it.server.export_key_sets();
    next.clock.set_wall(None);
    assert_eq!(next.server.import_key_sets(&copy), 0, "before the epoch nobody knows how old it is");
}

/// Whoever chooses the names, of keys in tokens or of issuers, cannot make their lookup slow or their memory large.
#[tokio::test(start_paused = true)]
async fn k06_ten_thousand_crafted_kids_cost_two_fetches_and_known_keys_are_found() {
    let it = fixture(Mood::Answers);
    // A set whose own names have a long prefix in common, too.
    let prefix = "k".repeat(1_000);
    for n in 0..99 {
        it.issuer.add_key(key(1).with_key_id(format!("{prefix}{n:02}")));
    }
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    let text = it.issuer.token().audience(AUDIENCE).key(&key(1));
    for n in 0..99 {
        assert_eq!(reason(&it.server, &text.clone().header("kid", format!("{prefix}{n:02}")).sign()).await, "accepted");
    }
    let claims = it.token.split('.').nth(1).unwrap();
    for n in 0..10_000 {
        let header = encoded(format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{prefix}{n:08}"}}"#).as_bytes());
        let forged = format!("{header}.{claims}.{}", encoded(&[7; 64]));
        assert_eq!(reason(&it.server, &forged).await, "no_matching_key");
    }
    assert_eq!(it.fetches.load(Ordering::SeqCst), 1 + KeyPolicy::UNKNOWN_KID_FETCHES);
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
}

/// The maps of the standard library and of moka are keyed with random numbers unless told otherwise: nothing tells
/// them.
#[test]
fn k06_no_map_is_told_to_hash_without_a_key() {
    fn sources(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    sources(&std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("src"), &mut found);
    assert!(found.len() > 50, "{found:?}");
    for path in found {
        let source = std::fs::read_to_string(&path).unwrap();
        for unkeyed in
            ["with_hasher", "with_capacity_and_hasher", "BuildHasherDefault", "DefaultHasher", "FxHash", "ahash"]
        {
            assert!(!source.contains(unkeyed), "{}: {unkeyed}", path.display());
        }
    }
}

/// Several issuers, one `kid`: each token is checked with the key of its own issuer.
#[tokio::test(start_paused = true)]
async fn f11_a_kid_is_that_of_its_issuer() {
    let it = fixture(Mood::Answers);
    let kid = it.issuer.signing_key().key_id().to_owned();
    let other = TestIssuer::with_key("https://other.example.com", key(1).with_key_id(kid)).with_clock(it.clock.clone());
    it.server.add_issuer(&other.trusted()).unwrap();
    assert_eq!(reason(&it.server, &token(&other)).await, "accepted");
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    let forged = TestIssuer::with_key("https://as.example.com", other.signing_key()).with_clock(it.clock.clone());
    assert_eq!(reason(&it.server, &token(&forged)).await, "bad_signature");
}

/// No set has a key with a longer name, so none is looked for: it would spend the budget of honest ones.
#[tokio::test(start_paused = true)]
async fn k06_a_kid_that_no_key_can_have_is_not_looked_for() {
    let it = fixture(Mood::Answers);
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    for (bytes, fetches) in [(1_025, 1), (8_000, 1), (1_024, 2)] {
        assert_eq!(reason(&it.server, &with_kid(&it, &"k".repeat(bytes))).await, "no_matching_key");
        assert_eq!(it.fetches.load(Ordering::SeqCst), fetches, "{bytes}");
    }
}

/// The `kid` is known, so another fetch would bring nothing new.
#[tokio::test(start_paused = true)]
async fn f01_a_known_kid_with_another_algorithm_causes_no_fetch() {
    let it = fixture(Mood::Answers);
    assert_eq!(reason(&it.server, &it.token).await, "accepted");
    let claims = it.token.split('.').nth(1).unwrap();
    let header = json!({ "alg": "RS256", "typ": "at+jwt", "kid": it.issuer.signing_key().key_id() });
    let forged = format!("{}.{claims}.{}", encoded(header.to_string().as_bytes()), encoded(&[7; 256]));
    assert_eq!(reason(&it.server, &forged).await, "no_matching_key");
    assert_eq!(it.fetches.load(Ordering::SeqCst), 1);
}
