//! Measures the cost of a request with a plain JWT. `run` uses it to compare two commits. On its own:
//!
//! - `make FILE COUNT` writes a key set and COUNT RS256 tokens,
//! - `validate-hit`, `validate-miss`, `layer-hit` and `layer-miss FILE COUNT` do that as often, and print the allocations
//!   and nanoseconds of one; `idle-…` does all but that, and WITHOUT_CLOCK=1 keeps it from reading a clock, which valgrind
//!   cannot.

use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use std::{env, fs};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use tower::{Layer, Service, service_fn};
use tower_bearer::time::{Clock, UnixTime};
use tower_bearer::{Issuer, ResourceServer, ValidatedToken};

const ISSUER: &str = "https://as.example.com";
const AUDIENCE: &str = "https://api.example.com";

/// So many are done at once, with requests that are made before: few enough to stay in the processor's caches.
const BATCH: usize = 100;

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [what, file, count] = &arguments[..] else { panic!("usage: cost WHAT FILE COUNT") };
    let count = count.parse().expect("a count");
    if what == "make" {
        fs::write(file, make(count)).expect("the file can be written");
    } else {
        let text = fs::read_to_string(file).expect("a file that `make` wrote");
        let (key_set, tokens) = text.split_once('\n').expect("a key set, then tokens");
        let has_clock = env::var_os("WITHOUT_CLOCK").is_none();
        let (allocations, nanoseconds) = measure(what, key_set, &tokens.lines().collect::<Vec<_>>(), count, has_clock);
        println!("{allocations} {nanoseconds}");
    }
}

/// A key set, then one token per line: each with the claims of RFC 9068 §2.2 and some that providers add.
fn make(count: usize) -> String {
    let key = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let public = key.public_key();
    let n = BASE64.encode(public.modulus().big_endian_without_leading_zero());
    let e = BASE64.encode(public.exponent().big_endian_without_leading_zero());
    let key_set = json!({ "keys": [{ "kty": "RSA", "kid": "key-1", "use": "sig", "alg": "RS256", "n": n, "e": e }] });
    let header = BASE64.encode(json!({ "alg": "RS256", "kid": "key-1", "typ": "at+jwt" }).to_string());
    let token = |number: usize| {
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": format!("user-{number}"), "client_id": "app", "jti": number.to_string(),
            "iat": 1_700_000_000, "nbf": 1_700_000_000, "exp": 4_000_000_000_u64, "scope": "read:leads write:leads",
            "auth_time": 1_700_000_000, "tenant": "acme",
        });
        let input = format!("{header}.{}", BASE64.encode(claims.to_string()));
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature).expect("a signature");
        format!("{input}.{}\n", BASE64.encode(signature))
    };
    format!("{key_set}\n{}", (0..count).map(token).collect::<String>())
}

/// Does it as often, with the first token again and again or with another each time. Gives the allocations of one, and
/// its processor time in nanoseconds where a clock is wanted.
fn measure(what: &str, key_set: &str, tokens: &[&str], count: usize, has_clock: bool) -> (f64, f64) {
    let (what, is_idle) = what.strip_prefix("idle-").map_or((what, false), |what| (what, true));
    assert!(what.ends_with("hit") || count < tokens.len(), "the file has too few tokens");
    let issuer = Issuer::new(ISSUER).jwk_set(key_set);
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(issuer).clock(Standing);
    let api = api.build().expect("the configuration is right");
    let handler = service_fn(|request: Request<()>| async move {
        assert!(request.extensions().get::<ValidatedToken>().is_some());
        Ok::<_, Infallible>(Response::new(Bytes::new()))
    });
    let mut service = api.layer().layer(handler);
    let request = |token: &str| {
        Request::get("/leads").header("authorization", format!("Bearer {token}")).body(()).expect("a request")
    };
    // The cache has its memory and the first token before anything is counted.
    assert!(now(api.validate(tokens[0])).is_ok());
    assert_eq!(now(service.call(request(tokens[0]))).map(|response| response.status()), Ok(StatusCode::OK));

    let clock = || {
        if has_clock {
            Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
        } else {
            Duration::ZERO
        }
    };
    let (mut allocations, mut took) = (0, Duration::ZERO);
    let mut done = 0;
    while done < count {
        let batch: Vec<_> = (done..count.min(done + BATCH))
            .map(|number| if what.ends_with("hit") { tokens[0] } else { tokens[number + 1] })
            .collect();
        let mut requests: Vec<_> =
            if what.starts_with("layer") { batch.iter().map(|token| request(token)).collect() } else { Vec::new() };
        let began = clock();
        let counted = allocation_counter::measure(|| match what {
            _ if is_idle => {}
            "validate-hit" | "validate-miss" => {
                batch.iter().for_each(|token| assert!(now(api.validate(token)).is_ok()))
            }
            "layer-hit" | "layer-miss" => requests.drain(..).for_each(|request| {
                assert_eq!(now(service.call(request)).map(|response| response.status()), Ok(StatusCode::OK));
            }),
            other => panic!("{other} is not among the things that are measured"),
        });
        took += clock() - began;
        allocations += counted.count_total;
        done += batch.len();
    }
    let each = |total: f64| total / count as f64;
    (each(allocations as f64), each(took.as_nanos() as f64))
}

/// The same moment for all tokens, and no system call among what is counted.
#[derive(Debug)]
struct Standing;

impl Clock for Standing {
    fn now(&self) -> Option<UnixTime> {
        Some(UnixTime::from_secs(1_800_000_000))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(1)
    }
}

/// The keys are fixed, so nothing waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}
