//! `ResourceServer::describe`: every setting that affects validation, and no secret.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use tower_bearer::jose::Algorithm;
use tower_bearer::{
    Issuer, KeyPolicy, OmittedSetting, RefusalBody, RefusalKind, ResourceServer, ResourceServerDescription,
    StatusPolicy,
};
use tower_bearer_test::{SigningKey, TestIssuer};

const SECRET: &str = "0123456789abcdefghijklmnopqrstuvwxyz-SECRET";

#[test]
fn every_setting_is_described() {
    let first = Issuer::new("https://as.example.com")
        .audience("urn:leads")
        .algorithms([Algorithm::ES256])
        .jwk_set_url(format!("https://as.example.com/keys?sig={SECRET}"))
        .failover_jwk_set_url(format!("https://mirror.example.net/keys#{SECRET}"))
        .failover_jwk_set_file("/var/lib/keys.json")
        .key_policy(KeyPolicy::default().request_wait(Duration::from_millis(1_500)))
        .key_request_header("x-api-key", SECRET)
        .http_client(|client| client)
        .refuse_networks(["10.0.0.0/8"])
        .audience_claim("client_id")
        .scope_claims(["permissions"])
        .client_id_claims(["azp"])
        .require_at_jwt()
        .allow_nonce()
        .dangerously_accept_sender_constrained()
        .dangerously_allow_http();
    let api = ResourceServer::builder()
        .audience("https://api.example.com")
        .issuer(first)
        .realm("leads")
        .leeway(Duration::from_secs(5))
        .max_token_age(Duration::from_secs(3_600))
        .max_token_bytes(8_192)
        .token_cache_bytes(0)
        .status_policy(StatusPolicy::rfc6750().with(RefusalKind::Forbidden, StatusCode::NOT_FOUND).unwrap())
        .refusal_body(RefusalBody::Empty)
        .on_refusal(|_, response| response)
        .build()
        .unwrap();
    let described = serde_json::to_value(api.describe()).unwrap();
    assert_eq!(
        described,
        json!({
            "audiences": ["https://api.example.com"],
            "realm": "leads",
            "leeway": "5s",
            "max_token_age": "3600s",
            "max_token_bytes": 8_192,
            "token_cache_bytes": 0,
            "status_policy": {
                "absent": 401,
                "scheme_missing": 400,
                "broken_credentials": 400,
                "malformed": 401,
                "invalid": 401,
                "forbidden": 404,
                "unavailable": 503,
                "key_not_proven_absent": 503,
            },
            "refusal_body": "empty",
            "issuers": [{
                "name": "https://as.example.com",
                "audiences": ["urn:leads"],
                "algorithms": ["ES256"],
                "jwk_set_url": "https://as.example.com/keys",
                "failovers": [
                    { "jwk_set_url": "https://mirror.example.net/keys" },
                    { "jwk_set_file": "/var/lib/keys.json" },
                ],
                "key_policy": {
                    "lifetime": "300s",
                    "staleness_bound": "3600s",
                    "request_wait": "1500ms",
                    "connect_timeout": "2s",
                    "fetch_timeout": "5s",
                },
                "refuse_networks": ["10.0.0.0/8"],
                "require_same_origin_jwks_uri": false,
                "audience_claim": "client_id",
                "scope_claims": ["permissions"],
                "client_id_claims": ["azp"],
                "require_at_jwt": true,
                "allow_nonce": true,
                "dangerously_accept_sender_constrained": true,
                "dangerously_allow_http": true,
                "omitted": ["url_query", "http_client", "key_request_header"],
            }],
            "omitted": ["on_refusal"],
        })
    );
    let read: ResourceServerDescription = serde_json::from_value(described).unwrap();
    assert_eq!(read, api.describe());
}

/// Secrets, and settings that only code can express, are named instead of shown.
#[test]
fn no_secret_is_described() {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let issuer = TestIssuer::with_key("https://as.example.com", key.clone());
    let mut set = issuer.jwk_set();
    let mut private = set["keys"][0].clone();
    (private["kid"], private["d"]) = ("private".into(), SECRET.into());
    set["keys"].as_array_mut().unwrap().extend([private, json!({"kty": "oct", "k": SECRET}), json!({"note": SECRET})]);
    set["note"] = SECRET.into();
    let pem = format!("{SECRET}\n{}\n{SECRET}", key.public_key_pem());
    let new = || Issuer::new("https://as.example.com");
    let signed = format!("https://as.example.com/metadata?sig={SECRET}");
    for (issuer, omitted) in [
        (new().shared_secret(SECRET), &[OmittedSetting::SharedSecret][..]),
        (new().metadata_url(signed), &[OmittedSetting::UrlQuery]),
        (new().key_request_header("authorization", format!("Basic {SECRET}")), &[OmittedSetting::KeyRequestHeader]),
        (new().http_client(|client| client.user_agent(SECRET)), &[OmittedSetting::HttpClient]),
        (new().jwk_set(set.to_string()), &[]),
        (new().pem(pem), &[]),
    ] {
        let api = ResourceServer::builder().audience("https://api.example.com").issuer(issuer).build().unwrap();
        let described = api.describe();
        assert_eq!(described.issuers[0].omitted, omitted);
        let json = serde_json::to_string(&described).unwrap();
        assert!(!json.contains("SECRET"), "{json}");
        assert!(!format!("{described:?}").contains("SECRET"), "{described:?}");
    }
}

#[test]
fn changes_at_run_time_are_described() {
    let [first, second] = ["https://a.example.com", "https://b.example.com"].map(Issuer::new);
    let api = ResourceServer::builder().audience("https://api.example.com").issuer(first).build().unwrap();
    let names = || api.describe().issuers.into_iter().map(|issuer| (issuer.name, issuer.enabled)).collect::<Vec<_>>();
    assert_eq!(names(), [("https://a.example.com".to_owned(), true)]);
    api.add_issuer(&second).unwrap();
    api.disable_issuer("https://a.example.com");
    assert_eq!(names(), [("https://a.example.com".to_owned(), false), ("https://b.example.com".to_owned(), true)]);
    api.remove_issuer("https://a.example.com");
    assert_eq!(names(), [("https://b.example.com".to_owned(), true)]);

    let strict = api.with_status_policy(StatusPolicy::rfc6750()).describe();
    assert_eq!(
        (strict.status_policy, api.describe().status_policy),
        (StatusPolicy::rfc6750(), StatusPolicy::default())
    );
    assert_eq!(strict.realm.as_deref(), Some("https://api.example.com"), "the realm that challenges have");
}

/// A setting that a file leaves out has the builder's default.
#[test]
fn a_description_has_the_defaults_of_the_builder() {
    let read: ResourceServerDescription =
        serde_json::from_str(r#"{"issuers":[{"name":"https://as.example.com"}]}"#).unwrap();
    let built = ResourceServer::builder().audience("a").issuer(Issuer::new("https://as.example.com")).build().unwrap();
    let mut described = built.describe();
    (described.audiences, described.realm) = (Vec::new(), None);
    assert_eq!(read, described);
}
