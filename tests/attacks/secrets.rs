//! H12: nothing secret comes out. Every kind of refusal is provoked with known markers in every place where a secret
//! can stand, and all that comes back, is logged, or can be printed is searched for them.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tower_bearer::jose::{Algorithm, VerifyingKey};
use tower_bearer::{
    Claims, Issuer, Refusal, RequireRoles, RequireScopes, RequireToken, ResourceServer, ValidatedToken,
};
use tower_bearer_authorization_server::{AuthorizationServer, Client};
use tower_bearer_test::{Defect, SigningKey, TestIssuer};

use crate::canary::{KeyServer, Logs};
use crate::leaks::{
    CLIENT_SECRET, Explained, GARBAGE, HEADER, Needles, PAYLOAD, SEED, SHARED_SECRET, SHORT_SECRET, Seen, URL_SECRET,
};
use crate::support::*;

fn seeded_key() -> SigningKey {
    let prefix = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    SigningKey::from_pkcs8(Algorithm::EdDSA, &[&prefix[..], SEED].concat()).unwrap()
}

/// Tokens that are refused, one for each way, and a few that a marker does not spoil; markers in header and claims.
fn marked_tokens(issuer: &TestIssuer) -> Vec<String> {
    let marked = || {
        let token = issuer.token().audience(AUDIENCE).claim("email", PAYLOAD).header("x", HEADER);
        token.claim("realm_access", json!({ "roles": [PAYLOAD] }))
    };
    let mut tokens: Vec<_> = Defect::ALL.iter().map(|defect| marked().sign_defective(*defect)).collect();
    let claims = ["iss", "aud", "exp", "nbf", "iat", "scope", "scp", "typ", "token_use", "nonce", "cnf", "events"];
    for claim in claims {
        tokens.push(marked().claim(claim, PAYLOAD).sign());
        tokens.push(marked().claim(claim, json!({ PAYLOAD: PAYLOAD })).sign());
    }
    for claim in ["sub", "client_id", "jti"] {
        tokens.push(marked().claim(claim, format!("{PAYLOAD}\n")).sign());
        tokens.push(marked().claim(claim, json!([PAYLOAD])).sign());
    }
    for name in ["alg", "kid", "typ", "crit", "zip", "b64", "cty"] {
        tokens.push(marked().header(name, HEADER).sign());
        tokens.push(marked().header(name, json!({ HEADER: HEADER })).sign());
    }
    let key = issuer.signing_key();
    let header = json!({ "alg": "EdDSA", "kid": key.key_id(), "x": HEADER }).to_string();
    tokens.push(key.sign_compact(&header, format!("{{\"{PAYLOAD}\":1,\"{PAYLOAD}\":2}}")));
    tokens.push(key.sign_compact(&header, PAYLOAD));
    tokens.push(key.sign_compact(&header, format!("{{\"iss\":{PAYLOAD}}}")));
    tokens.push(key.sign_compact(HEADER, PAYLOAD));
    tokens.push(key.sign_compact(format!("{{\"{HEADER}\":1,\"{HEADER}\":1}}"), PAYLOAD));
    tokens.push(format!("{}.{}.{}", marked().sign(), encode(GARBAGE), encode(GARBAGE)));
    tokens.push(GARBAGE.to_owned());
    tokens.push(format!("{GARBAGE}.{GARBAGE}.{GARBAGE}"));
    tokens.push(format!("{GARBAGE}={GARBAGE}"));
    tokens.push(GARBAGE.repeat(1_000));
    tokens
}

#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "it never fits")]
struct Misfit {
    email: u64,
}

/// An API with every kind of route: scopes, roles, closures, the application's own struct, and two that are misbuilt.
async fn api(server: &ResourceServer, other: &ResourceServer) -> Api {
    use axum::routing::any;
    let answer = async || "done";
    let app = axum::Router::new()
        .route("/leads", any(answer))
        .route("/scope", any(answer).layer(RequireScopes::all(["admin"])))
        .route("/role", any(answer).layer(RequireRoles::all(["realm_access", "roles"], ["admin"])))
        .route("/closure", any(answer).layer(RequireToken::that("is an admin", |_| false)))
        .route("/shape", any(async |Claims(_): Claims<Misfit>| "done"))
        .route("/handler", any(async |token: ValidatedToken| token.require("admin").map(|()| "done")))
        .route("/other", any(answer).layer(RequireScopes::all(["admin"]).under(other)))
        .layer(server.layer())
        .route("/bare", any(answer).layer(RequireScopes::all(["admin"])));
    Api::serve(app, std::sync::Arc::default()).await
}

#[tokio::test]
async fn h12_no_secret_in_any_answer_log_line_or_printed_type() {
    let (logs, mut seen, mut needles) = (Logs::capture(), Seen::default(), Needles::of_constants());
    let key = seeded_key();
    let issuer = TestIssuer::with_key(ISSUER, key.clone()).with_clock(clock());
    let (server, other) = (server_trusting(issuer.trusted()), server());
    let api = api(&server, &other).await;

    let mut reasons = BTreeSet::new();
    for token in marked_tokens(&issuer) {
        needles.add_token(&token);
        let credentials = [
            format!("Bearer {token}"),
            token.clone(),
            format!("Bearer {token}, Bearer {token}"),
            format!("Bearer {token} é"),
        ];
        for value in credentials {
            let response = api.get(&[("authorization", value.as_bytes())]).await;
            reasons.insert(seen.response(&value, response).await);
        }
        let mut explained = Explained(String::new());
        match server.validate_explained(&token, &mut explained).await {
            Ok(token) => seen.debug("ValidatedToken", &token.issuer()),
            Err(error) => seen.error("TokenError", &error),
        }
        let signature = token.rsplit('.').next().unwrap();
        assert!(signature.len() < 40 || !explained.0.contains(signature) && !explained.0.contains(&token));
    }

    // A good token, and all that is refused after it was found good.
    let good = issuer.token().audience(AUDIENCE).claim("email", PAYLOAD).header("x", HEADER).sign();
    needles.add_token(&good);
    let judged = server.validate(&good).await.unwrap();
    seen.debug("ValidatedToken", &judged);
    seen.error("Refusal", &judged.require("admin").unwrap_err());
    let misfit: Result<Misfit, Refusal> = judged.claims();
    seen.error("Refusal", &misfit.map(|_| ()).unwrap_err());
    for path in ["leads", "scope", "role", "closure", "shape", "handler", "other", "bare", "leads?access_token=x"] {
        let request = client().get(format!("http://{}/{path}", api.address)).bearer_auth(&good);
        reasons.insert(seen.response(path, request.send().await.unwrap()).await);
    }

    unavailable_keys(&issuer, &mut seen, &mut needles, &mut reasons).await;
    printed_types(&issuer, &mut seen, &mut needles).await;
    refused_configurations(&key, &mut seen);
    authorization_server(&mut seen, &mut needles).await;

    let expected = [
        "algorithm_not_allowed",
        "bad_signature",
        "claim_type",
        "claims_duplicate",
        "claims_json",
        "claims_shape",
        "credentials_repeated",
        "expired",
        "header_json",
        "insufficient_role",
        "insufficient_scope",
        "keys_unavailable",
        "layer_missing",
        "no_matching_key",
        "opaque_token",
        "other_resource_server",
        "requirement_not_met",
        "scheme_missing",
        "sender_constrained",
        "token_illegal_characters",
        "token_in_two_places",
        "token_too_large",
        "unsupported_header",
    ];
    let missing: Vec<_> = expected.into_iter().filter(|reason| !reasons.contains(*reason)).collect();
    assert!(missing.is_empty(), "not provoked: {missing:?} of {reasons:?}");
    let logged = logs.text();
    for line in [
        "refused a request",
        "cannot decide about a request",
        "the service is misconfigured",
        "could not fetch the keys",
        "token request refused",
    ] {
        assert!(logged.contains(line), "not logged: {line}");
    }
    assert!(logs.lines().len() > 200, "{}", logs.lines().len());
    seen.0.push(("the log".to_owned(), logged));
    seen.assert_clean(&needles);
}

fn private_jwk(key: &SigningKey) -> serde_json::Value {
    let mut jwk = key.public_jwk();
    jwk["d"] = encode(SEED).into();
    jwk
}

/// Keys that cannot be had: 503.
async fn unavailable_keys(issuer: &TestIssuer, seen: &mut Seen, needles: &mut Needles, reasons: &mut BTreeSet<String>) {
    let keys = KeyServer::start(format!("{{\"keys\":\"{PAYLOAD}\"}}")).await;
    let failing = [
        Issuer::new(ISSUER).jwk_set_url(keys.url()),
        Issuer::new(format!("http://{}", keys.address)),
        Issuer::new(ISSUER).jwk_set_url(format!("http://{}/keys", closed_port().await)),
    ];
    for failing in failing {
        seen.debug("Issuer", &failing);
        let builder = builder().issuer(failing.clone());
        seen.debug("ResourceServerBuilder", &builder);
        let unavailable = builder.build().unwrap();
        let claims = if failing_is_other(&failing) { format!("http://{}", keys.address) } else { ISSUER.to_owned() };
        let token = issuer.token().audience(AUDIENCE).claim("iss", claims).claim("email", PAYLOAD).sign();
        needles.add_token(&token);
        let api = Api::start(unavailable.layer()).await;
        reasons.insert(seen.response("503", api.send(&token).await).await);
    }
}

/// Every public type that holds a key, a secret or a configuration.
async fn printed_types(issuer: &TestIssuer, seen: &mut Seen, needles: &mut Needles) {
    let (key, server) = (issuer.signing_key(), server_trusting(issuer.trusted()));
    let layer = server.layer();
    seen.debug("ResourceServer", &server);
    seen.debug("BearerLayer", &layer);
    seen.debug("BearerService", &tower::Layer::layer(&layer, ()));
    seen.debug("SigningKey", &key);
    seen.debug("TestIssuer", issuer);
    seen.debug("TokenBuilder", &issuer.token().claim("email", PAYLOAD));
    seen.debug("Issuer", &issuer.trusted());
    let jwk = key.public_jwk().to_string();
    seen.debug("VerifyingKey", &VerifyingKey::from_jwk(&jwk, Algorithm::EdDSA).unwrap());
    let private_jwk = private_jwk(&key);
    seen.error("KeyFault", &VerifyingKey::from_jwk(&private_jwk.to_string(), Algorithm::EdDSA).unwrap_err());

    let shared = Issuer::new(ISSUER).shared_secret(SHARED_SECRET);
    seen.debug("Issuer", &shared);
    seen.debug("ResourceServerBuilder", &builder().issuer(shared.clone()));
    let by_secret = server_trusting(shared.clone());
    seen.debug("ResourceServer", &by_secret);
    let signed = hmac_token(token().claim("email", PAYLOAD), "HS256", SHARED_SECRET.as_bytes());
    needles.add_token(&signed);
    seen.debug("ValidatedToken", &by_secret.validate(&signed).await.unwrap());
    seen.error("TokenError", &by_secret.validate(&with_signature(&signed, [1; 32])).await.unwrap_err());
}

fn refused_configurations(key: &SigningKey, seen: &mut Seen) {
    let private_jwk = private_jwk(key);
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(SEED));
    for refused in [
        Issuer::new(ISSUER).shared_secret(SHORT_SECRET),
        Issuer::new(ISSUER).shared_secret(SHARED_SECRET).algorithms([Algorithm::RS256]),
        Issuer::new(ISSUER).shared_secret(SHARED_SECRET).pem(key.public_key_pem()),
        Issuer::new(ISSUER).pem(pem),
        jwk_set(std::slice::from_ref(&private_jwk)),
        Issuer::new(ISSUER).jwk_set(private_jwk.to_string()),
        Issuer::new(ISSUER).jwk_set(json!({ "keys": encode(SEED) }).to_string()),
        Issuer::new(ISSUER).jwk_set(json!(encode(SEED)).to_string()),
        Issuer::new(format!("https://user:{URL_SECRET}@as.example.com")),
        Issuer::new(format!("http://user:{URL_SECRET}@as.example.com")),
        Issuer::new(ISSUER).jwk_set_url(format!("https://user:{URL_SECRET}@as.example.com/keys")),
        Issuer::new(ISSUER).jwk_set_url(format!("http://user:{URL_SECRET}@as.example.com/keys")),
    ] {
        // An issuer's identifier is public; a password in it is a mistake that the error must not repeat.
        if !format!("{refused:?}").contains(URL_SECRET) {
            seen.debug("ResourceServerBuilder", &builder().issuer(refused.clone()));
        }
        seen.error("ConfigError", &builder().issuer(refused).build().unwrap_err());
    }
}

fn failing_is_other(issuer: &Issuer) -> bool {
    format!("{issuer:?}").contains("http://127.0.0.1") && format!("{issuer:?}").contains("sources: []")
}

/// An address where nobody listens.
async fn closed_port() -> std::net::SocketAddr {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// The authorization server's refusals, its printed types, and its tokens.
async fn authorization_server(seen: &mut Seen, needles: &mut Needles) {
    let client_of = Client::new("app", CLIENT_SECRET).scopes(["read:leads"]).audience(AUDIENCE);
    seen.debug("Client", &client_of);
    let starting = AuthorizationServer::builder().client(client_of.clone()).signing_algorithm(Algorithm::EdDSA);
    seen.debug("AuthorizationServerBuilder", &starting);
    let twice = AuthorizationServer::builder().client(client_of.clone()).client(client_of);
    seen.error("StartError", &twice.start().await.unwrap_err());
    let server = starting.start().await.unwrap();
    seen.debug("AuthorizationServer", &server);

    let grant = ("grant_type", "client_credentials");
    let post = |form: &[(&str, &str)]| client().post(server.token_endpoint()).form(form);
    let granted = post(&[grant]).basic_auth("app", Some(CLIENT_SECRET)).send().await.unwrap();
    let granted: serde_json::Value = granted.json().await.unwrap();
    needles.add_token(granted["access_token"].as_str().unwrap());
    for request in [
        post(&[grant, ("client_id", "app"), ("client_secret", CLIENT_SECRET), ("scope", GARBAGE)]),
        post(&[grant, ("client_id", GARBAGE), ("client_secret", CLIENT_SECRET)]),
        post(&[grant, ("client_id", "app"), ("client_secret", GARBAGE)]),
        post(&[grant, ("client_secret", CLIENT_SECRET)]).basic_auth("app", Some(CLIENT_SECRET)),
        post(&[grant]).basic_auth(GARBAGE, Some(CLIENT_SECRET)),
        post(&[grant]).bearer_auth(CLIENT_SECRET),
        post(&[("grant_type", GARBAGE)]).basic_auth("app", Some(CLIENT_SECRET)),
        post(&[grant, grant, (GARBAGE, CLIENT_SECRET)]).basic_auth("app", Some(CLIENT_SECRET)),
        client().post(server.token_endpoint()).body(format!("%zz{CLIENT_SECRET}")),
        client().post(server.token_endpoint()).header("content-type", GARBAGE).body(CLIENT_SECRET.repeat(10_000)),
        client().get(format!("{}?client_secret={CLIENT_SECRET}", server.token_endpoint())),
        client().get(server.jwks_uri()),
    ] {
        seen.response("the authorization server", request.send().await.unwrap()).await;
    }
    for defect in Defect::ALL {
        needles.add_token(&server.defective_token(*defect));
    }
}

/// The search finds what it looks for, in each of its forms: otherwise the test above would prove nothing.
#[tokio::test]
async fn h12_the_search_would_find_a_leak() {
    let logs = Logs::capture();
    let mut needles = Needles::of_constants();
    let token = token().claim("email", PAYLOAD).sign();
    needles.add_token(&token);
    let signature = decode(parts(&token)[2]);
    for leak in [
        format!("a {PAYLOAD} b"),
        token.clone(),
        parts(&token)[2].to_owned(),
        parts(&token)[1].to_owned(),
        format!("{SEED:?}"),
        format!("x {:?}", SEED.to_vec()),
        encode(SEED),
        STANDARD.encode(SEED),
        format!("{signature:?}"),
        format!("{:?}", String::from_utf8_lossy(SEED)),
        format!("{{\"client_secret\":\"{CLIENT_SECRET}\"}}"),
    ] {
        assert_ne!(needles.leaks(&leak), Vec::<&str>::new(), "{leak}");
        tracing::trace!(target: "tower_bearer::leak", leak);
        assert_ne!(needles.leaks(&logs.text()), Vec::<&str>::new());
    }
    assert_eq!(needles.leaks("a line without any of them"), Vec::<&str>::new());

    // A response that echoes is caught on its way through the socket.
    let echoing = token.clone();
    let leaky = builder().issuer(issuer_with(Algorithm::ES256).trusted()).on_refusal(move |_, mut response| {
        *response.body_mut() = format!("refused {echoing}").into();
        response
    });
    let mut seen = Seen::default();
    let api = Api::start(leaky.build().unwrap().layer()).await;
    assert_eq!(seen.response("a leaky API", api.send(&token).await).await, "no_matching_key");
    assert_ne!(needles.leaks(&seen.0[0].1), Vec::<&str>::new());
}
