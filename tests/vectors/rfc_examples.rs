//! RFC 7515 appendix A (<https://www.rfc-editor.org/rfc/rfc7515#appendix-A>) and RFC 8037 appendix A
//! (<https://www.rfc-editor.org/rfc/rfc8037#appendix-A>).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;
use tower_bearer::jose::{Algorithm, VerifyingKey};
use tower_bearer::{Check, Issuer, ResourceServer, Step, StepListener, TokenError};

#[derive(Deserialize)]
struct Example {
    name: String,
    algorithm: String,
    jwk: Value,
    token: String,
}

#[test]
fn signatures_of_the_rfc_examples_verify_and_changed_ones_do_not() {
    let examples: Vec<Example> = serde_json::from_str(include_str!("rfc.json")).unwrap();
    assert_eq!(examples.len(), 4);
    for Example { name, algorithm, jwk, token } in examples {
        let algorithm = Algorithm::from_name(&algorithm).unwrap();
        let key = VerifyingKey::from_jwk(&jwk.to_string(), algorithm).unwrap();
        let (signing_input, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(key.verify(signing_input.as_bytes(), &signature), "{name}");

        assert!(!key.verify(&signing_input.as_bytes()[1..], &signature), "{name}: another message");
        for position in [0, signature.len() / 2, signature.len() - 1] {
            let mut changed = signature.clone();
            changed[position] ^= 1;
            assert!(!key.verify(signing_input.as_bytes(), &changed), "{name}: byte {position} changed");
        }
        println!("{name} ({algorithm}): verified");
    }
}

/// A shared secret is no JWK of a key set, so this example takes the whole path of a token. Its claims are refused in
/// the end (there is no audience); what counts is the step before.
#[test]
fn the_hmac_example_of_rfc_7515_verifies_and_a_changed_one_does_not() {
    const SECRET: &str = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    const TOKEN: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0\
                         dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let issuer = Issuer::new("joe").shared_secret(URL_SAFE_NO_PAD.decode(SECRET).unwrap());
    let api = ResourceServer::builder().audience("https://api.example.com").issuer(issuer).build().unwrap();

    let (signature, verdict) = judge(&api, TOKEN);
    assert_eq!((signature, verdict.map(|error| error.reason())), (Some(true), Some("claim_missing")));
    let (signature, verdict) = judge(&api, &TOKEN.replace(".dBjf", ".dBjg"));
    assert_eq!((signature, verdict), (Some(false), Some(TokenError::BadSignature)));
    println!("RFC 7515 A.1 (HS256): verified");
}

/// Whether the signature passed, and why the token was refused.
fn judge(api: &ResourceServer, token: &str) -> (Option<bool>, Option<TokenError>) {
    struct SignatureStep(Option<bool>);
    impl StepListener for SignatureStep {
        fn step(&mut self, step: Step<'_>) {
            if step.check == Check::Signature {
                self.0 = Some(step.passed);
            }
        }
    }
    let mut listener = SignatureStep(None);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let verdict = runtime.block_on(api.validate_explained(token, &mut listener));
    (listener.0, verdict.err())
}
