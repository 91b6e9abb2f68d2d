//! A hundred thousand tokens and a cache that cannot hold them: what it keeps, what it lets go, and how much memory it
//! takes.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::json;
use tower_bearer::jose::Algorithm;
use tower_bearer::{Issuer, ResourceServer, TokenError, ValidatedToken};
use tower_bearer_test::{SigningKey, TestIssuer};

use crate::support::{A_DAY, AUDIENCE};

const ISSUER: &str = "https://login.example.com/realms/production";
const SECRET: &[u8] = b"thirty-two bytes and more, that both sides know";
const OTHER_SECRET: &[u8] = b"thirty-two bytes and more, that nobody else knows";
const FLOOD: usize = 100_000;
const HOT: usize = 100;
const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// A token of some 860 bytes that takes microseconds to make.
fn hmac_token(n: usize, secret: &[u8]) -> String {
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "exp": 4_000_000_000_u32, "iat": 1_700_000_000, "sub": "alice",
        "jti": format!("{n:08}"), "scope": "read:leads", "tenant": "x".repeat(388),
    });
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(r#"{"typ":"at+jwt","alg":"HS256"}"#),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn server(bytes: usize) -> ResourceServer {
    let issuer = Issuer::new(ISSUER).shared_secret(SECRET);
    ResourceServer::builder().audience(AUDIENCE).issuer(issuer).token_cache_bytes(bytes).build().unwrap()
}

fn is_good(server: &ResourceServer, token: &str) -> bool {
    verdict(server, token).is_ok()
}

fn verdict(server: &ResourceServer, token: &str) -> Result<ValidatedToken, TokenError> {
    match pin!(server.validate(token)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(verdict) => verdict,
        Poll::Pending => panic!("fixed keys need nothing to wait for"),
    }
}

/// What this thread counts: each token that is not found had its signature checked.
struct Lookups {
    handle: PrometheusHandle,
    hits: u64,
}

impl Lookups {
    fn hits(&self) -> u64 {
        let text = self.handle.render();
        let line =
            text.lines().find_map(|line| line.strip_prefix(r#"tower_bearer_token_cache_lookups_total{result="hit"} "#));
        line.map_or(0, |figure| figure.parse().unwrap())
    }

    fn hits_since_last_asked(&mut self) -> u64 {
        let now = self.hits();
        now - std::mem::replace(&mut self.hits, now)
    }
}

/// The hot tokens come back once in a hundred requests each, between tokens that come once.
fn flood(server: &ResourceServer, secret: &[u8], expected: bool) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let mut lookups = Lookups { handle: recorder.handle(), hits: 0 };
    let hot: Vec<_> = (0..HOT).map(|n| hmac_token(n, SECRET)).collect();
    for _ in 0..2 {
        assert!(hot.iter().all(|token| is_good(server, token)));
    }
    assert_eq!(lookups.hits_since_last_asked(), 100, "they are found the second time");
    for n in 0..FLOOD {
        assert_eq!(is_good(server, &hmac_token(HOT + n, secret)), expected, "{n}");
        if n % 10 == 9 {
            assert!(is_good(server, &hot[n / 10 % HOT]));
        }
    }
    let (asked, hits) = (FLOOD / 10, lookups.hits_since_last_asked());
    println!("{hits} of {asked} hot tokens were found; {:?}", server.token_cache());
    assert!(hits * 100 >= u64::try_from(asked).unwrap() * 99, "{hits} of {asked}");
    let status = server.token_cache().unwrap();
    assert!(status.bytes <= status.max_bytes && status.max_bytes == u64::try_from(CACHE_BYTES).unwrap(), "{status:?}");
}

#[test]
fn k04_a_flood_of_bad_tokens_displaces_no_good_one() {
    let server = server(CACHE_BYTES);
    flood(&server, OTHER_SECRET, false);
    assert_eq!(server.token_cache().unwrap().tokens, HOT, "nothing that was refused is kept");
}

#[test]
fn k04_a_flood_of_good_tokens_does_not_displace_those_that_come_again() {
    flood(&server(CACHE_BYTES), SECRET, true);
}

/// Also when the flood was there first and has filled the cache.
#[test]
fn k04_tokens_that_come_again_find_room_among_those_that_do_not() {
    let server = server(CACHE_BYTES);
    for n in 0..20_000 {
        assert!(is_good(&server, &hmac_token(1_000_000 + n, SECRET)));
    }
    let recorder = PrometheusBuilder::new().build_recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let lookups = Lookups { handle: recorder.handle(), hits: 0 };
    for n in 0..FLOOD {
        assert!(is_good(&server, &hmac_token(HOT + n, SECRET)));
        if n % 10 == 9 {
            assert!(is_good(&server, &hmac_token(n / 10 % HOT, SECRET)));
        }
    }
    let hits = lookups.hits();
    println!("{hits} of {} hot tokens were found", FLOOD / 10);
    // The first time each is new, and some have to come twice.
    assert!(hits >= 9_700, "{hits}");
}

/// A cache that is full takes what it was told, and some for the places of those that it let go.
#[test]
fn k04_memory_stays_within_what_is_configured() {
    for bytes in [1024 * 1024, CACHE_BYTES] {
        let server = server(bytes);
        let cost = allocation_counter::measure(|| {
            for n in 0..20_000 {
                assert!(is_good(&server, &hmac_token(n, SECRET)));
            }
        });
        let status = server.token_cache().unwrap();
        println!("{bytes} configured: {} at most, {} in the end; {status:?}", cost.bytes_max, cost.bytes_current);
        assert!(status.bytes <= status.max_bytes);
        assert!(cost.bytes_max <= u64::try_from(bytes).unwrap() * 110 / 100, "{} of {bytes}", cost.bytes_max);
    }
}

/// A token as providers make them, by an RSA key.
#[test]
fn a_token_of_860_bytes_takes_at_most_1_5_kib_and_what_it_is_said_to_take() {
    let key = SigningKey::generate(Algorithm::RS256).unwrap().with_key_id("2026-03-signing-key");
    let issuer = TestIssuer::with_key(ISSUER, key);
    let server = ResourceServer::builder().audience(AUDIENCE).issuer(issuer.trusted()).build().unwrap();
    let token = |subject: usize| {
        let token = issuer.token().audience(AUDIENCE).subject(format!("5c1f0c9e-3a52-{subject:06}"));
        let token = token.client_id("sales-portal").scope("openid read:leads write:leads read:accounts");
        let token = token.claim("nbf", 1_700_000_000).claim("tenant", "acme-production").expires_in(A_DAY);
        token.claim("roles", json!(["sales", "manager"])).sign()
    };
    // As many as leave the tables neither just grown nor just full.
    let tokens: Vec<_> = (0..1_500).map(token).collect();
    let length = tokens[0].len();
    assert!((840..=880).contains(&length), "{length}");
    // Once a claim was looked up, a token also has the places of its claims.
    let is_sales = |token: &String| verdict(&server, token).unwrap().claim(&["roles"]).is_some();
    let cost = allocation_counter::measure(|| assert!(tokens.iter().all(is_sales)));
    let status = server.token_cache().unwrap();
    assert_eq!(status.tokens, tokens.len());
    let per_token = |bytes: i64| bytes / i64::try_from(tokens.len()).unwrap();
    let (measured, said) = (per_token(cost.bytes_current), per_token(i64::try_from(status.bytes).unwrap()));
    println!("a token of {length} bytes takes {measured} bytes, and is said to take {said}");
    assert!(measured <= 1_536 && said <= 1_536, "{measured} {said}");
    assert!((said - measured).abs() * 100 <= measured * 15, "{measured} measured, {said} said");
}

/// What is too large for the cache is judged as ever and not kept.
#[test]
fn a_token_that_has_no_room_is_served_all_the_same() {
    let issuer = TestIssuer::with_algorithm(ISSUER, Algorithm::EdDSA).unwrap();
    let builder = ResourceServer::builder().audience(AUDIENCE).issuer(issuer.trusted());
    let server = builder.token_cache_bytes(1024 * 1024).max_token_bytes(4 * 1024 * 1024).build().unwrap();
    let large = issuer.token().audience(AUDIENCE).claim("pad", "x".repeat(1_500_000)).sign();
    let small = issuer.token().audience(AUDIENCE).expires_in(Duration::from_secs(60)).sign();
    for _ in 0..3 {
        assert!(is_good(&server, &large) && is_good(&server, &small));
    }
    assert_eq!(server.token_cache().unwrap().tokens, 1);
}
