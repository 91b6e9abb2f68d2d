//! What to do about a refused token: by the reason, and by what the token says about itself, unproven as that is.

use std::time::Duration;

use serde_json::Value;
use tower_bearer::time::UnixTime;
use tower_bearer::{ClaimFault, KeySetStatus, MalformedFault, RequestFault, ResourceServer, TokenError};

use super::settings::Settings;
use super::untrusted::Untrusted;
use super::{difference, keys, moment, printable};

/// Clocks that differ by less than this are probably just wrong.
const CLOCK_SKEW: Duration = Duration::from_secs(600);
/// How much of a value from the token a sentence quotes.
const MAX_QUOTED: usize = 160;

/// One refused token, and what is known about it.
pub(super) struct Case<'a> {
    pub(super) settings: &'a Settings,
    pub(super) server: &'a ResourceServer,
    pub(super) token: &'a Untrusted,
    pub(super) text: &'a str,
    pub(super) now: Option<UnixTime>,
}

impl Case<'_> {
    /// Sentences, the likeliest first.
    pub(super) fn advise(&self, error: &TokenError) -> Vec<String> {
        let advice = match error {
            TokenError::Request(fault) => self.credentials(*fault),
            TokenError::Malformed(fault) => self.malformed(*fault),
            TokenError::AlgorithmNotAllowed => self.algorithm(),
            TokenError::UnsupportedHeader(name) | TokenError::HeaderParameter(name) => {
                format!("The header parameter `{name}` cannot be accepted: have the issuer leave it out for this API.")
            }
            TokenError::NoMatchingKey => return self.no_key(),
            TokenError::TooManyKeys => {
                "Have the issuer give each of its keys a `kid`, and tokens the `kid` of theirs.".into()
            }
            TokenError::BadSignature => return self.signature(),
            TokenError::Claims(_) => {
                "The issuer makes claims that are no clean JSON object: it has to be mended there.".into()
            }
            TokenError::Claim { name, fault } => self.claim(name, *fault),
            TokenError::TokenType => self.token_type(),
            TokenError::NotAnAccessToken(claim) => self.other_kind(claim),
            TokenError::SenderConstrained => self.sender_constrained(),
            TokenError::IssuerMismatch => self.issuer(),
            TokenError::AudienceMismatch => self.audience(),
            TokenError::Expired => self.expired(),
            TokenError::NotYetValid => self.early("nbf", "valid"),
            TokenError::IssuedInFuture => self.early("iat", "issued"),
            TokenError::TooOld => "The client has to get a new token, or the API a longer `max_token_age`.".into(),
            TokenError::InsufficientScope(_) => return self.scope(),
            TokenError::KeysUnavailable { .. } => return self.no_keys_at_all(),
            _ => return Vec::new(),
        };
        vec![advice]
    }

    fn credentials(&self, fault: RequestFault) -> String {
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

    fn malformed(&self, fault: MalformedFault) -> String {
        match fault {
            MalformedFault::TooLarge => {
                "Have the issuer put less into the token (group lists, often), or raise `max_token_bytes`.".into()
            }
            MalformedFault::Opaque => {
                "This is no JWT but a reference, which would need introspection (RFC 7662). Have the issuer make JWTs for \
                 this API: many do so only when the client names it (`audience` or `resource`)."
                    .into()
            }
            MalformedFault::Encrypted => {
                "The token is encrypted: have the issuer switch that off for this API. Some encrypt when the client does \
                 not name an API (`audience` or `resource`)."
                    .into()
            }
            MalformedFault::Parts | MalformedFault::Base64 => {
                let dots = self.text.bytes().filter(|byte| *byte == b'.').count();
                format!("It has {dots} dots instead of 2, or stray characters: was it cut off, or changed on the way?")
            }
            _ => "The header is not what a JWT library writes: was the token changed on the way?".into(),
        }
    }

    fn algorithm(&self) -> String {
        let name = self.token.header("alg").and_then(Value::as_str).unwrap_or_default();
        if name.eq_ignore_ascii_case("none") {
            "The token is not signed: anybody may have written it. No issuer sends this to an API.".into()
        } else if name.starts_with("HS") {
            format!(
                "{name} is made with a shared secret. Either somebody forges tokens with the public key, or this client is \
                 set to {name} at the issuer: have it sign with RS256 or ES256."
            )
        } else if self.settings.algorithms.iter().any(|algorithm| algorithm.name() == name) {
            String::from("The algorithm is not accepted for this issuer.")
        } else {
            format!("If the issuer really signs with {}, allow it: `Issuer::algorithms`.", quoted(name))
        }
    }

    fn no_key(&self) -> Vec<String> {
        let mut advice = Vec::new();
        let iss = self.token.text("iss");
        if iss.is_some_and(|iss| !self.settings.issuers.iter().any(|ours| ours == iss)) {
            advice.push(self.issuer());
        }
        let known: Vec<String> = self.key_sets().flat_map(|set| set.key_ids).collect();
        let shown = match known.as_slice() {
            [] => "none with a `kid`".to_owned(),
            known => known.iter().map(|kid| quoted(kid)).collect::<Vec<_>>().join(", "),
        };
        advice.push(match self.token.header("kid").and_then(Value::as_str) {
            None => format!("The token names no `kid`, and no single key fits; the set has {shown}."),
            Some(kid) if known.iter().any(|known| known == kid) => {
                let alg = self.token.header("alg").and_then(Value::as_str).unwrap_or_default();
                format!("The key {} is in the set, but not for {}.", quoted(kid), quoted(alg))
            }
            Some(kid) => format!(
                "Signed with kid {}, the set has {shown}: rotated, and the token is older, or from another environment? \
                 A new token should pass.",
                quoted(kid)
            ),
        });
        advice
    }

    fn signature(&self) -> Vec<String> {
        let mut advice = Vec::new();
        if self.token.text("iss").is_some_and(|iss| !self.settings.issuers.iter().any(|ours| ours == iss)) {
            advice.push(self.issuer());
        }
        advice.push(
            "Header, claims or signature are not as they were signed: changed or cut off on the way, forged, or the issuer \
             has put a new key under an old `kid`."
                .into(),
        );
        advice
    }

    fn claim(&self, name: &str, fault: ClaimFault) -> String {
        match fault {
            ClaimFault::Missing if name == self.settings.audience_claim => {
                let others: Vec<_> = ["aud", "client_id", "azp", "resource"]
                    .into_iter()
                    .filter(|it| self.token.claim(it).is_some())
                    .collect();
                let hint = if others.is_empty() {
                    String::new()
                } else {
                    format!(" It has {}, which `audience_claim` can name instead.", others.join(", "))
                };
                format!("The client has to ask for a token for this API (`audience` or `resource`).{hint}")
            }
            ClaimFault::Missing if self.settings.require_at_jwt => {
                "Strict RFC 9068 is on: have the issuer add the claim, or leave `require_at_jwt` out.".into()
            }
            ClaimFault::Missing => "Have the issuer add the claim.".into(),
            _ => format!(
                "`{name}` is {}: it has to be mended at the issuer, perhaps in a mapper or rule of its own.",
                kind_of(self.token.claim(name))
            ),
        }
    }

    fn token_type(&self) -> String {
        let typ = self.token.header("typ").and_then(Value::as_str);
        match typ {
            None if self.settings.require_at_jwt => strict("has no `typ`"),
            Some(typ) if self.settings.require_at_jwt && typ.eq_ignore_ascii_case("JWT") => strict("has `typ` JWT"),
            typ => format!(
                "The token says that it is a {}: the client has to send its access token.",
                quoted(typ.unwrap_or_default())
            ),
        }
    }

    fn other_kind(&self, claim: &str) -> String {
        let kind = match (claim, self.token.text(claim)) {
            ("typ" | "token_use", Some(kind)) => {
                return format!(
                    "The token says that it is of kind {}: the client has to send its access token (`access_token` in the \
                 token response).",
                    quoted(kind)
                );
            }
            ("events", _) => "a logout token or another security event",
            _ => "an ID token",
        };
        let nonce =
            if claim == "nonce" { " If it is an access token of an old Keycloak, there is `allow_nonce`." } else { "" };
        format!(
            "`{claim}` shows {kind}: the client has to send `access_token` from the token response, not `id_token`.{nonce}"
        )
    }

    fn sender_constrained(&self) -> String {
        let method = match self.token.claim("cnf").and_then(Value::as_object) {
            Some(cnf) if cnf.contains_key("jkt") => " (DPoP, RFC 9449)",
            Some(cnf) if cnf.contains_key("x5t#S256") => " (mutual TLS, RFC 8705)",
            _ => "",
        };
        format!(
            "The token is bound to a key of the client{method}, which this layer cannot check: have the issuer make plain \
             bearer tokens for this API."
        )
    }

    fn issuer(&self) -> String {
        let Some(iss) = self.token.text("iss") else { return "The token has no `iss`: have the issuer add it.".into() };
        let differences =
            self.settings.issuers.iter().filter_map(|ours| Some((ours, difference::describe(iss, ours)?)));
        match differences.min_by_key(|(ours, _)| ours.len().abs_diff(iss.len())) {
            Some((ours, difference)) => {
                format!(
                    "iss is {}: {difference}, {}. Configure the issuer as its tokens name it.",
                    quoted(iss),
                    quoted(ours)
                )
            }
            None => format!(
                "iss is {}, another issuer than yours: another environment, or configure it as well.",
                quoted(iss)
            ),
        }
    }

    fn audience(&self) -> String {
        let claim = &self.settings.audience_claim;
        let found = self.token.texts(claim);
        let near = found.iter().flat_map(|theirs| {
            self.settings.audiences.iter().filter_map(|ours| Some((*theirs, ours, difference::describe(theirs, ours)?)))
        });
        if let Some((theirs, ours, difference)) = near.min_by_key(|(theirs, ours, _)| ours.len().abs_diff(theirs.len()))
        {
            return format!(
                "{claim} is {}: {difference}, {}. Make the API's audience and the issuer's the same.",
                quoted(theirs),
                quoted(ours)
            );
        }
        let client = self.token.text("azp").or_else(|| self.token.text("client_id"));
        if client.is_some_and(|client| found.contains(&client)) {
            return format!(
                "{claim} is the client itself: the token is for the client, as ID tokens are. It has to ask for one for \
                 this API (`audience`, `resource` or a scope of it)."
            );
        }
        let found: Vec<_> = found.into_iter().map(quoted).collect();
        format!("{claim} is {}, another API: the client has to ask for a token for this one.", found.join(", "))
    }

    fn expired(&self) -> String {
        let (Some(expiry), Some(now)) = (self.token.time("exp"), self.now) else { return String::new() };
        let issued_at = self.token.time("iat").filter(|issued_at| *issued_at < expiry);
        let lifetime = issued_at.map(|issued_at| moment::span(expiry.saturating_since(issued_at)));
        let lifetime = lifetime.map(|lifetime| format!(" It was good for {lifetime}.")).unwrap_or_default();
        let skew = if now.saturating_since(expiry) < CLOCK_SKEW {
            " If it was fresh, the clocks differ: check both (NTP)."
        } else {
            ""
        };
        format!("Expired {}.{lifetime} The client has to get a new one, in time.{skew}", moment::relative(expiry, now))
    }

    fn early(&self, claim: &str, what: &str) -> String {
        let (Some(time), Some(now)) = (self.token.time(claim), self.now) else { return String::new() };
        format!(
            "`{claim}`: {what} {}, by the issuer's clock. Clock skew? Check both clocks (NTP); `leeway` is {} s.",
            moment::relative(time, now),
            self.settings.leeway
        )
    }

    fn scope(&self) -> Vec<String> {
        let needs = self.settings.scopes.join(" ");
        let (name, has) = self.token.scopes(self.settings).unwrap_or_default();
        let missing: Vec<_> = self.settings.scopes.iter().filter(|scope| !has.contains(&scope.as_str())).collect();
        let missing = missing.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ");
        let has = if name.is_empty() {
            "no scope claim".to_owned()
        } else {
            format!("{} in `{name}`", quoted(&has.join(" ")))
        };
        let mut advice = vec![format!(
            "It needs {needs:?} and has {has}; missing: {missing:?}. The client has to ask for it, and the issuer to grant it."
        )];
        let elsewhere = ["permissions", "roles", "scopes"].into_iter().find(|name| {
            let texts = self.token.texts(name);
            self.settings.scopes.iter().any(|scope| texts.contains(&scope.as_str()))
        });
        if let Some(claim) = elsewhere {
            advice.push(format!("`{claim}` has it: if the issuer keeps scopes there, see `Issuer::scope_claims`."));
        }
        advice
    }

    fn no_keys_at_all(&self) -> Vec<String> {
        self.key_sets().filter(|set| set.last_error.is_some()).map(|set| keys::problem(&set, self.settings)).collect()
    }

    /// The key sets that the token may be meant for.
    fn key_sets(&self) -> impl Iterator<Item = KeySetStatus> {
        let sets = self.server.key_sets();
        let is_several = sets.len() > 1;
        sets.into_iter().filter(move |set| !is_several || self.token.text("iss") == Some(&set.issuer))
    }
}

fn strict(found: &str) -> String {
    format!(
        "Strict RFC 9068 is on, and the token {found}: have the issuer make `at+jwt`, or leave `require_at_jwt` out, as most \
         issuers need."
    )
}

fn kind_of(value: Option<&Value>) -> &'static str {
    match value {
        None => "absent",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "a boolean",
        Some(Value::Number(_)) => "a number that cannot be right",
        Some(Value::String(_)) => "a text",
        Some(Value::Array(_)) => "an array",
        Some(Value::Object(_)) => "an object",
    }
}

fn quoted(value: &str) -> String {
    format!("{:?}", printable::cut(value, MAX_QUOTED))
}
