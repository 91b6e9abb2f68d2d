//! The server that the replicas share, as it is configured.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config_error::RedisConfigError;
use crate::failure::ServerFailure;
use crate::secret::Password;
use crate::server_url::{Place, ServerUrl};
use crate::tls::TlsFiles;

/// A Redis or Valkey server, version 6.2 or later, and how to connect to it.
///
/// ```
/// use tower_bearer_redis::RedisServer;
///
/// let server = RedisServer::at("rediss://redis.internal:6380")
///     .user("leads-api")
///     .password_file("/run/secrets/redis")
///     .certificate_authorities_file("/etc/ssl/redis-ca.pem");
/// # let _ = server;
/// ```
#[derive(Clone, Debug)]
#[must_use = "a server is only connected to by what shares its state there"]
pub struct RedisServer {
    url: Result<ServerUrl, RedisConfigError>,
    user: Option<String>,
    password: Option<Password>,
    tls: TlsFiles,
    is_plain_text_allowed: bool,
}

/// A server whose settings fit together.
#[derive(Clone, Debug)]
pub(crate) struct CheckedServer {
    pub(crate) url: ServerUrl,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Password>,
    pub(crate) tls: TlsFiles,
}

impl RedisServer {
    /// The server at this URL: `rediss://host:port/database` with TLS, `redis://` without, `unix:///path` for a socket of
    /// this machine. `valkeys` and `valkey` are the same as `rediss` and `redis`. User and password can be in it;
    /// [`password_file`](Self::password_file) keeps them out of the configuration.
    ///
    /// It must be the primary: a replica may lag behind, and then what was revoked would be unknown.
    pub fn at(url: &str) -> Self {
        let mut url = ServerUrl::parse(url);
        let (user, password) = match &mut url {
            Ok(url) => (url.user.take(), url.password.take()),
            Err(_) => (None, None),
        };
        Self {
            url,
            user,
            password: password.map(|password| Password::Text(Arc::from(password))),
            tls: TlsFiles::default(),
            is_plain_text_allowed: false,
        }
    }

    /// The user of the server's ACL. Default: the one in the URL, or else the server's `default`.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// The password.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(Password::Text(Arc::from(password.into())));
        self
    }

    /// The password in this file, without a line break at its end. It is read for each connection, so that a rotated
    /// password is used without a restart; while it cannot be read, the last one is used.
    pub fn password_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.password = Some(Password::file(path.into()));
        self
    }

    /// The authorities, in PEM, one of which must have issued the server's certificate. Default: those that the system
    /// trusts. The file is read for each connection.
    pub fn certificate_authorities_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls.authorities = Some(path.into());
        self
    }

    /// Our certificate with its chain, and its key, in PEM, for a server that asks for one, as Redis does unless
    /// `tls-auth-clients` is `no`. The files are read for each connection.
    pub fn client_certificate_files(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls.identity = Some((certificate.into(), key.into()));
        self
    }

    /// Allows `redis://` to another machine. Others in that network can then read the password, and can hide what was
    /// revoked. Without this, only `rediss://`, loopback addresses and sockets are accepted.
    pub fn dangerously_without_tls(mut self) -> Self {
        self.is_plain_text_allowed = true;
        self
    }

    pub(crate) fn checked(self) -> Result<CheckedServer, RedisConfigError> {
        let Self { url, user, password, tls, is_plain_text_allowed } = self;
        let url = url?;
        if url.is_plain_text_on_a_network() && !is_plain_text_allowed {
            let problem = "`redis://` sends passwords and the list in plain text; use `rediss://`, or allow it with \
                           `.dangerously_without_tls()`";
            return Err(RedisConfigError::new("url", problem));
        }
        if user.is_some() && password.is_none() {
            let problem = "a user needs a password; set `.password_file(..)`";
            return Err(RedisConfigError::new("user", problem));
        }
        let uses_tls = matches!(url.place, Place::Tcp { tls: true, .. });
        if !uses_tls && tls.authorities.is_some() {
            return Err(without_tls("certificate_authorities_file"));
        }
        if !uses_tls && tls.identity.is_some() {
            return Err(without_tls("client_certificate_files"));
        }
        if uses_tls {
            tls.connector().map_err(|failure| file_error("certificate_authorities_file", &failure))?;
        }
        if let Some(password) = &password {
            password.read().map_err(|failure| file_error("password_file", &failure))?;
        }
        Ok(CheckedServer { url, user, password, tls })
    }
}

fn without_tls(setting: &'static str) -> RedisConfigError {
    RedisConfigError::new(setting, "this connection has no TLS; use a `rediss://` URL")
}

fn file_error(setting: &'static str, failure: &ServerFailure) -> RedisConfigError {
    RedisConfigError::new(setting, failure.to_string())
}
