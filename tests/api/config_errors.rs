//! Each mistake in a configuration is refused at `build()` with a sentence that says what to do.

use std::time::Duration;

use insta::assert_snapshot;
use serde_json::json;
use tower_bearer::jose::Algorithm;
use tower_bearer::{
    ConfigError, Issuer, KeyPolicy, RefusalKind, RequireRoles, RequireScopes, ResourceServer, ScopeRequirement,
    StatusPolicy,
};

use crate::support::*;

fn refused(issuer: Issuer) -> ConfigError {
    builder().issuer(issuer).build().unwrap_err()
}

/// An issuer at this URL, with keys.
fn at(url: &str) -> Issuer {
    Issuer::new(url).jwk_set(issuer().jwk_set().to_string())
}

fn with_fixed_keys() -> Issuer {
    at(ISSUER)
}

fn pem() -> String {
    key(Algorithm::RS256).public_key_pem()
}

fn secret() -> Vec<u8> {
    (0..32).collect()
}

#[test]
fn something_needed_is_missing() {
    assert_snapshot!(builder().build().unwrap_err(), @r#"`issuer`: none is set; add `.issuer(Issuer::new("https://…"))`"#);
    assert_snapshot!(ResourceServer::builder().issuer(issuer().trusted()).build().unwrap_err(), @r#"`audience`: none is set for "https://as.example.com", so tokens for any service would pass; add `.audience("…")` with what the issuer writes into `aud` for this API"#);
    assert_snapshot!(ResourceServer::builder().audience("").issuer(issuer().trusted()).build().unwrap_err(), @"`audience`: one is empty; write what the issuer puts into `aud` for this API, or leave it out");
}

#[test]
fn the_issuers_url() {
    let discovered = |name: &str| refused(Issuer::new(name));
    assert_snapshot!(discovered("https://as.example.com?tenant=1"), @r#"`issuer`: "https://as.example.com?tenant=1" has a query or a fragment, with which discovery cannot find its keys (RFC 8414 §2); if the tokens' `iss` is this, give the keys with `.jwk_set_url(..)` or another setting, else remove it"#);
    assert_snapshot!(discovered("https://as.example.com#x"), @r#"`issuer`: "https://as.example.com#x" has a query or a fragment, with which discovery cannot find its keys (RFC 8414 §2); if the tokens' `iss` is this, give the keys with `.jwk_set_url(..)` or another setting, else remove it"#);
    assert_snapshot!(discovered("as.example.com"), @r#"`issuer`: "as.example.com" is not a URL (relative URL without a base), so discovery cannot find its keys; if the tokens' `iss` is this, give the keys with `.jwk_set_url(..)` or another setting, else write it in full, from `https://` on"#);
    assert_snapshot!(discovered("urn:example:issuer"), @r#"`issuer`: "urn:example:issuer" is not an HTTPS URL, so discovery cannot find its keys; if the tokens' `iss` is this, give the keys with `.jwk_set_url(..)` or another setting, else write it in full, from `https://` on"#);
    assert_snapshot!(discovered("ftp://as.example.com"), @r#"`issuer`: "ftp://as.example.com" is not an HTTPS URL, so discovery cannot find its keys; if the tokens' `iss` is this, give the keys with `.jwk_set_url(..)` or another setting, else write it in full, from `https://` on"#);
    assert_snapshot!(discovered("http://as.example.com"), @r#"`issuer`: "http://as.example.com" is not HTTPS, so anybody on the way could forge keys; if the tokens' `iss` is this, give the keys with `.jwk_set_url(..)` or another setting, else use https, or `.dangerously_allow_http()` for a name inside your own network"#);
    assert_snapshot!(discovered("http://127.0.0.1.example.com"), @r#"`issuer`: "http://127.0.0.1.example.com" is not HTTPS, so anybody on the way could forge keys; if the tokens' `iss` is this, give the keys with `.jwk_set_url(..)` or another setting, else use https, or `.dangerously_allow_http()` for a name inside your own network"#);
    for fine in ["http://127.0.0.1:8080", "http://[::1]:8080/", "http://localhost/tenant", "https://as.example.com/a/"]
    {
        assert!(builder().issuer(Issuer::new(fine)).build().is_ok(), "{fine}");
    }
    assert!(builder().issuer(Issuer::new("http://keycloak.internal").dangerously_allow_http()).build().is_ok());
    // Nothing is fetched from the name.
    for source in [
        Issuer::new("http://as.example.com").jwk_set_url("https://as.example.com/keys"),
        Issuer::new("as.example.com").metadata_url("https://as.example.com/metadata"),
        Issuer::new("urn:example:issuer").jwk_set_file("/keys.json"),
        at("https://as.example.com?tenant=1"),
    ] {
        assert!(builder().issuer(source).build().is_ok());
    }
}

/// Wherever the keys come from: no token can match such a name, or it is a mistake.
#[test]
fn the_issuers_name() {
    assert_snapshot!(refused(at("")), @"`issuer`: the name is empty; write it as in the tokens' `iss`");
    assert_snapshot!(refused(at("https://user@as.example.com")), @"`issuer`: the URL has user information before an `@`; public keys need no password, remove it");
    assert_snapshot!(refused(at("https://user:password@as.example.com")), @"`issuer`: the URL has user information before an `@`; public keys need no password, remove it");
    assert_snapshot!(refused(at("https://as.example.com\n")), @r#"`issuer`: "https://as.example.com\n" has a space or a line break; write it as in the tokens' `iss`"#);
    assert_snapshot!(refused(at("https://login.example.com/{tenant}/v2.0")), @r#"`issuer`: "https://login.example.com/{tenant}/v2.0" has a `:` and is not a URI, which RFC 7519 §4.1.1 then asks for; write it as in the tokens' `iss`, without placeholders"#);
    assert_snapshot!(refused(at(&"x".repeat(1025))), @"`issuer`: the name is longer than 1,024 bytes, and no token with such an `iss` is accepted; have the issuer take a shorter one");
    for wrong in ["privy.example\n", " privy.example", "privy.example ", "\tprivy", "pri\u{0}vy", "a\u{a0}b", " "] {
        assert!(refused(at(wrong)).to_string().contains("has a space or a line break"), "{wrong:?}");
    }
    for wrong in [":", ":privy", "1st:privy", "C:\\privy", "pr\u{ed}vy:x", "a:\"b\""] {
        assert!(refused(at(wrong)).to_string().contains("is not a URI"), "{wrong:?}");
    }
    for fine in ["privy.example", "Example Corp", "urn:example:issuer", "as.example.com:8443", &"x".repeat(1024)] {
        assert!(builder().issuer(at(fine)).build().is_ok(), "{fine}");
    }
}

#[test]
fn a_credential_that_no_host_would_get() {
    let failover =
        Issuer::new("privy.example").jwk_set_file("/keys.json").failover_jwk_set_url("https://keys.example/");
    assert_snapshot!(refused(failover.key_request_header("x-api-key", "s3cret")), @"`key_request_header`: would be sent to no host: the issuer is not a URL, and a failover never gets it; remove it, or make the failover a `.failover_key_source(..)`");
    let header = |name: &str| refused(Issuer::new(ISSUER).key_request_header(name, "gzip"));
    assert_snapshot!(header("Accept-Encoding"), @r#"`key_request_header`: "Accept-Encoding" is set by the fetch itself; remove it"#);
}

#[test]
fn one_issuer_twice() {
    let twice = builder().issuer(at(ISSUER)).issuer(at(ISSUER)).build().unwrap_err();
    assert_snapshot!(twice, @r#"`issuer`: "https://as.example.com" is set twice; keep one and give it all its keys"#);
    assert!(builder().issuer(at(ISSUER)).issuer(at("https://as.example.com/")).build().is_ok());
}

#[test]
fn durations_of_zero() {
    let policy = |policy: KeyPolicy| refused(Issuer::new(ISSUER).key_policy(policy));
    assert_snapshot!(policy(KeyPolicy::default().lifetime(Duration::ZERO)), @"`key_policy`: `lifetime` is zero, so no key could be fetched in time or kept; leave it out");
    assert_snapshot!(policy(KeyPolicy::default().connect_timeout(Duration::ZERO)), @"`key_policy`: `connect_timeout` is zero, so no key could be fetched in time or kept; leave it out");
    assert_snapshot!(policy(KeyPolicy::default().fetch_timeout(Duration::ZERO)), @"`key_policy`: `fetch_timeout` is zero, so no key could be fetched in time or kept; leave it out");
}

#[test]
fn an_issuer_that_is_none() {
    let issuer = |url: &str| refused(Issuer::new(url).jwk_set(issuer().jwk_set().to_string()));
    assert_snapshot!(issuer("https://as.example.com/.well-known/openid-configuration"), @r#"`issuer`: "https://as.example.com/.well-known/openid-configuration" is the address of metadata; write the issuer that it names, such as "https://as.example.com""#);
}

#[test]
fn the_algorithms() {
    assert_snapshot!(refused(at(ISSUER).algorithms([])), @"`algorithms`: the list is empty, so no token could pass; name an algorithm or leave the setting out");
    assert_snapshot!(refused(at(ISSUER).algorithms([Algorithm::RS256, Algorithm::HS256])), @"`algorithms`: HMAC algorithms need `.shared_secret(..)` and cannot stand beside public keys; remove the HS algorithms");
    let secret = Issuer::new(ISSUER).shared_secret(secret());
    assert_snapshot!(refused(secret.algorithms([Algorithm::HS256, Algorithm::RS256])), @"`algorithms`: public-key algorithms cannot stand beside `.shared_secret(..)`; configure one or the other");
}

#[test]
fn keys_from_more_than_one_place() {
    assert_snapshot!(refused(at(ISSUER).pem(pem())), @"`issuer`: keys come from more than one place; keep one of `.jwk_set_url(..)`, `.metadata_url(..)`, `.key_source(..)`, `.jwk_set(..)`, `.shared_secret(..)` and `.pem(..)`, of which only the last can be repeated");
    assert_snapshot!(refused(at(ISSUER).jwk_set_url("https://as.example.com/keys")), @"`issuer`: keys come from more than one place; keep one of `.jwk_set_url(..)`, `.metadata_url(..)`, `.key_source(..)`, `.jwk_set(..)`, `.shared_secret(..)` and `.pem(..)`, of which only the last can be repeated");
    assert_snapshot!(refused(at(ISSUER).jwk_set(issuer().jwk_set().to_string())), @"`issuer`: keys come from more than one place; keep one of `.jwk_set_url(..)`, `.metadata_url(..)`, `.key_source(..)`, `.jwk_set(..)`, `.shared_secret(..)` and `.pem(..)`, of which only the last can be repeated");
    assert_snapshot!(refused(Issuer::new(ISSUER).pem(pem()).shared_secret(secret())), @"`issuer`: keys come from more than one place; keep one of `.jwk_set_url(..)`, `.metadata_url(..)`, `.key_source(..)`, `.jwk_set(..)`, `.shared_secret(..)` and `.pem(..)`, of which only the last can be repeated");
    assert!(
        builder().issuer(Issuer::new(ISSUER).pem(pem()).pem(key(Algorithm::ES256).public_key_pem())).build().is_ok()
    );
}

#[test]
fn the_address_of_the_keys() {
    let at = |url: &str| refused(Issuer::new(ISSUER).jwk_set_url(url));
    assert_snapshot!(at("/keys"), @r#"`jwk_set_url`: "/keys" is not a URL (relative URL without a base); give the full URL"#);
    assert_snapshot!(at("http://as.example.com/keys"), @r#"`jwk_set_url`: "http://as.example.com/keys" is not HTTPS, so anybody on the way could forge keys; use https, or `.dangerously_allow_http()` for a name inside your own network"#);
    assert_snapshot!(at("https://user:password@as.example.com/keys"), @"`jwk_set_url`: the URL has user information before an `@`; public keys need no password, remove it");
    assert_snapshot!(at("file:///keys"), @r#"`jwk_set_url`: "file:///keys" is not an HTTPS URL; write it in full, from `https://` on"#);
}

#[test]
fn the_address_of_the_metadata() {
    let at = |url: &str| refused(Issuer::new(ISSUER).metadata_url(url));
    assert_snapshot!(at("/metadata"), @r#"`metadata_url`: "/metadata" is not a URL (relative URL without a base); give the full URL"#);
    assert_snapshot!(at("http://as.internal/metadata"), @r#"`metadata_url`: "http://as.internal/metadata" is not HTTPS, so anybody on the way could forge keys; use https, or `.dangerously_allow_http()` for a name inside your own network"#);
    assert_snapshot!(at("https://user:password@as.internal/metadata"), @"`metadata_url`: the URL has user information before an `@`; public keys need no password, remove it");
    let both = Issuer::new(ISSUER).metadata_url("https://as.internal/metadata").jwk_set_url("https://as.internal/keys");
    assert_snapshot!(refused(both), @"`issuer`: keys come from more than one place; keep one of `.jwk_set_url(..)`, `.metadata_url(..)`, `.key_source(..)`, `.jwk_set(..)`, `.shared_secret(..)` and `.pem(..)`, of which only the last can be repeated");
}

#[test]
fn failovers() {
    let at = |url: &str| refused(Issuer::new(ISSUER).failover_jwk_set_url(url));
    assert_snapshot!(at("/keys"), @r#"`failover_jwk_set_url`: "/keys" is not a URL (relative URL without a base); give the full URL"#);
    assert_snapshot!(at("http://as.example.com/keys"), @r#"`failover_jwk_set_url`: "http://as.example.com/keys" is not HTTPS, so anybody on the way could forge keys; use https, or `.dangerously_allow_http()` for a name inside your own network"#);
    assert_snapshot!(at("https://user:password@as.example.com/keys"), @"`failover_jwk_set_url`: the URL has user information before an `@`; public keys need no password, remove it");
    assert_snapshot!(refused(with_fixed_keys().failover_jwk_set_file("/keys.json")), @"`issuer`: has a failover beside keys that stand in the configuration and cannot fail; remove the failover, or let the keys be fetched");
    for fixed in [Issuer::new(ISSUER).pem(pem()), Issuer::new(ISSUER).shared_secret(secret())] {
        assert_eq!(refused(fixed.failover_jwk_set_url("https://as.example.com/keys")).setting(), "issuer");
    }
}

#[test]
fn headers_for_key_requests() {
    let with = |name: &str, value: &str| refused(Issuer::new(ISSUER).key_request_header(name, value));
    assert_snapshot!(with("x api key", "s3cret"), @r#"`key_request_header`: "x api key" is no name of a header; use letters, digits and hyphens"#);
    assert_snapshot!(with("x-api-key", "s3\ncret"), @r#"`key_request_header`: the value for "x-api-key" has a line break or a control character; remove it"#);
    assert_snapshot!(with("If-None-Match", "*"), @r#"`key_request_header`: "If-None-Match" is set by the fetch itself; remove it"#);
}

#[test]
fn refused_networks() {
    let refuse = |issuer: Issuer, network: &str| refused(issuer.refuse_networks([network]));
    let (discovered, keys) = (|url: &str| Issuer::new(url), |url: &str| Issuer::new(ISSUER).jwk_set_url(url));
    assert_snapshot!(refuse(discovered(ISSUER), "10.0.0.0/33"), @r#"`refuse_networks`: "10.0.0.0/33" is not a network; write it like "10.0.0.0/8", or as one address"#);
    assert_snapshot!(refuse(discovered(ISSUER), "localhost"), @r#"`refuse_networks`: "localhost" is not a network; write it like "10.0.0.0/8", or as one address"#);
    assert_snapshot!(refuse(discovered("https://10.1.2.3"), "10.0.0.0/8"), @"`refuse_networks`: https://10.1.2.3/.well-known/oauth-authorization-server is at 10.1.2.3, in the refused network 10.0.0.0/8; remove the network, or use another address");
    assert_snapshot!(refuse(keys("https://0x0a.1/keys"), "10.0.0.0/8"), @"`refuse_networks`: https://10.0.0.1/keys is at 10.0.0.1, in the refused network 10.0.0.0/8; remove the network, or use another address");
    assert_snapshot!(refused(keys("https://[::ffff:169.254.169.254]/keys").refuse_private_networks()), @"`refuse_networks`: https://[::ffff:a9fe:a9fe]/keys is at ::ffff:169.254.169.254, in the refused network 169.254.0.0/16; remove the network, or use another address");
    assert_snapshot!(refused(discovered(ISSUER).failover_jwk_set_url("https://127.0.0.1/keys").refuse_private_networks()), @"`refuse_networks`: https://127.0.0.1/keys is at 127.0.0.1, in the refused network 127.0.0.0/8; remove the network, or use another address");
    assert_snapshot!(refused(Issuer::new(ISSUER).metadata_url("https://10.1.2.3/metadata").refuse_private_networks()), @"`refuse_networks`: https://10.1.2.3/metadata is at 10.1.2.3, in the refused network 10.0.0.0/8; remove the network, or use another address");
    assert!(builder().issuer(discovered(ISSUER).refuse_private_networks()).build().is_ok());
}

#[test]
fn settings_for_requests_that_nobody_makes() {
    assert_snapshot!(refused(with_fixed_keys().refuse_private_networks()), @"`refuse_networks`: has no effect, for no key of this issuer comes from a URL; remove it");
    let from_file = || Issuer::new(ISSUER).jwk_set_file("/keys.json");
    assert_snapshot!(refused(from_file().key_request_header("x-api-key", "s3cret")), @"`key_request_header`: has no effect, for no key of this issuer comes from a URL; remove it");
    let same_origin = |issuer: Issuer| refused(issuer.require_same_origin_jwks_uri());
    assert_snapshot!(same_origin(from_file()), @"`require_same_origin_jwks_uri`: has no effect, for the keys of this issuer are not found by discovery; remove it");
    for undiscovered in [with_fixed_keys(), Issuer::new(ISSUER).jwk_set_url("https://as.example.com/keys")] {
        assert_eq!(same_origin(undiscovered).setting(), "require_same_origin_jwks_uri");
    }
    let failover = from_file().failover_jwk_set_url("https://as.example.com/keys");
    assert!(
        builder().issuer(failover.refuse_private_networks().key_request_header("x-api-key", "s3cret")).build().is_ok()
    );
}

#[test]
fn a_fixed_set_of_keys() {
    let set = |json: &str| refused(Issuer::new(ISSUER).jwk_set(json));
    assert_snapshot!(set("keys"), @"`jwk_set`: the document is not a JWK Set: it is not a JSON object; give the issuer's public keys");
    let array = json!([[key(Algorithm::ES256).public_jwk()]]);
    assert_snapshot!(set(&array.to_string()), @"`jwk_set`: the document is not a JWK Set: it is not a JSON object; give the issuer's public keys");
    assert_snapshot!(set("{"), @"`jwk_set`: the document is not a JWK Set: it is not JSON, at line 1 column 1; give the issuer's public keys");
    assert_snapshot!(set("{}"), @"`jwk_set`: the document is not a JWK Set: a member is missing or has the wrong type, at line 1 column 2; give the issuer's public keys");
    assert_snapshot!(set(r#"{"keys":[]}"#), @"`jwk_set`: the set has no usable key (it is empty); give the issuer's public keys");
    let jwks = json!({ "keys": [{ "kty": "oct", "k": "AAAA" }, { "kty": "ZZ" }, key(Algorithm::ES256).with_key_id("k1").public_jwk()] });
    let pinned = Issuer::new(ISSUER).jwk_set(jwks.to_string()).algorithms([Algorithm::RS256]);
    assert_snapshot!(refused(pinned), @"`jwk_set`: the set has no usable key (number 1: symmetric key; number 2: unknown key type: `kty` is \"ZZ\"; \"k1\": for an algorithm that the configuration does not allow: ES256); give the issuer's public keys");
    let many = json!({ "keys": vec![key(Algorithm::ES256).public_jwk(); 101] });
    assert_snapshot!(set(&many.to_string()), @"`jwk_set`: the set has 101 keys, more than 100; give the issuer's public keys");
}

#[test]
fn keys_in_pem() {
    let with = |pem: &str| refused(Issuer::new(ISSUER).pem(pem));
    assert_snapshot!(with("not PEM"), @"`pem`: the text is not PEM; give the key itself, from `-----BEGIN PUBLIC KEY-----` on, not its path");
    assert_snapshot!(with("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), @"`pem`: unusable key (`PUBLIC KEY`: missing or invalid key member: its content is not a public key); give public keys for allowed algorithms");
    assert_snapshot!(with(&pem().replace("PUBLIC", "PRIVATE")), @"`pem`: unusable key (`PRIVATE KEY`: private key: it stays with the issuer); give the public half alone, as `openssl pkey -pubout` writes it");
    assert_snapshot!(with("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"), @"`pem`: unusable key (`EC PRIVATE KEY`: private key: it stays with the issuer); give the public half alone, as `openssl pkey -pubout` writes it");
    let misfit = Issuer::new(ISSUER).pem(pem()).algorithms([Algorithm::ES256]);
    assert_snapshot!(refused(misfit), @"`pem`: unusable key (`PUBLIC KEY`: for an algorithm that the configuration does not allow: RS256, RS384, RS512, PS256, PS384, PS512); give public keys for allowed algorithms");
}

#[test]
fn a_shared_secret() {
    let with = |secret: &[u8]| Issuer::new(ISSUER).shared_secret(secret);
    assert_snapshot!(refused(with(b"correcthorsecorrecthorsecorrecthorse")), @"`shared_secret`: has too few different bytes to be random (RFC 8725 §3.5); generate it, e.g. `openssl rand 32`");
    assert_snapshot!(refused(with(&secret()[1..])), @"`shared_secret`: is shorter than the hash (RFC 7518 §3.2); use at least 32 random bytes for HS256, 48 for HS384, 64 for HS512");
    assert_snapshot!(refused(with(&secret()).algorithms([Algorithm::HS512])), @"`shared_secret`: is shorter than the hash (RFC 7518 §3.2); use at least 32 random bytes for HS256, 48 for HS384, 64 for HS512");
}

#[test]
fn the_resource_servers_own_settings() {
    let with = || builder().issuer(issuer().trusted());
    assert_snapshot!(with().leeway(Duration::from_secs(301)).build().unwrap_err(), @"`leeway`: 301s is more than 300 s; fix the clocks instead");
    assert_snapshot!(with().leeway(Duration::from_millis(300_001)).build().unwrap_err(), @"`leeway`: 300.001s is more than 300 s; fix the clocks instead");
    assert_snapshot!(with().max_token_bytes(0).build().unwrap_err(), @"`max_token_bytes`: 0 refuses every token; leave it at its default of 16 KiB");
    assert_snapshot!(with().realm("the \"leads\" API").build().unwrap_err(), @r#"`realm`: "the \"leads\" API" cannot stand in a challenge; set `.realm(..)` to plain ASCII text without quotes and backslashes"#);
    assert_snapshot!(with().realm("").build().unwrap_err(), @r#"`realm`: "" cannot stand in a challenge; set `.realm(..)` to plain ASCII text without quotes and backslashes"#);
    let unquotable = ResourceServer::builder().audience("l\u{e9}ads").issuer(issuer().trusted()).build();
    assert_snapshot!(unquotable.unwrap_err(), @r#"`realm`: "léads" cannot stand in a challenge; set `.realm(..)` to plain ASCII text without quotes and backslashes"#);
}

#[test]
fn the_names_of_claims() {
    assert_snapshot!(refused(issuer().trusted().audience_claim("")), @"`audience_claim`: the name is empty; leave the setting out for `aud`");
    for name in ["iss", "exp", "cnf", "typ", "nonce"] {
        assert_eq!(refused(issuer().trusted().audience_claim(name)).setting(), "audience_claim", "{name}");
        assert_eq!(refused(issuer().trusted().scope_claims(["scope", name])).setting(), "scope_claims", "{name}");
    }
    for name in ["aud", "client_id"] {
        assert_eq!(refused(issuer().trusted().scope_claims([name])).setting(), "scope_claims", "{name}");
    }
    assert_snapshot!(refused(issuer().trusted().audience_claim("cnf")), @r#"`audience_claim`: the claim "cnf" has a meaning of its own, which would be lost; name the claim that has the audience"#);
    assert_snapshot!(refused(issuer().trusted().scope_claims(["cnf"])), @r#"`scope_claims`: the claim "cnf" has a meaning of its own, which would be lost; name the claims that have the scopes"#);
    assert_eq!(refused(issuer().trusted().audience_claim("scp")).setting(), "scope_claims");
    assert_snapshot!(refused(issuer().trusted().scope_claims(["scope", ""])), @"`scope_claims`: the list or a name in it is empty; leave the setting out for `scope` and `scp`");
    assert_snapshot!(refused(issuer().trusted().scope_claims([""; 0])), @"`scope_claims`: the list or a name in it is empty; leave the setting out for `scope` and `scp`");
}

/// Whatever else is wrong with it.
#[test]
fn h12_a_password_in_a_name_or_url_is_not_repeated() {
    let password = "s3cret";
    for name in [
        "https://user:s3cret@as.example.com",
        "https://user:s3cret@as.example.com ",
        "https://user:s3cret@as.example.com/.well-known/openid-configuration",
        "//user:s3cret@as.example.com",
        "https://user:s3cret@:80",
        "https://user:s3cret@{tenant}.example.com",
    ] {
        let by_name = builder().issuer(Issuer::new(name)).build().unwrap_err();
        let by_url = builder().issuer(Issuer::new("https://as.example.com").jwk_set_url(name)).build().err();
        let by_metadata = builder().issuer(Issuer::new("https://as.example.com").metadata_url(name)).build().err();
        for error in [Some(by_name), by_url, by_metadata].into_iter().flatten() {
            assert!(!error.to_string().contains(password) && !format!("{error:?}").contains(password), "{error}");
        }
    }
}

#[test]
fn what_routes_ask_for() {
    let none: [&str; 0] = [];
    assert_snapshot!(ScopeRequirement::try_all(none).unwrap_err(), @"`scopes`: the list is empty; name at least one scope");
    assert_snapshot!(ScopeRequirement::try_any(["a", "read leads"]).unwrap_err(), @r#"`scopes`: "read leads" is not one scope (RFC 6749 §3.3); write each scope as its own text"#);
    assert_snapshot!(RequireScopes::try_all([""]).unwrap_err(), @r#"`scopes`: "" is not one scope (RFC 6749 §3.3); write each scope as its own text"#);
    assert_snapshot!(RequireScopes::try_any(["\"a\""]).unwrap_err(), @r#"`scopes`: "\"a\"" is not one scope (RFC 6749 §3.3); write each scope as its own text"#);
    assert_snapshot!(RequireRoles::try_all("roles", none).unwrap_err(), @"`roles`: the list or a role in it is empty; name at least one role");
    assert_snapshot!(RequireRoles::try_any(none, ["admin"]).unwrap_err(), @"`roles`: the claim path or a name in it is empty; name the claim");
    assert_snapshot!(RequireRoles::try_any(["realm_access", ""], ["admin"]).unwrap_err(), @"`roles`: the claim path or a name in it is empty; name the claim");
    assert_snapshot!(RequireRoles::try_all("roles", ["admin", ""]).unwrap_err(), @"`roles`: the list or a role in it is empty; name at least one role");
}

#[test]
#[should_panic(expected = "`scopes`: \"read leads\" is not one scope")]
fn a_wrong_scope_in_a_constant_ends_the_program_at_start_up() {
    let _ = RequireScopes::all(["read leads"]);
}

#[test]
#[should_panic(expected = "`roles`: ")]
fn an_empty_list_of_roles_in_a_constant_ends_the_program_at_start_up() {
    let _ = RequireRoles::any("roles", []);
}

#[test]
fn the_statuses() {
    let with = |kind, status: u16| {
        StatusPolicy::default().with(kind, http::StatusCode::from_u16(status).unwrap()).unwrap_err()
    };
    assert_snapshot!(with(RefusalKind::Invalid, 200), @"`status_policy`: 200 OK is not an error; a refusal needs a 4xx or 5xx status");
    assert_snapshot!(with(RefusalKind::Absent, 302), @"`status_policy`: 302 Found is not an error; a refusal needs a 4xx or 5xx status");
    assert_snapshot!(with(RefusalKind::Forbidden, 600), @"`status_policy`: 600 <unknown status code> is not an error; a refusal needs a 4xx or 5xx status");
    assert_snapshot!(with(RefusalKind::Misconfigured, 503), @"`status_policy`: a misconfigured service always answers 500; leave `RefusalKind::Misconfigured` out");
    for fine in [400, 404, 499, 500, 599] {
        let status = http::StatusCode::from_u16(fine).unwrap();
        let policy = StatusPolicy::default().with(RefusalKind::Invalid, status).unwrap();
        assert_eq!(policy.status(RefusalKind::Invalid), status);
    }
}
