//! Why a request has no response, by the types of the HTTP client's errors.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};
use std::iter;

use url::Url;

use crate::error::TransportFault;

/// The error and what caused it, one after another. [`io::Error`] leaves the error that it wraps out of its `source`.
pub(super) fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    })
}

/// For an error that is no timeout.
pub(super) fn fault_of(error: &reqwest::Error, url: &Url) -> TransportFault {
    if error.is_dns() {
        return TransportFault::NameNotResolved;
    }
    if !error.is_connect() {
        let was_sent = error.is_request() || error.is_body() || error.is_decode();
        return if was_sent { TransportFault::IncompleteResponse } else { TransportFault::Other };
    }
    let kinds = chain(error).filter_map(|error| error.downcast_ref()).map(io::Error::kind);
    kinds.into_iter().find_map(|kind| fault_of_kind(kind, url.scheme() == "https")).unwrap_or(TransportFault::Other)
}

/// While a connection is established, only the TLS handshake reads: what it reads is then not what it should be, or
/// ends too early.
fn fault_of_kind(kind: ErrorKind, is_tls: bool) -> Option<TransportFault> {
    match kind {
        ErrorKind::ConnectionRefused => Some(TransportFault::ConnectionRefused),
        ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable
        | ErrorKind::PermissionDenied => Some(TransportFault::Unreachable),
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof if is_tls => Some(TransportFault::Tls),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_has_what_an_io_error_wraps() {
        let inner = io::Error::new(ErrorKind::InvalidData, "certificate");
        let outer = io::Error::other(io::Error::other(inner));
        let kinds: Vec<_> = chain(&outer).filter_map(|error| error.downcast_ref()).map(io::Error::kind).collect();
        assert_eq!(kinds, [ErrorKind::Other, ErrorKind::Other, ErrorKind::InvalidData]);
    }

    #[test]
    fn the_kind_tells_and_not_the_text() {
        for (kind, over_tls, in_the_clear) in [
            (ErrorKind::ConnectionRefused, Some(TransportFault::ConnectionRefused), true),
            (ErrorKind::HostUnreachable, Some(TransportFault::Unreachable), true),
            (ErrorKind::NetworkUnreachable, Some(TransportFault::Unreachable), true),
            (ErrorKind::InvalidData, Some(TransportFault::Tls), false),
            (ErrorKind::UnexpectedEof, Some(TransportFault::Tls), false),
            (ErrorKind::Other, None, false),
        ] {
            assert_eq!(fault_of_kind(kind, true), over_tls, "{kind}");
            assert_eq!(fault_of_kind(kind, false), over_tls.filter(|_| in_the_clear), "{kind}");
        }
    }
}
