//! What the API is configured with, as options: each builder setting that changes an answer.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use tower_bearer::jose::Algorithm;
use tower_bearer::time::UnixTime;
use tower_bearer::{ConfigError, Issuer, RequireScopes, ResourceServer, StatusPolicy};

use super::moment;
use crate::outcome::Failure;

/// What must agree with the configuration of the API.
#[derive(Args)]
pub(super) struct Settings {
    /// An issuer whose tokens the API accepts, byte by byte as in `iss`. Its keys are found by discovery. Repeatable.
    #[arg(long = "issuer", value_name = "URL", required = true)]
    pub(super) issuers: Vec<String>,

    /// An audience that tokens must name, byte by byte. Repeatable; one is enough.
    #[arg(long = "audience", value_name = "NAME", required = true)]
    pub(super) audiences: Vec<String>,

    /// A scope that the route asks for. Repeatable; all are needed.
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(super) scopes: Vec<String>,

    /// Judges as of this time: RFC 3339 (`2026-11-21T02:14:00Z`) or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub(super) at: Option<UnixTime>,

    /// Where the issuer's keys are, when not to be found by discovery: a JWK Set, in a file or at a URL.
    #[arg(long, value_name = "FILE|URL", help_heading = "Keys", conflicts_with = "metadata_url")]
    pub(super) jwks: Option<String>,

    /// Where the issuer's metadata is, when not at the usual place under its name.
    #[arg(long, value_name = "URL", help_heading = "Keys")]
    pub(super) metadata_url: Option<String>,

    /// Trusts this certificate authority (PEM) beside the system's.
    #[arg(long, value_name = "FILE", help_heading = "Keys")]
    pub(super) ca_certificate: Option<String>,

    /// Fetches keys over plain HTTP from other hosts than loopback: whoever can change the traffic can forge tokens.
    #[arg(long, help_heading = "Keys")]
    pub(super) dangerously_allow_http: bool,

    /// How many seconds the clocks may be apart.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, help_heading = "Rules, where the API has others")]
    pub(super) leeway: u64,

    /// Refuses tokens that were issued longer ago.
    #[arg(long, value_name = "SECONDS", help_heading = "Rules, where the API has others")]
    pub(super) max_token_age: Option<u64>,

    /// Refuses larger tokens.
    #[arg(long, value_name = "BYTES", default_value_t = 16 * 1024, help_heading = "Rules, where the API has others")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) max_token_bytes: u32,

    /// An algorithm that is accepted, instead of all with a public key. Repeatable.
    #[arg(long = "algorithm", value_name = "ALG", value_parser = algorithm)]
    #[arg(help_heading = "Rules, where the API has others")]
    pub(super) algorithms: Vec<Algorithm>,

    /// The claim with the audience.
    #[arg(long, value_name = "CLAIM", default_value = "aud", help_heading = "Rules, where the API has others")]
    pub(super) audience_claim: String,

    /// A claim with scopes; the first that the token has counts. Repeatable.
    #[arg(long = "scope-claim", value_name = "CLAIM", default_values = ["scope", "scp"])]
    #[arg(help_heading = "Rules, where the API has others")]
    pub(super) scope_claims: Vec<String>,

    /// Strict RFC 9068: `typ` must be `at+jwt`, and `sub`, `client_id`, `iat` and `jti` must be there.
    #[arg(long, help_heading = "Rules, where the API has others")]
    pub(super) require_at_jwt: bool,

    /// Accepts a `nonce`, as old versions of Keycloak make it.
    #[arg(long, help_heading = "Rules, where the API has others")]
    pub(super) allow_nonce: bool,

    /// Accepts tokens that are bound to a key (`cnf`) without proof of it.
    #[arg(long, help_heading = "Rules, where the API has others")]
    pub(super) dangerously_accept_sender_constrained: bool,

    /// The realm of challenges, when it is not the first audience.
    #[arg(long, help_heading = "Rules, where the API has others")]
    pub(super) realm: Option<String>,
}

impl Settings {
    /// The resource server that the API has, under the default status policy.
    pub(super) fn server(&self, clock: impl tower_bearer::time::Clock + 'static) -> Result<ResourceServer, Failure> {
        if (self.jwks.is_some() || self.metadata_url.is_some()) && self.issuers.len() > 1 {
            let problem = "`--jwks` and `--metadata-url` are of one issuer: check the tokens of each by itself";
            return Err(Failure::Usage(problem.to_owned()));
        }
        let mut builder = ResourceServer::builder()
            .status_policy(StatusPolicy::default())
            .leeway(Duration::from_secs(self.leeway))
            .max_token_bytes(self.max_token_bytes())
            .clock(clock);
        for audience in &self.audiences {
            builder = builder.audience(audience);
        }
        for issuer in &self.issuers {
            builder = builder.issuer(self.issuer(issuer)?);
        }
        if let Some(seconds) = self.max_token_age {
            builder = builder.max_token_age(Duration::from_secs(seconds));
        }
        if let Some(realm) = &self.realm {
            builder = builder.realm(realm);
        }
        builder.build().map_err(|error| misconfigured(&error))
    }

    /// What the route asks for, if anything.
    pub(super) fn required_scopes(&self) -> Result<Option<RequireScopes>, Failure> {
        if self.scopes.is_empty() {
            return Ok(None);
        }
        RequireScopes::try_all(self.scopes.iter().map(String::as_str)).map(Some).map_err(|error| misconfigured(&error))
    }

    pub(super) fn max_token_bytes(&self) -> usize {
        self.max_token_bytes.try_into().unwrap_or(usize::MAX)
    }

    fn issuer(&self, url: &str) -> Result<Issuer, Failure> {
        let mut issuer = Issuer::new(url)
            .audience_claim(&self.audience_claim)
            .scope_claims(self.scope_claims.iter().map(String::as_str));
        if !self.algorithms.is_empty() {
            issuer = issuer.algorithms(self.algorithms.iter().copied());
        }
        if self.require_at_jwt {
            issuer = issuer.require_at_jwt();
        }
        if self.allow_nonce {
            issuer = issuer.allow_nonce();
        }
        if self.dangerously_accept_sender_constrained {
            issuer = issuer.dangerously_accept_sender_constrained();
        }
        if self.dangerously_allow_http {
            issuer = issuer.dangerously_allow_http();
        }
        issuer = match (&self.jwks, &self.metadata_url) {
            (Some(place), _) if is_url(place) => issuer.jwk_set_url(place),
            (Some(place), _) => issuer.jwk_set_file(Path::new(place)),
            (None, Some(url)) => issuer.metadata_url(url),
            (None, None) => issuer,
        };
        match &self.ca_certificate {
            Some(file) => trust_certificate(issuer, file),
            None => Ok(issuer),
        }
    }
}

/// Whether `--jwks` names a URL rather than a file.
pub(super) fn is_url(place: &str) -> bool {
    let is_scheme = |scheme: &str| place.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    is_scheme("https://") || is_scheme("http://")
}

/// Trusts the certificate authorities in a file in addition to the system's, for an issuer inside your own network.
fn trust_certificate(issuer: Issuer, file: &str) -> Result<Issuer, Failure> {
    let pem = std::fs::read(file).map_err(|error| Failure::run(format_args!("{file:?} cannot be read"), error))?;
    let certificates = reqwest::Certificate::from_pem_bundle(&pem)
        .map_err(|error| Failure::run(format_args!("{file:?} has no certificates in PEM"), error))?;
    Ok(issuer.http_client(move |client| client.tls_certs_merge(certificates.clone())))
}

fn misconfigured(error: &ConfigError) -> Failure {
    Failure::Usage(error.to_string())
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    let known = || Algorithm::PUBLIC_KEY.iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>().join(", ");
    Algorithm::PUBLIC_KEY
        .iter()
        .copied()
        .find(|algorithm| algorithm.name() == name)
        .ok_or_else(|| format!("not an algorithm with a public key; there are {}", known()))
}
