//! Each cause of a failed fetch as facts: a reason code, a URL, and what code can match on. No text decides.

use std::{fmt, io};

use reqwest::dns::{Name, Resolve, Resolving};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower_bearer::{FetchedKeySet, Issuer, KeySetError, KeySetFailure, KeySource, KeySourceFuture, TransportFault};
use tower_bearer_test::TestIssuer;

use crate::log;
use crate::provider::*;

const PUBLIC: &str = "https://login.example.com";
/// Words that speak of every other cause.
const LIES: &str =
    "certificate dns lookup resolve refused timed out unreachable status 404 not json no usable key redirect";

/// Why the keys of this issuer cannot be fetched.
async fn failure(provider: &Provider, trusted: Issuer) -> KeySetFailure {
    let server = provider.resource_server_trusting(trusted);
    let issuer = TestIssuer::with_key(&server.key_sets()[0].issuer, key(0)).with_clock(provider.clock.clone());
    assert_eq!(reason(&server, &token(&issuer)).await, "keys_unavailable");
    server.key_sets().remove(0).last_error.unwrap()
}

fn at(url: &str) -> Issuer {
    Issuer::new(PUBLIC).jwk_set_url(url).key_policy(impatient())
}

/// A server that writes this to each connection, whatever it was sent, and closes it.
async fn raw_server(response: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1_024]).await;
            let _ = stream.write_all(response.as_bytes()).await;
        }
    });
    address.to_string()
}

/// Recognizes a cause by its variant.
type IsCause = fn(&KeySetError) -> bool;

/// What a key set at one URL can suffer from over HTTP: its reason, and a pattern for its cause.
fn responses() -> Vec<(Answer, &'static str, IsCause)> {
    // The content type ends in a backslash, which is written as two before the closing quote.
    let lie = |status| Answer::Full(status, vec![("content-type", format!("text/{LIES}\\"))], LIES.to_owned());
    let large = Answer::Json(format!("{{\"padding\":\"{}\"}}", "x".repeat(300 * 1024)));
    let compressed = Answer::Full(200, vec![("content-encoding", "gzip".into())], String::new());
    let keys = |keys: Value| Answer::Json(json!({ "keys": keys }).to_string());
    vec![
        (lie(404), "status", |it| matches!(it, KeySetError::Status { status: 404, .. })),
        (lie(500), "status", |it| matches!(it, KeySetError::Status { status: 500, .. })),
        (Answer::RedirectTo(format!("https://a/{}", LIES.replace(' ', "-"))), "status", |it| {
            matches!(it, KeySetError::Status { status: 302, .. })
        }),
        (lie(200), "not_a_jwk_set", |it| matches!(it, KeySetError::NotAJwkSet { is_json: false, .. })),
        (Answer::Json("{\"keys\":[".into()), "not_a_jwk_set", |it| {
            matches!(it, KeySetError::NotAJwkSet { is_json: false, .. })
        }),
        (Answer::Json("[\"not json\"]".into()), "not_a_jwk_set", |it| {
            matches!(it, KeySetError::NotAJwkSet { is_json: true, .. })
        }),
        (Answer::Json("{\"error\":\"not json\"}".into()), "not_a_jwk_set", |it| {
            matches!(it, KeySetError::NotAJwkSet { is_json: true, .. })
        }),
        (keys(json!([])), "no_usable_key", |it| matches!(it, KeySetError::NoUsableKey { .. })),
        (keys(json!(vec![json!({}); 101])), "too_many_keys", |it| {
            matches!(it, KeySetError::TooManyKeys { found: 101 })
        }),
        (large, "too_large", |it| matches!(it, KeySetError::TooLarge { .. })),
        (compressed, "content_coding", |it| matches!(it, KeySetError::ContentCoding { .. })),
        (Answer::Silence, "timeout", |it| matches!(it, KeySetError::Timeout(_))),
    ]
}

#[tokio::test]
async fn j04_each_response_has_its_reason_and_url() {
    let provider = Provider::start().await;
    let url = provider.url(JWK_SET);
    for (answer, reason, is_cause) in responses() {
        provider.answer(JWK_SET, answer);
        let failure = failure(&provider, at(&url)).await;
        assert_eq!((failure.reason, failure.url.as_deref()), (reason, Some(&*url)), "{failure}");
        let causes = failure.error().causes();
        assert!(causes.len() == 1 && is_cause(causes[0]), "{failure}");
        let status = if let KeySetError::Status { status, .. } = causes[0] { Some(*status) } else { None };
        assert_eq!((failure.status, failure.fault), (status, None), "{failure}");
        assert!(failure.places.is_empty() && failure.to_string() == failure.text, "{failure}");
        let mut expected = json!({ "reason": reason, "url": url, "text": failure.text });
        if let Some(status) = status {
            expected["status"] = status.into();
        }
        assert_eq!(serde_json::to_value(&failure).unwrap(), expected);
    }
}

/// The same documents as metadata, and what only metadata can be.
#[tokio::test]
async fn r31_each_unusable_metadata_has_its_reason_and_url() {
    let provider = Provider::start().await;
    let (place, url) = ("/metadata", provider.url("/metadata"));
    let metadata = |issuer: &str, uri: &str| Answer::Json(json!({ "issuer": issuer, "jwks_uri": uri }).to_string());
    let cases: Vec<(Answer, &str, &str, IsCause)> = vec![
        (metadata("https://certificate.example", "https://a/"), "issuer_mismatch", &url, |it| {
            matches!(it, KeySetError::IssuerMismatch { .. })
        }),
        (Answer::Json(LIES.into()), "metadata", &url, |it| matches!(it, KeySetError::Metadata { is_json: false, .. })),
        (Answer::Json("{}".into()), "metadata", &url, |it| matches!(it, KeySetError::Metadata { is_json: true, .. })),
        (metadata(PUBLIC, "not a URL"), "metadata", &url, |it| {
            matches!(it, KeySetError::Metadata { is_json: true, .. })
        }),
        (metadata(PUBLIC, "http://keys.example.com/"), "insecure_url", &url, |it| {
            matches!(it, KeySetError::InsecureUrl(_))
        }),
        (metadata(PUBLIC, "https://keys.example.com/"), "other_origin", &url, |it| {
            matches!(it, KeySetError::OtherOrigin { .. })
        }),
        (metadata(PUBLIC, "https://10.1.2.3/keys"), "refused_address", "https://10.1.2.3/keys", |it| {
            matches!(it, KeySetError::RefusedAddress { .. })
        }),
    ];
    for (answer, reason, named, is_cause) in cases {
        provider.answer(place, answer);
        let mut trusted =
            Issuer::new(PUBLIC).metadata_url(&url).key_policy(impatient()).refuse_networks(["10.0.0.0/8"]);
        if reason == "other_origin" {
            trusted = trusted.require_same_origin_jwks_uri();
        }
        let failure = failure(&provider, trusted).await;
        assert_eq!((failure.reason, failure.url.as_deref()), (reason, Some(named)), "{failure}");
        assert!(matches!(failure.error().causes()[..], [cause] if is_cause(cause)), "{failure}");
    }
}

/// A resolver whose error speaks of something else.
struct Liar;

impl Resolve for Liar {
    fn resolve(&self, _: Name) -> Resolving {
        Box::pin(async { Err(io::Error::new(io::ErrorKind::ConnectionRefused, LIES).into()) })
    }
}

#[tokio::test]
async fn j06_each_way_to_have_no_response_has_its_fault() {
    let provider = Provider::start().await;
    let closed = raw_server("").await;
    for (trusted, url, fault) in [
        (
            at("https://keys.example.com/jwks").http_client(|client| client.dns_resolver(Liar)),
            "https://keys.example.com/jwks".to_owned(),
            TransportFault::NameNotResolved,
        ),
        (at("http://127.0.0.1:1/jwks"), "http://127.0.0.1:1/jwks".into(), TransportFault::ConnectionRefused),
        (at("https://127.0.0.1:1/jwks"), "https://127.0.0.1:1/jwks".into(), TransportFault::ConnectionRefused),
        // Its answer to the first bytes of TLS is no TLS.
        (
            at(&format!("https://{}/jwks", raw_server("HTTP/1.1 400 certificate\r\n\r\n").await)),
            String::new(),
            TransportFault::Tls,
        ),
        (at(&format!("https://{closed}/jwks")), format!("https://{closed}/jwks"), TransportFault::Tls),
        (at(&format!("http://{closed}/jwks")), format!("http://{closed}/jwks"), TransportFault::IncompleteResponse),
        (
            at(&format!("http://{}/jwks", raw_server("SSH-2.0-certificate\r\n").await)),
            String::new(),
            TransportFault::IncompleteResponse,
        ),
        (
            at(&format!("http://{}/jwks", raw_server("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{}").await)),
            String::new(),
            TransportFault::IncompleteResponse,
        ),
    ] {
        let failure = failure(&provider, trusted).await;
        assert_eq!((failure.reason, failure.fault), ("transport", Some(fault)), "{failure}");
        assert!(failure.url.as_ref().is_some_and(|it| it.ends_with("/jwks") && it.ends_with(&url)), "{failure}");
        assert!(matches!(failure.error().causes()[..], [KeySetError::Transport { .. }]), "{failure}");
        let json = serde_json::to_value(&failure).unwrap();
        assert_eq!((&json["reason"], &json["fault"]), (&json!("transport"), &json!(fault.reason())));
    }
}

/// The reason is that of one place; each place has its own facts.
#[tokio::test]
async fn r31_several_places_are_a_list() {
    let provider = Provider::start().await;
    let issuer = provider.url("");
    let [oauth, openid] = [OAUTH_METADATA, OPENID_METADATA].map(|place| provider.url(place));
    let page = || Answer::Full(200, vec![], LIES.into());
    for (first, second, reason, url) in [
        (Answer::Status(404), Answer::Status(503), "no_metadata", None),
        (Answer::Status(404), Answer::Status(404), "no_metadata", None),
        (Answer::Status(404), page(), "metadata", Some(&openid)),
        (page(), provider.metadata("https://other.example"), "issuer_mismatch", Some(&openid)),
        (provider.metadata("https://other.example"), page(), "issuer_mismatch", Some(&oauth)),
        (Answer::Silence, Answer::Silence, "timeout", Some(&oauth)),
    ] {
        provider.answer(OAUTH_METADATA, first);
        provider.answer(OPENID_METADATA, second);
        let failure = failure(&provider, Issuer::new(&issuer).key_policy(impatient())).await;
        assert_eq!((failure.reason, failure.url.as_ref()), (reason, url), "{failure}");
        let urls: Vec<_> = failure.places.iter().map(|place| place.url.as_ref().unwrap()).collect();
        assert_eq!(urls, [&oauth, &openid], "{failure}");
        for place in &failure.places {
            assert!(failure.text.contains(&place.text) && place.places.is_empty(), "{failure}");
        }
        let json = serde_json::to_value(&failure).unwrap();
        assert_eq!(json["places"][1]["url"], openid, "{json}");
        assert_eq!(json.get("status"), None, "the statuses are those of the places: {json}");
    }
}

#[tokio::test]
async fn each_source_has_its_own_facts() {
    let provider = Provider::start().await;
    let url = provider.url(JWK_SET);
    let trusted = Issuer::new(PUBLIC).jwk_set_file("/no/such/file").failover_jwk_set_url(&url);
    let failure = failure(&provider, trusted.key_policy(impatient())).await;
    assert_eq!((failure.reason, &failure.url), ("all_sources", &None));
    let facts: Vec<_> = failure.places.iter().map(|it| (it.reason, it.url.as_deref(), it.status)).collect();
    assert_eq!(facts, [("source", None, None), ("status", Some(&*url), Some(404))]);
}

/// A source of the application's own, whose error has a `Debug` that says more than its `Display`.
#[derive(Debug)]
struct Vault;

#[derive(thiserror::Error)]
#[error("no store")]
struct VaultError {
    password: &'static str,
}

/// Careless, as an application's may be.
impl fmt::Debug for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VaultError {{ password: {} }}", self.password)
    }
}

impl KeySource for Vault {
    fn fetch<'a>(&'a self, _: Option<&'a str>) -> KeySourceFuture<'a> {
        Box::pin(async { Err::<FetchedKeySet, _>(KeySetError::source_failed(VaultError { password: SECRET })) })
    }
}

const SECRET: &str = "s3cret-of-the-store";

#[tokio::test]
async fn h12_no_fact_has_a_credential() {
    log::capture();
    let provider = Provider::start().await;
    let signed = |url: &str| format!("{url}?sig={SECRET}#{SECRET}");
    let marked = |url: &str| format!("{url}#{SECRET}");
    let place = format!("/metadata?sig={SECRET}");
    let names = |uri: String| Answer::Json(json!({ "issuer": PUBLIC, "jwks_uri": uri }).to_string());
    let mut trusted = vec![Issuer::new(PUBLIC).key_source(Vault)];
    for (answer, _, _) in responses() {
        provider.answer(JWK_SET, answer);
        trusted.push(at(&signed(&provider.url(JWK_SET))));
        trusted.push(at(&marked(&provider.url(JWK_SET))));
    }
    for url in ["http://127.0.0.1:1/jwks", "https://127.0.0.1:1/jwks"] {
        trusted.push(at(&signed(url)));
        trusted.push(Issuer::new(PUBLIC).jwk_set_file("/no/such/file").failover_jwk_set_url(signed(url)));
    }
    for uri in ["http://a/", "https://a/", "https://10.1.2.3/", "https://127.0.0.1:1/"] {
        provider.answer("/metadata", names(signed(uri)));
        let at_metadata = || Issuer::new(PUBLIC).metadata_url(provider.url(&place)).key_policy(impatient());
        let at_metadata = [at_metadata().refuse_networks(["10.0.0.0/8"]), at_metadata().require_same_origin_jwks_uri()];
        for trusted in at_metadata {
            let failure = failure(&provider, trusted).await;
            let shown = format!("{failure} {failure:?} {}", serde_json::to_string(&failure).unwrap());
            assert!(!shown.contains(SECRET), "{shown}");
        }
    }
    for trusted in trusted {
        let failure = failure(&provider, trusted.key_policy(impatient())).await;
        let shown = format!("{failure} {failure:?} {}", serde_json::to_string(&failure).unwrap());
        assert!(!shown.contains(SECRET), "{shown}");
    }
    let log = log::take();
    assert!(log.contains("WARN") && !log.contains(SECRET), "{log}");
}

/// What the log says about requests depends on the kind of the failure, whatever is written in a document.
#[tokio::test]
async fn r23_no_text_makes_a_failure_one_of_another_issuer() {
    let provider = Provider::start().await;
    let url = provider.url("/metadata");
    let names = |issuer: &str| Answer::Json(json!({ "issuer": issuer, "jwks_uri": "https://a/" }).to_string());
    let page = Answer::Json("issuer_mismatch: the metadata is of the issuer \"https://a\"".into());
    for (answer, said) in [(names("https://a"), "all others with 401"), (page, "tokens of this issuer are answered")] {
        provider.answer("/metadata", answer);
        log::capture();
        failure(&provider, Issuer::new(PUBLIC).metadata_url(&url).key_policy(impatient())).await;
        let log = log::take();
        assert!(log.contains(said), "{log}");
    }
}
