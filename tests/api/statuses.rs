//! The status table over real sockets, for axum and for a plain hyper server, under both policies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::{
    BearerLayer, Issuer, RefusalBody, RefusalKind, RequireScopes, ResourceServer, StatusPolicy, TokenError,
    ValidatedToken,
};
use tower_bearer_test::Defect;

use crate::support::*;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stack {
    Axum,
    Hyper,
    HyperHttp2,
}

/// An API on a socket: `/leads` behind the layer, and `/write` that needs the scope `write:leads` as well.
struct Served {
    url: String,
    runs: Arc<AtomicUsize>,
}

impl Served {
    async fn start(stack: Stack, layer: BearerLayer) -> Self {
        let runs = Arc::new(AtomicUsize::new(0));
        let address = match stack {
            Stack::Axum => serve(axum_app(layer, Arc::clone(&runs))).await,
            Stack::Hyper => serve_hyper(layer, Arc::clone(&runs), false).await,
            Stack::HyperHttp2 => serve_hyper(layer, Arc::clone(&runs), true).await,
        };
        Self { url: format!("http://{address}"), runs }
    }

    async fn get(&self, path: &str, authorization: &[String]) -> reqwest::Response {
        let request = client().get(format!("{}{path}", self.url));
        authorization
            .iter()
            .fold(request, |request, value| request.header("authorization", value))
            .send()
            .await
            .unwrap()
    }
}

fn axum_app(layer: BearerLayer, runs: Arc<AtomicUsize>) -> axum::Router {
    let handler = move |token: ValidatedToken| {
        runs.fetch_add(1, Ordering::SeqCst);
        async move { token.subject().unwrap_or_default().to_owned() }
    };
    let write = axum::routing::get(handler.clone()).route_layer(RequireScopes::all(["write:leads"]));
    axum::Router::new().route("/leads", axum::routing::get(handler)).route("/write", write).route_layer(layer)
}

async fn serve_hyper(layer: BearerLayer, runs: Arc<AtomicUsize>, is_http2: bool) -> std::net::SocketAddr {
    let handler = service_fn(move |request: Request<hyper::body::Incoming>| {
        runs.fetch_add(1, Ordering::SeqCst);
        let token = request.extensions().get::<ValidatedToken>().unwrap();
        let subject = token.subject().unwrap_or_default().to_owned();
        std::future::ready(Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(subject)))))
    });
    let (leads, write) = (handler.clone(), RequireScopes::all(["write:leads"]).layer(handler));
    let routes = service_fn(move |request: Request<hyper::body::Incoming>| {
        let (leads, write) = (leads.clone(), write.clone());
        async move {
            let response = match request.uri().path() {
                "/write" => write.oneshot(request).await?.map(BodyExt::boxed),
                _ => leads.oneshot(request).await?.map(BodyExt::boxed),
            };
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let service = TowerToHyperService::new(layer.layer(routes));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (io, service) = (TokioIo::new(stream), service.clone());
            tokio::spawn(async move {
                if is_http2 {
                    hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await
                } else {
                    hyper::server::conn::http1::Builder::new().serve_connection(io, service).await
                }
            });
        }
    });
    address
}

/// One row of the table: what is sent, and what comes back.
struct Row {
    name: &'static str,
    path: &'static str,
    authorization: Vec<String>,
    status: u16,
    /// `error` and `error_description`, and whether they stand in a challenge.
    error: Option<&'static str>,
    description: Option<&'static str>,
    scope: Option<&'static str>,
}

impl Row {
    fn challenge(&self) -> String {
        let mut challenge = format!("Bearer realm=\"{AUDIENCE}\"");
        if let (Some(error), Some(description)) = (self.error, self.description) {
            challenge.push_str(&format!(", error=\"{error}\", error_description=\"{description}\""));
        }
        if let Some(scope) = self.scope {
            challenge.push_str(&format!(", scope=\"{scope}\""));
        }
        challenge
    }

    fn body(&self) -> Option<Value> {
        let description = self.description?;
        Some(match self.error {
            Some(error) => json!({ "error": error, "error_description": description }),
            None => json!({ "error_description": description }),
        })
    }
}

/// The table of refusals. `is_rfc` selects the column.
fn table(is_rfc: bool) -> Vec<Row> {
    let bearer = |token: String| vec![format!("Bearer {token}")];
    let row = |name, authorization, status, error: &'static str, description: &'static str| Row {
        name,
        path: "/leads",
        authorization,
        status,
        error: Some(error),
        description: Some(description),
        scope: None,
    };
    let bad_request = |name, authorization, description| row(name, authorization, 400, "invalid_request", description);
    let invalid = |name, token, description| row(name, bearer(token), 401, "invalid_token", description);
    let malformed = |name, token: String, description| match is_rfc {
        true => row(name, bearer(token), 401, "invalid_token", description),
        false => row(name, bearer(token), 400, "invalid_request", description),
    };
    let absent = |name, authorization| match is_rfc {
        true => Row { error: None, description: None, ..row(name, authorization, 401, "", "") },
        false => bad_request(name, authorization, "no bearer token: send Authorization: Bearer <token>"),
    };
    let good = token().sign();
    let duplicate_alg = sign_raw(format!(r#"{{{},"alg":"none"}}"#, header_members()), object(&claim_members()));
    let duplicate_exp = sign_raw(object(&header_members()), format!(r#"{{{},"exp":1}}"#, claim_members()));
    vec![
        absent("no header", vec![]),
        absent("another scheme", vec!["Basic YTpi".to_owned()]),
        bad_request("a bare token", vec![good.clone()], "send Authorization: Bearer <token>"),
        bad_request(
            "the header twice",
            [bearer(good.clone()), bearer(good.clone())].concat(),
            "send one Authorization header with one token",
        ),
        bad_request(
            "comma-joined",
            bearer(format!("{good}, Bearer {good}")),
            "send one Authorization header with one token",
        ),
        bad_request("an empty token", vec!["Bearer".to_owned()], "the bearer token is empty"),
        bad_request(
            "illegal characters",
            bearer("a b".to_owned()),
            "the bearer token has characters that no token may have",
        ),
        Row {
            path: "/leads?access_token=x",
            ..bad_request("two places", bearer(good.clone()), "send the token in the Authorization header only")
        },
        malformed("two parts", "eyJ.eyJ".to_owned(), "the token is not a well-formed JWT"),
        malformed("not base64url", format!("{good}="), "the token is not a well-formed JWT"),
        malformed("an opaque token", "2YotnFZFEjr1zCsicMWpAA".to_owned(), "the token is not a JWT"),
        malformed("a header that is no object", sign_raw("[]", "{}"), "the token header is not well-formed"),
        malformed("a header that is not UTF-8", sign_raw(b"{\"\xff\":1}", "{}"), "the token header is not well-formed"),
        malformed("a duplicate header member", duplicate_alg, "the token header is not well-formed"),
        malformed("alg not a string", token().header("alg", 1).sign(), "the token header is not well-formed"),
        malformed("over the size cap", "a".repeat(16 * 1024 + 1), "the token is too large"),
        malformed("a JWE", "a.b.c.d.e".to_owned(), "encrypted tokens are not supported"),
        invalid(
            "algorithm not allowed",
            token().sign_defective(Defect::AlgNone),
            "the token is signed with an algorithm that is not accepted",
        ),
        invalid(
            "crit",
            token().sign_defective(Defect::UnknownCrit),
            "the token header asks for something that is not supported",
        ),
        invalid("no such key", token().sign_defective(Defect::UnknownKid), "no key of the issuer fits the token"),
        invalid("bad signature", token().sign_defective(Defect::TamperedSignature), "the signature is wrong"),
        invalid("changed claims", token().sign_defective(Defect::TamperedPayload), "the signature is wrong"),
        invalid(
            "claims not an object",
            sign_raw(object(&header_members()), "[]"),
            "the claims are not one JSON object without duplicates",
        ),
        invalid("a duplicate claim", duplicate_exp, "the claims are not one JSON object without duplicates"),
        invalid("a claim of the wrong type", token().claim("exp", "soon").sign(), "a claim has the wrong type"),
        invalid("wrong typ", token().sign_defective(Defect::WrongType), "the token is not an access token"),
        invalid("an ID token", token().sign_defective(Defect::IdToken), "the token is not an access token"),
        invalid("wrong iss", token().sign_defective(Defect::WrongIssuer), "the token is from another issuer"),
        invalid("wrong aud", token().sign_defective(Defect::WrongAudience), "the token is for another audience"),
        invalid("expired", token().sign_defective(Defect::Expired), "the token has expired"),
        invalid("not yet valid", token().sign_defective(Defect::NotYetValid), "the token is not valid yet"),
        invalid(
            "sender-constrained",
            token().claim("cnf", json!({ "jkt": "x" })).sign(),
            "the token is sender-constrained and cannot be used as a bearer token",
        ),
        Row {
            path: "/write",
            scope: Some("write:leads"),
            ..row("no such scope", bearer(good), 403, "insufficient_scope", "the token lacks a required scope")
        },
    ]
}

async fn assert_row(row: &Row, response: reqwest::Response, context: &str) {
    assert_eq!(response.status(), row.status, "{context}");
    assert_eq!(challenge(&response), row.challenge(), "{context}");
    auth_params(&challenge(&response));
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("cache-control").as_deref(), Some("no-store"), "{context}");
    assert_eq!(header("retry-after"), None, "{context}");
    assert_eq!(header("content-type").as_deref(), row.body().is_some().then_some("application/json"), "{context}");
    let body = response.bytes().await.unwrap();
    match row.body() {
        Some(json) => assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), json, "{context}"),
        None => assert_eq!(body, "", "{context}"),
    }
}

async fn assert_table(stack: Stack, is_rfc: bool) {
    let server = if is_rfc { rfc6750_server() } else { server() };
    let served = Served::start(stack, server.layer()).await;
    for row in table(is_rfc) {
        let context = format!("{} with {stack:?}, rfc6750: {is_rfc}", row.name);
        assert_row(&row, served.get(row.path, &row.authorization).await, &context).await;
        assert_eq!(served.runs.load(Ordering::SeqCst), 0, "{context}: the handler ran");
    }
    for (path, scope, runs) in [("/leads", "", 1), ("/write", "write:leads", 2)] {
        let good = served.get(path, &[format!("Bearer {}", token().scope(scope).sign())]).await;
        assert_eq!(good.status(), 200);
        assert!(good.headers().get("www-authenticate").is_none());
        assert_eq!(good.text().await.unwrap(), "alice");
        assert_eq!(served.runs.load(Ordering::SeqCst), runs);
    }
}

#[tokio::test]
async fn the_default_table_with_axum() {
    assert_table(Stack::Axum, false).await;
}

#[tokio::test]
async fn the_rfc6750_table_with_axum() {
    assert_table(Stack::Axum, true).await;
}

#[tokio::test]
async fn the_default_table_with_hyper() {
    assert_table(Stack::Hyper, false).await;
}

#[tokio::test]
async fn the_rfc6750_table_with_hyper() {
    assert_table(Stack::Hyper, true).await;
}

#[tokio::test]
async fn keys_that_are_not_to_be_had_are_503_under_both_policies() {
    let by_url = Issuer::new(ISSUER).jwk_set_url(format!("http://{}/keys", closed_address()));
    for stack in [Stack::Axum, Stack::Hyper] {
        for policy in [StatusPolicy::default(), StatusPolicy::rfc6750()] {
            let issuer = by_url.clone().key_policy(patient());
            let server = builder().issuer(issuer).status_policy(policy).build().unwrap();
            let served = Served::start(stack, server.layer()).await;
            for round in 0..2 {
                let response = served.get("/leads", &[format!("Bearer {}", token().sign())]).await;
                assert_eq!(response.status(), 503, "{stack:?}, {round}");
                assert!(response.headers().get("www-authenticate").is_none());
                // Five seconds, and up to a tenth of jitter.
                assert!(["5", "6"].iter().any(|seconds| response.headers()["retry-after"] == *seconds));
                assert_eq!(response.headers()["cache-control"], "no-store");
                assert_eq!(response.headers()["content-type"], "application/json");
                let body: Value = response.json().await.unwrap();
                assert_eq!(body, json!({ "error_description": "tokens cannot be checked at the moment" }));
            }
            // What is refused without a key is refused as ever.
            assert_ne!(served.get("/leads", &[]).await.status(), 503);
            assert_eq!(served.runs.load(Ordering::SeqCst), 0);
        }
    }
}

#[tokio::test]
async fn the_layer_works_over_http2() {
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    for stack in [Stack::Axum, Stack::HyperHttp2] {
        let served = Served::start(stack, rfc6750_server().layer()).await;
        let get = || client.get(format!("{}/leads", served.url));
        let good = get().bearer_auth(token().sign()).send().await.unwrap();
        assert_eq!((good.version(), good.status()), (http::Version::HTTP_2, StatusCode::OK), "{stack:?}");
        let refused = get().bearer_auth(token().sign_defective(Defect::Expired)).send().await.unwrap();
        assert_eq!((refused.version(), refused.status()), (http::Version::HTTP_2, StatusCode::UNAUTHORIZED));
        assert_eq!(auth_param(&challenge(&refused), "error"), Some("invalid_token"));
        let absent = get().send().await.unwrap();
        assert_eq!(challenge(&absent), format!("Bearer realm=\"{AUDIENCE}\""));
        assert_eq!(served.runs.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_body_can_be_left_out() {
    let empty = builder().issuer(issuer().trusted()).refusal_body(RefusalBody::Empty).build().unwrap();
    for stack in [Stack::Axum, Stack::Hyper] {
        let served = Served::start(stack, empty.layer()).await;
        let mut refused = table(false);
        refused.retain(|row| matches!(row.name, "no header" | "a bare token" | "expired" | "no such scope"));
        assert_eq!(refused.len(), 4);
        for row in refused {
            let response = served.get(row.path, &row.authorization).await;
            assert_eq!(response.status(), row.status, "{}", row.name);
            assert_eq!(challenge(&response), row.challenge(), "{}", row.name);
            assert_eq!(response.headers()["cache-control"], "no-store", "{}", row.name);
            assert!(response.headers().get("content-type").is_none(), "{}", row.name);
            assert_eq!(response.headers()["content-length"], "0", "{}", row.name);
            assert_eq!(response.bytes().await.unwrap(), "", "{}", row.name);
        }
    }
}

#[tokio::test]
async fn a_hook_changes_a_refusal_and_cannot_make_it_a_success() {
    let hooked = |hook: fn(&TokenError, Response<Bytes>) -> Response<Bytes>| {
        builder().issuer(issuer().trusted()).on_refusal(hook).build().unwrap()
    };
    let decorated = hooked(|error, mut response| {
        response.headers_mut().insert("x-reason", error.reason().parse().unwrap());
        *response.body_mut() = "no".into();
        *response.status_mut() = StatusCode::NOT_FOUND;
        response
    });
    let served = Served::start(Stack::Axum, decorated.layer()).await;
    let response = served.get("/leads", &[]).await;
    assert_eq!(response.status(), 404);
    assert_eq!(response.headers()["x-reason"], "token_absent");
    assert_eq!(response.text().await.unwrap(), "no");
    // The hook is for refusals only.
    let good = served.get("/leads", &[format!("Bearer {}", token().sign())]).await;
    assert!(good.headers().get("x-reason").is_none());

    log::capture();
    for status in [100, 200, 204, 302, 304, 399] {
        let answer = match status {
            100 => ask_with(&hooked(|_, response| with_status(response, 100)), b"Bearer ").await,
            200 => ask_with(&hooked(|_, _| Response::default()), b"Bearer ").await,
            204 => ask_with(&hooked(|_, response| with_status(response, 204)), b"Bearer ").await,
            302 => ask_with(&hooked(|_, response| with_status(response, 302)), b"Bearer ").await,
            304 => ask_with(&hooked(|_, response| with_status(response, 304)), b"Bearer ").await,
            _ => ask_with(&hooked(|_, response| with_status(response, 399)), b"Bearer ").await,
        };
        assert_eq!((answer.status.as_u16(), answer.reason()), (400, "token_empty"), "{status}");
    }
    assert!(log::take().contains("a hook turned a refusal into a success"));
}

fn with_status(mut response: Response<Bytes>, status: u16) -> Response<Bytes> {
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

#[tokio::test]
async fn each_row_can_be_set_alone() {
    let cases = [
        (RefusalKind::Absent, "no header", "/leads"),
        (RefusalKind::SchemeMissing, "a bare token", "/leads"),
        (RefusalKind::BrokenCredentials, "an empty token", "/leads"),
        (RefusalKind::Malformed, "an opaque token", "/leads"),
        (RefusalKind::Invalid, "expired", "/leads"),
        (RefusalKind::Forbidden, "no such scope", "/write"),
    ];
    for (kind, changed, _) in cases {
        let policy = StatusPolicy::default().with(kind, StatusCode::IM_A_TEAPOT).unwrap();
        let server = builder().issuer(issuer().trusted()).status_policy(policy).build().unwrap();
        let served = Served::start(Stack::Axum, server.layer()).await;
        for row in table(false).iter().filter(|row| cases.iter().any(|(_, name, _)| *name == row.name)) {
            let expected = if row.name == changed { 418 } else { row.status };
            let response = served.get(row.path, &row.authorization).await;
            assert_eq!(response.status(), expected, "{} when {kind:?} is set", row.name);
            assert!(auth_param(&challenge(&response), "realm").is_some(), "{}", row.name);
        }
        assert_eq!(served.runs.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn outer_layers_find_the_reason_in_the_response() {
    let (seen, server) = (Arc::new(std::sync::Mutex::new(Vec::new())), server());
    let sink = Arc::clone(&seen);
    let outer = axum::middleware::map_response(move |response: axum::response::Response| {
        let error = response.extensions().get::<TokenError>().cloned();
        sink.lock().unwrap().push(error.map_or("none", |error| error.reason()));
        std::future::ready(response)
    });
    let app = axum_app(server.layer(), Arc::default()).layer(outer);
    let url = format!("http://{}", serve(app).await);
    for (path, token) in [
        ("/leads", token().sign()),
        ("/leads", token().sign_defective(Defect::Expired)),
        ("/leads", token().sign_defective(Defect::UnknownKid)),
        ("/write", token().sign()),
    ] {
        client().get(format!("{url}{path}")).bearer_auth(token).send().await.unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), ["none", "expired", "no_matching_key", "insufficient_scope"]);
}

#[tokio::test]
async fn two_resource_servers_answer_in_their_own_ways() {
    let other = ResourceServer::builder().clock(clock()).audience("other").issuer(issuer().trusted()).build().unwrap();
    assert_eq!(ask_with_token(&server(), &token().sign()).await.status, 200);
    let refused = ask_with_token(&other, &token().sign()).await;
    assert_eq!((refused.status.as_u16(), refused.reason()), (401, "audience_mismatch"));
    assert_eq!(auth_param(refused.challenge(), "realm"), Some("other"));
}

#[tokio::test]
async fn one_resource_server_answers_in_two_ways_with_the_same_keys() {
    let server = server();
    let for_mcp_clients = server.with_status_policy(StatusPolicy::rfc6750());
    assert_eq!(ask_with_token(&server, "opaque").await.status, 400);
    assert_eq!(ask_with_token(&for_mcp_clients, "opaque").await.status, 401);
    assert_eq!(ask_with_token(&for_mcp_clients, &token().sign()).await.status, 200);

    // What is known about an issuer is known to both; a token belongs to the one that judged it.
    let judged = server.validate(&token().sign()).await.unwrap();
    assert_eq!(for_mcp_clients.revalidate(&judged), Err(TokenError::OtherResourceServer));
    assert!(for_mcp_clients.disable_issuer(ISSUER));
    assert_eq!(server.revalidate(&judged), Err(TokenError::IssuerDisabled));
}
