//! ID tokens (OpenID Connect Core 1.0 §2): who logged in, for the client. APIs refuse them.

use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tower_bearer::jose::Algorithm;

use super::grants::{Issuing, UserLogin};

/// The ID token beside an access token. It lives as long as that does.
pub(super) fn sign(issuing: &Issuing<'_>, login: &UserLogin, access_token: &str) -> String {
    let Issuing { issuer, client, now, .. } = issuing;
    let key = issuer.signing_key();
    let token = issuer
        .token()
        .key(&key)
        .header("typ", "JWT")
        .without_claim("client_id")
        .without_claim("jti")
        .subject(&login.subject)
        .claim("aud", client.id.as_str())
        .claim("iat", now.as_secs())
        .claim("exp", now.saturating_add(client.token_lifetime).as_secs())
        .claim("auth_time", login.auth_time.as_secs())
        .claim("at_hash", access_token_hash(key.algorithm(), access_token));
    match &login.nonce {
        Some(nonce) => token.claim("nonce", nonce.as_str()).sign(),
        None => token.sign(),
    }
}

/// The left half of the digest that the signature uses (§3.1.3.6); for Ed25519 that is SHA-512 (RFC 8032 §5.1).
fn access_token_hash(algorithm: Algorithm, access_token: &str) -> String {
    let algorithm = match algorithm {
        Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256 | Algorithm::HS256 => &SHA256,
        Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 | Algorithm::HS384 => &SHA384,
        _ => &SHA512,
    };
    let hash = digest(algorithm, access_token.as_bytes());
    let (left, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
    URL_SAFE_NO_PAD.encode(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_published_example() {
        // OpenID Connect Core 1.0 appendix A.3.
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(access_token_hash(Algorithm::RS256, token), "77QmUPtjPfzWtF2AnpK9RQ");
    }
}
