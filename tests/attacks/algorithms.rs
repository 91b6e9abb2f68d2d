//! A: algorithm and key selection. The token never chooses the algorithm, the key, or where a key comes from.

use serde_json::{Value, json};
use tower_bearer::Issuer;
use tower_bearer::jose::Algorithm;
use tower_bearer_test::{SigningKey, TestIssuer};

use crate::canary::{KeyServer, Logs};
use crate::rsa::pkcs1_der;
use crate::support::*;

const NONES: [&str; 7] = ["none", "None", "NONE", "nOnE", "none ", "", "\0"];

#[tokio::test]
async fn a01_alg_none_in_every_spelling() {
    let trial = Trial::start().await;
    let good = token().sign();
    trial.accepts(&good).await;
    for alg in NONES {
        let signed = token().header("alg", alg).sign();
        let signatures = [Vec::new(), decode(parts(&good)[2]), vec![0x5a; 256]];
        for signature in signatures {
            trial.invalid(&with_signature(&signed, signature), "algorithm_not_allowed").await;
        }
        trial.invalid(&signed, "algorithm_not_allowed").await;
    }
}

#[tokio::test]
async fn a02_alg_absent_or_of_another_type() {
    let trial = Trial::start().await;
    trial.malformed(&token().without_header("alg").sign(), "header_alg").await;
    for alg in [Value::Null, json!(256), json!(["RS256"]), json!({ "alg": "RS256" }), json!(true)] {
        trial.malformed(&token().header("alg", alg).sign(), "header_alg").await;
    }
    // Fits into the token's size cap, which is what stops longer ones.
    let long = "R".repeat(8 * 1024);
    for alg in [long.as_str(), "rs256", "Rs256", "RS256 ", " RS256", "RS256\0", "RS1", "RSA", "ＲＳ256"] {
        trial.invalid(&token().header("alg", alg).sign(), "algorithm_not_allowed").await;
    }
}

/// Every text and byte string that somebody could take for "the" public key.
fn forms_of_the_public_key(key: &SigningKey) -> Vec<(&'static str, Vec<u8>)> {
    let pem = key.public_key_pem();
    let jwk = key.public_jwk();
    let member = |name: &str| decode(jwk[name].as_str().unwrap_or_default());
    let mut forms = vec![
        ("SPKI PEM", pem.clone().into_bytes()),
        ("without the newline at its end", pem.trim_end().as_bytes().to_vec()),
        ("with CRLF", pem.replace('\n', "\r\n").into_bytes()),
        ("with a space before it", format!(" {pem}").into_bytes()),
        ("with a newline before it", format!("\n{pem}").into_bytes()),
        ("SPKI base64 in one line", pem.lines().filter(|line| !line.starts_with('-')).collect::<String>().into_bytes()),
        ("SPKI DER", key.public_key_der().to_vec()),
        ("JWK as served", jwk.to_string().into_bytes()),
        ("JWK set as served", json!({ "keys": [jwk] }).to_string().into_bytes()),
        ("kid", key.key_id().as_bytes().to_vec()),
    ];
    if key.algorithm() == Algorithm::RS256 {
        let (n, e) = (jwk["n"].as_str().unwrap(), jwk["e"].as_str().unwrap());
        let pkcs1 = pkcs1_der(&member("n"), &member("e"));
        forms.extend([
            ("JWK canonical", format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#).into_bytes()),
            ("PKCS#1 PEM", armoured("RSA PUBLIC KEY", &pkcs1).into_bytes()),
            ("PKCS#1 PEM without the newline", armoured("RSA PUBLIC KEY", &pkcs1).trim_end().as_bytes().to_vec()),
            ("PKCS#1 DER", pkcs1),
            ("n", member("n")),
            ("n with a sign byte", [&[0], &*member("n")].concat()),
            ("n in base64url", n.as_bytes().to_vec()),
        ]);
    } else {
        let (x, y) = (jwk["x"].as_str().unwrap(), jwk["y"].as_str().unwrap());
        forms.extend([
            ("JWK canonical", format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#).into_bytes()),
            ("x || y", [member("x"), member("y")].concat()),
            ("point", [&[4], &*member("x"), &*member("y")].concat()),
            ("x", member("x")),
            ("x in base64url", x.as_bytes().to_vec()),
        ]);
    }
    forms
}

fn armoured(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[tokio::test]
async fn a03_hs256_keyed_with_the_public_key() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256] {
        let published = key(algorithm);
        let mut without_alg = published.public_jwk();
        without_alg.as_object_mut().unwrap().remove("alg");
        let forms = forms_of_the_public_key(&published);
        assert!(forms.len() >= 12, "{}", forms.len());
        // However the key was configured: a JWK without `alg` must not let the header choose.
        let sources = [
            jwk_set(&[published.public_jwk()]),
            jwk_set(&[without_alg]),
            Issuer::new(ISSUER).pem(published.public_key_pem()),
        ];
        for source in sources {
            let trial = Trial::of(source).await;
            trial.accepts(&token_with(algorithm).sign()).await;
            for (form, secret) in &forms {
                println!("{algorithm} {form}");
                let forged = hmac_token(token_with(algorithm), "HS256", secret);
                trial.invalid(&forged, "algorithm_not_allowed").await;
            }
            for (hash, (_, secret)) in [("HS384", &forms[0]), ("HS512", &forms[0])] {
                let forged = hmac_token(token_with(algorithm), hash, secret);
                trial.invalid(&forged, "algorithm_not_allowed").await;
            }
        }
    }
}

#[tokio::test]
async fn a04_hs256_with_a_guessable_secret() {
    let trial = Trial::start().await;
    let secret = b"0123456789abcdef0123456789ABCDEF".to_vec();
    let shared = Trial::of(Issuer::new(ISSUER).shared_secret(secret.clone())).await;
    shared.accepts(&hmac_token(token(), "HS256", &secret)).await;
    for guess in [&b""[..], b"secret", &[0; 32], &secret[..31]] {
        trial.invalid(&hmac_token(token(), "HS256", guess), "algorithm_not_allowed").await;
        shared.invalid(&hmac_token(token(), "HS256", guess), "bad_signature").await;
    }
    // No secret like these can be configured either.
    for guess in [&b""[..], b"secret", &[0; 32], &secret[..31]] {
        assert!(builder().issuer(Issuer::new(ISSUER).shared_secret(guess)).build().is_err());
    }
    // The tag counts in its full length, and with its own hash.
    let good = hmac_token(token(), "HS256", &secret);
    let tag = decode(parts(&good)[2]);
    for cut in [0, 1, 16, 31] {
        shared.invalid(&with_signature(&good, &tag[..cut]), "bad_signature").await;
    }
    shared.invalid(&with_signature(&good, [tag, vec![0]].concat()), "bad_signature").await;
    shared.invalid(&hmac_token(token(), "HS512", &secret), "algorithm_not_allowed").await;
    shared.invalid(&token().sign(), "algorithm_not_allowed").await;
}

#[tokio::test]
async fn a05_another_algorithm_of_the_same_rsa_key() {
    let pss = key(Algorithm::RS256).with_algorithm(Algorithm::PS256).unwrap();
    let by_pss = token().key(&pss).sign();

    // The JWK says RS256.
    let trial = Trial::start().await;
    trial.invalid(&by_pss, "no_matching_key").await;

    // The JWK says nothing: then the configuration decides.
    let mut jwk = pss.public_jwk();
    jwk.as_object_mut().unwrap().remove("alg");
    Trial::of(jwk_set(&[jwk.clone()])).await.accepts(&by_pss).await;
    let trial = Trial::of(jwk_set(&[jwk]).algorithms([Algorithm::RS256])).await;
    trial.accepts(&token().sign()).await;
    trial.invalid(&by_pss, "algorithm_not_allowed").await;
    // The signature is of the algorithm that was named, not of one that happens to fit.
    trial.invalid(&token().header("alg", "RS256").key(&pss).header("alg", "RS256").sign(), "bad_signature").await;
}

#[tokio::test]
async fn a06_a_key_in_the_header_is_never_used() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let trial = Trial::of(issuer_with(algorithm).trusted()).await;
        let attacker = attackers_key(algorithm);
        let by_attacker = || token_with(algorithm).key(&attacker).header("jwk", attacker.public_jwk());
        trial.invalid(&by_attacker().sign(), "no_matching_key").await;
        trial.invalid(&by_attacker().without_header("kid").sign(), "bad_signature").await;
        trial.invalid(&by_attacker().header("kid", key(algorithm).key_id()).sign(), "bad_signature").await;
        // A header with a key is no reason to refuse an honest token: it is not looked at.
        trial.accepts(&token_with(algorithm).header("jwk", json!({ "kty": 7 })).sign()).await;
    }
}

#[tokio::test]
async fn a07_urls_in_the_header_are_never_fetched() {
    let attacker = attackers_key(Algorithm::RS256);
    let canary = KeyServer::start(json!({ "keys": [attacker.public_jwk()] }).to_string()).await;
    let provider = KeyServer::start(issuer_with(Algorithm::RS256).jwk_set().to_string()).await;
    let trial = Trial::of(Issuer::new(ISSUER).jwk_set_url(provider.url())).await;
    for name in ["jku", "x5u"] {
        let lured = || token().key(&attacker).header(name, canary.url());
        trial.invalid(&lured().sign(), "no_matching_key").await;
        trial.invalid(&lured().header("kid", canary.url()).sign(), "no_matching_key").await;
        trial.invalid(&lured().header("kid", key(Algorithm::RS256).key_id()).sign(), "bad_signature").await;
        trial.accepts(&token().header(name, canary.url()).sign()).await;
    }
    assert_eq!(canary.connections(), 0);
    assert!(provider.connections() > 0);
}

#[tokio::test]
async fn a08_a_certificate_in_the_header_is_never_used() {
    let trial = Trial::start().await;
    let attacker = attackers_key(Algorithm::RS256);
    // What counts is that it is not parsed: a public key stands where the leaf certificate would.
    let leaf: String = attacker.public_key_pem().lines().filter(|line| !line.starts_with('-')).collect();
    let chained = || token().key(&attacker).header("x5c", json!([leaf])).header("x5t#S256", attacker.key_id());
    trial.invalid(&chained().sign(), "no_matching_key").await;
    trial.invalid(&chained().without_header("kid").sign(), "bad_signature").await;
    trial.accepts(&token().header("x5c", json!([leaf])).header("x5t", "dGh1bWI").sign()).await;
    // Not used, yet not of any type either: other readers of the token would refuse it.
    trial.invalid(&token().header("x5c", "not an array").sign(), "header_parameter").await;
}

#[tokio::test]
async fn a09_hostile_key_ids_reach_nothing() {
    let logs = Logs::capture();
    let canary = KeyServer::start("").await;
    let provider = KeyServer::start(issuer_with(Algorithm::RS256).jwk_set().to_string()).await;
    let fixed = Trial::start().await;
    let remote = Trial::of(Issuer::new(ISSUER).jwk_set_url(provider.url())).await;
    let (url, long) = (canary.url(), "k".repeat(8 * 1024));
    let key_ids = [
        "../../../../dev/null",
        "/proc/self/environ",
        "' OR 1=1--",
        "$(id)",
        "a\0b",
        "",
        "\u{202e}dik",
        "\u{1f511}",
        "${jndi:ldap://127.0.0.1/a}",
        "x\r\nset-cookie: a=b",
        "\", error=\"",
        "__proto__",
        url.as_str(),
        long.as_str(),
    ];
    for key_id in key_ids {
        let lured = token().header("kid", key_id).sign();
        fixed.invalid(&lured, "no_matching_key").await;
        remote.invalid(&lured, "no_matching_key").await;
        let shown = logs.text();
        assert!(shown.contains("no_matching_key"), "{shown}");
        assert!(key_id.is_empty() || !shown.contains(key_id) && !shown.contains(&format!("{key_id:?}")), "{shown}");
    }
    fixed.malformed(&token().header("kid", "k".repeat(1024 * 1024)).sign()[..64 * 1024], "token_too_large").await;
    let larger = builder().max_token_bytes(4 << 20).issuer(issuer_with(Algorithm::RS256).trusted()).build().unwrap();
    let megabyte = token().header("kid", "k".repeat(1024 * 1024)).sign();
    assert_eq!(reason(&larger, &megabyte).await, "no_matching_key");
    for key_id in [Value::Null, json!(0), json!(["a"]), json!({})] {
        fixed.invalid(&token().header("kid", key_id).sign(), "header_parameter").await;
    }
    assert_eq!(canary.connections(), 0);
    // Each of the two resource servers: the first fetch and the budget of two.
    assert!(provider.connections() <= 6, "{}", provider.connections());
}

#[tokio::test]
async fn a10_without_a_key_id_the_fitting_keys_are_tried_up_to_four() {
    let unnamed = || token_with(Algorithm::ES256).without_header("kid");
    let others = |count: usize| -> Vec<Value> {
        let keys = std::iter::repeat_with(|| SigningKey::generate(Algorithm::ES256).unwrap().public_jwk());
        keys.take(count).collect()
    };
    let ours = key(Algorithm::ES256).public_jwk();
    for count in [0, 1, 3] {
        let set = [others(count), vec![key(Algorithm::RS256).public_jwk(), ours.clone()]].concat();
        let trial = Trial::of(jwk_set(&set)).await;
        trial.accepts(&unnamed().sign()).await;
        trial.invalid(&with_signature(&unnamed().sign(), [7; 64]), "bad_signature").await;
    }
    let trial = Trial::of(jwk_set(&[vec![ours], others(4)].concat())).await;
    trial.invalid(&unnamed().sign(), "too_many_keys").await;
    trial.accepts(&token_with(Algorithm::ES256).sign()).await;
}

#[tokio::test]
async fn a11_keys_belong_to_their_issuer() {
    let [a, b] = [key(Algorithm::RS256), attackers_key(Algorithm::RS256)].map(|key| key.with_key_id("shared"));
    let [url_a, url_b] = [ISSUER, "https://b.example.com"];
    let issuers =
        [(url_a, &a), (url_b, &b)].map(|(url, key)| TestIssuer::with_key(url, key.clone()).with_clock(clock()));
    let trial = Trial::with(builder().issuer(issuers[0].trusted()).issuer(issuers[1].trusted())).await;
    for (issuer, own, other) in [(&issuers[0], &a, &b), (&issuers[1], &b, &a)] {
        let token = || issuer.token().audience(AUDIENCE);
        trial.accepts(&token().key(own).sign()).await;
        trial.invalid(&token().key(other).sign(), "bad_signature").await;
        trial.invalid(&token().key(other).without_header("kid").sign(), "bad_signature").await;
        trial.invalid(&token().key(own).claim("iss", "https://c.example.com").sign(), "issuer_mismatch").await;
    }
}

#[tokio::test]
async fn a11_a_shared_secret_of_one_issuer_opens_no_other() {
    let secret = key(Algorithm::RS256).public_key_pem().into_bytes();
    let hmac_url = "https://b.example.com";
    let both = builder()
        .issuer(issuer_with(Algorithm::RS256).trusted())
        .issuer(Issuer::new(hmac_url).shared_secret(secret.clone()));
    let trial = Trial::with(both).await;
    trial.accepts(&hmac_token(token().claim("iss", hmac_url), "HS256", &secret)).await;
    trial.accepts(&token().sign()).await;
    trial.invalid(&hmac_token(token(), "HS256", &secret), "algorithm_not_allowed").await;
    trial.invalid(&token().claim("iss", hmac_url).sign(), "algorithm_not_allowed").await;
}

#[tokio::test]
async fn a12_crit_is_refused_whatever_it_lists() {
    let trial = Trial::start().await;
    let lists = [json!(["x"]), json!(["exp"]), json!([]), json!(["b64"]), json!(["x", "x"]), json!("b64"), json!(null)];
    for crit in lists {
        trial.invalid(&token().header("crit", crit.clone()).sign(), "unsupported_header").await;
        trial.invalid(&token().header("crit", crit).header("x", 1).header("exp", 1).sign(), "unsupported_header").await;
    }
    let with_b64 = token().header("crit", json!(["b64"])).header("b64", true).sign();
    trial.invalid(&with_b64, "unsupported_header").await;
}

#[tokio::test]
async fn a13_b64_false_is_refused_with_and_without_crit() {
    let trial = Trial::start().await;
    for b64 in [json!(false), json!(true), json!("false"), json!(null)] {
        trial.invalid(&token().header("b64", b64.clone()).sign(), "unsupported_header").await;
        let critical = token().header("b64", b64).header("crit", json!(["b64"])).sign();
        trial.invalid(&critical, "unsupported_header").await;
    }
    // Unencoded payload (RFC 7797 §3): what is signed is not what a reader of the compact form sees.
    let key = key(Algorithm::RS256);
    let header = encode(json!({ "alg": "RS256", "kid": key.key_id(), "b64": false, "crit": ["b64"] }).to_string());
    let payload = token().sign();
    let payload = String::from_utf8(decode(parts(&payload)[1])).unwrap();
    let signature = encode(key.sign(format!("{header}.{payload}").as_bytes()));
    trial.invalid(&format!("{header}.{}.{signature}", encode(payload)), "unsupported_header").await;
}

#[tokio::test]
async fn a14_curve_and_algorithm_go_together() {
    let curves = [Algorithm::ES256, Algorithm::ES384, Algorithm::ES512, Algorithm::EdDSA];
    for published in curves {
        for named in curves.into_iter().filter(|named| *named != published) {
            let mut jwk = key(published).public_jwk();
            for with_alg in [true, false] {
                if !with_alg {
                    jwk.as_object_mut().unwrap().remove("alg");
                }
                let trial = Trial::of(jwk_set(std::slice::from_ref(&jwk))).await;
                let confused = token_with(published).header("alg", named.name()).sign();
                trial.invalid(&confused, "no_matching_key").await;
                let by_named = token_with(named).header("kid", key(published).key_id()).sign();
                trial.invalid(&by_named, "no_matching_key").await;
            }
        }
    }
    // Keys for key agreement and on curves that are not supported are no keys for signatures.
    for crv in ["X25519", "Ed448", "X448", "ed25519", "P-256", "secp256k1"] {
        let mut jwk = key(Algorithm::EdDSA).public_jwk();
        jwk["crv"] = crv.into();
        let trial = Trial::of(jwk_set(&[jwk, key(Algorithm::RS256).public_jwk()])).await;
        trial.invalid(&token_with(Algorithm::EdDSA).sign(), "unusable_key").await;
        trial.accepts(&token().sign()).await;
    }
}
