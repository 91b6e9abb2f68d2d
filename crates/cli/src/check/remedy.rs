//! What to do when an issuer's keys are unavailable.

use tower_bearer::{KeySetError, TransportFault};

use super::api::Api;

/// What to do, most specific first: if several places or sources failed, the first one here that applies is shown.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Remedy {
    UsableKey,
    OwnIssuer,
    Uncompressed,
    Certificate,
    Name,
    Reachable,
    OtherPlace,
    RedirectTarget,
    Json,
    KeysByHand,
}

/// Follows the types of the failures, because their texts repeat words that a server chose.
pub(super) fn for_keys(error: &KeySetError, issuer: &str, api: &Api) -> String {
    let remedy = error.causes().into_iter().map(Remedy::for_cause).min().unwrap_or(Remedy::KeysByHand);
    let is_file = api.issuer(issuer).is_some_and(|issuer| issuer.jwk_set_file.is_some());
    if is_file && remedy != Remedy::UsableKey {
        return "Give a file with a JWK Set, `{\"keys\": […]}`, or the URL of one, to `--jwks`.".to_owned();
    }
    remedy.describe(issuer)
}

impl Remedy {
    fn for_cause(cause: &KeySetError) -> Self {
        match cause {
            KeySetError::NoUsableKey { .. } => Self::UsableKey,
            KeySetError::IssuerMismatch { .. } => Self::OwnIssuer,
            KeySetError::ContentCoding { .. } => Self::Uncompressed,
            KeySetError::Transport { fault, .. } => match fault {
                TransportFault::Tls => Self::Certificate,
                TransportFault::NameNotResolved => Self::Name,
                TransportFault::ConnectionRefused | TransportFault::Unreachable => Self::Reachable,
                _ => Self::KeysByHand,
            },
            KeySetError::Timeout(_) => Self::Reachable,
            KeySetError::Status { status: 404, .. } => Self::OtherPlace,
            KeySetError::Status { status: 301 | 302 | 303 | 307 | 308, .. } => Self::RedirectTarget,
            KeySetError::NotAJwkSet { is_json: false, .. } | KeySetError::Metadata { is_json: false, .. } => Self::Json,
            _ => Self::KeysByHand,
        }
    }

    fn describe(self, issuer: &str) -> String {
        let fixed = match self {
            Self::UsableKey => {
                "The set is there and has no key that may be used: RSA from 2048 bits, EC or Ed25519, for an algorithm \
                 that is accepted."
            }
            Self::OwnIssuer => "Give `--issuer` as the metadata has it, byte by byte; the API needs the same.",
            Self::Uncompressed => {
                "The server compresses what was asked for uncompressed: switch compression off for this URL at the \
                 server or the proxy before it, or give the keys with `--jwks FILE`."
            }
            Self::Certificate => {
                "For an authority of your own, give its certificate with `--ca-certificate FILE`; the API needs it too \
                 (`Issuer::http_client`). Otherwise see whether the server's certificate is current and names this \
                 host, and whether the port speaks TLS."
            }
            Self::Name => "The name is not known here: check its spelling, or the VPN.",
            Self::Reachable => {
                return format!(
                    "Is {issuer} reachable from here? Try `curl -i {}`. Without the network, \
                     give its JWK Set with `--jwks FILE`.",
                    well_known(issuer)
                );
            }
            Self::OtherPlace => {
                return format!(
                    "Is {issuer:?} the issuer as tokens name it in `iss`? If its keys are elsewhere, give \
                     `--jwks URL` or `--metadata-url URL`."
                );
            }
            Self::RedirectTarget => {
                "Redirects are not followed, because they could lead anywhere. If the target is right, give it with \
                 `--jwks URL` or `--metadata-url URL`; the API needs the same."
            }
            Self::Json => {
                "The response is not JSON; it may be the page of a proxy or a web application. If the keys are \
                 elsewhere, give `--jwks URL` or `--metadata-url URL`."
            }
            Self::KeysByHand => "Give the keys with `--jwks FILE|URL` if discovery cannot have them.",
        };
        fixed.to_owned()
    }
}

fn well_known(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}
