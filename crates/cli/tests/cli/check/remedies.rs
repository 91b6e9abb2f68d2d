//! What to do when keys are unavailable follows from what went wrong, never from the words of a server.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::json;
use tower_bearer::jose::Algorithm;
use tower_bearer_authorization_server::{AuthorizationServer, Certificate};
use tower_bearer_test::SigningKey;

use super::{AUDIENCE, ISSUER, advice, check};
use crate::support::Directory;

/// Words that speak of every cause.
const LIES: &str =
    "no usable key, metadata is of the issuer, content coding, certificate, dns lookup, refused, status 404, not json";

/// A server that writes this to each connection, whatever it was sent, and closes it. It ends with the tests.
fn serve(response: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let _ = stream.read(&mut [0; 4_096]);
            let _ = stream.write_all(response.as_bytes());
        }
    });
    address.to_string()
}

fn response(status: &str, fields: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{fields}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

/// What `check` says when keys are at this place.
fn told(jwks: &str) -> String {
    told_with(jwks, &["--algorithm", "ES256"])
}

fn told_with(jwks: &str, more: &[&str]) -> String {
    let arguments = ["--json", "--issuer", ISSUER, "--audience", AUDIENCE, "--dangerously-allow-http", "--jwks", jwks];
    let output = check(&[&arguments, more].concat(), &super::token().sign());
    assert_eq!(output.status.code(), Some(3), "{jwks}");
    advice(&output)
}

/// The certificate is what the TLS library says that it is, which also speaks of certificates.
#[tokio::test(flavor = "multi_thread")]
async fn each_bad_certificate_has_its_remedy() {
    for (kind, is_trusted, expected) in [
        (Certificate::Valid, false, AUTHORITY),
        (Certificate::SelfSigned, false, AUTHORITY),
        (Certificate::Expired, true, EXPIRED),
        (Certificate::OtherHost, true, OTHER_HOST),
    ] {
        let server = AuthorizationServer::builder().tls(kind).start().await.unwrap();
        let directory = Directory::new();
        let root = directory.write("root.pem", server.root_certificate().unwrap_or_default());
        let trusted = ["--ca-certificate", &*root];
        let told = told_with(server.jwks_uri(), if is_trusted { &trusted } else { &[] });
        assert_eq!(remedy(&told), expected, "{kind:?}: {told}");
    }
}

const USABLE_KEY: &str = "has no key that may be used";
const EMPTY_SET: &str = "The set is empty";
const ENCRYPTION_KEYS: &str = "All keys of the set are for encryption";
const ALLOWED_ALGORITHM: &str = "only keys for algorithms that the API does not accept";
const EXPIRED: &str = "The server's certificate has expired";
const OTHER_HOST: &str = "The server's certificate is for another host";
const AUTHORITY: &str = "from an authority that this machine does not know";
const UNCOMPRESSED: &str = "switch compression off";
const CERTIFICATE: &str = "For an authority of your own";
const NAME: &str = "The name is not known here";
const REACHABLE: &str = "reachable from here?";
const OTHER_PLACE: &str = "the issuer as tokens name it in `iss`?";
const KEYS_URL: &str = "There are no keys at this URL";
const REDIRECT: &str = "Redirects are not followed";
const JSON: &str = "The response is not JSON";
const OWN_ISSUER: &str = "Give `--issuer` as the metadata has it";
const FILE: &str = "Give a file with a JWK Set";
const BY_HAND: &str = "if discovery cannot have them";

/// The remedy in the text, which must be the only one.
fn remedy(told: &str) -> &'static str {
    let all = [
        USABLE_KEY,
        EMPTY_SET,
        ENCRYPTION_KEYS,
        ALLOWED_ALGORITHM,
        EXPIRED,
        OTHER_HOST,
        AUTHORITY,
        UNCOMPRESSED,
        CERTIFICATE,
        NAME,
        REACHABLE,
        OTHER_PLACE,
        KEYS_URL,
        REDIRECT,
        JSON,
        OWN_ISSUER,
        FILE,
        BY_HAND,
    ];
    let found: Vec<_> = all.into_iter().filter(|remedy| told.contains(remedy)).collect();
    assert_eq!(found.len(), 1, "{found:?} in {told}");
    found[0]
}

/// Each cause of a failed fetch, at a server that lies about it.
#[test]
fn each_cause_has_its_remedy_whatever_the_server_says() {
    let page = |status: &str| response(status, "content-type: text/html\r\n", LIES);
    // A quote and a backslash, which are escaped where text of the server's is quoted.
    let escaped = |status: &str| response(status, "content-type: text/html\\\r\n", LIES);
    let quoted = |status: &str| response(status, "content-type: \"\r\n", &format!("\"{LIES}"));
    let redirect = |to: &str| response("302 Found", &format!("location: {to}\r\n"), LIES);
    let named = |path: &str| response("404 Not Found", &format!("x-path: {path}\r\n"), LIES);
    let p384 = SigningKey::generate(Algorithm::ES384).unwrap().public_jwk();
    let set = |set: serde_json::Value| response("200 OK", "", &set.to_string());
    for (answer, expected) in [
        (page("404 certificate"), KEYS_URL),
        (escaped("404 Not Found"), KEYS_URL),
        (quoted("404 Not Found"), KEYS_URL),
        (named("/certificate"), KEYS_URL),
        (page("200 OK"), JSON),
        (escaped("200 OK"), JSON),
        (response("200 OK", "content-type: application/json\r\n", "{\"keys\":["), JSON),
        (escaped("500 Internal Server Error"), BY_HAND),
        (escaped("401 Unauthorized"), BY_HAND),
        (redirect("https://certificate.example/dns"), REDIRECT),
        (redirect("status 404"), REDIRECT),
        (response("200 OK", "content-encoding: certificate\r\n", LIES), UNCOMPRESSED),
        (response("200 OK", "content-encoding: a\\\r\ncontent-type: certificate\\\r\n", LIES), UNCOMPRESSED),
        (set(json!({ "keys": [] })), EMPTY_SET),
        (set(json!({ "keys": [{ "kty": "EC", "kid": "not json", "use": "enc" }] })), ENCRYPTION_KEYS),
        (set(json!({ "keys": [{ "kty": "EC", "use": "enc" }, { "kty": "EC", "kid": LIES }] })), USABLE_KEY),
        (set(json!({ "keys": [{ "kty": "EC", "use": "enc" }, p384] })), ALLOWED_ALGORITHM),
        (set(json!({ "keys": [{ "kty": "certificate", "kid": LIES }] })), USABLE_KEY),
        (set(json!({ "error": "not json" })), BY_HAND),
        (set(json!(["not json"])), BY_HAND),
        (LIES.to_owned(), BY_HAND),
        (String::new(), BY_HAND),
    ] {
        let url = format!("http://{}/certificate/dns-lookup", serve(answer.clone()));
        let told = told(&url);
        assert_eq!(remedy(&told), expected, "{answer}: {told}");
    }
}

#[test]
fn a_server_that_is_not_reached_has_its_remedy() {
    let too_long = format!("http://{}.example/certificate", "status-404".repeat(30));
    for (url, expected) in [
        ("http://127.0.0.1:1/certificate", REACHABLE),
        ("https://127.0.0.1:1/certificate", REACHABLE),
        // No name can be this long, so nothing is sent to a resolver.
        (&too_long, NAME),
        (&format!("https://{}/status-404", serve(response("404 Not Found", "", "dns"))), CERTIFICATE),
    ] {
        let told = told(url);
        assert_eq!(remedy(&told), expected, "{url}: {told}");
    }
}

/// Of several well-known places the most telling failure counts.
#[test]
fn r31_metadata_has_the_remedy_of_the_most_telling_place() {
    let metadata = |issuer: &str| json!({ "issuer": issuer, "jwks_uri": "https://a/" }).to_string();
    for (answer, expected) in [
        (response("200 OK", "", &metadata("https://certificate.example")), OWN_ISSUER),
        (response("200 OK", "content-type: a\\\r\n", LIES), JSON),
        (response("404 Not Found", "content-type: a\\\r\n", LIES), OTHER_PLACE),
        (response("200 OK", "", "{\"issuer\":\"certificate\"}"), OWN_ISSUER),
        (response("200 OK", "", "{\"error\":\"certificate\"}"), BY_HAND),
    ] {
        let issuer = format!("http://{}", serve(answer.clone()));
        let token = super::token().claim("iss", &*issuer).sign();
        let told = advice(&check(&["--json", "--issuer", &issuer, "--audience", AUDIENCE], &token));
        assert_eq!(remedy(&told), expected, "{answer}: {told}");
    }
}

#[test]
fn a_file_has_the_remedy_of_a_file() {
    let directory = Directory::new();
    assert_eq!(remedy(&told("/no/such/certificate")), FILE);
    assert_eq!(remedy(&told(&directory.write("keys.json", LIES))), FILE);
    assert_eq!(remedy(&told(&directory.write("none.json", "{\"keys\":[]}"))), EMPTY_SET);
}
