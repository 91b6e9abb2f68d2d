//! Signed introspection responses (RFC 9701): good ones, and what can be wrong with them.

use jsonwebtoken::{Algorithm as Alg, DecodingKey, Validation, decode};
use reqwest::{RequestBuilder, header};
use serde_json::{Value, json};
use tower_bearer::jose::Algorithm;
use tower_bearer_authorization_server::{AuthorizationServer, Client, Endpoint, Fault};
use tower_bearer_test::Defect;

use crate::browser::{answer, introspect};
use crate::support::{
    AUDIENCE, SECRET, assert_refused, basic, builder, claims_of, client, get_json, header_of, issue, server,
};

const MEDIA_TYPE: &str = "application/token-introspection+jwt";

fn ask(server: &AuthorizationServer, token: &str) -> RequestBuilder {
    let request = client().post(format!("{}/introspect", server.issuer())).form(&[("token", token)]);
    request.header(header::AUTHORIZATION, basic("app", SECRET)).header(header::ACCEPT, MEDIA_TYPE)
}

/// The signed response, which has to say what it is.
async fn signed(request: RequestBuilder) -> String {
    let response = request.send().await.unwrap().error_for_status().unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
    crate::support::assert_not_stored(&response);
    response.text().await.unwrap()
}

/// The claims, if an API accepts the response: that of `app`, by one of the published keys.
async fn accepted(server: &AuthorizationServer, jwt: &str) -> Result<Value, String> {
    let header = header_of(jwt);
    if header["typ"] != "token-introspection+jwt" || !header["crit"].is_null() {
        return Err("typ or crit".to_owned());
    }
    let set = get_json(server.jwks_uri()).await;
    let key = set["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).ok_or("kid")?;
    let key = DecodingKey::from_jwk(&serde_json::from_value(key.clone()).unwrap()).unwrap();
    let mut validation = Validation::new(Alg::ES256);
    validation.set_audience(&["app"]);
    validation.set_issuer(&[server.issuer()]);
    validation.set_required_spec_claims(&["iss", "aud"]);
    validation.validate_nbf = true;
    decode::<Value>(jwt, &key, &validation).map(|data| data.claims).map_err(|error| error.to_string())
}

#[tokio::test]
async fn n04_a_signed_response_is_for_the_client_that_asked() {
    let server = server().await;
    let token = issue(&server).await;
    let jwt = signed(ask(&server, &token)).await;
    let claims = accepted(&server, &jwt).await.unwrap();
    let told = introspect(&server, &token).await;
    assert_eq!((&claims["token_introspection"], &told["active"]), (&told, &json!(true)));
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(server.issuer()), &json!("app")));
    // RFC 9701 section 5: nothing by which it could pass for a token.
    let names: Vec<_> = claims.as_object().unwrap().keys().collect();
    assert_eq!(names, ["aud", "iat", "iss", "token_introspection"]);
    assert_eq!(header_of(&jwt)["alg"], "ES256");

    let inactive = accepted(&server, &signed(ask(&server, "unknown")).await).await.unwrap();
    assert_eq!(inactive["token_introspection"], json!({ "active": false }));
}

#[tokio::test]
async fn signed_responses_are_for_opaque_tokens_and_for_every_algorithm_too() {
    for algorithm in [Algorithm::ES256, Algorithm::RS256, Algorithm::EdDSA] {
        let client = Client::new("app", SECRET).audience(AUDIENCE).opaque_tokens();
        let builder = AuthorizationServer::builder().client(client).signing_algorithm(algorithm);
        let server = builder.start().await.unwrap();
        let metadata = server.metadata();
        assert_eq!(metadata["introspection_signing_alg_values_supported"], json!([algorithm.name()]));
        let token = issue(&server).await;
        let jwt = signed(ask(&server, &token)).await;
        assert_eq!(header_of(&jwt)["alg"], algorithm.name());
        assert_eq!(claims_of(&jwt)["token_introspection"]["client_id"], "app");
        server.rotate_keys().unwrap();
        let after = signed(ask(&server, &token)).await;
        assert_eq!(header_of(&after)["kid"], server.test_issuer().signing_key().key_id());
    }
}

#[tokio::test]
async fn json_stays_what_is_answered_by_default() {
    let server = server().await;
    let token = issue(&server).await;
    for accept in ["application/json", "*/*", "application/json, application/token-introspection+jwt;q=0.5"] {
        let request = client().post(format!("{}/introspect", server.issuer())).form(&[("token", &token)]);
        let request = request.header(header::AUTHORIZATION, basic("app", SECRET)).header(header::ACCEPT, accept);
        assert_eq!(answer(request).await["active"], true);
    }
    // A refusal is never signed.
    let request = client().post(format!("{}/introspect", server.issuer())).form(&[("token", &token)]);
    let wrong = request.header(header::AUTHORIZATION, basic("app", "wrong")).header(header::ACCEPT, MEDIA_TYPE);
    assert_refused(wrong, 401, "invalid_client").await;
}

#[tokio::test]
async fn n04_no_defective_response_is_accepted() {
    let server = builder().start().await.unwrap();
    let token = issue(&server).await;
    assert!(accepted(&server, &signed(ask(&server, &token)).await).await.is_ok());
    for defect in Defect::ALL {
        server.misbehave(Endpoint::Introspection, Fault::SignedDefect(*defect)).unwrap();
        let jwt = signed(ask(&server, &token)).await;
        assert!(accepted(&server, &jwt).await.is_err(), "{defect}");
        // The rest of it is right, and so is JSON.
        if !matches!(defect, Defect::TamperedPayload) {
            assert_eq!(claims_of(&jwt)["token_introspection"]["active"], true, "{defect}");
        }
        assert_eq!(introspect(&server, &token).await["active"], true, "{defect}");
    }
}

#[tokio::test]
async fn n04_plain_json_comes_in_place_of_a_signed_response() {
    let server = server().await;
    let token = issue(&server).await;
    server.misbehave(Endpoint::Introspection, Fault::Unsigned).unwrap();
    assert_eq!(answer(ask(&server, &token)).await, introspect(&server, &token).await);
}

/// What is wrong with the response is wrong inside of the signature, which is good.
#[tokio::test]
async fn other_faults_are_signed() {
    let server = server().await;
    let token = issue(&server).await;
    for (fault, member, expected) in [
        (Fault::ActiveAsText, "active", json!("true")),
        (Fault::WithoutActive, "active", Value::Null),
        (Fault::WithoutAudience, "aud", Value::Null),
        (Fault::WithoutExpiry, "exp", Value::Null),
        (Fault::WrongIssuer { issuer: "https://other".to_owned() }, "iss", json!("https://other")),
        (Fault::member("token_type", "MAC"), "token_type", json!("MAC")),
        (Fault::WrongTypes, "active", json!("yes")),
    ] {
        server.misbehave(Endpoint::Introspection, fault.clone()).unwrap();
        let claims = accepted(&server, &signed(ask(&server, &token)).await).await.unwrap();
        assert_eq!(claims["token_introspection"][member], expected, "{fault:?}");
        assert_eq!(claims["iss"], server.issuer());
    }
    server.misbehave(Endpoint::Introspection, Fault::status(503)).unwrap();
    assert_eq!(ask(&server, &token).send().await.unwrap().status(), 503);
}
