//! Secrets of clients that are rotated, with overlap: in Rust, over HTTP and in a file.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer_authorization_server::{
    AuthorizationServer, AuthorizationServerBuilder, Client, ClientSecretError, StartError,
};

use crate::browser::user_builder;
use crate::support::{AUDIENCE, SECRET, basic, builder, client, unauthenticated};

const OVERLAP: Duration = Duration::from_secs(600);

fn clock() -> ManualClock {
    ManualClock::at(UnixTime::from_secs(1_800_000_000))
}

/// Whether the client `app` gets a token with this secret.
async fn is_accepted(server: &AuthorizationServer, secret: &str) -> bool {
    let request = unauthenticated(server, &[("grant_type", "client_credentials")]);
    let status = request.header("authorization", basic("app", secret)).send().await.unwrap().status();
    assert!(matches!(status, StatusCode::OK | StatusCode::UNAUTHORIZED));
    status == StatusCode::OK
}

#[tokio::test]
async fn s07_both_secrets_are_accepted_until_the_overlap_ends() {
    let clock = clock();
    let server = builder().clock(clock.clone()).start().await.unwrap();
    server.rotate_client_secret("app", "second", OVERLAP).unwrap();
    for _ in 0..2 {
        assert!(is_accepted(&server, SECRET).await && is_accepted(&server, "second").await);
        assert!(!is_accepted(&server, "").await && !is_accepted(&server, "third").await);
    }
    clock.advance(OVERLAP - Duration::from_secs(1));
    assert!(is_accepted(&server, SECRET).await);
    clock.advance(Duration::from_secs(1));
    assert!(!is_accepted(&server, SECRET).await && is_accepted(&server, "second").await);

    // In an emergency, without overlap.
    server.rotate_client_secret("app", "third", Duration::ZERO).unwrap();
    assert!(!is_accepted(&server, "second").await && is_accepted(&server, "third").await);
    // Another client's secret is not touched.
    let server = user_builder().start().await.unwrap();
    server.rotate_client_secret("web", "second", Duration::ZERO).unwrap();
    assert!(is_accepted(&server, SECRET).await && !is_accepted(&server, "second").await);
}

/// At every endpoint that asks who the client is.
#[tokio::test]
async fn s07_a_withdrawn_secret_counts_nowhere() {
    let television = Client::new("tv", "first").audience(AUDIENCE).device();
    let server = user_builder().client(television).start().await.unwrap();
    let statuses = async |secret: &'static str| {
        let mut statuses = Vec::new();
        for path in ["/token", "/introspect", "/revoke", "/device_authorization", "/par"] {
            let form = [("token", "x"), ("grant_type", "client_credentials")];
            let request = client().post(format!("{}{path}", server.issuer())).form(&form);
            let in_header = request.header("authorization", basic("tv", secret)).send().await.unwrap();
            let form = [("token", "x"), ("client_id", "tv"), ("client_secret", secret)];
            let in_body = client().post(format!("{}{path}", server.issuer())).form(&form).send().await.unwrap();
            statuses.extend([in_header.status() == 401, in_body.status() == 401]);
        }
        statuses
    };
    assert_eq!(statuses("first").await, [false; 10]);
    server.rotate_client_secret("tv", "second", Duration::ZERO).unwrap();
    assert_eq!(statuses("first").await, [true; 10]);
    assert_eq!(statuses("second").await, [false; 10]);
}

#[tokio::test]
async fn what_cannot_be_rotated_is_refused() {
    let server = user_builder().start().await.unwrap();
    let no_client = server.rotate_client_secret("no", "x", OVERLAP).unwrap_err();
    assert_eq!(no_client.to_string(), "there is no client \"no\"; give the id of a client that the server knows");
    let public = server.rotate_client_secret("phone", "x", OVERLAP).unwrap_err();
    assert_eq!(public, ClientSecretError::NoSecret { client_id: "phone".to_owned() });
    let empty = server.rotate_client_secret("app", "", OVERLAP).unwrap_err();
    assert_eq!(empty, ClientSecretError::Empty { client_id: "app".to_owned() });
    assert!(is_accepted(&server, SECRET).await);
}

#[tokio::test]
async fn the_admin_api_rotates_secrets() {
    let server = user_builder().admin().start().await.unwrap();
    let post = |id: &str, body: Value| {
        client().post(format!("{}/clients/{id}/secret", server.admin_url().unwrap())).json(&body).send()
    };
    let rotated = post("app", json!({ "secret": "second", "overlap_s": 600 })).await.unwrap();
    assert_eq!(rotated.status(), StatusCode::NO_CONTENT);
    assert!(is_accepted(&server, SECRET).await && is_accepted(&server, "second").await);
    let at_once = post("app", json!({ "secret": "third" })).await.unwrap();
    assert_eq!(at_once.status(), StatusCode::NO_CONTENT);
    assert!(!is_accepted(&server, SECRET).await && !is_accepted(&server, "second").await);
    assert!(is_accepted(&server, "third").await);

    for (id, body, status, error) in [
        ("no", json!({ "secret": "canary" }), 404, "no_such_client"),
        ("phone", json!({ "secret": "canary" }), 400, "unusable_secret"),
        ("app", json!({ "secret": "" }), 400, "unusable_secret"),
        ("app", json!({ "secret": ["canary"] }), 400, "unreadable_body"),
        ("app", json!({ "secret": "canary", "overlap": 1 }), 400, "unreadable_body"),
        ("app", json!({}), 400, "unreadable_body"),
    ] {
        let refused = post(id, body.clone()).await.unwrap();
        assert_eq!(refused.status(), status, "{body}");
        let text = refused.text().await.unwrap();
        assert!(text.contains(error) && !text.contains("canary"), "{text}");
    }
    assert!(is_accepted(&server, "third").await);
}

#[tokio::test]
async fn a_file_and_the_builder_begin_with_two_secrets() {
    let file = |lifetime: &str| {
        let text = format!(
            "keys = [{{ algorithm = \"ES256\" }}]\n[[clients]]\nid = \"app\"\nsecret = \"second\"\n\
             audiences = [\"{AUDIENCE}\"]\nprevious_secret = \"first\"\n{lifetime}"
        );
        AuthorizationServerBuilder::from_toml(&text).unwrap()
    };
    let app = || Client::new("app", "second").audience(AUDIENCE).previous_secret("first");
    let with = |client: Client| {
        AuthorizationServer::builder().client(client).signing_algorithm(tower_bearer::jose::Algorithm::ES256)
    };
    for (builder, ends) in [
        (file("previous_secret_lifetime = \"10m\""), true),
        (file(""), false),
        (with(app().previous_secret_lifetime(OVERLAP)), true),
        (with(app()), false),
    ] {
        let clock = clock();
        let server = builder.clock(clock.clone()).start().await.unwrap();
        clock.advance(OVERLAP - Duration::from_secs(1));
        assert!(is_accepted(&server, "first").await && is_accepted(&server, "second").await);
        clock.advance(Duration::from_secs(1));
        assert_eq!(is_accepted(&server, "first").await, !ends);
        assert!(is_accepted(&server, "second").await);
        // One that stays ends with the next rotation.
        server.rotate_client_secret("app", "third", Duration::ZERO).unwrap();
        assert!(!is_accepted(&server, "first").await);
    }
    for client in
        [app().previous_secret(""), Client::public("app").audience(AUDIENCE).previous_secret("first").device()]
    {
        let refused = with(client).start().await.unwrap_err();
        assert!(matches!(refused, StartError::PreviousSecret { .. }), "{refused}");
    }
    assert!(!format!("{:?}", app()).contains("first"));
}
