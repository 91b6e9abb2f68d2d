//! Policies other than the two in the README's status table: hidden routes, and what nginx's `auth_request` needs.

use axum::Router;
use axum::routing::get;
use http::{Method, Request, StatusCode};
use tower_bearer::{Issuer, RefusalKind, RequireRoles, RequireScopes, RequireToken, StatusPolicy, ValidatedToken};
use tower_bearer_test::Defect;

use crate::support::*;

/// All that a client sees of a response, except the date.
async fn all_of(response: reqwest::Response) -> (u16, Vec<(String, String)>, String) {
    let status = response.status().as_u16();
    let field =
        |(name, value): (&http::HeaderName, &http::HeaderValue)| (name.to_string(), value.to_str().unwrap().to_owned());
    let mut fields: Vec<_> = response.headers().iter().map(field).filter(|(name, _)| name != "date").collect();
    fields.sort();
    (status, fields, response.text().await.unwrap())
}

#[tokio::test]
async fn a_hidden_route_answers_as_a_path_that_does_not_exist() {
    async fn asks(token: ValidatedToken) -> Result<&'static str, tower_bearer::Refusal> {
        token.require("admin").map(|()| "shown")
    }
    let shown = || get(async || "shown");
    let app = Router::new()
        .route("/scopes", shown().route_layer(RequireScopes::all(["admin"])))
        .route("/roles", shown().route_layer(RequireRoles::any("roles", ["admin"])))
        .route("/closure", shown().route_layer(RequireToken::that("nothing passes", |_| false)))
        .route("/handler", get(asks))
        .route_layer(hiding_server().layer());
    let base = format!("http://{}", serve(app).await);
    let visit = async |method: &Method, path: &str, token: &str| {
        client().request(method.clone(), format!("{base}{path}")).bearer_auth(token).send().await.unwrap()
    };
    let token = token().sign();
    for method in [Method::GET, Method::HEAD] {
        let unknown = all_of(visit(&method, "/nowhere", &token).await).await;
        assert_eq!((unknown.0, unknown.2.as_str()), (404, ""));
        for path in ["/scopes", "/roles", "/closure", "/handler"] {
            assert_eq!(all_of(visit(&method, path, &token).await).await, unknown, "{method} {path}");
        }
    }
    // A bad token is still a bad token, and says so.
    let expired = visit(&Method::GET, "/scopes", &crate::fixtures::token().sign_defective(Defect::Expired)).await;
    assert_eq!(expired.status(), 401);
    assert_eq!(auth_param(&challenge(&expired), "error"), Some("invalid_token"));
}

/// A row set to 404 hides the route, whichever row it is: nothing in the response reveals it.
#[tokio::test]
async fn every_row_that_is_set_to_404_hides() {
    let kinds: [(RefusalKind, &[u8]); 6] = [
        (RefusalKind::Absent, b"Basic YTpi"),
        (RefusalKind::SchemeMissing, b"eyJ.eyJ.abc"),
        (RefusalKind::BrokenCredentials, b"Bearer "),
        (RefusalKind::Malformed, b"Bearer opaque"),
        (RefusalKind::Invalid, b"DPoP eyJ.eyJ.abc"),
        (RefusalKind::Unavailable, b"unavailable"),
    ];
    for (kind, authorization) in kinds {
        let policy = StatusPolicy::rfc6750().with(kind, StatusCode::NOT_FOUND).unwrap();
        let server = builder().status_policy(policy);
        let answer = if kind == RefusalKind::Unavailable {
            let by_url = Issuer::new(ISSUER).jwk_set_url(format!("http://{}/keys", closed_address()));
            let server = server.issuer(by_url.key_policy(patient())).build().unwrap();
            ask_with_token(&server, &token().sign()).await
        } else {
            ask_with(&server.issuer(issuer().trusted()).build().unwrap(), authorization).await
        };
        assert_eq!((answer.status.as_u16(), answer.headers.len()), (404, 0), "{kind:?}: {:?}", answer.headers);
        assert!(answer.body.is_empty(), "{kind:?}");
        assert_ne!(answer.reason(), "accepted", "outer layers still learn the reason");
    }
}

#[tokio::test]
async fn a_hook_renders_the_applications_own_404() {
    let hiding = StatusPolicy::default().with(RefusalKind::Forbidden, StatusCode::NOT_FOUND).unwrap();
    let server = builder().issuer(issuer().trusted()).status_policy(hiding).on_refusal(|_, mut response| {
        if response.status() == StatusCode::NOT_FOUND {
            *response.body_mut() = "no such page".into();
        }
        response
    });
    let secret = get(async || "shown").route_layer(RequireScopes::all(["admin"]));
    let app = Router::new().route("/secret", secret).route_layer(server.build().unwrap().layer());
    let url = format!("http://{}/secret", serve(app).await);
    let response = client().get(url).bearer_auth(token().sign()).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.text().await.unwrap().as_str()), (404, "no such page"));
}

/// nginx passes 401 and 403 on, and turns everything else that is not a success into a 500.
#[tokio::test]
async fn auth_request_answers_with_statuses_that_nginx_passes_on() {
    let server = builder().issuer(issuer().trusted()).status_policy(StatusPolicy::auth_request()).build().unwrap();
    let good = token().sign();
    let bare: &[u8] = good.as_bytes();
    let invalid_token = Some("invalid_token");
    let cases: [(&str, &[u8], Option<&str>); 9] = [
        ("another scheme", b"Basic YTpi", None),
        ("a bare token", bare, invalid_token),
        ("an empty token", b"Bearer ", invalid_token),
        ("the scheme alone", b"Bearer", invalid_token),
        ("a comma", b"Bearer a,b", invalid_token),
        ("two tokens", b"Bearer a, Bearer b", invalid_token),
        ("illegal characters", b"Bearer a b", invalid_token),
        ("an opaque token", b"Bearer opaque", invalid_token),
        ("a JWE", b"Bearer a.b.c.d.e", invalid_token),
    ];
    for (name, authorization, error) in cases {
        let answer = ask_with(&server, authorization).await;
        assert_eq!(answer.status, 401, "{name}");
        assert_eq!(auth_param(answer.challenge(), "error"), error, "{name}");
    }
    let twice = Request::get("/").header("authorization", "Bearer a").header("authorization", "Bearer b");
    for request in [twice, Request::get("/?access_token=a").header("authorization", "Bearer a")] {
        let answer = ask(&server.layer(), request).await;
        assert_eq!((answer.status.as_u16(), auth_param(answer.challenge(), "error")), (401, invalid_token));
    }
    let absent = ask(&server.layer(), Request::get("/")).await;
    assert_eq!((absent.status.as_u16(), auth_params(absent.challenge()).len()), (401, 1));
    for defect in Defect::ALL {
        let status = ask_with_token(&server, &token().sign_defective(*defect)).await.status;
        assert_eq!(status, 401, "{}", defect.name());
    }
    // Rows can be set as in every policy.
    let policy = StatusPolicy::auth_request().with(RefusalKind::BrokenCredentials, StatusCode::FORBIDDEN).unwrap();
    assert_eq!(policy.status(RefusalKind::BrokenCredentials), StatusCode::FORBIDDEN);
    assert_eq!(policy.status(RefusalKind::Unavailable), StatusCode::SERVICE_UNAVAILABLE);
}
