//! Settings of the server, and their check at the start.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::admin::Admin;
use super::client::Clients;
use super::connections::{Transport, listen};
use super::router::router;
use super::service::Service;
use super::state::ServerState;
use super::{AuthorizationServer, Client, StartError};
#[cfg(feature = "authorization-server-tls")]
use super::{Certificate, tls};
use crate::jose::Algorithm;
use crate::test_util::{SigningKey, TestIssuer};
use crate::time::{Clock, SystemClock};

/// Settings of an [`AuthorizationServer`]; nothing is checked or opened before [`start`](Self::start).
#[must_use]
#[derive(Debug)]
pub struct AuthorizationServerBuilder {
    clients: Vec<Client>,
    algorithms: Vec<Algorithm>,
    clock: Arc<dyn Clock>,
    port: u16,
    issuer_path: String,
    admin_port: Option<u16>,
    #[cfg(feature = "authorization-server-tls")]
    certificate: Option<Certificate>,
}

impl AuthorizationServerBuilder {
    pub(super) fn new() -> Self {
        Self {
            clients: Vec::new(),
            algorithms: Vec::new(),
            clock: Arc::new(SystemClock::new()),
            port: 0,
            issuer_path: String::new(),
            admin_port: None,
            #[cfg(feature = "authorization-server-tls")]
            certificate: None,
        }
    }

    /// Adds a client. Without one, tokens come only from the [handle](AuthorizationServer::token).
    pub fn client(mut self, client: Client) -> Self {
        self.clients.push(client);
        self
    }

    /// Adds a key for this algorithm. The first signs, the others are published beside it; with none given there is
    /// one key for RS256, which most providers use. An RSA key takes about 100 ms to make.
    pub fn signing_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithms.push(algorithm);
        self
    }

    /// Takes the time of tokens from `clock` instead of the machine's.
    pub fn clock(self, clock: impl Clock + 'static) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// Listens on this port of 127.0.0.1; 0, the default, lets the system choose a free one, so that servers can run
    /// beside each other.
    pub fn port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// Puts a path such as `/tenant` into the issuer URL, as providers with several tenants do; none by default.
    pub fn issuer_path(self, path: impl Into<String>) -> Self {
        Self { issuer_path: path.into(), ..self }
    }

    /// Opens the [admin API](super#admin-api) too, on a free port of 127.0.0.1; there is none by default. Every program
    /// on this machine can then tell the server what to do.
    pub fn admin(self) -> Self {
        self.admin_port(0)
    }

    /// Opens the [admin API](Self::admin) on this port of 127.0.0.1; 0 lets the system choose a free one.
    pub fn admin_port(self, port: u16) -> Self {
        Self { admin_port: Some(port), ..self }
    }

    /// Speaks TLS with this kind of certificate; without it, the server speaks plain HTTP. The issuer URL starts with
    /// `https://127.0.0.1` then. The admin API stays plain.
    ///
    /// ```
    /// use tower_bearer::authorization_server::{AuthorizationServer, Certificate};
    /// use tower_bearer::jose::Algorithm;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let builder = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256);
    /// let server = builder.tls(Certificate::Valid).start().await?;
    ///
    /// let root = reqwest::Certificate::from_pem(server.root_certificate().unwrap_or_default().as_bytes())?;
    /// let trusting = reqwest::Client::builder().tls_certs_merge([root]).build()?;
    /// assert!(trusting.get(server.jwks_uri()).send().await.is_ok());
    /// assert!(reqwest::get(server.jwks_uri()).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "authorization-server-tls")]
    pub fn tls(self, certificate: Certificate) -> Self {
        Self { certificate: Some(certificate), ..self }
    }

    /// Checks the settings, makes the keys and serves in a task of the current tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StartError`] says which setting is wrong and what to do about it, or that the port is not free.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time enabled, as tokio's own types do.
    pub async fn start(self) -> Result<AuthorizationServer, StartError> {
        #[cfg(feature = "authorization-server-tls")]
        let (scheme, transport, root_certificate) = match self.certificate {
            Some(kind) => {
                let (acceptor, root) = tls::acceptor(kind).map_err(StartError::Certificate)?;
                ("https", Transport::Tls(acceptor), root)
            }
            None => ("http", Transport::Plain, None),
        };
        #[cfg(not(feature = "authorization-server-tls"))]
        let (scheme, transport) = ("http", Transport::Plain);

        let Self { clients, algorithms, clock, port, issuer_path, admin_port, .. } = self;
        check_issuer_path(&issuer_path)?;
        let clients = Clients::register(clients)?;

        let (listener, address) = listen(loopback(port)).await?;
        let admin = match admin_port {
            Some(port) => Some(listen(loopback(port)).await?),
            None => None,
        };
        let issuer = make_issuer(format!("{scheme}://{address}{issuer_path}"), &algorithms)?.with_shared_clock(clock);

        let state = Arc::new(ServerState::new(issuer, clients, issuer_path));
        let service = Arc::new(Service::serve(address, listener, router(Arc::clone(&state)), transport));
        let admin = admin.map(|(listener, address)| Admin::serve(Arc::clone(&state), &service, address, listener));
        Ok(AuthorizationServer {
            state,
            service,
            admin,
            #[cfg(feature = "authorization-server-tls")]
            root_certificate,
        })
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Unreserved characters alone (RFC 3986 §2.3), so that the path has one spelling in URLs, in `iss` and in routes.
fn check_issuer_path(path: &str) -> Result<(), StartError> {
    let is_segment = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    let usable = match path.strip_prefix('/') {
        Some(segments) => segments.split('/').all(is_segment),
        None => path.is_empty(),
    };
    if usable { Ok(()) } else { Err(StartError::IssuerPath { path: path.to_owned() }) }
}

fn make_issuer(url: String, algorithms: &[Algorithm]) -> Result<TestIssuer, StartError> {
    let (first, others) = algorithms.split_first().unwrap_or((&Algorithm::RS256, &[]));
    let issuer = TestIssuer::with_algorithm(url, *first)?;
    for algorithm in others {
        issuer.add_key(SigningKey::generate(*algorithm)?);
    }
    Ok(issuer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuer_paths_have_one_spelling() {
        for good in ["", "/tenant", "/a/b", "/a.b-c_d~1", "/..."] {
            assert!(check_issuer_path(good).is_ok(), "{good}");
        }
        for bad in [
            "/", "tenant", "/tenant/", "//a", "/a//b", "/.", "/a/..", "/a b", "/{x}", "/%61", "/a?b", "/a#b", "/\u{e9}",
        ] {
            assert!(check_issuer_path(bad).is_err(), "{bad}");
        }
    }
}
