//! The whole path: an opaque token of the bundled server, an API behind the layer, real sockets.

use std::time::Duration;

use serde_json::Value;
use tower_bearer::{ClientSecretBasic, Introspection, Issuer, RequireScopes, ResourceServer, ValidatedToken};
use tower_bearer_authorization_server::{AuthorizationServer, Client, Endpoint};

use crate::fixtures::{AUDIENCE, client, clock, serve};

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
