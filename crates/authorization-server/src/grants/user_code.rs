//! What a person types into the page for devices (RFC 8628 §6.1).

use std::fmt;

use super::HandleDigest;
use crate::oauth_error::OAuthError;

/// Consonants alone, so that no code is a word; none that is taken for a digit.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

const LENGTH: usize = 8;

/// Eight letters, some 34 bits: with the limit on wrong ones, too many to guess within their time.
#[derive(Clone, Copy)]
pub(crate) struct UserCode([u8; LENGTH]);

impl UserCode {
    pub(crate) fn random() -> Result<Self, OAuthError> {
        let mut code = [0; LENGTH];
        let mut filled = 0;
        while filled < LENGTH {
            let mut bytes = [0; 2 * LENGTH];
            aws_lc_rs::rand::fill(&mut bytes).map_err(|_| OAuthError::NoRandomness)?;
            // Beyond the last whole multiple of the alphabet, some letters would come more often.
            let letters = bytes.into_iter().filter(|byte| *byte < 240);
            let letters = letters.filter_map(|byte| LETTERS.get(usize::from(byte) % LETTERS.len()));
            for (place, letter) in code.iter_mut().skip(filled).zip(letters) {
                *place = *letter;
                filled += 1;
            }
        }
        Ok(Self(code))
    }

    /// What a person makes of it: in any case, with dashes and spaces anywhere or nowhere.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut letters =
            text.bytes().filter(|byte| !matches!(byte, b'-' | b' ')).map(|byte| byte.to_ascii_uppercase());
        let mut code = [0; LENGTH];
        for place in &mut code {
            *place = letters.next().filter(|letter| LETTERS.contains(letter))?;
        }
        letters.next().is_none().then_some(Self(code))
    }

    pub(crate) fn digest(self) -> HandleDigest {
        HandleDigest::of(&self.to_string())
    }
}

impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, letter) in self.0.iter().enumerate() {
            if position == LENGTH / 2 {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(*letter))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_however_they_are_written() {
        let read = |text| UserCode::read(text).map(|code| code.to_string());
        for good in ["WDJB-MJHT", "wdjbmjht", "WdJb MjHt", " w-d-j-b-m-j-h-t "] {
            assert_eq!(read(good).as_deref(), Some("WDJB-MJHT"), "{good}");
        }
        for bad in ["", "WDJB-MJH", "WDJB-MJHTX", "WDJB-MJHA", "WDJB-MJH1", "WDJB_MJHT", "WDJB-MJH\u{c9}"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn random_codes_use_every_letter_about_equally_often() {
        let mut counts = [0_u32; 256];
        for _ in 0..2_000 {
            let code = UserCode::random().map(|code| code.to_string()).unwrap_or_default();
            assert_eq!(UserCode::read(&code).map(|code| code.to_string()), Some(code.clone()));
            for byte in code.bytes() {
                counts.get_mut(usize::from(byte)).into_iter().for_each(|count| *count += 1);
            }
        }
        // 800 of each are expected; a fifth off is seven standard deviations.
        let of = |letter: &u8| counts.get(usize::from(*letter)).copied().unwrap_or_default();
        assert!(LETTERS.iter().all(|letter| (640..960).contains(&of(letter))), "{counts:?}");
    }
}
