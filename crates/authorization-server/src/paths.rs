//! Where the endpoints are.

use super::StartError;

/// Paths of endpoints, each below the issuer's own.
#[derive(Debug)]
pub(super) struct Paths {
    /// The path of the issuer URL: empty, or with a slash in front.
    pub(super) issuer: String,
    pub(super) authorize: String,
    pub(super) token: String,
}

// Below the issuer URL, and not to be chosen.
pub(super) const JWK_SET: &str = "/jwks";
pub(super) const LOGIN: &str = "/login";
pub(super) const CONSENT: &str = "/consent";
pub(super) const DEVICE: &str = "/device";
pub(super) const DEVICE_AUTHORIZATION: &str = "/device_authorization";
pub(super) const INTROSPECTION: &str = "/introspect";
pub(super) const REVOCATION: &str = "/revoke";
pub(super) const PUSHED: &str = "/par";
pub(super) const USERINFO: &str = "/userinfo";

const FIXED: [&str; 9] =
    [JWK_SET, LOGIN, CONSENT, DEVICE, DEVICE_AUTHORIZATION, INTROSPECTION, REVOCATION, USERINFO, PUSHED];

impl Default for Paths {
    fn default() -> Self {
        Self { issuer: String::new(), authorize: "/authorize".to_owned(), token: "/token".to_owned() }
    }
}

impl Paths {
    /// That each path is one, and that no two are the same.
    pub(super) fn check(&self) -> Result<(), StartError> {
        let Self { issuer, authorize, token } = self;
        if !(issuer.is_empty() || is_path(issuer)) {
            return Err(StartError::IssuerPath { path: issuer.clone() });
        }
        let mut taken = FIXED.to_vec();
        for (setting, path) in [("authorize_path", authorize), ("token_path", token)] {
            // Metadata is below `/.well-known`, also that of an issuer with a path.
            if !is_path(path) || path.starts_with("/.well-known") || taken.contains(&path.as_str()) {
                return Err(StartError::EndpointPath { setting, path: path.clone() });
            }
            taken.push(path);
        }
        Ok(())
    }
}

/// Unreserved characters alone (RFC 3986 §2.3), so that the path has one spelling in URLs, in `iss` and in routes.
pub(super) fn is_path(path: &str) -> bool {
    let is_segment = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    path.strip_prefix('/').is_some_and(|segments| segments.split('/').all(is_segment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_spelling() {
        for good in ["/tenant", "/a/b", "/a.b-c_d~1", "/..."] {
            assert!(is_path(good), "{good}");
        }
        for bad in [
            "", "/", "tenant", "/tenant/", "//a", "/a//b", "/.", "/a/..", "/a b", "/{x}", "/%61", "/a?b", "/a#b",
            "/\u{e9}",
        ] {
            assert!(!is_path(bad), "{bad}");
        }
    }
}
