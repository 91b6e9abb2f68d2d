//! A token's header and claims as they stand there, for whoever looks for the fault. Nothing here is proven, and
//! nothing here decides.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use tower_bearer::time::UnixTime;
use tower_bearer::{Check, IssuerDescription};

/// Never the signature, never the token.
#[derive(Debug, Default)]
pub(super) struct Untrusted {
    pub(super) header: Option<Map<String, Value>>,
    pub(super) claims: Option<Map<String, Value>>,
}

impl Untrusted {
    pub(super) fn read(token: &str) -> Self {
        let mut parts = token.split('.');
        let mut part = || {
            let json = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
            serde_json::from_slice(&json).ok()
        };
        let header = part();
        Self { claims: header.is_some().then(part).flatten(), header }
    }

    pub(super) fn header(&self, name: &str) -> Option<&Value> {
        self.header.as_ref()?.get(name)
    }

    pub(super) fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.as_ref()?.get(name)
    }

    pub(super) fn text(&self, claim: &str) -> Option<&str> {
        self.claim(claim)?.as_str()
    }

    pub(super) fn time(&self, claim: &str) -> Option<UnixTime> {
        let value = self.claim(claim)?;
        let seconds =
            value.as_u64().or_else(|| value.as_f64().map(|seconds| format!("{seconds:.0}").parse().ok())?)?;
        Some(UnixTime::from_secs(seconds)).filter(|time| *time <= UnixTime::MAX)
    }

    /// One string, or several in an array.
    pub(super) fn texts(&self, claim: &str) -> Vec<&str> {
        match self.claim(claim) {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(members)) => members.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// The claim with the scopes.
    pub(super) fn scopes(&self, issuer: Option<&IssuerDescription>) -> Option<&Value> {
        issuer?.scope_claims.iter().find_map(|name| self.claim(name))
    }

    /// What a check that was not made would have found.
    pub(super) fn found(&self, check: Check, issuer: Option<&IssuerDescription>) -> String {
        let value = match check {
            Check::Algorithm => self.header("alg"),
            Check::Key => self.header("kid"),
            Check::TokenType => self.header("typ"),
            Check::SenderConstraint if self.claims.is_some() => {
                return if self.claim("cnf").is_some() { "`cnf`" } else { "no `cnf`" }.to_owned();
            }
            Check::Issuer | Check::IssuerChoice => self.claim("iss"),
            Check::Audience => self.claim(issuer.map_or("aud", |issuer| &issuer.audience_claim)),
            Check::Expiry => self.claim("exp"),
            Check::NotBefore => self.claim("nbf"),
            Check::IssuedAt => self.claim("iat"),
            _ => return String::new(),
        };
        let is_read = match check {
            Check::Algorithm | Check::Key | Check::TokenType => self.header.is_some(),
            _ => self.claims.is_some(),
        };
        value.map_or_else(|| if is_read { "absent".to_owned() } else { String::new() }, Value::to_string)
    }
}

/// The claim with the time that a check is about.
pub(super) const fn time_claim(check: Check) -> Option<&'static str> {
    match check {
        Check::Expiry => Some("exp"),
        Check::NotBefore => Some("nbf"),
        Check::IssuedAt => Some("iat"),
        _ => None,
    }
}
