//! Keys in PEM (RFC 7468), as they come from files, environment variables and forms.

use insta::assert_snapshot;
use num_bigint::BigUint;
use tower_bearer::jose::{Algorithm, KeyFault};
use tower_bearer::{Issuer, ResourceServer};
use tower_bearer_test::SigningKey;

use crate::rsa_moduli::{RSA, der, pem, pkcs1, roca_but_for, spki};
use crate::support::*;

fn build(texts: &[&str]) -> Result<ResourceServer, String> {
    let issuer = texts.iter().fold(Issuer::new(ISSUER), |issuer, text| issuer.pem(*text));
    builder().issuer(issuer).build().map_err(|error| error.to_string())
}

fn refused(text: &str) -> String {
    build(&[text]).unwrap_err()
}

fn pem_of(algorithm: Algorithm) -> String {
    key(algorithm).public_key_pem()
}

/// The verdict on a good token of this key.
async fn verdict(server: &ResourceServer, algorithm: Algorithm) -> &'static str {
    reason(server, &token_with(algorithm).sign()).await
}

const KINDS: [Algorithm; 5] =
    [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384, Algorithm::ES512, Algorithm::EdDSA];

#[tokio::test]
async fn a_key_is_read_however_its_lines_end_and_whatever_is_around_it() {
    for algorithm in KINDS {
        let text = pem_of(algorithm);
        let flat = |separator: &str| text.trim_end().lines().collect::<Vec<_>>().join(separator);
        let variants = [
            text.clone(),
            text.replace('\n', "\r\n"),
            text.replace('\n', "\r"),
            text.replace('\n', "\\n"),
            text.replace('\n', "\\r\\n"),
            text.replace('\n', "\\\\n"),
            text.replace('\n', "\\\n"),
            flat(" "),
            flat(""),
            flat("\n\n"),
            flat("\n    "),
            format!("\u{feff}{text}"),
            format!("\"{}\"", text.replace('\n', "\\n")),
            format!("Key of the issuer, rotated 2026-11-01:\n\n{text}\nkid: k1\n"),
        ];
        for variant in variants {
            let server = build(&[&variant]).unwrap_or_else(|error| panic!("{variant:?}: {error}"));
            assert_eq!(verdict(&server, algorithm).await, "accepted", "{variant:?}");
        }
    }
}

#[tokio::test]
async fn every_key_block_of_a_text_is_read() {
    let texts: Vec<_> = KINDS.iter().map(|algorithm| pem_of(*algorithm)).collect();
    let bundle = texts.join("# the next one\n");
    let repeated = [&*texts.concat(), &*texts.concat()].concat().repeat(3);
    for server in [build(&[&bundle]), build(&texts.iter().map(|text| &**text).collect::<Vec<_>>()), build(&[&repeated])]
    {
        let server = server.unwrap();
        for algorithm in KINDS {
            assert_eq!(verdict(&server, algorithm).await, "accepted", "{algorithm}");
        }
        assert_eq!(server.key_sets()[0].dropped_keys, []);
    }
}

#[tokio::test]
async fn pkcs1_is_read_as_spki_is() {
    let key = key(Algorithm::RS256);
    let spki = key.public_key_der();
    // The key follows the 24 bytes of the outer structures.
    let server = build(&[&pem("RSA PUBLIC KEY", &spki[24..])]).unwrap();
    assert_eq!(verdict(&server, Algorithm::RS256).await, "accepted");
    let swapped = [pem("PUBLIC KEY", &spki[24..]), pem("RSA PUBLIC KEY", spki)];
    for text in swapped {
        assert!(refused(&text).contains("its content is not a public key"), "{}", refused(&text));
    }
}

/// The content of a private or unknown block is not read, so anything works.
fn block(label: &str) -> String {
    pem(label, b"something")
}

#[tokio::test]
async fn blocks_that_are_not_keys_are_skipped_and_reported() {
    let others = ["CERTIFICATE", "EC PARAMETERS", "X509 CRL", "CERTIFICATE REQUEST", "PGP PUBLIC KEY BLOCK"];
    let text = others.map(block).join("") + &pem_of(Algorithm::ES256);
    log::capture();
    let server = build(&[&text]).unwrap();
    let log = log::take();
    assert_eq!(verdict(&server, Algorithm::ES256).await, "accepted");
    let dropped = &server.key_sets()[0].dropped_keys;
    assert_eq!(dropped.len(), others.len());
    for (position, (dropped, label)) in dropped.iter().zip(others).enumerate() {
        assert_eq!((dropped.position, dropped.fault), (position, KeyFault::NotAKey));
        assert_eq!(dropped.problem, format!("not a key: a block `{label}`"));
        assert!(log.contains(&dropped.problem), "{log}");
    }
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
}

#[test]
fn a_private_key_is_refused_whatever_stands_next_to_it() {
    for label in [
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "DSA PRIVATE KEY",
        "ANY PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK",
    ] {
        for text in [
            block(label),
            format!("{}{}", pem_of(Algorithm::ES256), block(label)),
            format!("{}{}", block(label), pem_of(Algorithm::ES256)),
            format!("-----BEGIN {label}-----\nAAAA\n{}", pem_of(Algorithm::ES256)),
        ] {
            let refused = refused(&text);
            assert!(refused.contains(&format!("`{label}`: private key")), "{refused}");
            assert!(refused.ends_with("give the public half alone, as `openssl pkey -pubout` writes it"), "{refused}");
        }
    }
}

/// A label in another spelling does not hide a key.
#[test]
fn a_key_under_a_misspelt_label_is_not_skipped() {
    for label in ["private key", "Private Key", "PRIVATE KEY ", " RSA PRIVATE KEY"] {
        let text = format!("{}{}", block(label), pem_of(Algorithm::ES256));
        assert!(refused(&text).contains("private key"), "{label}: {}", refused(&text));
    }
    for label in ["public key", "Public Key", "PUBLIC KEY "] {
        let text = pem_of(Algorithm::ES256).replace("PUBLIC KEY", label);
        assert!(build(&[&text]).is_ok(), "{label}");
    }
}

#[test]
fn what_is_wrong_with_a_block_is_named() {
    let spki_of = |algorithm: &[u8]| pem("PUBLIC KEY", &spki(algorithm, &[4; 65]));
    let ec = |curve: &[u8]| spki_of(&[&[0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1], curve].concat());
    let text = pem_of(Algorithm::ES256);
    let key = key(Algorithm::ES256).public_key_der().to_vec();
    assert_snapshot!(refused(&ec(&[0x06, 5, 0x2b, 0x81, 4, 0, 0x0a])), @"`pem`: unusable key (`PUBLIC KEY`: unknown curve: secp256k1 (1.3.132.0.10)); give public keys for allowed algorithms");
    assert_snapshot!(refused(&ec(&[0x06, 3, 0x2b, 1, 2])), @"`pem`: unusable key (`PUBLIC KEY`: unknown curve: 1.3.1.2); give public keys for allowed algorithms");
    assert_snapshot!(refused(&ec(&[0x30, 0])), @"`pem`: unusable key (`PUBLIC KEY`: unknown curve: its parameters are written out); give public keys for allowed algorithms");
    assert_snapshot!(refused(&spki_of(&[0x06, 3, 0x2b, 0x65, 0x71])), @"`pem`: unusable key (`PUBLIC KEY`: unknown curve: Ed448 (1.3.101.113)); give public keys for allowed algorithms");
    assert_snapshot!(refused(&spki_of(&[0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1])), @"`pem`: unusable key (`PUBLIC KEY`: unknown key type: DSA (1.2.840.10040.4.1)); give public keys for allowed algorithms");
    // RFC 4055 §3.1, without parameters and with them.
    let pss = [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0a];
    assert_snapshot!(refused(&spki_of(&pss)), @"`pem`: unusable key (`PUBLIC KEY`: unknown key type: RSASSA-PSS (1.2.840.113549.1.1.10), which limits the key to PSS; give it as a JWK with `kty` `RSA` and its `alg` to `.jwk_set(..)`); give public keys for allowed algorithms");
    assert_eq!(refused(&spki_of(&[&pss[..], &[0x30, 0]].concat())), refused(&spki_of(&pss)));
    assert_snapshot!(refused(&text[..100]), @"`pem`: unusable key (`PUBLIC KEY`: missing or invalid key member: it has no END line); give public keys for allowed algorithms");
    assert_snapshot!(refused(&text.replace("==\n", "\n")), @"`pem`: unusable key (`PUBLIC KEY`: missing or invalid key member: its base64 is cut off or damaged); give public keys for allowed algorithms");
    assert_snapshot!(refused(&pem("PUBLIC KEY", &key[..60])), @"`pem`: unusable key (`PUBLIC KEY`: missing or invalid key member: its content is cut off); give public keys for allowed algorithms");
    assert_snapshot!(refused(&pem("PUBLIC KEY", &[&*key, &[0]].concat())), @"`pem`: unusable key (`PUBLIC KEY`: missing or invalid key member: there are bytes after the key); give public keys for allowed algorithms");
    assert_snapshot!(refused(&pem("PUBLIC KEY", &[])), @"`pem`: unusable key (`PUBLIC KEY`: missing or invalid key member: its content is cut off); give public keys for allowed algorithms");
    assert_snapshot!(refused(&text.replace("END PUBLIC", "END RSA PUBLIC")), @"`pem`: unusable key (`PUBLIC KEY`: missing or invalid key member: its END line differs from its BEGIN line); give public keys for allowed algorithms");
    assert_snapshot!(refused(&text.replace("PUBLIC", "EC PUBLIC")), @"`pem`: unusable key (`EC PUBLIC KEY`: unknown key type: PEM has no such block); give public keys for allowed algorithms");
    let compressed =
        spki(&[0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7], &[2; 33]);
    assert_snapshot!(refused(&pem("PUBLIC KEY", &compressed)), @"`pem`: unusable key (`PUBLIC KEY`: missing or invalid key member: the point is compressed); give public keys for allowed algorithms");
    let small = pem("PUBLIC KEY", &spki(RSA, &pkcs1(&((BigUint::from(1_u32) << 1023) + 1_u32))));
    assert_snapshot!(refused(&small), @"`pem`: unusable key (`PUBLIC KEY`: unacceptable size: the RSA modulus has 1024 bits, not 2048 to 8192); give public keys for allowed algorithms");
    // Without the leading zero octet that makes it positive.
    let negative = der(0x30, &[der(0x02, &roca_but_for(11, 2048).to_bytes_be()), vec![2, 3, 1, 0, 1]].concat());
    assert_snapshot!(refused(&pem("RSA PUBLIC KEY", &negative)), @"`pem`: unusable key (`RSA PUBLIC KEY`: missing or invalid key member: its modulus or exponent is negative); give public keys for allowed algorithms");
    // In a bundle, with the number of the block. Good blocks do not hide a bad one.
    assert_snapshot!(refused(&format!("{text}{small}{text}{}", block("RSA PRIVATE KEY"))), @"`pem`: unusable key (block 2, `PUBLIC KEY`: unacceptable size: the RSA modulus has 1024 bits, not 2048 to 8192; block 4, `RSA PRIVATE KEY`: private key: it stays with the issuer); give the public half alone, as `openssl pkey -pubout` writes it");
}

#[test]
fn a_text_without_a_key_is_named_for_what_it_is() {
    assert_snapshot!(refused(""), @"`pem`: the text is not PEM; give the key itself, from `-----BEGIN PUBLIC KEY-----` on, not its path");
    assert_snapshot!(refused("/etc/api/key.pem"), @"`pem`: the text is not PEM; give the key itself, from `-----BEGIN PUBLIC KEY-----` on, not its path");
    assert_snapshot!(refused("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI alice"), @"`pem`: the text is a key of OpenSSH; convert it with `ssh-keygen -e -m PKCS8 -f key.pub`");
    assert_snapshot!(refused(" {\"keys\":[]}"), @"`pem`: the text is JSON; give a JWK Set to `.jwk_set(..)`");
    assert_snapshot!(refused("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"), @"`pem`: the text lacks the lines around the key; put `-----BEGIN PUBLIC KEY-----` before it and `-----END PUBLIC KEY-----` after it");
    assert_snapshot!(refused(&block("CERTIFICATE")), @"`pem`: there is no key in the text, only `CERTIFICATE`; give the key of the certificate, as `openssl x509 -pubkey -noout` writes it");
    assert_snapshot!(refused(&block("EC PARAMETERS")), @"`pem`: there is no key in the text, only `EC PARAMETERS`; give the key itself, from `-----BEGIN PUBLIC KEY-----` on");
    let set = builder().issuer(Issuer::new(ISSUER).jwk_set(pem_of(Algorithm::ES256))).build().unwrap_err();
    assert_snapshot!(set, @"`jwk_set`: the document is not a JWK Set: it is PEM, which `Issuer::pem` takes as text; give the issuer's public keys");
}

#[tokio::test]
async fn r48_up_to_four_keys_in_pem_are_tried_and_more_for_one_algorithm_are_refused_at_build() {
    let keys: Vec<_> = (0..5).map(|_| SigningKey::generate(Algorithm::ES256).unwrap()).collect();
    let texts: Vec<_> = keys.iter().map(SigningKey::public_key_pem).collect();
    let server = build(&[&texts[..4].concat(), &pem_of(Algorithm::RS256)]).unwrap();
    for key in &keys[..4] {
        for kid in ["any", "other"] {
            assert_eq!(reason(&server, &token().key(key).header("kid", kid).sign()).await, "accepted");
        }
    }
    assert_eq!(reason(&server, &token().key(&keys[4]).sign()).await, "bad_signature");
    let separately: Vec<_> = texts.iter().map(|text| &**text).collect();
    let (at_once, one_by_one) = (build(&[&texts.concat()]).unwrap_err(), build(&separately).unwrap_err());
    assert_snapshot!(at_once, @"`pem`: 5 keys fit ES256, more than the 4 that are tried for one token; give a JWK Set, whose keys have a `kid`, to `.jwk_set(..)`");
    assert_eq!(at_once, one_by_one);
}

#[test]
fn every_key_of_a_text_is_for_an_allowed_algorithm() {
    let both = pem_of(Algorithm::RS256) + &pem_of(Algorithm::ES256);
    let pinned = builder().issuer(Issuer::new(ISSUER).pem(both).algorithms([Algorithm::ES256])).build();
    assert_snapshot!(pinned.unwrap_err(), @"`pem`: unusable key (block 1, `PUBLIC KEY`: for an algorithm that the configuration does not allow: RS256, RS384, RS512, PS256, PS384, PS512); give public keys for allowed algorithms");
}
