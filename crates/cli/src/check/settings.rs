//! What the API is configured with, as options: each builder setting that changes an answer.

use std::time::Duration;

use clap::Args;
use tower_bearer::jose::Algorithm;
use tower_bearer::time::UnixTime;
use tower_bearer::{IssuerDescription, OmittedSetting, ResourceServerDescription};

use super::api::Api;
use super::{moment, printable};
use crate::outcome::Failure;

const RULES: &str = "Rules, where the API has others";

/// What must agree with the configuration of the API.
#[derive(Args)]
pub(super) struct Settings {
    /// An issuer whose tokens the API accepts, byte by byte as in `iss`. Its keys are found by discovery. Repeatable.
    #[arg(long = "issuer", value_name = "URL", required_unless_present = "config", conflicts_with = "config")]
    issuers: Vec<String>,

    /// An audience that tokens must name, byte by byte. Repeatable; one is enough.
    #[arg(long = "audience", value_name = "NAME", required_unless_present = "config", conflicts_with = "config")]
    audiences: Vec<String>,

    /// The API's own description of its configuration, the JSON of `ResourceServer::describe()`, instead of `--issuer`,
    /// `--audience` and the rules below.
    #[arg(long, value_name = "FILE")]
    config: Option<String>,

    /// A scope that the route asks for. Repeatable; all are needed.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,

    /// Judges as of this time: RFC 3339 (`2026-11-21T02:14:00Z`) or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub(super) at: Option<UnixTime>,

    /// Where the issuer's keys are, when not to be found by discovery: a JWK Set, in a file or at a URL.
    #[arg(long, value_name = "FILE|URL", help_heading = "Keys", conflicts_with = "metadata_url")]
    jwks: Option<String>,

    /// Where the issuer's metadata is, when not at the usual place under its name.
    #[arg(long, value_name = "URL", help_heading = "Keys")]
    metadata_url: Option<String>,

    /// Trusts this certificate authority (PEM) in addition to the system's.
    #[arg(long, value_name = "FILE", help_heading = "Keys")]
    ca_certificate: Option<String>,

    /// The secret that tokens are signed with (HS256 …), for a `--config` that needs it.
    #[arg(long, value_name = "FILE", help_heading = "Keys", requires = "config")]
    shared_secret: Option<String>,

    /// Fetches keys over plain HTTP from other hosts than loopback: whoever can change the traffic can forge tokens.
    #[arg(long, help_heading = "Keys")]
    dangerously_allow_http: bool,

    /// How many seconds the clocks may be apart.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, help_heading = RULES, conflicts_with = "config")]
    leeway: u64,

    /// Refuses tokens that were issued longer ago.
    #[arg(long, value_name = "SECONDS", help_heading = RULES, conflicts_with = "config")]
    max_token_age: Option<u64>,

    /// Refuses larger tokens.
    #[arg(long, value_name = "BYTES", default_value_t = 16 * 1024, help_heading = RULES, conflicts_with = "config")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_token_bytes: u32,

    /// An algorithm that is accepted, instead of all with a public key. Repeatable.
    #[arg(long = "algorithm", value_name = "ALG", value_parser = algorithm)]
    #[arg(help_heading = RULES, conflicts_with = "config")]
    algorithms: Vec<Algorithm>,

    /// The claim with the audience.
    #[arg(long, value_name = "CLAIM", default_value = "aud", help_heading = RULES, conflicts_with = "config")]
    audience_claim: String,

    /// A claim with scopes; the first that the token has counts. Repeatable.
    #[arg(long = "scope-claim", value_name = "CLAIM", default_values = ["scope", "scp"])]
    #[arg(help_heading = RULES, conflicts_with = "config")]
    scope_claims: Vec<String>,

    /// Strict RFC 9068: `typ` must be `at+jwt`, and `sub`, `client_id`, `iat` and `jti` must be there.
    #[arg(long, help_heading = RULES, conflicts_with = "config")]
    require_at_jwt: bool,

    /// Accepts a `nonce`, as old versions of Keycloak make it.
    #[arg(long, help_heading = RULES, conflicts_with = "config")]
    allow_nonce: bool,

    /// Accepts tokens that are bound to a key (`cnf`) without proof of it.
    #[arg(long, help_heading = RULES, conflicts_with = "config")]
    dangerously_accept_sender_constrained: bool,

    /// The realm of challenges, when it is not the first audience.
    #[arg(long, help_heading = RULES, conflicts_with = "config")]
    realm: Option<String>,
}

impl Settings {
    /// The API, as the options or a description of its own configure it.
    pub(super) fn api(&self) -> Result<Api, Failure> {
        let mut configuration = match &self.config {
            Some(file) => read_description(file)?,
            None => self.configuration(),
        };
        self.override_keys(&mut configuration)?;
        Ok(Api {
            configuration,
            is_described: self.config.is_some(),
            scopes: self.scopes.clone(),
            authorities: self.ca_certificate.as_deref().map(read_certificates).transpose()?.unwrap_or_default(),
            shared_secret: self.shared_secret.as_deref().map(read_secret).transpose()?,
        })
    }

    fn configuration(&self) -> ResourceServerDescription {
        let mut configuration = ResourceServerDescription::default();
        configuration.audiences.clone_from(&self.audiences);
        configuration.realm.clone_from(&self.realm);
        configuration.leeway = Duration::from_secs(self.leeway);
        configuration.max_token_age = self.max_token_age.map(Duration::from_secs);
        configuration.max_token_bytes = self.max_token_bytes.try_into().unwrap_or(usize::MAX);
        configuration.issuers = self.issuers.iter().map(|name| self.issuer(name)).collect();
        configuration
    }

    fn issuer(&self, name: &str) -> IssuerDescription {
        let mut issuer = IssuerDescription::new(name);
        if !self.algorithms.is_empty() {
            issuer.algorithms.clone_from(&self.algorithms);
        }
        issuer.audience_claim.clone_from(&self.audience_claim);
        issuer.scope_claims.clone_from(&self.scope_claims);
        issuer.require_at_jwt = self.require_at_jwt;
        issuer.allow_nonce = self.allow_nonce;
        issuer.dangerously_accept_sender_constrained = self.dangerously_accept_sender_constrained;
        issuer
    }

    /// `--jwks` and `--metadata-url` replace the places of keys.
    fn override_keys(&self, configuration: &mut ResourceServerDescription) -> Result<(), Failure> {
        if self.dangerously_allow_http {
            configuration.issuers.iter_mut().for_each(|issuer| issuer.dangerously_allow_http = true);
        }
        if self.jwks.is_none() && self.metadata_url.is_none() {
            return Ok(());
        }
        let [issuer] = configuration.issuers.as_mut_slice() else {
            let problem = "`--jwks` and `--metadata-url` are for one issuer: check the tokens of each by itself";
            return Err(Failure::Usage(problem.to_owned()));
        };
        issuer.metadata_url.clone_from(&self.metadata_url);
        (issuer.jwk_set_url, issuer.jwk_set_file, issuer.jwk_set) = (None, None, None);
        issuer.pem.clear();
        issuer.failovers.clear();
        issuer.require_same_origin_jwks_uri &= self.metadata_url.is_some();
        let is_of_keys = |setting: &OmittedSetting| {
            use OmittedSetting::{FailoverKeySource, HttpClient, KeyRequestHeader, KeySource, SharedSecret, UrlQuery};
            matches!(setting, FailoverKeySource | HttpClient | KeyRequestHeader | KeySource | SharedSecret | UrlQuery)
        };
        issuer.omitted.retain(|setting| !is_of_keys(setting));
        match &self.jwks {
            Some(place) if is_url(place) => issuer.jwk_set_url = Some(place.clone()),
            Some(place) => {
                issuer.refuse_networks.clear();
                issuer.jwk_set_file = Some(place.clone());
            }
            None => {}
        }
        Ok(())
    }
}

/// What [`ResourceServer::describe`](tower_bearer::ResourceServer::describe) wrote.
fn read_description(file: &str) -> Result<ResourceServerDescription, Failure> {
    let json = std::fs::read(file).map_err(|error| Failure::run(format_args!("{file:?} cannot be read"), error))?;
    serde_json::from_slice(&json).map_err(|error| {
        Failure::Usage(format!(
            "{file:?} is not the JSON of `ResourceServer::describe()`: {}",
            printable::line(&error.to_string())
        ))
    })
}

/// A text file usually ends in a line break, which is not part of the secret.
fn read_secret(file: &str) -> Result<Vec<u8>, Failure> {
    let mut secret =
        std::fs::read(file).map_err(|error| Failure::run(format_args!("{file:?} cannot be read"), error))?;
    while secret.last().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
        secret.pop();
    }
    Ok(secret)
}

/// Certificate authorities in a file, for an issuer inside your own network.
fn read_certificates(file: &str) -> Result<Vec<reqwest::Certificate>, Failure> {
    let pem = std::fs::read(file).map_err(|error| Failure::run(format_args!("{file:?} cannot be read"), error))?;
    reqwest::Certificate::from_pem_bundle(&pem)
        .map_err(|error| Failure::run(format_args!("{file:?} has no certificates in PEM"), error))
}

/// Whether `--jwks` names a URL rather than a file.
fn is_url(place: &str) -> bool {
    let is_scheme = |scheme: &str| place.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    is_scheme("https://") || is_scheme("http://")
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    let known = || Algorithm::PUBLIC_KEY.iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>().join(", ");
    Algorithm::PUBLIC_KEY
        .iter()
        .copied()
        .find(|algorithm| algorithm.name() == name)
        .ok_or_else(|| format!("not an algorithm with a public key; there are {}", known()))
}
