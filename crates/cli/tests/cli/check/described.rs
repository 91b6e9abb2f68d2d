//! `check --config` validates tokens as the resource server whose description it reads does.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use tower_bearer::jose::Algorithm;
use tower_bearer::{
    FetchedKeySet, Issuer, KeyPolicy, KeySource, KeySourceFuture, RefusalBody, RefusalKind, ResourceServer,
    ResourceServerBuilder, StatusPolicy,
};
use tower_bearer_authorization_server::{AuthorizationServer, Certificate};

use super::as_the_layer::{ask, settle, tokens};
use super::{AUDIENCE, NOW, check, clock, objects};
use crate::support::{Directory, stderr, stdout};

const SECRET: &str = "0123456789abcdefghijklmnopqrstuvwxyz-SECRET";

/// One configuration, and the options that give what its description cannot express.
struct Row {
    name: &'static str,
    server: ResourceServer,
    more: Vec<String>,
}

/// Keys from code of the API.
#[derive(Debug)]
struct Source(String);

impl KeySource for Source {
    fn fetch<'a>(&'a self, _: Option<&'a str>) -> KeySourceFuture<'a> {
        Box::pin(async { Ok(FetchedKeySet::new(self.0.clone())) })
    }
}

fn api() -> ResourceServerBuilder {
    ResourceServer::builder().audience(AUDIENCE).clock(clock())
}

fn row(name: &'static str, builder: ResourceServerBuilder, more: &[&str]) -> Row {
    Row { name, server: builder.build().unwrap(), more: more.iter().map(|it| (*it).to_owned()).collect() }
}

/// Places of keys.
fn places(provider: &AuthorizationServer, tls: &AuthorizationServer, directory: &Directory) -> Vec<Row> {
    let issuer = || Issuer::new(provider.issuer());
    let key = provider.test_issuer().signing_key();
    let set = provider.test_issuer().jwk_set();
    let keys = directory.write("keys.json", &set.to_string());
    let mut private = set.clone();
    private["keys"].as_array_mut().unwrap().push(json!({"kty": "oct", "kid": "secret", "k": SECRET}));
    let secret = directory.write("secret", &format!("{SECRET}\n"));
    let root = directory.write("root.pem", tls.root_certificate().unwrap());
    let certificates = reqwest::Certificate::from_pem_bundle(tls.root_certificate().unwrap().as_bytes()).unwrap();
    let with_root = Issuer::new(tls.issuer()).http_client(move |client| client.tls_certs_merge(certificates.clone()));
    let pem = format!("SECRET before\n{}", key.public_key_pem());
    let metadata = format!("{}/.well-known/openid-configuration", provider.issuer());
    vec![
        row("discovery", api().issuer(issuer()), &[]),
        row("a URL", api().issuer(issuer().jwk_set_url(provider.jwks_uri())), &[]),
        row("metadata at a URL", api().issuer(issuer().metadata_url(metadata)), &[]),
        row("a file", api().issuer(issuer().jwk_set_file(&keys)), &[]),
        row("a fixed set with a key that is not public", api().issuer(issuer().jwk_set(private.to_string())), &[]),
        row("PEM with text around it", api().issuer(issuer().pem(pem)), &[]),
        row("a shared secret", api().issuer(issuer().shared_secret(SECRET)), &["--shared-secret", &secret]),
        row(
            "a source of the application's own",
            api().issuer(issuer().key_source(Source(set.to_string()))),
            &["--jwks", &keys],
        ),
        row("a private authority", api().issuer(with_root), &["--ca-certificate", &root]),
        row("unreachable", api().issuer(issuer().jwk_set_url("http://127.0.0.1:1/keys")), &[]),
        row(
            "failovers",
            api().issuer(issuer().jwk_set_url("http://127.0.0.1:1/keys").failover_jwk_set_file(&keys)),
            &[],
        ),
        row("a query", api().issuer(issuer().jwk_set_url(format!("{}?sig={SECRET}", provider.jwks_uri()))), &[]),
        row("refused networks", api().issuer(Issuer::new("https://localhost:1").refuse_private_networks()), &[]),
    ]
}

/// Rules, statuses and several issuers.
fn rules(provider: &AuthorizationServer, other: &AuthorizationServer) -> Vec<Row> {
    let issuer = || Issuer::new(provider.issuer());
    let second = || Issuer::new(other.issuer());
    let hidden = StatusPolicy::rfc6750().with(RefusalKind::Forbidden, StatusCode::NOT_FOUND).unwrap();
    let unproven = StatusPolicy::default().with(RefusalKind::KeyNotProvenAbsent, StatusCode::TOO_MANY_REQUESTS);
    let disabled = row("a disabled issuer", api().issuer(issuer()).issuer(second()), &[]);
    disabled.server.disable_issuer(provider.issuer());
    let added = row("an issuer added later", api().issuer(issuer()), &[]);
    added.server.add_issuer(&second().require_at_jwt()).unwrap();
    let removed = row("an issuer removed later", api().issuer(issuer()).issuer(second()), &[]);
    removed.server.remove_issuer(other.issuer());
    vec![
        disabled,
        added,
        removed,
        row("audiences of an issuer", api().issuer(issuer().audience("x")).issuer(second()), &[]),
        row("claims", api().issuer(issuer().audience_claim("client_id").scope_claims(["permissions"])), &[]),
        row("strict", api().issuer(issuer().require_at_jwt()), &[]),
        row("lenient", api().issuer(issuer().allow_nonce().dangerously_accept_sender_constrained()), &[]),
        row("algorithms", api().issuer(issuer().algorithms([Algorithm::ES384, Algorithm::RS256])), &[]),
        row("times", api().leeway(Duration::ZERO).max_token_age(Duration::from_secs(120)).issuer(issuer()), &[]),
        row("sizes", api().max_token_bytes(300).token_cache_bytes(0).issuer(issuer()), &[]),
        row("another realm", api().realm("leads").status_policy(hidden).issuer(issuer()), &[]),
        row("statuses", api().status_policy(unproven.unwrap()).refusal_body(RefusalBody::Empty).issuer(issuer()), &[]),
        row(
            "a key policy",
            api().issuer(issuer().key_policy(KeyPolicy::default().lifetime(Duration::from_secs(7)))),
            &[],
        ),
        row("a resolver", api().issuer(issuer()).issuer_resolver(|_: String| async { Ok(None) }), &[]),
        row("a hook", api().issuer(issuer()).on_refusal(|_, response| response), &[]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn it_validates_as_the_described_resource_server_does() {
    let provider = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).clock(clock());
    let provider = provider.start().await.unwrap();
    let other = AuthorizationServer::builder().signing_algorithm(Algorithm::RS256).clock(clock());
    let other = other.start().await.unwrap();
    let tls = AuthorizationServer::builder().tls(Certificate::Valid).signing_algorithm(Algorithm::ES256).clock(clock());
    let tls = tls.start().await.unwrap();
    let directory = Directory::new();
    let mut tokens = tokens(&provider, &other);
    tokens.push(tls.token().audience(AUDIENCE).sign());
    tokens.push(provider.token().audience(AUDIENCE).header("kid", "secret").sign());
    for row in places(&provider, &tls, &directory).into_iter().chain(rules(&provider, &other)) {
        settle(&row.server).await;
        let description = serde_json::to_string_pretty(&row.server.describe()).unwrap();
        assert!(!description.contains("SECRET"), "{}: {description}", row.name);
        let file = directory.write("api.json", &description);
        let mut arguments = vec!["--json", "--at", NOW, "--scope", "read:leads", "--config", &file];
        arguments.extend(row.more.iter().map(String::as_str));
        let output = check(&arguments, &tokens.join("\n"));
        let explained = objects(&output);
        assert_eq!(explained.len(), tokens.len(), "{} {}", row.name, stderr(&output));
        for (token, explained) in tokens.iter().zip(explained) {
            let (status, challenge, reason) = ask(&row.server, Some("read:leads"), token).await;
            let ours = &explained["answers"]["configured"];
            assert_eq!(explained["reason"].as_str(), reason, "{} {explained:#}", row.name);
            assert_eq!(ours["status"].as_u64(), status.map(u64::from), "{} {explained:#}", row.name);
            assert_eq!(ours["www_authenticate"].as_str(), challenge.as_deref(), "{} {explained:#}", row.name);
        }
    }
}

/// What a description cannot express is named, with what follows from it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_description_cannot_express_is_named() {
    let provider = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).start().await.unwrap();
    let directory = Directory::new();
    let issuer = || Issuer::new(provider.issuer());
    let told = |builder: ResourceServerBuilder, token: &str| {
        let description = serde_json::to_string(&builder.build().unwrap().describe()).unwrap();
        let file = directory.write("api.json", &description);
        let output = check(&["--config", &file], token);
        (output.status.code().unwrap(), stderr(&output) + &stdout(&output).replace("\n    ", " "))
    };
    let api = || ResourceServer::builder().audience(AUDIENCE);
    let good = provider.token().audience(AUDIENCE).sign();
    let foreign = provider.token().audience(AUDIENCE).claim("iss", "https://tenant.example").sign();
    let url = format!("{}?sig={SECRET}", provider.jwks_uri());
    for (builder, token, code, words) in [
        (api().issuer(issuer()), &good, 0, &["the request reaches the handler"][..]),
        (
            api().issuer(issuer()).issuer_resolver(|_: String| async { Ok(None) }),
            &foreign,
            1,
            &["does not contain the `issuer_resolver`", "it may accept this issuer"],
        ),
        (api().issuer(issuer()).on_refusal(|_, response| response), &good, 0, &["the code of `on_refusal`"]),
        (api().issuer(issuer()).clock(clock()), &good, 0, &["the API's own clock: give its time with `--at`"]),
        (
            api().issuer(issuer().key_source(Source(String::new()))),
            &good,
            3,
            &["the `key_source` of an issuer: give its keys with `--jwks`"],
        ),
        (api().issuer(issuer().http_client(|client| client)), &good, 0, &["the `http_client` of an issuer"]),
        (api().issuer(issuer().key_request_header("x-api-key", SECRET)), &good, 0, &["a `key_request_header`"]),
        (api().issuer(issuer().jwk_set_url(url)), &good, 0, &["the query of a key URL"]),
        (
            api().issuer(issuer().shared_secret(SECRET)),
            &good,
            2,
            &["signed with a shared secret, which no description contains: give it with `--shared-secret FILE`"],
        ),
    ] {
        let (found, told) = told(builder, token);
        assert_eq!(found, code, "{told}");
        assert!(words.iter().all(|word| told.contains(word)), "{words:?} in {told}");
        assert!(!told.contains("SECRET"), "{told}");
    }
}

#[test]
fn a_description_that_cannot_be_read_exits_2() {
    let directory = Directory::new();
    for (json, problem) in [
        ("", "EOF"),
        (r#"{"audience":"x"}"#, "unknown field `audience`"),
        (r#"{"leeway":30}"#, "line 1"),
        (r#"{"leeway":"30"}"#, "write a whole number with its unit"),
        (r#"{"status_policy":{"absent":200}}"#, "is not an error"),
        (r#"{"status_policy":{"nothing":400}}"#, "there is no row"),
        (r#"{"refusal_body":"xml"}"#, "not a refusal body"),
        (
            r#"{"issuers":[{"name":"https://a","algorithms":["none"]}]}"#,
            "not a signature algorithm; the known ones are RS256",
        ),
        (r#"{"issuers":[{"name":"https://a","password":"x"}]}"#, "unknown field `password`"),
        (r#"{"issuers":[{"name":"https://a"}]}"#, "audience"),
        (r#"{"audiences":["a"]}"#, "issuer"),
    ] {
        let output = check(&["--config", &directory.write("api.json", json)], "opaque");
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), String::new()), "{json}");
        assert!(stderr(&output).contains(problem), "{json}: {}", stderr(&output));
    }
    assert_eq!(check(&["--config", "/no/such/file"], "opaque").status.code(), Some(3));
    for more in [&["--issuer", "https://a"][..], &["--leeway", "3"], &["--require-at-jwt"], &["--realm", "a"]] {
        let output = check(&[&["--config", "x.json"], more].concat(), "opaque");
        assert_eq!(output.status.code(), Some(2), "{more:?} contradicts the file");
    }
}
