//! A WebSocket that closes when its token is no longer accepted.
//!
//! `cargo run -p tower-bearer-frameworks --example websocket -- --once` opens one with a token that lives for three seconds,
//! and shows how it ends.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use axum::routing::any;
use tower_bearer::{ResourceServer, ValidatedToken};

fn app(api: &ResourceServer) -> Router {
    Router::new().route("/echo", any(open)).route_layer(api.layer()).with_state(api.clone())
}

/// The layer has accepted the token of the request that opens the connection.
async fn open(State(api): State<ResourceServer>, token: ValidatedToken, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| serve(socket, api, token))
}

async fn serve(mut socket: WebSocket, api: ResourceServer, token: ValidatedToken) {
    let error = tokio::select! {
        biased;
        error = api.until_refused(&token) => error,
        () = echo(&mut socket) => return,
    };
    // 1008 is for messages that violate a policy (RFC 6455 §7.4.1).
    let frame = CloseFrame { code: close_code::POLICY, reason: error.reason().into() };
    // A client that stops reading cannot keep the connection open.
    drop(tokio::time::timeout(Duration::from_secs(1), socket.send(Message::Close(Some(frame)))).await);
}

/// Returns when the client closes the connection.
async fn echo(socket: &mut WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        // axum answers pings itself.
        if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).await.is_err() {
            break;
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = tower_bearer_test::TestIssuer::new("https://as.example.com")?;
    let audience = "https://api.example.com";
    let builder = ResourceServer::builder().audience(audience).issuer(issuer.trusted());
    let api = builder.leeway(Duration::ZERO).build()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serving = tokio::spawn(axum::serve(listener, app(&api)).into_future());
    println!("ws://{address}/echo");
    if !std::env::args().any(|argument| argument == "--once") {
        println!("Authorization: Bearer {}", issuer.token().audience(audience).sign());
        return Ok(serving.await??);
    }
    let token = issuer.token().audience(audience).expires_in(Duration::from_secs(3)).sign();
    client::show(&format!("ws://{address}/echo"), &token).await
}

mod client {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;

    /// Sends a message, and prints everything it receives until the connection closes.
    pub(super) async fn show(url: &str, token: &str) -> Result<(), Box<dyn std::error::Error>> {
        let mut request = url.into_client_request()?;
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse()?);
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
        socket.send(Message::text("hello")).await?;
        while let Some(message) = socket.next().await {
            println!("{}", message?);
        }
        Ok(())
    }
}
