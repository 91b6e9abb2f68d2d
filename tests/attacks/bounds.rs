//! C08 to C12: how much work a hostile token can ask for.

use serde_json::{Value, json};
use tower_bearer::jose::Algorithm;
use tower_bearer::{Check, ResourceServer, Step, StepListener};
use tower_bearer_test::TokenBuilder;

use crate::encoding::{open_claims, open_header, over_header, over_payload};
use crate::support::*;

/// `{"x":[[…]]}` with this many levels, the outermost object counted.
fn nested(open: &str, levels: usize, brackets: [&str; 2]) -> String {
    let [opening, closing] = brackets.map(|bracket| bracket.repeat(levels - 1));
    let innermost = if brackets[0] == "[" { "" } else { "1" };
    format!("{open},\"x\":{opening}{innermost}{closing}}}")
}

#[test]
fn c08_nesting_is_bounded_on_a_small_stack() {
    let run = || {
        let issuers = builder().max_token_bytes(4 << 20).issuer(issuer_with(Algorithm::RS256).trusted());
        let several = issuers.clone().issuer(second_issuer());
        let [single, several] = [issuers, several].map(|builder| builder.build().unwrap());
        for brackets in [["[", "]"], ["{\"y\":", "}"]] {
            for levels in [31, 32] {
                let [header, claims] = [open_header(), open_claims()].map(|open| nested(&open, levels, brackets));
                for server in [&single, &several] {
                    assert_eq!(reason_at_once(server, &over_header(&header)), "accepted");
                    assert_eq!(reason_at_once(server, &over_payload(&claims)), "accepted");
                }
            }
            for levels in [33, 127, 128, 200, 100_000] {
                let [header, claims] = [open_header(), open_claims()].map(|open| nested(&open, levels, brackets));
                for server in [&single, &several] {
                    assert_eq!(reason_at_once(server, &over_header(&header)), "header_json", "{levels}");
                    assert_eq!(reason_at_once(server, &over_payload(&claims)), "claims_json", "{levels}");
                }
                // Without an end: nobody waits for it.
                let endless = format!("{},\"x\":{}", open_claims(), brackets[0].repeat(levels));
                assert_eq!(reason_at_once(&single, &over_payload(endless)), "claims_json", "{levels}");
            }
        }
    };
    // Keys are made outside: making them is not what is measured.
    let _ = (token().sign(), token_with(Algorithm::ES256).sign());
    std::thread::Builder::new().stack_size(128 * 1024).spawn(run).unwrap().join().unwrap();
}

/// A token of exactly this size.
fn sized(bytes: usize) -> String {
    let size = |pad: usize| token().claim("pad", "x".repeat(pad)).without_claim("jti").sign().len();
    let mut pad = (bytes - size(0)) * 3 / 4;
    while size(pad) < bytes {
        pad += 1;
    }
    while size(pad) > bytes {
        pad -= 1;
    }
    let token = token().claim("pad", "x".repeat(pad)).without_claim("jti").sign();
    // Two base64url lengths of four are reachable, the fourth is not: the header makes up for it.
    assert!(token.len() == bytes || token.len() + 1 == bytes, "{} for {bytes}", token.len());
    token
}

#[tokio::test]
async fn c09_the_size_is_checked_first() {
    let token = sized(16 * 1024 - 40);
    for (cap, expected) in
        [(token.len() - 1, "token_too_large"), (token.len(), "accepted"), (token.len() + 1, "accepted")]
    {
        let server = builder().max_token_bytes(cap).issuer(issuer_with(Algorithm::RS256).trusted()).build().unwrap();
        assert_eq!(reason(&server, &token).await, expected, "cap {cap}");
    }
    // The default cap, whatever the text is: nothing of it is decoded.
    let trial = Trial::start().await;
    let cap = 16 * 1024;
    trial.malformed(&"A".repeat(cap), "opaque_token").await;
    trial.malformed(&"A".repeat(cap + 1), "token_too_large").await;
    trial.accepts(&token).await;
    trial.malformed(&(token.clone() + &"A".repeat(64 * 1024)), "token_too_large").await;
    let huge = token + &"A".repeat(10 << 20);
    assert_eq!(reason(&trial.server, &huge).await, "token_too_large");
    // On the wire the server itself ends it.
    let runs = trial.default.runs();
    assert_eq!(trial.default.send(&"A".repeat(2 << 20)).await.status(), 431);
    assert_eq!(trial.default.runs(), runs);
}

#[tokio::test]
async fn c10_a_million_dots() {
    let trial = Trial::start().await;
    let dots = ".".repeat(1_000_000);
    assert_eq!(reason(&trial.server, &dots).await, "token_too_large");
    let unbounded = server_of_any_size();
    assert_eq!(reason(&unbounded, &dots).await, "token_parts");
    assert_eq!(reason(&unbounded, &(token().sign() + &dots)).await, "token_parts");
    trial.malformed(&".".repeat(16 * 1024), "token_parts").await;
}

fn server_of_any_size() -> ResourceServer {
    builder().max_token_bytes(usize::MAX).issuer(issuer_with(Algorithm::RS256).trusted()).build().unwrap()
}

/// The checks that were reached: what was not begun cost nothing.
#[derive(Default)]
struct Reached(Vec<Check>);

impl StepListener for Reached {
    fn step(&mut self, step: Step<'_>) {
        self.0.push(step.check);
    }
}

#[tokio::test]
async fn c11_work_factors_and_compression_in_the_header_cost_nothing() {
    let trial = Trial::start().await;
    let pbes2 = token().header("alg", "PBES2-HS512+A256KW").header("p2c", 2_147_483_648_u32).header("p2s", "c2FsdA");
    trial.invalid(&pbes2.clone().sign(), "algorithm_not_allowed").await;
    let five = format!("{}.{}.{}", pbes2.sign(), encode("iv"), encode("tag"));
    trial.malformed(&five, "encrypted_token").await;
    let zipped = token().header("zip", "DEF").sign();
    trial.invalid(&zipped, "unsupported_header").await;
    // Neither gets as far as a key.
    for (token, last) in [(five, Check::Structure), (zipped, Check::Structure)] {
        let mut reached = Reached::default();
        assert!(trial.server.validate_explained(&token, &mut reached).await.is_err());
        assert_eq!(reached.0, [last]);
    }
    // The parameter alone means nothing in a signed token (RFC 7515 §4); with `enc`, it is not a signed token
    // (RFC 7516 §9).
    let iterations = token().header("p2c", 2_147_483_648_u32);
    trial.accepts(&iterations.clone().sign()).await;
    trial.invalid(&iterations.header("enc", "A256GCM").sign(), "unsupported_header").await;
}

fn with_members(count: usize) -> TokenBuilder {
    let has: Value = serde_json::from_slice(&decode(parts(&token().sign())[1])).unwrap();
    let missing = count - has.as_object().unwrap().len();
    (0..missing).fold(token(), |token, n| token.claim(format!("c{n}"), n))
}

#[tokio::test]
async fn c12_members_are_counted_and_long_lists_are_walked_once() {
    let server = server_of_any_size();
    for (count, expected) in [(1023, "accepted"), (1024, "accepted"), (1025, "claims_json"), (20_000, "claims_json")] {
        assert_eq!(reason(&server, &with_members(count).sign()).await, expected, "{count} claims");
        let inner: Value = (0..count).map(|n| (format!("m{n}"), json!(n))).collect::<serde_json::Map<_, _>>().into();
        assert_eq!(reason(&server, &token().claim("x", inner).sign()).await, expected, "{count} inner members");
    }
    for (count, expected) in [(31, "accepted"), (32, "accepted"), (33, "header_json"), (10_000, "header_json")] {
        // `alg`, `kid` and `typ` are there.
        let header = (3..count).fold(token(), |token, n| token.header(format!("h{n}"), n));
        assert_eq!(reason(&server, &header.sign()).await, expected, "{count} header parameters");
    }
    // Lists have no limit of their own, and the last entry counts as the first does.
    let mut audiences: Vec<String> = (0..100_000).map(|n| format!("https://{n}.example.com")).collect();
    assert_eq!(reason(&server, &token().claim("aud", audiences.clone()).sign()).await, "audience_mismatch");
    audiences.push(AUDIENCE.to_owned());
    assert_eq!(reason(&server, &token().claim("aud", audiences).sign()).await, "accepted");

    let scope: String = (0..100_000).map(|n| format!("scope:{n} ")).collect();
    assert!(scope.len() > 1_000_000);
    let token = server.validate(&token().scope(scope).sign()).await.unwrap();
    assert!(token.require("scope:99999").is_ok());
    assert!(token.require("scope:100000").is_err() && token.require("scope").is_err());
}
