//! tower-bearer beside both backends of jsonwebtoken and the features of serde_json that change its types. `Cargo.toml`
//! says why.

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use jsonwebtoken::{DecodingKey, Validation, decode};
    use serde_json::Value;
    use tower_bearer::jose::Algorithm;
    use tower_bearer_test::{Defect, SigningKey, TestIssuer};
    use tower_bearer::{Issuer, JsonFault, ResourceServer, TokenError, ValidatedToken};

    const ISSUER: &str = "https://as.example.com";
    const AUDIENCE: &str = "https://api.example.com";

    fn issuer(algorithm: Algorithm) -> TestIssuer {
        TestIssuer::with_algorithm(ISSUER, algorithm).unwrap()
    }

    fn api(issuer: Issuer) -> ResourceServer {
        ResourceServer::builder().audience(AUDIENCE).issuer(issuer).build().unwrap()
    }

    /// With fixed keys nothing waits, so one poll decides.
    fn validate(api: &ResourceServer, token: &str) -> Result<ValidatedToken, TokenError> {
        match pin!(api.validate(token)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(verdict) => verdict,
            Poll::Pending => panic!("the verdict needs nothing to wait for"),
        }
    }

    /// A good token whose claims end in `more`, signed.
    fn token_with(key: &SigningKey, exp: &str, more: &str) -> String {
        let header = format!(r#"{{"typ":"at+jwt","alg":"{}","kid":"{}"}}"#, key.algorithm(), key.key_id());
        let claims = format!(r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","sub":"alice","exp":{exp}{more}}}"#);
        key.sign_compact(header, claims)
    }

    /// The control: this build is one in which jsonwebtoken cannot be used.
    #[test]
    fn jsonwebtoken_itself_panics_in_this_build() {
        let issuer = issuer(Algorithm::ES256);
        let key = DecodingKey::from_ec_pem(issuer.signing_key().public_key_pem().as_bytes()).unwrap();
        let token = issuer.token().sign();
        let decoded = catch_unwind(|| decode::<Value>(&token, &key, &Validation::new(jsonwebtoken::Algorithm::ES256)));
        let panic = decoded.expect_err("jsonwebtoken decoded a token, so this package shows nothing");
        let message = panic.downcast_ref::<String>().cloned().or(panic.downcast_ref::<&str>().map(ToString::to_string));
        assert!(message.unwrap().contains("CryptoProvider"), "it panicked for another reason");
    }

    /// The control for serde_json: with `arbitrary_precision` a number keeps its text.
    #[test]
    fn serde_json_keeps_the_text_of_numbers_in_this_build() {
        let number: Value = serde_json::from_str("1.10").unwrap();
        assert_eq!(number.to_string(), "1.10");
    }

    #[test]
    fn good_tokens_are_accepted_with_every_kind_of_key() {
        use Algorithm::{ES256, ES384, ES512, EdDSA, PS256, RS256};
        for algorithm in [RS256, PS256, ES256, ES384, ES512, EdDSA] {
            let issuer = issuer(algorithm);
            let token = issuer.token().subject("alice").scope("read write").claim("level", 1.5).sign();
            for api in [api(issuer.trusted()), api(Issuer::new(ISSUER).pem(issuer.signing_key().public_key_pem()))] {
                let token = validate(&api, &token).unwrap_or_else(|error| panic!("{algorithm}: {error}"));
                assert_eq!(token.subject(), Some("alice"));
                assert!(token.scope().contains("write"));
                assert_eq!(token.claim(&["level"]).unwrap().as_f64(), Some(1.5));
            }
        }
    }

    #[test]
    fn defective_tokens_are_refused() {
        let issuer = issuer(Algorithm::ES256);
        let api = api(issuer.trusted());
        for defect in Defect::ALL {
            let refused = validate(&api, &issuer.token().sign_defective(*defect));
            assert!(refused.is_err(), "{defect:?} was accepted");
        }
    }

    /// `arbitrary_precision` presents numbers as maps to whoever does not ask for a number.
    #[test]
    fn dates_are_read_from_every_form_of_number_and_from_nothing_else() {
        let issuer = issuer(Algorithm::EdDSA);
        let (api, key) = (api(issuer.trusted()), issuer.signing_key());
        for exp in ["4102444800", "4102444800.5", "4.1024448e9", "41024448e2"] {
            let token = validate(&api, &token_with(&key, exp, "")).unwrap_or_else(|error| panic!("{exp}: {error}"));
            assert_eq!(token.expires_at().as_secs(), 4_102_444_800);
        }
        for exp in [
            r#""4102444800""#,
            "null",
            "true",
            "[4102444800]",
            "{}",
            r#"{"$serde_json::private::Number":"4102444800"}"#,
            "-4102444800",
            "4102444800000",
            "99999999999999999999999999999999",
            "1e400",
        ] {
            assert!(validate(&api, &token_with(&key, exp, "")).is_err(), "exp {exp} was accepted");
        }
    }

    #[test]
    fn duplicates_are_refused_and_other_claims_of_any_shape_are_not() {
        let issuer = issuer(Algorithm::EdDSA);
        let (api, key) = (api(issuer.trusted()), issuer.signing_key());
        let with = |more: &str| validate(&api, &token_with(&key, "4102444800", more));
        let duplicate = TokenError::Claims(JsonFault::Duplicate);
        assert_eq!(with(r#","sub":"mallory""#).unwrap_err(), duplicate);
        assert_eq!(with(r#","a":{"b":1,"b":2}"#).unwrap_err(), duplicate);
        assert_eq!(with(r#","a":[{"b":1.5,"b":2}]"#).unwrap_err(), duplicate);
        for more in [
            r#","a":1,"b":-1,"c":1.5,"d":1e300,"e":18446744073709551616"#,
            r#","a":[1,[2.5,{"b":3}],null,true]"#,
            r#","a":{"$serde_json::private::Number":"1"}"#,
            r#","a":{"$serde_json::private::RawValue":"1"}"#,
        ] {
            assert!(with(more).is_ok(), "{more} was refused");
        }
    }
}
