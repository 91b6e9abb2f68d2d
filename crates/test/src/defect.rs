//! Tokens with exactly one thing wrong with them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use super::TokenBuilder;
use super::token_builder::random_id;

/// How far a time is wrong: twice the largest leeway that a validator may be configured with (300 s).
const OUT_OF_LEEWAY: Duration = Duration::from_secs(600);

/// One thing that is wrong with a token; everything else about it is as in a good one.
///
/// ```
/// use tower_bearer_test::Defect;
///
/// assert_eq!("wrong-audience".parse(), Ok(Defect::WrongAudience));
/// assert_eq!(Defect::AlgNone.name(), "alg-none");
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Defect {
    /// `exp` is ten minutes ago, `iat` fifteen.
    Expired,
    /// `nbf` is in ten minutes, `exp` in fifteen.
    NotYetValid,
    /// `aud` names another API.
    WrongAudience,
    /// `iss` names another issuer, though the key is right.
    WrongIssuer,
    /// `typ` says that this is a logout token.
    WrongType,
    /// `alg` is `none` and the signature is empty (RFC 7518 §3.6).
    AlgNone,
    /// `alg` is `HS256`, keyed with the PEM text of the issuer's public key, which anyone has.
    Hs256WithPublicKey,
    /// `sub` was changed after the token was signed.
    TamperedPayload,
    /// One bit of the signature was changed.
    TamperedSignature,
    /// `kid` names a key that the issuer does not have, another one each time; the signature is by the issuer's key.
    UnknownKid,
    /// `crit` names an extension that nobody knows (RFC 7515 §4.1.11).
    UnknownCrit,
    /// An OpenID Connect ID token with the right audience: `typ` is `JWT`, and it has `nonce` and `at_hash`.
    IdToken,
}

/// There is no defect of this name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UnknownDefect(());

impl Defect {
    /// Every defect.
    pub const ALL: &'static [Self] = &[
        Self::Expired,
        Self::NotYetValid,
        Self::WrongAudience,
        Self::WrongIssuer,
        Self::WrongType,
        Self::AlgNone,
        Self::Hs256WithPublicKey,
        Self::TamperedPayload,
        Self::TamperedSignature,
        Self::UnknownKid,
        Self::UnknownCrit,
        Self::IdToken,
    ];

    /// The name, in kebab case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::WrongAudience => "wrong-audience",
            Self::WrongIssuer => "wrong-issuer",
            Self::WrongType => "wrong-type",
            Self::AlgNone => "alg-none",
            Self::Hs256WithPublicKey => "hs256-with-public-key",
            Self::TamperedPayload => "tampered-payload",
            Self::TamperedSignature => "tampered-signature",
            Self::UnknownKid => "unknown-kid",
            Self::UnknownCrit => "unknown-crit",
            Self::IdToken => "id-token",
        }
    }
}

impl FromStr for Defect {
    type Err = UnknownDefect;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|defect| defect.name() == name).ok_or(UnknownDefect(()))
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for UnknownDefect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such defect; there are")?;
        for (index, defect) in Defect::ALL.iter().enumerate() {
            f.write_str(if index == 0 { " " } else { ", " })?;
            f.write_str(defect.name())?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownDefect {}

impl TokenBuilder {
    /// The token with this one thing wrong with it.
    #[must_use]
    pub fn sign_defective(self, defect: Defect) -> String {
        let now = self.now();
        match defect {
            Defect::Expired => {
                let expiry = now.saturating_sub(OUT_OF_LEEWAY);
                let issued_at = expiry.saturating_sub(Self::DEFAULT_LIFETIME);
                self.claim("iat", issued_at.as_secs()).claim("exp", expiry.as_secs()).sign()
            }
            Defect::NotYetValid => {
                let not_before = now.saturating_add(OUT_OF_LEEWAY);
                let expiry = not_before.saturating_add(Self::DEFAULT_LIFETIME);
                self.claim("nbf", not_before.as_secs()).claim("exp", expiry.as_secs()).sign()
            }
            Defect::WrongAudience => self.claim("aud", "https://other-api.invalid").sign(),
            Defect::WrongIssuer => self.claim("iss", "https://other-issuer.invalid").sign(),
            Defect::WrongType => self.header("typ", "logout+jwt").sign(),
            Defect::AlgNone => self.header("alg", "none").sign_with(|_, _| Vec::new()),
            Defect::Hs256WithPublicKey => self.header("alg", "HS256").sign_with(|key, message| {
                let secret = hmac::Key::new(hmac::HMAC_SHA256, key.public_key_pem().as_bytes());
                hmac::sign(&secret, message).as_ref().to_vec()
            }),
            Defect::TamperedPayload => tamper_with_payload(self),
            Defect::TamperedSignature => self.sign_with(|key, message| {
                let mut signature = key.sign(message);
                if let Some(byte) = signature.first_mut() {
                    *byte ^= 1;
                }
                signature
            }),
            Defect::UnknownKid => {
                let kid = format!("unknown-{}", random_id().unwrap_or_default());
                self.header("kid", kid).sign()
            }
            Defect::UnknownCrit => {
                self.header("crit", json!(["example-extension"])).header("example-extension", true).sign()
            }
            Defect::IdToken => self
                .header("typ", "JWT")
                .claim("nonce", "n-0S6_WzA2Mj")
                .claim("at_hash", "77QmUPtjPfzWtF2AnpK9RQ")
                .without_claim("client_id")
                .without_claim("jti")
                .sign(),
        }
    }
}

/// The signature of the token as it was, on a token with another `sub`.
fn tamper_with_payload(token: TokenBuilder) -> String {
    let subject = token.claim_value("sub").and_then(Value::as_str).unwrap_or_default();
    let tampered = token.clone().claim("sub", format!("{subject}-tampered"));

    let genuine = token.sign();
    let signature = genuine.rsplit('.').next().unwrap_or_default();
    let unsigned = tampered.sign_with(|_, _| Vec::new());
    format!("{unsigned}{signature}")
}
