//! Where the server listens and what it is called, when that is not `127.0.0.1`.

use std::net::{IpAddr, Ipv4Addr};

use url::{Host, Url};

use super::StartError;
use super::paths::is_path;

/// Address and public name. The defaults are on loopback.
#[derive(Debug, Default)]
pub(super) struct Listening {
    /// `None` is `127.0.0.1`.
    pub(super) address: Option<IpAddr>,
    /// `None` is the address with its port and the issuer's path.
    pub(super) issuer: Option<String>,
    /// Whether either may be something other than loopback.
    pub(super) may_leave_loopback: bool,
}

impl Listening {
    pub(super) fn address(&self) -> IpAddr {
        self.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    /// The path of the issuer URL: that of the public name, or the one that was set.
    pub(super) fn issuer_path(&self, set: &str) -> Result<String, StartError> {
        let Some(issuer) = &self.issuer else {
            return Ok(set.to_owned());
        };
        let refused = |problem| StartError::IssuerUrl { url: issuer.clone(), problem };
        let url = parse(issuer).map_err(refused)?;
        let path = url.path().trim_end_matches('/');
        if !set.is_empty() && set != path {
            return Err(refused("has another path than `issuer_path`"));
        }
        Ok(path.to_owned())
    }

    /// Checks that others can reach the server only if that is allowed, and that they then know its name.
    pub(super) fn check(&self) -> Result<(), StartError> {
        let not_loopback = |setting, value: String| StartError::NotLoopback { setting, value };
        let address = self.address();
        if !self.may_leave_loopback {
            if !address.to_canonical().is_loopback() {
                return Err(not_loopback("listen", address.to_string()));
            }
            if let Some(issuer) = self.issuer.as_ref().filter(|issuer| !is_on_loopback(issuer)) {
                return Err(not_loopback("issuer", issuer.clone()));
            }
        }
        if self.issuer.is_none() && address.is_unspecified() {
            return Err(StartError::NoIssuerName { address });
        }
        Ok(())
    }

    /// The names by which clients connect, in a certificate.
    #[cfg(feature = "tls")]
    pub(super) fn names(&self) -> Vec<String> {
        let address = self.address.filter(|address| !address.is_unspecified()).map(|address| address.to_string());
        let url = self.issuer.as_ref().and_then(|issuer| Url::parse(issuer).ok());
        let host = url.as_ref().and_then(Url::host).map(|host| match host {
            // Without the brackets that it has in a URL.
            Host::Ipv6(address) => address.to_string(),
            host => host.to_string(),
        });
        address.into_iter().chain(host).collect()
    }

    /// Whether other machines may reach the server.
    pub(super) fn is_open(&self) -> bool {
        !self.address().to_canonical().is_loopback()
            || self.issuer.as_ref().is_some_and(|issuer| !is_on_loopback(issuer))
    }
}

/// An issuer URL (RFC 8414 §2) in the one spelling that `iss`, metadata and routes share.
fn parse(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "is no URL")?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("is neither `http` nor `https`");
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("has more than scheme, host, port and path");
    }
    let path = url.path().trim_end_matches('/');
    if text.ends_with('/') || !(path.is_empty() || is_path(path)) || url.as_str().trim_end_matches('/') != text {
        return Err("has a slash at its end, a default port, capital letters in its host, or an unusual path");
    }
    Ok(url)
}

fn is_on_loopback(issuer: &str) -> bool {
    let url = Url::parse(issuer);
    match url.as_ref().ok().and_then(Url::host) {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        // RFC 6761 §6.3.
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_have_one_spelling() {
        for good in ["http://as:9000", "https://as.example.com/tenant", "http://[::1]:9000", "http://127.0.0.1"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "as:9000",
            "as.example.com",
            "ftp://as",
            "http://as/",
            "http://as//a",
            "http://as/a/",
            "http://AS",
            "http://as:80",
            "https://as:443",
            "http://as?x",
            "http://as/?",
            "http://as#x",
            "http://u@as",
            "http://u:p@as",
            "http://as/a/../b",
            "http://as/a b",
            "http://as/%61",
            " http://as",
            "http://",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn loopback_has_many_names() {
        for own in
            ["http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]", "https://localhost/t", "http://as.localhost"]
        {
            assert!(is_on_loopback(own), "{own}");
        }
        for other in
            ["http://as", "http://0.0.0.0", "http://[::]", "http://127.0.0.1.example.com", "http://localhost.example"]
        {
            assert!(!is_on_loopback(other), "{other}");
        }
    }
}
