//! The server, and what each of its answers has to be.

use std::sync::LazyLock;

use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client as HttpClient, RequestBuilder, StatusCode};
use tokio::runtime::{Builder, Runtime};
use tower_bearer::jose::Algorithm;
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer_authorization_server::{AuthorizationServer, Client, User};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().enable_all().build().unwrap());

static SERVER: LazyLock<AuthorizationServer> = LazyLock::new(|| {
    let known = |client: Client| client.scopes(["openid", "read:leads"]).audience("https://api.example.com");
    let web = Client::new("web", "web-secret").redirect_uri("https://app.example.com/callback");
    let phone = Client::public("phone").redirect_uri("com.example.app:/cb").redirect_uri("http://127.0.0.1/cb");
    let server = AuthorizationServer::builder()
        .clock(ManualClock::at(UnixTime::from_secs(1_800_000_000)))
        // The fastest to sign.
        .signing_algorithm(Algorithm::ES256)
        .client(known(web))
        .client(known(phone).opaque_tokens())
        .client(known(Client::public("tv").device()))
        .user(User::new("alice", "wonderland"))
        .dangerously_enable_legacy_grants();
    RUNTIME.block_on(server.start()).unwrap()
});

static CLIENT: LazyLock<HttpClient> =
    LazyLock::new(|| HttpClient::builder().no_proxy().redirect(Policy::none()).build().unwrap());

pub fn server() -> &'static AuthorizationServer {
    &SERVER
}

pub fn client() -> &'static HttpClient {
    &CLIENT
}

/// What the server answered.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

/// Sends a request. The answer is whole, and not that the server failed; the fuzzer ends at a panic wherever it is.
pub fn ask(request: RequestBuilder) -> Answer {
    RUNTIME.block_on(async {
        let answer = request.send().await.expect("an answer");
        let (status, headers) = (answer.status(), answer.headers().clone());
        assert!(!status.is_server_error(), "{status}");
        let body = answer.text().await.expect("the whole answer");
        Answer { status, headers, body }
    })
}
