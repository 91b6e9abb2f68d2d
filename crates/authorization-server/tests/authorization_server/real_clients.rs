//! Clients that are not ours: the crates `oauth2` and `openidconnect` by the whole way, up to an API behind the layer.

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use oauth2::basic::BasicClient;
use oauth2::{
    AccessToken, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, DeviceAuthorizationUrl, HttpRequest,
    HttpResponse, IntrospectionUrl, PkceCodeChallenge, RedirectUrl, RevocationUrl, Scope,
    StandardDeviceAuthorizationResponse, StandardRevocableToken, TokenIntrospectionResponse, TokenResponse, TokenUrl,
};
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreDeviceAuthorizationResponse, CoreProviderMetadata, CoreRevocableToken,
    CoreUserInfoClaims,
};
use openidconnect::{IssuerUrl, Nonce, TokenResponse as _};
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::{Issuer, ResourceServer};
use tower_bearer_authorization_server::{AuthorizationServer, Client, Endpoint};
use url::Url;

use crate::browser::{Browser, CALLBACK, connect_device, user_builder, user_server};
use crate::support::{AUDIENCE, client};

/// The crates' own way to bring another HTTP client: theirs is another version of the one that is here.
async fn send(request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let answer = client().execute(request.try_into()?).await?;
    let mut response = Response::builder().status(answer.status());
    response.headers_mut().unwrap().extend(answer.headers().clone());
    Ok(response.body(answer.bytes().await?.to_vec()).unwrap())
}

/// What an API answers a request with this token.
async fn call_api(server: &AuthorizationServer, token: &AccessToken) -> StatusCode {
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(Issuer::new(server.issuer())).build().unwrap();
    let service = service_fn(async |_: Request<String>| Ok::<_, Infallible>(Response::new(String::new())));
    let request = Request::get("/").header("authorization", format!("Bearer {}", token.secret()));
    let response = api.layer().layer(service).oneshot(request.body(String::new()).unwrap()).await.unwrap();
    response.status()
}

/// Alice logs in at this URL and allows everything; returns code and state.
async fn user_consents(server: &AuthorizationServer, url: &Url) -> (AuthorizationCode, String) {
    let mut browser = Browser::new(server);
    let login = browser.get(url.as_str()).await;
    let consent = browser.log_in(&login).await;
    let back = browser.approve(&consent).await;
    assert_eq!(back.parameter("iss").as_deref(), Some(server.issuer()));
    (AuthorizationCode::new(back.code()), back.parameter("state").unwrap())
}

#[tokio::test]
async fn the_crate_oauth2_works_with_every_flow() {
    let server = user_server().await;
    let at = |path: &str| format!("{}{path}", server.issuer());
    let client = BasicClient::new(ClientId::new("web".to_owned()))
        .set_client_secret(ClientSecret::new("web-secret".to_owned()))
        .set_auth_uri(AuthUrl::new(server.authorization_endpoint().to_owned()).unwrap())
        .set_token_uri(TokenUrl::new(server.token_endpoint().to_owned()).unwrap())
        .set_introspection_url(IntrospectionUrl::new(at("/introspect")).unwrap())
        // It wants TLS for this one; the request is made for another name and sent here.
        .set_revocation_url(RevocationUrl::new("https://as.example.com/revoke".to_owned()).unwrap())
        .set_redirect_uri(RedirectUrl::new(CALLBACK.to_owned()).unwrap());

    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let request = client.authorize_url(CsrfToken::new_random).add_scope(Scope::new("read:leads".to_owned()));
    let (url, csrf) = request.set_pkce_challenge(challenge).url();
    let (code, state) = user_consents(&server, &url).await;
    assert_eq!(&state, csrf.secret());
    let tokens = client.exchange_code(code).set_pkce_verifier(verifier).request_async(&send).await.unwrap();
    assert_eq!(tokens.scopes(), Some(&vec![Scope::new("read:leads".to_owned())]));
    assert_eq!(call_api(&server, tokens.access_token()).await, StatusCode::OK);

    let refreshed = client.exchange_refresh_token(tokens.refresh_token().unwrap()).request_async(&send).await.unwrap();
    assert_eq!(call_api(&server, refreshed.access_token()).await, StatusCode::OK);
    let of_client = client.exchange_client_credentials().request_async(&send).await.unwrap();
    assert_eq!(call_api(&server, of_client.access_token()).await, StatusCode::OK);

    let introspection = client.introspect(refreshed.access_token()).request_async(&send).await.unwrap();
    assert!(introspection.active());
    assert_eq!((introspection.sub(), introspection.username()), (Some("user-1"), Some("alice")));

    let revocable = StandardRevocableToken::from(refreshed.refresh_token().unwrap());
    let here = at("/revoke");
    let send_here = |mut request: HttpRequest| {
        *request.uri_mut() = here.parse().unwrap();
        send(request)
    };
    client.revoke_token(revocable).unwrap().request_async(&send_here).await.unwrap();
    assert!(!client.introspect(refreshed.access_token()).request_async(&send).await.unwrap().active());
    assert!(client.exchange_refresh_token(refreshed.refresh_token().unwrap()).request_async(&send).await.is_err());
}

/// The first question comes too early; while the crate waits for its next one, Alice decides.
#[tokio::test]
async fn the_crate_oauth2_works_as_a_device() {
    let television = Client::public("tv").scopes(["read:leads"]).audience(AUDIENCE).device();
    let builder = user_builder().client(television).device_poll_interval(Duration::ZERO);
    let server = builder.start().await.unwrap();
    let url = DeviceAuthorizationUrl::new(format!("{}/device_authorization", server.issuer())).unwrap();
    let client = BasicClient::new(ClientId::new("tv".to_owned()))
        .set_device_authorization_url(url)
        .set_token_uri(TokenUrl::new(server.token_endpoint().to_owned()).unwrap());

    let request = client.exchange_device_code().add_scope(Scope::new("read:leads".to_owned()));
    let codes: StandardDeviceAuthorizationResponse = request.request_async(&send).await.unwrap();
    let user_decides = |_pause| connect_device(&server, codes.user_code().secret());
    let polls = client.exchange_device_access_token(&codes);
    let tokens = polls.request_async(&send, user_decides, None).await.unwrap();
    assert_eq!(server.requests(Endpoint::Token), 2);
    assert_eq!(call_api(&server, tokens.access_token()).await, StatusCode::OK);
}

async fn discovered(server: &AuthorizationServer) -> CoreProviderMetadata {
    let issuer = IssuerUrl::new(server.issuer().to_owned()).unwrap();
    CoreProviderMetadata::discover_async(issuer, &send).await.unwrap()
}

#[tokio::test]
async fn the_crate_openidconnect_finds_the_server_and_checks_its_id_tokens() {
    let server = user_server().await;
    let metadata = discovered(&server).await;
    let client = CoreClient::from_provider_metadata(
        metadata,
        ClientId::new("web".to_owned()),
        Some(ClientSecret::new("web-secret".to_owned())),
    )
    .set_redirect_uri(RedirectUrl::new(CALLBACK.to_owned()).unwrap());

    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let flow = CoreAuthenticationFlow::AuthorizationCode;
    let request = client.authorize_url(flow, CsrfToken::new_random, Nonce::new_random);
    let (url, csrf, nonce) = request.add_scope(Scope::new("email".to_owned())).set_pkce_challenge(challenge).url();
    let (code, state) = user_consents(&server, &url).await;
    assert_eq!(&state, csrf.secret());
    let tokens = client.exchange_code(code).unwrap().set_pkce_verifier(verifier).request_async(&send).await.unwrap();

    let id_token = tokens.id_token().unwrap();
    let id_verifier = client.id_token_verifier();
    let claims = id_token.claims(&id_verifier, &nonce).unwrap();
    assert_eq!(claims.subject().as_str(), "user-1");
    let (algorithm, key) = (id_token.signing_alg().unwrap(), id_token.signing_key(&id_verifier).unwrap());
    let hash = openidconnect::AccessTokenHash::from_token(tokens.access_token(), algorithm, key).unwrap();
    assert_eq!(claims.access_token_hash(), Some(&hash));
    assert!(id_token.claims(&id_verifier, &Nonce::new_random()).is_err());

    let subject = Some(claims.subject().clone());
    let request = client.user_info(tokens.access_token().clone(), subject).unwrap();
    let user: CoreUserInfoClaims = request.request_async(&send).await.unwrap();
    assert_eq!(user.email().map(|email| email.as_str()), Some("alice@example.com"));
    assert_eq!(call_api(&server, tokens.access_token()).await, StatusCode::OK);
}

#[tokio::test]
async fn the_crate_openidconnect_works_with_every_other_flow() {
    let television = Client::new("tv", "tv-secret").scopes(["openid", "read:leads"]).audience(AUDIENCE).device();
    let server = user_builder().client(television).device_poll_interval(Duration::ZERO).start().await.unwrap();
    let at = |path: &str| format!("{}{path}", server.issuer());
    let secret = Some(ClientSecret::new("tv-secret".to_owned()));
    let client = CoreClient::from_provider_metadata(discovered(&server).await, ClientId::new("tv".to_owned()), secret)
        .set_device_authorization_url(DeviceAuthorizationUrl::new(at("/device_authorization")).unwrap())
        .set_introspection_url(IntrospectionUrl::new(at("/introspect")).unwrap())
        .set_revocation_url(RevocationUrl::new("https://as.example.com/revoke".to_owned()).unwrap());

    let request = client.exchange_device_code().add_scope(Scope::new("read:leads".to_owned()));
    let codes: CoreDeviceAuthorizationResponse = request.request_async(&send).await.unwrap();
    let user_decides = |_pause| connect_device(&server, codes.user_code().secret());
    let polls = client.exchange_device_access_token(&codes).unwrap();
    let tokens = polls.request_async(&send, user_decides, None).await.unwrap();
    assert_eq!(call_api(&server, tokens.access_token()).await, StatusCode::OK);
    assert!(tokens.id_token().is_some());

    let refresh = client.exchange_refresh_token(tokens.refresh_token().unwrap()).unwrap();
    let refreshed = refresh.request_async(&send).await.unwrap();
    assert_eq!(call_api(&server, refreshed.access_token()).await, StatusCode::OK);
    let of_client = client.exchange_client_credentials().unwrap().request_async(&send).await.unwrap();
    assert_eq!(call_api(&server, of_client.access_token()).await, StatusCode::OK);

    assert!(client.introspect(refreshed.access_token()).request_async(&send).await.unwrap().active());
    let here = at("/revoke");
    let send_here = |mut request: HttpRequest| {
        *request.uri_mut() = here.parse().unwrap();
        send(request)
    };
    let revocable = CoreRevocableToken::from(refreshed.refresh_token().unwrap());
    client.revoke_token(revocable).unwrap().request_async(&send_here).await.unwrap();
    assert!(!client.introspect(refreshed.access_token()).request_async(&send).await.unwrap().active());
}
