//! An issuer's name is whatever `iss` may be (RFC 7519 §4.1.1). Only discovery needs a URL.

use tower_bearer::{Issuer, ResourceServer};
use tower_bearer_test::TestIssuer;

use crate::provider::*;
use crate::source::{Mood, Source};

const NAMES: [&str; 12] = [
    "privy.example",
    "privy.example/tenant",
    "accounts.google.com",
    "kubernetes/serviceaccount",
    "Example Corporation",
    "\u{fc}ber",
    "urn:example:issuer",
    "did:web:example.com",
    "spiffe://example.org/ns/default",
    "http://as.example.com",
    "ftp://as.example.com/",
    "https://as.example.com/?tenant=1#x",
];

fn server(provider: &Provider, trusted: Issuer) -> ResourceServer {
    ResourceServer::builder().audience(AUDIENCE).issuer(trusted).clock(provider.clock.clone()).build().unwrap()
}

#[tokio::test]
async fn r23_an_issuer_that_is_no_url_needs_only_keys() {
    let provider = Provider::start().await;
    let file = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("names-{}", std::process::id()));
    for name in NAMES {
        let issuer = TestIssuer::with_key(name, key(0)).with_clock(provider.clock.clone());
        provider.publish(&issuer);
        provider.answer("/metadata", provider.metadata(name));
        std::fs::write(&file, issuer.jwk_set().to_string()).unwrap();
        let (mood, fetches) = (tokio::sync::watch::Sender::new(Mood::Answers), Default::default());
        let trusted = || Issuer::new(name);
        for (from, trusted) in [
            ("a set", trusted().jwk_set(issuer.jwk_set().to_string())),
            ("PEM", trusted().pem(key(0).public_key_pem())),
            ("a file", trusted().jwk_set_file(&file)),
            ("a source", trusted().key_source(Source::new(&issuer, &mood, &fetches))),
            ("a URL", trusted().jwk_set_url(provider.url(JWK_SET))),
            ("metadata", trusted().metadata_url(provider.url("/metadata"))),
            ("a failover", trusted().jwk_set_file("/no/such/file").failover_jwk_set_url(provider.url(JWK_SET))),
            ("a failover file", trusted().jwk_set_url("https://127.0.0.1:1/").failover_jwk_set_file(&file)),
        ] {
            let server = server(&provider, trusted);
            assert_eq!(reason(&server, &token(&issuer)).await, "accepted", "{name} {from}");
            assert_eq!(server.key_sets()[0].issuer, name);
            // Byte for byte, like any other name.
            let other = TestIssuer::with_key(format!("{name}/"), key(0)).with_clock(provider.clock.clone());
            assert_eq!(reason(&server, &token(&other)).await, "issuer_mismatch", "{name} {from}");
        }
    }
}

#[tokio::test]
async fn r23_an_issuer_that_is_no_url_may_share_a_secret() {
    let provider = Provider::start().await;
    let secret: Vec<u8> = (0..32).collect();
    for name in NAMES {
        let claims = serde_json::json!({ "iss": name, "aud": AUDIENCE, "exp": 1_800_003_600 });
        let key = jsonwebtoken::EncodingKey::from_secret(&secret);
        let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
        let server = server(&provider, Issuer::new(name).shared_secret(secret.clone()));
        assert_eq!(reason(&server, &token).await, "accepted", "{name}");
    }
}

/// Among other issuers, and added while the server runs.
#[tokio::test]
async fn r23_names_and_urls_stand_side_by_side() {
    let (provider, by_url) = Provider::with_keys().await;
    let named = |name: &str| TestIssuer::with_key(name, key(1)).with_clock(provider.clock.clone());
    let builder = ResourceServer::builder().audience(AUDIENCE).clock(provider.clock.clone());
    let server = builder.issuer(Issuer::new(provider.url(""))).issuer(named(NAMES[0]).trusted()).build().unwrap();
    server.add_issuer(&named(NAMES[1]).trusted()).unwrap();
    for issuer in [&by_url, &named(NAMES[0]), &named(NAMES[1])] {
        assert_eq!(reason(&server, &token(issuer)).await, "accepted", "{}", issuer.url());
    }
    assert!(server.disable_issuer(NAMES[0]) && server.remove_issuer(NAMES[1]));
    assert_eq!(reason(&server, &token(&named(NAMES[0]))).await, "issuer_disabled");
    assert_eq!(reason(&server, &token(&named(NAMES[1]))).await, "issuer_mismatch");
}
