//! From settings to a server, or to several on one port.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tower_bearer::jose::Algorithm;
use tower_bearer_test::TestIssuer;

use super::admin::Admin;
use super::builder::Key;
use super::connections::{Transport, listen};
use super::registration::{ClientSummary, Clients, UserSummary, Users};
use super::router::router;
use super::service::Service;
use super::state::{Registered, ServerState};
#[cfg(feature = "tls")]
use super::tls;
use super::{AuthorizationServer, AuthorizationServerBuilder, StartError};

impl AuthorizationServerBuilder {
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
        let issuer = Checked::check(self)?;
        let place = Place::open(&issuer.settings).await?;
        let issuer = issuer.bind(&place).await?;
        let served = place.serve([&issuer])?;
        Ok(issuer.handle(&served))
    }

    /// Starts several issuers on one port, told apart by their [paths](Self::issuer_path) as the tenants of many
    /// providers are. Each has its own clients, users, keys, grants, faults and counters: what one issues is nothing to
    /// the others.
    ///
    /// Port and TLS are those of the first one, and so is their end: when one handle stops the server, all are stopped,
    /// and it runs until all handles are dropped.
    ///
    /// ```
    /// use tower_bearer_authorization_server::{AuthorizationServer, AuthorizationServerBuilder, Client};
    /// use tower_bearer::jose::Algorithm;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let tenant = |path: &str| {
    ///     let client = Client::new("app", "s3cret").audience("https://api.example.com");
    ///     AuthorizationServer::builder().issuer_path(path).client(client).signing_algorithm(Algorithm::ES256)
    /// };
    /// let tenants = [tenant("/tenants/a"), tenant("/tenants/b")];
    /// let servers = AuthorizationServerBuilder::start_together(tenants).await?;
    /// let issuers: Vec<_> = servers.iter().map(AuthorizationServer::issuer).collect();
    /// let root = format!("http://{}", servers[0].address());
    /// assert_eq!(issuers, [format!("{root}/tenants/a"), format!("{root}/tenants/b")]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), and when two of them would be at one path, or one of them wants another port or
    /// certificate than the first.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    pub async fn start_together(
        issuers: impl IntoIterator<Item = Self>,
    ) -> Result<Vec<AuthorizationServer>, StartError> {
        let checked = issuers.into_iter().map(Checked::check).collect::<Result<Vec<_>, _>>()?;
        let Some(first) = checked.first() else {
            return Ok(Vec::new());
        };
        if let Some(other) = checked.iter().find(|other| !first.may_share_its_place(other)) {
            return Err(StartError::OtherPlace { issuer_path: other.settings.paths.issuer.clone() });
        }
        let place = Place::open(&first.settings).await?;
        let mut issuers = Vec::new();
        for issuer in checked {
            issuers.push(issuer.bind(&place).await?);
        }
        let served = place.serve(&issuers)?;
        Ok(issuers.into_iter().map(|issuer| issuer.handle(&served)).collect())
    }
}

/// Settings that make sense, and who is registered by them.
struct Checked {
    settings: AuthorizationServerBuilder,
    clients: Clients,
    users: Users,
}

impl Checked {
    fn check(settings: AuthorizationServerBuilder) -> Result<Self, StartError> {
        let (clients, users) = settings.register()?;
        settings.listening.check()?;
        if let Some(client) = clients.iter().find(|client| users.is_empty() && client.acts_for_users()) {
            return Err(StartError::NoUser { client_id: client.id.clone() });
        }
        if settings.listening.is_open() {
            tracing::warn!("other machines may reach this server, which is for tests: it gives them any token");
        }
        if settings.legacy_grants {
            tracing::warn!("the grants password and implicit are switched on, which are for tests of a migration only");
        }
        Ok(Self { settings, clients, users })
    }

    /// Whether the other one sets no address, port or certificate, or the same ones.
    fn may_share_its_place(&self, other: &Self) -> bool {
        let (own, other) = (&self.settings, &other.settings);
        #[cfg(feature = "tls")]
        if other.certificate.is_some() && other.certificate != own.certificate {
            return false;
        }
        let is_same_address = other.listening.address.is_none_or(|address| address == own.listening.address());
        is_same_address && (other.port == 0 || other.port == own.port)
    }

    /// The issuer at this place.
    async fn bind(self, place: &Place) -> Result<Bound, StartError> {
        let Self { settings, clients, users } = self;
        let client_summaries = settings.clients().iter().map(ClientSummary::of).collect();
        let user_summaries = settings.users.iter().map(UserSummary::of).collect();
        let AuthorizationServerBuilder {
            scope_descriptions,
            keys,
            clock,
            listening,
            mut paths,
            device_settings,
            faults,
            admin_port,
            on_revocation,
            ..
        } = settings;
        paths.issuer = listening.issuer_path(&paths.issuer)?;
        let registered = Registered {
            clients,
            users,
            scope_descriptions,
            client_summaries,
            user_summaries,
            device_settings,
            on_revocation,
        };
        let admin = match admin_port {
            Some(port) => Some(listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?),
            None => None,
        };
        let own_name = || format!("{}://{}{}", place.scheme, place.address, paths.issuer);
        let url = listening.issuer.unwrap_or_else(own_name);
        let issuer = make_issuer(url, keys)?.with_clock(clock);
        let state = ServerState::new(issuer, registered, paths, place.address.port());
        for (endpoint, fault) in faults {
            state.faults.set(endpoint, fault).map_err(|source| StartError::Fault { endpoint, source })?;
        }
        Ok(Bound { state: Arc::new(state), admin })
    }
}

/// An issuer that is not served yet.
struct Bound {
    state: Arc<ServerState>,
    /// Where its admin API will be.
    admin: Option<(TcpListener, SocketAddr)>,
}

impl Bound {
    fn handle(self, served: &Served) -> AuthorizationServer {
        let Self { state, admin } = self;
        let service = Arc::clone(&served.service);
        let admin = admin.map(|(listener, address)| Admin::serve(Arc::clone(&state), &service, address, listener));
        AuthorizationServer {
            state,
            service,
            admin,
            #[cfg(feature = "tls")]
            root_certificate: served.root_certificate.clone(),
        }
    }
}

/// A port that is ours.
struct Place {
    listener: TcpListener,
    address: SocketAddr,
    scheme: &'static str,
    transport: Transport,
    #[cfg(feature = "tls")]
    root_certificate: Option<String>,
}

/// What is on it.
struct Served {
    service: Arc<Service>,
    #[cfg(feature = "tls")]
    root_certificate: Option<String>,
}

impl Place {
    async fn open(settings: &AuthorizationServerBuilder) -> Result<Self, StartError> {
        #[cfg(feature = "tls")]
        let (scheme, transport, root_certificate) = match settings.certificate {
            Some(kind) => {
                let (acceptor, root) =
                    tls::acceptor(kind, settings.listening.names()).map_err(StartError::Certificate)?;
                ("https", Transport::Tls(acceptor), root)
            }
            None => ("http", Transport::Plain, None),
        };
        #[cfg(not(feature = "tls"))]
        let (scheme, transport) = ("http", Transport::Plain);

        let (listener, address) = listen(SocketAddr::new(settings.listening.address(), settings.port)).await?;
        Ok(Self {
            listener,
            address,
            scheme,
            transport,
            #[cfg(feature = "tls")]
            root_certificate,
        })
    }

    fn serve<'a>(self, issuers: impl IntoIterator<Item = &'a Bound>) -> Result<Served, StartError> {
        let router = router(issuers.into_iter().map(|issuer| &issuer.state))?;
        Ok(Served {
            service: Arc::new(Service::serve(self.address, self.listener, router, self.transport)),
            #[cfg(feature = "tls")]
            root_certificate: self.root_certificate,
        })
    }
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
