//! RSA keys whose private half anybody can compute (ROCA, CVE-2017-15361).

use num_bigint::BigUint;
use serde_json::json;
use tower_bearer::Issuer;
use tower_bearer::jose::{Algorithm, KeyFault, VerifyingKey};

use crate::rsa_moduli::{RSA, jwk, pem, pkcs1, primes, roca, roca_but_for, spki};
use crate::support::*;

fn fault(n: &BigUint) -> Option<KeyFault> {
    let read = |algorithm| VerifyingKey::from_jwk(&jwk("k", n).to_string(), algorithm).err();
    let faults = [Algorithm::RS256, Algorithm::RS512, Algorithm::PS384].map(read);
    assert!(faults.iter().all(|fault| *fault == faults[0]), "{faults:?}");
    faults[0]
}

#[test]
fn j12_a_modulus_with_the_fingerprint_of_roca_is_no_key() {
    for bits in [2048, 2049, 3072, 4096, 8192] {
        for seed in 0..10 {
            assert_eq!(fault(&roca(bits, seed)), Some(KeyFault::Roca), "{bits} bits, {seed}");
        }
    }
    // The size is checked first.
    assert_eq!(fault(&roca(1024, 1)), Some(KeyFault::Size));
}

#[test]
fn j12_a_modulus_that_misses_the_fingerprint_by_one_prime_is_a_key() {
    assert_eq!(primes().len(), 38);
    for missed in primes() {
        for bits in [2048, 4096] {
            assert_eq!(fault(&roca_but_for(missed, bits)), None, "all but {missed}");
        }
    }
    assert_eq!(fault(&(roca(2048, 7) + 2_u32)), None);
}

/// A public key made by the library: `mod03.txt` in the test data of the public detection tool
/// (<https://github.com/crocs-muni/roca>).
#[test]
fn j12_a_key_from_the_field_is_recognised() {
    let n = "9dcd7420e420c270a68060eb8b5aa7457a9f6648f86fafed2775cc1f79ae962f1e63f1b9e51c55f9ea6fdc7332e9b005\
             8c9ff2eb1fc89855029cf6aafe21e689feb38ac9ffb12f1ce371bb5d0e9aae64161abce74b4244bf68f1edb4411f756a\
             097c8929c14740245ea355f8332d1aa36bb50c7dcb4505da8de02e4e53d38f8df06097da7524df0df93db48eac8cc4af\
             2d3a16257eb2b2adca6ba464e5974fa92550d31b1babf161e7692d00b86e3dd886ecab4abfbe1a8f8cc263ff4af55cdb\
             45f4249a5193925f5e983d762f0b6800943eb0267b08f42ed311ce1f5c86eacbc8ce4d3cb7a2fee1ef5641423a1cf411\
             4e5ecf50034a60a412523af9e6f4aa11";
    let n = BigUint::parse_bytes(n.as_bytes(), 16).unwrap();
    assert_eq!((n.bits(), fault(&n)), (2048, Some(KeyFault::Roca)));
}

#[test]
fn j12_a_roca_key_in_the_configuration_is_refused_at_build() {
    let (weak, fine) = (roca(2048, 3), roca_but_for(11, 2048));
    let build = |issuer: Issuer| builder().issuer(issuer).build().map(drop).map_err(|error| error.to_string());
    for (n, is_fine) in [(&weak, false), (&fine, true)] {
        for text in [pem("PUBLIC KEY", &spki(RSA, &pkcs1(n))), pem("RSA PUBLIC KEY", &pkcs1(n))] {
            let built = build(Issuer::new(ISSUER).pem(text));
            assert_eq!(built.is_ok(), is_fine, "{built:?}");
            assert!(is_fine || built.as_ref().is_err_and(|error| error.contains("`pem`") && error.contains("ROCA")));
        }
    }
    // Even next to a good key.
    let set = |n: &BigUint| json!({ "keys": [key(Algorithm::ES256).public_jwk(), jwk("weak", n)] }).to_string();
    let refused = build(Issuer::new(ISSUER).jwk_set(set(&weak))).unwrap_err();
    assert!(refused.starts_with("`jwk_set`: \"weak\": RSA key with the fingerprint of ROCA"), "{refused}");
    assert_eq!(build(Issuer::new(ISSUER).jwk_set(set(&fine))), Ok(()));
}
