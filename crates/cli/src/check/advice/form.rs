//! Refusals before any claim is looked at: the form, the algorithm, the key, the signature.

use serde_json::Value;
use tower_bearer::jose::{DroppedKey, KeyFault};
use tower_bearer::{MalformedFault, RequestFault};

use super::super::printable;
use super::{Case, MAX_QUOTED, quoted};

/// How many unusable keys the advice names.
const MAX_DROPPED: usize = 10;

impl Case<'_> {
    pub(super) fn credentials(&self, fault: RequestFault) -> String {
        match fault {
            RequestFault::Empty => "There is no token behind `Bearer`: is the client's variable empty?".into(),
            _ if self.text.trim_start().starts_with('{') => {
                "This is a JSON object, perhaps the token response: give the value of `access_token`, as \
                 `jq -r .access_token` prints it."
                    .into()
            }
            _ if self.text.starts_with(['"', '\'']) => "Take away the quotes around the token.".into(),
            _ if self.text.contains(char::is_whitespace) => {
                "There are spaces in it: the client sends more than the token, or a token with a line break.".into()
            }
            _ => {
                "A token has letters, digits and `-._~+/=` only: the client sends something else, or encodes it.".into()
            }
        }
    }

    pub(super) fn malformed(&self, fault: MalformedFault) -> String {
        match fault {
            MalformedFault::TooLarge => {
                "Have the issuer put less into the token (group lists, often), or raise `max_token_bytes`.".into()
            }
            MalformedFault::Opaque => {
                "This is no JWT but a reference, which would need introspection (RFC 7662). Have the issuer make JWTs \
                 for this API: many do so only when the client names it (`audience` or `resource`)."
                    .into()
            }
            MalformedFault::Encrypted => {
                "The token is encrypted: have the issuer switch that off for this API. Some encrypt when the client \
                 does not name an API (`audience` or `resource`)."
                    .into()
            }
            MalformedFault::Parts | MalformedFault::Base64 => {
                let dots = self.text.bytes().filter(|byte| *byte == b'.').count();
                format!("It has {dots} dots instead of 2, or stray characters: was it cut off, or changed on the way?")
            }
            _ => "The header is not what a JWT library writes: was the token changed on the way?".into(),
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
        } else if self.issuer.is_some_and(|issuer| issuer.algorithms.iter().any(|algorithm| algorithm.name() == name)) {
            String::from("The algorithm is not accepted for this issuer.")
        } else {
            format!("If the issuer really signs with {}, allow it: `Issuer::algorithms`.", quoted(name))
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
        advice.push(
            "Header, claims or signature are not as they were signed: changed or cut off on the way, forged, or the \
             issuer has put a new key under an old `kid`."
                .into(),
        );
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
