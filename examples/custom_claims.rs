//! Claims as a struct of the application's own, and roles by their place in the token.
//!
//! `cargo run --example custom_claims` stays up; with `-- --once` it sends itself a few requests and exits.

use axum::{Router, routing::get};
use serde::Deserialize;
use serde_json::json;
use tower_bearer::{Claims, Issuer, RequireRoles, ResourceServer};
use tower_bearer_authorization_server::{AuthorizationServer, Client};

const AUDIENCE: &str = "https://api.example.com";

/// What this API needs from a token. A token without it is refused with 401 and the reason `claims_shape`.
#[derive(Deserialize)]
struct Employee {
    department: String,
    #[serde(default)]
    on_call: bool,
}

async fn duty(Claims(employee): Claims<Employee>) -> String {
    format!("{}, on call: {}", employee.department, employee.on_call)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::new("app", "app-secret").audience(AUDIENCE);
    let server = AuthorizationServer::builder().client(client).start().await?;
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(Issuer::new(server.issuer())).build()?;
    let admins = RequireRoles::any(["realm_access", "roles"], ["admin", "operator"]);
    let app = Router::new()
        .route("/duty", get(duty))
        .route("/restart", get(async || "restarted").route_layer(admins))
        .route_layer(api.layer());

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let serving = tokio::spawn(axum::serve(listener, app).into_future());
    println!("API {url}, authorization server {}", server.issuer());
    let admin = || server.token().claim("realm_access", json!({ "roles": ["admin"] }));
    let on_call = || server.token().claim("department", "storage").claim("on_call", true);
    if !std::env::args().any(|argument| argument == "--once") {
        println!("curl -i -H 'Authorization: Bearer {}' {url}/duty\nCtrl-C ends it", on_call().sign());
        return Ok(serving.await??);
    }

    let http = reqwest::Client::builder().no_proxy().build()?;
    for (sent, path, token, expected) in [
        ("department and on_call", "/duty", on_call().sign(), 200),
        ("no department", "/duty", server.token().sign(), 401),
        ("a department that is a number", "/duty", server.token().claim("department", 7).sign(), 401),
        ("the role admin", "/restart", admin().sign(), 200),
        ("no role", "/restart", server.token().sign(), 403),
        ("the role in another place", "/restart", server.token().claim("roles", json!(["admin"])).sign(), 403),
    ] {
        let answer = http.get(format!("{url}{path}")).bearer_auth(token).send().await?;
        println!("{sent:<30} {path:<9} {}", answer.status());
        assert_eq!(answer.status(), expected);
    }
    Ok(())
}
