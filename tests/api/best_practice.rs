//! R57 to R73: the JWT and OAuth security practices (RFC 8725, RFC 9700).

use std::net::TcpListener;
use std::time::Duration;

use http::Request;
use serde_json::json;
use tower::{Layer, service_fn};
use tower_bearer::jose::Algorithm;
use tower_bearer::{Issuer, JsonFault, RequireScopes, ResourceServer, TokenError};
use tower_bearer_test::{Defect, SigningKey, TestIssuer};

use crate::support::*;

#[tokio::test]
async fn r57_only_the_configured_algorithms_are_accepted() {
    for allowed in Algorithm::PUBLIC_KEY {
        // All keys are there, with no say in what they are for.
        let keys: Vec<_> = Algorithm::PUBLIC_KEY
            .iter()
            .map(|algorithm| {
                let mut jwk = key(*algorithm).public_jwk();
                jwk.as_object_mut().unwrap().remove("alg");
                jwk
            })
            .collect();
        let issuer = Issuer::new(ISSUER).jwk_set(json!({ "keys": keys }).to_string()).algorithms([*allowed]);
        let server = server_trusting(issuer);
        for algorithm in Algorithm::PUBLIC_KEY {
            let expected = if algorithm == allowed { "accepted" } else { "algorithm_not_allowed" };
            let token = issuer_with(*algorithm).token().sign();
            assert_eq!(reason(&server, &token).await, expected, "{algorithm} when {allowed}");
        }
    }
    let two = server_trusting(issuer().trusted().algorithms([Algorithm::ES256, Algorithm::RS256]));
    assert_eq!(reason(&two, &token().sign()).await, "accepted");
    for unknown in ["RS1", "ES256K", "rs256", "RS256 ", "dir", "RSA-OAEP", "Ed448", "HS256"] {
        assert_eq!(
            reason(&server(), &token().header("alg", unknown).sign()).await,
            "algorithm_not_allowed",
            "{unknown}"
        );
    }
    let none = builder().issuer(issuer().trusted().algorithms([])).build();
    assert_eq!(none.unwrap_err().setting(), "algorithms");
}

#[tokio::test]
async fn r58_one_key_is_used_with_one_algorithm() {
    let rsa = key(Algorithm::RS256);
    let as_pss = rsa.clone().with_algorithm(Algorithm::PS256).unwrap();
    let (pkcs1, pss) = (token().key(&rsa).sign(), token().key(&as_pss).sign());
    let trusting = |jwk: serde_json::Value, algorithms: &[Algorithm]| {
        let set = json!({ "keys": [jwk] }).to_string();
        server_trusting(Issuer::new(ISSUER).jwk_set(set).algorithms(algorithms.to_vec()))
    };
    let mut unmarked = rsa.public_jwk();
    unmarked.as_object_mut().unwrap().remove("alg");

    // The JWK does not say, the configuration does.
    let pinned = trusting(unmarked.clone(), &[Algorithm::RS256]);
    assert_eq!(reason(&pinned, &pkcs1).await, "accepted");
    assert_eq!(reason(&pinned, &pss).await, "algorithm_not_allowed");
    // The configuration allows both, the JWK is for one.
    let marked = trusting(rsa.public_jwk(), &[Algorithm::RS256, Algorithm::PS256]);
    assert_eq!(reason(&marked, &pkcs1).await, "accepted");
    assert_eq!(reason(&marked, &pss).await, "no_matching_key");
    // The signature is checked as `alg` says, and in no other way.
    let both = trusting(unmarked, &[Algorithm::RS256, Algorithm::PS256]);
    assert_eq!(reason(&both, &pss).await, "accepted");
    assert_eq!(reason(&both, &token().key(&rsa).header("alg", "PS256").sign()).await, "bad_signature");
    assert_eq!(reason(&both, &token().key(&as_pss).header("alg", "RS256").sign()).await, "bad_signature");
}

#[tokio::test]
async fn r59_a_nested_token_is_refused_as_a_whole() {
    let (header, inner) = (header_members(), token().sign());
    for cty in ["JWT", "jwt", "application/jwt"] {
        let nested = sign_raw(format!(r#"{{{header},"cty":"{cty}"}}"#), &inner);
        assert_eq!(refusal(&server(), &nested).await, Some(TokenError::UnsupportedHeader("cty")), "{cty}");
        let pretended = token().header("cty", cty).sign();
        assert_eq!(refusal(&server(), &pretended).await, Some(TokenError::UnsupportedHeader("cty")), "{cty}");
    }
    let undeclared = sign_raw(object(&header), &inner);
    assert_eq!(refusal(&server(), &undeclared).await, Some(TokenError::Claims(JsonFault::Invalid)));
    assert_eq!(reason(&server(), &token().header("cty", "json").sign()).await, "accepted");
}

#[test]
fn r60_a_password_is_no_key() {
    let build = |secret: Vec<u8>| builder().issuer(Issuer::new(ISSUER).shared_secret(secret)).build();
    for password in [
        "passwordpasswordpasswordpasswordpassword",
        "00000000000000000000000000000000000000000",
        "correcthorsecorrecthorsecorrecthorse",
    ] {
        assert_eq!(build(password.into()).unwrap_err().setting(), "shared_secret", "{password}");
    }
    let distinct = |count: u8| (0..64).map(|n| n % count).collect::<Vec<u8>>();
    assert!(build(distinct(11)).is_err());
    assert!(build(distinct(12)).is_ok());
    assert!(build(distinct(13)).is_ok());
}

#[tokio::test]
async fn r61_claims_are_utf8() {
    let with = |bytes: &[u8]| {
        let claims = [b"{", claim_members().as_bytes(), b",\"name\":\"", bytes, b"\"}"].concat();
        sign_raw(object(&header_members()), claims)
    };
    for bytes in ["\u{e9}".as_bytes(), "\u{10ffff}".as_bytes(), br"\u00e9", br"\ud83d\ude00"] {
        assert_eq!(reason(&server(), &with(bytes)).await, "accepted", "{bytes:?}");
    }
    let refused: [&[u8]; 6] = [b"\xff", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xe9", b"\n"];
    for bytes in refused {
        assert_eq!(refusal(&server(), &with(bytes)).await, Some(TokenError::Claims(JsonFault::Invalid)), "{bytes:?}");
    }
    let half = refusal(&server(), &with(br"\ud83d")).await;
    assert_eq!(half, Some(TokenError::Claims(JsonFault::LoneSurrogate)));
    let utf16: Vec<u8> = object(&claim_members()).encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(reason(&server(), &sign_raw(object(&header_members()), utf16)).await, "claims_json");
}

#[tokio::test]
async fn r62_keys_and_subjects_belong_to_their_issuer() {
    let ours = issuer();
    let other_key = SigningKey::generate(Algorithm::RS256).unwrap();
    let other = TestIssuer::with_key("https://other.example.com", other_key.clone()).with_clock(clock());
    let server = builder().issuer(ours.trusted()).issuer(other.trusted()).build().unwrap();
    // Each issuer's key on a token that says it is the other's.
    let ours_by_other = token().key(&other_key).sign();
    let other_by_ours = other.token().key(&ours.signing_key()).sign();
    assert_eq!(reason(&server, &ours_by_other).await, "no_matching_key");
    assert_eq!(reason(&server, &other_by_ours).await, "no_matching_key");
    // The same under one `kid`.
    let same = |key: SigningKey| key.with_key_id("same");
    let (one, two) = (same(ours.signing_key()), same(other_key));
    let (ours, other) = (TestIssuer::with_key(ISSUER, one.clone()), TestIssuer::with_key(other.url(), two.clone()));
    let server = builder().issuer(ours.trusted()).issuer(other.trusted()).build().unwrap();
    assert_eq!(reason(&server, &token().key(&one).sign()).await, "accepted");
    assert_eq!(reason(&server, &token().key(&two).sign()).await, "bad_signature");

    let subject = async |token: String| {
        let token = server.validate(&token).await.unwrap();
        (token.issuer().to_owned(), token.subject().unwrap().to_owned())
    };
    let of_other = other.with_clock(clock()).token().subject("alice").sign();
    let (one, two) = (subject(token().key(&one).sign()).await, subject(of_other).await);
    assert_eq!(one, (ISSUER.to_owned(), "alice".to_owned()));
    assert_eq!(two, ("https://other.example.com".to_owned(), "alice".to_owned()));
}

#[tokio::test]
async fn r62_an_issuer_that_is_not_configured_is_refused() {
    let third = TestIssuer::with_key("https://third.example.com", key(Algorithm::ES256)).with_clock(clock());
    let other = TestIssuer::with_key("https://other.example.com", key(Algorithm::ES384));
    let one = server();
    let two = builder().issuer(issuer().trusted()).issuer(other.trusted()).build().unwrap();
    assert_eq!(reason(&one, &third.token().sign()).await, "issuer_mismatch");
    assert_eq!(reason(&two, &third.token().sign()).await, "issuer_mismatch");
    assert_eq!(reason(&two, &token().without_claim("iss").sign()).await, "claim_missing");
}

#[tokio::test]
async fn r63_there_is_no_resource_server_without_an_audience() {
    let unset = ResourceServer::builder().issuer(issuer().trusted()).build();
    assert_eq!(unset.unwrap_err().setting(), "audience");
    let empty = ResourceServer::builder().audience("").issuer(issuer().trusted()).build();
    assert_eq!(empty.unwrap_err().setting(), "audience");
    // Two services of one issuer do not take each other's tokens.
    let leads = ResourceServer::builder().clock(clock()).audience("leads").issuer(issuer().trusted()).build().unwrap();
    let mails = ResourceServer::builder().clock(clock()).audience("mails").issuer(issuer().trusted()).build().unwrap();
    let for_leads = token().claim("aud", "leads").sign();
    assert_eq!(reason(&leads, &for_leads).await, "accepted");
    assert_eq!(reason(&mails, &for_leads).await, "audience_mismatch");
}

#[tokio::test]
async fn r64_a_kid_is_data() {
    let kids = [
        "../../../../etc/passwd".to_owned(),
        "' OR '1'='1".to_owned(),
        "a\r\nSet-Cookie: b".to_owned(),
        "\u{0}".to_owned(),
        "{}".to_owned(),
        "%s%n".to_owned(),
        "\u{202e}\u{e9}".to_owned(),
        String::new(),
        "k".repeat(8 * 1024),
    ];
    for kid in kids {
        log::capture();
        let answer = ask_with_token(&server(), &token().header("kid", kid.as_str()).sign()).await;
        assert_eq!(answer.reason(), "no_matching_key", "{kid:.20}");
        if kid.len() > 3 {
            let told = format!("{:?} {:?} {:?} {}", answer.error, answer.headers, answer.body, log::take());
            assert!(!told.contains(&kid), "{kid:.20}");
        }
        // The same text names a key like any other, within the bound on its length.
        let named = key(Algorithm::ES256).with_key_id(kid.as_str());
        let jwks = [key(Algorithm::RS256).public_jwk(), named.public_jwk()];
        let expected = if kid.len() > 1024 { "no_matching_key" } else { "accepted" };
        assert_eq!(reason(&server_with_jwks(&jwks), &token().key(&named).sign()).await, expected, "{kid:.20}");
    }
}

#[tokio::test]
async fn r64_a_kid_longer_than_any_key_has_costs_no_fetch() {
    let provider = Provider::start(|_, _| Some(issuer().jwk_set())).await;
    let issuer = Issuer::new(ISSUER).jwk_set_url(format!("{}/keys", provider.url)).key_policy(patient());
    let server = server_trusting(issuer);
    assert_eq!(reason(&server, &token().sign()).await, "accepted");
    assert_eq!(provider.requests(), 1);
    let named = |bytes: usize| token().header("kid", "k".repeat(bytes)).sign();
    assert_eq!(reason(&server, &named(1025)).await, "no_matching_key");
    assert_eq!(provider.requests(), 1);
    assert_eq!(reason(&server, &named(1024)).await, "no_matching_key");
    assert_eq!(provider.requests(), 2);
}

#[tokio::test]
async fn r65_nothing_is_fetched_from_an_address_in_the_token() {
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", trap.local_addr().unwrap());
    let provider = Provider::start(|_, _| Some(issuer().jwk_set())).await;
    let remote = Issuer::new(ISSUER).jwk_set_url(format!("{}/keys", provider.url)).key_policy(patient());
    let other = TestIssuer::with_key("https://other.example.com", key(Algorithm::ES256));
    let servers =
        [server(), server_trusting(remote.clone()), builder().issuer(remote).issuer(other.trusted()).build().unwrap()];
    let trapped = || {
        let token = token().header("kid", format!("{url}/key"));
        [
            token.clone().header("jku", format!("{url}/jku")).sign(),
            token.clone().header("x5u", format!("{url}/x5u")).sign(),
            token.clone().claim("iss", url.as_str()).sign(),
            token.clone().claim("jwks_uri", format!("{url}/keys")).claim("aud", url.as_str()).sign(),
            token.header("kid", key(Algorithm::RS256).key_id()).header("jku", format!("{url}/jku")).sign(),
        ]
    };
    for server in &servers {
        for token in trapped() {
            // Also the last, which is good: `jku` is not read.
            let _ = server.validate(&token).await;
        }
        assert_eq!(reason(server, &trapped()[4]).await, "accepted");
    }
    // Connections queue up in order: the first that the trap sees is ours, so nobody came before.
    let ours = std::net::TcpStream::connect(trap.local_addr().unwrap()).unwrap();
    let (_, first) = trap.accept().unwrap();
    assert_eq!(first, ours.local_addr().unwrap());
}

#[tokio::test]
async fn r65_an_issuer_that_is_not_ours_costs_nobody_a_request() {
    let provider = Provider::start(|_, _| Some(issuer().jwk_set())).await;
    let remote = Issuer::new(ISSUER).jwk_set_url(format!("{}/keys", provider.url)).key_policy(patient());
    let server = server_trusting(remote);
    assert_eq!(reason(&server, &token().claim("iss", "https://evil.example").sign()).await, "issuer_mismatch");
    assert_eq!(reason(&server, &token().without_claim("iss").sign()).await, "claim_missing");
    assert_eq!(provider.requests(), 0);
    assert_eq!(reason(&server, &token().sign()).await, "accepted");
    assert_eq!(provider.requests(), 1);
}

#[tokio::test]
async fn r65_a_redirect_of_the_provider_is_not_followed() {
    let trap = Provider::start(|_, _| Some(issuer().jwk_set())).await;
    let target = format!("{}/keys", trap.url);
    let app = axum::Router::new().fallback(move || {
        let target = target.clone();
        async move { axum::response::Redirect::temporary(&target) }
    });
    let issuer = Issuer::new(ISSUER).jwk_set_url(format!("http://{}/keys", serve(app).await)).key_policy(patient());
    assert_eq!(reason(&server_trusting(issuer), &token().sign()).await, "keys_unavailable");
    assert_eq!(trap.requests(), 0);
}

#[tokio::test]
async fn r66_each_kind_of_token_has_its_own_type() {
    for typ in ["at+jwt", "application/at+jwt", "JWT"] {
        assert_eq!(reason(&server(), &token().header("typ", typ).sign()).await, "accepted", "{typ}");
    }
    let others = [
        "id+jwt",
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "oauth-authz-req+jwt",
        "token-introspection+jwt",
        "client-authentication+jwt",
        "kb+jwt",
        "dc+sd-jwt",
        "entity-statement+jwt",
        "JOSE",
        "JOSE+JSON",
    ];
    for typ in others {
        for typ in [typ.to_owned(), format!("application/{typ}")] {
            let token = token().header("typ", typ.as_str()).sign();
            assert_eq!(refusal(&server(), &token).await, Some(TokenError::TokenType), "{typ}");
        }
    }
}

#[tokio::test]
async fn r67_every_request_is_checked_for_its_audience() {
    let api = Api::start(&rfc6750_server()).await;
    let other = token().sign_defective(Defect::WrongAudience);
    for round in 1..=3 {
        assert_eq!(api.get_with(&token().sign()).await.status(), 200);
        let refused = api.get_with(&other).await;
        assert_eq!(refused.status(), 401);
        let description = auth_param(&challenge(&refused), "error_description").map(str::to_owned);
        assert_eq!(description.as_deref(), Some("the token is for another audience"));
        assert_eq!(api.runs(), round);
    }
}

#[tokio::test]
async fn r68_every_request_is_checked_for_its_permission() {
    let server = rfc6750_server();
    let read = server.layer().layer(RequireScopes::all(["read:leads"]).layer(service_fn(ok)));
    let write = server.layer().layer(RequireScopes::all(["write:leads"]).layer(service_fn(ok)));
    let request =
        |scope: &str| Request::get("/leads").header("authorization", format!("Bearer {}", token().scope(scope).sign()));
    for (scope, may_read, may_write) in
        [("read:leads", 200, 403), ("write:leads", 403, 200), ("read:leads write:leads", 200, 200), ("other", 403, 403)]
    {
        assert_eq!(ask_service(read.clone(), request(scope)).await.status.as_u16(), may_read, "{scope}");
        assert_eq!(ask_service(write.clone(), request(scope)).await.status.as_u16(), may_write, "{scope}");
    }
}

#[tokio::test]
async fn r70_tokens_and_secrets_are_neither_logged_nor_shown() {
    log::capture();
    let secret: Vec<u8> = (b'A'..=b'z').collect();
    let provider = Provider::start(|_, _| Some(issuer().jwk_set())).await;
    let remote = Issuer::new(ISSUER).jwk_set_url(format!("{}/keys", provider.url)).key_policy(patient());
    let shared = Issuer::new("https://hmac.example.com").shared_secret(secret.clone());
    let servers = [server(), rfc6750_server(), server_trusting(remote), server_trusting(shared.clone())];
    let mut tokens: Vec<_> = Defect::ALL.iter().map(|defect| token().sign_defective(*defect)).collect();
    tokens.extend([token().sign(), format!("{}.x", token().sign()), token().claim("exp", "x").sign()]);
    let mut shown = format!("{shared:?} {:?}", token());
    for server in &servers {
        shown.push_str(&format!("{server:?} {:?}", server.layer()));
        for token in &tokens {
            let answer = ask_with_token(server, token).await;
            shown.push_str(&format!("{:?} {:?} {:?}", answer.error, answer.headers, answer.body));
            match server.validate(token).await {
                Ok(token) => shown.push_str(&format!("{token:?} {:?}", token.require("other").unwrap_err())),
                Err(error) => shown.push_str(&format!("{error:?} {error}")),
            }
            let bare = ask_with(server, token.as_bytes()).await;
            shown.push_str(&format!("{:?} {:?} {:?}", bare.error, bare.headers, bare.body));
        }
    }
    let told = format!("{shown} {}", log::take());
    assert!(told.contains("reason=\"expired\""), "nothing was logged");
    assert!(!told.contains(std::str::from_utf8(&secret).unwrap()));
    assert!(!told.contains(format!("{:?}", &secret[..4]).trim_matches(['[', ']'])));
    for part in tokens.iter().flat_map(|token| token.split('.')).filter(|part| part.len() > 16) {
        assert!(!told.contains(part), "{part}");
    }
}

#[tokio::test]
async fn r73_a_token_bound_to_a_key_is_refused_as_a_bearer_token() {
    for confirmation in [json!({ "jkt": "x" }), json!({ "x5t#S256": "x" }), json!({}), json!(null), json!("x")] {
        let bound = token().claim("cnf", confirmation.clone()).sign();
        assert_eq!(refusal(&server(), &bound).await, Some(TokenError::SenderConstrained), "{confirmation}");
        let opted_out = server_trusting(issuer().trusted().dangerously_accept_sender_constrained());
        assert_eq!(refusal(&opted_out, &bound).await, None, "{confirmation}");
    }
}

#[tokio::test]
async fn a_bad_signature_on_an_expired_token_is_a_bad_signature() {
    let server = server();
    let expired = token().claim("exp", NOW.as_secs() - 600).claim("aud", "other");
    assert_eq!(reason(&server, &expired.clone().sign_defective(Defect::TamperedSignature)).await, "bad_signature");
    assert_eq!(reason(&server, &expired.sign()).await, "audience_mismatch");
    // Nor does a later time turn it into an expired one.
    let clock = clock();
    let server = builder().issuer(issuer().trusted()).clock(clock.clone()).build().unwrap();
    clock.advance(Duration::from_secs(3600));
    assert_eq!(reason(&server, &token().sign_defective(Defect::TamperedSignature)).await, "bad_signature");
    assert_eq!(reason(&server, &token().sign()).await, "expired");
}
