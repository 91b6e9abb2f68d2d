//! The HTTP clients of one resource server: what the application can configure, and what it cannot.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::address_guard::AddressGuard;
use super::http_client::{HttpClient, describe};
use super::witness::WitnessLayer;
use crate::config_error::ConfigError;

/// What the application does to the client before its bounds are set.
pub(crate) type ConfigureClient = dyn Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + Sync;

/// The client that the issuers of one resource server share if they have the same settings: making one takes
/// milliseconds and a hundred kilobytes, and a resolver may return a thousand issuers.
#[derive(Default)]
pub(crate) struct HttpClients(Mutex<Option<(ClientSettings, reqwest::Client)>>);

/// The application's settings for the client. Issuers with the same settings share one.
#[derive(Clone)]
pub(crate) struct ClientSettings {
    /// `None` for a client without changes.
    pub(crate) configure: Option<Arc<ConfigureClient>>,
    pub(crate) connect_timeout: Duration,
    pub(crate) fetch_timeout: Duration,
    pub(crate) guard: AddressGuard,
}

impl HttpClients {
    /// The client of the last call if that had the same settings, or a new one.
    pub(crate) fn get(&self, settings: ClientSettings) -> Result<HttpClient, ConfigError> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ClientSettings { connect_timeout, fetch_timeout, ref guard, .. } = settings;
        let guard = guard.clone();
        let client = match &*last {
            Some((same, client)) if *same == settings => client.clone(),
            _ => {
                let client = settings.build()?;
                *last = Some((settings, client.clone()));
                client
            }
        };
        Ok(HttpClient::new(client, guard, connect_timeout, fetch_timeout))
    }
}

impl ClientSettings {
    /// The application's changes come in between: it may change who is trusted and how the provider is reached, not
    /// what keeps a fetch within bounds.
    fn build(&self) -> Result<reqwest::Client, ConfigError> {
        let defaults =
            reqwest::Client::builder().no_proxy().user_agent(concat!("tower-bearer/", env!("CARGO_PKG_VERSION")));
        let configured = match &self.configure {
            Some(configure) => configure(defaults),
            None => defaults,
        };
        let mut builder = configured
            .connect_timeout(self.connect_timeout)
            .timeout(self.fetch_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // Another crate in the application may have enabled these: Cargo unifies features.
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd();
        if !self.guard.is_off() {
            builder = builder.no_proxy().dns_resolver(self.guard.clone()).connector_layer(WitnessLayer);
        }
        builder.build().map_err(|error| {
            let problem = format!(
                "the HTTP client for keys cannot be built ({}); a machine without root certificates needs the package \
                 `ca-certificates`, or a root from `.http_client(|client| client.tls_certs_only([root]))`",
                describe(&error)
            );
            ConfigError::new("http_client", problem)
        })
    }
}

impl PartialEq for ClientSettings {
    fn eq(&self, other: &Self) -> bool {
        let configure = match (&self.configure, &other.configure) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
            _ => false,
        };
        configure
            && (self.connect_timeout, self.fetch_timeout) == (other.connect_timeout, other.fetch_timeout)
            && self.guard == other.guard
    }
}

impl fmt::Debug for HttpClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClients").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn issuers_that_ask_for_the_same_client_share_it() {
        let built = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&built);
        let configure: Arc<ConfigureClient> = Arc::new(move |client| {
            count.fetch_add(1, Ordering::SeqCst);
            client
        });
        let settings = |seconds, networks: &[&str]| ClientSettings {
            configure: Some(Arc::clone(&configure)),
            connect_timeout: Duration::from_secs(seconds),
            fetch_timeout: Duration::from_secs(5),
            guard: AddressGuard::new(&networks.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap(),
        };
        let clients = HttpClients::default();
        for (asked, expected) in [
            (settings(2, &[]), 1),
            (settings(2, &[]), 1),
            (settings(3, &[]), 2),
            (settings(3, &["10.0.0.0/8"]), 3),
            (settings(3, &["10.0.0.0/8"]), 3),
            (ClientSettings { configure: None, ..settings(3, &["10.0.0.0/8"]) }, 3),
            (settings(3, &["10.0.0.0/8"]), 4),
        ] {
            assert!(clients.get(asked).is_ok());
            assert_eq!(built.load(Ordering::SeqCst), expected);
        }
    }
}
