//! Keys over TLS: who is trusted, and that nobody else is.

use std::sync::Arc;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer as CertificateIssuer, KeyPair, date_time_ymd};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tower_bearer::{Issuer, ResourceServer};
use tower_bearer_test::TestIssuer;

use crate::provider::{AUDIENCE, impatient, key, reason, token};

/// A certificate authority and a server certificate of its making.
struct Pki {
    root: String,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

fn pki(host: &str, expired: bool) -> Pki {
    let root_key = KeyPair::generate().unwrap();
    let mut root = CertificateParams::new([]).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_certificate = root.self_signed(&root_key).unwrap();
    let authority = CertificateIssuer::new(root, root_key);

    let server_key = KeyPair::generate().unwrap();
    let mut server = CertificateParams::new([host.to_owned()]).unwrap();
    if expired {
        (server.not_before, server.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 2, 1));
    }
    let certificate = server.signed_by(&server_key, &authority).unwrap();
    Pki {
        root: root_certificate.pem(),
        certificate: certificate.der().clone(),
        key: PrivateKeyDer::Pkcs8(server_key.serialize_der().into()),
    }
}

/// Serves metadata and keys of `https://localhost:PORT`, and gives back that issuer.
async fn serve(pki: &Pki) -> TestIssuer {
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![pki.certificate.clone()], pki.key.clone_key())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let issuer = TestIssuer::with_key(&url, key(0));
    let metadata = serde_json::json!({ "issuer": url, "jwks_uri": format!("{url}/jwks") }).to_string();
    let keys = issuer.jwk_set().to_string();
    let app = axum::Router::new()
        .route("/.well-known/oauth-authorization-server", axum::routing::get(async || metadata))
        .route("/jwks", axum::routing::get(async || keys));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, service) = (acceptor.clone(), TowerToHyperService::new(app.clone()));
            tokio::spawn(async move {
                // A client that does not trust us ends the handshake: that is its right.
                if let Ok(stream) = acceptor.accept(stream).await {
                    let connection = auto::Builder::new(TokioExecutor::new());
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                }
            });
        }
    });
    issuer
}

/// The verdict on a good token of an issuer behind this certificate, when `root` is trusted.
async fn verdict(pki: &Pki, root: Option<&str>) -> &'static str {
    let issuer = serve(pki).await;
    let mut trusted = Issuer::new(issuer.url()).key_policy(impatient());
    if let Some(root) = root {
        let root = reqwest::Certificate::from_pem(root.as_bytes()).unwrap();
        trusted = trusted.http_client(move |client| client.tls_certs_merge([root.clone()]));
    }
    let server = ResourceServer::builder().audience(AUDIENCE).issuer(trusted).build().unwrap();
    reason(&server, &token(&issuer)).await
}

#[tokio::test]
async fn keys_come_over_tls_from_a_server_with_a_trusted_root() {
    let pki = pki("localhost", false);
    assert_eq!(verdict(&pki, Some(&pki.root)).await, "accepted");
}

#[tokio::test]
async fn j06_nobody_else_is_believed() {
    let good = pki("localhost", false);
    let other = pki("localhost", false);
    assert_eq!(verdict(&good, None).await, "keys_unavailable", "a root that nobody trusts");
    assert_eq!(verdict(&good, Some(&other.root)).await, "keys_unavailable", "another root");
    let expired = pki("localhost", true);
    assert_eq!(verdict(&expired, Some(&expired.root)).await, "keys_unavailable", "an expired certificate");
    let elsewhere = pki("elsewhere.example", false);
    assert_eq!(verdict(&elsewhere, Some(&elsewhere.root)).await, "keys_unavailable", "another host's certificate");
}

#[tokio::test]
async fn j01_the_application_cannot_bring_redirects_back() {
    let provider = crate::provider::Provider::start().await;
    let elsewhere = crate::provider::Provider::start().await;
    let issuer = provider.issuer(key(0));
    provider.answer("/jwks", crate::provider::Answer::RedirectTo(elsewhere.url("/jwks")));
    elsewhere.publish(&issuer);
    let trusted = Issuer::new(provider.url(""))
        .jwk_set_url(provider.url("/jwks"))
        .http_client(|client| client.redirect(reqwest::redirect::Policy::limited(5)));
    assert_eq!(reason(&provider.resource_server_trusting(trusted), &token(&issuer)).await, "keys_unavailable");
    assert_eq!(elsewhere.requests(), [""; 0]);
}
