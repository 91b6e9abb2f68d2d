//! The server's URL, taken apart, so that its password is in one place.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::config_error::RedisConfigError;

const DEFAULT_PORT: u16 = 6379;

/// A parsed URL. Its `Debug` and `Display` show neither user nor password.
#[derive(Clone)]
pub(crate) struct ServerUrl {
    pub(crate) place: Place,
    pub(crate) database: i64,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    Tcp { host: String, port: u16, tls: bool },
    Unix(PathBuf),
}

impl ServerUrl {
    /// No error repeats the URL: it may contain a password.
    pub(crate) fn parse(text: &str) -> Result<Self, RedisConfigError> {
        let url = Url::parse(text).map_err(|error| invalid(format!("this is not a URL: {error}")))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("a query or fragment is not supported; use the settings of `RedisServer`"));
        }
        let user = decoded(url.username())?;
        let (user, password) = (Some(user).filter(|user| !user.is_empty()), url.password().map(decoded).transpose()?);
        let (place, database) = match url.scheme() {
            "redis" | "valkey" => (Place::tcp(&url, false)?, database(&url)?),
            "rediss" | "valkeys" => (Place::tcp(&url, true)?, database(&url)?),
            "unix" | "redis+unix" | "valkey+unix" => (Place::Unix(decoded(url.path())?.into()), 0),
            scheme => {
                let problem = format!("the scheme {scheme:?} is none of rediss, redis, valkeys, valkey and unix");
                return Err(invalid(problem));
            }
        };
        Ok(Self { place, database, user, password })
    }

    /// Whether what is sent leaves this machine in plain text.
    pub(crate) fn is_plain_text_on_a_network(&self) -> bool {
        match &self.place {
            Place::Unix(_) | Place::Tcp { tls: true, .. } => false,
            Place::Tcp { host, .. } => {
                let is_loopback_address = host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
                !is_loopback_address && !host.eq_ignore_ascii_case("localhost")
            }
        }
    }
}

impl Place {
    fn tcp(url: &Url, tls: bool) -> Result<Self, RedisConfigError> {
        let host = match url.host() {
            Some(Host::Domain(name)) => decoded(name)?,
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => String::new(),
        };
        if host.is_empty() {
            return Err(invalid("it has no host; write rediss://redis.example.com:6379"));
        }
        Ok(Self::Tcp { host, port: url.port().unwrap_or(DEFAULT_PORT), tls })
    }
}

fn database(url: &Url) -> Result<i64, RedisConfigError> {
    match url.path().trim_matches('/') {
        "" => Ok(0),
        number => match number.parse() {
            Ok(number @ 0..) => Ok(number),
            _ => Err(invalid("its path is not the number of a database")),
        },
    }
}

fn decoded(text: &str) -> Result<String, RedisConfigError> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(String::from).map_err(|_| invalid("its percent-encoding is not UTF-8"))
}

fn invalid(problem: impl Into<std::borrow::Cow<'static, str>>) -> RedisConfigError {
    RedisConfigError::new("url", problem)
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp { host, port, tls } => {
                let scheme = if *tls { "rediss" } else { "redis" };
                let bracket = if host.contains(':') { ["[", "]"] } else { ["", ""] };
                write!(f, "{scheme}://{}{host}{}:{port}", bracket[0], bracket[1])?;
                if self.database == 0 { Ok(()) } else { write!(f, "/{}", self.database) }
            }
            Place::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}
