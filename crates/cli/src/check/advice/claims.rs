//! Refusals for what the claims say.

use std::time::Duration;

use serde_json::Value;
use tower_bearer::ClaimFault;
use tower_bearer::time::UnixTime;

use super::super::{difference, moment};
use super::{Case, quoted};

/// Clocks that differ by less than this are probably just wrong.
const CLOCK_SKEW: Duration = Duration::from_secs(600);

/// 2010: there were no JWTs.
const NO_TOKEN_BEFORE: u64 = 1_262_304_000;

impl Case<'_> {
    pub(super) fn claim(&self, name: &str, fault: ClaimFault) -> String {
        match fault {
            ClaimFault::Missing if name == self.audience_claim() => {
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
            ClaimFault::Missing if self.is_strict() => {
                "Strict RFC 9068 is on: have the issuer add the claim, or leave `require_at_jwt` out.".into()
            }
            ClaimFault::Missing => "Have the issuer add the claim.".into(),
            ClaimFault::TimeOutOfRange => self.time_out_of_range(name),
            _ => format!(
                "`{name}` is {}: it has to be mended at the issuer, perhaps in a mapper or rule of its own.",
                kind_of(self.token.claim(name))
            ),
        }
    }

    fn time_out_of_range(&self, name: &str) -> String {
        let value = self.token.claim(name).and_then(Value::as_f64).unwrap_or_default();
        let cause = match moment::unit_of(value) {
            Some(unit) => format!("is in {unit}, by its size"),
            None if value < 0.0 => String::from("is negative"),
            None => String::from("is after the year 9999"),
        };
        format!("`{name}` {cause}: have the issuer write seconds since 1970 (RFC 7519 §2).")
    }

    pub(super) fn token_type(&self) -> String {
        let typ = self.token.header("typ").and_then(Value::as_str);
        match typ {
            None if self.is_strict() => strict("has no `typ`"),
            Some(typ) if self.is_strict() && typ.eq_ignore_ascii_case("JWT") => strict("has `typ` JWT"),
            typ => format!(
                "The token says that it is a {}: the client has to send its access token.",
                quoted(typ.unwrap_or_default())
            ),
        }
    }

    pub(super) fn other_kind(&self, claim: &str) -> String {
        let kind = match (claim, self.token.text(claim)) {
            ("typ" | "token_use", Some(kind)) => {
                return format!(
                    "The token says that it is of kind {}: the client has to send its access token (`access_token` in \
                 the token response).",
                    quoted(kind)
                );
            }
            ("events", _) => "a logout token or another security event",
            _ => "an ID token",
        };
        let nonce =
            if claim == "nonce" { " If it is an access token of an old Keycloak, there is `allow_nonce`." } else { "" };
        format!(
            "`{claim}` shows {kind}: the client has to send `access_token` from the token response, not \
             `id_token`.{nonce}"
        )
    }

    pub(super) fn sender_constrained(&self) -> String {
        let method = match self.token.claim("cnf").and_then(Value::as_object) {
            Some(cnf) if cnf.contains_key("jkt") => " (DPoP, RFC 9449)",
            Some(cnf) if cnf.contains_key("x5t#S256") => " (mutual TLS, RFC 8705)",
            _ => "",
        };
        format!(
            "The token is bound to a key of the client{method}, which this layer cannot check: have the issuer make \
             plain bearer tokens for this API."
        )
    }

    pub(super) fn other_issuer(&self) -> Vec<String> {
        let mut advice = vec![self.issuer_difference()];
        if self.api.has_resolver() {
            let unknown =
                "The API has an issuer resolver, which a description cannot express: it may accept this issuer.";
            advice.push(unknown.to_owned());
        }
        advice
    }

    fn issuer_difference(&self) -> String {
        let Some(iss) = self.token.text("iss") else { return "The token has no `iss`: have the issuer add it.".into() };
        let names = self.api.configuration.issuers.iter().map(|issuer| &issuer.name);
        let differences = names.filter_map(|ours| Some((ours, difference::describe(iss, ours)?)));
        match differences.min_by_key(|(ours, _)| ours.len().abs_diff(iss.len())) {
            Some((ours, difference)) => {
                format!(
                    "iss is {}: {difference}, {}. Configure the issuer as its tokens name it.{}",
                    quoted(iss),
                    quoted(ours),
                    if iss.starts_with("http://") && ours.starts_with("https://") {
                        " Behind a proxy that ends TLS, an issuer writes `http` until its public URL is configured."
                    } else {
                        ""
                    }
                )
            }
            None => format!(
                "iss is {}, another issuer than yours: the client has to get a token from yours, {}; or is it from \
                 another environment, such as staging? If the API is to accept both, configure this issuer as well.",
                quoted(iss),
                self.api.configuration.issuers.iter().map(|ours| quoted(&ours.name)).collect::<Vec<_>>().join(" or ")
            ),
        }
    }

    pub(super) fn audience(&self) -> String {
        let claim = self.audience_claim();
        let ours = self.api.audiences(self.issuer);
        let found = self.token.texts(claim);
        let near = found.iter().flat_map(|theirs| {
            ours.iter().filter_map(|ours| Some((*theirs, ours, difference::describe(theirs, ours)?)))
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
                "{claim} is the client itself: the token is for the client, as ID tokens are. It has to ask for one \
                 for this API (`audience`, `resource` or a scope of it)."
            );
        }
        let found: Vec<_> = found.into_iter().map(quoted).collect();
        format!("{claim} is {}, another API: the client has to ask for a token for this one.", found.join(", "))
    }

    pub(super) fn expired(&self) -> String {
        let (Some(expiry), Some(now)) = (self.token.time("exp"), self.now) else { return String::new() };
        let issued_at = self.token.time("iat").filter(|issued_at| *issued_at < expiry);
        let lifetime = issued_at.map(|issued_at| moment::span(expiry.saturating_since(issued_at)));
        let lifetime = lifetime.map(|lifetime| format!(" It was good for {lifetime}.")).unwrap_or_default();
        if expiry < UnixTime::from_secs(NO_TOKEN_BEFORE) {
            return format!(
                "`exp` is {}, which is in {}: a lifetime in the place of a time? Have the issuer write seconds since 1970 \
                 (RFC 7519 §2).",
                expiry.as_secs(),
                moment::show(expiry).get(..4).unwrap_or_default()
            );
        }
        let skew = if now.saturating_since(expiry) < CLOCK_SKEW {
            " If it was fresh, one of the two clocks is wrong: compare `date -u` on the API's host and at the issuer with \
             a third clock, and set the wrong one (NTP)."
        } else {
            ""
        };
        format!("Expired {}.{lifetime} The client has to get a new one, in time.{skew}", moment::relative(expiry, now))
    }

    pub(super) fn early(&self, claim: &str, what: &str) -> String {
        let (Some(time), Some(now)) = (self.token.time(claim), self.now) else { return String::new() };
        let leeway = self.api.configuration.leeway.as_secs();
        let apart = moment::span(time.saturating_since(now));
        format!(
            "`{claim}`: {what} {}, by the issuer's clock: one of the two clocks is wrong by {apart} or more. Compare \
             `date -u` on the API's host and at the issuer with a third clock, and set the wrong one (NTP). `leeway` is \
             {leeway} s.",
            moment::relative(time, now),
        )
    }

    fn audience_claim(&self) -> &str {
        self.issuer.map_or("aud", |issuer| &issuer.audience_claim)
    }

    fn is_strict(&self) -> bool {
        self.issuer.is_some_and(|issuer| issuer.require_at_jwt)
    }
}

fn strict(found: &str) -> String {
    format!(
        "Strict RFC 9068 is on, and the token {found}: have the issuer make `at+jwt`, or leave `require_at_jwt` out, \
         as most issuers need."
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
