//! Types of keys, and how a JWK (RFC 7518 §6, RFC 8037 §2) and DER (RFC 5280 §4.1.2.7) name them.

/// What kind of key an algorithm takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum KeyType {
    Rsa,
    /// A point with two coordinates (RFC 7518 §6.2).
    Ec(Curve),
    /// A point with one coordinate (RFC 8037 §2).
    Okp(Curve),
    /// A secret shared with the issuer. No JWK Set or PEM text may have it.
    Secret,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Curve {
    /// The JWK `crv`.
    pub(super) name: &'static str,
    pub(super) coordinate_octets: usize,
    /// Its object identifier.
    pub(super) identifier: &'static [u8],
}

pub(super) const P256: Curve =
    Curve { name: "P-256", coordinate_octets: 32, identifier: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07] };
pub(super) const P384: Curve =
    Curve { name: "P-384", coordinate_octets: 48, identifier: &[0x2b, 0x81, 0x04, 0x00, 0x22] };
pub(super) const P521: Curve =
    Curve { name: "P-521", coordinate_octets: 66, identifier: &[0x2b, 0x81, 0x04, 0x00, 0x23] };
pub(super) const ED25519: Curve = Curve { name: "Ed25519", coordinate_octets: 32, identifier: &[0x2b, 0x65, 0x70] };

impl KeyType {
    /// The JWK `kty`.
    pub(super) const fn kty(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::Ec(_) => "EC",
            Self::Okp(_) => "OKP",
            Self::Secret => "oct",
        }
    }

    pub(super) const fn curve(self) -> Option<Curve> {
        match self {
            Self::Ec(curve) | Self::Okp(curve) => Some(curve),
            Self::Rsa | Self::Secret => None,
        }
    }

    /// The object identifier of the algorithm in a `SubjectPublicKeyInfo`. An EC key has its curve in the parameters
    /// (RFC 5480 §2.1.1); the curves of RFC 8410 §3 are algorithms of their own.
    pub(super) const fn identifier(self) -> Option<&'static [u8]> {
        match self {
            Self::Rsa => Some(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]),
            Self::Ec(_) => Some(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]),
            Self::Okp(curve) => Some(curve.identifier),
            Self::Secret => None,
        }
    }
}
