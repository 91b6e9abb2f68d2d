//! Issued tokens: RFC 9068, checked with the served keys by jsonwebtoken.

use serde_json::json;
use tower_bearer::jose::Algorithm;
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer_authorization_server::{AuthorizationServer, Client};
use tower_bearer_test::Defect;

use crate::support::{AUDIENCE, SECRET, builder, claims_of, header_of, issue, server, verify};

#[tokio::test]
async fn tokens_of_each_algorithm_verify_with_the_served_keys() {
    for algorithm in [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA] {
        let client = Client::new("app", SECRET).audience(AUDIENCE);
        let builder = AuthorizationServer::builder().client(client).signing_algorithm(algorithm);
        let server = builder.start().await.unwrap();
        let token = issue(&server).await;
        assert_eq!(header_of(&token)["alg"], algorithm.name());
        assert_eq!(verify(&server, &token).await.unwrap()["sub"], "app");
    }
}

#[tokio::test]
async fn without_an_algorithm_rs256_signs() {
    let server = AuthorizationServer::builder().start().await.unwrap();
    assert_eq!(header_of(&server.token().sign())["alg"], "RS256");
}

#[tokio::test]
async fn the_first_of_several_algorithms_signs() {
    let server = builder().signing_algorithm(Algorithm::EdDSA).start().await.unwrap();
    assert_eq!(header_of(&issue(&server).await)["alg"], "ES256");
}

#[tokio::test]
async fn tokens_have_the_claims_of_rfc_9068() {
    let server = builder().clock(ManualClock::at(UnixTime::from_secs(1_000))).start().await.unwrap();
    let token = issue(&server).await;
    let claims = claims_of(&token);
    let expected = json!({
        "iss": server.issuer(), "sub": "app", "client_id": "app", "aud": AUDIENCE, "iat": 1_000, "exp": 1_300,
        "scope": "read:leads write:leads", "jti": claims["jti"],
    });
    assert_eq!(claims, expected);
    assert_eq!(header_of(&token)["typ"], "at+jwt");
    assert_ne!(claims_of(&issue(&server).await)["jti"], claims["jti"]);
}

#[tokio::test]
async fn the_handle_makes_tokens_like_the_first_clients() {
    let server = server().await;
    let made = server.token().sign();
    verify(&server, &made).await.unwrap();

    let (mut made, mut issued) = (claims_of(&made), claims_of(&issue(&server).await));
    for claims in [&mut made, &mut issued] {
        for varying in ["jti", "iat", "exp"] {
            claims.as_object_mut().unwrap().remove(varying).unwrap();
        }
    }
    assert_eq!(made, issued);
    assert_eq!(claims_of(&server.token().audience("https://x").sign())["aud"], "https://x");
}

#[tokio::test]
async fn defective_tokens_are_signed_by_the_server() {
    let server = server().await;
    let expired = server.defective_token(Defect::Expired);
    assert_eq!(verify(&server, &expired).await.unwrap_err(), "ExpiredSignature");
    let tampered = server.defective_token(Defect::TamperedSignature);
    assert_eq!(verify(&server, &tampered).await.unwrap_err(), "InvalidSignature");
    let unknown = server.defective_token(Defect::UnknownKid);
    assert_eq!(verify(&server, &unknown).await.unwrap_err(), "no such key");
}
