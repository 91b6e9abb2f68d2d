//! Which URLs may name an issuer and its keys.

#[cfg(feature = "remote-keys")]
use std::sync::Arc;

use url::{Host, Url};

use crate::error::ConfigError;

/// RFC 8414 §2: an HTTPS URL without query and fragment.
pub(crate) fn check_issuer(shown: &str, allows_http: bool) -> Result<Url, ConfigError> {
    if shown.is_empty() {
        return Err(ConfigError::new("issuer", "the URL is empty; write it as in the tokens' `iss`"));
    }
    if let Some((issuer, _)) = shown.split_once("/.well-known/") {
        let problem =
            format!("{shown:?} is the address of metadata; write the issuer that it names, such as {issuer:?}");
        return Err(ConfigError::new("issuer", problem));
    }
    // The parser drops such characters; tokens then never match.
    if shown.chars().any(|character| character.is_whitespace() || character.is_control()) {
        let problem = format!("{shown:?} has a space or a line break; write it as in the tokens' `iss`");
        return Err(ConfigError::new("issuer", problem));
    }
    let url = Url::parse(shown).map_err(|error| {
        ConfigError::new("issuer", format!("{shown:?} is not a URL ({error}); write it as in the tokens' `iss`"))
    })?;
    check_user_information("issuer", &url)?;
    check_scheme("issuer", shown, &url, allows_http)?;
    let problem = if url.query().is_some() {
        "has a query"
    } else if url.fragment().is_some() {
        "has a fragment"
    } else {
        return Ok(url);
    };
    Err(ConfigError::new("issuer", format!("{shown:?} {problem}, which no issuer may have; remove it")))
}

/// The address of a JWK Set or of metadata, as this setting gives it.
#[cfg(feature = "remote-keys")]
pub(crate) fn check_fetched(setting: &'static str, shown: &str, allows_http: bool) -> Result<Url, ConfigError> {
    let url = Url::parse(shown)
        .map_err(|error| ConfigError::new(setting, format!("{shown:?} is not a URL ({error}); give the full URL")))?;
    check_user_information(setting, &url)?;
    check_scheme(setting, shown, &url, allows_http)?;
    Ok(url)
}

/// HTTPS, or HTTP where nobody else can listen or the configuration says that it is all right.
pub(crate) fn is_secure_enough(url: &Url, allows_http: bool) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => allows_http || is_loopback(url),
        _ => false,
    }
}

/// As errors, logs and health reports show it: a query may be a credential, as in the signed URLs of object stores.
#[cfg(feature = "remote-keys")]
pub(crate) fn shown(url: &Url) -> Arc<str> {
    match url.as_str().split_once('?') {
        Some((place, _)) => format!("{place}?…").into(),
        None => url.as_str().into(),
    }
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Nothing of the URL is shown: it may have a password, and URLs of key sets are logged.
fn check_user_information(setting: &'static str, url: &Url) -> Result<(), ConfigError> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(());
    }
    let problem = "the URL has user information before an `@`; public keys need no password, remove it";
    Err(ConfigError::new(setting, problem))
}

fn check_scheme(setting: &'static str, shown: &str, url: &Url, allows_http: bool) -> Result<(), ConfigError> {
    if url.host().is_some() && is_secure_enough(url, allows_http) {
        return Ok(());
    }
    let problem = if url.scheme() == "http" {
        format!(
            "{shown:?} is not HTTPS, so anybody on the way could forge keys; use https, \
             or `.dangerously_allow_http()` for a name inside your own network"
        )
    } else {
        format!("{shown:?} is not an HTTPS URL; write it in full, from `https://` on")
    };
    Err(ConfigError::new(setting, problem))
}
