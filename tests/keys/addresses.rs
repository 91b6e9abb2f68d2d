//! Which addresses keys are fetched from: internal ones for a public name, and what is kept out.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tower_bearer::{Issuer, ResourceServer};
use tower_bearer_test::TestIssuer;

use crate::log;
use crate::provider::*;

const PUBLIC: &str = "https://login.example.com";
const METADATA: &str = "/internal/metadata";

/// An issuer with a public name whose keys and metadata are at a provider inside.
async fn inside() -> (Provider, TestIssuer) {
    let provider = Provider::start().await;
    let issuer = TestIssuer::with_key(PUBLIC, key(0)).with_clock(provider.clock.clone());
    provider.publish(&issuer);
    provider.answer(METADATA, provider.metadata(PUBLIC));
    (provider, issuer)
}

fn metadata(issuer: &str, jwks_uri: &str) -> Answer {
    Answer::Json(serde_json::json!({ "issuer": issuer, "jwks_uri": jwks_uri }).to_string())
}

/// Whether a good token passes, for a resource server that trusts this issuer.
async fn verdict(provider: &Provider, issuer: &TestIssuer, trusted: Issuer) -> &'static str {
    reason(&provider.resource_server_trusting(trusted), &token(issuer)).await
}

/// The provider under a name that only this client knows.
fn named(provider: &Provider, issuer: Issuer) -> Issuer {
    let address = provider.address;
    issuer.http_client(move |client| client.resolve("keys.internal", address))
}

#[tokio::test]
async fn f01_a_public_issuer_may_have_its_keys_at_an_internal_url() {
    let (provider, issuer) = inside().await;
    let url = format!("http://keys.internal:{}{JWK_SET}", provider.address.port());
    let trusted = Issuer::new(PUBLIC).jwk_set_url(&url).dangerously_allow_http();
    assert_eq!(verdict(&provider, &issuer, named(&provider, trusted)).await, "accepted");
    assert_eq!(provider.requests(), [JWK_SET]);

    let trusted = Issuer::new(PUBLIC).jwk_set_url(&url);
    let refused = ResourceServer::builder().audience(AUDIENCE).issuer(trusted).build().unwrap_err();
    assert_eq!(refused.setting(), "jwk_set_url");
}

#[tokio::test]
async fn f01_a_public_issuer_may_have_its_metadata_at_an_internal_url() {
    let (provider, issuer) = inside().await;
    let inside = format!("http://keys.internal:{}", provider.address.port());
    provider.answer(METADATA, metadata(PUBLIC, &format!("{inside}{JWK_SET}")));
    let trusted = Issuer::new(PUBLIC).metadata_url(format!("{inside}{METADATA}")).dangerously_allow_http();
    assert_eq!(verdict(&provider, &issuer, named(&provider, trusted)).await, "accepted");
    assert_eq!(provider.requests(), [METADATA, JWK_SET]);
}

#[tokio::test]
async fn r31_internal_metadata_must_name_the_public_issuer() {
    let (provider, issuer) = inside().await;
    for other in [format!("{PUBLIC}/"), provider.url(""), provider.url(METADATA)] {
        provider.answer(METADATA, provider.metadata(&other));
        let trusted = Issuer::new(PUBLIC).metadata_url(provider.url(METADATA));
        assert_eq!(verdict(&provider, &issuer, trusted).await, "keys_unavailable", "{other}");
    }
    assert_eq!(provider.requests(), [METADATA; 3], "the keys of another issuer are not fetched");
}

#[tokio::test]
async fn r31_with_a_metadata_url_no_other_place_is_asked() {
    let (provider, issuer) = inside().await;
    provider.answer(METADATA, Answer::Status(404));
    provider.answer(OPENID_METADATA, provider.metadata(PUBLIC));
    let trusted = Issuer::new(PUBLIC).metadata_url(provider.url(METADATA));
    assert_eq!(verdict(&provider, &issuer, trusted).await, "keys_unavailable");
    assert_eq!(provider.requests(), [METADATA]);
}

#[tokio::test]
async fn r65_internal_metadata_on_loopback_must_not_name_keys_over_http_elsewhere() {
    let (provider, issuer) = inside().await;
    provider.answer(METADATA, metadata(PUBLIC, &format!("http://keys.internal:{}/jwks", provider.address.port())));
    let trusted = Issuer::new(PUBLIC).metadata_url(provider.url(METADATA));
    assert_eq!(verdict(&provider, &issuer, named(&provider, trusted)).await, "keys_unavailable");
    assert_eq!(provider.requests(), [METADATA]);
}

const CREDENTIAL: &str = "s3cret-of-the-gateway";

/// Answers only to those who send the credential.
fn guarded(answer: Answer) -> Answer {
    let Answer::Json(json) = answer else { panic!("not JSON") };
    Answer::OnlyTo(|headers| headers.get("x-api-key").is_some_and(|value| value == CREDENTIAL), json)
}

/// Answers only to those who do not send it.
fn keys_for_strangers(issuer: &TestIssuer) -> Answer {
    Answer::OnlyTo(|headers| !headers.contains_key("x-api-key"), issuer.jwk_set().to_string())
}

fn with_credential(issuer: Issuer) -> Issuer {
    issuer.key_request_header("x-api-key", CREDENTIAL)
}

#[tokio::test]
async fn headers_go_with_requests_for_metadata_and_keys() {
    let (provider, issuer) = inside().await;
    provider.answer(METADATA, guarded(provider.metadata(PUBLIC)));
    provider.answer(OAUTH_METADATA, guarded(provider.metadata(&provider.url(""))));
    provider.answer(JWK_SET, guarded(Answer::Json(issuer.jwk_set().to_string())));
    for trusted in [
        Issuer::new(PUBLIC).jwk_set_url(provider.url(JWK_SET)),
        Issuer::new(PUBLIC).metadata_url(provider.url(METADATA)),
    ] {
        assert_eq!(verdict(&provider, &issuer, with_credential(trusted.clone())).await, "accepted");
        assert_eq!(verdict(&provider, &issuer, trusted).await, "keys_unavailable");
    }
    let trusted = with_credential(Issuer::new(provider.url("")));
    assert_eq!(verdict(&provider, &provider.issuer(key(0)), trusted).await, "accepted");
}

#[tokio::test]
async fn j16_headers_do_not_go_to_another_origin() {
    let ((provider, issuer), elsewhere) = (inside().await, Provider::start().await);
    elsewhere.answer(JWK_SET, keys_for_strangers(&issuer));
    provider.answer(METADATA, metadata(PUBLIC, &elsewhere.url(JWK_SET)));
    let trusted = with_credential(Issuer::new(PUBLIC).metadata_url(provider.url(METADATA)));
    assert_eq!(verdict(&provider, &issuer, trusted).await, "accepted");

    provider.answer(METADATA, Answer::Status(500));
    let trusted = Issuer::new(PUBLIC).metadata_url(provider.url(METADATA));
    let trusted = with_credential(trusted.failover_jwk_set_url(elsewhere.url(JWK_SET)));
    assert_eq!(verdict(&provider, &issuer, trusted).await, "accepted");
}

/// The failover is the only URL there is. That does not make its host the configured one.
#[tokio::test]
async fn j16_headers_do_not_go_to_a_failover_behind_a_source_of_the_applications_own() {
    let (_, issuer) = inside().await;
    let elsewhere = Provider::start().await;
    elsewhere.answer(JWK_SET, keys_for_strangers(&issuer));
    let trusted = Issuer::new(PUBLIC).jwk_set_file("/does/not/exist.json");
    let trusted = with_credential(trusted.failover_jwk_set_url(elsewhere.url(JWK_SET)));
    assert_eq!(verdict(&elsewhere, &issuer, trusted).await, "accepted");
}

#[tokio::test]
async fn the_value_of_a_header_is_not_shown() {
    log::capture();
    let (provider, issuer) = inside().await;
    provider.answer(JWK_SET, Answer::Status(500));
    let trusted = with_credential(Issuer::new(PUBLIC).jwk_set_url(provider.url(JWK_SET)));
    let server = provider.resource_server_trusting(trusted.clone());
    assert_eq!(reason(&server, &token(&issuer)).await, "keys_unavailable");
    let shown = format!("{trusted:?} {server:?} {}", log::take());
    assert!(shown.contains("status 500") && !shown.contains(CREDENTIAL), "{shown}");
}

/// Signed URLs of object stores have their credential in the query.
#[tokio::test]
async fn h12_the_query_of_a_url_is_not_shown() {
    log::capture();
    let (provider, issuer) = inside().await;
    provider.answer(JWK_SET, Answer::Status(500));
    let signed = |url: String| format!("{url}?sig={CREDENTIAL}");
    let nobody = "http://127.0.0.1:1/jwks".to_owned();
    let trusted = Issuer::new(PUBLIC).jwk_set_url(signed(provider.url(JWK_SET))).failover_jwk_set_url(signed(nobody));
    let server = provider.resource_server_trusting(trusted.clone());
    assert_eq!(reason(&server, &token(&issuer)).await, "keys_unavailable");
    let status = serde_json::to_string(&server.readiness()).unwrap();
    let shown = format!("{trusted:?} {server:?} {status} {}", log::take());
    assert!(shown.contains("/jwks?… answered with status 500") && !shown.contains(CREDENTIAL), "{shown}");
}

#[tokio::test]
async fn j16_a_jwks_uri_of_another_origin_is_refused_where_that_is_asked_for() {
    let ((provider, issuer), elsewhere) = (inside().await, Provider::start().await);
    elsewhere.publish(&issuer);
    let trusted = || Issuer::new(PUBLIC).metadata_url(provider.url(METADATA));
    assert_eq!(verdict(&provider, &issuer, trusted().require_same_origin_jwks_uri()).await, "accepted");

    provider.answer(METADATA, metadata(PUBLIC, &elsewhere.url(JWK_SET)));
    log::capture();
    assert_eq!(verdict(&provider, &issuer, trusted().require_same_origin_jwks_uri()).await, "keys_unavailable");
    let (log, asked) = (log::take(), elsewhere.requests());
    let (from, named) = (provider.url(METADATA), elsewhere.url(JWK_SET));
    let expected = format!("the metadata at {from} names a URL on another origin, {named}");
    assert!(log.contains(&expected) && asked.is_empty(), "{log} {asked:?}");
    assert_eq!(verdict(&provider, &issuer, trusted()).await, "accepted");
}

/// 0.0.0.0 is this machine, by another name than the one that the metadata is asked at.
#[tokio::test]
async fn j16_a_jwks_uri_at_a_refused_address_is_not_asked() {
    let (provider, issuer) = inside().await;
    let trusted = || Issuer::new(PUBLIC).metadata_url(provider.url(METADATA)).dangerously_allow_http();
    for host in ["0.0.0.0", "0", "0x0", "[::ffff:0.0.0.0]", "[::]"] {
        let url = format!("http://{host}:{}{JWK_SET}", provider.address.port());
        provider.answer(METADATA, metadata(PUBLIC, &url));
        log::capture();
        let guarded = trusted().refuse_networks(["0.0.0.0/8"]);
        assert_eq!(verdict(&provider, &issuer, guarded).await, "keys_unavailable", "{host}");
        let log = log::take();
        assert!(log.contains("in the refused network 0.0.0.0/8"), "{host}: {log}");
    }
    assert_eq!(provider.key_fetches(), 0);
    provider.answer(METADATA, metadata(PUBLIC, &format!("http://0.0.0.0:{}{JWK_SET}", provider.address.port())));
    assert_eq!(verdict(&provider, &issuer, trusted()).await, "accepted");
}

#[tokio::test]
async fn j16_a_name_at_a_refused_address_is_not_asked() {
    let (provider, issuer) = inside().await;
    let url = format!("http://localhost:{}{JWK_SET}", provider.address.port());
    let trusted = || Issuer::new(PUBLIC).jwk_set_url(&url);
    let guarded = [
        trusted().refuse_private_networks(),
        trusted().refuse_networks(["127.0.0.0/8", "::1"]),
        trusted().refuse_networks(["127.0.0.1"]).refuse_networks(["::1/128"]),
        // A resolver of the application's own does not get around it.
        trusted().refuse_private_networks().http_client(|client| client.dns_resolver(Here)),
    ];
    for guarded in guarded {
        log::capture();
        assert_eq!(verdict(&provider, &issuer, guarded).await, "keys_unavailable");
        let log = log::take();
        assert!(log.contains(&format!("{url} is at ")) && log.contains(", in the refused network "), "{log}");
    }
    assert_eq!(provider.requests(), [""; 0]);
    assert_eq!(verdict(&provider, &issuer, trusted()).await, "accepted");
}

/// Finds every name on this machine.
struct Here;

impl Resolve for Here {
    fn resolve(&self, _: Name) -> Resolving {
        let here: Addrs = Box::new(std::iter::once(SocketAddr::from(([127, 0, 0, 1], 0))));
        Box::pin(async { Ok(here) })
    }
}

/// Addresses that the application fixes are not looked up. What listens there gets no request.
#[tokio::test]
async fn j16_an_address_that_goes_around_the_guard_is_not_asked() {
    let (provider, issuer) = inside().await;
    let address = provider.address;
    let url = format!("http://keys.internal:{}{JWK_SET}", address.port());
    let trusted = || Issuer::new(PUBLIC).jwk_set_url(&url).dangerously_allow_http().key_policy(impatient());
    let fixed = |issuer: Issuer| named(&provider, issuer);
    let several = |issuer: Issuer| issuer.http_client(move |it| it.resolve_to_addrs("keys.internal", &[address; 2]));
    for guarded in [fixed(trusted().refuse_private_networks()), several(trusted().refuse_networks(["10.0.0.0/8"]))] {
        log::capture();
        let server = provider.resource_server_trusting(guarded);
        let error = server.warm_up(std::time::Duration::from_secs(3_600)).await.unwrap_err().to_string();
        assert!(error.contains(&format!("{url} is at an address that cannot be checked")), "{error}");
        let failure = server.key_sets().remove(0).last_error.unwrap();
        assert_eq!((failure.reason, failure.url.as_deref()), ("unchecked_address", Some(&*url)));
        assert_eq!(reason(&server, &token(&issuer)).await, "keys_unavailable");
        assert!(log::take().contains("reason=\"unchecked_address\""));
    }
    assert_eq!(provider.requests(), [""; 0]);
    assert_eq!(verdict(&provider, &issuer, fixed(trusted())).await, "accepted");
}

/// The connections of one request are watched apart from those of another, and what was looked up is not held against
/// what was not.
#[tokio::test]
async fn j16_a_guarded_client_still_reaches_what_was_checked() {
    let (provider, issuer) = inside().await;
    let address = provider.address;
    let at = |host: &str| format!("http://{host}:{}{JWK_SET}", address.port());
    let guarded = |first: String, second: String| {
        let trusted = Issuer::new(PUBLIC).jwk_set_url(first).failover_jwk_set_url(second).dangerously_allow_http();
        named(&provider, trusted.refuse_networks(["10.0.0.0/8"]).key_policy(impatient()))
    };
    for (first, second) in [
        (at("keys.internal"), at("localhost")),
        (at("keys.internal"), at("127.0.0.1")),
        (at("localhost"), at("keys.internal")),
    ] {
        assert_eq!(verdict(&provider, &issuer, guarded(first, second)).await, "accepted");
    }
}

#[tokio::test]
async fn j16_a_proxy_is_not_used_around_the_guard() {
    let ((provider, issuer), proxy) = (inside().await, Provider::start().await);
    let url = format!("http://localhost:{}{JWK_SET}", provider.address.port());
    let through = proxy.url("");
    let trusted = Issuer::new(PUBLIC).jwk_set_url(url).refuse_networks(["10.0.0.0/8"]);
    let trusted = trusted.http_client(move |client| client.proxy(reqwest::Proxy::all(&through).unwrap()));
    assert_eq!(verdict(&provider, &issuer, trusted).await, "accepted");
    assert_eq!(proxy.requests(), [""; 0]);
}

#[cfg(unix)]
#[tokio::test]
async fn j16_a_unix_socket_cannot_be_checked() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let (provider, issuer) = inside().await;
    let path = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let (heard, mut all_heard) = tokio::sync::mpsc::unbounded_channel();
    let keys = issuer.jwk_set().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1_024];
            let length = stream.read(&mut request).await.unwrap_or_default();
            heard.send(length).unwrap();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", keys.len());
            let _ = stream.write_all(format!("{head}{keys}").as_bytes()).await;
        }
    });
    for (host, is_sent) in [("localhost", false), ("keys.example.com", false), ("1.2.3.4", true)] {
        let trusted = Issuer::new(PUBLIC).jwk_set_url(format!("http://{host}/jwks")).dangerously_allow_http();
        let socket = path.clone();
        let trusted = trusted.http_client(move |client| client.unix_socket(socket.clone())).key_policy(impatient());
        let server = provider.resource_server_trusting(trusted.clone().refuse_private_networks());
        assert_eq!(reason(&server, &token(&issuer)).await, "keys_unavailable", "{host}");
        assert_eq!(server.key_sets()[0].last_error.as_ref().unwrap().reason, "unchecked_address", "{host}");
        assert_eq!(all_heard.recv().await.unwrap() > 0, is_sent, "{host}");
        assert_eq!(verdict(&provider, &issuer, trusted).await, "accepted", "without the guard");
        all_heard.recv().await.unwrap();
    }
}

#[tokio::test]
async fn of_a_name_with_several_addresses_the_others_are_asked() {
    let (provider, issuer) = inside().await;
    let url = format!("http://localhost:{}{JWK_SET}", provider.address.port());
    let trusted = Issuer::new(PUBLIC).jwk_set_url(url).refuse_networks(["::/0", "10.0.0.0/8"]);
    assert_eq!(verdict(&provider, &issuer, trusted).await, "accepted");
}

#[tokio::test]
async fn j16_a_failover_is_kept_out_of_refused_networks_too() {
    let (provider, issuer) = inside().await;
    let url = format!("http://localhost:{}{JWK_SET}", provider.address.port());
    let path = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("no-such-file");
    let trusted = || Issuer::new(PUBLIC).jwk_set_file(&path).failover_jwk_set_url(&url);
    assert_eq!(verdict(&provider, &issuer, trusted().refuse_private_networks()).await, "keys_unavailable");
    assert_eq!(provider.requests(), [""; 0]);
    assert_eq!(verdict(&provider, &issuer, trusted()).await, "accepted");
}
