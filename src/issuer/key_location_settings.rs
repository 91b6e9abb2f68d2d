//! Where an issuer's keys are: what the application says about it.

use std::path::PathBuf;
use std::sync::Arc;

use super::Issuer;
use super::key_assembly::KeyLocation;
use crate::keys::{KeyPolicy, KeySource};

impl Issuer {
    /// Takes the keys from this URL instead of asking the issuer's metadata for it.
    ///
    /// The issuer's own name need not be reachable: inside a cluster, tokens may name the public issuer while the keys
    /// come from an internal address. Plain HTTP to such an address needs
    /// [`dangerously_allow_http`](Self::dangerously_allow_http). For metadata at an internal address there is
    /// [`metadata_url`](Self::metadata_url).
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::new("https://login.example.com")
    ///     .jwk_set_url("http://keycloak.auth.svc.cluster.local:8080/realms/leads/protocol/openid-connect/certs")
    ///     .dangerously_allow_http();
    /// # let _ = issuer;
    /// ```
    #[cfg(feature = "remote-keys")]
    #[must_use]
    pub fn jwk_set_url(mut self, url: impl Into<String>) -> Self {
        self.key_locations.push(KeyLocation::JwkSetUrl(url.into()));
        self
    }

    /// Asks for the issuer's metadata at this URL, given in full, instead of at the well-known places under the
    /// issuer's own name (RFC 8414 §3.1): for an issuer that is reached by an internal address.
    ///
    /// The metadata must name the issuer as it is configured all the same (RFC 8414 §3.3); its `jwks_uri` must be HTTPS
    /// unless this URL is plain HTTP, which needs [`dangerously_allow_http`](Self::dangerously_allow_http) outside of
    /// loopback.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::new("https://login.example.com/realms/leads")
    ///     .metadata_url("https://keycloak.internal/realms/leads/.well-known/openid-configuration");
    /// # let _ = issuer;
    /// ```
    #[cfg(feature = "remote-keys")]
    #[must_use]
    pub fn metadata_url(mut self, url: impl Into<String>) -> Self {
        self.key_locations.push(KeyLocation::MetadataUrl(url.into()));
        self
    }

    /// Takes the keys from a source of the application's own, through the same cache.
    #[must_use]
    pub fn key_source(mut self, source: impl KeySource) -> Self {
        self.key_locations.push(KeyLocation::Source(Arc::new(source)));
        self
    }

    /// Takes the keys from a file with a JWK Set, read when first needed.
    ///
    /// A change is noticed within a minute, and at once when a token names a key that is not known yet. A file that is
    /// missing or broken is logged, and the keys that were read before stay.
    #[must_use]
    pub fn jwk_set_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.key_locations.push(KeyLocation::File(path.into()));
        self
    }

    /// Takes the keys from this JWK Set (RFC 7517 §5), as JSON text. They never change.
    ///
    /// Keys that cannot be used are dropped, logged at warn and listed in
    /// [`KeySetStatus`](crate::KeySetStatus#structfield.dropped_keys); see
    /// [which keys are used](crate::guide::keys#which-keys-are-used). `build()` rejects a set without a usable key, and
    /// a set with an RSA key that anybody can sign with (ROCA, CVE-2017-15361).
    #[must_use]
    pub fn jwk_set(mut self, json: impl Into<String>) -> Self {
        self.key_locations.push(KeyLocation::JwkSet(json.into()));
        self
    }

    /// Uses the public keys in this PEM text for every token of the issuer, whatever its `kid`. Further calls add keys.
    ///
    /// Every `PUBLIC KEY` block (RFC 7468 §13) and `RSA PUBLIC KEY` block (RFC 8017 §A.1.1) is read, and must hold a
    /// key for an allowed algorithm; a repeated key counts once. Other blocks, such as `CERTIFICATE` and
    /// `EC PARAMETERS`, are skipped, logged at warn and listed in
    /// [`KeySetStatus`](crate::KeySetStatus#structfield.dropped_keys). Lines may end in any way, even in the two
    /// characters `\n`, which are common in environment variables; text around the blocks is ignored.
    ///
    /// Keys without a `kid` cannot be told apart, so all that fit a token's algorithm are tried. `build()` rejects more
    /// than 4 for one algorithm, private keys of every kind, a text without a key, and a block that it cannot read, and
    /// says which block and why.
    ///
    /// ```
    /// use tower_bearer::{Issuer, ResourceServer};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // As in an environment variable.
    /// let pem = r"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    /// let issuer = Issuer::new("https://as.example.com").pem(pem);
    /// let api = ResourceServer::builder().audience("https://api.example.com").issuer(issuer).build()?;
    /// # let _ = api;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pem(mut self, pem: impl Into<String>) -> Self {
        self.key_locations.push(KeyLocation::Pem(pem.into()));
        self
    }

    /// Accepts HMAC signatures made with this secret, HS256 unless [`algorithms`](Self::algorithms) says otherwise.
    ///
    /// Whoever holds the secret can make tokens; prefer public keys. The secret must be random and at least as long as
    /// the hash, 32 bytes for HS256 (RFC 7518 §3.2), and cannot stand beside public keys.
    #[must_use]
    pub fn shared_secret(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.key_locations.push(KeyLocation::SharedSecret(secret.into()));
        self
    }

    /// Takes the keys from this URL when they are not to be had from the first place: when it cannot be reached,
    /// answers badly, or has a set without a usable key. A good set that merely lacks the token's key is no failure.
    ///
    /// Failovers are asked in the order of the calls, at each fetch after the first place, which thus takes over again
    /// by itself. Each may take its even share of [`KeyPolicy::fetch_timeout`]: with one failover and the default of 5
    /// seconds, the first place has 2.4 seconds. That is longer than a request waits for its key (2 seconds): if the
    /// first place hangs at a cold start, the first requests are answered with 503, unless the timeout is set to 4
    /// seconds or less. The set lives as long as the failover says, within the policy's bounds. That a failover served
    /// is logged at warn.
    ///
    /// Whoever can change a failover can sign tokens, once the first place is down: trust it as much. A copy that is
    /// not kept current keeps withdrawn keys alive. Default: none.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::new("https://as.example.com")
    ///     .failover_jwk_set_url("https://mirror.example.net/as/jwks.json")
    ///     .failover_jwk_set_file("/var/lib/leads/last-known-jwks.json");
    /// # let _ = issuer;
    /// ```
    #[cfg(feature = "remote-keys")]
    #[must_use]
    pub fn failover_jwk_set_url(mut self, url: impl Into<String>) -> Self {
        self.failovers.push(KeyLocation::JwkSetUrl(url.into()));
        self
    }

    /// Takes the keys from a file with a JWK Set when they are not to be had from the first place, for an API that must
    /// start while the provider is down. Like [`failover_key_source`](Self::failover_key_source).
    ///
    /// The file is never written here, and it is read anew each time. While it serves, the first place is asked again
    /// about every minute.
    #[must_use]
    pub fn failover_jwk_set_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.failovers.push(KeyLocation::File(path.into()));
        self
    }

    /// Takes the keys from a source of the application's own when they are not to be had from the first place, nor from
    /// the failovers named before it.
    ///
    /// At each fetch the first place is asked first. Each source may take its even share of
    /// [`KeyPolicy::fetch_timeout`], and gets no other `etag` than one of its own. Default: none.
    #[must_use]
    pub fn failover_key_source(mut self, source: impl KeySource) -> Self {
        self.failovers.push(KeyLocation::Source(Arc::new(source)));
        self
    }

    /// How its keys are fetched and kept. Default: [`KeyPolicy::default`]. Fixed keys have no use for it.
    #[must_use]
    pub fn key_policy(mut self, policy: KeyPolicy) -> Self {
        self.key_policy = policy;
        self
    }

    /// Allows plain HTTP to other hosts than loopback, for names inside a cluster. Whoever can change the traffic can
    /// then sign tokens.
    #[must_use]
    pub const fn dangerously_allow_http(mut self) -> Self {
        self.allow_http = true;
        self
    }
}
