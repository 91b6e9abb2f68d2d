//! RSA keys that Infineon's library made (ROCA, CVE-2017-15361): anyone can compute the private key from the public
//! one.
//!
//! The library took its primes from the numbers that are a power of 65537 modulo each small prime, so the modulus,
//! their product, is one too (Nemec et al., "The Return of Coppersmith's Attack", CCS 2017, §2). By the definition of the
//! public detection tool, a modulus has the fingerprint when that holds for all 38 primes from 3 to 167. One in 2^28
//! random RSA moduli has it by chance, too few to justify an exception.

/// Checked in ascending order of the primes. Modulo 3, 5 and 7, every residue but zero is a power of 65537; 11 rules
/// out four of five moduli.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether a big-endian modulus has the fingerprint.
pub(super) fn has_fingerprint(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| is_power_of_65537(remainder(modulus, *prime), *prime))
}

fn remainder(number: &[u8], prime: u32) -> u32 {
    number.iter().fold(0, |remainder, byte| (remainder << 8 | u32::from(*byte)) % prime)
}

/// The powers repeat after fewer than `prime` steps (Fermat).
fn is_power_of_65537(residue: u32, prime: u32) -> bool {
    let mut powers = std::iter::successors(Some(1), |power| Some(power * 65_537 % prime)).zip(1..prime);
    powers.any(|(power, _)| power == residue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primes_are_all_odd_ones_up_to_167() {
        let is_prime = |number: &u32| (2..*number).all(|divisor| !number.is_multiple_of(divisor));
        assert_eq!(PRIMES.to_vec(), (3..=167).filter(is_prime).collect::<Vec<_>>());
    }

    /// Compares every residue of every prime with the definition by exponents.
    #[test]
    fn a_residue_is_a_power_when_an_exponent_makes_it() {
        for prime in PRIMES {
            for residue in 0..prime {
                let by_definition = (0..u32::from(u8::MAX)).any(|exponent| {
                    (0..exponent).fold(1_u64, |power, _| power * 65_537 % u64::from(prime)) == u64::from(residue)
                });
                assert_eq!(is_power_of_65537(residue, prime), by_definition, "{residue} mod {prime}");
            }
        }
    }
}
