//! `check` and the layer never disagree.

use serde_json::json;
use tower_bearer::jose::Algorithm;
use tower_bearer::{Issuer, RequireScopes, ResourceServer, StatusPolicy, TokenError};
use tower_bearer_authorization_server::{AuthorizationServer, Client};
use tower_bearer_test::Defect;

use super::{AUDIENCE, NOW, check, clock, objects};
use crate::support::stderr;

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_as_the_layer_does_for_every_defect() {
    let client = Client::new("app", "secret").audience(AUDIENCE).scopes(["read:leads"]);
    let server = AuthorizationServer::builder().client(client).signing_algorithm(Algorithm::ES256);
    let server = server.clock(clock()).start().await.unwrap();
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(Issuer::new(server.issuer())).clock(clock());
    let api = api.build().unwrap();
    let rfc6750 = api.with_status_policy(StatusPolicy::rfc6750());
    let (by_default, by_rfc6750) = (Served::start(&api).await, Served::start(&rfc6750).await);

    let mut tokens = vec![server.token().sign(), "opaque".into(), "a.b.c.d.e".into(), "eyJ.e.".into(), "a b".into()];
    tokens.extend(["{\"access_token\":1}".into(), "x".repeat(20_000), server.token().header("alg", 1).sign()]);
    tokens.extend(Defect::ALL.iter().map(|defect| server.defective_token(*defect)));
    tokens.push(server.token().claim("scope", "other").sign());
    tokens.push(server.token().claim("aud", 7).sign());
    tokens.push(server.token().claim("cnf", json!({"jkt": "x"})).sign());

    let arguments =
        ["--issuer", server.issuer(), "--audience", AUDIENCE, "--at", NOW, "--scope", "read:leads", "--json"];
    let output = check(&arguments, &tokens.join("\n"));
    let explained = objects(&output);
    assert_eq!((output.status.code(), explained.len()), (Some(1), tokens.len()), "{}", stderr(&output));
    for (token, explained) in tokens.iter().zip(&explained) {
        let answers = [(&by_default, "default"), (&by_rfc6750, "rfc6750")];
        for (served, policy) in answers {
            let (status, challenge, reason) = served.ask(token).await;
            let ours = &explained["answers"][policy];
            assert_eq!(explained["reason"].as_str(), reason, "{explained}");
            assert_eq!(ours["status"].as_u64().unwrap_or(200), u64::from(status), "{explained}");
            assert_eq!(ours["www_authenticate"].as_str(), challenge.as_deref(), "{explained}");
            assert_eq!(explained["accepted"], reason.is_none());
        }
        let results: Vec<_> = explained["checks"].as_array().unwrap().iter().map(|check| &check["result"]).collect();
        let failures = results.iter().filter(|result| **result == "failed").count();
        assert_eq!(failures, usize::from(explained["accepted"] == false), "{explained}");
        let first = results.iter().position(|result| **result == "failed").unwrap_or(results.len());
        assert!(results[..first].iter().all(|result| **result == "passed"), "{explained}");
        assert!(results.iter().skip(first + 1).all(|result| **result == "unverified"), "{explained}");
        let has_advice = !explained["advice"].as_array().unwrap().is_empty();
        assert_eq!(has_advice, explained["accepted"] == false, "{explained}");
    }
}

/// An API behind the layer on a socket, which hands on the layer's reason.
struct Served(String);

impl Served {
    async fn start(server: &ResourceServer) -> Self {
        let tell = |mut response: axum::response::Response| async move {
            let reason = response.extensions().get::<TokenError>().map(TokenError::reason);
            if let Some(reason) = reason {
                response.headers_mut().insert("x-reason", reason.parse().unwrap());
            }
            response
        };
        let app = axum::Router::new()
            .route("/", axum::routing::get(async || ()))
            .route_layer(RequireScopes::all(["read:leads"]))
            .route_layer(server.layer())
            .layer(axum::middleware::map_response(tell));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self(format!("http://{address}/"))
    }

    async fn ask(&self, token: &str) -> (u16, Option<String>, Option<&'static str>) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let response = client.get(&self.0).header("authorization", format!("Bearer {token}")).send().await.unwrap();
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let reason: Option<String> = header("x-reason");
        let reason = reason.map(|reason| &*Box::leak(reason.into_boxed_str()));
        (response.status().as_u16(), header("www-authenticate"), reason)
    }
}
