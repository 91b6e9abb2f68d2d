//! Just enough DER (X.690 §10) to tell which public key a block holds. Nothing here recurses into nested values, so
//! input that passes is safe for a general parser that does.

/// The contents of a value with this tag, and the bytes after it.
pub(super) fn value(der: &[u8], tag: u8) -> Result<(&[u8], &[u8]), DerFault> {
    let (first, rest) = der.split_first().ok_or(DerFault::CutOff)?;
    if *first != tag {
        return Err(DerFault::Shape);
    }
    let (first, rest) = rest.split_first().ok_or(DerFault::CutOff)?;
    let (length, rest) = match first {
        ..=0x7f => (usize::from(*first), rest),
        // Anything longer is not a key.
        0x81..=0x83 => {
            let (length, rest) = rest.split_at_checked(usize::from(first - 0x80)).ok_or(DerFault::CutOff)?;
            (length.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)), rest)
        }
        _ => return Err(DerFault::Shape),
    };
    rest.split_at_checked(length).ok_or(DerFault::CutOff)
}

/// The contents of a value with this tag, which must be the whole input.
pub(super) fn only_value(der: &[u8], tag: u8) -> Result<&[u8], DerFault> {
    let (contents, rest) = value(der, tag)?;
    if rest.is_empty() { Ok(contents) } else { Err(DerFault::TrailingBytes) }
}

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const NULL: u8 = 0x05;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;

/// Why bytes are not the value that was expected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum DerFault {
    CutOff,
    Shape,
    TrailingBytes,
}

/// An object identifier in dotted form, as far as it is valid.
pub(super) fn dotted(contents: &[u8]) -> String {
    let mut arcs = Vec::new();
    let mut arc: u64 = 0;
    for byte in contents {
        arc = arc.saturating_mul(128).saturating_add(u64::from(byte & 0x7f));
        if byte & 0x80 == 0 {
            if arcs.is_empty() {
                // The first two share one number (X.690 §8.19.4).
                let first = (arc / 40).min(2);
                arcs.extend([first, arc - first * 40]);
            } else {
                arcs.push(arc);
            }
            arc = 0;
        }
    }
    arcs.iter().map(ToString::to_string).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_identifiers_are_written_with_dots() {
        assert_eq!(dotted(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]), "1.2.840.113549.1.1.1");
        assert_eq!(dotted(&[0x2b, 0x65, 0x70]), "1.3.101.112");
        assert_eq!(dotted(&[0x88, 0x37]), "2.999");
        assert_eq!(dotted(&[0xff; 20]), "");
        assert_eq!(dotted(&[]), "");
    }

    #[test]
    fn a_value_is_read_within_its_bounds() {
        assert_eq!(value(&[0x02, 0x01, 0x07, 0x09], INTEGER), Ok((&[7][..], &[9][..])));
        assert_eq!(value(&[0x02, 0x81, 0x01, 0x07], INTEGER), Ok((&[7][..], &[][..])));
        for cut_off in [&[][..], &[0x02], &[0x02, 0x02, 0x07], &[0x02, 0x82, 0x01], &[0x02, 0x83, 0xff, 0xff, 0xff]] {
            assert_eq!(value(cut_off, INTEGER), Err(DerFault::CutOff), "{cut_off:02x?}");
        }
        for shape in [&[0x30, 0x00][..], &[0x02, 0x80], &[0x02, 0x84, 0, 0, 0, 1, 7], &[0x02, 0xff]] {
            assert_eq!(value(shape, INTEGER), Err(DerFault::Shape), "{shape:02x?}");
        }
        assert_eq!(only_value(&[0x02, 0x01, 0x07, 0x09], INTEGER), Err(DerFault::TrailingBytes));
    }
}
