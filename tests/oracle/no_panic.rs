//! Nothing from outside makes us panic: tokens, `Authorization` headers, JWK Sets.

use std::cell::Cell;
use std::convert::Infallible;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response, StatusCode};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use tower::{Layer as _, Service as _, service_fn};
use tower_bearer::jose::{Algorithm, VerifyingKey};
use tower_bearer::{Issuer, ResourceServer};
use tower_bearer_test::{SigningKey, TestIssuer};

use crate::support::{AUDIENCE, ISSUER, api, now, runner};

const CASES: u32 = 1000;

/// A server and a good token for it.
fn server() -> (ResourceServer, String) {
    let issuer = TestIssuer::with_algorithm(ISSUER, Algorithm::EdDSA).unwrap();
    (api(issuer.trusted()), issuer.token().audience(AUDIENCE).sign())
}

#[test]
fn any_text_as_a_token_is_judged() {
    let (api, good) = server();
    assert!(now(api.validate(&good)).is_ok());
    let base64 = || any::<Vec<u8>>().prop_map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    let json = || any_json().prop_map(|json| URL_SAFE_NO_PAD.encode(json.to_string()));
    let tokens = prop_oneof![
        any::<String>(),
        "[A-Za-z0-9_.=-]{0,200}",
        (base64(), base64(), base64()).prop_map(|(a, b, c)| format!("{a}.{b}.{c}")),
        (json(), json(), base64()).prop_map(|(a, b, c)| format!("{a}.{b}.{c}")),
    ];
    runner(CASES)
        .run(&tokens, |token| {
            prop_assert!(now(api.validate(&token)).is_err());
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_bytes_as_an_authorization_header_are_answered() {
    let (api, good) = server();
    let mut service = api
        .layer()
        .layer(service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(bytes::Bytes::new())) }));
    let mut status = |headers: &[Vec<u8>]| {
        let mut request = Request::new(());
        for header in headers {
            if let Ok(value) = HeaderValue::from_bytes(header) {
                request.headers_mut().append(AUTHORIZATION, value);
            }
        }
        now(service.call(request)).unwrap().status()
    };
    assert_eq!(status(&[format!("Bearer {good}").into_bytes()]), StatusCode::OK);

    let value = prop_oneof![
        any::<Vec<u8>>(),
        any::<Vec<u8>>().prop_map(|bytes| [b"Bearer ", &*bytes].concat()),
        "[Bb]earer ?[ -~]{0,60}".prop_map(String::into_bytes),
        "[ -~]{0,60}, ?[Bb]earer ?[ -~]{0,60}".prop_map(String::into_bytes),
    ];
    let status = std::cell::RefCell::new(status);
    runner(CASES)
        .run(&prop::collection::vec(value, 0..3), |headers| {
            let status = status.borrow_mut()(&headers);
            prop_assert!(status.is_client_error(), "{status}");
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_jwk_set_is_read_or_refused() {
    let built = Cell::new(0);
    let good =
        [Algorithm::ES256, Algorithm::ES512, Algorithm::EdDSA].map(|it| SigningKey::generate(it).unwrap().public_jwk());
    let key = prop_oneof![4 => jwk(), 1 => select(good.to_vec())];
    let sets = prop_oneof![
        1 => any::<String>(),
        2 => any_json().prop_map(|json| json.to_string()),
        6 => prop::collection::vec(key, 0..4).prop_map(|keys| json!({ "keys": keys }).to_string()),
    ];
    runner(CASES)
        .run(&sets, |set| {
            let issuer = Issuer::new(ISSUER).jwk_set(set);
            if ResourceServer::builder().audience(AUDIENCE).issuer(issuer).build().is_ok() {
                built.set(built.get() + 1);
            }
            Ok(())
        })
        .unwrap();
    println!("{} of {CASES} JWK Sets had a usable key", built.get());
    assert!(built.get() > CASES / 10, "hardly any set was usable: the property says little");
}

#[test]
fn any_jwk_is_read_or_refused_for_any_algorithm() {
    let signature = any::<Vec<u8>>();
    runner(CASES)
        .run(&(jwk(), select(Algorithm::PUBLIC_KEY), signature), |(jwk, algorithm, signature)| {
            if let Ok(key) = VerifyingKey::from_jwk(&jwk.to_string(), algorithm) {
                prop_assert!(!key.verify(b"message", &signature));
            }
            Ok(())
        })
        .unwrap();
}

/// Key blocks of every kind, truncated, changed, and combined with each other and with arbitrary text.
#[test]
fn any_text_as_pem_is_read_or_refused() {
    let built = Cell::new(0);
    let good = [Algorithm::RS256, Algorithm::ES256, Algorithm::ES512, Algorithm::EdDSA]
        .map(|it| SigningKey::generate(it).unwrap().public_key_pem());
    let label = || prop_oneof![select(LABELS).prop_map(str::to_owned), "[A-Z -]{0,12}", any::<String>()];
    let block = (label(), any::<Vec<u8>>(), label()).prop_map(|(begin, der, end)| {
        let base64 = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN {begin}-----\n{base64}\n-----END {end}-----\n")
    });
    let nested = (select(LABELS), 0_usize..100_000).prop_map(|(label, depth)| {
        let base64 = base64::engine::general_purpose::STANDARD.encode([0x30, 0x80].repeat(depth));
        format!("-----BEGIN {label}-----{base64}-----END {label}-----")
    });
    // Keeps the structure, but changes a few octets.
    let changed = (select(good.to_vec()), prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4))
        .prop_map(|(pem, changes)| {
            let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
            let mut der = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
            changes.into_iter().for_each(|(at, byte)| *at.get_mut(&mut der[..]) = byte);
            let base64 = base64::engine::general_purpose::STANDARD.encode(der);
            format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n")
        });
    let cut = (select(good.to_vec()), any::<prop::sample::Index>(), any::<String>()).prop_map(|(pem, at, rest)| {
        let at = at.index(pem.len());
        format!("{}{rest}{}", &pem[..at], &pem[at..])
    });
    let part = prop_oneof![
        6 => select(good.to_vec()),
        2 => block,
        1 => nested,
        2 => changed,
        1 => cut,
        1 => any::<String>(),
        1 => "[-\\\\nrBEGIND \n]{0,60}",
    ];
    runner(CASES)
        .run(&prop::collection::vec(part, 0..4), |parts| {
            let issuer = Issuer::new(ISSUER).pem(parts.concat());
            match ResourceServer::builder().audience(AUDIENCE).issuer(issuer).build() {
                Ok(_) => built.set(built.get() + 1),
                Err(error) => {
                    prop_assert_eq!(error.setting(), "pem");
                    prop_assert!(error.to_string().len() < 5_000);
                }
            }
            Ok(())
        })
        .unwrap();
    println!("{} of {CASES} texts had usable keys only", built.get());
    assert!(built.get() > CASES / 10, "hardly any text was usable: the property says little");
}

/// Leading zeros change neither the key nor the reason why there is none.
#[test]
fn leading_zeros_of_rsa_integers_change_nothing() {
    let signing = SigningKey::generate(Algorithm::RS256).unwrap();
    let (good, signature) = (signing.public_jwk(), signing.sign(b"message"));
    let octets = |name: &str| URL_SAFE_NO_PAD.decode(good[name].as_str().unwrap()).unwrap();
    let (n, e) = (octets("n"), octets("e"));
    let integer = |own: Vec<u8>| {
        let length = own.len();
        prop_oneof![2 => Just(own), 1 => prop::collection::vec(any::<u8>(), 0..length + 2)]
    };
    let key = |n: &[u8], e: &[u8]| {
        let jwk = json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode(n), "e": URL_SAFE_NO_PAD.encode(e) });
        VerifyingKey::from_jwk(&jwk.to_string(), Algorithm::RS256)
    };
    runner(CASES)
        .run(&(integer(n.clone()), integer(e.clone()), 0_usize..600, 0_usize..600), |(n, e, before_n, before_e)| {
            let stripped = |number: &[u8]| number.iter().copied().skip_while(|octet| *octet == 0).collect::<Vec<_>>();
            let plain = key(&stripped(&n), &stripped(&e));
            let padded = key(&[vec![0; before_n], n].concat(), &[vec![0; before_e], e].concat());
            prop_assert_eq!(plain.as_ref().err(), padded.as_ref().err());
            if let (Ok(plain), Ok(padded)) = (plain, padded) {
                prop_assert_eq!(plain.verify(b"message", &signature), padded.verify(b"message", &signature));
            }
            Ok(())
        })
        .unwrap();
    assert!(key(&[&[0; 9], &*n].concat(), &[&[0], &*e].concat()).unwrap().verify(b"message", &signature));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(WORDS).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let name = prop_oneof![select(WORDS).prop_map(str::to_owned), any::<String>()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(name, inner, 0..6).prop_map(|map| map.into_iter().collect::<Value>()),
        ]
    })
}

/// Something like a key: the right names, values that are nearly right.
fn jwk() -> impl Strategy<Value = Value> {
    let number = || {
        let bytes = prop_oneof![4 => Just(32), 4 => Just(256), 2 => select(vec![0, 1, 3, 31, 33, 48, 66, 257, 512, 1024, 1025])]
            .prop_flat_map(|length| prop::collection::vec(any::<u8>(), length));
        prop_oneof![
            6 => bytes.prop_map(|bytes| Value::from(URL_SAFE_NO_PAD.encode(bytes))),
            2 => Just(Value::from("AQAB")),
            1 => any_json(),
        ]
    };
    let word = |words: &'static [&'static str]| prop_oneof![8 => select(words).prop_map(Value::from), 1 => any_json()];
    let members = (
        word(&["RSA", "EC", "OKP", "oct"]),
        word(&["P-256", "P-384", "P-521", "Ed25519", "X25519", "secp256k1"]),
        prop::option::of(word(&["RS256", "PS512", "ES256", "EdDSA", "none", "HS256"])),
        prop::option::of(word(&["sig", "enc"])),
        [number(), number(), number(), number()],
        prop::option::weighted(0.1, number()),
    );
    members.prop_map(|(kty, crv, alg, key_use, [n, e, x, y], d)| {
        let mut jwk = json!({ "kty": kty, "crv": crv, "n": n, "e": e, "x": x, "y": y });
        for (name, value) in [("alg", alg), ("use", key_use), ("d", d)] {
            if let Some(value) = value {
                jwk[name] = value;
            }
        }
        jwk
    })
}

const WORDS: &[&str] = &[
    "alg",
    "kid",
    "typ",
    "crit",
    "iss",
    "aud",
    "exp",
    "keys",
    "kty",
    "n",
    "e",
    "EdDSA",
    "none",
    "at+jwt",
    "RSA",
    "AQAB",
    "https://as.example.com",
    "https://api.example.com",
];

const LABELS: &[&str] =
    &["PUBLIC KEY", "RSA PUBLIC KEY", "EC PUBLIC KEY", "CERTIFICATE", "EC PARAMETERS", "PRIVATE KEY"];
