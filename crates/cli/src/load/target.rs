//! Where requests go, and that it may be tested at all.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use bytes::Bytes;
use http::Uri;
use tokio_rustls::rustls::pki_types::ServerName;
use url::Url;

use super::connect::Connector;
use crate::outcome::Failure;

/// A server, and how to speak to it.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) connector: Connector,
    pub(super) uri: Uri,
    pub(super) is_http2: bool,
    /// Started by this command, so that what it says about its refusals is believed.
    pub(super) is_own_api: bool,
}

impl Target {
    /// # Errors
    ///
    /// When the URL is not one of HTTP, its host is not known, or is not this machine and `may_be_remote` is not set.
    pub(super) fn new(url: &Url, is_http2: bool, may_be_remote: bool) -> Result<Self, Failure> {
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
            return Err(Failure::Usage("--url must start with http:// or https://, without credentials".to_owned()));
        }
        let addresses = addresses(url)?;
        if !may_be_remote && let Some(remote) = addresses.iter().find(|address| !is_loopback(address.ip())) {
            return Err(Failure::Usage(format!(
                "{} is {}, which is not this machine; a load test of a server that is not yours is an attack. If it is \
                 yours, say so with --i-own-this-server",
                url.host_str().unwrap_or_default(),
                remote.ip(),
            )));
        }
        let address = *addresses.first().ok_or_else(|| Failure::run(url, "the host has no address"))?;
        let tls = (url.scheme() == "https").then(|| server_name(url)).transpose()?;
        let connector = Connector::new(address, tls, is_http2).map_err(|error| Failure::run("TLS", error))?;
        // A fragment stays with the client (RFC 9110 §7.1).
        let mut sent = url.clone();
        sent.set_fragment(None);
        let uri = sent.as_str().parse().map_err(|error| Failure::run(url, error))?;
        Ok(Self { connector, uri, is_http2, is_own_api: false })
    }

    /// The request with this token, as it is handed to a connection: over HTTP/1.1 all of it, over HTTP/2 the value of
    /// `Authorization`.
    pub(super) fn request(&self, token: &str) -> Bytes {
        if self.is_http2 {
            return format!("Bearer {token}").into();
        }
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let host = self.uri.authority().map_or("", |authority| authority.as_str());
        format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n").into()
    }
}

/// Every address that the host has: one that is not checked could be the one that is used.
pub(super) fn addresses(url: &Url) -> Result<Vec<SocketAddr>, Failure> {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().unwrap_or_default();
    let found = (host, port).to_socket_addrs().map_err(|error| Failure::run(host, error))?;
    Ok(found.collect())
}

/// Whether it stays on this machine, in whichever form it is written (RFC 4291 §2.5.5.2).
pub(super) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn server_name(url: &Url) -> Result<ServerName<'static>, Failure> {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned()).map_err(|error| Failure::run(host, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> Option<Failure> {
        Target::new(&url.parse().unwrap(), false, false).err()
    }

    #[test]
    fn only_this_machine_is_a_target() {
        for url in ["http://127.0.0.1:1/", "http://127.9.9.9:1/", "http://[::1]:1/", "http://[::ffff:127.0.0.1]:1/"] {
            assert!(refusal(url).is_none(), "{url}");
        }
        for url in [
            "http://192.0.2.1/",
            "http://10.0.0.1/",
            "http://0.0.0.0/",
            "http://[::]/",
            "http://[::ffff:192.0.2.1]/",
            "http://[2001:db8::1]/",
            // Decimal for 192.0.2.1.
            "http://3221225985/",
        ] {
            assert!(matches!(refusal(url), Some(Failure::Usage(_))), "{url}");
            assert!(Target::new(&url.parse().unwrap(), false, true).is_ok(), "{url}");
        }
    }

    #[test]
    fn urls_of_something_else_are_refused() {
        for url in ["ftp://127.0.0.1/", "http://user:password@127.0.0.1/", "file:///etc/passwd"] {
            let Some(Failure::Usage(text)) = refusal(url) else { panic!("{url}") };
            assert!(!text.contains("password"), "{text}");
        }
    }

    #[test]
    fn requests_are_what_rfc_9112_says() {
        let target = Target::new(&"http://127.0.0.1:81/a%20b?c=d#e".parse().unwrap(), false, false).unwrap();
        let request = target.request("T");
        assert_eq!(request, "GET /a%20b?c=d HTTP/1.1\r\nhost: 127.0.0.1:81\r\nauthorization: Bearer T\r\n\r\n");
    }
}
