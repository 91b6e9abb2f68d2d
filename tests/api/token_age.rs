//! Routes that ask for a token that was issued recently.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Request;
use tower::ServiceExt;
use tower_bearer::time::UnixTime;
use tower_bearer::{ClaimFault, RequireTokenAge, ResourceServer, StatusPolicy, TokenError};

use crate::support::*;

const NANOSECOND: Duration = Duration::from_nanos(1);
const MINUTE: Duration = Duration::from_secs(60);

fn app(server: &ResourceServer) -> Router {
    let route = get(|| std::future::ready("paid")).route_layer(RequireTokenAge::at_most(MINUTE));
    Router::new().route("/payments", route).route_layer(server.layer())
}

/// The status, the challenge and the error.
async fn pay(app: &Router, token: &str) -> (u16, String, Option<TokenError>) {
    let request = Request::get("/payments").header("authorization", format!("Bearer {token}"));
    let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let challenge = response.headers().get("www-authenticate").map_or("", |value| value.to_str().unwrap()).to_owned();
    (response.status().as_u16(), challenge, response.extensions().get().cloned())
}

#[tokio::test]
async fn r56_a_route_refuses_tokens_over_its_maximum_age() {
    let clock = clock();
    let aged = |age: Duration| builder().issuer(issuer().trusted()).clock(clock.clone()).max_token_age(age);
    let without = builder().issuer(issuer().trusted()).clock(clock.clone());
    let leeway = Duration::from_secs(10);
    let token = token().sign();
    for (server, name, at_most) in [
        (without.leeway(leeway).build().unwrap(), "the route's alone", MINUTE),
        (aged(2 * MINUTE).leeway(leeway).build().unwrap(), "the server's is longer", MINUTE),
        (aged(MINUTE / 2).leeway(leeway).build().unwrap(), "the server's is shorter", MINUTE / 2),
    ] {
        let app = app(&server);
        let limit = NOW.saturating_add(at_most + leeway);
        // Twice: new and from the cache.
        for _ in 0..2 {
            clock.set_wall(Some(limit));
            assert_eq!(pay(&app, &token).await.0, 200, "{name}");
            clock.set_wall(Some(limit.saturating_add(NANOSECOND)));
            let (status, challenge, error) = pay(&app, &token).await;
            assert_eq!((status, error), (401, Some(TokenError::TooOld)), "{name}");
            assert!(challenge.contains(r#"error="invalid_token""#), "{name}: {challenge}");
        }
    }
}

#[tokio::test]
async fn r56_a_route_with_a_maximum_age_requires_iat() {
    let server = builder().issuer(issuer().trusted()).clock(clock()).build().unwrap();
    let missing = TokenError::Claim { name: "iat".into(), fault: ClaimFault::Missing };
    let (status, _, error) = pay(&app(&server), &token().without_claim("iat").sign()).await;
    assert_eq!((status, error), (401, Some(missing)));
}

/// Nobody knows how old a token is while the clock shows no time.
#[tokio::test]
async fn r56_a_route_with_a_maximum_age_needs_the_time() {
    let clock = clock();
    let server = builder().issuer(issuer().trusted()).clock(clock.clone()).build().unwrap();
    let token = server.validate(&token().sign()).await.unwrap();
    clock.set_wall(None);
    let route = get(|| std::future::ready("paid")).route_layer(RequireTokenAge::at_most(MINUTE));
    let mut request = Request::get("/payments").body(Body::empty()).unwrap();
    ResourceServer::admit(request.extensions_mut(), token);
    let response = Router::new().route("/payments", route).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.extensions().get(), Some(&TokenError::ClockUnavailable));
}

/// The status is that of a token that is refused, under each policy.
#[tokio::test]
async fn a_token_that_is_too_old_has_the_status_of_an_invalid_one() {
    let clock = clock();
    let server = builder().issuer(issuer().trusted()).clock(clock.clone()).build().unwrap();
    let token = token().sign();
    clock.set_wall(Some(UnixTime::from_secs(NOW.as_secs() + 91)));
    for policy in [StatusPolicy::default(), StatusPolicy::rfc6750(), StatusPolicy::auth_request()] {
        assert_eq!(pay(&app(&server.with_status_policy(policy)), &token).await.0, 401);
    }
}
