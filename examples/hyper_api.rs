//! The same layer on a plain hyper service. An API without axum can leave its extractors out:
//! `default-features = false, features = ["remote-keys"]`.
//!
//! `cargo run --example hyper_api` stays up; with `-- --once` it sends itself two requests and exits.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::{ServiceBuilder, service_fn};
use tower_bearer::{RequireScopes, ResourceServer, ValidatedToken};
use tower_bearer_test::TestIssuer;

async fn list_leads(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let subject = request.extensions().get::<ValidatedToken>().and_then(ValidatedToken::subject);
    Ok(Response::new(Full::from(format!("leads for {subject:?}\n"))))
}

async fn serve(listener: TcpListener, api: ResourceServer) -> std::io::Result<()> {
    let service = ServiceBuilder::new()
        .layer(api.layer())
        .layer(RequireScopes::all(["read:leads"]))
        .service(service_fn(list_leads));
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let connection = auto::Builder::new(TokioExecutor::new());
            if let Err(error) = connection.serve_connection(TokioIo::new(stream), service).await {
                eprintln!("connection: {error}");
            }
        });
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // In production: `Issuer::new("https://…")`, whose keys are found by discovery.
    let issuer = TestIssuer::new("https://as.example.com")?;
    let api = ResourceServer::builder().audience("https://api.example.com").issuer(issuer.trusted()).build()?;
    let token = issuer.token().audience("https://api.example.com").scope("read:leads").sign();

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/leads", listener.local_addr()?);
    let serving = tokio::spawn(serve(listener, api));
    if !std::env::args().any(|argument| argument == "--once") {
        println!("curl -i -H 'Authorization: Bearer {token}' {url}\nThe token lives 5 minutes; Ctrl-C ends the API.");
        return Ok(serving.await??);
    }

    let http = reqwest::Client::builder().no_proxy().build()?;
    let answer = http.get(&url).bearer_auth(&token).send().await?;
    println!("with a token    {}", answer.status());
    assert_eq!(answer.status(), 200);
    let answer = http.get(&url).send().await?;
    println!("without a token {}", answer.status());
    assert_eq!(answer.status(), 400);
    Ok(())
}
