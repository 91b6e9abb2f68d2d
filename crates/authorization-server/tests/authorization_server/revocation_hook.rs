//! The listener is called for each access token that is revoked, in whatever way, and for no other.

use std::sync::{Arc, Mutex, OnceLock};

use serde_json::{Value, json};
use tower_bearer::time::UnixTime;
use tower_bearer_authorization_server::{AuthorizationServer, Client, IssuedTokenSummary};

use crate::browser::{answer, as_web, code, is_active, redeem, refresh, text, tokens, user_builder};
use crate::support::{AUDIENCE, assert_refused, claims_of, client, issue, unauthenticated};

struct World {
    server: Arc<AuthorizationServer>,
    reported: Arc<Mutex<Vec<IssuedTokenSummary>>>,
}

impl World {
    async fn new() -> Self {
        let reported: Arc<Mutex<Vec<IssuedTokenSummary>>> = Arc::default();
        let handle: Arc<OnceLock<Arc<AuthorizationServer>>> = Arc::default();
        let (heard, server) = (Arc::clone(&reported), Arc::clone(&handle));
        let opaque = Client::new("opaque", "s3cret").audience(AUDIENCE).opaque_tokens();
        let builder = user_builder().client(opaque).admin().on_revocation(move |token| {
            // It may use the server, which has ended the token by now.
            let issued = server.get().unwrap().issued_tokens();
            assert!(issued.contains(token) && !token.active);
            heard.lock().unwrap().push(token.clone());
        });
        let server = Arc::new(builder.start().await.unwrap());
        handle.set(Arc::clone(&server)).unwrap_or_else(|_| panic!("set twice"));
        Self { server, reported }
    }

    /// The calls since the last look, by `jti`.
    fn reported(&self) -> Vec<Option<String>> {
        std::mem::take(&mut *self.reported.lock().unwrap()).into_iter().map(|token| token.token_id).collect()
    }

    async fn admin(&self, body: &Value) -> Value {
        let url = format!("{}/tokens/revoke", self.server.admin_url().unwrap());
        client().post(url).json(body).send().await.unwrap().json().await.unwrap()
    }

    async fn revoke_by_endpoint(&self, token: &str) {
        let request = client().post(format!("{}/revoke", self.server.issuer())).form(&[("token", token)]);
        assert!(as_web(request).send().await.unwrap().status().is_success());
    }
}

fn id(answer: &Value) -> Option<String> {
    claims_of(text(answer, "access_token"))["jti"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn s15_the_listener_is_called_once_however_a_token_is_revoked() {
    let world = World::new().await;
    for way in 0..4 {
        let revoked = tokens(&world.server).await;
        let token = text(&revoked, "access_token");
        let number = world.server.issued_tokens().last().unwrap().number;
        for is_again in [false, true] {
            match way {
                0 => world.revoke_by_endpoint(token).await,
                1 => assert_eq!(world.server.revoke(token), !is_again),
                2 => assert_eq!(world.server.revoke_issued(number), Ok(!is_again)),
                _ => assert_eq!(world.admin(&json!({ "token": token })).await, json!({ "revoked": !is_again })),
            }
            let expected = if is_again { vec![] } else { vec![id(&revoked)] };
            assert_eq!(world.reported(), expected, "{way}");
        }
        assert!(!is_active(&world.server, token).await);
    }
    world.revoke_by_endpoint("no such token").await;
    assert_eq!(world.reported(), []);
}

#[tokio::test]
async fn s05_s06_the_listener_is_called_for_every_token_of_a_consent() {
    let world = World::new().await;
    let server = &world.server;
    for way in 0..3 {
        let code = code(server).await;
        let first = answer(redeem(server, &code)).await;
        let second = answer(refresh(server, text(&first, "refresh_token"), &[])).await;
        let revoked_before = answer(refresh(server, text(&second, "refresh_token"), &[])).await;
        server.revoke(text(&revoked_before, "access_token"));
        assert_eq!(world.reported(), [id(&revoked_before)]);
        match way {
            0 => world.revoke_by_endpoint(text(&revoked_before, "refresh_token")).await,
            1 => assert_refused(redeem(server, &code), 400, "invalid_grant").await,
            _ => assert_refused(refresh(server, text(&first, "refresh_token"), &[]), 400, "invalid_grant").await,
        }
        assert_eq!(world.reported(), [id(&first), id(&second)], "{way}");
        // It has ended, whatever comes back.
        assert_refused(redeem(server, &code), 400, "invalid_grant").await;
        assert_eq!(world.reported(), []);
    }
}

#[tokio::test]
async fn s06_a_user_is_logged_out_everywhere() {
    let world = World::new().await;
    let server = &world.server;
    for by_admin in [false, true] {
        let (phone, laptop) = (tokens(server).await, tokens(server).await);
        let later = answer(refresh(server, text(&phone, "refresh_token"), &[])).await;
        let others = issue(server).await;
        let ended = if by_admin {
            world.admin(&json!({ "subject": "user-1" })).await["revoked"].as_bool().unwrap()
        } else {
            server.revoke_subject("user-1")
        };
        assert!(ended);
        let mut reported = world.reported();
        let mut expected = [&phone, &laptop, &later].map(id);
        reported.sort();
        expected.sort();
        assert_eq!(reported, expected);
        for tokens in [&phone, &laptop, &later] {
            assert!(!is_active(server, text(tokens, "access_token")).await);
            assert_refused(refresh(server, text(tokens, "refresh_token"), &[]), 400, "invalid_grant").await;
        }
        assert!(
            server
                .issued_tokens()
                .iter()
                .any(|token| token.token_id.as_deref() == claims_of(&others)["jti"].as_str() && token.active)
        );
        assert!(!server.revoke_subject("user-1") && !server.revoke_subject("nobody"));
        assert_eq!(world.reported(), []);
    }
    // Without a consent, too: a client's own tokens.
    let own = issue(server).await;
    assert!(server.revoke_subject("app"));
    assert!(world.reported().contains(&claims_of(&own)["jti"].as_str().map(str::to_owned)));
}

#[tokio::test]
async fn s15_the_listener_receives_what_was_issued() {
    let world = World::new().await;
    let revoked = tokens(&world.server).await;
    let claims = claims_of(text(&revoked, "access_token"));
    world.server.revoke(text(&revoked, "access_token"));
    let reported = world.reported.lock().unwrap().pop().unwrap();
    assert_eq!((reported.subject.as_str(), reported.client_id.as_str()), ("user-1", "web"));
    let times = [reported.issued_at, reported.expires_at].map(UnixTime::from_secs);
    assert_eq!(times, [&claims["iat"], &claims["exp"]].map(|time| UnixTime::from_secs(time.as_u64().unwrap())));

    let form = [("grant_type", "client_credentials"), ("client_id", "opaque"), ("client_secret", "s3cret")];
    let opaque = answer(unauthenticated(&world.server, &form)).await;
    assert!(world.server.revoke(text(&opaque, "access_token")));
    assert_eq!(world.reported(), [None]);
}
