//! What to do about a refused token: by the reason, and by what the token says about itself, unproven as that is.

mod claims;
mod credentials;
mod form;
mod kinds;
mod scope;

use tower_bearer::time::UnixTime;
use tower_bearer::{IssuerDescription, KeySetStatus, ResourceServer, TokenError};

use super::api::Api;
use super::presented::Presented;
use super::untrusted::Untrusted;
use super::{keys, moment, printable};

/// How much of a value from the token a sentence quotes.
const MAX_QUOTED: usize = 160;

/// One refused token, and what is known about it.
pub(super) struct Case<'a> {
    pub(super) api: &'a Api,
    /// The issuer whose rules apply, as far as the token tells.
    pub(super) issuer: Option<&'a IssuerDescription>,
    pub(super) server: &'a ResourceServer,
    pub(super) token: &'a Untrusted,
    pub(super) presented: &'a Presented,
    /// The scopes that the layer found, if it accepted the token but for its scopes.
    pub(super) granted: &'a [String],
    pub(super) text: &'a str,
    pub(super) now: Option<UnixTime>,
}

impl Case<'_> {
    /// Sentences, the likeliest first.
    pub(super) fn advise(&self, error: &TokenError) -> Vec<String> {
        let mut advice = self.kind(error).map_or_else(|| self.by_reason(error), |kind| vec![kind]);
        // Who mends what was found first would meet this next.
        let is_undecided = matches!(error, TokenError::KeysUnavailable { .. } | TokenError::KeyNotProvenAbsent { .. });
        if !is_undecided
            && *error != TokenError::Expired
            && let (Some(expiry), Some(now)) = (self.token.time("exp"), self.now)
            && expiry < now
        {
            advice.push(format!("By its own word it has expired as well, {}.", moment::relative(expiry, now)));
        }
        advice
    }

    fn by_reason(&self, error: &TokenError) -> Vec<String> {
        let advice = match error {
            TokenError::Absent => return self.absent(),
            TokenError::DpopNotConfigured => self.dpop(),
            TokenError::Request(fault) => self.request(*fault),
            TokenError::Malformed(fault) => self.malformed(*fault),
            TokenError::AlgorithmNotAllowed => self.algorithm(),
            TokenError::UnsupportedHeader(name) | TokenError::HeaderParameter(name) => {
                format!("The header parameter `{name}` cannot be accepted: have the issuer leave it out for this API.")
            }
            TokenError::NoMatchingKey | TokenError::UnusableKey => return self.no_key(),
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
            TokenError::IssuerMismatch => return self.other_issuer(),
            TokenError::AudienceMismatch => self.audience(),
            TokenError::Expired => self.expired(),
            TokenError::NotYetValid => self.early("nbf", "valid"),
            TokenError::IssuedInFuture => self.early("iat", "issued"),
            TokenError::IssuerDisabled => {
                "The API has switched this issuer off (`ResourceServer::disable_issuer`): switch it on again, or have the \
                 client use another issuer."
                    .into()
            }
            TokenError::TooOld => "The client has to get a new token, or the API a longer `max_token_age`.".into(),
            TokenError::InsufficientScope(_) => return self.scope(),
            TokenError::KeysUnavailable { .. } => return self.key_problems(),
            TokenError::KeyNotProvenAbsent { .. } => return self.unproven_key(),
            _ => format!("See the documentation of the reason `{}`.", error.reason()),
        };
        vec![advice]
    }

    fn key_problems(&self) -> Vec<String> {
        let has_problem = |set: &KeySetStatus| set.last_error.is_some() || !set.is_ready();
        self.key_sets().filter(has_problem).flat_map(|set| keys::problem(&set, self.api)).collect()
    }

    /// There is a set, but it may not be the newest.
    fn unproven_key(&self) -> Vec<String> {
        let mut advice = self.key_problems();
        advice.push(
            "The keys may have been rotated: the token may be good. Check it again when the issuer's key set can be \
             fetched."
                .into(),
        );
        advice
    }

    /// The key sets that the token may be meant for.
    fn key_sets(&self) -> impl Iterator<Item = KeySetStatus> {
        let sets = self.server.key_sets();
        let is_several = sets.len() > 1;
        sets.into_iter().filter(move |set| !is_several || self.token.text("iss") == Some(&set.issuer))
    }
}

fn quoted(value: &str) -> String {
    format!("{:?}", printable::cut(value, MAX_QUOTED))
}
