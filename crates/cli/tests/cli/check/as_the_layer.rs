//! `check` and the layer never disagree.

use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use http::{Request, Response};
use serde_json::json;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_bearer::jose::Algorithm;
use tower_bearer::{Issuer, RequireScopes, ResourceServer, StatusPolicy, TokenError};
use tower_bearer_authorization_server::{AuthorizationServer, Certificate, Client};
use tower_bearer_test::Defect;

use super::{AUDIENCE, NOW, check, clock, objects};
use crate::support::{Directory, stderr};

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_as_the_layer_does_for_every_defect() {
    let client = Client::new("app", "secret").audience(AUDIENCE).scopes(["read:leads"]);
    let server = AuthorizationServer::builder().client(client).signing_algorithm(Algorithm::ES256);
    let server = server.clock(clock()).start().await.unwrap();
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(Issuer::new(server.issuer())).clock(clock());
    let api = api.build().unwrap();
    let rfc6750 = api.with_status_policy(StatusPolicy::rfc6750());
    let (by_default, by_rfc6750) = (Served::start(&api).await, Served::start(&rfc6750).await);

    let mut tokens = vec![server.token().sign(), "opaque".into(), "a.b.c.d.e".into(), "eyJ.e.".into(), "a b".into()];
    tokens.extend(["{\"access_token\":1}".into(), "x".repeat(20_000), server.token().header("alg", 1).sign()]);
    tokens.extend(Defect::ALL.iter().map(|defect| server.defective_token(*defect)));
    tokens.push(server.token().claim("scope", "other").sign());
    tokens.push(server.token().claim("aud", 7).sign());
    tokens.push(server.token().claim("cnf", json!({"jkt": "x"})).sign());

    let arguments =
        ["--issuer", server.issuer(), "--audience", AUDIENCE, "--at", NOW, "--scope", "read:leads", "--json"];
    let output = check(&arguments, &tokens.join("\n"));
    let explained = objects(&output);
    assert_eq!((output.status.code(), explained.len()), (Some(1), tokens.len()), "{}", stderr(&output));
    for (token, explained) in tokens.iter().zip(&explained) {
        let answers = [(&by_default, "default"), (&by_rfc6750, "rfc6750")];
        for (served, policy) in answers {
            let (status, challenge, reason) = served.ask(token).await;
            let ours = &explained["answers"][policy];
            assert_eq!(explained["reason"].as_str(), reason, "{explained}");
            assert_eq!(ours["status"].as_u64().unwrap_or(200), u64::from(status), "{explained}");
            assert_eq!(ours["www_authenticate"].as_str(), challenge.as_deref(), "{explained}");
            assert_eq!(explained["accepted"], reason.is_none());
        }
        let results: Vec<_> = explained["checks"].as_array().unwrap().iter().map(|check| &check["result"]).collect();
        let failures = results.iter().filter(|result| **result == "failed").count();
        assert_eq!(failures, usize::from(explained["accepted"] == false), "{explained}");
        let first = results.iter().position(|result| **result == "failed").unwrap_or(results.len());
        assert!(results[..first].iter().all(|result| **result == "passed"), "{explained}");
        assert!(results.iter().skip(first + 1).all(|result| **result == "unverified"), "{explained}");
        let has_advice = !explained["advice"].as_array().unwrap().is_empty();
        assert_eq!(has_advice, explained["accepted"] == false, "{explained}");
    }
}

/// Where the keys of the API come from, good and bad.
const KEY_PLACES: [&str; 9] =
    ["discovery", "url", "metadata", "file", "no file", "refused", "unknown authority", "not found", "for encryption"];

/// The rules that can be switched on, each with its options for the command.
const RULES: [&[&str]; 12] = [
    &["--scope", "read:leads"],
    &["--require-at-jwt"],
    &["--allow-nonce"],
    &["--dangerously-accept-sender-constrained"],
    &["--algorithm", "RS256"],
    &["--algorithm", "ES256"],
    &["--leeway", "0"],
    &["--max-token-age", "120"],
    &["--max-token-bytes", "300"],
    &["--audience-claim", "client_id"],
    &["--scope-claim", "permissions"],
    &["--realm", "leads"],
];

/// Every token under mixtures of settings: the place of the keys, the rules, and one issuer or two.
#[tokio::test(flavor = "multi_thread")]
async fn it_answers_as_the_layer_does_for_every_setting() {
    let provider = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).clock(clock());
    let provider = provider.start().await.unwrap();
    let other = AuthorizationServer::builder().signing_algorithm(Algorithm::RS256).clock(clock());
    let other = other.start().await.unwrap();
    let untrusted = AuthorizationServer::builder().tls(Certificate::Valid).start().await.unwrap();
    let tokens = tokens(&provider, &other);
    let directory = Directory::new();
    for mixture in 0..KEY_PLACES.len() * 6 {
        let mixture = Mixture::new(mixture, &provider, &other, &untrusted, &directory);
        let server = mixture.server();
        settle(&server).await;
        let output = check(&mixture.arguments.iter().map(String::as_str).collect::<Vec<_>>(), &tokens.join("\n"));
        let explained = objects(&output);
        assert_eq!(explained.len(), tokens.len(), "{:?} {}", mixture.arguments, stderr(&output));
        let mut worst = 0;
        for (index, explained) in explained.iter().enumerate() {
            for (policy, statuses) in [("default", StatusPolicy::default()), ("rfc6750", StatusPolicy::rfc6750())] {
                let server = server.with_status_policy(statuses);
                let scope = mixture.has("--scope", "read:leads").then_some("read:leads");
                let (status, challenge, reason) = ask(&server, scope, &tokens[index]).await;
                let ours = &explained["answers"][policy];
                let what = format!("token {index} with {:?}: {explained:#}", mixture.arguments);
                assert_eq!(explained["reason"].as_str(), reason, "{what}");
                assert_eq!(ours["status"].as_u64(), status.map(u64::from), "{what}");
                assert_eq!(ours["www_authenticate"].as_str(), challenge.as_deref(), "{what}");
                worst = worst.max(match status {
                    None => 0,
                    Some(503) => 3,
                    Some(_) => 1,
                });
            }
            let has_advice = !explained["advice"].as_array().unwrap().is_empty();
            assert_eq!(has_advice, explained["accepted"] == false, "{explained:#}");
        }
        assert_eq!(output.status.code(), Some(worst), "{:?}", mixture.arguments);
    }
}

/// Every defect, tokens of another scheme or issuer, and what is no token.
pub(super) fn tokens(provider: &AuthorizationServer, other: &AuthorizationServer) -> Vec<String> {
    let token = || provider.token().audience(AUDIENCE).scope("read:leads");
    let mut tokens: Vec<_> = Defect::ALL.iter().map(|defect| token().sign_defective(*defect)).collect();
    tokens.extend(["opaque", "a.b.c.d.e", "eyJ.e.", "a b", "{\"access_token\":1}", "\u{e9}"].map(str::to_owned));
    tokens.extend(["alg", "kid", "typ", "b64", "zip"].map(|name| token().header(name, 1).sign()));
    tokens.extend(["ES384", "RS256", "HS512", "XX"].map(|alg| token().header("alg", alg).sign()));
    let https = provider.issuer().replacen("http:", "https:", 1);
    for issuer in [format!("{}/", provider.issuer()), https, provider.issuer().to_uppercase(), String::new()] {
        tokens.push(token().claim("iss", issuer).sign());
    }
    for name in ["iss", "aud", "exp", "sub", "client_id", "iat", "jti", "scope"] {
        tokens.push(token().without_claim(name).sign());
        tokens.push(token().claim(name, json!(null)).sign());
    }
    for (name, value) in [
        ("aud", json!([7])),
        ("aud", json!(["x", AUDIENCE])),
        ("exp", json!(1_800_000_300_000_u64)),
        ("nbf", json!("soon")),
        ("iat", json!(1_799_999_000)),
        ("nonce", json!("n")),
        ("cnf", json!({"jkt": "x"})),
        ("client_id", json!(AUDIENCE)),
        ("permissions", json!(["read:leads"])),
        ("typ", json!("Refresh")),
        ("scope", json!(["read:leads write:leads"])),
    ] {
        tokens.push(token().claim(name, value).sign());
    }
    tokens.push(token().sign());
    tokens.push(other.token().audience(AUDIENCE).sign());
    tokens.push("x".repeat(20_000));
    tokens
}

/// One configuration, as options of the command and as a resource server.
struct Mixture {
    arguments: Vec<String>,
    place: &'static str,
    issuer: String,
    keys: String,
    second: Option<String>,
    rules: Vec<&'static [&'static str]>,
}

impl Mixture {
    fn new(
        number: usize,
        provider: &AuthorizationServer,
        other: &AuthorizationServer,
        untrusted: &AuthorizationServer,
        directory: &Directory,
    ) -> Self {
        let place = KEY_PLACES[number % KEY_PLACES.len()];
        let mut set = provider.test_issuer().jwk_set();
        let usable = directory.write("keys.json", &set.to_string());
        set["keys"][0]["use"] = "enc".into();
        let keys = match place {
            "url" => provider.jwks_uri().to_owned(),
            "metadata" => format!("{}/.well-known/openid-configuration", provider.issuer()),
            "file" => usable,
            "no file" => directory.path("none.json"),
            "refused" => "http://127.0.0.1:1/keys".to_owned(),
            "unknown authority" => untrusted.jwks_uri().to_owned(),
            "not found" => format!("{}/no-keys", provider.issuer()),
            "for encryption" => directory.write("encryption.json", &set.to_string()),
            _ => String::new(),
        };
        // Each bit is a rule; the multiplier spreads them over few numbers.
        let bits = number.wrapping_mul(0x9e37_79b9) >> 7;
        let rules = RULES.into_iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
        let rules: Vec<_> = rules.map(|(_, rule)| rule).collect();
        // Keys elsewhere are of one issuer.
        let second = (place == "discovery" && number % 2 == 1).then(|| other.issuer().to_owned());
        let mut arguments = vec!["--json", "--at", NOW, "--audience", AUDIENCE, "--issuer", provider.issuer()];
        arguments.extend(second.iter().flat_map(|second| ["--issuer", second]));
        match place {
            "discovery" => {}
            "metadata" => arguments.extend(["--metadata-url", &keys]),
            _ => arguments.extend(["--jwks", &keys]),
        }
        arguments.extend(rules.iter().copied().flatten());
        let arguments = arguments.into_iter().map(str::to_owned).collect();
        Self { arguments, place, issuer: provider.issuer().to_owned(), keys, second, rules }
    }

    fn has(&self, option: &str, value: &str) -> bool {
        self.rules.iter().any(|rule| rule[0] == option && rule.get(1).is_none_or(|it| *it == value))
    }

    fn server(&self) -> ResourceServer {
        let mut builder = ResourceServer::builder().audience(AUDIENCE).clock(clock());
        builder = builder.issuer(self.issuer(&self.issuer, self.place));
        if let Some(second) = &self.second {
            builder = builder.issuer(self.issuer(second, "discovery"));
        }
        for rule in &self.rules {
            builder = match rule {
                ["--leeway", seconds] => builder.leeway(Duration::from_secs(seconds.parse().unwrap())),
                ["--max-token-age", seconds] => builder.max_token_age(Duration::from_secs(seconds.parse().unwrap())),
                ["--max-token-bytes", bytes] => builder.max_token_bytes(bytes.parse().unwrap()),
                ["--realm", realm] => builder.realm(*realm),
                _ => builder,
            };
        }
        builder.build().unwrap()
    }

    fn issuer(&self, name: &str, place: &str) -> Issuer {
        let mut issuer = Issuer::new(name);
        issuer = match place {
            "discovery" => issuer,
            "metadata" => issuer.metadata_url(&self.keys),
            "file" | "no file" | "for encryption" => issuer.jwk_set_file(&self.keys),
            _ => issuer.jwk_set_url(&self.keys),
        };
        let names = ["RS256", "ES256"].into_iter().filter(|name| self.has("--algorithm", name));
        let algorithms: Vec<_> = names.filter_map(Algorithm::from_name).collect();
        if !algorithms.is_empty() {
            issuer = issuer.algorithms(algorithms);
        }
        for rule in &self.rules {
            issuer = match rule {
                ["--require-at-jwt"] => issuer.require_at_jwt(),
                ["--allow-nonce"] => issuer.allow_nonce(),
                ["--dangerously-accept-sender-constrained"] => issuer.dangerously_accept_sender_constrained(),
                ["--audience-claim", name] => issuer.audience_claim(*name),
                ["--scope-claim", name] => issuer.scope_claims([*name]),
                _ => issuer,
            };
        }
        issuer
    }
}

/// What the layer answers: no status where the handler does.
pub(super) async fn ask(
    server: &ResourceServer,
    scope: Option<&'static str>,
    token: &str,
) -> (Option<u16>, Option<String>, Option<&'static str>) {
    let handler = service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(()))));
    let request = Request::builder().header("authorization", format!("Bearer {token}").as_bytes());
    let request = request.body(()).unwrap();
    let parts = match scope {
        Some(scope) => {
            let layer = RequireScopes::all([scope]);
            server.layer().layer(layer.layer(handler)).oneshot(request).await.unwrap().into_parts().0
        }
        None => server.layer().layer(handler).oneshot(request).await.unwrap().into_parts().0,
    };
    let reason = parts.extensions.get::<TokenError>().map(TokenError::reason);
    let challenge = parts.headers.get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    (reason.map(|_| parts.status.as_u16()), challenge, reason)
}

/// An API that has been running for a while.
pub(super) async fn settle(server: &ResourceServer) {
    while server.readiness().issuers.iter().any(|status| !status.is_ready() && status.failures == 0) {
        tokio::task::yield_now().await;
    }
}

/// An API behind the layer on a socket, which hands on the layer's reason.
struct Served(String);

impl Served {
    async fn start(server: &ResourceServer) -> Self {
        let tell = |mut response: axum::response::Response| async move {
            let reason = response.extensions().get::<TokenError>().map(TokenError::reason);
            if let Some(reason) = reason {
                response.headers_mut().insert("x-reason", reason.parse().unwrap());
            }
            response
        };
        let app = axum::Router::new()
            .route("/", axum::routing::get(async || ()))
            .route_layer(RequireScopes::all(["read:leads"]))
            .route_layer(server.layer())
            .layer(axum::middleware::map_response(tell));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self(format!("http://{address}/"))
    }

    async fn ask(&self, token: &str) -> (u16, Option<String>, Option<&'static str>) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let response = client.get(&self.0).header("authorization", format!("Bearer {token}")).send().await.unwrap();
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let reason: Option<String> = header("x-reason");
        let reason = reason.map(|reason| &*Box::leak(reason.into_boxed_str()));
        (response.status().as_u16(), header("www-authenticate"), reason)
    }
}
