//! Keys that are in a set but not used: which ones, why, and where that is reported.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tower_bearer::jose::{Algorithm, DroppedKey, KeyFault};
use tower_bearer::time::ManualClock;
use tower_bearer::{ExportedKeySets, FetchedKeySet, Issuer, KeySetError, KeySource, KeySourceFuture, ResourceServer};
use tower_bearer_test::SigningKey;

use crate::log;
use crate::provider::*;
use crate::rsa_moduli;

const WARNING: &str = "some keys of the set cannot be used";

/// Inserts the text of one member verbatim, because `serde_json` could not write it.
fn with_raw(mut jwk: Value, name: &str, raw: &str) -> String {
    jwk[name] = "\u{1}raw".into();
    jwk.to_string().replace("\"\\u0001raw\"", raw)
}

fn ec(kid: &str) -> Value {
    SigningKey::generate(Algorithm::ES256).unwrap().with_key_id(kid).public_jwk()
}

fn rsa(kid: &str) -> Value {
    rsa_moduli::jwk(kid, &rsa_moduli::roca_but_for(11, 2048))
}

fn without(mut jwk: Value, name: &str) -> Value {
    jwk.as_object_mut().unwrap().remove(name);
    jwk
}

fn with(mut jwk: Value, name: &str, value: Value) -> Value {
    jwk[name] = value;
    jwk
}

/// One key for each way to be unusable, with its fault and its text.
fn unusable() -> Vec<(String, Option<&'static str>, KeyFault, &'static str)> {
    use KeyFault::{
        AlgorithmNotAllowed, DuplicateMember, InvalidMember, KeyIdTooLong, NotAJwk, NotPublic, OtherAlgorithm,
        OtherOperations, OtherUse, Roca, Size, Symmetric, UnknownCurve, UnknownType,
    };
    let x = |octets: usize| json!(URL_SAFE_NO_PAD.encode(vec![7; octets]));
    let text = |jwk: Value| jwk.to_string();
    let twice = |name: &str, value: &str| ec("k").to_string().replacen('{', &format!("{{\"{name}\":{value},"), 1);
    vec![
        ("null".into(), None, NotAJwk, "not a JWK"),
        ("[1]".into(), None, NotAJwk, "not a JWK"),
        (r#"{"\ud800":1}"#.into(), None, NotAJwk, "not a JWK: a name is not Unicode text"),
        (twice("kty", "\"EC\""), Some("k"), DuplicateMember, "duplicate member: \"kty\""),
        (twice("ki\\u0064", "\"a\""), Some("a"), DuplicateMember, "duplicate member: \"kid\""),
        (text(without(ec("k"), "kty")), Some("k"), InvalidMember, "missing or invalid key member: `kty` is missing"),
        (
            text(with(ec("k"), "kty", Value::Null)),
            Some("k"),
            InvalidMember,
            "missing or invalid key member: `kty` is missing",
        ),
        (text(without(ec("k"), "y")), Some("k"), InvalidMember, "missing or invalid key member: `y` is missing"),
        (
            text(with(ec("k"), "x", json!("+/+/"))),
            Some("k"),
            InvalidMember,
            "missing or invalid key member: `x` is not base64url without padding",
        ),
        (
            text(with(ec("k"), "x", x(33))),
            Some("k"),
            InvalidMember,
            "missing or invalid key member: `x` has 33 octets, not 32",
        ),
        (
            text(with(ec("k"), "x", x(32))),
            Some("k"),
            InvalidMember,
            "missing or invalid key member: the point is not on the curve",
        ),
        (
            text(with(key(1).with_key_id("k").public_jwk(), "x", x(31))),
            Some("k"),
            InvalidMember,
            "missing or invalid key member: `x` has 31 octets, not 32",
        ),
        (
            text(with(rsa("k"), "n", json!("AAAA"))),
            Some("k"),
            InvalidMember,
            "missing or invalid key member: `n` is zero or empty",
        ),
        (
            text(with(rsa("k"), "e", json!("Ag"))),
            Some("k"),
            InvalidMember,
            "missing or invalid key member: modulus and exponent of an RSA key are odd",
        ),
        (
            with_raw(rsa("k"), "e", "1e400"),
            Some("k"),
            InvalidMember,
            "missing or invalid key member: `e` is not a string of Unicode text",
        ),
        (
            with_raw(ec("k"), "kid", r#""\ud800""#),
            None,
            InvalidMember,
            "missing or invalid key member: `kid` is not a string of Unicode text",
        ),
        (
            text(with(ec("k"), "kid", json!(7))),
            None,
            InvalidMember,
            "missing or invalid key member: `kid` is not a string of Unicode text",
        ),
        (
            text(with(ec("k"), "use", json!(["sig"]))),
            Some("k"),
            InvalidMember,
            "missing or invalid key member: `use` is not a string of Unicode text",
        ),
        (
            text(with(ec("k"), "key_ops", json!("verify"))),
            Some("k"),
            InvalidMember,
            "missing or invalid key member: `key_ops` is not an array of strings",
        ),
        (text(ec(&"k".repeat(1025))), Some("K1024"), KeyIdTooLong, "`kid` is longer than 1024 bytes"),
        (text(with(ec("k"), "d", json!("AQAB"))), Some("k"), NotPublic, "private key: it has `d`"),
        (text(with(rsa("k"), "qi", json!("AQAB"))), Some("k"), NotPublic, "private key: it has `qi`"),
        (json!({ "kty": "oct", "kid": "k", "k": "AQAB" }).to_string(), Some("k"), Symmetric, "symmetric key"),
        (
            json!({ "kty": "AKP", "kid": "k", "alg": "ML-DSA-44", "pub": "AA" }).to_string(),
            Some("k"),
            UnknownType,
            "unknown key type: `kty` is \"AKP\"",
        ),
        (
            text(with(ec("k"), "crv", json!("secp256k1"))),
            Some("k"),
            UnknownCurve,
            "unknown curve: `crv` is \"secp256k1\"",
        ),
        (
            text(with(ec("k"), "crv", json!("x".repeat(100)))),
            Some("k"),
            UnknownCurve,
            "unknown curve: `crv` is \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"…",
        ),
        (text(with(ec("k"), "use", json!("enc"))), Some("k"), OtherUse, "for another use: `use` is \"enc\""),
        (
            text(with(ec("k"), "key_ops", json!(["sign"]))),
            Some("k"),
            OtherOperations,
            "`key_ops` does not fit verifying signatures: it lacks `verify`",
        ),
        (
            text(with(ec("k"), "key_ops", json!(["verify", "deriveKey"]))),
            Some("k"),
            OtherOperations,
            "`key_ops` does not fit verifying signatures: it contradicts `use`",
        ),
        (
            text(with(rsa("k"), "alg", json!("RSA-OAEP"))),
            Some("k"),
            OtherAlgorithm,
            "for another algorithm: `alg` is \"RSA-OAEP\"",
        ),
        (
            text(with(ec("k"), "alg", json!("ES384"))),
            Some("k"),
            OtherAlgorithm,
            "for another algorithm: `alg` is \"ES384\"",
        ),
        (
            text(with(rsa("k"), "alg", json!("RS512"))),
            Some("k"),
            AlgorithmNotAllowed,
            "for an algorithm that the configuration does not allow: RS512",
        ),
        (
            text(rsa_moduli::jwk("k", &(num_bigint::BigUint::from(1_u32) << 1023))),
            Some("k"),
            InvalidMember,
            "missing or invalid key member: modulus and exponent of an RSA key are odd",
        ),
        (
            text(rsa_moduli::jwk("k", &rsa_moduli::roca(1024, 1))),
            Some("k"),
            Size,
            "unacceptable size: the RSA modulus has 1024 bits, not 2048 to 8192",
        ),
        (
            text(with(rsa("k"), "e", json!("AgAAAAE"))),
            Some("k"),
            Size,
            "unacceptable size: the RSA exponent has 34 bits, not 2 to 33",
        ),
        (
            text(rsa_moduli::jwk("k", &rsa_moduli::roca(2048, 1))),
            Some("k"),
            Roca,
            "RSA key with the fingerprint of ROCA (CVE-2017-15361), whose private key can be computed",
        ),
    ]
}

/// All of them around the usable key, `fine`.
fn set_of_all() -> String {
    let mut texts: Vec<_> = unusable().into_iter().map(|(text, ..)| text).collect();
    texts.insert(1, key(0).with_key_id("fine").public_jwk().to_string());
    format!(r#"{{"keys":[{}],"unknown":1e400}}"#, texts.join(","))
}

fn allowed(issuer: Issuer) -> Issuer {
    issuer.algorithms([Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256])
}

fn assert_all_are_listed(dropped: &[DroppedKey], but: &[KeyFault]) {
    let expected: Vec<_> = unusable().into_iter().filter(|(_, _, fault, _)| !but.contains(fault)).collect();
    assert_eq!(dropped.len(), expected.len());
    for (dropped, (text, kid, fault, problem)) in dropped.iter().zip(expected) {
        let long = "k".repeat(1024);
        let kid = if kid == Some("K1024") { Some(&*long) } else { kid };
        assert_eq!((dropped.key_id.as_deref(), dropped.fault, &*dropped.problem), (kid, fault, problem), "{text}");
        let json = serde_json::to_value(dropped).unwrap();
        assert_eq!(json["reason"], fault.reason());
    }
}

/// A source that returns what it is set to.
#[derive(Clone, Debug, Default)]
struct Given(Arc<Mutex<Option<String>>>);

impl Given {
    fn set(&self, text: impl Into<String>) {
        *self.0.lock().unwrap() = Some(text.into());
    }
}

impl KeySource for Given {
    fn fetch<'a>(&'a self, etag: Option<&'a str>) -> KeySourceFuture<'a> {
        let text = self.0.lock().unwrap().clone();
        Box::pin(async move {
            match text {
                None if etag.is_some() => Ok(FetchedKeySet::unchanged()),
                None => Err(KeySetError::source_failed(std::io::Error::other("no store"))),
                Some(text) => Ok(FetchedKeySet::new(text).with_etag("1")),
            }
        })
    }
}

#[tokio::test]
async fn j12_r45_every_dropped_key_is_listed_with_kid_and_cause_wherever_the_set_comes_from() {
    let (provider, _) = Provider::with_keys().await;
    provider.answer(JWK_SET, Answer::Json(set_of_all()));
    let file = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("dropped.json");
    std::fs::write(&file, set_of_all()).unwrap();
    let given = Given::default();
    given.set(set_of_all());
    let name = || Issuer::new(provider.url(""));
    for (place, issuer) in [
        ("discovery", name()),
        ("URL", name().jwk_set_url(provider.url(JWK_SET))),
        ("file", name().jwk_set_file(&file)),
        ("source", name().key_source(given.clone())),
        ("failover", name().jwk_set_url(provider.url("/nothing")).failover_key_source(given)),
    ] {
        log::capture();
        let server = provider.resource_server_trusting(allowed(issuer));
        let fine = token(&provider.issuer(key(0).with_key_id("fine")));
        assert_eq!(reason(&server, &fine).await, "accepted", "{place}");
        let status = &server.key_sets()[0];
        assert_eq!(status.key_ids, ["fine"], "{place}");
        assert_all_are_listed(&status.dropped_keys, &[]);
        assert_eq!(status.dropped_keys[0].position, 0);
        assert_eq!(status.dropped_keys[1].position, 2, "the good one is between them");
        let log = log::take();
        let lines: Vec<_> = log.lines().filter(|line| line.contains(WARNING)).collect();
        assert_eq!(lines.len(), 1, "{place}: {log}");
        let (all, more) = (unusable().len(), unusable().len() - 10);
        for part in [" WARN ", "keys=1", &format!("dropped={all}"), "number 1: not a JWK", &format!("and {more} more")]
        {
            assert!(lines[0].contains(part), "{part}: {log}");
        }
    }
}

#[tokio::test]
async fn j12_a_fixed_set_tells_its_dropped_keys_when_it_is_built() {
    let good = || key(0).with_key_id("fine").public_jwk().to_string();
    let texts: Vec<_> =
        unusable().into_iter().filter(|(_, _, fault, _)| *fault != KeyFault::Roca).map(|it| it.0).collect();
    let set = format!(r#"{{"keys":[{},{}]}}"#, good(), texts.join(","));
    log::capture();
    let issuer = allowed(Issuer::new("https://as.example.com").jwk_set(set));
    let server = ResourceServer::builder().audience(AUDIENCE).issuer(issuer).build().unwrap();
    assert_eq!(log::take().matches(WARNING).count(), 1);
    assert_all_are_listed(&server.key_sets()[0].dropped_keys, &[KeyFault::Roca]);
    assert!(serde_json::to_value(server.readiness()).unwrap()["issuers"][0]["dropped_keys"][0]["problem"].is_string());
    assert!(format!("{:?}", server.readiness()).contains("DroppedKey"));
    assert_eq!(log::take().matches(WARNING).count(), 0, "looking at it is no news");
}

fn given_server(given: &Given) -> (ResourceServer, ManualClock) {
    let clock = ManualClock::at(tower_bearer::time::UnixTime::from_secs(1_800_000_000));
    let issuer = Issuer::new("https://as.example.com").key_source(given.clone());
    let server = ResourceServer::builder().audience(AUDIENCE).issuer(issuer).clock(clock.clone()).build().unwrap();
    (server, clock)
}

/// Lets the set expire, so that the next request fetches it and waits.
async fn fetch(server: &ResourceServer, clock: &ManualClock, token: &str) {
    clock.advance(std::time::Duration::from_secs(8_000));
    assert_eq!(reason(server, token).await, "accepted");
}

#[tokio::test]
async fn j12_dropped_keys_are_logged_once_for_each_changed_set() {
    let given = Given::default();
    let (server, clock) = given_server(&given);
    let issuer = tower_bearer_test::TestIssuer::with_key("https://as.example.com", key(0)).with_clock(clock.clone());
    let token = issuer.token().audience(AUDIENCE).expires_in(std::time::Duration::from_secs(200_000)).sign();
    let (good, enc, other) = (key(0).public_jwk(), with(ec("enc"), "use", json!("enc")), key(1).public_jwk());
    let curve = json!({ "kty": "EC", "crv": "P-192", "kid": "old" });
    log::capture();
    let check = async |keys: Option<&[&Value]>, warnings: usize, what: &str| {
        *given.0.lock().unwrap() = keys.map(|keys| json!({ "keys": keys }).to_string());
        fetch(&server, &clock, &token).await;
        let log = log::take();
        assert_eq!(log.matches(WARNING).count(), warnings, "{what}: {log}");
    };
    check(Some(&[&good, &enc, &curve]), 1, "the first set").await;
    check(Some(&[&good, &enc, &curve]), 0, "the same set").await;
    check(None, 0, "unchanged").await;
    check(Some(&[&curve, &enc, &good]), 0, "in another order").await;
    check(Some(&[&good, &enc, &curve, &other]), 1, "another usable key").await;
    check(Some(&[&good, &enc, &other]), 1, "one is gone").await;
    check(Some(&[&good, &other]), 0, "none is dropped").await;
    check(Some(&[&good, &other]), 0, "none is dropped again").await;
    check(Some(&[&good, &other, &curve]), 1, "one is back").await;
    check(Some(&[&good, &other, &curve, &curve]), 1, "twice").await;
    check(Some(&[&good, &other, &curve, &curve]), 0, "twice again").await;
}

/// A set that was imported from another process and is then found unchanged still has its dropped keys.
#[tokio::test]
async fn j12_dropped_keys_outlive_the_process_with_the_set() {
    let given = Given::default();
    given.set(json!({ "keys": [key(0).public_jwk(), with(ec("enc"), "use", json!("enc"))] }).to_string());
    let (server, clock) = given_server(&given);
    let issuer = tower_bearer_test::TestIssuer::with_key("https://as.example.com", key(0)).with_clock(clock);
    assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
    let before = server.key_sets()[0].dropped_keys.clone();
    assert_eq!(before.len(), 1);
    let copy = serde_json::to_string(&server.export_key_sets()).unwrap();

    let copy: ExportedKeySets = serde_json::from_str(&copy).unwrap();
    let (next, clock) = given_server(&given);
    log::capture();
    assert_eq!(next.import_key_sets(&copy), 1);
    assert_eq!(log::take().matches(WARNING).count(), 1);
    assert_eq!(next.key_sets()[0].dropped_keys, before);
    fetch(&next, &clock, &token(&issuer)).await;
    assert_eq!(next.key_sets()[0].dropped_keys, before);
}

/// What was dropped may be usable by now: with other settings, or by another release.
#[tokio::test]
async fn j12_an_imported_set_without_its_dropped_keys_is_fetched_in_full_and_proves_nothing() {
    #[derive(Debug, Clone, Default)]
    struct Asked(Given, Arc<Mutex<Vec<Option<String>>>>);
    impl KeySource for Asked {
        fn fetch<'a>(&'a self, etag: Option<&'a str>) -> KeySourceFuture<'a> {
            self.1.lock().unwrap().push(etag.map(str::to_owned));
            let set = self.0.0.lock().unwrap().clone().unwrap();
            Box::pin(async { Ok(FetchedKeySet::new(set).with_etag("\"1\"")) })
        }
    }
    let source = Asked::default();
    let clock = ManualClock::at(tower_bearer::time::UnixTime::from_secs(1_800_000_000));
    let server = |algorithms: &[Algorithm]| {
        let issuer = Issuer::new("https://as.example.com").key_source(source.clone()).algorithms(algorithms.to_vec());
        ResourceServer::builder().audience(AUDIENCE).issuer(issuer).clock(clock.clone()).build().unwrap()
    };
    let es256 = SigningKey::generate(Algorithm::ES256).unwrap();
    let token = |key: &SigningKey| {
        let issuer = tower_bearer_test::TestIssuer::with_key("https://as.example.com", key.clone());
        issuer.with_clock(clock.clone()).token().audience(AUDIENCE).sign()
    };
    for (second, expected) in [(json!(null), Some("\"1\"".to_owned())), (es256.public_jwk(), None)] {
        let keys: Vec<_> = [key(0).public_jwk(), second].into_iter().filter(Value::is_object).collect();
        source.0.set(json!({ "keys": keys }).to_string());
        let before = server(&[key(0).algorithm()]);
        assert_eq!(reason(&before, &token(&key(0))).await, "accepted");
        let after = server(&[key(0).algorithm(), Algorithm::ES256]);
        assert_eq!(after.import_key_sets(&before.export_key_sets()), 1);
        let by_dropped_key = reason(&after, &token(&es256)).await;
        assert_eq!(source.1.lock().unwrap().last().unwrap(), &expected, "what the fetch after the import asks");
        assert_eq!(by_dropped_key, if expected.is_none() { "accepted" } else { "no_matching_key" });
    }
}

/// Without a usable key there is no set to list them in: the error names them.
#[tokio::test]
async fn j12_a_set_without_a_usable_key_says_why_for_each() {
    let given = Given::default();
    let enc = |kid: &str| with(ec(kid), "use", json!("enc"));
    given.set(json!({ "keys": [enc("a"), enc("b"), null] }).to_string());
    let (server, clock) = given_server(&given);
    let issuer = tower_bearer_test::TestIssuer::with_key("https://as.example.com", key(0)).with_clock(clock);
    assert_eq!(reason(&server, &token(&issuer)).await, "keys_unavailable");
    let error = server.key_sets()[0].last_error.clone().unwrap().text;
    let why = r#"the set has no usable key ("a": for another use: `use` is "enc"; "b": for another use: `use` is "enc"; number 3: not a JWK)"#;
    assert_eq!(error, why);
    // As many keys as a set may have, with the longest names: the text stays short.
    let many: Vec<_> = (0..100).map(|n| enc(&format!("{n}{}", "\u{1}".repeat(900)))).collect();
    given.set(json!({ "keys": many }).to_string());
    let (server, _) = given_server(&given);
    assert_eq!(reason(&server, &token(&issuer)).await, "keys_unavailable");
    assert!(server.key_sets()[0].last_error.clone().unwrap().text.len() < 10_000);
}

/// Leading zero octets do not matter, neither for the key nor for its size (RFC 7518 §6.3.1.1).
#[tokio::test]
async fn j12_leading_zeros_of_rsa_integers_are_stripped_and_of_coordinates_are_not() {
    let signing = SigningKey::generate(Algorithm::RS256).unwrap().with_key_id("rsa");
    let octets = |jwk: &Value, name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let padded = |jwk: &Value, name: &str, zeros: usize| {
        let value = [vec![0; zeros], octets(jwk, name)].concat();
        with(jwk.clone(), name, json!(URL_SAFE_NO_PAD.encode(value)))
    };
    let (plain, good) = (signing.public_jwk(), key(0).public_jwk());
    for zeros in [1, 2, 255, 10_000] {
        for jwk in
            [padded(&plain, "n", zeros), padded(&plain, "e", zeros), padded(&padded(&plain, "n", zeros), "e", zeros)]
        {
            let given = Given::default();
            given.set(json!({ "keys": [good, jwk] }).to_string());
            let (server, clock) = given_server(&given);
            let issuer = tower_bearer_test::TestIssuer::with_key("https://as.example.com", signing.clone());
            assert_eq!(reason(&server, &token(&issuer.with_clock(clock))).await, "accepted", "{zeros}");
            assert_eq!(server.key_sets()[0].dropped_keys, []);
            // An exported set has the integers without them, and so does the comparison with the next set.
            let copy = serde_json::to_value(server.export_key_sets()).unwrap();
            assert_eq!(copy["key_sets"][0]["jwk_set"]["keys"][1]["n"], plain["n"]);
            assert_eq!(copy["key_sets"][0]["jwk_set"]["keys"][1]["e"], plain["e"]);
        }
    }
    let short = rsa_moduli::jwk("short", &rsa_moduli::roca_but_for(11, 2047));
    let ec = ec("ec");
    let set = json!({ "keys": [
        good, padded(&short, "n", 1), padded(&short, "n", 300), with(plain, "n", json!(URL_SAFE_NO_PAD.encode([0; 256]))),
        padded(&ec, "x", 1), padded(&ec, "y", 1), padded(&key(1).public_jwk(), "x", 1),
    ] });
    let issuer = Issuer::new("https://as.example.com").jwk_set(set.to_string());
    let server = ResourceServer::builder().audience(AUDIENCE).issuer(issuer).build().unwrap();
    use KeyFault::{InvalidMember, Size};
    let faults: Vec<_> = server.key_sets()[0].dropped_keys.iter().map(|key| key.fault).collect();
    assert_eq!(faults, [Size, Size, InvalidMember, InvalidMember, InvalidMember, InvalidMember]);
}

/// Members that carry no information do no harm.
#[tokio::test]
async fn r46_members_that_are_null_count_as_absent_and_odd_ones_of_no_concern_are_ignored() {
    const OPTIONAL: [&str; 7] = ["use", "key_ops", "alg", "d", "k", "x5c", "x5t#S256"];
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let signing = SigningKey::generate(algorithm).unwrap();
        let jwk = signing.public_jwk();
        let mut variants =
            vec![OPTIONAL.into_iter().fold(jwk.clone(), |jwk, name| with(jwk, name, Value::Null)).to_string()];
        variants.extend(["p", "qi", "oth", "unknown"].map(|name| with_raw(jwk.clone(), name, "null")));
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        for raw in ["1e400", "-1e-400", r#""\ud800""#, r#"{"a":1,"a":2}"#, &deep] {
            variants.push(with_raw(jwk.clone(), "x5c", raw));
            variants.push(with_raw(jwk.clone(), "unknown", raw));
        }
        for variant in variants {
            let issuer = Issuer::new("https://as.example.com").jwk_set(format!(r#"{{"keys":[{variant}]}}"#));
            let server = ResourceServer::builder().audience(AUDIENCE).issuer(issuer).build();
            let server = server.unwrap_or_else(|error| panic!("{error}: {variant:.300}"));
            let issuer = tower_bearer_test::TestIssuer::with_key("https://as.example.com", signing.clone());
            assert_eq!(reason(&server, &token(&issuer)).await, "accepted", "{variant:.300}");
            assert_eq!(server.key_sets()[0].dropped_keys, []);
        }
    }
    // A `null` `kid` counts as absent: the key is tried for tokens without `kid`.
    let nameless = with(key(0).public_jwk(), "kid", Value::Null);
    let issuer = Issuer::new("https://as.example.com").jwk_set(json!({ "keys": [nameless] }).to_string());
    let server = ResourceServer::builder().audience(AUDIENCE).issuer(issuer).build().unwrap();
    let issuer = tower_bearer_test::TestIssuer::with_key("https://as.example.com", key(0));
    assert_eq!(reason(&server, &issuer.token().audience(AUDIENCE).without_header("kid").sign()).await, "accepted");
    assert_eq!(reason(&server, &token(&issuer)).await, "no_matching_key");
}

/// Two names of one algorithm (RFC 9864 §2.2), in the key, in the token and in both.
#[tokio::test]
async fn r44_eddsa_and_ed25519_match_each_other() {
    for in_key in [Some("EdDSA"), Some("Ed25519"), None] {
        let jwk = in_key
            .map_or_else(|| without(key(0).public_jwk(), "alg"), |alg| with(key(0).public_jwk(), "alg", json!(alg)));
        let issuer = Issuer::new("https://as.example.com").jwk_set(json!({ "keys": [jwk] }).to_string());
        let server = ResourceServer::builder().audience(AUDIENCE).issuer(issuer).build().unwrap();
        let issuer = tower_bearer_test::TestIssuer::with_key("https://as.example.com", key(0));
        for (in_token, expected) in [
            ("EdDSA", "accepted"),
            ("Ed25519", "accepted"),
            ("Ed448", "algorithm_not_allowed"),
            ("eddsa", "algorithm_not_allowed"),
        ] {
            let token = issuer.token().audience(AUDIENCE).header("alg", in_token).sign();
            assert_eq!(reason(&server, &token).await, expected, "{in_key:?} {in_token}");
        }
    }
    for alg in ["Ed448", "ES256", "eddsa", "ED25519"] {
        let jwk = with(key(0).public_jwk(), "alg", json!(alg));
        let issuer = Issuer::new("https://as.example.com").jwk_set(json!({ "keys": [jwk, ec("k")] }).to_string());
        let server = ResourceServer::builder().audience(AUDIENCE).issuer(issuer).build().unwrap();
        assert_eq!(server.key_sets()[0].dropped_keys[0].fault, KeyFault::OtherAlgorithm, "{alg}");
    }
}

#[test]
fn the_guide_lists_every_reason_for_dropping_a_key() {
    let guide = include_str!("../../src/guide/keys.md");
    let (_, section) = guide.split_once("\n# Which keys are used\n").unwrap();
    let rows: Vec<_> =
        section.split("\n# ").next().unwrap().lines().filter_map(|line| line.strip_prefix("| `")).collect();
    let listed: Vec<_> = rows.iter().map(|row| row.split('`').next().unwrap()).collect();
    assert_eq!(listed, KeyFault::ALL.iter().map(|fault| fault.reason()).collect::<Vec<_>>());
}
