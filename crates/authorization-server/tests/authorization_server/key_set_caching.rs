//! HTTP caching of the JWK Set: `Cache-Control`, `ETag` and 304.

use http::HeaderValue;
use reqwest::{Response, StatusCode, header};
use tower_bearer_authorization_server::{AuthorizationServer, Endpoint, Fault};

use crate::support::{client, server};

async fn get(server: &AuthorizationServer, if_none_match: Option<&str>) -> Response {
    let request = client().get(server.jwks_uri());
    let request = match if_none_match {
        Some(tags) => request.header(header::IF_NONE_MATCH, tags),
        None => request,
    };
    request.send().await.unwrap()
}

async fn etag(server: &AuthorizationServer) -> String {
    get(server, None).await.headers()[header::ETAG].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn who_has_the_set_already_gets_304() {
    let server = server().await;
    let etag = etag(&server).await;
    for tags in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".to_owned()] {
        let response = get(&server, Some(&tags)).await;
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{tags}");
        assert_eq!(response.headers()[header::ETAG], etag.as_str());
        assert_eq!(response.headers()[header::CACHE_CONTROL], "max-age=300");
        assert_eq!(response.text().await.unwrap(), "");
    }
    assert_eq!(server.not_modified_answers(), 4);
    assert_eq!(server.requests(Endpoint::JwkSet), 5);
}

#[tokio::test]
async fn who_has_another_set_gets_this_one() {
    let server = server().await;
    let old = etag(&server).await;
    server.rotate_keys().unwrap();
    assert_ne!(etag(&server).await, old);
    for tags in [old.as_str(), old.trim_matches('"'), "\"\"", ""] {
        let response = get(&server, Some(tags)).await;
        assert_eq!(response.status(), StatusCode::OK, "{tags}");
        assert_eq!(response.text().await.unwrap(), server.test_issuer().jwk_set().to_string());
    }
    assert_eq!(server.not_modified_answers(), 0);
}

#[tokio::test]
async fn a_spoilt_set_is_never_the_one_that_a_client_has() {
    let server = server().await;
    let etag = etag(&server).await;
    server.misbehave(Endpoint::JwkSet, Fault::EmptySet).unwrap();
    let response = get(&server, Some(&etag)).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!response.headers().contains_key(header::ETAG));
    assert_eq!(response.text().await.unwrap(), r#"{"keys":[]}"#);

    // Slow headers spoil nothing.
    server.misbehave(Endpoint::JwkSet, Fault::SlowHeaders { delay: std::time::Duration::ZERO }).unwrap();
    assert_eq!(get(&server, Some(&etag)).await.status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn cache_control_says_what_it_is_told_to() {
    let server = server().await;
    server.set_cache_control(Some(HeaderValue::from_static("max-age=60, must-revalidate")));
    assert_eq!(get(&server, None).await.headers()[header::CACHE_CONTROL], "max-age=60, must-revalidate");
    server.set_cache_control(None);
    assert!(!get(&server, None).await.headers().contains_key(header::CACHE_CONTROL));
}
