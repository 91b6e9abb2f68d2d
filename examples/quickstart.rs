//! An authorization server, an API behind the layer, and one request for each row of the status table. It stays up, or
//! exits with `-- --once`: 0 when every row was as expected, else 1.

use std::process::ExitCode;

use axum::{Router, middleware::map_response, response::Response, routing::get};
use reqwest::{Client as Http, header::AUTHORIZATION};
use tower_bearer::{Issuer, RequireScopes, ResourceServer, TokenError, ValidatedToken};
use tower_bearer_authorization_server::{AuthorizationServer, Client};
use tower_bearer_test::Defect;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
const AUDIENCE: &str = "https://api.example.com";

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let client = Client::new("demo", "demo-secret").scopes(["read:leads"]).audience(AUDIENCE);
    let mut server = AuthorizationServer::builder().client(client).start().await?;
    let api = start_api(server.issuer()).await?;
    println!("authorization server {}\nAPI                  {api}/leads\n", server.issuer());
    println!("{:<31} {:>6}  {:<25} WWW-Authenticate (without its realm)", "sent", "status", "reason");
    let http = Http::builder().no_proxy().build()?;
    let request = http.post(server.token_endpoint()).basic_auth("demo", Some("demo-secret"));
    let answer: serde_json::Value = request.form(&[("grant_type", "client_credentials")]).send().await?.json().await?;
    let token = answer.get("access_token").and_then(|token| token.as_str()).ok_or("no access_token")?.to_owned();
    let bearer = |token: &str| vec![format!("Bearer {token}")];
    let mut rows = vec![];
    let mut row = |sent: &str, path, headers, status| rows.push((sent.to_owned(), path, headers, status));
    row("a good token", "/leads", bearer(&token), 200);
    row("no token", "/leads", vec![], 400);
    row("another scheme", "/leads", vec!["Basic ZGVtbzpkZW1v".into()], 400);
    row("the token without a scheme", "/leads", vec![token.clone()], 400);
    row("the header twice", "/leads", [bearer(&token), bearer(&token)].concat(), 400);
    row("two tokens joined by a comma", "/leads", vec![format!("Bearer {token}, Bearer {token}")], 400);
    row("an empty token", "/leads", bearer(""), 400);
    row("characters no token may have", "/leads", bearer("a\"b"), 400);
    row("a token in the query too", "/leads?access_token=x", bearer(&token), 400);
    row("an opaque token", "/leads", bearer("2YotnFZFEjr1zCsicMWpAA"), 400);
    row("a token with two parts", "/leads", bearer(token.rsplit_once('.').ok_or("no dot")?.0), 400);
    row("a part that is not base64url", "/leads", bearer(&token.replacen('.', "~.", 1)), 400);
    row("a header that is not JSON", "/leads", bearer("AAAA.AAAA.AAAA"), 400);
    row("an encrypted token (JWE)", "/leads", bearer("eyJhIjoxfQ.a.b.c.d"), 400);
    row("a token over 16 KiB", "/leads", bearer(&"a".repeat(20_000)), 400);
    for defect in Defect::ALL {
        row(&format!("a token: {}", defect.name()), "/leads", bearer(&server.defective_token(*defect)), 401);
    }
    row("a token bound to a key (cnf)", "/leads", bearer(&server.token().claim("cnf", "x").sign()), 401);
    row("a good token without the scope", "/admin", bearer(&token), 403);

    let mut expected = true;
    for (sent, path, headers, status) in &rows {
        expected &= send(&http, sent, &format!("{api}{path}"), headers, *status).await?;
    }
    let keyless = start_api(server.issuer()).await?;
    server.stop().await;
    expected &= send(&http, "no keys: server down", &format!("{keyless}/leads"), &bearer(&token), 503).await?;
    if std::env::args().any(|argument| argument == "--once") {
        return Ok(ExitCode::from(u8::from(!expected)));
    }
    server.restart().await?;
    let endpoint = server.token_endpoint();
    println!("\nStill running; Ctrl-C ends it. Try:\n");
    println!(r#"  TOKEN=$(curl -s -u demo:demo-secret -d grant_type=client_credentials {endpoint} | cut -d'"' -f4)"#);
    println!("  curl -i -H \"Authorization: Bearer $TOKEN\" {api}/leads    # 200; without the header 400");
    println!("  curl -i -H \"Authorization: Bearer $TOKEN\" {api}/admin    # 403, lacks a scope");
    tokio::signal::ctrl_c().await?;
    Ok(ExitCode::SUCCESS)
}

async fn start_api(issuer: &str) -> Result<String> {
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(Issuer::new(issuer)).build()?;
    let app = Router::new()
        .route("/leads", get(async |token: ValidatedToken| format!("leads for {:?}\n", token.subject())))
        .route("/admin", get(async || "admin\n").route_layer(RequireScopes::all(["admin"])))
        .route_layer(api.layer())
        .layer(map_response(async |mut response: Response| {
            if let Some(reason) = response.extensions().get().map(TokenError::reason) {
                response.headers_mut().insert("x-reason", http::HeaderValue::from_static(reason));
            }
            response
        }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async { axum::serve(listener, app).await });
    Ok(url)
}

async fn send(http: &Http, sent: &str, url: &str, headers: &[String], expected: u16) -> Result<bool> {
    let request = headers.iter().fold(http.get(url), |request, value| request.header(AUTHORIZATION, value));
    let response = request.send().await?;
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (status, challenge) = (response.status().as_u16(), header("www-authenticate"));
    let parameters = challenge.split_once(", ").map_or(challenge, |(_realm, rest)| rest);
    let mark = if status == expected { "" } else { "  <- NOT AS EXPECTED" };
    println!("{sent:<31} {status:>6}  {:<25} {parameters}{mark}", header("x-reason"));
    Ok(status == expected)
}
