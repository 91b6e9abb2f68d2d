//! What every service is told: whose tokens it accepts.

use std::future::Future;
use std::sync::mpsc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tower_bearer::jose::Algorithm;
use tower_bearer_test::TestIssuer;

/// The algorithm and the keys of [`ISSUER`](crate::token::ISSUER); its tokens are for
/// [`AUDIENCE`](crate::token::AUDIENCE).
pub(crate) struct Trusted {
    pub(crate) algorithm: Algorithm,
    pub(crate) jwk_set: Value,
}

impl Trusted {
    pub(crate) fn new(issuer: &TestIssuer) -> Self {
        Self { algorithm: issuer.signing_key().algorithm(), jwk_set: issuer.jwk_set() }
    }

    /// The JWK Set at a URL on loopback, for as long as this process lives.
    pub(crate) fn jwk_set_url(&self) -> String {
        let jwk_set = self.jwk_set.to_string();
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            wait(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                sender.send(listener.local_addr().unwrap()).unwrap();
                let answer = move || async { ([(CONTENT_TYPE, "application/json")], jwk_set) };
                axum::serve(listener, Router::new().route("/jwks", get(answer))).await.unwrap();
            });
        });
        format!("http://{}/jwks", receiver.recv().unwrap())
    }
}

/// What has to be awaited before the first request.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    runtime().block_on(future)
}

/// One thread: this one.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}
