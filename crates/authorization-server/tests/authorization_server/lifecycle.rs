//! Stop, restart, drop.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tower_bearer::jose::Algorithm;
use tower_bearer_authorization_server::{AuthorizationServer, Endpoint, StartError};

use crate::support::{builder, client, get_json, issue, server, verify};

#[tokio::test]
async fn a_stopped_server_starts_again_with_its_keys_and_counters() {
    let mut server = server().await;
    let (token, issuer) = (issue(&server).await, server.issuer().to_owned());
    let keys = get_json(server.jwks_uri()).await;

    server.stop().await;
    assert!(client().get(server.jwks_uri()).send().await.unwrap_err().is_connect());
    // The port is free for someone else.
    drop(TcpListener::bind(server.address()).await.unwrap());

    server.restart().await.unwrap();
    assert_eq!(server.issuer(), issuer);
    assert_eq!(get_json(server.jwks_uri()).await, keys);
    assert_eq!(server.requests(Endpoint::Token), 1);
    verify(&server, &token).await.unwrap();
}

#[tokio::test]
async fn stopping_and_restarting_twice_changes_nothing() {
    let mut server = server().await;
    server.restart().await.unwrap();
    issue(&server).await;
    server.stop().await;
    server.stop().await;
    server.restart().await.unwrap();
    issue(&server).await;
}

#[tokio::test]
async fn a_stopped_server_still_signs_and_rotates() {
    let mut server = server().await;
    server.stop().await;
    server.rotate_keys().unwrap();
    let token = server.token().sign();
    server.restart().await.unwrap();
    verify(&server, &token).await.unwrap();
}

#[tokio::test]
async fn a_stop_closes_idle_connections_at_once() {
    let mut server = server().await;
    let mut unused = TcpStream::connect(server.address()).await.unwrap();
    let mut idle = TcpStream::connect(server.address()).await.unwrap();
    idle.write_all(b"GET /jwks HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 4096];
    assert!(idle.read(&mut answer).await.unwrap() > 0);

    let began = Instant::now();
    server.stop().await;
    // Well below the grace of one second that requests under way get.
    assert!(began.elapsed() < Duration::from_millis(900));
    assert_closed(&mut idle).await;
    assert_closed(&mut unused).await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_request_that_never_ends() {
    let mut server = server().await;
    let mut stuck = TcpStream::connect(server.address()).await.unwrap();
    stuck.write_all(b"POST /token HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n").await.unwrap();
    // An answer to someone else shows that the server has had a turn to see the stuck one.
    get_json(server.jwks_uri()).await;

    tokio::time::timeout(Duration::from_secs(10), server.stop()).await.unwrap();
    assert_closed(&mut stuck).await;
}

#[tokio::test]
async fn dropping_the_handle_stops_the_server() {
    let server = server().await;
    let (address, jwks_uri) = (server.address(), server.jwks_uri().to_owned());
    let mut idle = TcpStream::connect(address).await.unwrap();
    get_json(&jwks_uri).await;

    drop(server);
    assert_closed(&mut idle).await;
    assert!(client().get(jwks_uri).send().await.unwrap_err().is_connect());
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error() {
    let first = server().await;
    let error = builder().port(first.address().port()).start().await.unwrap_err();
    assert!(matches!(error, StartError::Listen { address, .. } if address == first.address()), "{error}");
    assert_eq!(
        error.to_string(),
        format!("cannot listen on {}; set `port` to a free one, or to 0 for any", first.address()),
    );
}

#[tokio::test]
async fn a_fixed_port_is_used() {
    let free = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let server = builder().port(free.port()).start().await.unwrap();
    assert_eq!(server.address(), free);
}

#[tokio::test]
async fn servers_run_beside_each_other() {
    let start = || AuthorizationServer::builder().signing_algorithm(Algorithm::EdDSA).start();
    let (one, two) = (start().await.unwrap(), start().await.unwrap());
    assert_ne!(one.issuer(), two.issuer());
    assert_ne!(get_json(one.jwks_uri()).await, get_json(two.jwks_uri()).await);
}

/// The other side has ended the connection, by a normal end or by a reset.
async fn assert_closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the connection is still open");
}
