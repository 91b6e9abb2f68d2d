//! What single routes ask for: scopes, roles, closures, extractors, optional tokens, and what a wrong setup answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Request;
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::{
    Claims, Refusal, RequireRoles, RequireScopes, RequireToken, ResourceServer, StatusPolicy, TokenError,
    ValidatedToken,
};
use tower_bearer_test::{Defect, TokenBuilder};

use crate::support::*;

/// How often the handlers of one application ran.
#[derive(Clone, Default)]
struct Runs(Arc<AtomicUsize>);

impl Runs {
    fn count(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// A route whose handler only counts.
    fn route(&self) -> axum::routing::MethodRouter {
        let runs = self.clone();
        get(move || {
            runs.count();
            std::future::ready("")
        })
    }
}

/// `GET path`, with this token if there is one.
async fn visit(app: &Router, path: &str, token: Option<TokenBuilder>) -> Answer {
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {}", token.sign()));
    }
    let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let error = parts.extensions.get::<TokenError>().cloned();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, error, body }
}

async fn verdict(app: &Router, path: &str, token: TokenBuilder) -> (u16, &'static str) {
    let answer = visit(app, path, Some(token)).await;
    (answer.status.as_u16(), answer.reason())
}

const PASSED: (u16, &str) = (200, "accepted");
const MISSING_LAYER: (u16, &str) = (500, "layer_missing");
const OTHER_SERVER: (u16, &str) = (500, "other_resource_server");

#[tokio::test]
async fn scopes_are_asked_for_all_together_or_any_of_them() {
    let runs = Runs::default();
    let configured = RequireScopes::try_all(vec!["a".to_owned()]).unwrap();
    let app = Router::new()
        .route("/all", runs.route().route_layer(RequireScopes::all(["a", "b"])))
        .route("/any", runs.route().route_layer(RequireScopes::any(["a", "b"])))
        .route("/configured", runs.route().route_layer(configured))
        .route("/free", runs.route())
        .route_layer(server().layer());
    let lacking = (403, "insufficient_scope");
    let cases = [
        ("", [lacking, lacking, lacking]),
        ("a", [lacking, PASSED, PASSED]),
        ("b", [lacking, PASSED, lacking]),
        ("b a", [PASSED, PASSED, PASSED]),
        ("ab a:b A B", [lacking, lacking, lacking]),
    ];
    let mut expected_runs = 0;
    for (scope, expected) in cases {
        for (path, expected) in ["/all", "/any", "/configured"].into_iter().zip(expected) {
            assert_eq!(verdict(&app, path, token().scope(scope)).await, expected, "{path} with {scope:?}");
            expected_runs += usize::from(expected == PASSED);
        }
        assert_eq!(verdict(&app, "/free", token().scope(scope)).await, PASSED);
        expected_runs += 1;
    }
    assert_eq!(runs.get(), expected_runs);
    let refused = visit(&app, "/any", Some(token())).await;
    assert_eq!(auth_param(refused.challenge(), "scope"), Some("a b"));
    // A bad token is a bad token before its scope is looked at.
    assert_eq!(verdict(&app, "/all", token().claim("exp", 1)).await, (401, "expired"));
    assert_eq!(visit(&app, "/all", None).await.reason(), "token_absent");
    // `route_layer` leaves unknown paths alone.
    assert_eq!(visit(&app, "/unknown", None).await.status, 404);
}

#[tokio::test]
async fn a_long_list_of_scopes_is_compared_whole_too() {
    let app = Router::new()
        .route("/", Runs::default().route().route_layer(RequireScopes::all(["scope-31"])))
        .route_layer(server().layer());
    let scopes = |count: usize| (0..count).map(|n| format!("scope-{n}")).collect::<Vec<_>>().join(" ");
    assert_eq!(verdict(&app, "/", token().scope(scopes(31))).await, (403, "insufficient_scope"));
    assert_eq!(verdict(&app, "/", token().scope(scopes(32))).await, PASSED);
    assert_eq!(verdict(&app, "/", token().scope(scopes(500))).await, PASSED);
    assert_eq!(verdict(&app, "/", token().scope(scopes(500).replace("scope-31 ", "scope-31x "))).await.0, 403);
}

#[tokio::test]
async fn roles_are_found_by_their_path() {
    let runs = Runs::default();
    let app = Router::new()
        .route("/any", runs.route().route_layer(RequireRoles::any(["realm_access", "roles"], ["admin", "sales"])))
        .route("/all", runs.route().route_layer(RequireRoles::all(["realm_access", "roles"], ["admin", "sales"])))
        .route("/url", runs.route().route_layer(RequireRoles::all("https://example.com/roles", ["admin"])))
        .route_layer(server().layer());
    let lacking = (403, "insufficient_role");
    let realm = |roles: Value| token().claim("realm_access", json!({ "roles": roles }));
    let cases = [
        (token(), [lacking, lacking]),
        (realm(json!([])), [lacking, lacking]),
        (realm(json!(["admin"])), [PASSED, lacking]),
        (realm(json!(["x", "sales", "admin"])), [PASSED, PASSED]),
        (realm(json!("sales")), [PASSED, lacking]),
        (realm(json!("admin sales")), [lacking, lacking]),
        (realm(json!(["Admin", "administrator"])), [lacking, lacking]),
        (realm(json!({ "admin": true })), [lacking, lacking]),
        (realm(json!([["admin"], 1, null])), [lacking, lacking]),
        (token().claim("realm_access", json!(["admin"])), [lacking, lacking]),
        (token().claim("roles", json!(["admin", "sales"])), [lacking, lacking]),
        (token().claim("realm_access.roles", json!(["admin", "sales"])), [lacking, lacking]),
    ];
    for (position, (token, [any, all])) in cases.into_iter().enumerate() {
        assert_eq!(verdict(&app, "/any", token.clone()).await, any, "case {position}");
        assert_eq!(verdict(&app, "/all", token).await, all, "case {position}");
    }
    assert_eq!(runs.get(), 4);
    assert_eq!(verdict(&app, "/url", token().claim("https://example.com/roles", json!(["admin"]))).await, PASSED);
    let nested = token().claim("https://example", json!({ "com/roles": ["admin"] }));
    assert_eq!(verdict(&app, "/url", nested).await, lacking);

    let refused = visit(&app, "/any", Some(token())).await;
    assert_eq!(auth_param(refused.challenge(), "error"), Some("insufficient_scope"));
    assert_eq!(auth_param(refused.challenge(), "scope"), None);
}

#[tokio::test]
async fn a_closure_decides_and_its_name_stays_here() {
    let acme = RequireToken::that("belongs to acme", |token: &ValidatedToken| {
        token.claim(&["tenant"]).as_ref().and_then(Value::as_str) == Some("acme")
    });
    let app = Router::new().route("/", Runs::default().route().route_layer(acme)).route_layer(server().layer());
    assert_eq!(verdict(&app, "/", token().claim("tenant", "acme")).await, PASSED);
    let refused = visit(&app, "/", Some(token().claim("tenant", "other"))).await;
    assert_eq!((refused.status.as_u16(), refused.reason()), (403, "requirement_not_met"));
    assert_eq!(auth_param(refused.challenge(), "error"), Some("insufficient_scope"));
    assert!(!format!("{:?} {:?}", refused.headers, refused.body).contains("acme"));
    assert_eq!(refused.error, Some(TokenError::RequirementNotMet("belongs to acme".into())));
}

#[tokio::test]
async fn a_handler_asks_and_the_refusal_is_that_of_the_route_layer() {
    async fn handler(token: ValidatedToken) -> Result<&'static str, Refusal> {
        token.require("write:leads")?;
        Ok("written")
    }
    async fn impossible(token: ValidatedToken) -> Result<(), Refusal> {
        token.require("two scopes")
    }
    let app = Router::new()
        .route("/handler", get(handler))
        .route("/impossible", get(impossible))
        .route("/layer", Runs::default().route().route_layer(RequireScopes::all(["write:leads"])))
        .route_layer(server().layer());
    assert_eq!(visit(&app, "/handler", Some(token().scope("write:leads"))).await.body, "written");
    let (one, other) = (visit(&app, "/handler", Some(token())).await, visit(&app, "/layer", Some(token())).await);
    assert_eq!((one.status.as_u16(), one.reason()), (403, "insufficient_scope"));
    assert_eq!(auth_param(one.challenge(), "scope"), Some("write:leads"));
    assert_eq!(one.headers, other.headers);
    assert_eq!(one.body, other.body);
    assert_eq!(verdict(&app, "/impossible", token().scope("two scopes")).await, (403, "requirement_not_met"));
}

#[derive(Deserialize)]
struct Employee {
    department: String,
    #[serde(default)]
    level: u8,
}

#[tokio::test]
async fn claims_that_do_not_fit_the_applications_struct_are_401() {
    let runs = Runs::default();
    let counter = runs.clone();
    let handler = move |Claims(employee): Claims<Employee>| {
        counter.count();
        std::future::ready(format!("{} {}", employee.department, employee.level))
    };
    let app = Router::new().route("/", get(handler)).route_layer(server().layer());
    let good = visit(&app, "/", Some(token().claim("department", "sales").claim("level", 3))).await;
    assert_eq!(good.body, "sales 3");
    let misfits = [
        token(),
        token().claim("department", 1),
        token().claim("department", json!(null)),
        token().claim("department", "sales").claim("level", 256),
        token().claim("department", "sales").claim("level", "secret-value"),
    ];
    for misfit in misfits {
        let refused = visit(&app, "/", Some(misfit)).await;
        assert_eq!((refused.status.as_u16(), refused.reason()), (401, "claims_shape"));
        assert_eq!(auth_param(refused.challenge(), "error"), Some("invalid_token"));
        assert!(!format!("{:?} {:?}", refused.headers, refused.body).contains("secret-value"));
    }
    assert_eq!(runs.get(), 1);
}

/// The log names the field of the application's own struct, and never what the token says.
#[tokio::test]
async fn r19_the_log_names_the_field_that_does_not_fit_and_no_value() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only their fit matters")]
    struct Shape {
        name: String,
        #[serde(default)]
        address: Option<Address>,
        #[serde(default)]
        level: u8,
        #[serde(default)]
        tags: Vec<String>,
        #[serde(default)]
        limits: std::collections::BTreeMap<String, u8>,
        #[serde(default)]
        tier: Option<Tier>,
        #[serde(default, deserialize_with = "picky")]
        checked: (),
        #[serde(default)]
        by_number: std::collections::BTreeMap<u32, String>,
        #[serde(default)]
        pair: Option<(String, u8)>,
        #[serde(flatten)]
        more: More,
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only their fit matters")]
    struct More {
        #[serde(default)]
        nickname: Option<String>,
    }
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only their fit matters")]
    struct Address {
        city: String,
        #[serde(rename = "postal-code", default)]
        code: u32,
    }
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    #[expect(dead_code, reason = "only their fit matters")]
    enum Tier {
        Gold,
        Named(u8),
    }
    fn picky<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        let value = String::deserialize(deserializer)?;
        Err(serde::de::Error::custom(format!("{value} is not good enough")))
    }
    let named = |name: &str, value: Value| token().claim("name", "x").claim(name, value);
    let cases = [
        (token(), "name", "missing"),
        (token().claim("name", 1), "name", "a number instead of a string"),
        (named("level", json!(256)), "level", "a number that is not u8"),
        (named("level", json!("secret")), "level", "a string instead of u8"),
        (named("level", json!(-1)), "level", "a number that is not u8"),
        (named("address", json!({})), "address.city", "missing"),
        (named("address", json!({ "city": ["secret"] })), "address.city", "an array instead of a string"),
        (
            named("address", json!({ "city": "x", "postal-code": "secret" })),
            "address.postal-code",
            "a string instead of u32",
        ),
        (
            named("address", json!({ "city": "x", "secret": 1 })),
            "address",
            "a member that is none of: city, postal-code",
        ),
        (named("tags", json!(["a", true])), "tags", "a boolean instead of a string"),
        (named("limits", json!({ "secret": null })), "limits.*", "null instead of u8"),
        (named("tier", json!("secret")), "tier", "a string that is none of: gold, named"),
        (named("tier", json!({ "named": "secret" })), "tier.named", "a string instead of u8"),
        (named("checked", json!("secret")), "checked", "the type's own check rejects the value"),
        (named("by_number", json!({ "7": "fits", "8": 1 })), "by_number.*", "a number instead of a string"),
        (named("pair", json!(["secret", 1, 2])), "pair", "the wrong length for"),
        (named("nickname", json!(["secret"])), "nickname", "an array instead of a string"),
    ];
    let app = Router::new().route("/", get(async |_: Claims<Shape>| "")).route_layer(server().layer());
    for (misfit, field, problem) in cases {
        log::capture();
        assert_eq!(visit(&app, "/", Some(misfit)).await.reason(), "claims_shape");
        let log = log::take();
        let lines: Vec<_> = log.lines().collect();
        assert_eq!(lines.len(), 1, "{log}");
        // serde does not say which field of a flattened struct it was reading.
        let field = if field == "nickname" { "" } else { field };
        assert!(lines[0].contains(&format!("Shape field={field} problem={problem}")), "{log}");
        assert!(!log.contains("secret"), "{log}");
    }
}

#[tokio::test]
async fn claims_are_optional_under_an_optional_layer() {
    async fn department(employee: Option<Claims<Employee>>) -> String {
        employee.map_or("nobody".to_owned(), |Claims(employee)| employee.department)
    }
    let app = Router::new().route("/", get(department)).route_layer(server().layer().optional());
    assert_eq!(visit(&app, "/", None).await.body, "nobody");
    assert_eq!(visit(&app, "/", Some(token().claim("department", "sales"))).await.body, "sales");
    assert_eq!(visit(&app, "/", Some(token())).await.reason(), "claims_shape");
    assert_eq!(visit(&app, "/", Some(token().claim("exp", 1))).await.reason(), "expired");
    let unlayered = Router::new().route("/", get(department));
    assert_eq!(visit(&unlayered, "/", None).await.reason(), "layer_missing");
}

/// Every way to ask for a token, on one router without a bearer layer. Each handler counts.
fn asking(runs: &Runs) -> Router {
    async fn with_claims(Claims(_): Claims<Value>) {}
    async fn with_token(_: ValidatedToken) {}
    async fn with_option(token: Option<ValidatedToken>) -> &'static str {
        if token.is_some() { "some" } else { "none" }
    }
    Router::new()
        .route("/scopes", runs.route().route_layer(RequireScopes::all(["read:leads"])))
        .route("/roles", runs.route().route_layer(RequireRoles::any("roles", ["admin"])))
        .route("/closure", runs.route().route_layer(RequireToken::that("anything", |_| true)))
        .route("/claims", get(with_claims))
        .route("/token", get(with_token))
        .route("/option", get(with_option))
}

#[tokio::test]
async fn without_the_bearer_layer_every_request_is_a_500_and_a_log_line() {
    let runs = Runs::default();
    let app = asking(&runs);
    for path in ["/scopes", "/roles", "/closure", "/claims", "/token", "/option"] {
        for token in [None, Some(token())] {
            log::capture();
            let answer = visit(&app, path, token).await;
            assert_eq!((answer.status.as_u16(), answer.reason()), MISSING_LAYER, "{path}");
            assert_eq!(answer.header("www-authenticate"), None);
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.body, r#"{"error_description":"the service is misconfigured"}"#);
            let log = log::take();
            assert!(log.contains("ERROR") && log.contains("put `resource_server.layer()` around"), "{log}");
        }
    }
    assert_eq!(runs.get(), 0);
}

/// Takes the extensions that one resource server left and puts the token of another one's among them.
fn other_server() -> ResourceServer {
    builder().audience("other").issuer(issuer().trusted()).build().unwrap()
}

#[tokio::test]
async fn a_token_that_another_resource_server_judged_is_a_500_and_a_log_line() {
    let runs = Runs::default();
    // The outer layer judges the token, the inner one declares everything public: whose verdict counts?
    let app = asking(&runs).route_layer(other_server().layer().public_when(|_, _| true)).route_layer(server().layer());
    for path in ["/scopes", "/roles", "/closure", "/claims", "/token", "/option"] {
        log::capture();
        assert_eq!(verdict(&app, path, token()).await, OTHER_SERVER, "{path}");
        let log = log::take();
        assert!(log.contains("ERROR") && log.contains("another resource server"), "{log}");
    }
    assert_eq!(runs.get(), 0);
}

#[tokio::test]
async fn a_route_can_insist_on_one_resource_server() {
    let (one, other) = (server(), other_server());
    let app = |judge: &ResourceServer| {
        let runs = Runs::default();
        let scopes = RequireScopes::all(["read:leads"]);
        Router::new()
            .route("/mine", runs.route().route_layer(scopes.clone().under(judge)))
            .route("/clone", runs.route().route_layer(scopes.clone().under(&judge.clone())))
            .route("/scopes", runs.route().route_layer(scopes.under(&one)))
            .route("/roles", runs.route().route_layer(RequireRoles::any("roles", ["admin"]).under(&one)))
            .route("/closure", runs.route().route_layer(RequireToken::that("anything", |_| true).under(&one)))
            .route_layer(judge.layer())
    };
    let token = || token().claim("aud", json!([AUDIENCE, "other"])).claim("roles", "admin");
    for path in ["/mine", "/clone", "/scopes", "/roles", "/closure"] {
        assert_eq!(verdict(&app(&one), path, token()).await, PASSED, "{path}");
    }
    for (path, expected) in [
        ("/mine", PASSED),
        ("/clone", PASSED),
        ("/scopes", OTHER_SERVER),
        ("/roles", OTHER_SERVER),
        ("/closure", OTHER_SERVER),
    ] {
        assert_eq!(verdict(&app(&other), path, token()).await, expected, "{path}");
    }
}

#[tokio::test]
async fn two_resource_servers_in_one_application_never_take_each_others_tokens() {
    let leads = Router::new().route("/leads", Runs::default().route()).route_layer(server().layer());
    let others = Router::new().route("/others", Runs::default().route()).route_layer(other_server().layer());
    // `builder()` has our audience already: take one that has only its own.
    let strangers = ResourceServer::builder().clock(clock()).audience("strangers").issuer(issuer().trusted());
    let strangers =
        Router::new().route("/strangers", Runs::default().route()).route_layer(strangers.build().unwrap().layer());
    let app = leads.merge(others).merge(strangers);
    for (audience, expected) in
        [(AUDIENCE, [200, 200, 401]), ("other", [401, 200, 401]), ("strangers", [401, 401, 200])]
    {
        for (path, expected) in ["/leads", "/others", "/strangers"].into_iter().zip(expected) {
            let status = visit(&app, path, Some(token().claim("aud", audience))).await.status;
            assert_eq!(status.as_u16(), expected, "{path} with {audience}");
        }
    }
}

#[tokio::test]
async fn with_optional_authentication_no_token_passes_and_a_bad_one_never_does() {
    let runs = Runs::default();
    let app = asking(&runs).route_layer(server().layer().optional());
    assert_eq!(visit(&app, "/option", None).await.body, "none");
    assert_eq!(visit(&app, "/option", Some(token())).await.body, "some");
    for defect in Defect::ALL {
        let authorization = format!("Bearer {}", token().sign_defective(*defect));
        let request = Request::get("/option").header("authorization", authorization).body(Body::empty()).unwrap();
        assert_eq!(app.clone().oneshot(request).await.unwrap().status(), 401, "{defect}");
    }
    let optional = server().layer().optional();
    for (authorization, expected) in [
        ("Basic YTpi", "accepted"),
        ("Bearer", "token_empty"),
        ("Bearer a b", "token_illegal_characters"),
        ("Bearer abc", "opaque_token"),
        ("a.b.c", "scheme_missing"),
        ("Basic YTpi, Bearer abc", "credentials_repeated"),
    ] {
        let answer = ask(&optional, Request::get("/").header("authorization", authorization)).await;
        assert_eq!(answer.reason(), expected, "{authorization}");
    }
    // What needs a token gets none: refused as the bearer layer would have, not let through.
    for path in ["/scopes", "/roles", "/closure", "/claims", "/token"] {
        let refused = visit(&app, path, None).await;
        assert_eq!((refused.status.as_u16(), refused.reason()), (400, "token_absent"), "{path}");
    }
    assert_eq!(runs.get(), 0);
    let strict = builder().issuer(issuer().trusted()).status_policy(StatusPolicy::rfc6750()).build().unwrap();
    let refused = visit(&asking(&runs).route_layer(strict.layer().optional()), "/token", None).await;
    assert_eq!((refused.status.as_u16(), refused.challenge()), (401, "Bearer realm=\"https://api.example.com\""));
}

#[tokio::test]
async fn requests_declared_public_pass_without_a_look_at_their_credentials() {
    let layer = server().layer().public_when(|method, uri| method == "GET" && uri.path() == "/health");
    let verdict = async |request: http::request::Builder| ask(&layer, request).await.reason();
    assert_eq!(verdict(Request::get("/health")).await, "accepted");
    assert_eq!(verdict(Request::get("/health?full=1").header("authorization", "Bearer abc")).await, "accepted");
    assert_eq!(verdict(Request::post("/health")).await, "token_absent");
    for path in ["/health/", "//health", "/Health", "/health%2f", "/healthy", "/leads?x=/health", "/"] {
        assert_eq!(verdict(Request::get(path)).await, "token_absent", "{path}");
    }
    // A public request has no token, also when it brought a good one.
    let app = asking(&Runs::default()).route_layer(server().layer().public_when(|_, _| true));
    assert_eq!(visit(&app, "/option", Some(token())).await.body, "none");
    assert_eq!(verdict_of_token_route(&app).await, (400, "token_absent"));
}

async fn verdict_of_token_route(app: &Router) -> (u16, &'static str) {
    verdict(app, "/token", token()).await
}

#[tokio::test]
async fn handlers_see_what_the_token_says() {
    let server = server();
    let sample = token().claim("tenant", json!({ "id": 7 })).claim("aud", json!([AUDIENCE, "b"])).sign();
    let token = server.validate(&sample).await.unwrap();
    assert_eq!((token.issuer(), token.subject(), token.client_id()), (ISSUER, Some("alice"), Some("app")));
    assert_eq!(token.audiences().collect::<Vec<_>>(), [AUDIENCE, "b"]);
    assert_eq!(token.expires_at().as_secs(), NOW.as_secs() + 300);
    assert_eq!(token.issued_at(), Some(NOW));
    assert!(token.token_id().is_some());
    assert_eq!(token.scope().iter().collect::<Vec<_>>(), ["read:leads"]);
    assert_eq!(token.claim(&["tenant", "id"]), Some(json!(7)));
    assert_eq!(token.claim(&["tenant", "name"]), None);
    let claims: Value = token.claims().unwrap();
    assert_eq!(claims["sub"], "alice");
    // The layer hands the same token to the service.
    let inner = service_fn(|request: Request<()>| {
        let token = request.extensions().get::<ValidatedToken>().unwrap();
        let subject = token.subject().unwrap_or_default().to_owned();
        std::future::ready(Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Full::new(
            bytes::Bytes::from(subject),
        ))))
    });
    let request = Request::get("/").header("authorization", format!("Bearer {sample}"));
    assert_eq!(ask_service(server.layer().layer(inner), request).await.body, "alice");
}
