//! A hundred thousand tokens with keys that do not exist, in a process of one thread whose memory is counted.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use tower::{Layer, Service, service_fn};
use tower_bearer::jose::Algorithm;
use tower_bearer::layer::ResponseBody;
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer::{
    FetchedKeySet, Issuer, KeyPolicy, KeySetError, KeySource, KeySourceFuture, ResourceServer, TokenError,
};
use tower_bearer_test::TestIssuer;

use crate::support::{A_DAY, AUDIENCE};

const ISSUER: &str = "https://as.example.com";
const FLOOD: usize = 100_000;
/// Requests of the flood for each good one, and for each second.
const FOR_EACH_GOOD: usize = 10;
const PER_SECOND: usize = 1_000;

/// What the flood may cost: the memory of 1,024 `kid`s not found, the 256 requests that wait, and some room.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

#[derive(Clone, Copy, Debug)]
enum Provider {
    Answers,
    /// After five seconds: a fetch that ends just within its limit or just beyond it.
    IsSlow,
    IsDead,
}

#[derive(Debug)]
struct Source {
    issuer: TestIssuer,
    provider: Provider,
    /// The first fetch is always good.
    has_answered: AtomicBool,
}

impl KeySource for Source {
    fn fetch<'a>(&'a self, _: Option<&'a str>) -> KeySourceFuture<'a> {
        let provider = if self.has_answered.swap(true, Ordering::SeqCst) { self.provider } else { Provider::Answers };
        Box::pin(async move {
            match provider {
                Provider::Answers => {}
                Provider::IsSlow => tokio::time::sleep(Duration::from_secs(5)).await,
                Provider::IsDead => return Err(KeySetError::source_failed(std::io::Error::other("dead"))),
            }
            Ok(FetchedKeySet::new(self.issuer.jwk_set().to_string()))
        })
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<ResponseBody<Empty<Bytes>>>, std::convert::Infallible>>>>;

struct Flood {
    provider: Provider,
    server: ResourceServer,
    clock: ManualClock,
    good: String,
    claims: String,
}

impl Flood {
    async fn begin(provider: Provider) -> Self {
        let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
        let issuer = TestIssuer::with_algorithm(ISSUER, Algorithm::EdDSA).unwrap().with_clock(clock.clone());
        let good = issuer.token().audience(AUDIENCE).expires_in(A_DAY).sign();
        let source = Source { issuer, provider, has_answered: AtomicBool::new(false) };
        let server = ResourceServer::builder()
            .audience(AUDIENCE)
            .issuer(Issuer::new(ISSUER).key_source(source))
            .clock(clock.clone())
            .build()
            .unwrap();
        server.validate(&good).await.unwrap();
        let claims = good.split('.').nth(1).unwrap().to_owned();
        Self { provider, server, clock, good, claims }
    }

    /// As long as a `kid` can be, so that remembering them costs the most.
    fn forged(&self, n: usize) -> String {
        let header = format!(r#"{{"alg":"EdDSA","kid":"{n:01024}"}}"#);
        format!("{}.{}.{}", URL_SAFE_NO_PAD.encode(header), self.claims, URL_SAFE_NO_PAD.encode([7; 64]))
    }

    fn call(&self, token: &str) -> Answer {
        let handler = service_fn(async |_: Request<Empty<Bytes>>| Ok(Response::new(Empty::new())));
        let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(Empty::new()).unwrap();
        Box::pin(self.server.layer().layer(handler).call(request))
    }

    fn unknown_kid_fetches(&self) -> u64 {
        self.server.key_sets()[0].fetches.for_unknown_kids
    }

    /// While the provider is down, we cannot tell that a `kid` is made up. While it is up, we cannot tell for requests
    /// that arrived during a fetch or when too many were waiting.
    fn check<B>(&self, answer: &Response<B>) {
        let reason = answer.extensions().get::<TokenError>().unwrap().reason();
        let unproven = (503, "key_not_proven_absent");
        match (answer.status().as_u16(), reason) {
            (401, "no_matching_key") => assert!(!matches!(self.provider, Provider::IsDead)),
            refused => assert_eq!(refused, unproven),
        }
    }

    /// The whole flood. Good requests are polled once: one that would wait for anything is not ready then.
    async fn run(&self) {
        let mut waiting: Vec<Answer> = Vec::new();
        let mut fetches = vec![self.unknown_kid_fetches()];
        for n in 0..FLOOD {
            let mut forged = self.call(&self.forged(n));
            match poll(&mut forged) {
                Poll::Ready(answer) => self.check(&answer.unwrap()),
                Poll::Pending => waiting.push(forged),
            }
            assert!(waiting.len() <= KeyPolicy::MAX_WAITING_REQUESTS);
            if n % FOR_EACH_GOOD == 0 {
                let Poll::Ready(answer) = poll(&mut self.call(&self.good)) else { panic!("a good request waits") };
                assert_eq!(answer.unwrap().status(), 200);
            }
            if n % PER_SECOND == 0 {
                self.clock.advance(Duration::from_secs(1));
                tokio::time::advance(Duration::from_secs(1)).await;
                tokio::task::yield_now().await;
                waiting.retain_mut(|answer| match poll(answer) {
                    Poll::Ready(answer) => {
                        self.check(&answer.unwrap());
                        false
                    }
                    Poll::Pending => true,
                });
                fetches.push(self.unknown_kid_fetches());
            }
        }
        let allowed = u64::try_from(KeyPolicy::UNKNOWN_KID_FETCHES).unwrap();
        assert!(fetches.windows(30).all(|window| window[29] - window[0] <= allowed), "{fetches:?}");
        assert!(fetches.last() > fetches.first(), "somebody looked");
    }
}

fn poll(answer: &mut Answer) -> Poll<<Answer as Future>::Output> {
    answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn flood(provider: Provider) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let flood = Arc::new(runtime.block_on(Flood::begin(provider)));
    let cost = allocation_counter::measure(|| runtime.block_on(flood.run()));
    println!("{provider:?}: {} bytes at most, {} left", cost.bytes_max, cost.bytes_current);
    assert!(cost.bytes_max <= MAX_BYTES, "{} bytes", cost.bytes_max);
}

#[test]
fn f02_j08_a_flood_of_random_kids_costs_two_fetches_in_thirty_seconds_and_keeps_no_good_request_waiting() {
    flood(Provider::Answers);
}

#[test]
fn f02_j08_the_same_while_the_provider_is_slow() {
    flood(Provider::IsSlow);
}

#[test]
fn f02_j08_the_same_while_the_provider_is_dead() {
    flood(Provider::IsDead);
}
