//! Settings of the server, and their check at the start.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::admin::Admin;
use super::connections::{Transport, listen};
use super::grants::DeviceSettings;
use super::paths::Paths;
use super::registration::{ClientSummary, Clients, UserSummary, Users, demo};
use super::router::router;
use super::service::Service;
use super::state::{Registered, ServerState};
use super::{AuthorizationServer, Client, StartError, User};
#[cfg(feature = "authorization-server-tls")]
use super::{Certificate, tls};
use crate::jose::Algorithm;
use crate::scope::is_scope_token;
use crate::test_util::{SigningError, SigningKey, TestIssuer};
use crate::time::{Clock, SystemClock};

/// Settings of an [`AuthorizationServer`]; nothing is checked or opened before [`start`](Self::start).
#[must_use]
#[derive(Debug)]
pub struct AuthorizationServerBuilder {
    clients: Vec<Client>,
    users: Vec<User>,
    scope_descriptions: BTreeMap<String, String>,
    keys: Vec<Key>,
    clock: Arc<dyn Clock>,
    port: u16,
    paths: Paths,
    device_settings: DeviceSettings,
    admin_port: Option<u16>,
    #[cfg(feature = "authorization-server-tls")]
    certificate: Option<Certificate>,
}

#[derive(Debug)]
enum Key {
    New(Algorithm),
    Given(SigningKey),
}

impl Key {
    fn make(self) -> Result<SigningKey, SigningError> {
        match self {
            Self::New(algorithm) => SigningKey::generate(algorithm),
            Self::Given(key) => Ok(key),
        }
    }
}

impl AuthorizationServerBuilder {
    pub(super) fn new() -> Self {
        Self {
            clients: Vec::new(),
            users: Vec::new(),
            scope_descriptions: BTreeMap::new(),
            keys: Vec::new(),
            clock: Arc::new(SystemClock::new()),
            port: 0,
            paths: Paths::default(),
            device_settings: DeviceSettings::default(),
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

    /// Adds a user, who can log in when a client with a [redirect URI](Client::redirect_uri) asks for it.
    pub fn user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }

    /// Adds clients and users for a first look where none was given. Their secrets are the same in every copy of this crate;
    /// [`AuthorizationServer::clients`] and [`users`](AuthorizationServer::users) show them.
    ///
    /// ```
    /// use tower_bearer::authorization_server::AuthorizationServer;
    /// use tower_bearer::jose::Algorithm;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).demo().start().await?;
    /// let client = server.clients().first().ok_or("no client")?;
    /// assert_eq!((client.id.as_str(), client.demo_secret.as_deref()), ("demo-ci", Some("demo-ci-secret")));
    /// assert_eq!(server.users().len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn demo(mut self) -> Self {
        if self.clients.is_empty() {
            self.clients = demo::clients();
            for (scope, description) in demo::SCOPES {
                self.scope_descriptions.entry(scope.to_owned()).or_insert_with(|| description.to_owned());
            }
        }
        if self.users.is_empty() {
            self.users = demo::users();
        }
        self
    }

    /// Says what a scope means in words, for the page that asks the user; without it the page shows the scope itself.
    pub fn scope_description(mut self, scope: impl Into<String>, description: impl Into<String>) -> Self {
        self.scope_descriptions.insert(scope.into(), description.into());
        self
    }

    /// Adds a key for this algorithm. The first signs, the others are published beside it; with none given there is
    /// one key for RS256, which most providers use. An RSA key takes about 100 ms to make.
    pub fn signing_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.keys.push(Key::New(algorithm));
        self
    }

    /// Adds a key that exists already, in the same order as those of [`signing_algorithm`](Self::signing_algorithm): tokens
    /// by it stay good when another server is started with it.
    pub fn signing_key(mut self, key: SigningKey) -> Self {
        self.keys.push(Key::Given(key));
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
    pub fn issuer_path(mut self, path: impl Into<String>) -> Self {
        self.paths.issuer = path.into();
        self
    }

    /// Puts the authorization endpoint at this path below the issuer URL, such as `/oauth2/authorize`; `/authorize` by
    /// default.
    pub fn authorize_path(mut self, path: impl Into<String>) -> Self {
        self.paths.authorize = path.into();
        self
    }

    /// Puts the token endpoint at this path below the issuer URL, such as `/oauth2/token`; `/token` by default.
    pub fn token_path(mut self, path: impl Into<String>) -> Self {
        self.paths.token = path.into();
        self
    }

    /// How long the codes of [devices](Client::device) live; ten minutes by default.
    pub fn device_code_lifetime(mut self, lifetime: Duration) -> Self {
        self.device_settings.lifetime = lifetime;
        self
    }

    /// How long a [device](Client::device) has to wait from one question to the next, in whole seconds; five by default, as
    /// RFC 8628 says. Zero makes tests of real clients fast.
    pub fn device_poll_interval(mut self, interval: Duration) -> Self {
        self.device_settings.interval = Duration::from_secs(interval.as_secs());
        self
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

        let (clients, users) = self.register()?;
        if let Some(client) = clients.iter().find(|client| users.is_empty() && client.acts_for_users()) {
            return Err(StartError::NoUser { client_id: client.id.clone() });
        }
        let client_summaries = self.clients.iter().map(ClientSummary::of).collect();
        let user_summaries = self.users.iter().map(UserSummary::of).collect();
        let Self { scope_descriptions, keys, clock, port, paths, device_settings, admin_port, .. } = self;
        let registered =
            Registered { clients, users, scope_descriptions, client_summaries, user_summaries, device_settings };

        let (listener, address) = listen(loopback(port)).await?;
        let admin = match admin_port {
            Some(port) => Some(listen(loopback(port)).await?),
            None => None,
        };
        let issuer = make_issuer(format!("{scheme}://{address}{}", paths.issuer), keys)?.with_shared_clock(clock);

        let state = Arc::new(ServerState::new(issuer, registered, paths, address.port()));
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

    /// Checks each setting that a file can have. Whether they suffice together shows at the start, when all are there.
    pub(super) fn register(&self) -> Result<(Clients, Users), StartError> {
        self.paths.check()?;
        if let Some(scope) = self.scope_descriptions.keys().find(|scope| !is_scope_token(scope)) {
            return Err(StartError::ScopeDescription { scope: scope.clone() });
        }
        Ok((Clients::register(self.clients.clone())?, Users::register(self.users.clone())?))
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn make_issuer(url: String, keys: Vec<Key>) -> Result<TestIssuer, StartError> {
    let mut keys = keys.into_iter().map(Key::make);
    let first = keys.next().unwrap_or_else(|| Key::New(Algorithm::RS256).make())?;
    let issuer = TestIssuer::with_key(url, first);
    for key in keys {
        issuer.add_key(key?);
    }
    Ok(issuer)
}
