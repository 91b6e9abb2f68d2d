//! What a listener hears: each check in order, up to the first that failed, with what was expected and found.

use std::fmt::Write as _;
use std::time::Duration;

use tower_bearer::jose::Algorithm;
use tower_bearer::{Check, Issuer, ResourceServer, Step, StepListener, TokenError};
use tower_bearer_test::Defect;

use crate::support::*;

#[derive(Default)]
struct Heard(Vec<(Check, bool, String, String)>);

impl StepListener for Heard {
    fn step(&mut self, step: Step<'_>) {
        self.0.push((step.check, step.passed, step.expected.to_string(), step.found.to_string()));
    }
}

async fn explain(server: &ResourceServer, token: &str) -> (Result<(), TokenError>, Heard) {
    let mut heard = Heard::default();
    let verdict = server.validate_explained(token, &mut heard).await;
    (verdict.map(drop), heard)
}

#[tokio::test]
async fn a_good_token_passes_every_check_in_order() {
    let (verdict, heard) = explain(&server(), &token().sign()).await;
    assert_eq!(verdict, Ok(()));
    assert_eq!(heard.0.iter().map(|step| step.0).collect::<Vec<_>>(), Check::ALL);
    assert!(heard.0.iter().all(|step| step.1));
}

#[tokio::test]
async fn a_defect_shows_at_its_own_check_and_ends_the_list() {
    for (defect, failing) in [
        (Defect::Expired, Check::Expiry),
        (Defect::NotYetValid, Check::NotBefore),
        (Defect::WrongAudience, Check::Audience),
        (Defect::WrongIssuer, Check::Issuer),
        (Defect::WrongType, Check::TokenType),
        (Defect::AlgNone, Check::Algorithm),
        (Defect::Hs256WithPublicKey, Check::Algorithm),
        (Defect::TamperedPayload, Check::Signature),
        (Defect::TamperedSignature, Check::Signature),
        (Defect::UnknownKid, Check::Key),
        (Defect::UnknownCrit, Check::Structure),
        (Defect::IdToken, Check::TokenType),
    ] {
        let (verdict, heard) = explain(&server(), &token().sign_defective(defect)).await;
        assert!(verdict.is_err(), "{defect}");
        let (last, before) = heard.0.split_last().unwrap();
        assert_eq!((last.0, last.1), (failing, false), "{defect}");
        assert!(before.iter().all(|step| step.1), "{defect}");
        assert_eq!(heard.0.iter().map(|step| step.0).collect::<Vec<_>>(), Check::ALL[..heard.0.len()], "{defect}");
    }
}

#[tokio::test]
async fn expected_and_found_say_what_differs() {
    let (_, heard) = explain(&server(), &issuer().token().audience("https://api.example.com/").sign()).await;
    let (check, _, expected, found) = heard.0.last().unwrap();
    assert_eq!(*check, Check::Audience);
    insta::assert_snapshot!(format!("expected {expected}, found {found}"), @r#"expected one of ["https://api.example.com"], found ["https://api.example.com/"]"#);
}

#[tokio::test]
async fn a_step_says_in_words_what_the_token_has() {
    let strict = server_trusting(issuer_with(Algorithm::RS256).trusted().require_at_jwt());
    let other = Issuer::new("https://other.example.com").jwk_set(issuer().jwk_set().to_string());
    let several = builder().issuer(issuer().trusted()).issuer(other).build().unwrap();
    let young = builder().issuer(issuer().trusted()).max_token_age(Duration::from_secs(60)).build().unwrap();
    let mut told = String::new();
    for (server, token) in [
        (&several, token().sign_defective(Defect::WrongIssuer)),
        (&several, token().without_claim("iss").sign()),
        (&server(), token().sign_defective(Defect::AlgNone)),
        (&server(), token().header("kid", "rotated").sign()),
        (&server(), token().without_header("kid").header("typ", "logout+jwt").sign()),
        (&server(), token().sign_defective(Defect::IdToken)),
        (&server(), token().claim("exp", 1_799_999_970).sign()),
        (&server(), token().claim("nbf", 1_800_000_031).sign()),
        (&young, token().claim("iat", 1_799_999_000).sign()),
        (&strict, token().without_claim("jti").sign()),
    ] {
        let (_, heard) = explain(server, &token).await;
        let (check, _, expected, found) = heard.0.last().unwrap();
        writeln!(told, "{}: expected {expected}, found {found}", check.name()).unwrap();
    }
    insta::assert_snapshot!(told, @r#"
    issuer_choice: expected one of ["https://as.example.com", "https://other.example.com"], found "https://other-issuer.invalid"
    issuer_choice: expected one of ["https://as.example.com", "https://other.example.com"], found absent
    algorithm: expected one of [RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA], found an unknown one
    key: expected a key of https://as.example.com for RS256, found kid "rotated"
    token_type: expected typ at+jwt, JWT or absent, found typ of another kind
    token_type: expected typ at+jwt, JWT or absent, found claim nonce
    expiry: expected after 2027-01-15T08:00:00Z, less 30 s of leeway, found 2027-01-15T07:59:30Z
    not_before: expected not after 2027-01-15T08:00:00Z, plus 30 s of leeway, found 2027-01-15T08:00:31Z
    issued_at: expected not after 2027-01-15T08:00:00Z, at most 60 s ago, plus 30 s of leeway, found 2027-01-15T07:43:20Z
    required_claims: expected sub, client_id, iat, jti, found sub, client_id, iat
    "#);
}

#[tokio::test]
async fn r19_no_step_has_the_token_or_its_signature() {
    for token in [token().sign(), token().sign_defective(Defect::TamperedSignature)] {
        let (_, heard) = explain(&server(), &token).await;
        let signature = token.rsplit_once('.').unwrap().1;
        for (check, _, expected, found) in heard.0 {
            assert!(!format!("{expected}{found}").contains(signature), "{check:?}");
        }
    }
}

#[tokio::test]
async fn a_refusal_is_logged_with_what_was_expected_and_without_what_the_token_says() {
    log::capture();
    let api = Api::start(&server()).await;
    let other = "https://somebody-elses-api.example.com";
    assert_eq!(api.get_with(&issuer().token().audience(other).sign()).await.status(), 401);
    let log = log::take();
    assert!(log.contains(r#"check=audience"#) && log.contains(r#"one of ["https://api.example.com"]"#), "{log}");
    assert!(log.contains("audience_mismatch"), "{log}");
    assert!(!log.contains(other), "{log}");
}
