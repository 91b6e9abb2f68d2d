//! An API to call with the tokens: behind the layer, for the audiences of all clients.

use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::json;
use tower_bearer::{FetchedKeySet, Issuer, KeySource, KeySourceFuture, ResourceServer, ValidatedToken};
use tower_bearer_authorization_server::AuthorizationServer;
use tower_bearer_test::TestIssuer;

use crate::outcome::Failure;

/// Serves it on a free port of 127.0.0.1 and returns its URL; `None` without a client, since no token is for it then.
pub(super) async fn serve(server: &AuthorizationServer) -> Result<Option<String>, Failure> {
    let Some(api) = resource_server(server)? else {
        return Ok(None);
    };
    let app = Router::new().route("/", get(show)).layer(api.layer());
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, app).into_future());
    Ok(Some(url))
}

/// What the token says, as the handler sees it.
async fn show(token: ValidatedToken) -> impl IntoResponse {
    let scope: Vec<_> = token.scope().iter().collect();
    let json = json!({
        "accepted_for": token.subject(),
        "client": token.client_id(),
        "scope": scope,
        "expires_at": token.expires_at().as_secs(),
    });
    // With the end of the line that a terminal needs.
    ([(CONTENT_TYPE, "application/json")], format!("{json}\n"))
}

fn resource_server(server: &AuthorizationServer) -> Result<Option<ResourceServer>, Failure> {
    let mut audiences = server.clients().iter().flat_map(|client| &client.audiences).peekable();
    if audiences.peek().is_none() {
        return Ok(None);
    }
    let keys = OwnKeys(server.test_issuer().clone());
    let builder = audiences.fold(ResourceServer::builder(), |builder, audience| builder.audience(audience));
    let issuer = Issuer::new(server.issuer()).key_source(keys);
    builder.issuer(issuer).build().map(Some).map_err(|error| Failure::Run(error.to_string()))
}

/// The server's keys, without a request: its public name may lead to it from elsewhere only.
#[derive(Debug)]
struct OwnKeys(TestIssuer);

impl KeySource for OwnKeys {
    fn fetch<'a>(&'a self, _: Option<&'a str>) -> KeySourceFuture<'a> {
        let set = FetchedKeySet::new(self.0.jwk_set().to_string());
        Box::pin(async { Ok(set.with_max_age(Duration::from_secs(60))) })
    }
}
