//! The value of `--listen`.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::outcome::Failure;

/// An address, with a port or without.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Listen {
    address: IpAddr,
    port: Option<u16>,
}

impl Listen {
    pub(super) const fn address(self) -> IpAddr {
        self.address
    }

    /// The port that either option names.
    pub(super) fn port(listen: Option<Self>, port: Option<u16>) -> Result<Option<u16>, Failure> {
        match (listen.and_then(|listen| listen.port), port) {
            (Some(one), Some(other)) if one != other => Err(Failure::Usage(format!(
                "`--listen` has the port {one} and `--port` {other}; leave one of them out"
            ))),
            (one, other) => Ok(one.or(other)),
        }
    }
}

impl FromStr for Listen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self { address: address.ip(), port: Some(address.port()) });
        }
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        match bare.parse() {
            Ok(address) => Ok(Self { address, port: None }),
            Err(_) => Err("it is not an IP address; give one such as 127.0.0.1, 0.0.0.0:9000 or [::1]:9000"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_or_none() {
        let parsed = |text: &str| text.parse::<Listen>().map(|listen| (listen.address.to_string(), listen.port));
        for (text, address, port) in [
            ("0.0.0.0", "0.0.0.0", None),
            ("127.0.0.1:9000", "127.0.0.1", Some(9000)),
            ("[::1]:0", "::1", Some(0)),
            ("[::]", "::", None),
            ("::1", "::1", None),
        ] {
            assert_eq!(parsed(text), Ok((address.to_owned(), port)), "{text}");
        }
        for text in ["", "localhost", "localhost:9000", "0.0.0.0:70000", ":9000", "9000", "http://0.0.0.0"] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }

    #[test]
    fn there_is_one_port() {
        let listen = |text: &str| Some(text.parse().unwrap_or(Listen { address: [0; 4].into(), port: None }));
        assert!(matches!(Listen::port(listen("0.0.0.0:1"), Some(2)), Err(Failure::Usage(_))));
        for (listen, port, expected) in [
            (listen("0.0.0.0:1"), Some(1), Some(1)),
            (listen("0.0.0.0:1"), None, Some(1)),
            (listen("0.0.0.0"), Some(2), Some(2)),
            (None, None, None),
        ] {
            assert!(matches!(Listen::port(listen, port), Ok(port) if port == expected));
        }
    }
}
