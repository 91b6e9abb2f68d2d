//! Tokens to revoke.

use serde_json::Value;
use tower_bearer::jose::Algorithm;
use tower_bearer::time::ManualClock;
use tower_bearer::{
    ResourceServer, RevocationAnswer, RevocationCheck, RevocationKind, RevocationVerdict, ValidatedToken,
};
use tower_bearer_test::{TestIssuer, TokenBuilder};

use crate::fixtures::{AUDIENCE, ISSUER, NOW, key};

pub(crate) const OTHER_ISSUER: &str = "https://other.example.com";

/// The claims of a token.
pub(crate) type Claims<'a> = [(&'a str, Value)];

/// A token that is accepted for a day, with these claims alone in addition to those that every token needs.
pub(crate) fn token(issuer: &str, claims: &Claims<'_>) -> ValidatedToken {
    let clock = ManualClock::at(NOW);
    let issuer = TestIssuer::with_key(issuer, key(Algorithm::EdDSA)).with_clock(clock.clone());
    let builder = ResourceServer::builder().audience(AUDIENCE).clock(clock);
    let server = builder.issuer(issuer.trusted()).build().unwrap();
    let bare = ["sub", "jti", "client_id", "iat"].into_iter().fold(issuer.token(), TokenBuilder::without_claim);
    let bare = bare.audience(AUDIENCE).claim("exp", NOW.as_secs() + 86_400);
    let text = claims.iter().fold(bare, |token, (name, value)| token.claim(*name, value.clone())).sign();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(server.validate(&text)).unwrap()
}

/// A token with every name.
pub(crate) fn alice() -> ValidatedToken {
    let claims = [
        ("jti", "t1".into()),
        ("sid", "s1".into()),
        ("client_id", "app".into()),
        ("sub", "alice".into()),
        ("iat", NOW.as_secs().into()),
    ];
    token(ISSUER, &claims)
}

/// By what the check says that the token is revoked.
pub(crate) fn revoked_by(check: &impl RevocationCheck, token: &ValidatedToken) -> Option<RevocationKind> {
    match check.check(token) {
        RevocationAnswer::Now(RevocationVerdict::NotRevoked) => None,
        RevocationAnswer::Now(RevocationVerdict::Revoked(kind)) => Some(kind),
        other => panic!("{other:?}"),
    }
}
