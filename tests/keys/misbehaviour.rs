//! Providers that stop to behave after their keys were fetched, over real sockets: known keys go on, without a moment's
//! wait, and a fetch ends within its bounds.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower_bearer::jose::Algorithm;
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer::{Issuer, KeyPolicy, KeySetState, KeySetStatus, ResourceServer, TokenError};
use tower_bearer_authorization_server::{AuthorizationServer, Certificate, Endpoint, Fault};
use tower_bearer_test::TestIssuer;

use crate::provider::*;

const LIFETIME: Duration = Duration::from_secs(300);
const HOUR: Duration = Duration::from_secs(3600);

/// A fetch that hangs ends after a time that one can wait for, and whoever waits for it waits longer.
fn policy() -> KeyPolicy {
    let timeout = Duration::from_secs(2);
    KeyPolicy::default().connect_timeout(timeout).fetch_timeout(timeout).request_wait(Duration::from_secs(60))
}

/// A resource server that has the keys of a provider, which may then do what it likes.
struct Loaded {
    server: ResourceServer,
    clock: ManualClock,
    good: String,
    unknown: String,
}

impl Loaded {
    async fn of(issuer: &TestIssuer, trusted: Issuer, clock: &ManualClock) -> Self {
        let trusted = trusted.key_policy(policy());
        let server = ResourceServer::builder().audience(AUDIENCE).issuer(trusted).clock(clock.clone()).build().unwrap();
        let good = token(issuer);
        let unknown = issuer.token().audience(AUDIENCE).expires_in(24 * HOUR).header("kid", "unknown").sign();
        assert_eq!(reason(&server, &good).await, "accepted");
        Self { server, clock: clock.clone(), good, unknown }
    }

    fn status(&self) -> KeySetStatus {
        self.server.key_sets().remove(0)
    }

    /// A good request is decided by the first poll: it waits for nothing.
    fn passes_at_once(&self) -> bool {
        let mut validation = pin!(self.server.validate(&self.good));
        matches!(validation.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(_)))
    }

    /// Lets a refresh become due and fail, with good requests before, beside and after it. Says why it failed.
    async fn failed_refresh(&self) -> String {
        self.clock.advance(Duration::from_secs(270));
        let failed = self.status().fetches.failed;
        assert!(self.passes_at_once(), "this one starts the refresh");
        assert_eq!(self.status().next_refresh, None, "a fetch is under way");
        // An unknown `kid` waits for the end of the fetch.
        let beside = async {
            for _ in 0..10 {
                assert!(self.passes_at_once());
                tokio::task::yield_now().await;
            }
        };
        let (refused, ()) = tokio::join!(reason(&self.server, &self.unknown), beside);
        assert_eq!(refused, "key_not_proven_absent", "the set may not be the newest");
        let status = self.status();
        assert_eq!((status.fetches.fetched, status.fetches.failed, status.failures), (1, failed + 1, 1));
        assert!(self.passes_at_once());
        status.last_error.unwrap().text
    }

    /// Goes on with an outage until the staleness bound, and beyond it.
    async fn serves_until_the_bound(&self) {
        let age = self.status().age.unwrap();
        self.clock.advance(LIFETIME + HOUR - age - Duration::from_secs(1));
        assert!(self.passes_at_once());
        self.clock.advance(Duration::from_secs(1));
        assert_eq!(self.status().state, KeySetState::Expired);
        assert_eq!(reason(&self.server, &self.good).await, "keys_unavailable");
    }
}

fn clock() -> ManualClock {
    ManualClock::at(UnixTime::from_secs(1_800_000_000))
}

async fn authorization_server(clock: &ManualClock) -> AuthorizationServer {
    AuthorizationServer::builder().signing_algorithm(Algorithm::EdDSA).clock(clock.clone()).start().await.unwrap()
}

/// What a refresh comes to while the JWK Set has this fault.
async fn failed_refresh(fault: Fault) -> String {
    let clock = clock();
    let provider = authorization_server(&clock).await;
    let trusted = Issuer::new(provider.issuer());
    let it = Loaded::of(provider.test_issuer(), trusted, &clock).await;
    provider.misbehave(Endpoint::JwkSet, fault.clone()).unwrap();
    let error = it.failed_refresh().await;
    assert_eq!(provider.requests(Endpoint::JwkSet), 2, "{fault:?}");

    // It heals with the next fetch.
    provider.behave(Endpoint::JwkSet);
    clock.advance(KeyPolicy::MAX_BACKOFF);
    assert_eq!(reason(&it.server, &it.unknown).await, "no_matching_key", "{fault:?}");
    assert!(it.status().failures == 0 && it.status().last_error.is_none(), "{fault:?}");
    error
}

#[tokio::test]
async fn j01_redirects_are_not_followed_and_the_old_set_is_kept() {
    let elsewhere = Provider::start().await;
    for url in [elsewhere.url(JWK_SET), "https://elsewhere.example/jwks".into(), "http://10.0.0.1/jwks".into()] {
        let error = failed_refresh(Fault::RedirectTo { url: url.clone() }).await;
        assert!(error.contains("status 307"), "{url}: {error}");
    }
    assert_eq!(elsewhere.requests(), [""; 0]);

    // To itself, with every status that redirects, and to metadata.
    for status in [301, 302, 303, 307, 308] {
        let (provider, issuer) = Provider::with_keys().await;
        let it = Loaded::of(&issuer, Issuer::new(provider.url("")), &provider.clock).await;
        provider.answer(JWK_SET, Answer::Full(status, vec![("location", provider.url(JWK_SET))], String::new()));
        provider.answer(OAUTH_METADATA, Answer::RedirectTo(elsewhere.url(OAUTH_METADATA)));
        it.failed_refresh().await;
        assert_eq!(provider.key_fetches(), 2, "{status}");
    }
    assert_eq!(elsewhere.requests(), [""; 0]);
}

#[tokio::test]
async fn j02_f09_a_body_without_end_is_read_up_to_the_cap() {
    for fault in [Fault::Huge { bytes: 10 << 20 }, Fault::Huge { bytes: 100 << 20 }, Fault::ManyKeys { count: 10_000 }]
    {
        let error = failed_refresh(fault.clone()).await;
        assert!(error.contains("262144 bytes"), "{fault:?}: {error}");
    }
    for misdeed in [Misdeed::EndlessChunks, Misdeed::PromisesMuch] {
        let (error, peer) = failed_refresh_at(misdeed.clone()).await;
        assert!(error.contains("262144 bytes"), "{misdeed:?}: {error}");
        peer.hung_up().await;
    }
    // A compressed document is not decompressed: the request asks for `identity`.
    let bomb = gzip_of_spaces_and(b"{\"keys\":[]}", 1 << 20);
    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n";
    let (error, _) = failed_refresh_at(Misdeed::Answers(full(head, &bomb))).await;
    assert!(error.contains("in the content coding \"gzip\""), "{error}");
}

#[tokio::test]
async fn j03_f09_a_slow_provider_is_given_up_and_known_keys_do_not_notice() {
    let faults = [
        Fault::SlowHeaders { delay: Duration::from_secs(30) },
        Fault::SlowBody { pause: Duration::from_secs(1) },
        Fault::SlowBody { pause: Duration::from_millis(100) },
        Fault::Hang,
        Fault::Stall,
    ];
    let by_fault = faults.into_iter().map(|fault| tokio::spawn(failed_refresh(fault)));
    let misdeeds = [Misdeed::Silence, Misdeed::SlowHeaders, Misdeed::SlowChunks];
    let by_misdeed = misdeeds.into_iter().map(|misdeed| {
        tokio::spawn(async move {
            let (error, peer) = failed_refresh_at(misdeed).await;
            peer.hung_up().await;
            error
        })
    });
    for refresh in by_fault.chain(by_misdeed).collect::<Vec<_>>() {
        let error = refresh.await.unwrap();
        assert!(error.contains("longer than 2000 ms") || error.contains("timed out"), "{error}");
    }
    // Headers without end are bounded by their size before they are by time.
    let (_, peer) = failed_refresh_at(Misdeed::EndlessHeaders).await;
    peer.hung_up().await;
}

#[tokio::test]
async fn j04_f09_what_is_no_key_set_leaves_the_old_one() {
    for (fault, why) in [
        (Fault::Html, "not a JSON object"),
        (Fault::Truncated, "not JSON"),
        (Fault::WrongTypes, "wrong type"),
        (Fault::Disconnect, "body"),
        (Fault::status(200), "not a JSON object"),
        (Fault::status(404), "status 404"),
        (Fault::status(500), "status 500"),
    ] {
        let error = failed_refresh(fault.clone()).await;
        assert!(error.contains(why), "{fault:?}: {error}");
    }
    let good = TestIssuer::with_key("https://as.example.com", key(0)).jwk_set().to_string();
    for (body, why) in [
        ("{}".to_owned(), "missing or has the wrong type"),
        (good.replace("keys", "Keys"), "missing or has the wrong type"),
        (r#"{"keys":null}"#.to_owned(), "missing or has the wrong type"),
        (r#"{"keys":{}}"#.to_owned(), "missing or has the wrong type"),
        (r#"{"keys":"none"}"#.to_owned(), "missing or has the wrong type"),
        (format!("[{good}]"), "not a JSON object"),
        (format!("\u{feff}{good}"), "not a JSON object"),
        (format!("{good}{good}"), "not JSON"),
    ] {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
        let (error, _) = failed_refresh_at(Misdeed::Answers(full(head, body.as_bytes()))).await;
        assert!(error.contains(why), "{body}: {error}");
    }
    let (error, _) = failed_refresh_at(Misdeed::Answers(full("HTTP/1.1 200 OK\r\n", b"{\"keys\":[\"\xff\"]}"))).await;
    assert!(error.contains("not JSON"), "{error}");
}

/// The body decides, not its label: static hosts serve key sets as `text/plain` or `application/octet-stream`, and a
/// web page is none whatever it is called.
#[tokio::test]
async fn j04_f09_the_content_type_neither_makes_a_key_set_nor_spoils_one() {
    for content_type in ["text/plain", "application/octet-stream", "text/html", "application/jwk-set+json"] {
        let (provider, issuer) = Provider::with_keys().await;
        let labelled = |body: String| Answer::Full(200, vec![("content-type", content_type.to_owned())], body);
        provider.answer(JWK_SET, labelled(issuer.jwk_set().to_string()));
        let it = Loaded::of(&issuer, Issuer::new(provider.url("")), &provider.clock).await;
        provider.answer(JWK_SET, labelled("<html></html>".into()));
        provider.answer(OAUTH_METADATA, Answer::Status(404));
        assert!(it.failed_refresh().await.contains("not a JSON object"), "{content_type}");
    }
}

#[tokio::test]
async fn j05_an_empty_set_does_not_replace_a_good_one() {
    let clock = clock();
    let provider = authorization_server(&clock).await;
    let it = Loaded::of(provider.test_issuer(), Issuer::new(provider.issuer()), &clock).await;
    provider.misbehave(Endpoint::JwkSet, Fault::EmptySet).unwrap();
    for n in 0..10 {
        let random = provider.token().audience(AUDIENCE).header("kid", format!("random-{n}")).sign();
        assert_eq!(reason(&it.server, &random).await, "key_not_proven_absent");
    }
    let fetched = u64::try_from(1 + KeyPolicy::UNKNOWN_KID_FETCHES).unwrap();
    assert_eq!(provider.requests(Endpoint::JwkSet), fetched, "the budget holds for empty sets as well");
    assert_eq!(it.status().last_error.unwrap().reason, "no_usable_key");
    it.serves_until_the_bound().await;
}

#[tokio::test]
async fn j06_a_provider_that_flaps_keeps_nobody_out() {
    let clock = clock();
    let provider = authorization_server(&clock).await;
    let it = Loaded::of(provider.test_issuer(), Issuer::new(provider.issuer()), &clock).await;
    provider
        .misbehave(Endpoint::JwkSet, Fault::Flapping { good: 1, bad: 1, fault: Fault::status(503).into() })
        .unwrap();
    for _ in 0..10 {
        clock.advance(LIFETIME);
        assert!(it.passes_at_once());
        // Waits for the refresh that is under way.
        assert!(["no_matching_key", "key_not_proven_absent"].contains(&reason(&it.server, &it.unknown).await));
        assert!(it.passes_at_once());
    }
    let counts = it.status().fetches;
    assert_eq!((counts.fetched + counts.unchanged, counts.failed), (1 + 5, 5));
}

/// Where the name `localhost` leads, and whether it leads anywhere.
#[derive(Clone)]
struct Switch(Arc<Mutex<Option<SocketAddr>>>);

impl Resolve for Switch {
    fn resolve(&self, _: Name) -> Resolving {
        let address = *self.0.lock().unwrap();
        Box::pin(async move {
            let addresses = address.map(std::iter::once).ok_or_else(|| io::Error::other("no such name"))?;
            let addresses: Addrs = Box::new(addresses);
            Ok(addresses)
        })
    }
}

async fn behind(certificate: Certificate, clock: &ManualClock) -> AuthorizationServer {
    let builder = AuthorizationServer::builder().signing_algorithm(Algorithm::EdDSA).clock(clock.clone());
    builder.tls(certificate).start().await.unwrap()
}

/// Whoever answers in the provider's place publishes keys of its own, and is not believed.
#[tokio::test]
async fn j06_a_provider_that_cannot_be_reached_or_proven_is_stale_and_then_unavailable() {
    let clock = clock();
    let impostors = [
        ("expired", Some(behind(Certificate::Expired, &clock).await)),
        ("self-signed", Some(behind(Certificate::SelfSigned, &clock).await)),
        ("another host", Some(behind(Certificate::OtherHost, &clock).await)),
        ("an unknown root", Some(behind(Certificate::Valid, &clock).await)),
        ("plain HTTP", Some(authorization_server(&clock).await)),
        ("connection refused", None),
        ("DNS failure", None),
    ];
    for (name, impostor) in impostors {
        let mut provider = behind(Certificate::Valid, &clock).await;
        let switch = Switch(Arc::new(Mutex::new(Some(provider.address()))));
        // Those that are wrong in another way have a root that is trusted.
        let of_impostor = impostor.as_ref().filter(|_| name != "an unknown root").and_then(|it| it.root_certificate());
        let roots: Vec<_> = provider.root_certificate().into_iter().chain(of_impostor).map(str::to_owned).collect();
        let resolver = switch.clone();
        // Without a port in the URL, that of the address counts.
        let trusted = Issuer::new(provider.issuer()).jwk_set_url("https://localhost/jwks").http_client(move |client| {
            let certificate = |root: &String| reqwest::Certificate::from_pem(root.as_bytes()).unwrap();
            client.tls_certs_only(roots.iter().map(certificate)).dns_resolver(resolver.clone())
        });
        assert!(provider.jwks_uri().ends_with("/jwks"), "{}", provider.jwks_uri());
        let it = Loaded::of(provider.test_issuer(), trusted, &clock).await;

        let closed = provider.address();
        provider.stop().await;
        *switch.0.lock().unwrap() = match name {
            "DNS failure" => None,
            "connection refused" => Some(closed),
            _ => Some(impostor.as_ref().unwrap().address()),
        };
        let error = it.failed_refresh().await;
        assert!(error.starts_with("https://localhost/jwks"), "{name}: {error}");
        it.serves_until_the_bound().await;
        if let Some(impostor) = impostor {
            let forger = TestIssuer::with_key(provider.issuer(), impostor.test_issuer().signing_key());
            let forged = token(&forger.with_clock(clock.clone()));
            assert_eq!(reason(&it.server, &forged).await, "keys_unavailable", "{name}");
            assert_eq!(impostor.requests(Endpoint::JwkSet), 0, "{name}");
        }

        provider.restart().await.unwrap();
        *switch.0.lock().unwrap() = Some(provider.address());
        clock.advance(KeyPolicy::MAX_BACKOFF);
        assert_eq!(reason(&it.server, &it.good).await, "accepted", "{name}");
    }
}

#[tokio::test]
async fn j07_f10_a_provider_that_is_down_at_the_start_is_503_until_one_backoff_after_its_return() {
    let clock = clock();
    let mut provider = authorization_server(&clock).await;
    let good = token(provider.test_issuer());
    provider.stop().await;
    let trusted = Issuer::new(provider.issuer()).key_policy(policy());
    let server = ResourceServer::builder().audience(AUDIENCE).issuer(trusted).clock(clock.clone()).build().unwrap();
    assert!(!server.readiness().is_ready());
    for _ in 0..3 {
        let Err(TokenError::KeysUnavailable { retry_after }) = server.validate(&good).await else {
            panic!("not unavailable");
        };
        assert!(!retry_after.is_zero() && retry_after <= KeyPolicy::MAX_BACKOFF, "{retry_after:?}");
    }
    provider.restart().await.unwrap();
    clock.advance(Duration::from_millis(5_500));
    assert_eq!(reason(&server, &good).await, "accepted", "the first step of the backoff is five seconds and a tenth");
    assert!(server.readiness().is_ready());
}

/// What a peer does after the first good answer.
#[derive(Clone, Debug)]
enum Misdeed {
    Answers(Vec<u8>),
    Silence,
    SlowHeaders,
    EndlessHeaders,
    SlowChunks,
    EndlessChunks,
    PromisesMuch,
}

struct Peer(watch::Receiver<()>);

impl Peer {
    /// Waits until the peer has noticed that nobody listens any more.
    async fn hung_up(mut self) {
        let gone = tokio::time::timeout(Duration::from_secs(60), self.0.changed()).await;
        assert!(gone.is_ok(), "somebody still listens");
    }
}

async fn failed_refresh_at(misdeed: Misdeed) -> (String, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let clock = clock();
    let issuer = TestIssuer::with_key(&url, key(0)).with_clock(clock.clone());
    let first = full("HTTP/1.1 200 OK\r\n", issuer.jwk_set().to_string().as_bytes());
    let (gone, peer) = watch::channel(());
    tokio::spawn(async move {
        answer(&mut listener.accept().await.unwrap().0, &Misdeed::Answers(first)).await;
        answer(&mut listener.accept().await.unwrap().0, &misdeed).await;
        drop(gone);
    });
    let it = Loaded::of(&issuer, Issuer::new(&url).jwk_set_url(format!("{url}{JWK_SET}")), &clock).await;
    (it.failed_refresh().await, Peer(peer))
}

/// A whole answer, after which the connection closes.
fn full(head: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("{head}connection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Reads a request and answers it, until that is done or the client hangs up.
async fn answer(stream: &mut TcpStream, misdeed: &Misdeed) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap() == 0 {
            return;
        }
    }
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let spaces = " ".repeat(4096);
    let slow = Some(Duration::from_millis(20));
    let (first, again, pace) = match misdeed {
        Misdeed::Answers(answer) => {
            let _ = stream.write_all(answer).await;
            return;
        }
        Misdeed::Silence => {
            // Ends when the client does.
            let _ = stream.read_u8().await;
            return;
        }
        Misdeed::SlowHeaders => ("HTTP/1.1 200 OK\r\nx-slow: ", "a".to_owned(), slow),
        Misdeed::EndlessHeaders => ("HTTP/1.1 200 OK\r\n", format!("x-endless: {}\r\n", "a".repeat(1024)), None),
        Misdeed::SlowChunks => (chunked, "1\r\n \r\n".to_owned(), slow),
        Misdeed::EndlessChunks => (chunked, format!("1000\r\n{spaces}\r\n"), None),
        Misdeed::PromisesMuch => ("HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n", spaces, None),
    };
    let mut written = stream.write_all(first.as_bytes()).await;
    while written.is_ok() {
        if let Some(pace) = pace {
            tokio::time::sleep(pace).await;
        }
        written = stream.write_all(again.as_bytes()).await;
    }
}

/// RFC 1952 around one block with fixed codes (RFC 1951 §3.2.6): a space, copies of it, and a text.
fn gzip_of_spaces_and(text: &[u8], spaces: usize) -> Vec<u8> {
    let copies = (spaces - 1) / 258;
    let content = [&*b" ".repeat(1 + copies * 258), text].concat();
    let mut bits: Vec<bool> = vec![true, true, false];
    let code = |value: u32, length: u32| (0..length).rev().map(move |bit| value >> bit & 1 == 1);
    let literal = |byte: u8| code(0x30 + u32::from(byte), 8);
    bits.extend(literal(b' '));
    for _ in 0..copies {
        bits.extend(code(0xc5, 8).chain(code(0, 5)));
    }
    bits.extend(text.iter().flat_map(|byte| literal(*byte)));
    bits.extend(code(0, 7));
    let bytes = bits.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit)));
    let crc = content.iter().fold(u32::MAX, |crc, byte| {
        let step = |crc: u32, _| crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
        (0..8).fold(crc ^ u32::from(*byte), step)
    });
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let length = u32::try_from(content.len()).unwrap();
    head.into_iter().chain(bytes).chain((!crc).to_le_bytes()).chain(length.to_le_bytes()).collect()
}
