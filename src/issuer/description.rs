//! The configuration of an issuer as data, without its secrets.

use serde::{Deserialize, Serialize};

use super::Issuer;
use super::key_assembly::KeyLocation;
use crate::jose::{Algorithm, public_members, public_pem};
use crate::keys::KeyPolicy;

/// The settings of one [`Issuer`], as data: a part of
/// [`ResourceServerDescription`](crate::ResourceServerDescription).
///
/// Each field has the name of its setting and the value in effect. A field that is left out when serialized has its
/// default. No field contains a secret. [`omitted`](Self::omitted) lists what a description cannot express.
#[non_exhaustive]
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerDescription {
    /// The name, byte by byte as in `iss`: see [`Issuer::new`].
    pub name: String,
    /// Audiences that replace those of the resource server: see [`Issuer::audience`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// See [`Issuer::algorithms`].
    #[serde(default = "public_key_algorithms")]
    pub algorithms: Vec<Algorithm>,
    /// See [`Issuer::metadata_url`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_url: Option<String>,
    /// See [`Issuer::jwk_set_url`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwk_set_url: Option<String>,
    /// See [`Issuer::jwk_set_file`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwk_set_file: Option<String>,
    /// See [`Issuer::jwk_set`]. Private members have the value `"omitted"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwk_set: Option<serde_json::Value>,
    /// See [`Issuer::pem`]. Only the blocks with public keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pem: Vec<String>,
    /// Where the keys come from when the first place fails, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failovers: Vec<FailoverDescription>,
    /// See [`Issuer::without_keys`].
    #[serde(default, skip_serializing_if = "is_false")]
    pub without_keys: bool,
    /// See [`Issuer::key_policy`].
    #[serde(default)]
    pub key_policy: KeyPolicy,
    /// See [`Issuer::refuse_networks`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refuse_networks: Vec<String>,
    /// See [`Issuer::require_same_origin_jwks_uri`].
    #[serde(default)]
    pub require_same_origin_jwks_uri: bool,
    /// See [`Issuer::audience_claim`].
    #[serde(default = "audience_claim")]
    pub audience_claim: String,
    /// See [`Issuer::scope_claims`].
    #[serde(default = "scope_claims")]
    pub scope_claims: Vec<String>,
    /// See [`Issuer::client_id_claims`].
    #[serde(default = "client_id_claims")]
    pub client_id_claims: Vec<String>,
    /// See [`Issuer::require_at_jwt`].
    #[serde(default)]
    pub require_at_jwt: bool,
    /// See [`Issuer::allow_nonce`].
    #[serde(default)]
    pub allow_nonce: bool,
    /// See [`Issuer::dangerously_accept_sender_constrained`].
    #[serde(default)]
    pub dangerously_accept_sender_constrained: bool,
    /// See [`Issuer::dangerously_allow_http`].
    #[serde(default)]
    pub dangerously_allow_http: bool,
    /// See [`ResourceServer::disable_issuer`](crate::ResourceServer::disable_issuer).
    #[serde(default = "enabled", skip_serializing_if = "is_true")]
    pub enabled: bool,
    /// Settings in use that a description cannot express, or that are secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub omitted: Vec<OmittedSetting>,
}

/// One place in the order of [`IssuerDescription::failovers`].
#[non_exhaustive]
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailoverDescription {
    /// See [`Issuer::failover_jwk_set_url`].
    JwkSetUrl(String),
    /// See [`Issuer::failover_jwk_set_file`].
    JwkSetFile(String),
}

/// A setting that a description cannot express: code, or a secret.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OmittedSetting {
    /// [`ResourceServerBuilder::on_refusal`](crate::ResourceServerBuilder::on_refusal): responses may differ.
    OnRefusal,
    /// [`ResourceServerBuilder::clock`](crate::ResourceServerBuilder::clock): the time may differ.
    Clock,
    /// [`ResourceServerBuilder::issuer_resolver`](crate::ResourceServerBuilder::issuer_resolver): more issuers may be
    /// accepted.
    IssuerResolver,
    /// [`ResourceServerBuilder::revocation`](crate::ResourceServerBuilder::revocation): tokens that were revoked are
    /// refused.
    Revocation,
    /// [`Issuer::shared_secret`].
    SharedSecret,
    /// [`Issuer::key_source`].
    KeySource,
    /// [`Issuer::failover_key_source`].
    FailoverKeySource,
    /// [`Issuer::http_client`]: a private certificate authority, for example, or a proxy.
    HttpClient,
    /// [`Issuer::key_request_header`].
    KeyRequestHeader,
    /// [`Issuer::introspection`], with what may be absent from its answers: opaque tokens may be accepted, and revoked
    /// JWTs refused.
    Introspection,
    /// The query or fragment of a URL, either of which may be a credential.
    UrlQuery,
}

impl IssuerDescription {
    /// An issuer with every setting at its default.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            audiences: Vec::new(),
            algorithms: public_key_algorithms(),
            metadata_url: None,
            jwk_set_url: None,
            jwk_set_file: None,
            jwk_set: None,
            pem: Vec::new(),
            failovers: Vec::new(),
            without_keys: false,
            key_policy: KeyPolicy::default(),
            refuse_networks: Vec::new(),
            require_same_origin_jwks_uri: false,
            audience_claim: audience_claim(),
            scope_claims: scope_claims(),
            client_id_claims: client_id_claims(),
            require_at_jwt: false,
            allow_nonce: false,
            dangerously_accept_sender_constrained: false,
            dangerously_allow_http: false,
            enabled: true,
            omitted: Vec::new(),
        }
    }

    fn omit(&mut self, setting: OmittedSetting) {
        if !self.omitted.contains(&setting) {
            self.omitted.push(setting);
        }
    }

    #[cfg(feature = "remote-keys")]
    fn without_query(&mut self, url: &str) -> String {
        match url.split_once(['?', '#']) {
            Some((place, _)) => {
                self.omit(OmittedSetting::UrlQuery);
                place.to_owned()
            }
            None => url.to_owned(),
        }
    }
}

impl Issuer {
    /// The settings as data, with the algorithms that are accepted.
    pub(crate) fn describe(&self, algorithms: &[Algorithm]) -> IssuerDescription {
        let owned = |names: &[Box<str>]| names.iter().map(|name| name.to_string()).collect();
        let mut description = IssuerDescription {
            audiences: owned(&self.audiences),
            algorithms: algorithms.to_vec(),
            without_keys: self.has_no_keys,
            key_policy: self.key_policy.clone(),
            audience_claim: self.audience_claim.to_string(),
            scope_claims: owned(&self.scope_claims),
            client_id_claims: owned(&self.client_id_claims),
            require_at_jwt: self.require_at_jwt,
            allow_nonce: self.allow_nonce,
            dangerously_accept_sender_constrained: self.accept_sender_constrained,
            dangerously_allow_http: self.allow_http,
            ..IssuerDescription::new(&*self.url)
        };
        for location in &self.key_locations {
            match location {
                #[cfg(feature = "remote-keys")]
                KeyLocation::JwkSetUrl(url) => description.jwk_set_url = Some(description.without_query(url)),
                #[cfg(feature = "remote-keys")]
                KeyLocation::MetadataUrl(url) => description.metadata_url = Some(description.without_query(url)),
                KeyLocation::File(path) => description.jwk_set_file = Some(path.display().to_string()),
                KeyLocation::Source(_) => description.omit(OmittedSetting::KeySource),
                KeyLocation::JwkSet(json) => description.jwk_set = public_members(json),
                KeyLocation::Pem(pem) => description.pem.push(public_pem(pem)),
                KeyLocation::SharedSecret(_) => description.omit(OmittedSetting::SharedSecret),
            }
        }
        for location in &self.failovers {
            let failover = match location {
                #[cfg(feature = "remote-keys")]
                KeyLocation::JwkSetUrl(url) => FailoverDescription::JwkSetUrl(description.without_query(url)),
                KeyLocation::File(path) => FailoverDescription::JwkSetFile(path.display().to_string()),
                _ => {
                    description.omit(OmittedSetting::FailoverKeySource);
                    continue;
                }
            };
            description.failovers.push(failover);
        }
        if self.introspection.is_some() {
            description.omit(OmittedSetting::Introspection);
        }
        #[cfg(feature = "remote-keys")]
        self.key_requests.describe(&mut description);
        description
    }
}

fn public_key_algorithms() -> Vec<Algorithm> {
    Algorithm::PUBLIC_KEY.to_vec()
}

fn audience_claim() -> String {
    super::DEFAULT_AUDIENCE_CLAIM.to_owned()
}

fn scope_claims() -> Vec<String> {
    super::DEFAULT_SCOPE_CLAIMS.map(str::to_owned).into()
}

fn client_id_claims() -> Vec<String> {
    super::DEFAULT_CLIENT_ID_CLAIMS.map(str::to_owned).into()
}

const fn enabled() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
const fn is_true(value: &bool) -> bool {
    *value
}
