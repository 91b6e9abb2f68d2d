//! What every flow has to show: its token is good, for one API, until it is revoked.

use std::time::Duration;

use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer::{Issuer, ResourceServer};
use tower_bearer_authorization_server::{AuthorizationServer, AuthorizationServerBuilder, Client};
use url::{Url, form_urlencoded};

use crate::browser::{
    Browser, PASSWORD, answer, as_web, connect_device, is_active, refresh, request_with, text, tokens, user_builder,
};
use crate::support::{AUDIENCE, client, unauthenticated};

async fn server() -> AuthorizationServer {
    builder().start().await.unwrap()
}

fn builder() -> AuthorizationServerBuilder {
    let television = Client::public("tv").scopes(["read:leads"]).audience(AUDIENCE).device();
    let builder = user_builder().client(television).device_poll_interval(Duration::ZERO);
    builder.dangerously_enable_legacy_grants()
}

/// An access token by each flow, and whose it is.
async fn by_every_flow(server: &AuthorizationServer) -> Vec<(&'static str, &'static str, String)> {
    let token = |answer: &serde_json::Value| text(answer, "access_token").to_owned();
    let code = tokens(server).await;
    let refreshed = answer(refresh(server, text(&code, "refresh_token"), &[])).await;
    let own = answer(as_web(unauthenticated(server, &[("grant_type", "client_credentials")]))).await;

    let url = format!("{}/device_authorization", server.issuer());
    let codes = answer(client().post(url).form(&[("client_id", "tv")])).await;
    connect_device(server, text(&codes, "user_code")).await;
    let grant = ("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
    let device_code = ("device_code", text(&codes, "device_code"));
    let device = answer(unauthenticated(server, &[grant, device_code, ("client_id", "tv")])).await;

    let password = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
    let password = answer(as_web(unauthenticated(server, &password))).await;

    let request = request_with(&[("response_type", "token")]);
    let (mut browser, consent) = Browser::logged_in(server, &request).await;
    let back = browser.approve(&consent).await;
    let url = Url::parse(back.location.as_deref().unwrap()).unwrap();
    let fragment = form_urlencoded::parse(url.fragment().unwrap().as_bytes()).into_owned();
    let implicit = fragment.into_iter().find(|(name, _)| name == "access_token").unwrap().1;

    vec![
        ("authorization code", "web", token(&code)),
        ("refresh token", "web", token(&refreshed)),
        ("client credentials", "web", token(&own)),
        ("device", "tv", token(&device)),
        ("password", "web", token(&password)),
        ("implicit", "web", implicit),
    ]
}

#[tokio::test]
async fn a_token_of_every_flow_is_for_one_api_until_it_is_revoked() {
    let server = server().await;
    let api = |audience: &str| {
        ResourceServer::builder().audience(audience).issuer(Issuer::new(server.issuer())).build().unwrap()
    };
    let (own, other) = (api(AUDIENCE), api("https://other.example.com"));
    for (flow, client_id, token) in by_every_flow(&server).await {
        assert!(own.validate(token.as_str()).await.is_ok(), "{flow}");
        assert_eq!(other.validate(token.as_str()).await.unwrap_err().reason(), "audience_mismatch", "{flow}");
        assert!(is_active(&server, &token).await, "{flow}");

        let revocation = client().post(format!("{}/revoke", server.issuer()));
        let revocation = match client_id {
            "web" => as_web(revocation.form(&[("token", token.as_str())])),
            public => revocation.form(&[("token", token.as_str()), ("client_id", public)]),
        };
        assert!(revocation.send().await.unwrap().status().is_success(), "{flow}");
        assert!(!is_active(&server, &token).await, "{flow}");
    }
}

#[tokio::test]
async fn a_token_of_every_flow_ends() {
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let server = builder().clock(clock.clone()).start().await.unwrap();
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(Issuer::new(server.issuer())).clock(clock.clone());
    let api = api.build().unwrap();
    let tokens = by_every_flow(&server).await;
    for (flow, _, token) in &tokens {
        assert!(api.validate(token.as_str()).await.is_ok(), "{flow}");
    }
    // Leeway included.
    clock.advance(Duration::from_secs(300 + 120));
    for (flow, _, token) in &tokens {
        assert_eq!(api.validate(token.as_str()).await.unwrap_err().reason(), "expired", "{flow}");
        assert!(!is_active(&server, token).await, "{flow}");
    }
}
