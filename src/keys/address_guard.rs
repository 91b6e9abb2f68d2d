//! Addresses that keys are not fetched from: a guard against requests that somebody else's text sends into the own
//! network (server-side request forgery).

use std::error::Error as StdError;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::transport::chain;
use super::witness;
use crate::config_error::ConfigError;
use crate::error::KeySetError;
use crate::urls::shown;

/// What is not globally reachable by the IANA special-purpose address registries (RFC 6890) but for some anycast
/// services, and multicast. Cloud metadata services are in 169.254.0.0/16 and fc00::/7.
pub(crate) const PRIVATE_NETWORKS: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/128",
    "::1/128",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// Refuses addresses in some networks. As a resolver it takes them out of what the system's resolver finds; literal
/// addresses in URLs never reach a resolver and are checked by themselves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct AddressGuard(Arc<[IpNet]>);

impl AddressGuard {
    pub(crate) fn new(networks: &[String]) -> Result<Self, ConfigError> {
        let parsed = networks.iter().map(|text| {
            parse(text).ok_or_else(|| {
                let problem = format!("{text:?} is not a network; write it like \"10.0.0.0/8\", or as one address");
                ConfigError::new("refuse_networks", problem)
            })
        });
        Ok(Self(parsed.collect::<Result<_, _>>()?))
    }

    pub(crate) fn is_off(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks the address that stands in a URL in place of a name.
    pub(crate) fn check_literal(&self, url: &Url) -> Result<(), RefusedAddress> {
        match url.host() {
            Some(Host::Ipv4(address)) => self.check(address.into()),
            Some(Host::Ipv6(address)) => self.check(address.into()),
            Some(Host::Domain(_)) | None => Ok(()),
        }
    }

    fn check(&self, address: IpAddr) -> Result<(), RefusedAddress> {
        let network_of = |address: IpAddr| self.0.iter().find(|network| network.contains(&address));
        match network_of(address).or_else(|| network_of(embedded_ipv4(address)?)) {
            Some(network) => Err(RefusedAddress { address, network: *network }),
            None => Ok(()),
        }
    }

    /// The addresses that are not refused; when there are only refused ones, the first of those.
    fn filter(&self, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, RefusedAddress> {
        let (mut allowed, mut first_refused) = (Vec::new(), None);
        for address in found {
            match self.check(address.ip()) {
                Ok(()) => allowed.push(address),
                Err(refused) => first_refused = first_refused.or(Some(refused)),
            }
        }
        match first_refused {
            Some(refused) if allowed.is_empty() => Err(refused),
            _ => Ok(allowed),
        }
    }
}

/// The connection is made to the very addresses that were checked: a name that is looked up again with another answer
/// (DNS rebinding) gains nothing. reqwest ends it with the connect timeout.
impl Resolve for AddressGuard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Addrs = Box::new(guard.filter(found)?.into_iter());
            witness::note_lookup();
            Ok(allowed)
        })
    }
}

/// An address in a refused network.
#[derive(Clone, Debug)]
pub(crate) struct RefusedAddress {
    address: IpAddr,
    network: IpNet,
}

impl RefusedAddress {
    /// The one that made a request fail, if one did.
    pub(crate) fn in_chain<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        chain(error).find_map(|error| error.downcast_ref())
    }

    pub(crate) fn of_url(&self, url: &Url) -> KeySetError {
        KeySetError::RefusedAddress { url: shown(url), address: self.address, network: self.network.to_string().into() }
    }
}

impl fmt::Display for RefusedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is in the refused network {}", self.address, self.network)
    }
}

impl StdError for RefusedAddress {}

/// A network, or one address. One that is written as IPv4-mapped is the IPv4 network.
fn parse(text: &str) -> Option<IpNet> {
    let network: IpNet = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()?;
    let IpNet::V6(v6) = network else { return Some(network.trunc()) };
    let mapped = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    let v4 = mapped.and_then(|(address, length)| Ipv4Net::new(address, length).ok());
    Some(v4.map_or(network, IpNet::V4).trunc())
}

/// The IPv4 address that packets to an IPv6 address may end at: IPv4-mapped and IPv4-compatible (RFC 4291 §2.5.5),
/// NAT64 (RFC 6052 §2.1) and 6to4 (RFC 3056 §2).
fn embedded_ipv4(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(address) = address else { return None };
    match address.octets() {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
        | [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]
        | [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]
        | [0x20, 0x02, a, b, c, d, ..] => Some(Ipv4Addr::new(a, b, c, d).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(networks: &[&str]) -> AddressGuard {
        AddressGuard::new(&networks.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    fn refuses(guard: &AddressGuard, address: &str) -> bool {
        guard.check(address.parse().unwrap()).is_err()
    }

    #[test]
    fn j16_private_networks_are_refused_however_the_address_is_written() {
        let guard = guard(PRIVATE_NETWORKS);
        for inside in [
            "0.0.0.0",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:a00:1::1",
            "2001::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(refuses(&guard, inside), "{inside}");
        }
        for outside in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::1",
        ] {
            assert!(!refuses(&guard, outside), "{outside}");
        }
    }

    #[test]
    fn a_network_is_refused_and_its_neighbours_are_not() {
        for (network, inside, outside) in [
            ("192.0.2.128/25", "192.0.2.128", "192.0.2.127"),
            ("192.0.2.1/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("::ffff:192.0.2.0/120", "192.0.2.7", "192.0.3.7"),
            ("2001:db8::/32", "2001:db8::1", "2001:db9::1"),
            ("2001:db8::1", "2001:db8::1", "2001:db8::2"),
        ] {
            let guard = guard(&[network]);
            assert!(refuses(&guard, inside), "{network}");
            assert!(!refuses(&guard, outside), "{network}");
        }
    }

    #[test]
    fn of_several_addresses_the_refused_ones_are_left_out() {
        let addresses: Vec<SocketAddr> = ["10.0.0.1:0", "1.1.1.1:0", "[::1]:0"].map(|it| it.parse().unwrap()).into();
        let guard = guard(PRIVATE_NETWORKS);
        assert_eq!(guard.filter(addresses.iter().copied()).unwrap(), [addresses[1]]);
        let refused = guard.filter([addresses[2], addresses[0]].into_iter()).unwrap_err();
        assert_eq!(refused.to_string(), "::1 is in the refused network ::1/128");
        assert_eq!(guard.filter([].into_iter()).unwrap(), []);
    }
}
