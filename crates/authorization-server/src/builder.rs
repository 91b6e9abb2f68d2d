//! Settings of the server, and their check.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tower_bearer::Scope;
use tower_bearer::jose::Algorithm;
use tower_bearer::time::{Clock, SystemClock, UnixTime};
use tower_bearer_test::{SigningError, SigningKey};

#[cfg(feature = "tls")]
use super::Certificate;
use super::grants::{DeviceSettings, OnRevocation};
use super::listening::Listening;
use super::paths::Paths;
use super::registration::{Clients, Users, demo};
use super::{Client, Endpoint, Fault, StartError, User};

/// Settings of an [`AuthorizationServer`](super::AuthorizationServer); nothing is checked or opened before
/// [`start`](Self::start).
#[must_use]
#[derive(Debug)]
pub struct AuthorizationServerBuilder {
    clients: Vec<Client>,
    /// Of clients that name none.
    audiences: Vec<String>,
    pub(super) users: Vec<User>,
    pub(super) scope_descriptions: BTreeMap<String, String>,
    pub(super) keys: Vec<Key>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) listening: Listening,
    pub(super) port: u16,
    pub(super) paths: Paths,
    pub(super) device_settings: DeviceSettings,
    pub(super) legacy_grants: bool,
    pub(super) faults: BTreeMap<Endpoint, Fault>,
    pub(super) admin_port: Option<u16>,
    pub(super) on_revocation: OnRevocation,
    #[cfg(feature = "tls")]
    pub(super) certificate: Option<Certificate>,
}

#[derive(Debug)]
pub(super) enum Key {
    New(Algorithm),
    Given(SigningKey),
}

impl Key {
    pub(super) fn make(self) -> Result<SigningKey, SigningError> {
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
            audiences: Vec::new(),
            users: Vec::new(),
            scope_descriptions: BTreeMap::new(),
            keys: Vec::new(),
            clock: Arc::new(SystemClock::new()),
            listening: Listening::default(),
            port: 0,
            paths: Paths::default(),
            device_settings: DeviceSettings::default(),
            legacy_grants: false,
            faults: BTreeMap::new(),
            admin_port: None,
            on_revocation: OnRevocation::default(),
            #[cfg(feature = "tls")]
            certificate: None,
        }
    }

    /// Adds a client. Without one, tokens come only from the [handle](super::AuthorizationServer::token).
    pub fn client(mut self, client: Client) -> Self {
        self.clients.push(client);
        self
    }

    /// Adds a user, who can log in when a client with a [redirect URI](Client::redirect_uri) asks for it.
    pub fn user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }

    /// Adds clients and users for a first look where none was given. Their secrets are the same in every copy of this
    /// crate; [`AuthorizationServer::clients`](super::AuthorizationServer::clients) and
    /// [`users`](super::AuthorizationServer::users) show them.
    ///
    /// ```
    /// use tower_bearer_authorization_server::AuthorizationServer;
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

    /// Says what a scope means in words, for the page that asks the user. It has words of its own for `openid`,
    /// `profile`, `email`, `address` and `phone`; of others without a description it shows the scope itself.
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

    /// Adds a key that exists already, in the same order as those of [`signing_algorithm`](Self::signing_algorithm):
    /// tokens by it stay good when another server is started with it.
    pub fn signing_key(mut self, key: SigningKey) -> Self {
        self.keys.push(Key::Given(key));
        self
    }

    /// Takes the time from `clock` instead of the machine's: that of tokens, and that by which codes, sessions, grants
    /// and pushed requests end. Delays of [faults](super::Fault) are by tokio's clock all the same.
    pub fn clock(self, clock: impl Clock + 'static) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// Sets the audiences of tokens for clients that name [none](Client::audience), such as the demo clients. They
    /// replace those set before, such as by a file.
    ///
    /// ```
    /// use tower_bearer_authorization_server::AuthorizationServer;
    /// use tower_bearer::jose::Algorithm;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let builder = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).demo();
    /// let server = builder.audiences(["https://leads.example.com"]).start().await?;
    /// assert_eq!(server.clients()[0].audiences, ["https://leads.example.com"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn audiences<S: Into<String>>(self, audiences: impl IntoIterator<Item = S>) -> Self {
        Self { audiences: audiences.into_iter().map(Into::into).collect(), ..self }
    }

    /// Listens on this port; 0, the default, lets the system choose a free one, so that several servers can run at
    /// once.
    pub fn port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// Listens on this address; `127.0.0.1` by default, because the server is for tests. An address that is not
    /// loopback needs [`dangerously_allow_non_loopback`](Self::dangerously_allow_non_loopback), and `0.0.0.0` and `::`
    /// an [`issuer`](Self::issuer). The admin API stays on `127.0.0.1`.
    pub fn listen(mut self, address: IpAddr) -> Self {
        self.listening.address = Some(address);
        self
    }

    /// Uses this issuer URL in tokens and metadata, and puts the endpoints below it: for a server that is reached by a
    /// name, such as that of its container, or through a proxy. By default the issuer is the address with the port and
    /// the [path](Self::issuer_path).
    ///
    /// It is `http` or `https` with host, port and path, and no slash at its end (RFC 8414 §2). The path is where the
    /// endpoints are on this server, too: a proxy must not remove it. A host that is not loopback needs
    /// [`dangerously_allow_non_loopback`](Self::dangerously_allow_non_loopback).
    ///
    /// ```
    /// use tower_bearer_authorization_server::AuthorizationServer;
    /// use tower_bearer::jose::Algorithm;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let builder = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256);
    /// let server = builder.issuer("http://as.localhost:9000/tenant").start().await?;
    /// assert_eq!(server.jwks_uri(), "http://as.localhost:9000/tenant/jwks");
    /// assert!(reqwest::get(format!("http://{}/tenant/jwks", server.address())).await?.status().is_success());
    /// # Ok(())
    /// # }
    /// ```
    pub fn issuer(mut self, url: impl Into<String>) -> Self {
        self.listening.issuer = Some(url.into());
        self
    }

    /// **Dangerous:** allows [`listen`](Self::listen) and [`issuer`](Self::issuer) to let other machines reach this
    /// server, which gives tokens to everyone who knows the secrets in its configuration, or those of the
    /// [demo clients](Self::demo). For a network of containers, or one that only your tests can reach.
    pub fn dangerously_allow_non_loopback(mut self) -> Self {
        self.listening.may_leave_loopback = true;
        self
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

    /// How long a [device](Client::device) has to wait from one question to the next, in whole seconds, a fraction
    /// dropped; five by default, as RFC 8628 says. Zero makes tests of real clients fast.
    pub fn device_poll_interval(mut self, interval: Duration) -> Self {
        self.device_settings.interval = Duration::from_secs(interval.as_secs());
        self
    }

    /// **Dangerous, and for one purpose: to test a migration away from them.** Lets every client use two grants that
    /// RFC 9700 forbids, and OAuth 2.1 does not have any more:
    ///
    /// - `password` (RFC 6749 §4.3): users tell the client their passwords, and learn to tell them to anybody who asks,
    /// - implicit, `response_type=token` (§4.2): access tokens go through the address bar, into histories, logs and
    ///   `Referer`, and nothing ties them to the client that asked. No refresh token comes with them.
    ///
    /// Without this, and by default, they are `unsupported_grant_type` and `unsupported_response_type`, whatever a
    /// request says.
    ///
    /// ```
    /// use tower_bearer_authorization_server::AuthorizationServer;
    /// use tower_bearer::jose::Algorithm;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let builder = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).demo();
    /// let server = builder.dangerously_enable_legacy_grants().start().await?;
    /// let grant = [("grant_type", "password"), ("username", "alice"), ("password", "wonderland")];
    /// let request = reqwest::Client::new().post(server.token_endpoint()).form(&grant);
    /// let answer = request.basic_auth("demo-web", Some("demo-web-secret")).send().await?;
    /// assert_eq!(answer.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    pub fn dangerously_enable_legacy_grants(self) -> Self {
        Self { legacy_grants: true, ..self }
    }

    /// Makes an endpoint misbehave from the start, until [`behave`](super::AuthorizationServer::behave) is called; see
    /// [`AuthorizationServer::misbehave`](super::AuthorizationServer::misbehave).
    pub fn misbehave(mut self, endpoint: Endpoint, fault: Fault) -> Self {
        self.faults.insert(endpoint, fault);
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
    /// use tower_bearer_authorization_server::{AuthorizationServer, Certificate};
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
    #[cfg(feature = "tls")]
    pub fn tls(self, certificate: Certificate) -> Self {
        Self { certificate: Some(certificate), ..self }
    }

    /// Checks each setting that a file can have. Whether they suffice together shows at the start, when all are there.
    pub(super) fn register(&self) -> Result<(Clients, Users), StartError> {
        self.listening.issuer_path(&self.paths.issuer)?;
        self.paths.check()?;
        if let Some(scope) = self.scope_descriptions.keys().find(|scope| !Scope::is_token(scope)) {
            return Err(StartError::ScopeDescription { scope: scope.clone() });
        }
        if self.device_settings.lifetime < Duration::from_secs(1) {
            return Err(StartError::ShortDeviceCodeLifetime);
        }
        for (endpoint, fault) in &self.faults {
            fault.check(*endpoint).map_err(|source| StartError::Fault { endpoint: *endpoint, source })?;
        }
        let now = self.clock.now().unwrap_or(UnixTime::from_secs(0));
        let clients = Clients::register(self.clients(), self.legacy_grants, now)?;
        Ok((clients, Users::register(self.users.clone())?))
    }

    /// The clients, each with the audiences of its tokens.
    pub(super) fn clients(&self) -> Vec<Client> {
        let with_audiences = |client: &Client| client.clone().with_default_audiences(&self.audiences);
        self.clients.iter().map(with_audiences).map(demo::with_default_audience).collect()
    }
}
