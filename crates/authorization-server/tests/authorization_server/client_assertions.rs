//! Client authentication by signed assertions, `private_key_jwt`: RFC 7523, OpenID Connect Core 1.0 section 9.

use std::fs;
use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tower_bearer::jose::Algorithm;
use tower_bearer::time::{Clock, ManualClock, UnixTime};
use tower_bearer_authorization_server::{
    AuthorizationServer, AuthorizationServerBuilder, Client, Endpoint, StartError,
};
use tower_bearer_test::{SigningKey, TestIssuer, TokenBuilder};

use crate::browser::{CALLBACK, CHALLENGE, PASSWORD, answer, introspect, text};
use crate::support::{AUDIENCE, SECRET, assert_refused, basic, builder, client};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const GRANT: (&str, &str) = ("grant_type", "client_credentials");

/// A client `job` with a key, and a server that knows it.
struct Job {
    server: AuthorizationServer,
    issuer: TestIssuer,
    clock: ManualClock,
}

impl Job {
    async fn start(algorithm: Algorithm) -> Self {
        Self::start_with(algorithm, |client| client).await
    }

    async fn start_with(algorithm: Algorithm, settings: impl FnOnce(Client) -> Client) -> Self {
        let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
        let key = SigningKey::generate(algorithm).unwrap();
        let client = Client::with_jwks("job", json!({ "keys": [key.public_jwk()] })).audience(AUDIENCE);
        let server = builder().client(settings(client)).clock(clock.clone()).start().await.unwrap();
        let issuer = TestIssuer::with_key("job", key).with_clock(clock.clone());
        Self { server, issuer, clock }
    }

    /// A good assertion, to be spoiled. `jti` is another one each time.
    fn assertion(&self) -> TokenBuilder {
        let token = self.issuer.token().subject("job").without_claim("client_id");
        token.header("typ", "JWT").claim("aud", self.server.issuer()).expires_in(Duration::from_secs(60))
    }

    fn post(&self, path: &str, assertion: &str, form: &[(&str, &str)]) -> RequestBuilder {
        let own = [("client_assertion_type", TYPE), ("client_assertion", assertion)];
        client().post(format!("{}{path}", self.server.issuer())).form(&[&own, form].concat())
    }

    async fn status(&self, assertion: TokenBuilder) -> u16 {
        self.post("/token", &assertion.sign(), &[GRANT]).send().await.unwrap().status().as_u16()
    }

    async fn assert_refused(&self, assertion: &str) {
        assert_refused(self.post("/token", assertion, &[GRANT]), 401, "invalid_client").await;
    }
}

#[tokio::test]
async fn s08_keys_of_every_algorithm_authenticate_a_client() {
    for algorithm in Algorithm::PUBLIC_KEY {
        let job = Job::start(*algorithm).await;
        let issued = answer(job.post("/token", &job.assertion().sign(), &[GRANT])).await;
        let told = introspect(&job.server, text(&issued, "access_token")).await;
        assert_eq!(told["client_id"], "job", "{algorithm}");
        let log = job.server.request_log();
        assert_eq!(log[0].client_id.as_deref(), Some("job"));
    }
}

#[tokio::test]
async fn s08_every_endpoint_that_authenticates_takes_assertions() {
    let with_users = |client: Client| client.redirect_uri(CALLBACK).device().scopes(["read:leads"]);
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let of_job = with_users(Client::with_jwks("job", key.public_jwk()).audience(AUDIENCE));
    let alice = tower_bearer_authorization_server::User::new("alice", PASSWORD);
    let server = builder().client(of_job).user(alice).clock(clock.clone()).start().await.unwrap();
    let job = Job { server, issuer: TestIssuer::with_key("job", key).with_clock(clock.clone()), clock };

    let issued = answer(job.post("/token", &job.assertion().sign(), &[GRANT])).await;
    let token = text(&issued, "access_token");
    let told = answer(job.post("/introspect", &job.assertion().sign(), &[("token", token)])).await;
    assert_eq!(told["active"], true);
    let pushed = [
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let pushed = job.post("/par", &job.assertion().sign(), &pushed).send().await.unwrap();
    assert_eq!(pushed.status(), StatusCode::CREATED);
    let device = answer(job.post("/device_authorization", &job.assertion().sign(), &[])).await;
    assert!(device["device_code"].is_string());
    let revoked = job.post("/revoke", &job.assertion().sign(), &[("token", token)]).send().await.unwrap();
    assert_eq!(revoked.status(), StatusCode::OK);
    assert_eq!(introspect(&job.server, token).await, json!({ "active": false }));

    // At each of them, once.
    let assertion = job.assertion().sign();
    let first = job.post("/introspect", &assertion, &[("token", token)]).send().await.unwrap();
    assert_eq!(first.status(), StatusCode::OK);
    for path in ["/token", "/introspect", "/par", "/device_authorization", "/revoke"] {
        assert_refused(job.post(path, &assertion, &[GRANT, ("token", token)]), 401, "invalid_client").await;
    }
    let methods = job.server.metadata();
    for endpoint in ["token", "introspection", "revocation"] {
        let list =
            |name: &str| methods[&format!("{endpoint}_endpoint_auth_{name}_supported")].as_array().unwrap().clone();
        assert!(list("methods").contains(&json!("private_key_jwt")), "{endpoint}");
        let algorithms = list("signing_alg_values");
        assert!(algorithms.contains(&json!("ES256")) && algorithms.contains(&json!("EdDSA")), "{endpoint}");
        assert!(!algorithms.iter().any(|name| name == "none" || name.as_str().unwrap().starts_with("HS")));
    }
}

#[tokio::test]
async fn s08_the_audience_is_this_server() {
    let job = Job::start(Algorithm::ES256).await;
    let issuer = job.server.issuer();
    for good in [
        json!(issuer),
        json!(job.server.token_endpoint()),
        json!(format!("{issuer}/par")),
        json!([issuer]),
        json!(["https://other.example", issuer]),
    ] {
        assert_eq!(job.status(job.assertion().claim("aud", good.clone())).await, 200, "{good}");
    }
    for bad in [
        json!("https://other.example"),
        json!(format!("{issuer}/")),
        json!(format!("{issuer}/other")),
        json!(["https://other.example"]),
        json!([]),
        json!([[issuer]]),
        json!({ "aud": issuer }),
        json!(1),
        json!(""),
        Value::Null,
    ] {
        job.assert_refused(&job.assertion().claim("aud", bad).sign()).await;
    }
    job.assert_refused(&job.assertion().without_claim("aud").sign()).await;
}

#[tokio::test]
async fn s08_an_assertion_has_its_time_and_one_use() {
    let job = Job::start(Algorithm::ES256).await;
    let now = job.clock.now().unwrap().as_secs();
    for (claim, offset, status) in [
        ("exp", -31, 401),
        ("exp", -30, 401),
        ("exp", -29, 200),
        ("exp", 3_600, 200),
        ("exp", 3_631, 401),
        ("nbf", 30, 200),
        ("nbf", 31, 401),
        ("iat", 30, 200),
        ("iat", 31, 401),
        ("iat", -86_400, 200),
    ] {
        let time = now.checked_add_signed(offset).unwrap();
        assert_eq!(job.status(job.assertion().claim(claim, time)).await, status, "{claim} {offset}");
    }
    for wrong in [json!("1800000060"), json!(-1), json!(1_800_000_060.5), json!([]), json!(1_800_000_060_000_u64)] {
        job.assert_refused(&job.assertion().claim("exp", wrong).sign()).await;
    }
    job.assert_refused(&job.assertion().without_claim("exp").sign()).await;
    assert_eq!(job.status(job.assertion().without_claim("iat")).await, 200);

    for wrong in [json!(""), json!(7), json!("x".repeat(1_025)), Value::Null] {
        job.assert_refused(&job.assertion().claim("jti", wrong).sign()).await;
    }
    job.assert_refused(&job.assertion().without_claim("jti").sign()).await;

    // The same `jti` in another assertion is the same use, until the first one has ended and its leeway is over.
    let with_jti = || job.assertion().claim("jti", "one").claim("nonce", now);
    assert_eq!(job.status(with_jti()).await, 200);
    assert_eq!(job.status(with_jti()).await, 401);
    job.clock.advance(Duration::from_secs(89));
    assert_eq!(job.status(with_jti()).await, 401);
    job.clock.advance(Duration::from_secs(1));
    assert_eq!(job.status(with_jti()).await, 200);
}

/// One that was refused for something else has not been used.
#[tokio::test]
async fn s08_refused_assertions_are_not_remembered() {
    let job = Job::start(Algorithm::ES256).await;
    let good = job.assertion().claim("jti", "one");
    job.assert_refused(&good.clone().claim("aud", "https://other.example").sign()).await;
    let (input, _) =
        job.assertion().claim("jti", "one").sign().rsplit_once('.').map(|(a, b)| (a.to_owned(), b.len())).unwrap();
    job.assert_refused(&format!("{input}.AAAA")).await;
    assert_eq!(job.status(good).await, 200);
}

#[tokio::test]
async fn s08_it_names_the_client_that_signed_it() {
    let job = Job::start(Algorithm::ES256).await;
    for (iss, sub) in [("app", "app"), ("job", "app"), ("app", "job"), ("JOB", "JOB"), ("none", "none"), ("", "")] {
        job.assert_refused(&job.assertion().claim("iss", iss).claim("sub", sub).sign()).await;
    }
    for claim in ["iss", "sub"] {
        job.assert_refused(&job.assertion().without_claim(claim).sign()).await;
        job.assert_refused(&job.assertion().claim(claim, json!(["job"])).sign()).await;
    }
    // `client_id` is not needed, and says the same (RFC 7521 section 4.2).
    let with = |id: &'static str| job.post("/token", &job.assertion().sign(), &[GRANT, ("client_id", id)]);
    assert_eq!(with("job").send().await.unwrap().status(), StatusCode::OK);
    assert_refused(with("app"), 400, "invalid_request").await;
}

#[tokio::test]
async fn s08_only_the_clients_own_keys_count() {
    let job = Job::start(Algorithm::ES256).await;
    let stranger = SigningKey::generate(Algorithm::ES256).unwrap();
    job.assert_refused(&job.assertion().key(&stranger).sign()).await;
    let own_id = stranger.with_key_id(job.issuer.signing_key().key_id());
    job.assert_refused(&job.assertion().key(&own_id).sign()).await;
    // Those of the server sign tokens, not assertions.
    job.assert_refused(&job.assertion().key(&job.server.test_issuer().signing_key()).sign()).await;
    job.assert_refused(&job.assertion().header("kid", "other").sign()).await;
    job.assert_refused(&job.assertion().header("kid", 1).sign()).await;
    assert_eq!(job.status(job.assertion().without_header("kid")).await, 200);
    // Another client's key is not this one's.
    let other = SigningKey::generate(Algorithm::ES256).unwrap();
    let of_other = Client::with_jwks("other", other.public_jwk()).audience(AUDIENCE);
    let both = builder()
        .client(of_other)
        .client(Client::with_jwks("job", job.issuer.signing_key().public_jwk()).audience(AUDIENCE));
    let both = Job {
        server: both.clock(job.clock.clone()).start().await.unwrap(),
        issuer: job.issuer.clone(),
        clock: job.clock.clone(),
    };
    both.assert_refused(&both.assertion().key(&other).sign()).await;
    assert_eq!(both.status(both.assertion()).await, 200);
}

#[tokio::test]
async fn s08_what_the_header_says_is_checked() {
    let job = Job::start(Algorithm::ES256).await;
    for typ in ["jwt", "JWT", "client-authentication+jwt"] {
        assert_eq!(job.status(job.assertion().header("typ", typ)).await, 200, "{typ}");
    }
    assert_eq!(job.status(job.assertion().without_header("typ")).await, 200);
    for typ in [json!("at+jwt"), json!("dpop+jwt"), json!("logout+jwt"), json!("token-introspection+jwt"), json!(1)] {
        job.assert_refused(&job.assertion().header("typ", typ).sign()).await;
    }
    for algorithm in
        [json!("none"), json!("HS256"), json!("ES384"), json!("RS256"), json!("es256"), json!(1), Value::Null]
    {
        job.assert_refused(&job.assertion().header("alg", algorithm).sign()).await;
    }
    job.assert_refused(&job.assertion().without_header("alg").sign()).await;
    job.assert_refused(&job.assertion().header("crit", json!(["exp"])).sign()).await;
    let good = job.assertion().sign();
    let parts: Vec<_> = good.split('.').collect();
    for malformed in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "x".to_owned(),
        format!("{}.{}", parts[0], parts[1]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{good}."),
        format!("{good}="),
        format!("{}.{}.{}.x", parts[0], parts[1], parts[2]),
        format!("{}..{}", parts[0], parts[2]),
        format!("W10.{}.{}", parts[1], parts[2]),
        format!("{}.W10.{}", parts[0], parts[2]),
        "a".repeat(20_000),
    ] {
        job.assert_refused(&malformed).await;
    }
}

#[tokio::test]
async fn s08_one_method_a_request_and_no_way_around_it() {
    let job = Job::start(Algorithm::ES256).await;
    let request = job.post("/token", &job.assertion().sign(), &[GRANT]).header("authorization", basic("app", SECRET));
    assert_refused(request, 400, "invalid_request").await;
    let secret = ("client_secret", SECRET);
    assert_refused(job.post("/token", &job.assertion().sign(), &[GRANT, secret]), 400, "invalid_request").await;
    // Without an assertion, the client cannot authenticate: it is not public, and has no secret.
    for form in [vec![GRANT, ("client_id", "job")], vec![GRANT, ("client_id", "job"), ("client_secret", "")]] {
        assert_refused(client().post(job.server.token_endpoint()).form(&form), 401, "invalid_client").await;
    }
    let with_secret =
        client().post(job.server.token_endpoint()).form(&[GRANT]).header("authorization", basic("job", ""));
    assert_refused(with_secret, 401, "invalid_client").await;
    for kind in ["", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"] {
        let assertion = job.assertion().sign();
        let form = [GRANT, ("client_assertion_type", kind), ("client_assertion", assertion.as_str())];
        assert_refused(client().post(job.server.token_endpoint()).form(&form), 401, "invalid_client").await;
    }
    // A client that moves from a secret to keys has both.
    let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let both = Client::new("both", "s3cret").jwks(key.public_jwk()).audience(AUDIENCE);
    let server = builder().client(both).start().await.unwrap();
    assert_eq!(
        server.clients()[1].authentication_methods,
        ["client_secret_basic", "client_secret_post", "private_key_jwt"]
    );
    let with_secret =
        client().post(server.token_endpoint()).form(&[GRANT]).header("authorization", basic("both", "s3cret"));
    answer(with_secret).await;
    let assertion = TestIssuer::with_key("both", key).token().header("typ", "JWT").subject("both");
    let assertion = assertion.claim("aud", server.issuer()).sign();
    let form = [GRANT, ("client_assertion_type", TYPE), ("client_assertion", assertion.as_str())];
    answer(client().post(server.token_endpoint()).form(&form)).await;
    assert_eq!(server.requests(Endpoint::Token), 2);
}

#[tokio::test]
async fn keys_that_verify_nothing_are_refused_at_the_start() {
    let key = SigningKey::generate(Algorithm::ES256).unwrap().public_jwk();
    let with = |member: &str, value: Value| {
        let mut key = key.clone();
        key[member] = value;
        key
    };
    for (jwks, problem) in [
        (json!({ "keys": [] }), "there is no key in it"),
        (json!({ "keys": {} }), "`keys` is not an array"),
        (json!({ "keys": [key, {}] }), "the key at place 1 cannot be used: missing or invalid key member"),
        (json!([]), "the key at place 0 cannot be used: not a JWK"),
        (with("d", json!("AQ")), "the key at place 0 cannot be used: private key"),
        (with("x", json!("AQ")), "the key at place 0 cannot be used: missing or invalid key member"),
        (with("use", json!("enc")), "the key at place 0 cannot be used: for another use"),
        (json!({ "kty": "oct", "k": "c2VjcmV0" }), "the key at place 0 cannot be used: symmetric key"),
    ] {
        let client = Client::with_jwks("job", jwks.clone()).audience(AUDIENCE);
        let refused = AuthorizationServer::builder().client(client).start().await.unwrap_err();
        assert!(matches!(&refused, StartError::ClientKeys { problem: found, .. } if found == problem), "{refused}");
        assert!(refused.to_string().starts_with(&format!("the keys of client `job` are not usable: {problem}; give ")));
    }
}

#[tokio::test]
async fn a_file_has_the_keys_of_a_client_or_names_their_file() {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let set = json!({ "keys": [key.public_jwk()] });
    let directory =
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("client-keys-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("job-keys.json"), set.to_string()).unwrap();
    fs::write(directory.join("bad.json"), "{ \"keys\": canary").unwrap();
    fs::write(directory.join("empty.json"), "{ \"keys\": [] }").unwrap();
    let config = directory.join("as.json");
    let read = |client: Value| {
        let mut client = client;
        client["id"] = json!("job");
        client["audiences"] = json!([AUDIENCE]);
        fs::write(&config, json!({ "keys": [{ "algorithm": "ES256" }], "clients": [client] }).to_string()).unwrap();
        AuthorizationServerBuilder::from_file(&config)
    };
    for client in [json!({ "jwks": set }), json!({ "jwks_file": "job-keys.json" })] {
        let server = read(client).unwrap().start().await.unwrap();
        assert_eq!(server.clients()[0].authentication_methods, ["private_key_jwt"]);
        let assertion = TestIssuer::with_key("job", key.clone()).token().header("typ", "JWT").subject("job");
        let assertion = assertion.claim("aud", server.issuer()).sign();
        let form = [GRANT, ("client_assertion_type", TYPE), ("client_assertion", assertion.as_str())];
        answer(crate::support::client().post(server.token_endpoint()).form(&form)).await;
    }
    for (client, part) in [
        (json!({ "jwks_file": "no.json" }), "clients[0].jwks_file: "),
        (json!({ "jwks_file": "bad.json" }), "bad.json is not JSON"),
        (json!({ "jwks_file": "empty.json" }), "clients[0].jwks_file: the keys of client `job` are not usable"),
        (json!({ "jwks": { "keys": [] } }), "clients[0].jwks: the keys of client `job` are not usable"),
        (json!({ "jwks_file": "job-keys.json", "jwks": set }), "the client has `jwks` too; leave one of them out"),
    ] {
        let refused = read(client).unwrap_err().to_string();
        assert!(refused.contains(part) && !refused.contains("canary"), "{refused}");
    }
}
