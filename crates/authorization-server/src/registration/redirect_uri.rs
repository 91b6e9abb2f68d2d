//! Where users may be sent back to: the rules of registration and of comparison.

use url::{Host, Url};

/// Why this cannot be a redirect URI (RFC 6749 §3.1.2, RFC 8252 §7), if it cannot.
pub(super) fn problem(uri: &str) -> Option<&'static str> {
    if !uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"<>^`{|}".contains(&byte)) {
        return Some("has characters that no URI may have");
    }
    if uri.contains('*') {
        return Some("has a `*`, and there are no wildcards");
    }
    if uri.contains('#') {
        return Some("has a fragment, which RFC 6749 section 3.1.2 forbids");
    }
    let Ok(url) = Url::parse(uri) else {
        return Some("is not a URL in full");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Some("has user information before an `@`");
    }
    match url.scheme() {
        "https" => None,
        "http" if is_loopback(&url) => None,
        "http" => Some("is `http` outside loopback, where anybody on the way could read the code"),
        // RFC 8252 §7.1: a domain name in reverse. `javascript:` and `data:` have no dot.
        scheme if scheme.contains('.') => None,
        _ => Some("has a scheme that is neither `https` nor one with a dot, such as `com.example.app`"),
    }
}

/// Whether a request may name `asked` when `registered` is what the client registered: the same text. Nothing is
/// normalized, so there is no second reading of it that could differ.
pub(super) fn matches(registered: &str, asked: &str) -> bool {
    registered == asked
        || match (without_loopback_port(registered), without_loopback_port(asked)) {
            (Some(registered), Some(asked)) => registered == asked,
            _ => false,
        }
}

/// The host and all that comes after the port, for `http` on loopback (RFC 8252 §7.3).
fn without_loopback_port(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let host = ["127.0.0.1", "[::1]", "localhost"].into_iter().find(|host| rest.starts_with(host))?;
    let after = rest.strip_prefix(host)?;
    let (port, path) = match after.strip_prefix(':') {
        Some(port_on) => port_on.split_at(port_on.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(port_on.len())),
        None => ("80", after),
    };
    let is_port = !port.starts_with('0') && port.parse::<u16>().is_ok();
    (is_port && (path.is_empty() || path.starts_with(['/', '?']))).then_some((host, path))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_uris_are_refused_when_codes_would_leak() {
        for good in [
            "https://app.example.com/callback?tenant=1",
            "http://127.0.0.1/callback",
            "http://localhost:3000/",
            "http://[::1]:1/cb",
            "com.example.app:/callback",
        ] {
            assert_eq!(problem(good), None, "{good}");
        }
        for bad in [
            "",
            "/callback",
            "app.example.com",
            "http://app.example.com/cb",
            "https://a/#x",
            "https://*.example.com/cb",
            "https://user@a/",
            "https://a/b c",
            "https://a\\b",
            "javascript:alert(1)",
            "data:text/html,x",
            "myapp:/cb",
            "https://\u{e9}/",
        ] {
            assert!(problem(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn only_ports_of_loopback_may_differ() {
        let same = |registered: &str, asked: &str| matches(registered, asked);
        assert!(same("http://127.0.0.1/cb", "http://127.0.0.1:49152/cb"));
        assert!(same("http://[::1]:1/cb?x=1", "http://[::1]:2/cb?x=1"));
        assert!(same("http://localhost:3000", "http://localhost:4000"));
        for (registered, asked) in [
            ("http://127.0.0.1/cb", "http://127.0.0.1:1/other"),
            ("http://127.0.0.1/cb", "http://localhost:1/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:0/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:65536/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1@evil.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:/cb"),
            ("http://127.0.0.1/cb", "https://127.0.0.1:1/cb"),
            ("http://127.0.0.1/cb", "http://2130706433:1/cb"),
            ("https://127.0.0.1/cb", "https://127.0.0.1:1/cb"),
            ("https://a/cb", "https://a:443/cb"),
            ("https://a/cb", "https://A/cb"),
        ] {
            assert!(!same(registered, asked), "{asked}");
        }
    }
}
