//! TLS: which certificate a client accepts.

use std::error::Error as _;
use std::time::{Duration, Instant};

use reqwest::{Certificate as Root, Client};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tower_bearer_authorization_server::{AuthorizationServer, Certificate, Endpoint, Fault};

use crate::support::{builder, client, server};

async fn server_with(certificate: Certificate) -> AuthorizationServer {
    builder().tls(certificate).start().await.unwrap()
}

/// A client that trusts this root beside those of the machine.
fn trusting(root: &str) -> Client {
    let root = Root::from_pem(root.as_bytes()).unwrap();
    Client::builder().no_proxy().tls_certs_merge([root]).build().unwrap()
}

/// Everything that the error and its sources say.
async fn refusal(client: &Client, server: &AuthorizationServer) -> String {
    let error = client.get(server.jwks_uri()).send().await.unwrap_err();
    assert_eq!(server.requests(Endpoint::JwkSet), 0);
    let mut text = String::new();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}{error}\n");
        source = error.source();
    }
    text
}

#[tokio::test]
async fn a_valid_certificate_is_accepted_by_who_trusts_its_root() {
    let mut server = server_with(Certificate::Valid).await;
    assert_eq!(server.issuer(), format!("https://{}", server.address()));
    let client = trusting(server.root_certificate().unwrap());
    let set: serde_json::Value = client.get(server.jwks_uri()).send().await.unwrap().json().await.unwrap();
    assert_eq!(set, server.test_issuer().jwk_set());

    let by_name = server.jwks_uri().replace("127.0.0.1", "localhost");
    assert!(client.get(by_name).send().await.is_ok());

    // The certificate stays over an outage.
    server.stop().await;
    server.restart().await.unwrap();
    assert!(client.get(server.jwks_uri()).send().await.is_ok());
}

#[tokio::test]
async fn nobody_else_accepts_it() {
    let (server, other) = (server_with(Certificate::Valid).await, server_with(Certificate::Valid).await);
    assert!(refusal(client(), &server).await.contains("UnknownIssuer"));
    let trusting_another = trusting(other.root_certificate().unwrap());
    refusal(&trusting_another, &server).await;
}

#[tokio::test]
async fn an_expired_certificate_is_refused_for_that() {
    let server = server_with(Certificate::Expired).await;
    let text = refusal(&trusting(server.root_certificate().unwrap()), &server).await;
    assert!(text.contains("expired"), "{text}");
}

#[tokio::test]
async fn a_certificate_of_another_host_is_refused_for_that() {
    let server = server_with(Certificate::OtherHost).await;
    let text = refusal(&trusting(server.root_certificate().unwrap()), &server).await;
    assert!(text.contains("not valid for name"), "{text}");
}

#[tokio::test]
async fn a_self_signed_certificate_has_no_root() {
    let server = server_with(Certificate::SelfSigned).await;
    assert_eq!(server.root_certificate(), None);
    assert!(refusal(client(), &server).await.contains("UnknownIssuer"));
}

#[tokio::test]
async fn without_tls_there_is_no_root() {
    assert_eq!(server().await.root_certificate(), None);
}

#[tokio::test]
async fn faults_work_over_tls() {
    let server = server_with(Certificate::Valid).await;
    server.misbehave(Endpoint::JwkSet, Fault::status(500)).unwrap();
    let client = trusting(server.root_certificate().unwrap());
    assert_eq!(client.get(server.jwks_uri()).send().await.unwrap().status(), 500);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_handshake_that_never_begins() {
    let mut server = server_with(Certificate::Valid).await;
    let mut silent = TcpStream::connect(server.address()).await.unwrap();
    // An answer to someone else shows that the server has had a turn to see the silent one.
    trusting(server.root_certificate().unwrap()).get(server.jwks_uri()).send().await.unwrap();

    let began = Instant::now();
    server.stop().await;
    // Well below the grace of one second that requests under way get.
    assert!(began.elapsed() < Duration::from_millis(900));
    assert!(matches!(silent.read(&mut [0]).await, Ok(0) | Err(_)));
}
