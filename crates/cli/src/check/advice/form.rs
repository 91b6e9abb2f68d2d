//! Refusals before any claim is looked at: the form, the algorithm, the key, the signature.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tower_bearer::MalformedFault;
use tower_bearer::jose::{DroppedKey, KeyFault};

use super::super::printable;
use super::super::signature::{self, Shortage};
use super::{Case, MAX_QUOTED, quoted};

/// How many unusable keys the advice names.
const MAX_DROPPED: usize = 10;

impl Case<'_> {
    pub(super) fn malformed(&self, fault: MalformedFault) -> String {
        match fault {
            MalformedFault::TooLarge => format!(
                "It has {} bytes, and the API reads at most {}. Have the issuer put less into the token (group lists, \
                 often), or raise `max_token_bytes`; proxies in front of the API have limits of their own.",
                self.presented.token.len(),
                self.api.configuration.max_token_bytes
            ),
            MalformedFault::Opaque => self.opaque(),
            MalformedFault::Encrypted => self.encrypted(),
            MalformedFault::Parts => self.parts(),
            MalformedFault::Base64 => self.base64(),
            _ => "The header is not what a JWT library writes: was the token changed on the way?".into(),
        }
    }

    fn parts(&self) -> String {
        let dots = self.text.bytes().filter(|byte| *byte == b'.').count();
        match dots {
            0 | 1 => format!(
                "The token is cut off: it has {dots} of the 2 dots of a JWT. Was it copied whole, and does the client's \
                 variable, column or field have room for it?"
            ),
            3 if self.text.ends_with('.') => {
                "A dot follows the token; it was copied along from a sentence. Remove it.".into()
            }
            _ => format!("It has {dots} dots instead of 2: is it more than one token, or was it changed on the way?"),
        }
    }

    /// Which part is not base64url, and how so.
    fn base64(&self) -> String {
        let parts: Vec<_> = self.text.split('.').collect();
        let named = ["header", "claims", "signature"].into_iter().zip(parts);
        let decoded = named.map(|(name, part)| (name, part, URL_SAFE_NO_PAD.decode(part).is_ok()));
        let Some((name, part, _)) = decoded.into_iter().find(|(_, _, is_fine)| !is_fine) else {
            return "A part is not base64url: was the token changed on the way?".into();
        };
        if part.ends_with('=') {
            format!("The {name} ends in `=`: a JWT has no padding (RFC 7515 §2). Have it made or sent without.")
        } else if part.contains(['+', '/']) {
            format!(
                "The {name} has `+` or `/`: it is plain base64, where a JWT has base64url (RFC 7515 §2). Something on the \
                 way re-encodes it."
            )
        } else if name == "signature" {
            "The signature is cut off or changed: no bytes encode to this base64url. Was the token copied whole?".into()
        } else {
            format!("The {name} is cut off or changed: no bytes encode to this base64url. Was it changed on the way?")
        }
    }

    pub(super) fn algorithm(&self) -> String {
        let name = self.token.header("alg").and_then(Value::as_str).unwrap_or_default();
        if name.eq_ignore_ascii_case("none") {
            "The token is not signed: anybody may have written it. No issuer sends this to an API.".into()
        } else if name.starts_with("HS") {
            format!(
                "{name} is made with a shared secret. Either somebody forges tokens with the public key, or this \
                 client is set to {name} at the issuer: have it sign with RS256 or ES256."
            )
        } else {
            let accepted = self.issuer.map(|issuer| issuer.algorithms.as_slice()).unwrap_or_default();
            let accepted: Vec<_> = accepted.iter().map(|algorithm| algorithm.name()).collect();
            format!(
                "The token is signed with {}, and the API accepts {} from this issuer. If the issuer is to sign with it, \
                 add it to `Issuer::algorithms`; otherwise have the issuer sign with one of those for this client.",
                quoted(name),
                accepted.join(", ")
            )
        }
    }

    pub(super) fn no_key(&self) -> Vec<String> {
        let mut advice = Vec::new();
        if self.token.text("iss").is_some_and(|iss| self.api.issuer(iss).is_none()) {
            advice.extend(self.other_issuer());
        }
        let (mut known, mut dropped) = (Vec::new(), Vec::new());
        for set in self.key_sets() {
            known.extend(set.key_ids);
            dropped.extend(set.dropped_keys);
        }
        let shown = match known.as_slice() {
            [] => "none with a `kid`".to_owned(),
            known => known.iter().map(|kid| quoted(kid)).collect::<Vec<_>>().join(", "),
        };
        let Some(kid) = self.token.header("kid").and_then(Value::as_str) else {
            advice.push(format!("The token names no `kid`, and no single key fits; the set has {shown}."));
            advice.extend(dropped.iter().take(MAX_DROPPED).map(unusable));
            return advice;
        };
        let named: Vec<_> = dropped.iter().filter(|key| key.key_id.as_deref() == Some(kid)).collect();
        if known.iter().any(|known| known == kid) {
            let alg = self.token.header("alg").and_then(Value::as_str).unwrap_or_default();
            advice.push(format!("The key {} is in the set, but not for {}.", quoted(kid), quoted(alg)));
        } else if named.is_empty() {
            advice.push(format!(
                "Signed with kid {}, the set has {shown}: rotated, and the token is older, or from another \
                 environment? A new token should pass.",
                quoted(kid)
            ));
        }
        advice.extend(named.into_iter().take(MAX_DROPPED).map(unusable));
        advice
    }

    pub(super) fn signature(&self) -> Vec<String> {
        let mut advice = Vec::new();
        if self.token.text("iss").is_some_and(|iss| self.api.issuer(iss).is_none()) {
            advice.extend(self.other_issuer());
        }
        advice.push(match signature::shortage(self.text) {
            Some(Shortage { found, expected }) => {
                let expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
                format!(
                    "The signature has {found} bytes, where the algorithm makes {}: the token is cut off, or something \
                     was added. Was it copied whole, and does the client's variable, column or field have room for it?",
                    expected.join(" or ")
                )
            }
            None => {
                "Header, claims or signature are not as they were signed: changed on the way, forged, or the issuer \
                     has put a new key under an old `kid`."
                    .into()
            }
        });
        advice
    }
}

/// Why a key of the set is not used, and what to do about it.
fn unusable(key: &DroppedKey) -> String {
    let is_plain =
        |kid: &str| !kid.is_empty() && kid.chars().all(|it| it.is_ascii_alphanumeric() || "-._~".contains(it));
    let name = match &key.key_id {
        Some(kid) if is_plain(kid) => printable::cut(kid, MAX_QUOTED),
        Some(kid) => quoted(kid),
        None => format!("Key number {}", key.position + 1),
    };
    let remedy = match key.fault {
        KeyFault::AlgorithmNotAllowed => "If the issuer signs with it, allow its algorithm: `Issuer::algorithms`.",
        KeyFault::OtherUse | KeyFault::OtherOperations | KeyFault::OtherAlgorithm => {
            "The issuer says that it is for something else: tokens need to be signed with another one."
        }
        KeyFault::Roca | KeyFault::Size => "The issuer has to replace it: no token that it signs can pass.",
        _ => "The issuer has to publish it properly: until then no token that it signs can pass.",
    };
    format!("{name} is in the set but unusable: {}. {remedy}", key.problem)
}
