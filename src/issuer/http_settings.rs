//! How an issuer's keys are fetched over HTTP: what the application says about it, and the client that comes of it.

use std::sync::Arc;

use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, IF_MODIFIED_SINCE, IF_NONE_MATCH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::{Issuer, IssuerDescription, OmittedSetting};
use crate::config_error::ConfigError;
use crate::keys::{
    AddressGuard, ClientSettings, ConfigureClient, HttpClient, HttpClients, KeyPolicy, PRIVATE_NETWORKS,
};

/// Headers that are the fetch's own.
const RESERVED_HEADERS: [HeaderName; 5] =
    [ACCEPT_ENCODING, CONTENT_LENGTH, IF_MODIFIED_SINCE, IF_NONE_MATCH, TRANSFER_ENCODING];

/// Has no `Debug`: the headers are secret.
#[derive(Clone, Default)]
pub(super) struct KeyRequests {
    configure_client: Option<Arc<ConfigureClient>>,
    headers: Vec<(String, String)>,
    pub(super) same_origin: bool,
    refused_networks: Vec<String>,
}

impl Issuer {
    /// Changes the HTTP client that fetches the keys: a private root certificate, a proxy, a client certificate.
    ///
    /// Timeouts, the refusal of redirects and [refused networks](Self::refuse_networks) are set after it and cannot be
    /// changed here. Proxies from the environment are not used unless this adds them. Default headers of the client go
    /// to every host that keys come from; for a secret, use [`key_request_header`](Self::key_request_header).
    ///
    /// ```no_run
    /// use tower_bearer::Issuer;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let root = reqwest::Certificate::from_pem(&std::fs::read("/etc/pki/internal-root.pem")?)?;
    /// let issuer = Issuer::new("https://as.internal.example")
    ///     .http_client(move |client| client.tls_certs_merge([root.clone()]));
    /// # let _ = issuer;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn http_client(
        mut self,
        configure: impl Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + Sync + 'static,
    ) -> Self {
        self.key_requests.configure_client = Some(Arc::new(configure));
        self
    }

    /// Sends this header with the requests for keys and metadata, for a gateway that asks for a credential. Repeatable.
    ///
    /// It goes to the configured origin only: scheme, host and port of the issuer, or of
    /// [`metadata_url`](Self::metadata_url) or [`jwk_set_url`](Self::jwk_set_url). A `jwks_uri` or a failover on
    /// another origin does not get it: when keys cannot be fetched from there, the error says so. If that server may
    /// have it, give the URL of the keys with [`jwk_set_url`](Self::jwk_set_url). The value is treated as a secret and
    /// is neither logged nor shown; over plain HTTP, anybody on the path can read it. Default: none.
    ///
    /// [Introspection](Self::introspection) calls to that origin carry it as well, except for `Accept`, `Authorization`
    /// and `Content-Type`: a call has its own.
    ///
    /// Names and values that HTTP does not allow are refused by `build()`, as are headers that the fetch sets itself,
    /// and the setting where no key comes from a URL.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// # fn configured(api_key: String) -> Issuer {
    /// Issuer::new("https://as.example.com").key_request_header("x-api-key", api_key)
    /// # }
    /// # let _ = configured(String::from("k"));
    /// ```
    #[must_use]
    pub fn key_request_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.key_requests.headers.push((name.into(), value.into()));
        self
    }

    /// Refuses metadata whose `jwks_uri` is not on the origin (scheme, host and port) that the metadata came from. The
    /// same holds for its `introspection_endpoint` with [`Introspection::discovered`](crate::Introspection::discovered),
    /// which gets tokens and our credentials.
    ///
    /// Off by default, because large providers keep their keys on another host: Google's issuer is
    /// `accounts.google.com`, its keys are at `www.googleapis.com`. Refused by `build()` where neither keys nor the
    /// endpoint are found by discovery.
    #[must_use]
    pub const fn require_same_origin_jwks_uri(mut self) -> Self {
        self.key_requests.same_origin = true;
        self
    }

    /// Fetches no keys and no metadata from addresses in these networks: texts such as `10.0.0.0/8` or `fd00::/8`, or
    /// single addresses. Repeatable. Default: none, because providers inside the own network are common.
    ///
    /// A `jwks_uri` is text that somebody else writes. This keeps it from sending requests to services that only the
    /// inside can reach (server-side request forgery). Addresses in URLs are checked, those that stand in the
    /// configuration by `build()`; so is what a name resolves to, each time, and only what was checked is connected to.
    /// Of a name with several addresses, the refused ones are left out. IPv6 addresses that stand for an IPv4 address
    /// are checked as both.
    ///
    /// Names are looked up with the system's resolver, whatever [`http_client`](Self::http_client) says, and a proxy
    /// that is set there is not used. A connection to an address that is fixed there, or to a Unix socket, cannot be
    /// checked: the fetch fails with the reason `unchecked_address`, and [`warm_up`](crate::ResourceServer::warm_up)
    /// at once. The connection is closed before the request is sent; only a URL with an address in the place of a name
    /// is sent to a Unix socket, whose response is then not read.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::new("https://tenant.example.com").refuse_private_networks();
    /// let issuer = issuer.refuse_networks(["192.88.99.0/24"]);
    /// # let _ = issuer;
    /// ```
    #[must_use]
    pub fn refuse_networks<T: Into<String>>(mut self, networks: impl IntoIterator<Item = T>) -> Self {
        self.key_requests.refused_networks.extend(networks.into_iter().map(Into::into));
        self
    }

    /// [Refuses](Self::refuse_networks) all addresses that are not for the open internet (RFC 6890), and multicast.
    ///
    /// Among them: loopback, 10/8, 172.16/12, 192.168/16, link-local with the metadata services of clouds
    /// (169.254.169.254), carrier-grade NAT (100.64/10), unique local (fc00::/7) and unspecified addresses. Use it for
    /// issuers that tenants bring along.
    #[must_use]
    pub fn refuse_private_networks(self) -> Self {
        self.refuse_networks(PRIVATE_NETWORKS.iter().copied())
    }
}

impl KeyRequests {
    /// The client for all URLs of one issuer. It sends the headers only to the origin of this URL, if there is one.
    pub(super) fn client(
        &self,
        clients: &HttpClients,
        policy: &KeyPolicy,
        configured: Option<&Url>,
    ) -> Result<HttpClient, ConfigError> {
        let client = clients.get(ClientSettings {
            configure: self.configure_client.clone(),
            connect_timeout: policy.connect_timeout,
            fetch_timeout: policy.fetch_timeout,
            guard: AddressGuard::new(&self.refused_networks)?,
        })?;
        let headers = self.checked_headers()?;
        match configured.filter(|url| url.host().is_some()) {
            Some(configured) => Ok(client.with_headers_for(configured, headers)),
            None if headers.is_empty() => Ok(client),
            None => {
                let problem = "would be sent to no host: the issuer is not a URL, and a failover never gets it; remove \
                               it, or make the failover a `.failover_key_source(..)`";
                Err(ConfigError::new("key_request_header", problem))
            }
        }
    }

    pub(super) fn describe(&self, description: &mut IssuerDescription) {
        description.require_same_origin_jwks_uri = self.same_origin;
        description.refuse_networks.clone_from(&self.refused_networks);
        if self.configure_client.is_some() {
            description.omitted.push(OmittedSetting::HttpClient);
        }
        if !self.headers.is_empty() {
            description.omitted.push(OmittedSetting::KeyRequestHeader);
        }
    }

    /// Settings that change no request: for a secret or a guard, that is a mistake.
    pub(super) fn check_unused(&self) -> Result<(), ConfigError> {
        let setting = if !self.refused_networks.is_empty() {
            "refuse_networks"
        } else if !self.headers.is_empty() {
            "key_request_header"
        } else {
            return self.check_no_discovery();
        };
        Err(ConfigError::new(setting, "has no effect, for no key of this issuer comes from a URL; remove it"))
    }

    pub(super) fn check_no_discovery(&self) -> Result<(), ConfigError> {
        if self.same_origin {
            let problem = "has no effect, for the keys of this issuer are not found by discovery; remove it";
            return Err(ConfigError::new("require_same_origin_jwks_uri", problem));
        }
        Ok(())
    }

    fn checked_headers(&self) -> Result<HeaderMap, ConfigError> {
        let problem = |problem: String| ConfigError::new("key_request_header", problem);
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let parsed = HeaderName::try_from(name)
                .map_err(|_| problem(format!("{name:?} is no name of a header; use letters, digits and hyphens")))?;
            if RESERVED_HEADERS.contains(&parsed) {
                return Err(problem(format!("{name:?} is set by the fetch itself; remove it")));
            }
            let mut value = HeaderValue::try_from(value).map_err(|_| {
                problem(format!("the value for {name:?} has a line break or a control character; remove it"))
            })?;
            value.set_sensitive(true);
            headers.append(parsed, value);
        }
        Ok(headers)
    }
}
