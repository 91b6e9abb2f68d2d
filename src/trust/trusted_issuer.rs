//! One issuer whose tokens are accepted, made from its configuration.

use std::sync::Arc;
use std::time::Duration;

use crate::config_error::ConfigError;
use crate::error::TokenError;
use crate::introspection::Introspector;
use crate::issuer::{Issuer, IssuerDescription};
use crate::jose::Algorithm;
use crate::keys::{KeyEnvironment, KeySetStatus, Keys};
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use crate::telemetry::{IntrospectionMeter, IssuerMeter};
use crate::time::Clock;
use crate::validator::TokenRules;

/// How exactly it is known when a token of an issuer was last verified. Coarse, so that threads seldom write to it.
const VERIFIED_AT_STEP: u64 = 1_000;

/// What the issuers of one resource server have in common.
#[derive(Debug)]
pub(crate) struct CommonRules {
    pub(crate) audiences: Vec<Box<str>>,
    pub(crate) leeway: Duration,
    pub(crate) max_token_age: Option<Duration>,
    pub(crate) environment: KeyEnvironment,
    /// Accepted tokens are kept.
    pub(crate) has_token_cache: bool,
}

/// How an issuer proves the claims of its tokens: by a signature, by introspection, or by either.
#[derive(Debug)]
pub(crate) struct Proof {
    keys: Option<Keys>,
    introspector: Option<Arc<Introspector>>,
}

#[derive(Debug)]
pub(crate) struct TrustedIssuer {
    pub(crate) rules: TokenRules,
    pub(crate) proof: Proof,
    /// Its configuration; `None` if it is from the resolver, which can return many issuers.
    description: Option<Box<IssuerDescription>>,
    /// The resolver brought it, not the configuration.
    pub(super) is_resolved: bool,
    enabled: AtomicBool,
    /// When a token of it was last verified, in milliseconds of monotonic time; zero for never.
    verified_at: AtomicU64,
}

impl CommonRules {
    /// Checks an issuer's configuration. Keys that stand in it are parsed; nothing is fetched.
    pub(crate) fn trust(&self, issuer: &Issuer, is_resolved: bool) -> Result<TrustedIssuer, ConfigError> {
        issuer.check_name()?;
        let audiences = if issuer.audiences.is_empty() { &self.audiences } else { &issuer.audiences };
        if audiences.iter().any(|audience| audience.is_empty()) {
            let problem = "one is empty; write what the issuer puts into `aud` for this API, or leave it out";
            return Err(ConfigError::new("audience", problem));
        }
        if audiences.is_empty() {
            let problem = format!(
                "none is set for {:?}, so tokens for any service would pass; \
                 add `.audience(\"…\")` with what the issuer writes into `aud` for this API",
                issuer.url
            );
            return Err(ConfigError::new("audience", problem));
        }
        if issuer.audience_claim.is_empty() {
            return Err(ConfigError::new("audience_claim", "the name is empty; leave the setting out for `aud`"));
        }
        if issuer.scope_claims.is_empty() || issuer.scope_claims.iter().any(|name| name.is_empty()) {
            let problem = "the list or a name in it is empty; leave the setting out for `scope` and `scp`";
            return Err(ConfigError::new("scope_claims", problem));
        }
        let claim_names = issuer.claim_names();
        if let Some(name) = claim_names.taken_by_audience() {
            let problem = format!(
                "the claim {name:?} has a meaning of its own, which would be lost; name the claim that has the audience"
            );
            return Err(ConfigError::new("audience_claim", problem));
        }
        if let Some(name) = claim_names.taken_by_scope() {
            let problem = format!(
                "the claim {name:?} has a meaning of its own, which would be lost; name the claims that have the scopes"
            );
            return Err(ConfigError::new("scope_claims", problem));
        }
        if issuer.client_id_claims.is_empty() || issuer.client_id_claims.iter().any(|name| name.is_empty()) {
            let problem =
                "the list or a name in it is empty; leave the setting out for `client_id` and its usual names";
            return Err(ConfigError::new("client_id_claims", problem));
        }
        if let Some(name) = claim_names.taken_by_client() {
            let problem = format!(
                "the claim {name:?} has a meaning of its own; list the claims that name the client, or leave the \
                 setting out for `client_id` and its usual names"
            );
            return Err(ConfigError::new("client_id_claims", problem));
        }
        issuer.markers.check(&claim_names)?;
        let algorithms = issuer.checked_algorithms()?;
        let proof = self.proof(issuer, &algorithms, is_resolved)?;
        let lifetime = proof.introspector().map(|introspector| introspector.cache_time());
        let description = (!is_resolved).then(|| Box::new(issuer.describe(&algorithms)));
        let rules = TokenRules {
            issuer: Arc::clone(&issuer.url),
            audiences: audiences.as_slice().into(),
            algorithms,
            claim_names,
            markers: issuer.markers.clone(),
            leeway: self.leeway,
            max_token_age: self.max_token_age,
            require_at_jwt: issuer.require_at_jwt,
            allow_nonce: issuer.allow_nonce,
            accept_sender_constrained: issuer.accept_sender_constrained,
            answers_without_audience: issuer.answers_without_audience,
            lifetime_of_answers_without_expiry: lifetime.filter(|_| issuer.answers_without_expiry),
        };
        let (enabled, verified_at) = (AtomicBool::new(true), AtomicU64::new(0));
        Ok(TrustedIssuer { rules, proof, description, is_resolved, enabled, verified_at })
    }

    fn proof(&self, issuer: &Issuer, algorithms: &Arc<[Algorithm]>, is_resolved: bool) -> Result<Proof, ConfigError> {
        let meter = if is_resolved { IssuerMeter::of_resolved() } else { IssuerMeter::of_configured(&issuer.url) };
        let ours = (self.leeway, self.has_token_cache);
        let introspector = issuer.introspector(&self.environment, algorithms, ours, || {
            if is_resolved { IntrospectionMeter::of_resolved() } else { IntrospectionMeter::of_configured(&issuer.url) }
        })?;
        let is_introspection_alone = introspector.is_some() && issuer.has_no_keys;
        let keys = || issuer.keys(algorithms, &self.environment, meter);
        let keys = if is_introspection_alone { None } else { Some(keys()?) };
        Ok(Proof { keys, introspector: introspector.map(Arc::new) })
    }
}

impl Proof {
    /// What it signs with, if it signs.
    #[inline]
    pub(crate) const fn keys(&self) -> Option<&Keys> {
        self.keys.as_ref()
    }

    /// What asks it about opaque tokens, and about JWTs where that is configured.
    #[inline]
    pub(crate) const fn introspector(&self) -> Option<&Arc<Introspector>> {
        self.introspector.as_ref()
    }
}

impl TrustedIssuer {
    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled.load(Ordering::Acquire)
    }

    pub(crate) fn check_enabled(&self) -> Result<(), TokenError> {
        if self.is_enabled() { Ok(()) } else { Err(TokenError::IssuerDisabled) }
    }

    pub(crate) fn set_enabled(&self, enabled: bool) {
        self.enabled.store(enabled, Ordering::Release);
    }

    /// The configuration, if it is not from the resolver.
    pub(crate) fn describe(&self) -> Option<IssuerDescription> {
        let description = IssuerDescription::clone(self.description.as_ref()?);
        Some(IssuerDescription { enabled: self.is_enabled(), ..description })
    }

    /// Remembers that a token of it was accepted. Of an issuer from the resolver more is known.
    pub(crate) fn note_accepted(&self) {
        if !self.is_resolved && self.verified_at() == 0 {
            self.verified_at.store(1, Ordering::Relaxed);
        }
    }

    /// Remembers that a token of it was verified just now. Only issuers from the resolver compete for a place.
    pub(crate) fn note_verified(&self, clock: &dyn Clock) {
        if !self.is_resolved {
            return;
        }
        let now = u64::try_from(clock.monotonic().as_millis()).unwrap_or(u64::MAX).max(1);
        if now.saturating_sub(self.verified_at()) >= VERIFIED_AT_STEP || self.verified_at() == 0 {
            self.verified_at.store(now, Ordering::Relaxed);
        }
    }

    pub(crate) fn verified_at(&self) -> u64 {
        self.verified_at.load(Ordering::Relaxed)
    }

    /// The state of its keys, if it has any.
    pub(crate) fn status(&self) -> Option<KeySetStatus> {
        self.proof.keys().map(|keys| keys.status(&self.rules.issuer, self.is_enabled()))
    }

    /// Ends it: tokens that were accepted are not good any more, and nothing is fetched.
    pub(crate) fn revoke(&self) {
        self.set_enabled(false);
        if let Some(keys) = self.proof.keys() {
            keys.close();
        }
        if let Some(introspector) = self.proof.introspector() {
            introspector.close();
        }
    }
}
