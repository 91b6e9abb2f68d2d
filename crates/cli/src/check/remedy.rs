//! What to do when an issuer's keys are unavailable.

use std::error::Error;
use std::io;
use std::iter;

use tokio_rustls::rustls::{self, CertificateError};
use tower_bearer::jose::KeyFault;
use tower_bearer::{KeySetError, TransportFault};

use super::api::Api;

/// What to do, most specific first: if several places or sources failed, the first one here that applies is shown.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Remedy {
    EncryptionKeys,
    AllowedAlgorithm,
    EmptySet,
    UsableKey,
    OwnIssuer,
    Uncompressed,
    RenewCertificate,
    FutureCertificate,
    OtherHost,
    Authority,
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
    if is_file && remedy > Remedy::UsableKey {
        return "Give a file with a JWK Set, `{\"keys\": […]}`, or the URL of one, to `--jwks`.".to_owned();
    }
    let has_url = api.issuer(issuer).is_some_and(|issuer| issuer.jwk_set_url.is_some());
    if has_url && remedy == Remedy::OtherPlace {
        return format!(
            "There are no keys at this URL: take `jwks_uri` from the issuer's metadata, `curl {}`, or leave the URL \
             out so that discovery finds it.",
            well_known(issuer)
        );
    }
    remedy.describe(issuer)
}

impl Remedy {
    fn for_cause(cause: &KeySetError) -> Self {
        match cause {
            KeySetError::NoUsableKey { reasons, .. } => match &**reasons {
                [] => Self::EmptySet,
                reasons if reasons.iter().all(|reason| *reason == KeyFault::OtherUse.reason()) => Self::EncryptionKeys,
                reasons if reasons.contains(&KeyFault::AlgorithmNotAllowed.reason()) => Self::AllowedAlgorithm,
                _ => Self::UsableKey,
            },
            KeySetError::IssuerMismatch { .. } => Self::OwnIssuer,
            KeySetError::ContentCoding { .. } => Self::Uncompressed,
            KeySetError::Transport { fault, source, .. } => match fault {
                TransportFault::Tls => certificate_error(&**source).map_or(Self::Certificate, Self::for_certificate),
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

    fn for_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::RenewCertificate,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::FutureCertificate,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::OtherHost,
            CertificateError::UnknownIssuer => Self::Authority,
            _ => Self::Certificate,
        }
    }

    fn describe(self, issuer: &str) -> String {
        let fixed = match self {
            Self::EncryptionKeys => {
                "All keys of the set are for encryption (`use` is `enc`): have the issuer publish the keys that it signs \
                 with, or is this the set of a client? Then give the issuer's with `--jwks URL`; the API needs the same."
            }
            Self::AllowedAlgorithm => {
                "The set has only keys for algorithms that the API does not accept: allow the issuer's, with \
                 `Issuer::algorithms` in the API and `--algorithm` here."
            }
            Self::EmptySet => {
                "The set is empty: have the issuer publish the keys that it signs with, or is this another tenant's \
                 address? Then give the right one with `--jwks URL`; the API needs the same."
            }
            Self::RenewCertificate => {
                "The server's certificate has expired: have it renewed there. If it is current, this machine's clock is \
                 ahead (NTP)."
            }
            Self::FutureCertificate => {
                "The server's certificate is not valid yet: this machine's clock is behind (NTP), or the certificate was \
                 made for later."
            }
            Self::OtherHost => {
                "The server's certificate is for another host: is the name in the URL right? Otherwise have the server, or \
                 the proxy in front of it, show the certificate for this name."
            }
            Self::Authority => {
                "The server's certificate is from an authority that this machine does not know. If it is your own, give \
                 its certificate with `--ca-certificate FILE`; the API needs it too (`Issuer::http_client`). If it is a \
                 public one, have the server send the intermediate certificates, and update this machine's roots."
            }
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

/// [`io::Error`] leaves the error that it wraps out of its `source`.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// Why a certificate was refused.
fn certificate_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CertificateError> {
    iter::successors(Some(error), |error| cause(*error)).find_map(|error| match error.downcast_ref() {
        Some(rustls::Error::InvalidCertificate(error)) => Some(error),
        _ => None,
    })
}

fn well_known(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}
