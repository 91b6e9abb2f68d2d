//! Steering for tests: answers that are scripted, tokens that are listed and revoked; in Rust and over HTTP.

use std::time::Duration;

use serde_json::{Value, json};
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer_authorization_server::{AuthorizationServer, Client, NextToken, ScriptError};
use tower_bearer_test::Defect;

use crate::browser::{answer, code, is_active, redeem, refresh, text, tokens, user_builder, user_server};
use crate::support::{
    AUDIENCE, assert_refused, builder, claims_of, client, get_json, header_of, issue, token_request, unauthenticated,
};

const GRANT: [(&str, &str); 1] = [("grant_type", "client_credentials")];

fn admin(server: &AuthorizationServer, path: &str) -> String {
    format!("{}{path}", server.admin_url().unwrap())
}

#[tokio::test]
async fn the_next_tokens_claims_are_scripted() {
    let server = builder().admin().start().await.unwrap();
    server.script_next_token(NextToken::claim("tenant", "acme")).unwrap();
    let script = json!({ "claims": { "aud": ["https://other.example.com"], "scope": null } });
    let posted = client().post(admin(&server, "/next-tokens")).json(&script).send().await.unwrap();
    assert_eq!(posted.status(), 204);
    let waiting = get_json(&admin(&server, "/next-tokens")).await;
    assert_eq!(waiting, json!({ "next_tokens": [{ "claims": { "tenant": "acme" } }, script] }));
    assert_eq!(serde_json::to_value(server.next_tokens()).unwrap(), waiting["next_tokens"]);

    let first = claims_of(&issue(&server).await);
    assert_eq!((&first["tenant"], &first["sub"]), (&json!("acme"), &json!("app")));
    let second = claims_of(&issue(&server).await);
    assert_eq!((second.get("scope"), &second["aud"]), (None, &json!(["https://other.example.com"])));
    let third = claims_of(&issue(&server).await);
    assert_eq!((third.get("tenant"), &third["scope"]), (None, &json!("read:leads write:leads")));
}

#[tokio::test]
async fn the_next_token_has_a_defect() {
    let server = builder().start().await.unwrap();
    server.script_next_token(NextToken::Defect(Defect::AlgNone)).unwrap();
    assert_eq!(header_of(&issue(&server).await)["alg"], "none");
    assert_eq!(header_of(&issue(&server).await)["alg"], "ES256");
    let read: NextToken = serde_json::from_value(json!({ "defect": "expired" })).unwrap();
    assert_eq!(read, NextToken::Defect(Defect::Expired));
}

#[tokio::test]
async fn the_next_error_is_scripted_and_spends_nothing() {
    let server = user_server().await;
    let code = code(&server).await;
    server.script_next_token(NextToken::error("invalid_grant")).unwrap();
    server.script_next_token(NextToken::Error { error: "temporarily_unavailable".to_owned(), status: 503 }).unwrap();
    assert_refused(redeem(&server, &code), 400, "invalid_grant").await;
    assert_refused(redeem(&server, &code), 503, "temporarily_unavailable").await;
    let tokens = answer(redeem(&server, &code)).await;

    server.script_next_token(NextToken::error("invalid_grant")).unwrap();
    assert_refused(refresh(&server, text(&tokens, "refresh_token"), &[]), 400, "invalid_grant").await;
    answer(refresh(&server, text(&tokens, "refresh_token"), &[])).await;
}

#[tokio::test]
async fn answers_come_in_the_order_in_which_they_were_scripted() {
    let server = builder().admin().start().await.unwrap();
    for next in [NextToken::claim("n", 1), NextToken::error("slow_down"), NextToken::claim("n", 2)] {
        server.script_next_token(next).unwrap();
    }
    assert_eq!(claims_of(&issue(&server).await)["n"], 1);
    assert_refused(token_request(&server, &GRANT), 400, "slow_down").await;
    // A request that is refused for itself leaves the token's script where it is.
    assert_refused(token_request(&server, &[("grant_type", "no-such")]), 400, "unsupported_grant_type").await;
    assert_eq!(claims_of(&issue(&server).await)["n"], 2);

    server.script_next_token(NextToken::error("x")).unwrap();
    assert_eq!(client().delete(admin(&server, "/next-tokens")).send().await.unwrap().status(), 204);
    issue(&server).await;
    server.script_next_token(NextToken::error("x")).unwrap();
    server.clear_next_tokens();
    issue(&server).await;
}

#[tokio::test]
async fn what_cannot_be_an_answer_is_refused() {
    let server = builder().admin().start().await.unwrap();
    for (error, status, sentence) in [
        ("x", 200, "200 is no status of a refusal; give one from 400 to 599"),
        ("x", 600, "600 is no status of a refusal; give one from 400 to 599"),
        ("", 400, "\"\" cannot be an error code; give printable ASCII characters without quotation mark or backslash"),
        (
            "a\"",
            400,
            "\"a\\\"\" cannot be an error code; give printable ASCII characters without quotation mark or backslash",
        ),
        (
            "\u{e9}",
            400,
            "\"\u{e9}\" cannot be an error code; give printable ASCII characters without quotation mark or backslash",
        ),
    ] {
        let next = NextToken::Error { error: error.to_owned(), status };
        assert_eq!(server.script_next_token(next.clone()).unwrap_err().to_string(), sentence);
        let refused = client().post(admin(&server, "/next-tokens")).json(&next).send().await.unwrap();
        assert_eq!(refused.status(), 400);
        let refused: Value = refused.json().await.unwrap();
        assert_eq!((&refused["error"], &refused["error_description"]), (&json!("unusable_script"), &json!(sentence)));
    }
    for _ in 0..1_000 {
        server.script_next_token(NextToken::error("x")).unwrap();
    }
    assert_eq!(server.script_next_token(NextToken::error("x")), Err(ScriptError::TooMany { limit: 1_000 }));
}

#[tokio::test]
async fn what_was_issued_is_listed_and_revoked() {
    let server = user_builder().admin().start().await.unwrap();
    let tokens = tokens(&server).await;
    let (access, refresh_token) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    issue(&server).await;
    let issued = server.issued_tokens();
    let list = get_json(&admin(&server, "/tokens")).await;
    assert_eq!(serde_json::to_value(&issued).unwrap(), list["tokens"]);
    let seen: Vec<_> =
        issued.iter().map(|token| (token.client_id.as_str(), token.subject.as_str(), token.active)).collect();
    assert_eq!(seen, [("web", "user-1", true), ("app", "app", true)]);
    assert_eq!(issued[0].expires_at, claims_of(access)["exp"].as_u64().unwrap());
    assert!(!list.to_string().contains("eyJ") && !list.to_string().contains(refresh_token));

    assert!(server.revoke(access));
    assert!(!is_active(&server, access).await && !server.issued_tokens()[0].active);
    assert!(!server.revoke(access) && !server.revoke("no such token"));

    let second = answer(refresh(&server, refresh_token, &[])).await;
    let revoke =
        client().post(admin(&server, "/tokens/revoke")).json(&json!({ "token": text(&second, "refresh_token") }));
    assert_eq!(revoke.send().await.unwrap().json::<Value>().await.unwrap(), json!({ "revoked": true }));
    assert!(!is_active(&server, text(&second, "access_token")).await);
    assert_refused(refresh(&server, text(&second, "refresh_token"), &[]), 400, "invalid_grant").await;
    let active: Vec<_> = server.issued_tokens().iter().map(|token| token.active).collect();
    assert_eq!(active, [false, true, false]);
}

#[tokio::test]
async fn a_token_that_nobody_shows_is_revoked_by_its_number() {
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let app = Client::new("opaque", "s3cret").audience(AUDIENCE).opaque_tokens();
    let server = user_builder().client(app).clock(clock.clone()).admin().start().await.unwrap();
    let brief = issue(&server).await;
    clock.advance(Duration::from_secs(1));
    let tokens = tokens(&server).await;
    let opaque = [GRANT[0], ("client_id", "opaque"), ("client_secret", "s3cret")];
    let opaque = answer(unauthenticated(&server, &opaque)).await;
    let (user, opaque) = (text(&tokens, "access_token"), text(&opaque, "access_token"));
    let numbers = || server.issued_tokens().iter().map(|token| token.number).collect::<Vec<_>>();
    assert_eq!(numbers(), [1, 2, 3]);

    // Exactly what the token's text would end: that one alone, and not what refreshes it.
    assert_eq!((server.revoke_issued(2), server.revoke_issued(2)), (Ok(true), Ok(false)));
    assert!(!is_active(&server, user).await && is_active(&server, &brief).await && is_active(&server, opaque).await);
    assert!(!server.revoke(user));
    answer(refresh(&server, text(&tokens, "refresh_token"), &[])).await;

    let by_number = async |number: u64| {
        let request = client().post(admin(&server, "/tokens/revoke")).json(&json!({ "number": number }));
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    assert_eq!(by_number(3).await, (200, json!({ "revoked": true })));
    assert!(!is_active(&server, opaque).await && is_active(&server, &brief).await);
    assert_eq!(by_number(3).await, (200, json!({ "revoked": false })));

    // A number stays that token's own, and ends with it.
    clock.advance(Duration::from_secs(299));
    assert_eq!(numbers(), [2, 3, 4]);
    for number in [0, 1, 5] {
        let sentence =
            format!("there is no token {number}, or it has expired; revoke one that the list of issued tokens has");
        assert_eq!(server.revoke_issued(number).unwrap_err().to_string(), sentence);
        let refused = json!({ "error": "no_such_token", "error_description": sentence });
        assert_eq!(by_number(number).await, (404, refused));
    }
}
