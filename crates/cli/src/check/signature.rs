//! How long a token's signature is, and how long its algorithm makes one: what is shorter was cut off.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// A signature that no key for its algorithm makes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Shortage {
    pub(super) found: usize,
    pub(super) expected: &'static [usize],
}

/// The sizes of RSA keys that are in use, in bytes.
const RSA: &[usize] = &[256, 320, 384, 512, 768, 1_024];

/// What is wrong with the length of the signature of a token with three parts, by its own `alg`.
pub(super) fn shortage(token: &str) -> Option<Shortage> {
    let mut parts = token.split('.');
    let (header, _, signature, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    // RFC 7518 §3.1, RFC 8037 §3.1.
    let expected = match header.get("alg")?.as_str()? {
        "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" => RSA,
        "ES256" | "EdDSA" | "Ed25519" => &[64],
        "ES384" => &[96],
        "ES512" => &[132],
        "HS256" => &[32],
        "HS384" => &[48],
        "HS512" => &[64],
        _ => return None,
    };
    let found = signature.len() * 3 / 4;
    (!expected.contains(&found)).then_some(Shortage { found, expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_that_was_cut_is_noticed() {
        let token = |alg: &str, signature: usize| {
            let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}"}}"#));
            format!("{header}.e30.{}", URL_SAFE_NO_PAD.encode(vec![0; signature]))
        };
        for (alg, length) in [("RS256", 256), ("PS512", 512), ("ES256", 64), ("ES512", 132), ("EdDSA", 64)] {
            assert_eq!(shortage(&token(alg, length)), None, "{alg}");
            assert_eq!(shortage(&token(alg, length - 1)).map(|it| it.found), Some(length - 1), "{alg}");
        }
        assert_eq!(shortage(&token("none", 0)), None);
        for text in ["", "a.b.c", "a.b", "eyJ.e.", &token("RS256", 256).replace('.', "")] {
            assert_eq!(shortage(text), None, "{text}");
        }
    }
}
