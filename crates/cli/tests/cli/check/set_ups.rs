//! Set-ups that go wrong in the field. For each, one step of our own output names cause and remedy: the snapshot is for
//! reading from top to bottom.

use std::fmt::Write as _;

use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_bearer::TokenError;
use tower_bearer::jose::Algorithm;
use tower_bearer_authorization_server::{AuthorizationServer, Certificate, Endpoint, Fault};
use tower_bearer_test::{Defect, SigningKey};

use super::{AUDIENCE, ISSUER, NOW, check, check_fixed, issuer, objects, token};
use crate::support::Directory;

const WIDTH: usize = 100;

/// The title of each set-up, and what a user reads.
#[derive(Default)]
struct SetUps(String, usize);

impl SetUps {
    fn add(&mut self, title: &str, seen: &str, lines: &[String]) {
        self.1 += 1;
        let _ = writeln!(self.0, "{}. {title}\n   {seen}", self.1);
        for line in lines {
            let mut width = 0;
            for word in line.split(' ') {
                let separator = if width == 0 || width + word.chars().count() > WIDTH { "\n     " } else { " " };
                width = if separator == " " { width } else { 0 } + word.chars().count() + 1;
                let _ = write!(self.0, "{separator}{word}");
            }
        }
        self.0.push_str("\n\n");
    }

    /// What `check` says of the only token, with what differs from run to run replaced.
    fn check(&mut self, title: &str, explained: &Value, replaced: &[(&str, &str)]) {
        let texts = |name: &str| explained[name].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned());
        let replace = |text: String| replaced.iter().fold(text, |text, (from, to)| text.replace(from, to));
        let lines: Vec<_> = texts("advice").chain(texts("notes")).map(replace).collect();
        assert!(!lines.is_empty(), "{title}: {explained:#}");
        let seen = match (&explained["answers"]["default"]["status"], explained["reason"].as_str()) {
            (Value::Number(status), Some(reason)) => format!("check: {status} {reason}"),
            _ => "check: accepted".to_owned(),
        };
        self.add(title, &seen, &lines);
    }
}

fn explain(more: &[&str], input: &str) -> Value {
    objects(&check_fixed(&[&["--json"], more].concat(), input)).remove(0)
}

fn with_keys(keys: &str, more: &[&str]) -> Value {
    let arguments = ["--json", "--issuer", ISSUER, "--audience", AUDIENCE, "--at", NOW, "--jwks", keys];
    objects(&check(&[&arguments, more].concat(), &token().sign())).remove(0)
}

fn tokens(set_ups: &mut SetUps) {
    let slash = |name: &str, value: &str| token().claim(name, format!("{value}/")).sign();
    set_ups.check("A trailing slash in `aud`", &explain(&[], &slash("aud", AUDIENCE)), &[]);
    set_ups.check("A trailing slash in `iss`", &explain(&[], &slash("iss", ISSUER)), &[]);
    let http = token().claim("iss", "http://as.example.com").sign();
    set_ups.check("http for https", &explain(&[], &http), &[]);
    set_ups.check("The API's clock is behind", &explain(&["--at", "1799999000"], &token().sign()), &[]);
    let ahead = token().claim("iat", 1_800_001_000).claim("exp", 1_800_001_300).sign();
    set_ups.check("The provider's clock is ahead", &explain(&[], &ahead), &[]);
    let before = token().header("kid", "key-0").sign();
    set_ups.check("The key was rotated", &explain(&[], &before), &[]);
    set_ups.check("An ID token", &explain(&[], &token().sign_defective(Defect::IdToken)), &[]);
    let refresh = token().header("alg", "HS512").claim("typ", "Refresh").claim("aud", ISSUER).sign();
    set_ups.check("A refresh token of Keycloak", &explain(&[], &refresh), &[]);
    set_ups.check("A refresh token that is not a JWT", &explain(&[], "1//0gk3r5Yd8QzZdCgYIARAAGBASNwF-L9Ir"), &[]);
    let write = ["--scope", "read:leads", "--scope", "write:leads"];
    set_ups.check("A scope is missing", &explain(&write, &token().sign()), &[]);
    let permissions = token().claim("permissions", ["read:leads", "write:leads"]).without_claim("scope").sign();
    set_ups.check("The scope is under another name", &explain(&write, &permissions), &[]);
    let request = "> GET /leads HTTP/1.1\n> Host: api.example.com\n> X-Forwarded-For: 192.0.2.7\n>\n";
    set_ups.check("A proxy removed the field", &explain(&[], request), &[]);
    set_ups.check("Another `alg`", &explain(&["--algorithm", "RS256"], &token().sign()), &[]);
    let staging = token().claim("iss", "https://staging.as.example.com").sign();
    set_ups.check("A token of staging", &explain(&[], &staging), &[]);
    let of_bytes = |bytes: usize| token().claim("groups", vec!["a-group-of-some-length"; bytes / 34]).sign();
    set_ups.check("9 KB", &explain(&[], &of_bytes(9_000)), &[]);
    set_ups.check("17 KB", &explain(&[], &of_bytes(17_000)), &[]);
    let good = token().sign();
    set_ups.check("Cut in the claims", &explain(&[], &good[..200]), &[]);
    set_ups.check("Cut in the signature", &explain(&[], &good[..good.len() - 42]), &[]);
    set_ups.check("Quoted", &explain(&[], &format!("\"{good}\"")), &[]);
    set_ups.check("Twice `Bearer`", &explain(&[], &format!("Authorization: Bearer Bearer {good}")), &[]);
}

fn providers(set_ups: &mut SetUps) {
    let account = token().claim("aud", "account").claim("azp", "app").sign();
    set_ups.check("`aud: account`", &explain(&[], &account), &[]);
    let tenant = "0b3e2c5a-7c1f-4b8e-9d55-2f1f6a2f9f10";
    let (v1, v2) =
        (format!("https://sts.windows.net/{tenant}/"), format!("https://login.microsoftonline.com/{tenant}/v2.0"));
    let entra = token().claim("iss", v1).claim("ver", "1.0").sign();
    let entra = |more: &[&str]| {
        let file = super::jwks_file();
        let arguments = ["--json", "--issuer", &v2, "--audience", AUDIENCE, "--at", NOW, "--jwks", &file];
        objects(&check(&[&arguments, more].concat(), &entra)).remove(0)
    };
    set_ups.check("Entra, version 1", &entra(&[]), &[]);
    let graph = token().header("nonce", "n").claim("aud", "00000003-0000-0000-c000-000000000000").sign();
    set_ups.check("A token for Microsoft Graph", &explain(&[], &graph), &[]);
    let pool = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc";
    let cognito = token().claim("iss", pool).without_claim("aud").claim("client_id", "7k2").sign();
    let arguments = ["--json", "--issuer", pool, "--audience", "7k2", "--at", NOW, "--jwks", &super::jwks_file()];
    set_ups.check("Cognito", &objects(&check(&arguments, &cognito))[0], &[]);
}

async fn keys(set_ups: &mut SetUps) {
    let directory = Directory::new();
    let server = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).start().await.unwrap();
    let port = server.address().port().to_string();
    let missing = format!("{}/no-keys", server.issuer());
    set_ups.check("The URL of the keys is a 404", &with_keys(&missing, &[]), &[(&port, "PORT")]);
    server.misbehave(Endpoint::JwkSet, Fault::Html).unwrap();
    set_ups.check("The URL of the keys is a web page", &with_keys(server.jwks_uri(), &[]), &[(&port, "PORT")]);

    for (title, kind) in
        [("An unknown authority", Certificate::Valid), ("An expired certificate", Certificate::Expired)]
    {
        let server = AuthorizationServer::builder().tls(kind).start().await.unwrap();
        let root = directory.write("root.pem", server.root_certificate().unwrap());
        let trusted = ["--ca-certificate", &*root];
        let more = if kind == Certificate::Valid { &[][..] } else { &trusted };
        let mut explained = with_keys(server.jwks_uri(), more);
        // The text of the TLS library has times in it.
        let cause = explained["advice"][0].as_str().unwrap();
        let cause = cause.split_once("invalid peer certificate").map_or(cause, |(start, _)| start);
        explained["advice"][0] = format!("{cause}invalid peer certificate: …").into();
        set_ups.check(title, &explained, &[(&server.address().port().to_string(), "PORT")]);
    }
    // No name can be this long, so nothing is sent to a resolver.
    let label = "a".repeat(300);
    let mut explained = with_keys(&format!("http://{label}.example.com/keys"), &["--dangerously-allow-http"]);
    let cause = explained["advice"][0].as_str().unwrap().split_once("dns error").unwrap().0.to_owned();
    explained["advice"][0] = format!("{cause}dns error: …").into();
    set_ups.check("The name is unknown (DNS)", &explained, &[(&label, "as")]);
    let mut set = issuer().jwk_set();
    set["keys"][0]["use"] = "enc".into();
    let file = directory.write("enc.json", &set.to_string());
    set_ups.check("Only keys with `use: enc`", &with_keys(&file, &[]), &[(&file, "enc.json")]);
    let other = SigningKey::generate(Algorithm::ES384).unwrap().with_key_id("es384").public_jwk();
    let file = directory.write("es384.json", &json!({ "keys": [other] }).to_string());
    let explained = with_keys(&file, &["--algorithm", "ES256"]);
    set_ups.check("Only keys for another `alg`", &explained, &[(&file, "es384.json")]);
}

/// The handler asks for a token, and no layer is around its route.
async fn layer_forgotten(set_ups: &mut SetUps) {
    let handler = async |_: tower_bearer::ValidatedToken| "leads";
    let app = axum::Router::new().route("/leads", axum::routing::get(handler));
    let request = Request::get("/leads").header("authorization", format!("Bearer {}", token().sign()));
    let response = app.oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    let error = response.extensions().get::<TokenError>().unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    set_ups.add("The layer was forgotten", "log, at error: 500 layer_missing", &[error.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_broken_set_up_is_named_with_its_remedy_in_one_step() {
    let mut set_ups = SetUps::default();
    tokens(&mut set_ups);
    providers(&mut set_ups);
    keys(&mut set_ups).await;
    layer_forgotten(&mut set_ups).await;
    insta::assert_snapshot!(set_ups.0);
}
