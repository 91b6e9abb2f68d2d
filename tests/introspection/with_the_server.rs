//! The whole path: an opaque token of the bundled server, an API behind the layer, real sockets.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tower_bearer::jose::Algorithm;
use tower_bearer::{
    ClientAuthentication, ClientAuthenticationFuture, ClientRequest, ClientSecret, ClientSecretBasic, Introspection,
    Issuer, RequireScopes, ResourceServer, ValidatedToken,
};
use tower_bearer_authorization_server::{AuthorizationServer, Client, Endpoint, Fault};
use tower_bearer_test::{Defect, TestIssuer};

use crate::fixtures::{AUDIENCE, client, clock, key, reason, serve};

#[tokio::test]
async fn r84_r85_n02_an_opaque_token_passes_until_its_revocation_is_noticed() {
    let clock = clock();
    let app = Client::new("app", "app-secret").scopes(["read:leads"]).audience(AUDIENCE).opaque_tokens();
    let provider =
        AuthorizationServer::builder().client(app).client(Client::new("api", "api-secret").audience(AUDIENCE));
    let provider = provider.clock(clock.clone()).start().await.unwrap();

    let introspection = Introspection::discovered().client(ClientSecretBasic::new("api", "api-secret"));
    let issuer = Issuer::new(provider.issuer()).introspection(introspection);
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(issuer).clock(clock.clone()).build().unwrap();
    let leads = axum::routing::get(async |token: ValidatedToken| token.client_id().unwrap().to_owned());
    let leads = leads.route_layer(RequireScopes::all(["read:leads"]));
    let address = serve(axum::Router::new().route("/leads", leads).route_layer(api.layer())).await;
    let get = async |token: &str| {
        let response = client().get(format!("http://{address}/leads")).bearer_auth(token).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };

    let form = [("grant_type", "client_credentials"), ("scope", "read:leads")];
    let request =
        client().post(format!("{}/token", provider.issuer())).basic_auth("app", Some("app-secret")).form(&form);
    let tokens: Value = request.send().await.unwrap().json().await.unwrap();
    let token = tokens["access_token"].as_str().unwrap();
    assert!(!token.contains('.'));

    for _ in 0..3 {
        assert_eq!(get(token).await, (200, "app".to_owned()));
    }
    assert_eq!(provider.requests(Endpoint::Introspection), 1);
    // A JWT of the same issuer is verified with its keys.
    assert_eq!(get(&provider.token().audience(AUDIENCE).scope("read:leads").client_id("b").sign()).await.0, 200);
    assert_eq!(provider.requests(Endpoint::Introspection), 1);

    let revocation = client().post(format!("{}/revoke", provider.issuer())).basic_auth("app", Some("app-secret"));
    assert!(revocation.form(&[("token", token)]).send().await.unwrap().status().is_success());
    assert_eq!(get(token).await.0, 200, "for as long as the answer counts");
    clock.advance(Duration::from_secs(60));
    let (status, body) = get(token).await;
    assert_eq!(status, 401);
    assert!(body.contains("invalid_token"), "{body}");
}

/// A server with a client for the API and one whose tokens are opaque, an API that asks it, and a token.
async fn world(
    api_client: Client,
    introspection: Introspection,
    change: impl Fn(Introspection) -> Introspection,
) -> (AuthorizationServer, ResourceServer, String) {
    let app = Client::new("app", "app-secret").scopes(["read:leads"]).audience(AUDIENCE).opaque_tokens();
    let provider = AuthorizationServer::builder().client(app).client(api_client.audience(AUDIENCE));
    let provider = provider.clock(clock()).start().await.unwrap();
    let issuer = Issuer::new(provider.issuer()).introspection(change(introspection));
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(issuer).clock(clock()).build().unwrap();
    let form = [("grant_type", "client_credentials")];
    let request = client().post(provider.token_endpoint()).basic_auth("app", Some("app-secret")).form(&form);
    let tokens: Value = request.send().await.unwrap().json().await.unwrap();
    let token = tokens["access_token"].as_str().unwrap().to_owned();
    (provider, api, token)
}

fn with_secret() -> Introspection {
    Introspection::discovered().client(ClientSecretBasic::new("api", "api-secret"))
}

#[tokio::test]
async fn n04_signed_answers_of_the_server_are_verified() {
    for (fault, expected) in [
        (None, "accepted"),
        (Some(Fault::Unsigned), "introspection_unavailable"),
        (Some(Fault::SignedDefect(Defect::TamperedSignature)), "introspection_unavailable"),
        (Some(Fault::SignedDefect(Defect::WrongIssuer)), "introspection_unavailable"),
        (Some(Fault::SignedDefect(Defect::WrongAudience)), "introspection_unavailable"),
        (Some(Fault::SignedDefect(Defect::WrongType)), "introspection_unavailable"),
        (Some(Fault::SignedDefect(Defect::UnknownKid)), "introspection_unavailable"),
        (Some(Fault::SignedDefect(Defect::AlgNone)), "introspection_unavailable"),
    ] {
        let client = Client::new("api", "api-secret");
        let (provider, api, token) = world(client, with_secret(), Introspection::signed_answers).await;
        let name = format!("{fault:?}");
        if let Some(fault) = fault {
            provider.misbehave(Endpoint::Introspection, fault).unwrap();
        }
        assert_eq!(reason(&api, &token).await, expected, "{name}");
    }
}

#[tokio::test]
async fn r86_n03_n05_each_misbehaviour_of_the_server_has_its_verdict() {
    for (fault, expected) in [
        (Fault::status(500), "introspection_unavailable"),
        (Fault::status(429), "introspection_unavailable"),
        (Fault::status(401), "introspection_unavailable"),
        (Fault::Html, "introspection_unavailable"),
        (Fault::Truncated, "introspection_unavailable"),
        (Fault::Disconnect, "introspection_unavailable"),
        (Fault::Huge { bytes: 1 << 20 }, "introspection_unavailable"),
        (Fault::RedirectTo { url: "https://elsewhere.example.com/".into() }, "introspection_unavailable"),
        (Fault::ActiveAsText, "token_inactive"),
        (Fault::WithoutActive, "token_inactive"),
        (Fault::WithoutAudience, "claim_missing"),
        (Fault::WithoutExpiry, "claim_missing"),
        (Fault::WrongIssuer { issuer: "https://other.example.com".into() }, "issuer_mismatch"),
    ] {
        let (provider, api, token) = world(Client::new("api", "api-secret"), with_secret(), |it| it).await;
        let name = format!("{fault:?}");
        provider.misbehave(Endpoint::Introspection, fault).unwrap();
        assert_eq!(reason(&api, &token).await, expected, "{name}");
    }
}

/// `private_key_jwt` (RFC 7523 §2.2) is a client authentication like any other.
#[tokio::test]
async fn r84_a_client_may_prove_who_it_is_with_a_key() {
    #[derive(Debug)]
    struct PrivateKeyJwt(TestIssuer, AtomicUsize);
    impl ClientAuthentication for PrivateKeyJwt {
        fn client_id(&self) -> &str {
            "api"
        }

        fn authenticate<'a>(&'a self, request: &'a mut ClientRequest) -> ClientAuthenticationFuture<'a> {
            let number = self.1.fetch_add(1, Ordering::SeqCst);
            let assertion = self.0.token().header("typ", "JWT").subject("api").audience(request.issuer());
            let assertion = assertion.claim("jti", format!("a{number}"));
            request.append("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
            request.append("client_assertion", &assertion.sign());
            Box::pin(std::future::ready(Ok(())))
        }
    }
    let keys = TestIssuer::with_key("api", key(Algorithm::ES256)).with_clock(clock());
    let registered = Client::with_jwks("api", keys.jwk_set());
    let introspection = Introspection::discovered().client(PrivateKeyJwt(keys, AtomicUsize::new(0)));
    let (provider, api, token) = world(registered, introspection, |it| it.cache(Duration::ZERO)).await;
    for _ in 0..3 {
        assert_eq!(reason(&api, &token).await, "accepted");
    }
    assert_eq!(provider.requests(Endpoint::Introspection), 3);
}

#[tokio::test]
async fn r84_a_secret_rotates_with_overlap_and_without_a_restart() {
    let path = std::env::temp_dir().join(format!("tower-bearer-rotated-{}", std::process::id()));
    std::fs::write(&path, "api-secret").unwrap();
    let introspection = Introspection::discovered().client(ClientSecretBasic::new("api", ClientSecret::file(&path)));
    let (provider, api, token) =
        world(Client::new("api", "api-secret"), introspection, |it| it.cache(Duration::ZERO)).await;
    assert_eq!(reason(&api, &token).await, "accepted");
    provider.rotate_client_secret("api", "a-new-secret", Duration::from_secs(60)).unwrap();
    assert_eq!(reason(&api, &token).await, "accepted", "the old one is good for a minute");
    std::fs::write(&path, "a-new-secret\n").unwrap();
    assert_eq!(reason(&api, &token).await, "accepted");
    std::fs::write(&path, "a-wrong-secret").unwrap();
    assert_eq!(reason(&api, &token).await, "accepted", "the previous one is tried");
    provider.rotate_client_secret("api", "a-third-secret", Duration::ZERO).unwrap();
    assert_eq!(reason(&api, &token).await, "introspection_unavailable", "never the token's fault");
    std::fs::remove_file(&path).unwrap();
}
