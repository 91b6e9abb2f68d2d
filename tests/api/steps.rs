//! What a listener hears: each check in order, up to the first that failed, with what was expected and found.

use tower_bearer::test_util::Defect;
use tower_bearer::{Check, ResourceServer, Step, StepListener, TokenError};

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

const ORDER: [Check; 14] = [
    Check::Structure,
    Check::IssuerChoice,
    Check::Algorithm,
    Check::Key,
    Check::Signature,
    Check::Claims,
    Check::TokenType,
    Check::SenderConstraint,
    Check::Issuer,
    Check::Audience,
    Check::Expiry,
    Check::NotBefore,
    Check::IssuedAt,
    Check::RequiredClaims,
];

#[tokio::test]
async fn a_good_token_passes_every_check_in_order() {
    let (verdict, heard) = explain(&server(), &token().sign()).await;
    assert_eq!(verdict, Ok(()));
    assert_eq!(heard.0.iter().map(|step| step.0).collect::<Vec<_>>(), ORDER);
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
        assert_eq!(heard.0.iter().map(|step| step.0).collect::<Vec<_>>(), ORDER[..heard.0.len()], "{defect}");
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
    assert!(log.contains("Audience") && log.contains(r#"one of ["https://api.example.com"]"#), "{log}");
    assert!(log.contains("audience_mismatch"), "{log}");
    assert!(!log.contains(other), "{log}");
}
