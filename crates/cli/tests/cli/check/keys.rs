//! Where the keys come from, and what is said when they do not.

use std::process::Output;

use serde_json::json;
use tower_bearer::jose::Algorithm;
use tower_bearer_authorization_server::{AuthorizationServer, Certificate, Endpoint, Fault};
use tower_bearer_test::Defect;

use super::{AUDIENCE, ISSUER, NOW, advice, check, jwks_file, objects};
use crate::support::stderr;

#[tokio::test(flavor = "multi_thread")]
async fn unavailable_keys_are_503_and_exit_3_with_the_reason_and_the_remedy() {
    let mut server = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).start().await.unwrap();
    let url = server.issuer().to_owned();
    let ask = |issuers: &[&str], token: &str| {
        let issuers: Vec<_> = issuers.iter().flat_map(|url| ["--issuer", url]).collect();
        check(&[&issuers[..], &["--audience", AUDIENCE, "--json"]].concat(), token)
    };
    let token = server.token().sign();
    assert_eq!(ask(&[&url], &token).status.code(), Some(0));
    let spelt_otherwise = format!("{url}/");
    let of_that_name = server.token().claim("iss", &*spelt_otherwise).sign();
    let undecided = ask(&[&spelt_otherwise], &of_that_name);
    assert_undecided(&undecided, &["Give `--issuer` as the metadata has it"]);
    server.misbehave(Endpoint::JwkSet, Fault::status(500)).unwrap();
    assert_undecided(&ask(&[&url], &token), &["status 500"]);
    server.behave(Endpoint::JwkSet);

    server.misbehave(Endpoint::JwkSet, Fault::Html).unwrap();
    assert_undecided(&ask(&[&url], &token), &["The response is not JSON", server.jwks_uri()]);
    server.behave(Endpoint::JwkSet);

    // One of several.
    let other = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).start().await.unwrap();
    server.stop().await;
    let of_two = ask(&[&url, other.issuer()], &format!("{token}\n{}", other.token().audience(AUDIENCE).sign()));
    let [undecided, good] = &objects(&of_two)[..] else { panic!("{}", stderr(&of_two)) };
    assert_eq!((&undecided["reason"], &good["accepted"]), (&json!("keys_unavailable"), &json!(true)));
    assert_undecided(&of_two, &["Is http://127.0.0.1"]);

    let words = ["refused", "Try `curl -i http://127.0.0.1", "--jwks FILE"];
    assert_undecided(&ask(&[&url], &token), &words);

    let no_file = check(&["--json", "--issuer", ISSUER, "--jwks", "/no/such/file", "--audience", AUDIENCE], &token);
    assert_eq!(objects(&no_file)[0]["reason"], "issuer_mismatch", "no keys are needed for that");
    let token = super::token().sign();
    let no_file = check(&["--json", "--issuer", ISSUER, "--jwks", "/no/such/file", "--audience", AUDIENCE], &token);
    assert_undecided(&no_file, &["No such file", "Give a file with a JWK Set"]);
}

/// What the layer says without keys, and why there are none.
#[track_caller]
fn assert_undecided(output: &Output, words: &[&str]) {
    let explained = &objects(output)[0];
    assert_eq!((output.status.code(), &explained["reason"]), (Some(3), &json!("keys_unavailable")), "{explained}");
    assert_eq!(explained["answers"]["default"]["status"], 503);
    assert!(stderr(output).contains("could not be judged"), "{}", stderr(output));
    let advice = advice(output);
    assert!(words.iter().all(|word| advice.contains(word)), "{words:?} in {advice}");
}

/// Tokens that the layer refuses without any key: the provider is not asked, or cannot be.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_need_no_keys_are_refused_while_there_are_none() {
    let token = || super::token().claim("iss", "http://127.0.0.1:1");
    let ask = |token: &str, more: &[&str]| {
        let issuer = ["--json", "--at", NOW, "--issuer", "http://127.0.0.1:1", "--audience", AUDIENCE];
        let output = check(&[&issuer, more].concat(), token);
        let reason = objects(&output)[0]["reason"].clone();
        (output.status.code().unwrap(), reason.as_str().unwrap_or_default().to_owned())
    };
    let only = ["--algorithm", "RS256"];
    assert_eq!(ask(&token().claim("iss", "https://127.0.0.1:1").sign(), &[]), (1, "issuer_mismatch".into()));
    assert_eq!(ask(&token().sign(), &only), (1, "algorithm_not_allowed".into()));
    assert_eq!(ask(&token().sign_defective(Defect::AlgNone), &[]), (1, "algorithm_not_allowed".into()));
    assert_eq!(ask("opaque", &[]), (1, "opaque_token".into()));
    assert_eq!(ask(&token().sign(), &[]), (3, "keys_unavailable".into()));
}

/// The keys are fetched, then the provider fails: the token may be good.
#[tokio::test(flavor = "multi_thread")]
async fn r18_an_unknown_kid_that_cannot_be_looked_for_is_undecided() {
    let server = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).start().await.unwrap();
    let unknown = server.token().audience(AUDIENCE).header("kid", "rotated").sign();
    let ask = || check(&["--json", "--issuer", server.issuer(), "--audience", AUDIENCE], &unknown);
    assert_eq!(ask().status.code(), Some(1), "the provider answers, and lacks it");

    let fault = Fault::Flapping { good: 1, bad: 9, fault: Fault::status(503).into() };
    server.misbehave(Endpoint::JwkSet, fault).unwrap();
    let undecided = ask();
    let explained = &objects(&undecided)[0];
    assert_eq!((undecided.status.code(), &explained["reason"]), (Some(3), &json!("key_not_proven_absent")));
    assert_eq!(explained["answers"]["default"]["status"], 503);
    let advice = explained["advice"].to_string();
    assert!(advice.contains("status 503") && advice.contains("may have been rotated"), "{advice}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_dropped_is_named() {
    let server = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).start().await.unwrap();
    let mut set = server.test_issuer().jwk_set();
    let mut spoilt = set["keys"][0].clone();
    spoilt["kid"] = "for-encryption".into();
    spoilt["use"] = "enc".into();
    set["keys"].as_array_mut().unwrap().push(spoilt);
    let file = format!("{}/check-dropped.json", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&file, set.to_string()).unwrap();
    let token = server.token().audience(AUDIENCE).header("kid", "for-encryption").sign();
    let refused = check(&["--json", "--issuer", server.issuer(), "--audience", AUDIENCE, "--jwks", &file], &token);
    let explained = &objects(&refused)[0];
    assert_eq!((refused.status.code(), &explained["reason"]), (Some(1), &json!("unusable_key")));
    let advice = explained["advice"].to_string();
    assert!(advice.contains("for-encryption is in the set but unusable: for another use"), "{advice}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_from_where_the_options_say() {
    let server = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).tls(Certificate::Valid);
    let server = server.start().await.unwrap();
    let root = format!("{}/check-root.pem", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&root, server.root_certificate().unwrap()).unwrap();
    let token = server.token().sign();
    let metadata = format!("{}/.well-known/openid-configuration", server.issuer());
    let arguments = ["--json", "--issuer", server.issuer(), "--audience", AUDIENCE];
    let ask = |more: &[&str]| check(&[&arguments, more].concat(), &token);
    assert_undecided(&ask(&[]), &["give its certificate with `--ca-certificate FILE`"]);
    for more in [&[][..], &["--jwks", server.jwks_uri()], &["--metadata-url", &metadata]] {
        let trusted = ask(&[&["--ca-certificate", &root], more].concat());
        assert_eq!(trusted.status.code(), Some(0), "{more:?}: {}", stderr(&trusted));
    }
    assert_eq!(server.requests(Endpoint::Metadata), 2, "an address of the keys needs no metadata");
    assert_eq!(ask(&["--ca-certificate", "/no/such/file"]).status.code(), Some(3));

    let plain = ["--issuer", "http://as.internal", "--audience", AUDIENCE, "--jwks", &jwks_file(), "--at", NOW];
    let internal = super::token().claim("iss", "http://as.internal").sign();
    assert_eq!(check(&plain, &internal).status.code(), Some(0), "nothing is fetched from that name");
    let discovered = ["--issuer", "http://as.internal", "--audience", AUDIENCE];
    assert_eq!(check(&discovered, &internal).status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_at_the_issuer_is_named_with_both_keys() {
    let server = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).start().await.unwrap();
    let ask = |token: &str| check(&["--json", "--issuer", server.issuer(), "--audience", AUDIENCE], token);
    let before = server.token().audience(AUDIENCE).sign();
    assert_eq!(objects(&ask(&before))[0]["accepted"], true);

    server.rotate_keys().unwrap();
    let after = server.token().audience(AUDIENCE).sign();
    let [old, new] = [&before, &after].map(|token| jsonwebtoken::decode_header(token).unwrap().kid.unwrap());
    let after = ask(&format!("{before}\n{after}"));
    let [refused, accepted] = &objects(&after)[..] else { panic!("{}", stderr(&after)) };
    assert_eq!((&refused["reason"], &accepted["accepted"]), (&json!("no_matching_key"), &json!(true)));
    let advice = refused["advice"].to_string();
    assert!(advice.contains(&old) && advice.contains(&new) && advice.contains("rotated"), "{advice}");
}

/// The key is in the set but cannot be used: a new token signed with it would not pass either.
#[test]
fn a_key_that_cannot_be_used_is_named_with_its_cause() {
    let good = super::issuer().signing_key().public_jwk();
    let with = |kid: &str, name: &str, value: serde_json::Value| {
        let mut jwk = good.clone();
        (jwk["kid"], jwk[name]) = (kid.into(), value);
        jwk
    };
    let file = |name: &str, keys: serde_json::Value| {
        let file = format!("{}/check-dropped-{name}.json", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&file, json!({ "keys": keys }).to_string()).unwrap();
        file
    };
    let set = file(
        "some",
        json!([
            good,
            with("k1", "crv", "secp256k1".into()),
            with("enc", "use", "enc".into()),
            with("key-1", "alg", "ES384".into()),
            with("with space", "d", "AQAB".into()),
            { "kty": "oct", "k": "AQAB" },
        ]),
    );
    let advice = |more: &[&str], token: &str| {
        let arguments = ["--issuer", ISSUER, "--audience", AUDIENCE, "--at", NOW, "--json"];
        advice(&check(&[&arguments, more].concat(), token)).replace('"', "'")
    };
    for (kid, expected) in [
        (
            "k1",
            "k1 is in the set but unusable: unknown curve: `crv` is 'secp256k1'. The issuer has to publish it properly",
        ),
        (
            "enc",
            "enc is in the set but unusable: for another use: `use` is 'enc'. The issuer says that it is for something",
        ),
        ("with space", "'with space' is in the set but unusable: private key: it has `d`."),
        ("other", "Signed with kid 'other', the set has 'key-1': rotated"),
    ] {
        let told = advice(&["--jwks", &set], &super::token().header("kid", kid).sign());
        assert!(told.contains(expected), "{told}");
        assert_eq!(told.contains("A new token should pass"), kid == "other", "{told}");
    }
    // One key of this name can be used, another cannot.
    let told = advice(&["--jwks", &set], &super::token().header("alg", "ES384").sign());
    assert!(told.contains("The key 'key-1' is in the set, but not for 'ES384'."), "{told}");
    assert!(told.contains("key-1 is in the set but unusable: for another algorithm: `alg` is 'ES384'."), "{told}");
    // The token has no `kid`, so it may mean any of them.
    let told = advice(&["--jwks", &set], &super::token().without_header("kid").header("alg", "RS256").sign());
    assert!(told.contains("k1 is in the set but unusable") && told.contains("Key number 6 is in the set"), "{told}");
    // Here the configuration is the cause.
    let (rsa, pinned) = (tower_bearer_test::SigningKey::generate(Algorithm::RS256).unwrap(), ["--algorithm", "ES256"]);
    let set = file("pinned", json!([good, rsa.with_key_id("rsa").public_jwk()]));
    let told = advice(&[&["--jwks", &set][..], &pinned].concat(), &super::token().header("kid", "rsa").sign());
    assert!(told.contains("rsa is in the set but unusable: for an algorithm that the configuration does not allow: RS256. If the issuer signs with it, allow its algorithm"), "{told}");

    let none = file("none", json!([with("k1", "use", "enc".into())]));
    let arguments = ["--json", "--issuer", ISSUER, "--audience", AUDIENCE, "--at", NOW, "--jwks", &none];
    assert_undecided(&check(&arguments, &super::token().sign()), &["\"k1\": for another use: `use` is \"enc\""]);
}
