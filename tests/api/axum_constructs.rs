//! What each of axum's ways to build a router does to a request without a token, with `route_layer` and with `layer`.
//! The guide's table has rows from here.

use axum::Router;
use axum::body::Body;
use axum::routing::{MethodRouter, any, get, get_service, post};
use http::Request;
use tower::ServiceExt;
use tower_bearer::{BearerLayer, RequireScopes};

use crate::support::*;

/// What became of a request without a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    /// The handler ran: public.
    Reached,
    /// 400, or 401 under other policies.
    TokenRequired,
    /// axum's own answer: no such path, or another method.
    NotFound,
    MethodNotAllowed,
}
use Outcome::{MethodNotAllowed, NotFound, Reached, TokenRequired};

/// Adds the layer to the routes so far.
type Add = fn(Router, BearerLayer) -> Router;

const ADD: [(&str, Add); 2] =
    [("route_layer", |router, layer| router.route_layer(layer)), ("layer", |router, layer| router.layer(layer))];

struct Construct {
    name: &'static str,
    build: fn(Add, BearerLayer) -> Router,
    /// Method and path.
    request: &'static str,
    /// With `route_layer`, and with `layer`.
    outcomes: [Outcome; 2],
}

fn handler() -> MethodRouter {
    get(async || "reached")
}

fn construct(
    name: &'static str,
    request: &'static str,
    outcomes: [Outcome; 2],
    build: fn(Add, BearerLayer) -> Router,
) -> Construct {
    Construct { name, build, request, outcomes }
}

fn constructs() -> Vec<Construct> {
    let get_b = "GET /b";
    let get_inner = "GET /inner/b";
    vec![
        construct("a route added before", "GET /a", [TokenRequired; 2], |add, layer| {
            add(Router::new().route("/a", handler()), layer)
        }),
        construct("a route added after", get_b, [Reached; 2], |add, layer| {
            add(Router::new().route("/a", handler()), layer).route("/b", handler())
        }),
        construct("an unknown path", get_b, [NotFound, TokenRequired], |add, layer| {
            add(Router::new().route("/a", handler()), layer)
        }),
        construct("a fallback set before", get_b, [Reached, TokenRequired], |add, layer| {
            add(Router::new().route("/a", handler()).fallback(async || "reached"), layer)
        }),
        construct("a fallback set after", get_b, [Reached; 2], |add, layer| {
            add(Router::new().route("/a", handler()), layer).fallback(async || "reached")
        }),
        construct("a fallback service set before", get_b, [Reached, TokenRequired], |add, layer| {
            add(Router::new().route("/a", handler()).fallback_service(handler()), layer)
        }),
        construct("another method", "POST /a", [TokenRequired; 2], |add, layer| {
            add(Router::new().route("/a", handler()), layer)
        }),
        construct("the layer on the method router: its method", "GET /a", [TokenRequired; 2], |_, layer| {
            Router::new().route("/a", handler().route_layer(layer))
        }),
        construct("the layer on the method router: another method", "POST /a", [MethodNotAllowed; 2], |_, layer| {
            Router::new().route("/a", handler().route_layer(layer))
        }),
        construct("`layer` on the method router: another method", "POST /a", [TokenRequired; 2], |_, layer| {
            Router::new().route("/a", handler().layer(layer))
        }),
        construct("a method added after, to the same route", "POST /a", [Reached; 2], |add, layer| {
            add(Router::new().route("/a", handler()), layer).route("/a", post(async || "reached"))
        }),
        construct("a method router's fallback", "POST /a", [TokenRequired; 2], |add, layer| {
            add(Router::new().route("/a", handler().fallback(async || "reached")), layer)
        }),
        construct("a method router's fallback outside of its layer", "POST /a", [Reached; 2], |_, layer| {
            Router::new().route("/a", handler().fallback(async || "reached").route_layer(layer))
        }),
        construct("a method added to a method router after its layer", "POST /a", [Reached; 2], |_, layer| {
            Router::new().route("/a", handler().route_layer(layer).post(async || "reached"))
        }),
        construct("a method router merged into one after its layer", "POST /a", [Reached; 2], |_, layer| {
            Router::new().route("/a", handler().layer(layer).merge(post(async || "reached")))
        }),
        construct("`any` with a layer on the method router", "POST /a", [Reached; 2], |_, layer| {
            Router::new().route("/a", any(async || "reached").get(async || "reached").route_layer(layer))
        }),
        construct("`method_not_allowed_fallback` set before", "POST /a", [TokenRequired; 2], |add, layer| {
            add(Router::new().route("/a", handler()).method_not_allowed_fallback(async || "reached"), layer)
        }),
        construct("`method_not_allowed_fallback` set after", "POST /a", [Reached; 2], |add, layer| {
            add(Router::new().route("/a", handler()), layer).method_not_allowed_fallback(async || "reached")
        }),
        construct("a nested router's route", get_inner, [TokenRequired; 2], |add, layer| {
            add(Router::new().nest("/inner", Router::new().route("/b", handler())), layer)
        }),
        construct("a nested router's unknown path", "GET /inner/c", [NotFound, TokenRequired], |add, layer| {
            add(Router::new().nest("/inner", Router::new().route("/b", handler())), layer)
        }),
        construct("a nested router's fallback", "GET /inner/c", [Reached, TokenRequired], |add, layer| {
            let inner = Router::new().route("/b", handler()).fallback(async || "reached");
            add(Router::new().nest("/inner", inner), layer)
        }),
        construct("a router nested after", get_inner, [Reached; 2], |add, layer| {
            add(Router::new().route("/a", handler()), layer).nest("/inner", Router::new().route("/b", handler()))
        }),
        construct("the layer inside a nested router", get_inner, [TokenRequired; 2], |add, layer| {
            Router::new().nest("/inner", add(Router::new().route("/b", handler()), layer))
        }),
        construct("an unknown path in a router with the layer inside", "GET /inner/c", [NotFound; 2], |add, layer| {
            Router::new().nest("/inner", add(Router::new().route("/b", handler()), layer))
        }),
        construct("`nest_service`", get_inner, [TokenRequired; 2], |add, layer| {
            add(Router::new().nest_service("/inner", any(async || "reached")), layer)
        }),
        construct("`nest_service` added after", get_inner, [Reached; 2], |add, layer| {
            add(Router::new().route("/a", handler()), layer).nest_service("/inner", any(async || "reached"))
        }),
        construct("`route_service`", get_b, [TokenRequired; 2], |add, layer| {
            add(Router::new().route_service("/b", get_service(handler())), layer)
        }),
        construct("a router merged before", get_b, [TokenRequired; 2], |add, layer| {
            add(Router::new().route("/a", handler()).merge(Router::new().route("/b", handler())), layer)
        }),
        construct("a router merged after", get_b, [Reached; 2], |add, layer| {
            add(Router::new().route("/a", handler()), layer).merge(Router::new().route("/b", handler()))
        }),
        construct("a fallback merged before", get_b, [Reached, TokenRequired], |add, layer| {
            add(Router::new().route("/a", handler()).merge(Router::new().fallback(async || "reached")), layer)
        }),
        construct("a fallback merged after", get_b, [Reached; 2], |add, layer| {
            let other = Router::new().fallback(async || "reached");
            add(Router::new().route("/a", handler()), layer).merge(other)
        }),
        construct("`HEAD` of a `GET` route", "HEAD /a", [TokenRequired; 2], |add, layer| {
            add(Router::new().route("/a", handler()), layer)
        }),
        construct("the layer around the whole application", get_b, [TokenRequired; 2], |_, layer| {
            use tower::Layer as _;
            let app = Router::new().route("/a", handler()).fallback(async || "reached");
            Router::new().fallback_service(layer.layer(app))
        }),
    ]
}

async fn visit(app: Router, request: &str) -> Outcome {
    let (method, path) = request.split_once(' ').unwrap();
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    match app.oneshot(request).await.unwrap().status().as_u16() {
        200 => Reached,
        400 => TokenRequired,
        404 => NotFound,
        405 => MethodNotAllowed,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn each_construct_of_axum_lets_through_what_the_guide_says() {
    let mut wrong = Vec::new();
    for construct in constructs() {
        for ((how, add), expected) in ADD.into_iter().zip(construct.outcomes) {
            let app = (construct.build)(add, server().layer());
            let outcome = visit(app, construct.request).await;
            if outcome != expected {
                wrong.push(format!("{} with {how}: {outcome:?} instead of {expected:?}", construct.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The table in the guide has no row that is not tested here.
#[test]
fn the_guide_has_the_outcomes_of_these_constructs() {
    let guide = include_str!("../../src/guide/frameworks.md");
    let cell = |outcome| match outcome {
        Reached => "**public**",
        TokenRequired => "needs a token",
        NotFound => "404",
        MethodNotAllowed => "405",
    };
    let row = |it: &Construct| format!("| {} | {} | {} |", it.name, cell(it.outcomes[0]), cell(it.outcomes[1]));
    let tested: Vec<_> = constructs().iter().map(row).collect();
    let shown: Vec<_> = guide
        .lines()
        .skip_while(|line| !line.starts_with("| construct"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert_eq!(shown.len(), 25);
    for line in shown {
        assert!(tested.iter().any(|row| row == line), "{line}");
    }
}

/// A route that is hidden with 404 is hidden for every method only if the requirement is around all of them; and axum
/// adds `Allow` to what a method router answers for other methods, unless all methods have one handler.
#[tokio::test]
async fn a_hidden_route_is_hidden_for_every_method_if_its_handler_takes_all() {
    let secret = || RequireScopes::all(["admin"]);
    let app = Router::new()
        .route("/one-method", handler().route_layer(secret()))
        .route("/all-methods", handler().layer(secret()))
        .merge(Router::new().route("/router", handler()).route_layer(secret()))
        .route("/any", any(async || "reached").layer(secret()))
        .route_layer(hiding_server().layer());
    let ask = async |method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("authorization", format!("Bearer {}", token().sign())).body(Body::empty());
        app.clone().oneshot(request.unwrap()).await.unwrap()
    };
    let (hidden, shown, allow) = ((404, false), (405, true), (404, true));
    for (path, expected) in [
        ("/one-method", [hidden, hidden, shown, shown]),
        ("/all-methods", [hidden, hidden, allow, allow]),
        ("/router", [hidden, hidden, allow, allow]),
        ("/any", [hidden; 4]),
        ("/nowhere", [hidden; 4]),
    ] {
        for (method, expected) in ["GET", "HEAD", "POST", "OPTIONS"].into_iter().zip(expected) {
            let response = ask(method, path).await;
            let outcome = (response.status().as_u16(), response.headers().contains_key("allow"));
            assert_eq!(outcome, expected, "{method} {path}");
            if expected == hidden {
                let unknown = ask(method, "/nowhere").await;
                // axum sets the length of a route's response, hyper that of any other.
                let fields = |response: &http::Response<Body>| {
                    response.headers().keys().filter(|name| *name != "content-length").cloned().collect::<Vec<_>>()
                };
                assert_eq!(fields(&response), fields(&unknown), "{method} {path}");
            }
        }
    }
}
