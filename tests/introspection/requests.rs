//! What is sent to the endpoint, and what is not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tower_bearer::{
    ClientAuthentication, ClientAuthenticationFuture, ClientCertificate, ClientRequest, ClientSecretBasic,
    ClientSecretPost, Introspection,
};

use crate::endpoint::*;
use crate::fixtures::reason;
use crate::log;

#[tokio::test]
async fn r84_the_token_is_sent_in_an_authenticated_post_and_nowhere_else() {
    let endpoint = Endpoint::start().await;
    let token = "4f1g0p.~+/-_==";
    assert_eq!(response(&endpoint.server(), token).await, (200, None, "accepted"));
    let asked = &endpoint.requests()[0];
    assert_eq!((asked.method.as_str(), asked.uri.as_str()), ("POST", "/introspect"));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(asked.form, [pair("token", token), pair("token_type_hint", "access_token")]);
    let header = |name: &str| asked.headers[name].to_str().unwrap();
    assert_eq!(header("authorization"), format!("Basic {}", STANDARD.encode("api:s3cret")));
    assert_eq!(header("accept"), "application/json");
    assert_eq!(header("content-type"), "application/x-www-form-urlencoded");
    assert!(!format!("{:?}", asked.headers).contains("4f1g0p"));
}

#[tokio::test]
async fn r84_each_way_to_authenticate_says_who_we_are() {
    #[derive(Debug)]
    struct Assertion;
    impl ClientAuthentication for Assertion {
        fn client_id(&self) -> &str {
            "api"
        }

        fn authenticate<'a>(&'a self, request: &'a mut ClientRequest) -> ClientAuthenticationFuture<'a> {
            Box::pin(async {
                let audience = request.issuer().to_owned();
                assert!(request.endpoint().ends_with("/introspect"));
                request.append("client_assertion", &format!("for {audience}"));
                Ok(())
            })
        }
    }
    let endpoint = Endpoint::start().await;
    let at = || Introspection::at(&endpoint.url);
    let assertion = format!("for {ISSUER}");
    for (introspection, header, form) in [
        (at().client(ClientSecretBasic::new("a b", "ü:&")), Some("a+b:%C3%BC%3A%26"), &[][..]),
        (at().client(ClientSecretPost::new("a b", "ü:&")), None, &[("client_id", "a b"), ("client_secret", "ü:&")]),
        (at().client(ClientCertificate::new("api")), None, &[("client_id", "api")]),
        (at().client(Assertion), None, &[("client_assertion", assertion.as_str())]),
    ] {
        assert_eq!(reason(&endpoint.server_with(introspection), "4f1g0p").await, "accepted");
        let asked = endpoint.requests().pop().unwrap();
        let basic = asked.headers.get("authorization").map(|value| {
            let encoded = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
            String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap()
        });
        assert_eq!(basic.as_deref(), header);
        let sent: Vec<_> = asked.form[2..].iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(sent, form);
    }
}

/// Header fields for the keys go along to the same origin, but none replaces or doubles one of the call.
#[tokio::test]
async fn r84_header_fields_for_the_keys_change_none_of_the_call() {
    let endpoint = Endpoint::start().await;
    let at = || Introspection::at(&endpoint.url);
    for (introspection, authorization) in [
        (
            at().client(ClientSecretBasic::new("api", "s3cret")),
            Some(format!("Basic {}", STANDARD.encode("api:s3cret"))),
        ),
        (at().client(ClientSecretPost::new("api", "s3cret")), None),
    ] {
        let issuer = endpoint
            .issuer_with(introspection)
            .key_request_header("x-api-key", "k")
            .key_request_header("accept", "text/html")
            .key_request_header("content-type", "text/plain")
            .key_request_header("authorization", "Bearer for-the-keys");
        let server = endpoint.builder().issuer(issuer).build().unwrap();
        assert_eq!(reason(&server, "a").await, "accepted");
        let asked = endpoint.requests().pop().unwrap();
        let all = |name: &str| asked.headers.get_all(name).iter().map(|it| it.to_str().unwrap().to_owned()).collect();
        let (accept, content_type, key): (Vec<_>, Vec<_>, Vec<_>) =
            (all("accept"), all("content-type"), all("x-api-key"));
        assert_eq!(accept, ["application/json"]);
        assert_eq!(content_type, ["application/x-www-form-urlencoded"]);
        assert_eq!(key, ["k"]);
        let sent: Vec<String> = all("authorization");
        assert_eq!(sent, Vec::from_iter(authorization));
    }
}

#[tokio::test]
async fn n06_credentials_follow_no_redirect_and_no_answer_says_where_to_go() {
    let (endpoint, elsewhere) = (Endpoint::start().await, Endpoint::start().await);
    for status in [301, 302, 303, 307, 308] {
        let server = endpoint.server();
        let location: &'static str = elsewhere.url.clone().leak();
        endpoint.answer(Answer::Full(status, vec![("location", location)], String::new()));
        assert_eq!(response(&server, "4f1g0p").await.0, 503, "{status}");
    }
    assert_eq!((endpoint.calls(), elsewhere.calls()), (5, 0));
    // What the answer says about endpoints and issuers changes nothing either.
    let changes = serde_json::json!({ "introspection_endpoint": elsewhere.url, "jku": elsewhere.url });
    endpoint.answer(Answer::with(changes));
    let server = endpoint.server();
    assert_eq!(response(&server, "4f1g0p").await.0, 200);
    assert_eq!(response(&server, "another").await.0, 200);
    assert_eq!(elsewhere.calls(), 0);
}

#[tokio::test]
async fn r19_neither_logs_nor_debug_show_token_or_secret() {
    log::capture();
    let endpoint = Endpoint::start().await;
    let (token, secret) = ("t0ken-canary", "s3cret-canary");
    let introspection = Introspection::at(&endpoint.url).client(ClientSecretBasic::new("api", secret));
    let server = endpoint.server_with(introspection.clone().inactive_cache(std::time::Duration::ZERO));
    let accepted = server.validate(token).await.unwrap();
    let mut shown =
        format!("{introspection:?} {server:?} {accepted:?} {:?}", endpoint.issuer_with(introspection.clone()));
    for answer in [
        Answer::inactive(),
        Answer::status(401),
        Answer::status(400),
        Answer::Full(200, vec![("content-type", "text/html")], format!("<p>{token} {secret}")),
        Answer::Full(200, vec![("content-type", "application/json")], format!("{token} {secret}")),
        Answer::Full(302, vec![("location", "/?token=t0ken-canary")], format!("{token} {secret}")),
    ] {
        endpoint.answer(answer);
        endpoint.pass(std::time::Duration::from_secs(61));
        let refused = server.validate(token).await.unwrap_err();
        shown.push_str(&format!("{refused:?} {refused} {}", refused.error_description()));
    }
    shown.push_str(&log::take());
    assert!(shown.contains("introspection failed"), "{shown}");
    for canary in ["canary", &STANDARD.encode(format!("api:{secret}"))] {
        assert!(!shown.contains(canary), "{canary} in {shown}");
    }
}
