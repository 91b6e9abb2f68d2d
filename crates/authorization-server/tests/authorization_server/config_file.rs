//! The configuration file: what it sets, and what is said of one that is wrong.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tower_bearer_authorization_server::{AuthorizationServer, AuthorizationServerBuilder, ConfigFileError};

use crate::support::{claims_of, client, get_json, header_of};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/as.toml");

/// A directory of this test's own.
fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("config-file-{name}-{}", std::process::id()));
    fs::create_dir_all(&path).unwrap();
    path
}

fn refusal(read: Result<AuthorizationServerBuilder, ConfigFileError>) -> String {
    read.unwrap_err().to_string()
}

async fn token_of(server: &AuthorizationServer, id: &str, secret: &str) -> Value {
    let request = client().post(server.token_endpoint()).basic_auth(id, Some(secret));
    let answer = request.form(&[("grant_type", "client_credentials")]).send().await.unwrap();
    answer.error_for_status().unwrap().json().await.unwrap()
}

#[tokio::test]
async fn the_commented_example_is_a_server() {
    let server = AuthorizationServerBuilder::from_file(EXAMPLE).unwrap().port(0).admin_port(0).start().await.unwrap();
    assert!(server.issuer().ends_with("/tenant") && server.admin_url().is_some());
    assert!(server.token_endpoint().ends_with("/tenant/oauth2/token"));

    let answer = token_of(&server, "web", "web-secret").await;
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!((&answer["expires_in"], &header_of(token)["alg"]), (&json!(300), &json!("ES256")));
    assert_eq!(claims_of(token)["aud"], "https://api.example.com");
    assert_eq!(token_of(&server, "ci", "ci-secret").await["expires_in"], 600);
}

#[test]
fn the_commented_example_names_every_field() {
    let example = fs::read_to_string(EXAMPLE).unwrap();
    for text in ["x = 1", "[[keys]]\nx = 1", "[[clients]]\nx = 1", "[[users]]\nx = 1"] {
        let reason = refusal(AuthorizationServerBuilder::from_toml(text));
        let (_, fields) = reason.split_once("expected").unwrap();
        for field in fields.split('`').skip(1).step_by(2) {
            let is_there = example.lines().any(|line| {
                let line = line.trim_start_matches("# ");
                line.starts_with(&format!("{field} =")) || line.trim_matches(['[', ']']) == field
            });
            assert!(is_there, "{field}");
        }
    }
}

#[tokio::test]
async fn json_has_the_same_fields() {
    let document = json!({
        "issuer_path": "/tenant",
        "keys": [{ "algorithm": "EdDSA" }],
        "clients": [{ "id": "ci", "secret": "s3cret", "scopes": ["deploy"], "audiences": ["https://a", "https://b"],
                      "token_lifetime": "1h" }],
        "users": [{ "username": "alice", "password": "wonderland", "claims": { "email_verified": true } }],
    });
    let path = directory("json").join("as.JSON");
    fs::write(&path, format!("\u{feff}{document:#}")).unwrap();
    for read in
        [AuthorizationServerBuilder::from_file(&path), AuthorizationServerBuilder::from_json(&document.to_string())]
    {
        let server = read.unwrap().start().await.unwrap();
        let answer = token_of(&server, "ci", "s3cret").await;
        let token = answer["access_token"].as_str().unwrap();
        assert_eq!(answer["expires_in"], 3600);
        assert_eq!(claims_of(token)["aud"], json!(["https://a", "https://b"]));
        assert_eq!(header_of(token)["alg"], "EdDSA");
    }
}

#[tokio::test]
async fn a_key_in_a_file_outlives_the_server() {
    let directory = directory("key");
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    fs::write(directory.join("as-key.pem"), key).unwrap();
    let config = directory.join("as.toml");
    let write = |text: &str| fs::write(&config, text).unwrap();
    write("keys = [{ algorithm = \"ES256\", pem_file = \"as-key.pem\" }, { algorithm = \"EdDSA\" }]");
    let mut seen = Vec::new();
    for _ in 0..2 {
        let server = AuthorizationServerBuilder::from_file(&config).unwrap().start().await.unwrap();
        seen.push(get_json(server.jwks_uri()).await["keys"].as_array().unwrap().clone());
    }
    assert_eq!((seen[0].len(), &seen[0][0], &seen[0][0]["alg"]), (2, &seen[1][0], &json!("ES256")));
    assert_ne!(seen[0][1], seen[1][1]);

    let place = format!("{}:1:43: keys[0].pem_file: ", config.display());
    let wrong = |text: &str| {
        refusal({
            write(text);
            AuthorizationServerBuilder::from_file(&config)
        })
    };
    let other = wrong("keys = [{ algorithm = \"RS256\", pem_file = \"as-key.pem\" }]");
    assert_eq!(
        other,
        format!("{place}the key does not fit RS256; give a PKCS #8 key of the type and curve that the algorithm needs")
    );
    let lacking = wrong("keys = [{ algorithm = \"ES256\", pem_file = \"no.pem\" }]");
    assert!(lacking.starts_with(&place) && lacking.contains("no.pem cannot be read: "), "{lacking}");
    fs::write(directory.join("public.pem"), "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n").unwrap();
    let public = wrong("keys = [{ algorithm = \"ES256\", pem_file = \"public.pem\" }]");
    assert!(public.starts_with(&place) && public.contains("has no private key in PKCS #8 form"), "{public}");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let cases = [
        // Of the wrong shape.
        ("port = 9000\nprot = 1", "line 2, column 1: prot: unknown field `prot`, expected one of "),
        (
            "[[clients]]\nid = \"a\"\n\n[[clients]]\nid = 7",
            "line 5, column 6: clients[1].id: invalid type: integer `7`, ",
        ),
        (
            "[[clients]]\nid = \"a\"\nscopes = \"b\"",
            "line 3, column 10: clients[0].scopes: invalid type: string \"b\", ",
        ),
        ("[[clients]]\nsecret = \"x\"", "line 1, column 1: clients[0]: missing field `id`"),
        ("port = 70000", "line 1, column 8: port: invalid value: integer `70000`, expected u16"),
        (
            "[[clients]]\nid = \"a\"\ntoken_lifetime = 300",
            "line 3, column 18: clients[0].token_lifetime: invalid type: integer `300`, expected a duration with its unit in \
             quotation marks, such as \"90s\", \"5m\" or \"30days\"",
        ),
        (
            "[[clients]]\nid = \"a\"\ntoken_lifetime = \"soon\"",
            "line 3, column 18: clients[0].token_lifetime: invalid value: string \"soon\", expected a duration with its unit",
        ),
        (
            "keys = [{ algorithm = \"HS256\" }]",
            "line 1, column 23: keys[0].algorithm: there is no such algorithm; choose one of ",
        ),
        ("[clients", "line 1, column 9: "),
        // Of the right shape, and yet wrong.
        (
            "issuer_path = \"tenant/\"",
            "line 1, column 15: issuer_path: the issuer path \"tenant/\" is not usable; give `issuer_path` a text like",
        ),
        (
            "token_path = \"/jwks\"",
            "line 1, column 14: token_path: the path \"/jwks\" is not usable for `token_path`; ",
        ),
        ("[scopes]\n\"a b\" = \"?\"", "line 1, column 1: scopes: \"a b\" cannot be a scope; "),
        (
            "[[clients]]\nid = \"\u{e9}\"\nsecret = \"\"",
            "line 3, column 10: clients[0].secret: client `\u{e9}` has an empty secret; ",
        ),
        (
            "[[clients]]\nid = \"a\"\nsecret = \"s\"\naudiences = [\"x\"]\n[[clients]]\nid = \"b\"\naudiences = [\"x\"]\n\
             redirect_uris = [\n  \"https://app.example.com/\",\n  \"http://app.example.com/\",\n]",
            "line 10, column 3: clients[1].redirect_uris[1]: the redirect URI \"http://app.example.com/\" of client `b` is \
             `http` outside loopback, where anybody on the way could read the code; give ",
        ),
        (
            "clients = [\n{ id = \"a\", secret = \"s\", audiences = [\"x\"] },\n{ id = \"a\", secret = \"s\", \
             audiences = [\"x\"] },\n]",
            "line 3, column 8: clients[1].id: there are two clients with the id `a`; ",
        ),
        (
            "[[clients]]\nid = \"a\"\nsecret = \"s\"\naudiences = [\"x\"]\nscopes = [\"b\", \"c d\"]",
            "line 5, column 16: clients[0].scopes[1]: client `a` has the scope \"c d\", which cannot be one; ",
        ),
        (
            "[[clients]]\nid = \"a\"\nsecret = \"s\"",
            "line 1, column 1: clients[0].audiences: client `a` has no audience; ",
        ),
        (
            "[[clients]]\nid = \"a\"\nsecret = \"s\"\naudiences = [\"x\"]\nrefresh_absolute_lifetime = \"0s\"",
            "line 5, column 29: clients[0].refresh_absolute_lifetime: refresh tokens for client `a` live less than",
        ),
        (
            "[[clients]]\nid = \"a\"\nsecret = \"s\"\naudiences = [\"x\"]\n\
             refresh_lifetime = \"14days\"\nrefresh_absolute_lifetime = \"0s\"",
            "line 6, column 29: clients[0].refresh_absolute_lifetime: refresh tokens for client `a` live less than",
        ),
        ("device_code_lifetime = \"0s\"", "line 1, column 24: device_code_lifetime: device codes live less than"),
        (
            "users = [{ username = \"a\", password = \"p\" }, { username = \"a\", password = \"p\" }]",
            "line 1, column 59: users[1].username: there are two users with the name `a`; ",
        ),
        (
            "[[users]]\nusername = \"a\"\npassword = \"p\"\nclaims = { sub = \"b\" }",
            "line 4, column 10: users[0].claims: user `a` has the claim `sub`, which the server sets itself; ",
        ),
    ];
    for (text, expected) in cases {
        let reason = refusal(AuthorizationServerBuilder::from_toml(text));
        assert!(reason.starts_with(expected), "{text}\n  {reason}\n  {expected}");
    }

    let cases = [
        ("{\n  \"prot\": 1 }", "line 2, column 8: prot: unknown field `prot`, expected one of "),
        ("{ \"clients\": [\n{ \"id\": 7 }] }", "line 2, column 9: clients[0].id: invalid type: integer `7`, "),
        (
            "{ \"clients\": [\n{ \"id\": \"a\",\n  \"secret\": \"\" }] }",
            "line 3, column 14: clients[0].secret: client `a` has an empty secret; ",
        ),
        (
            "{ \"clients\": [\n{ \"id\": \"a\" }] }",
            "line 2, column 13: clients[0].redirect_uris: public client `a` has no ",
        ),
        ("{\n\"port\": 1,\n}", "line 3, column 1: trailing comma"),
        ("{}\n{}", "line 2, column 1: trailing characters"),
        ("", "line 1, column 1: EOF while parsing a value"),
    ];
    for (text, expected) in cases {
        let reason = refusal(AuthorizationServerBuilder::from_json(text));
        assert!(reason.starts_with(expected), "{text}\n  {reason}\n  {expected}");
    }
}

#[test]
fn no_error_shows_a_secret() {
    for (text, place) in [
        ("[[clients]]\nid = \"a\"\nsecret = 472111", "line 3, column 10: clients[0].secret: "),
        ("[[clients]]\nid = \"a\"\nsecret = [\"472111\"]", "line 3, column 10: clients[0].secret: "),
        ("[[clients]]\nid = \"a\"\nsecret = 472111x", "line 3, "),
        ("[[users]]\nusername = \"a\"\npassword = 47211.1", "line 3, column 12: users[0].password: "),
        ("[[users]]\nusername = \"a\"\npassword = \"472111", "line 3, "),
        ("[[clients]]\nsecret = \"472111\"\nid = 1", "line 3, "),
    ] {
        let error = AuthorizationServerBuilder::from_toml(text).unwrap_err();
        let (shown, debug) = (error.to_string(), format!("{error:?}"));
        assert!(shown.starts_with(place), "{shown}");
        assert!(!shown.contains("4721") && !debug.contains("4721"), "{debug}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let path = directory("nothing").join("no.toml");
    let reason = refusal(AuthorizationServerBuilder::from_file(&path));
    assert!(reason.starts_with(&format!("{} cannot be read: ", path.display())), "{reason}");
    fs::write(&path, "x = 1").unwrap();
    let reason = refusal(AuthorizationServerBuilder::from_file(&path));
    assert!(reason.starts_with(&format!("{}:1:1: x: unknown field", path.display())), "{reason}");
}
