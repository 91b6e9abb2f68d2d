//! Which URLs may name an issuer and its keys.

use std::fmt;
#[cfg(feature = "remote-keys")]
use std::sync::Arc;

#[cfg(feature = "remote-keys")]
use url::Host;
use url::Url;

use crate::config_error::ConfigError;

/// A token with a longer `iss` is refused.
const MAX_ISSUER_BYTES: usize = 1024;

/// An issuer's name: a StringOrURI (RFC 7519 §4.1.1), so any text, but a URI if it has a colon. Nothing is fetched from
/// it.
pub(crate) fn check_issuer_name(shown: &str) -> Result<(), ConfigError> {
    let quoted = Quoted(shown);
    if shown.is_empty() {
        return Err(ConfigError::new("issuer", "the name is empty; write it as in the tokens' `iss`"));
    }
    if shown.len() > MAX_ISSUER_BYTES {
        let problem = "the name is longer than 1,024 bytes, and no token with such an `iss` is accepted; have the \
                       issuer take a shorter one";
        return Err(ConfigError::new("issuer", problem));
    }
    if let Some((issuer, _)) = shown.split_once("/.well-known/") {
        let problem =
            format!("{quoted} is the address of metadata; write the issuer that it names, such as {}", Quoted(issuer));
        return Err(ConfigError::new("issuer", problem));
    }
    let is_uri = shown.contains(':');
    // Space within a name is fine unless the name is a URI; any other comes from copying or from a file.
    let is_stray =
        |character: char| character.is_control() || (character.is_whitespace() && (is_uri || character != ' '));
    if shown.chars().any(is_stray) || shown.trim() != shown {
        let problem = format!("{quoted} has a space or a line break; write it as in the tokens' `iss`");
        return Err(ConfigError::new("issuer", problem));
    }
    if is_uri && !has_form_of_uri(shown) {
        let problem = format!(
            "{quoted} has a `:` and is not a URI, which RFC 7519 §4.1.1 then asks for; write it as in the tokens' \
             `iss`, without placeholders"
        );
        return Err(ConfigError::new("issuer", problem));
    }
    Url::parse(shown).map_or(Ok(()), |url| check_user_information("issuer", &url))
}

/// An issuer whose metadata is found under its own name (RFC 8414 §2): an HTTPS URL without query and fragment.
#[cfg(feature = "remote-keys")]
pub(crate) fn check_discovered_issuer(shown: &str, allows_http: bool) -> Result<Url, ConfigError> {
    let refused = |problem: &str, else_do: &str| {
        let keys_elsewhere = "if the tokens' `iss` is this, give the keys with `.jwk_set_url(..)` or another setting";
        ConfigError::new("issuer", format!("{} {problem}; {keys_elsewhere}, else {else_do}", Quoted(shown)))
    };
    let write_url = "write it in full, from `https://` on";
    let url = Url::parse(shown)
        .map_err(|error| refused(&format!("is not a URL ({error}), so discovery cannot find its keys"), write_url))?;
    if url.host().is_none() || !matches!(url.scheme(), "http" | "https") {
        return Err(refused("is not an HTTPS URL, so discovery cannot find its keys", write_url));
    }
    if !is_secure_enough(&url, allows_http) {
        let else_do = "use https, or `.dangerously_allow_http()` for a name inside your own network";
        return Err(refused("is not HTTPS, so anybody on the way could forge keys", else_do));
    }
    if url.query().is_some() || url.fragment().is_some() {
        let problem = "has a query or a fragment, with which discovery cannot find its keys (RFC 8414 §2)";
        return Err(refused(problem, "remove it"));
    }
    Ok(url)
}

/// The address of a JWK Set or of metadata, as this setting gives it.
#[cfg(feature = "remote-keys")]
pub(crate) fn check_fetched(setting: &'static str, shown: &str, allows_http: bool) -> Result<Url, ConfigError> {
    let url = Url::parse(shown).map_err(|error| {
        ConfigError::new(setting, format!("{} is not a URL ({error}); give the full URL", Quoted(shown)))
    })?;
    check_user_information(setting, &url)?;
    check_scheme(setting, shown, &url, allows_http)?;
    Ok(url)
}

/// HTTPS, or HTTP where nobody else can listen or the configuration says that it is all right.
#[cfg(feature = "remote-keys")]
pub(crate) fn is_secure_enough(url: &Url, allows_http: bool) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => allows_http || is_loopback(url),
        _ => false,
    }
}

/// As errors, logs and health reports show it: a query may be a credential, as in the signed URLs of object stores, and
/// so may a fragment.
#[cfg(feature = "remote-keys")]
pub(crate) fn shown(url: &Url) -> Arc<str> {
    match url.as_str().split_once(['?', '#']) {
        Some((place, _)) if url.query().is_some() => format!("{place}?…").into(),
        Some((place, _)) => format!("{place}#…").into(),
        None => url.as_str().into(),
    }
}

#[cfg(feature = "remote-keys")]
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// A name or URL of the configuration, for an error. What may have a password before an `@` is not shown.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains('@') { f.write_str("the text, which has an `@`,") } else { fmt::Debug::fmt(self.0, f) }
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

/// The form of RFC 3986 §3: a scheme, and no character that a URI cannot have. Characters beyond ASCII pass: an IRI
/// (RFC 3987) is compared byte by byte like any other name.
fn has_form_of_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme && !rest.contains(['"', '<', '>', '\\', '^', '`', '{', '|', '}'])
}

#[cfg(feature = "remote-keys")]
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
