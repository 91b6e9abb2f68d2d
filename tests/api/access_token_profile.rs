//! R20 to R32: JWT access tokens (RFC 9068).

use std::time::Duration;

use http::Request;
use serde_json::{Value, json};
use tower::{Layer, service_fn};
use tower_bearer::jose::Algorithm;
use tower_bearer::time::UnixTime;
use tower_bearer::{ClaimFault, Issuer, RequireRoles, RequireScopes, ResourceServer, TokenError};
use tower_bearer_test::{Defect, SigningKey, TestIssuer};

use crate::support::*;

fn strict_server() -> ResourceServer {
    server_trusting(issuer().trusted().require_at_jwt())
}

const NANOSECOND: Duration = Duration::from_nanos(1);

#[tokio::test]
async fn r20_strict_mode_accepts_only_the_type_of_access_tokens() {
    for typ in ["at+jwt", "AT+JWT", "At+Jwt", "application/at+jwt", "Application/AT+JWT"] {
        let token = token().header("typ", typ).sign();
        assert_eq!(reason(&strict_server(), &token).await, "accepted", "{typ}");
        assert_eq!(reason(&server(), &token).await, "accepted", "{typ}");
    }
    for typ in ["JWT", "jwt", "application/jwt"] {
        let token = token().header("typ", typ).sign();
        assert_eq!(reason(&strict_server(), &token).await, "token_type", "{typ}");
        assert_eq!(reason(&server(), &token).await, "accepted", "{typ}");
    }
    let untyped = token().without_header("typ").sign();
    assert_eq!(reason(&strict_server(), &untyped).await, "token_type");
    assert_eq!(reason(&server(), &untyped).await, "accepted");
    for typ in ["", "at", "at+jwt ", "text/at+jwt", "application/application/at+jwt", "at+jwt;v=1", "id+jwt"] {
        let token = token().header("typ", typ).sign();
        assert_eq!(reason(&strict_server(), &token).await, "token_type", "{typ:?}");
        assert_eq!(reason(&server(), &token).await, "token_type", "{typ:?}");
    }
}

#[tokio::test]
async fn r21_alg_none_is_refused_in_every_spelling() {
    let server = server();
    for alg in ["none", "None", "nOnE", "NONE", "", " none", "none "] {
        let signed = token().header("alg", alg).sign();
        let unsigned = format!("{}.", signed.rsplit_once('.').unwrap().0);
        assert_eq!(refusal(&server, &unsigned).await, Some(TokenError::AlgorithmNotAllowed), "{alg:?}");
        assert_eq!(refusal(&server, &signed).await, Some(TokenError::AlgorithmNotAllowed), "{alg:?}");
    }
    let unsigned = token().sign_defective(Defect::AlgNone);
    assert_eq!(refusal(&server, &unsigned).await, Some(TokenError::AlgorithmNotAllowed));
}

#[tokio::test]
async fn r22_rs256_is_supported_by_default() {
    assert_eq!(reason(&server(), &token().sign()).await, "accepted");
    let tampered = token().sign_defective(Defect::TamperedSignature);
    assert_eq!(reason(&server(), &tampered).await, "bad_signature");
    let other_claims = token().sign_defective(Defect::TamperedPayload);
    assert_eq!(reason(&server(), &other_claims).await, "bad_signature");
}

#[tokio::test]
async fn r22_every_other_algorithm_with_a_public_key_is_supported_too() {
    for algorithm in Algorithm::PUBLIC_KEY {
        let issuer = issuer_with(*algorithm);
        let server = server_trusting(issuer.trusted());
        assert_eq!(reason(&server, &issuer.token().sign()).await, "accepted", "{algorithm}");
        let tampered = issuer.token().sign_defective(Defect::TamperedSignature);
        assert_eq!(reason(&server, &tampered).await, "bad_signature", "{algorithm}");
    }
    let issuer = issuer_with(Algorithm::EdDSA);
    let renamed = issuer.token().header("alg", "Ed25519").sign();
    assert_eq!(reason(&server_trusting(issuer.trusted()), &renamed).await, "accepted");
}

#[tokio::test]
async fn r23_iss_equals_the_issuer_byte_by_byte() {
    let server = server();
    assert_eq!(reason(&server, &token().claim("iss", ISSUER).sign()).await, "accepted");
    let others = [
        "https://as.example.com/",
        "https://as.example.com:443",
        "https://AS.example.com",
        "http://as.example.com",
        "https://as.example.co",
        "https://as.example.com.",
        " https://as.example.com",
        "",
    ];
    for iss in others {
        let token = token().claim("iss", iss).sign();
        assert_eq!(refusal(&server, &token).await, Some(TokenError::IssuerMismatch), "{iss:?}");
    }
    // An issuer with a slash is not the one without.
    let slashed = server_trusting(TestIssuer::with_key("https://as.example.com/", key(Algorithm::RS256)).trusted());
    assert_eq!(reason(&slashed, &token().claim("iss", "https://as.example.com/").sign()).await, "accepted");
    assert_eq!(reason(&slashed, &token().sign()).await, "issuer_mismatch");
    for iss in [json!([ISSUER]), json!(null), json!(1), json!({})] {
        assert_eq!(reason(&server, &token().claim("iss", iss).sign()).await, "claim_type");
    }
}

#[tokio::test]
async fn r24_audience_absent_or_other() {
    let server = server();
    let absent = TokenError::Claim { name: "aud".into(), fault: ClaimFault::Missing };
    assert_eq!(refusal(&server, &token().without_claim("aud").sign()).await, Some(absent));
    let refused = [
        json!("https://other.example.com"),
        json!("https://api.example.com/"),
        json!("https://api.example.com "),
        json!("https://api.example.com https://other.example.com"),
        json!(""),
        json!([]),
        json!(["https://other.example.com", ISSUER]),
    ];
    for aud in refused {
        let refused = refusal(&server, &token().claim("aud", aud.clone()).sign()).await;
        assert_eq!(refused, Some(TokenError::AudienceMismatch), "{aud}");
    }
    for aud in [json!(AUDIENCE), json!([AUDIENCE]), json!(["https://other.example.com", AUDIENCE])] {
        assert_eq!(reason(&server, &token().claim("aud", aud.clone()).sign()).await, "accepted", "{aud}");
    }
}

#[tokio::test]
async fn r24_one_of_several_audiences_is_enough_and_an_issuer_may_have_its_own() {
    let several = builder().audience("leads").issuer(issuer().trusted()).build().unwrap();
    assert_eq!(reason(&several, &token().sign()).await, "accepted");
    assert_eq!(reason(&several, &token().claim("aud", "leads").sign()).await, "accepted");
    assert_eq!(reason(&several, &token().claim("aud", "lead").sign()).await, "audience_mismatch");
    let own = server_trusting(issuer().trusted().audience("leads"));
    assert_eq!(reason(&own, &token().claim("aud", "leads").sign()).await, "accepted");
    assert_eq!(reason(&own, &token().sign()).await, "audience_mismatch");
}

#[tokio::test]
async fn r24_an_audience_read_from_elsewhere_is_checked_the_same_way() {
    let server = server_trusting(issuer().trusted().audience_claim("client_id").audience("app"));
    let cognito = || token().without_claim("aud").claim("token_use", "access");
    assert_eq!(reason(&server, &cognito().sign()).await, "accepted");
    assert_eq!(reason(&server, &cognito().client_id("other").sign()).await, "audience_mismatch");
    for aud in [json!(5), json!(null), json!(["app", 5]), json!({})] {
        let wrong_type = TokenError::Claim { name: "aud".into(), fault: ClaimFault::WrongType };
        assert_eq!(refusal(&server, &cognito().claim("aud", aud).sign()).await, Some(wrong_type));
    }
    let missing = TokenError::Claim { name: "client_id".into(), fault: ClaimFault::Missing };
    assert_eq!(refusal(&server, &cognito().without_claim("client_id").sign()).await, Some(missing));
}

#[tokio::test]
async fn r25_the_signature_is_checked_with_the_issuers_own_keys() {
    let other_key = SigningKey::generate(Algorithm::RS256).unwrap();
    let other = TestIssuer::with_key("https://other.example.com", other_key.clone()).with_clock(clock());
    let server = builder().issuer(issuer().trusted()).issuer(other.trusted()).build().unwrap();
    assert_eq!(reason(&server, &token().sign()).await, "accepted");
    assert_eq!(reason(&server, &other.token().sign()).await, "accepted");
    assert_eq!(reason(&server, &token().key(&other_key).sign()).await, "no_matching_key");
    let renamed = other_key.with_key_id(key(Algorithm::RS256).key_id());
    assert_eq!(reason(&server, &token().key(&renamed).sign()).await, "bad_signature");
    assert_eq!(reason(&server, &token().key(&renamed).without_header("kid").sign()).await, "bad_signature");
}

#[tokio::test]
async fn r26_now_is_before_exp_with_the_leeway_added() {
    let end = NOW.saturating_add(Duration::from_secs(300));
    for leeway in [0, 1, 30, 300].map(Duration::from_secs) {
        let clock = clock();
        let server = builder().issuer(issuer().trusted()).clock(clock.clone()).leeway(leeway).build().unwrap();
        let token = token().claim("exp", end.as_secs()).sign();
        let limit = end.saturating_add(leeway);
        let times = [
            (limit.saturating_sub(Duration::from_secs(1)), None),
            (limit.saturating_sub(NANOSECOND), None),
            (limit, Some(TokenError::Expired)),
            (limit.saturating_add(NANOSECOND), Some(TokenError::Expired)),
            (limit.saturating_add(Duration::from_secs(1)), Some(TokenError::Expired)),
        ];
        for (time, expected) in times {
            clock.set_wall(Some(time));
            assert_eq!(refusal(&server, &token).await, expected, "{time} with {leeway:?}");
        }
    }
}

#[tokio::test]
async fn r26_the_leeway_is_30_seconds_by_default_and_300_at_most() {
    let expired_for = |seconds: u64| token().claim("exp", NOW.as_secs() - seconds).sign();
    assert_eq!(reason(&server(), &expired_for(29)).await, "accepted");
    assert_eq!(reason(&server(), &expired_for(30)).await, "expired");
    assert_eq!(reason(&server(), &expired_for(31)).await, "expired");
    let with = |leeway| builder().issuer(issuer().trusted()).leeway(leeway).build();
    let limit = Duration::from_secs(300);
    assert!(with(limit - NANOSECOND).is_ok());
    assert!(with(limit).is_ok());
    assert_eq!(with(limit + NANOSECOND).unwrap_err().setting(), "leeway");
    let validated = server().validate(&expired_for(29)).await.unwrap();
    assert_eq!(validated.expires_at(), UnixTime::from_secs(NOW.as_secs() - 29));
}

#[tokio::test]
async fn r27_strict_mode_requires_the_claims_of_the_profile() {
    let missing = |name: &'static str| Some(TokenError::Claim { name: name.into(), fault: ClaimFault::Missing });
    assert_eq!(refusal(&strict_server(), &token().sign()).await, None);
    for name in ["exp", "iss", "aud"] {
        let token = token().without_claim(name).sign();
        assert_eq!(refusal(&strict_server(), &token).await, missing(name));
        assert_eq!(refusal(&server(), &token).await, missing(name));
    }
    for name in ["sub", "client_id", "iat", "jti"] {
        let token = token().without_claim(name).sign();
        assert_eq!(refusal(&strict_server(), &token).await, missing(name));
        assert_eq!(refusal(&server(), &token).await, None, "{name}");
    }
}

#[tokio::test]
async fn r27_a_required_claim_without_content_is_refused() {
    for name in ["sub", "client_id", "jti"] {
        let invalid = Some(TokenError::Claim { name: name.into(), fault: ClaimFault::Invalid });
        let refused = ["".to_owned(), "a\nb".to_owned(), "\u{0}".to_owned(), "x".repeat(1025)];
        for value in refused {
            assert_eq!(refusal(&server(), &token().claim(name, value.as_str()).sign()).await, invalid, "{value:?}");
        }
        assert_eq!(refusal(&server(), &token().claim(name, "x".repeat(1024)).sign()).await, None);
        for value in [json!(null), json!(1), json!(["a"])] {
            assert_eq!(reason(&server(), &token().claim(name, value).sign()).await, "claim_type", "{name}");
        }
    }
}

#[tokio::test]
async fn r28_each_failed_check_is_a_401_invalid_token() {
    let (past, future) = (NOW.as_secs() - 600, NOW.as_secs() + 600);
    let stranger = SigningKey::generate(Algorithm::RS256).unwrap();
    let cases = [
        (token().header("alg", "none").sign(), "algorithm_not_allowed"),
        (token().header("kid", 1).sign(), "header_parameter"),
        (token().header("b64", false).sign(), "unsupported_header"),
        (token().key(&stranger).sign(), "no_matching_key"),
        (token().sign_defective(Defect::TamperedSignature), "bad_signature"),
        (sign_raw(object(&header_members()), "[]"), "claims_json"),
        (sign_raw(object(&header_members()), object(&format!("{0},{0}", claim_members()))), "claims_duplicate"),
        (token().without_claim("exp").sign(), "claim_missing"),
        (token().claim("exp", "soon").sign(), "claim_type"),
        (token().subject("").sign(), "claim_invalid"),
        (token().header("typ", "logout+jwt").sign(), "token_type"),
        (token().claim("nonce", "n").sign(), "not_an_access_token"),
        (token().claim("cnf", json!({ "jkt": "x" })).sign(), "sender_constrained"),
        (token().claim("iss", "https://other.example.com").sign(), "issuer_mismatch"),
        (token().claim("aud", "other").sign(), "audience_mismatch"),
        (token().claim("exp", past).sign(), "expired"),
        (token().claim("nbf", future).sign(), "not_yet_valid"),
        (token().claim("iat", future).sign(), "issued_in_future"),
    ];
    for (token, reason) in cases {
        for server in [server(), rfc6750_server()] {
            let answer = ask_with_token(&server, &token).await;
            assert_eq!((answer.status.as_u16(), answer.reason()), (401, reason));
            assert_eq!(auth_param(answer.challenge(), "error"), Some("invalid_token"), "{reason}");
        }
    }
}

#[tokio::test]
async fn r29_the_claims_about_permissions_decide() {
    let server = server();
    let request = |token: String| Request::get("/").header("authorization", format!("Bearer {token}"));
    let by_scope = server.layer().layer(RequireScopes::all(["read:leads"]).layer(service_fn(ok)));
    for (scope, status) in
        [("read:leads", 200), ("a read:leads b", 200), ("read:lead", 403), ("READ:LEADS", 403), ("", 403)]
    {
        let answer = ask_service(by_scope.clone(), request(token().scope(scope).sign())).await;
        assert_eq!(answer.status.as_u16(), status, "{scope:?}");
    }
    assert_eq!(ask_service(by_scope.clone(), request(token().without_claim("scope").sign())).await.status, 403);
    for name in ["groups", "roles", "entitlements"] {
        let by_role = server.layer().layer(RequireRoles::all(name, ["sales"]).layer(service_fn(ok)));
        let ask = |value: Value| ask_service(by_role.clone(), request(token().claim(name, value).sign()));
        assert_eq!(ask(json!(["it", "sales"])).await.status, 200, "{name}");
        let refused = ask(json!(["it", "sales2"])).await;
        assert_eq!((refused.status.as_u16(), refused.reason()), (403, "insufficient_role"), "{name}");
    }
}

#[tokio::test]
async fn r29_scopes_are_read_from_scope_or_scp_in_both_forms() {
    let granted = async |token: String, server: &ResourceServer| {
        server.validate(&token).await.unwrap().scope().as_str().to_owned()
    };
    let scoped = |name: &str, value: Value| token().without_claim("scope").claim(name, value).sign();
    for name in ["scope", "scp"] {
        assert_eq!(granted(scoped(name, json!("a b")), &server()).await, "a b");
        assert_eq!(granted(scoped(name, json!(["a", "b"])), &server()).await, "a b");
        // An entry with a space is no scope; it must not become two.
        assert_eq!(granted(scoped(name, json!(["a", "b c", ""])), &server()).await, "a");
        for value in [json!(1), json!(null), json!({}), json!(["a", 1])] {
            assert_eq!(reason(&server(), &scoped(name, value)).await, "claim_type");
        }
    }
    let both = token().claim("scope", "a").claim("scp", json!(["b"])).sign();
    assert_eq!(granted(both.clone(), &server()).await, "a");
    let renamed = server_trusting(issuer().trusted().scope_claims(["permissions", "scp"]));
    assert_eq!(granted(both, &renamed).await, "b");
    assert_eq!(granted(token().claim("permissions", json!(["c"])).sign(), &renamed).await, "c");
}

#[tokio::test]
async fn r30_an_encrypted_token_is_refused_as_such() {
    // RFC 7516 §A.1, shortened.
    let jwe = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJRgckCL9kiMT03JGe.48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6ji.XFBoMYUZodetZdvTiFvSkQ";
    for (server, status, code) in [(server(), 400, "invalid_request"), (rfc6750_server(), 401, "invalid_token")] {
        let answer = ask_with_token(&server, jwe).await;
        assert_eq!((answer.status.as_u16(), answer.reason()), (status, "encrypted_token"));
        assert_eq!(auth_param(answer.challenge(), "error"), Some(code));
    }
    // One that claims compression, as only encrypted tokens may have it.
    assert_eq!(
        refusal(&server(), &token().header("zip", "DEF").sign()).await,
        Some(TokenError::UnsupportedHeader("zip"))
    );
}

/// Metadata that names `{base}{path}` as its issuer and `{base}/elsewhere` for its keys.
fn metadata(base: &str, path: &str) -> Value {
    json!({ "issuer": format!("{base}{path}"), "jwks_uri": format!("{base}/elsewhere"), "unknown": [1] })
}

/// The verdict on a good token of `{provider}{path}`, whose metadata is asked for.
async fn discover(provider: &Provider, path: &str) -> &'static str {
    let issuer = TestIssuer::with_key(format!("{}{path}", provider.url), key(Algorithm::RS256)).with_clock(clock());
    let server = server_trusting(Issuer::new(issuer.url()).key_policy(patient()));
    reason(&server, &issuer.token().sign()).await
}

#[tokio::test]
async fn r31_the_keys_are_where_the_issuers_metadata_says() {
    let cases = [
        ("", "/.well-known/oauth-authorization-server"),
        ("/tenant", "/.well-known/oauth-authorization-server/tenant"),
        ("/tenant/", "/.well-known/oauth-authorization-server/tenant"),
        ("", "/.well-known/openid-configuration"),
        ("/tenant", "/tenant/.well-known/openid-configuration"),
    ];
    for (issuer_path, metadata_path) in cases {
        let provider = Provider::start(move |base, path| match path {
            "/elsewhere" => Some(issuer().jwk_set()),
            path => (path == metadata_path).then(|| metadata(base, issuer_path)),
        })
        .await;
        assert_eq!(discover(&provider, issuer_path).await, "accepted", "{issuer_path} {metadata_path}");
    }
}

#[tokio::test]
async fn r31_metadata_of_another_issuer_is_refused() {
    type Metadata = fn(&str) -> Value;
    let wrong: [(&str, Metadata); 6] = [
        ("a slash more", |base| metadata(base, "/")),
        ("another path", |base| metadata(base, "/tenant")),
        ("another host", |base| json!({ "issuer": ISSUER, "jwks_uri": format!("{base}/elsewhere") })),
        ("no issuer", |base| json!({ "jwks_uri": format!("{base}/elsewhere") })),
        ("no keys", |base| json!({ "issuer": base })),
        ("keys on plain HTTP", |base| json!({ "issuer": base, "jwks_uri": "http://as.example.com/keys" })),
    ];
    for (name, wrong) in wrong {
        let provider = Provider::start(move |base, path| match path {
            "/elsewhere" => Some(issuer().jwk_set()),
            _ => Some(wrong(base)),
        })
        .await;
        log::capture();
        assert_eq!(discover(&provider, "").await, "keys_unavailable", "{name}");
        assert_eq!(provider.requests(), 2, "{name}: nothing was asked but the two places of metadata");
        if name == "a slash more" {
            let url = &provider.url;
            let told = format!("the metadata is of the issuer \"{url}/\", the configuration says \"{url}\"");
            let log = log::take();
            assert!(log.contains(&told), "{log}");
        }
    }
}

#[tokio::test]
async fn r32_id_tokens_and_other_kinds_are_not_access_tokens() {
    let server = server();
    let of_kind = |name: &'static str, value: Value| (name, token().header("typ", "JWT").claim(name, value).sign());
    let refused = [
        of_kind("nonce", json!("n-0S6_WzA2Mj")),
        of_kind("at_hash", json!("77QmUPtjPfzWtF2AnpK9RQ")),
        of_kind("c_hash", json!("LDktKdoQak3Pk0cnXxCltA")),
        of_kind("events", json!({ "http://schemas.openid.net/event/backchannel-logout": {} })),
        of_kind("token_use", json!("id")),
        of_kind("token_use", json!("refresh")),
        of_kind("typ", json!("ID")),
        of_kind("typ", json!("Refresh")),
        of_kind("typ", json!("Logout")),
    ];
    for (name, token) in refused {
        assert_eq!(refusal(&server, &token).await, Some(TokenError::NotAnAccessToken(name)));
    }
    for (name, value) in [("token_use", "access"), ("typ", "Bearer")] {
        assert_eq!(reason(&server, &of_kind(name, json!(value)).1).await, "accepted", "{name}");
    }
    assert_eq!(reason(&server, &token().sign_defective(Defect::IdToken)).await, "not_an_access_token");
    let keycloak = server_trusting(issuer().trusted().allow_nonce());
    assert_eq!(reason(&keycloak, &of_kind("nonce", json!("n")).1).await, "accepted");
    assert_eq!(reason(&keycloak, &token().sign_defective(Defect::IdToken)).await, "not_an_access_token");
}
