//! Server-sent events that end when their token is no longer accepted.
//!
//! `cargo run -p tower-bearer-frameworks --example event_stream -- --once` reads them with a token that lives for three
//! seconds.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::Event;
use axum::routing::get;
use futures_util::{Stream, StreamExt, stream};
use tower_bearer::{ResourceServer, TokenError, ValidatedToken};

fn app(api: &ResourceServer) -> Router {
    Router::new().route("/ticks", get(ticks)).route_layer(api.layer()).with_state(api.clone())
}

/// The last event tells the client why, so that it fetches a new token before it connects again.
async fn ticks(
    State(api): State<ResourceServer>,
    token: ValidatedToken,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let ticks = stream::unfold(0_u64, async |tick| {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Some((Event::default().event("tick").data(tick.to_string()), tick + 1))
    });
    Sse::new(until(Box::pin(api.until_refused(&token)), Box::pin(ticks)).map(Ok))
}

/// The events, until they end or the token is refused.
fn until(
    refused: impl Future<Output = TokenError> + Unpin,
    events: impl Stream<Item = Event> + Unpin,
) -> impl Stream<Item = Event> {
    stream::unfold(Some((refused, events)), async |state| {
        let (mut refused, mut events) = state?;
        tokio::select! {
            biased;
            error = &mut refused => Some((Event::default().event("refused").data(error.reason()), None)),
            event = events.next() => Some((event?, Some((refused, events)))),
        }
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = tower_bearer_test::TestIssuer::new("https://as.example.com")?;
    let audience = "https://api.example.com";
    let builder = ResourceServer::builder().audience(audience).issuer(issuer.trusted());
    let api = builder.leeway(Duration::ZERO).build()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/ticks", listener.local_addr()?);
    let serving = tokio::spawn(axum::serve(listener, app(&api)).into_future());
    if !std::env::args().any(|argument| argument == "--once") {
        println!("curl -N -H 'Authorization: Bearer {}' {url}", issuer.token().audience(audience).sign());
        return Ok(serving.await??);
    }
    let token = issuer.token().audience(audience).expires_in(Duration::from_secs(3)).sign();
    let client = reqwest::Client::builder().no_proxy().build()?;
    print!("{}", client.get(url).bearer_auth(token).send().await?.text().await?);
    Ok(())
}
