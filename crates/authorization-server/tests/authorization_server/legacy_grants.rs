//! The grants `password` and implicit: off whatever a request says, and what they do when a test switches them on.

use reqwest::{RequestBuilder, StatusCode, header};
use serde_json::{Value, json};
use tower_bearer::{Issuer, ResourceServer};
use tower_bearer_authorization_server::{AuthorizationServer, AuthorizationServerBuilder, Client};
use url::{Url, form_urlencoded};

use crate::browser::{
    Browser, CALLBACK, CHALLENGE, PASSWORD, Page, answer, as_web, is_active, request_with, text, user_builder,
    user_server,
};
use crate::support::{AUDIENCE, assert_refused, basic, claims_of, client, unauthenticated};

/// An authorization request without a code, as clients sent it before PKCE.
fn implicit() -> Vec<(&'static str, &'static str)> {
    request_with(&[("response_type", "token"), ("code_challenge", ""), ("code_challenge_method", "")])
}

fn password<'a>(server: &AuthorizationServer, changes: &[(&'a str, &'a str)]) -> RequestBuilder {
    let good = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD), ("scope", "read:leads")];
    let unchanged = good.into_iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    unauthenticated(server, &unchanged.chain(changes.iter().copied()).collect::<Vec<_>>())
}

async fn legacy_server() -> AuthorizationServer {
    user_builder().dangerously_enable_legacy_grants().start().await.unwrap()
}

fn fragment(page: &Page) -> Vec<(String, String)> {
    let location = page.location.as_deref().unwrap_or_else(|| panic!("{} {}", page.status, page.body));
    let url = Url::parse(location).unwrap();
    assert_eq!(url.query(), None, "{location}");
    form_urlencoded::parse(url.fragment().unwrap().as_bytes()).into_owned().collect()
}

fn value<'a>(fragment: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fragment.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

async fn accepted_subject(server: &AuthorizationServer, token: &str) -> Option<String> {
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(Issuer::new(server.issuer())).build().unwrap();
    api.validate(token).await.unwrap().subject().map(str::to_owned)
}

#[tokio::test]
async fn s09_legacy_grants_are_off_whatever_a_request_says() {
    let server = user_server().await;
    let metadata = server.metadata();
    assert_eq!(
        (&metadata["response_types_supported"], &metadata["response_modes_supported"]),
        (&json!(["code"]), &json!(["query"]))
    );
    let grants = metadata["grant_types_supported"].as_array().unwrap();
    assert!(!grants.contains(&json!("password")) && !grants.contains(&json!("implicit")), "{grants:?}");

    let tampering: [&[(&str, &str)]; 8] = [
        &[],
        &[("dangerously_enable_legacy_grants", "true")],
        &[("legacy_grants", "true"), ("implicit", "true")],
        &[("response_mode", "fragment")],
        &[("response_type", "token code")],
        &[("response_type", "code token")],
        &[("response_type", "TOKEN")],
        &[("grant_type", "implicit"), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")],
    ];
    for changes in tampering {
        let mut request = implicit();
        request.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        request.extend(changes);
        let back = Browser::new(&server).authorize(&request).await;
        assert_eq!(back.parameter("error").as_deref(), Some("unsupported_response_type"), "{changes:?}");
        assert!(!back.location.unwrap().contains('#'));

        let refused = as_web(client().post(format!("{}/par", server.issuer())).form(&request));
        assert_refused(refused, 400, "unsupported_response_type").await;
        assert_refused(as_web(password(&server, changes)), 400, "unsupported_grant_type").await;
    }
    for grant in ["implicit", "token", "PASSWORD", "password "] {
        assert_refused(as_web(password(&server, &[("grant_type", grant)])), 400, "unsupported_grant_type").await;
    }

    // Nor does a form of a good request bring a token back: the request in it is read again.
    let (mut browser, consent) = Browser::logged_in(&server, &crate::browser::REQUEST).await;
    let fields: Vec<_> = consent.hidden_fields();
    let fields =
        fields.iter().map(|(name, value)| (name.as_str(), value.replace("response_type=code", "response_type=token")));
    let fields: Vec<_> = fields.collect();
    let mut fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fields.extend([("decision", "approve"), ("allow.read:leads", "yes"), ("response_type", "token")]);
    let back = browser.post("/consent", &fields).await;
    assert_eq!(back.parameter("error").as_deref(), Some("unsupported_response_type"));
    assert!(server.issued_tokens().is_empty());
}

#[tokio::test]
async fn switched_on_they_are_in_the_metadata() {
    let metadata = legacy_server().await.metadata();
    assert_eq!(metadata["response_types_supported"], json!(["code", "token"]));
    assert_eq!(metadata["response_modes_supported"], json!(["query", "fragment"]));
    let grants = ["authorization_code", "refresh_token", "client_credentials", "implicit", "password"];
    assert_eq!(metadata["grant_types_supported"], json!(grants));
}

#[tokio::test]
async fn a_file_switches_them_on_too() {
    let text = |is_on: bool| {
        format!(
            "dangerously_enable_legacy_grants = {is_on}\nkeys = [{{ algorithm = \"ES256\" }}]\n\
             clients = [{{ id = \"old\", secret = \"s\", audiences = [\"{AUDIENCE}\"] }}]\n\
             users = [{{ username = \"alice\", password = \"{PASSWORD}\" }}]"
        )
    };
    for (is_on, expected) in [(true, StatusCode::OK), (false, StatusCode::BAD_REQUEST)] {
        let server = AuthorizationServerBuilder::from_toml(&text(is_on)).unwrap().start().await.unwrap();
        let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
        let request = unauthenticated(&server, &form).header(header::AUTHORIZATION, basic("old", "s"));
        assert_eq!(request.send().await.unwrap().status(), expected);
    }
}

#[tokio::test]
async fn an_implicit_token_is_in_the_fragment_alone() {
    let server = legacy_server().await;
    let (mut browser, consent) = Browser::logged_in(&server, &implicit()).await;
    let back = browser.submit(&consent, &[("decision", "approve"), ("allow.read:leads", "yes")]).await;
    assert!(back.location.as_ref().unwrap().starts_with(&format!("{CALLBACK}#access_token=")));
    assert_eq!((back.header("cache-control"), back.header("referrer-policy")), (Some("no-store"), Some("no-referrer")));

    let answer = fragment(&back);
    let names: Vec<_> = answer.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["access_token", "token_type", "expires_in", "scope", "state", "iss"]);
    for (name, expected) in [
        ("token_type", "Bearer"),
        ("expires_in", "300"),
        ("scope", "read:leads"),
        ("state", "st&te=1"),
        ("iss", server.issuer()),
    ] {
        assert_eq!(value(&answer, name), Some(expected), "{name}");
    }
    let token = value(&answer, "access_token").unwrap();
    assert_eq!(accepted_subject(&server, token).await.as_deref(), Some("user-1"));
    assert!(is_active(&server, token).await && server.revoke(token) && !is_active(&server, token).await);
}

#[tokio::test]
async fn errors_of_an_implicit_request_are_in_the_fragment_too() {
    let server = legacy_server().await;
    for (change, error) in [
        (("scope", "admin"), "invalid_scope"),
        (("prompt", "none"), "login_required"),
        (("response_mode", "query"), "invalid_request"),
        (("response_mode", "form_post"), "invalid_request"),
    ] {
        let mut request = implicit();
        request.retain(|(name, _)| *name != change.0);
        request.push(change);
        let back = fragment(&Browser::new(&server).authorize(&request).await);
        assert_eq!(value(&back, "error"), Some(error), "{change:?}");
        assert_eq!((value(&back, "state"), value(&back, "iss")), (Some("st&te=1"), Some(server.issuer())));
    }
    let (mut browser, consent) = Browser::logged_in(&server, &implicit()).await;
    let back = fragment(&browser.submit(&consent, &[("decision", "deny")]).await);
    assert_eq!(value(&back, "error"), Some("access_denied"));

    // What is not the client's own place gets nothing, as ever.
    let elsewhere = implicit().into_iter().filter(|(name, _)| *name != "redirect_uri");
    let elsewhere: Vec<_> = elsewhere.chain([("redirect_uri", "https://evil.example.com/")]).collect();
    let page = Browser::new(&server).authorize(&elsewhere).await;
    assert_eq!((page.status, page.location), (StatusCode::BAD_REQUEST, None));
}

#[tokio::test]
async fn codes_still_need_pkce_beside_them() {
    let server = legacy_server().await;
    let back = Browser::new(&server).authorize(&request_with(&[("code_challenge", "")])).await;
    assert_eq!(back.parameter("error").as_deref(), Some("invalid_request"));
    for mixed in ["code token", "token id_token", "id_token"] {
        let back = Browser::new(&server).authorize(&request_with(&[("response_type", mixed)])).await;
        assert_eq!(back.parameter("error").as_deref(), Some("unsupported_response_type"), "{mixed}");
    }
    let back = Browser::new(&server).authorize(&request_with(&[("response_mode", "fragment")])).await;
    assert_eq!(back.parameter("error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn a_password_brings_tokens_of_the_user() {
    let old_app = Client::public("old-app").scopes(["read:leads"]).audience(AUDIENCE);
    let server = user_builder().client(old_app).dangerously_enable_legacy_grants().start().await.unwrap();
    let confidential = as_web(password(&server, &[]));
    let public = password(&server, &[("client_id", "old-app")]);
    for (request, client_id) in [(confidential, "web"), (public, "old-app")] {
        let tokens = answer(request).await;
        let token = text(&tokens, "access_token");
        assert_eq!(accepted_subject(&server, token).await.as_deref(), Some("user-1"));
        let claims = claims_of(token);
        assert_eq!((&claims["client_id"], &claims["scope"]), (&json!(client_id), &json!("read:leads")));

        let refresh = [("grant_type", "refresh_token"), ("refresh_token", text(&tokens, "refresh_token"))];
        let refresh = if client_id == "web" {
            as_web(unauthenticated(&server, &refresh))
        } else {
            unauthenticated(&server, &[refresh[0], refresh[1], ("client_id", client_id)])
        };
        let refreshed: Value = answer(refresh).await;
        assert_eq!(accepted_subject(&server, text(&refreshed, "access_token")).await.as_deref(), Some("user-1"));
    }
}

#[tokio::test]
async fn a_password_needs_its_user_and_a_client() {
    let server = legacy_server().await;
    for (changes, error) in [
        ([("password", "wrong")], "invalid_grant"),
        ([("username", "nobody")], "invalid_grant"),
        ([("username", "Alice")], "invalid_grant"),
        ([("username", "")], "invalid_request"),
        ([("password", "")], "invalid_request"),
        ([("scope", "admin")], "invalid_scope"),
        ([("resource", "https://other.example.com")], "invalid_target"),
    ] {
        assert_refused(as_web(password(&server, &changes)), 400, error).await;
    }
    for credentials in
        [&[][..], &[("client_id", "web")], &[("client_id", "web"), ("client_secret", "x")], &[("client_id", "no")]]
    {
        assert_refused(password(&server, credentials), 401, "invalid_client").await;
    }
    let without_users = AuthorizationServer::builder().dangerously_enable_legacy_grants();
    let refused = without_users.client(Client::new("old", "s").audience(AUDIENCE)).start().await;
    assert_eq!(
        refused.map(drop).map_err(|error| error.to_string()),
        Err("client `old` gets tokens of users, but there are none; add a user with `user`".to_owned())
    );
}
