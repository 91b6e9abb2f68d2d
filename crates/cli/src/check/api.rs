//! The API whose tokens are checked: its configuration, and the resource server that it has.

use std::path::Path;

use tower_bearer::{
    ConfigError, FailoverDescription, FetchedKeySet, Issuer, IssuerDescription, KeySetError, KeySource,
    KeySourceFuture, OmittedSetting, RequireScopes, ResourceServer, ResourceServerDescription,
};

use super::untrusted::Untrusted;
use crate::outcome::Failure;

/// A setting without a value.
type Switch = fn(Issuer) -> Issuer;

/// What `check` knows about the API.
pub(super) struct Api {
    pub(super) configuration: ResourceServerDescription,
    /// Whether the configuration is the API's own description of it.
    pub(super) is_described: bool,
    /// The scopes of the route.
    pub(super) scopes: Vec<String>,
    /// Trusted in addition to the system's.
    pub(super) authorities: Vec<reqwest::Certificate>,
    pub(super) shared_secret: Option<Vec<u8>>,
}

impl Api {
    /// The resource server, with the statuses of the configuration.
    pub(super) fn server(&self, clock: impl tower_bearer::time::Clock + 'static) -> Result<ResourceServer, Failure> {
        let configuration = &self.configuration;
        let mut builder = ResourceServer::builder()
            .leeway(configuration.leeway)
            .max_token_bytes(configuration.max_token_bytes)
            .token_cache_bytes(configuration.token_cache_bytes)
            .status_policy(configuration.status_policy.clone())
            .refusal_body(configuration.refusal_body)
            .clock(clock);
        builder = configuration.audiences.iter().fold(builder, |builder, audience| builder.audience(audience));
        for issuer in &configuration.issuers {
            builder = builder.issuer(self.configured(issuer)?);
        }
        if let Some(age) = configuration.max_token_age {
            builder = builder.max_token_age(age);
        }
        if let Some(realm) = &configuration.realm {
            builder = builder.realm(realm);
        }
        let server = builder.build().map_err(|error| misconfigured(&error))?;
        for disabled in configuration.issuers.iter().filter(|issuer| !issuer.enabled) {
            server.disable_issuer(&disabled.name);
        }
        Ok(server)
    }

    /// What the route asks for, if anything.
    pub(super) fn required_scopes(&self) -> Result<Option<RequireScopes>, Failure> {
        if self.scopes.is_empty() {
            return Ok(None);
        }
        RequireScopes::try_all(self.scopes.iter().map(String::as_str)).map(Some).map_err(|error| misconfigured(&error))
    }

    /// The issuer that the token names, or else the first one. None of an API that has only a resolver.
    pub(super) fn issuer_of(&self, token: &Untrusted) -> Option<&IssuerDescription> {
        token.text("iss").and_then(|name| self.issuer(name)).or_else(|| self.configuration.issuers.first())
    }

    /// The issuer of this name.
    pub(super) fn issuer(&self, name: &str) -> Option<&IssuerDescription> {
        self.configuration.issuers.iter().find(|issuer| issuer.name == name)
    }

    /// The audiences that count for tokens of this issuer.
    pub(super) fn audiences<'a>(&'a self, issuer: Option<&'a IssuerDescription>) -> &'a [String] {
        match issuer {
            Some(issuer) if !issuer.audiences.is_empty() => &issuer.audiences,
            _ => &self.configuration.audiences,
        }
    }

    /// Whether the API asks a resolver about other issuers than these.
    pub(super) fn has_resolver(&self) -> bool {
        self.configuration.omitted.contains(&OmittedSetting::IssuerResolver)
    }

    /// Whether the API asks an issuer about tokens that are not JWTs.
    pub(super) fn has_introspection(&self) -> bool {
        self.configuration.issuers.iter().any(|issuer| issuer.omitted.contains(&OmittedSetting::Introspection))
    }

    /// What the description cannot express of how the keys of this issuer are fetched.
    pub(super) fn unknown_places(&self, issuer: &str) -> Vec<String> {
        let omitted = self.issuer(issuer).into_iter().flat_map(|issuer| &issuer.omitted);
        omitted.filter_map(|setting| Some(format!("The file does not contain {}.", consequence(*setting)?))).collect()
    }

    /// What the description cannot express, and what follows from that.
    pub(super) fn unknowns(&self) -> Vec<String> {
        let of_issuers = self.configuration.issuers.iter();
        let of_issuers = of_issuers.flat_map(|issuer| issuer.omitted.iter().map(|it| (*it, Some(&issuer.name))));
        let unknowns = self.configuration.omitted.iter().map(|it| (*it, None)).chain(of_issuers);
        let describe = |(setting, issuer): (OmittedSetting, Option<&String>)| {
            let consequence = consequence(setting)?;
            Some(match issuer {
                Some(issuer) => format!("The file does not contain {consequence} ({issuer:?})"),
                None => format!("The file does not contain {consequence}"),
            })
        };
        unknowns.filter_map(describe).collect()
    }

    fn configured(&self, configured: &IssuerDescription) -> Result<Issuer, Failure> {
        let mut issuer = Issuer::new(&configured.name)
            .algorithms(configured.algorithms.iter().copied())
            .audience_claim(&configured.audience_claim)
            .scope_claims(configured.scope_claims.iter().map(String::as_str))
            .client_id_claims(configured.client_id_claims.iter().map(String::as_str))
            .key_policy(configured.key_policy.clone());
        issuer = configured.audiences.iter().fold(issuer, |issuer, audience| issuer.audience(audience));
        let switches: [(bool, Switch); 5] = [
            (configured.require_at_jwt, Issuer::require_at_jwt),
            (configured.allow_nonce, Issuer::allow_nonce),
            (configured.dangerously_accept_sender_constrained, Issuer::dangerously_accept_sender_constrained),
            (configured.dangerously_allow_http, Issuer::dangerously_allow_http),
            (configured.require_same_origin_jwks_uri, Issuer::require_same_origin_jwks_uri),
        ];
        for (is_set, set) in switches {
            issuer = if is_set { set(issuer) } else { issuer };
        }
        if !configured.refuse_networks.is_empty() {
            issuer = issuer.refuse_networks(configured.refuse_networks.iter().map(String::as_str));
        }
        if !self.authorities.is_empty() {
            let authorities = self.authorities.clone();
            issuer = issuer.http_client(move |client| client.tls_certs_merge(authorities.clone()));
        }
        issuer = self.keys(issuer, configured)?;
        for failover in &configured.failovers {
            issuer = match failover {
                FailoverDescription::JwkSetUrl(url) => issuer.failover_jwk_set_url(url),
                FailoverDescription::JwkSetFile(path) => issuer.failover_jwk_set_file(path),
                // One that a newer API described: its keys would only serve when the first place fails.
                _ => issuer,
            };
        }
        Ok(issuer)
    }

    fn keys(&self, mut issuer: Issuer, configured: &IssuerDescription) -> Result<Issuer, Failure> {
        if configured.omitted.contains(&OmittedSetting::SharedSecret) {
            let Some(secret) = &self.shared_secret else {
                return Err(Failure::Usage(format!(
                    "tokens of {:?} are signed with a shared secret, which no description contains: give it with \
                     `--shared-secret FILE`",
                    configured.name
                )));
            };
            return Ok(issuer.shared_secret(secret.clone()));
        }
        if let Some(url) = &configured.jwk_set_url {
            issuer = issuer.jwk_set_url(url);
        }
        if let Some(url) = &configured.metadata_url {
            issuer = issuer.metadata_url(url);
        }
        if let Some(path) = &configured.jwk_set_file {
            issuer = issuer.jwk_set_file(Path::new(path));
        }
        if let Some(set) = &configured.jwk_set {
            issuer = issuer.jwk_set(set.to_string());
        }
        if configured.without_keys || configured.omitted.contains(&OmittedSetting::KeySource) {
            issuer = issuer.key_source(OmittedSource);
        }
        Ok(configured.pem.iter().fold(issuer, |issuer, pem| issuer.pem(pem)))
    }
}

fn consequence(setting: OmittedSetting) -> Option<&'static str> {
    Some(match setting {
        OmittedSetting::OnRefusal => "the code of `on_refusal`: the API's responses may differ from what is shown here",
        OmittedSetting::Clock => "the API's own clock: give its time with `--at`",
        OmittedSetting::IssuerResolver => "the `issuer_resolver`: the API may accept issuers that are refused here",
        OmittedSetting::Revocation => "the `revocation` of the API: it refuses tokens that were revoked",
        OmittedSetting::KeySource => "the `key_source` of an issuer: give its keys with `--jwks`",
        OmittedSetting::FailoverKeySource => "a `failover_key_source`: the API may have keys when there are none here",
        OmittedSetting::HttpClient => "the `http_client` of an issuer: for its authority, see `--ca-certificate`",
        OmittedSetting::KeyRequestHeader => "a `key_request_header`: without it the keys may be unavailable here",
        OmittedSetting::Introspection => {
            "the `introspection` of an issuer: the API may accept opaque tokens, and refuse JWTs that were revoked"
        }
        OmittedSetting::UrlQuery => "the query of a key URL: without it the keys may be unavailable here",
        // Without it nothing is checked.
        OmittedSetting::SharedSecret => return None,
        _ => "another setting of the API, which is newer than this command",
    })
}

/// In the place of a key source that is code of the API, or of an issuer that has no keys.
#[derive(Debug)]
struct OmittedSource;

impl KeySource for OmittedSource {
    fn fetch<'a>(&'a self, _etag: Option<&'a str>) -> KeySourceFuture<'a> {
        let problem = "only the API has it";
        Box::pin(async move { Err::<FetchedKeySet, _>(KeySetError::source_failed(std::io::Error::other(problem))) })
    }
}

fn misconfigured(error: &ConfigError) -> Failure {
    Failure::Usage(error.to_string())
}
