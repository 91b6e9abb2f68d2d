//! JSON text (RFC 8259), read from left to right.
//!
//! The simple version is serde_json with visitors. Departures from it, with what each gains in a whole check of a token
//! of 894 bytes, which took 16,750 instructions beside those of the bare signature check:
//!
//! 1. **Strings are passed eight bytes at a time** up to their end, and a value is read only when somebody asks for it:
//!    the visitors of every kind of value are gone. 1,600 less.
//! 2. **Short rows of digits are read here**; other numbers, and strings with escapes, are left to serde_json: 500 less
//!    than serde_json's general way.

use std::borrow::Cow;

use crate::error::JsonFault;
use crate::error::JsonFault::{Invalid, LoneSurrogate, NumberOutOfRange};

/// A place in a text.
pub(super) struct Scanner<'t> {
    text: &'t str,
    position: usize,
}

/// A number as it was written: with fewer than 20 digits and nothing else, or otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Unsigned(u64),
    Other(f64),
}

impl<'t> Scanner<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, position: 0 }
    }

    pub(super) const fn position(&self) -> usize {
        self.position
    }

    /// The text from `start` to the current position.
    pub(super) fn since(&self, start: usize) -> &'t str {
        self.text.get(start..self.position).unwrap_or_default()
    }

    pub(super) const fn go_back(&mut self, position: usize) {
        self.position = position;
    }

    /// The first byte of what comes next, whitespace aside; none at the end.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.position)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.position += 1;
        }
    }

    /// Takes this byte if it comes next.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let comes = self.peek() == Some(byte);
        self.position += usize::from(comes);
        comes
    }

    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), JsonFault> {
        if self.take(byte) { Ok(()) } else { Err(Invalid) }
    }

    /// Between the elements of an array or the members of an object: whether there is another one.
    #[inline]
    pub(super) fn another(&mut self, end: u8) -> Result<bool, JsonFault> {
        match self.peek() {
            Some(b',') => {
                self.position += 1;
                Ok(true)
            }
            Some(byte) if byte == end => {
                self.position += 1;
                Ok(false)
            }
            _ => Err(Invalid),
        }
    }

    /// What follows after the quote that begins a string: the text after unescaping, borrowed where nothing was
    /// escaped.
    #[inline]
    pub(super) fn rest_of_string(&mut self) -> Result<Cow<'t, str>, JsonFault> {
        let start = self.position;
        let end = self.end_of_plain(start);
        match self.text.as_bytes().get(end) {
            Some(b'"') => {
                self.position = end + 1;
                self.text.get(start..end).map(Cow::Borrowed).ok_or(Invalid)
            }
            Some(b'\\') => self.string_with_escapes(start, end),
            _ => Err(Invalid),
        }
    }

    /// Where the first quote, backslash or control character is.
    #[inline]
    fn end_of_plain(&self, start: usize) -> usize {
        let bytes = self.text.as_bytes();
        let mut position = start;
        while let Some(word) = bytes.get(position..).and_then(<[u8]>::first_chunk) {
            let marks = marks(u64::from_le_bytes(*word));
            if marks != 0 {
                return position + usize::try_from(marks.trailing_zeros() / 8).unwrap_or_default();
            }
            position += 8;
        }
        let rest = bytes.get(position..).unwrap_or_default();
        position + rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | ..b' ')).count()
    }

    #[cold]
    fn string_with_escapes(&mut self, start: usize, first_escape: usize) -> Result<Cow<'t, str>, JsonFault> {
        let mut end = first_escape;
        loop {
            match self.text.as_bytes().get(end).ok_or(Invalid)? {
                b'"' => break,
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        self.position = end + 1;
        let quoted = self.text.get(start - 1..self.position).ok_or(Invalid)?;
        let fault = |_| if is_json_string(quoted) { LoneSurrogate } else { Invalid };
        serde_json::from_str(quoted).map(Cow::Owned).map_err(fault)
    }

    #[inline]
    pub(super) fn number(&mut self) -> Result<Number, JsonFault> {
        self.peek();
        let rest = self.text.as_bytes().get(self.position..).unwrap_or_default();
        let mut number = 0_u64;
        let mut length = 0;
        while let Some(digit @ b'0'..=b'9') = rest.get(length) {
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            length += 1;
        }
        let is_plain = matches!(length, 1..20) && !rest.get(length).is_some_and(|byte| is_part_of_number(*byte));
        if is_plain && (length == 1 || rest.first() != Some(&b'0')) {
            self.position += length;
            return Ok(Number::Unsigned(number));
        }
        self.other_number(rest)
    }

    #[cold]
    fn other_number(&mut self, rest: &[u8]) -> Result<Number, JsonFault> {
        let length = rest.iter().take_while(|byte| is_part_of_number(**byte)).count();
        let text = self.text.get(self.position..self.position + length).ok_or(Invalid)?;
        self.position += length;
        let fault = |_| if is_json_number(text) { NumberOutOfRange } else { Invalid };
        serde_json::from_str(text).map(Number::Other).map_err(fault)
    }

    /// `true`, `false` or `null`.
    pub(super) fn literal(&mut self) -> Result<(), JsonFault> {
        self.peek();
        let rest = self.text.get(self.position..).unwrap_or_default();
        let literal = ["true", "false", "null"].into_iter().find(|literal| rest.starts_with(literal)).ok_or(Invalid)?;
        self.position += literal.len();
        Ok(())
    }

    /// Nothing but whitespace may be left.
    pub(super) fn end(&mut self) -> Result<(), JsonFault> {
        if self.peek().is_none() { Ok(()) } else { Err(Invalid) }
    }
}

const fn is_part_of_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
}

/// `number` (RFC 8259 §6), whatever its size. Only called for text that serde_json rejected.
fn is_json_number(text: &str) -> bool {
    let digits = |text: &'_ str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
        None => (text, "0"),
    };
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let integer = integer.strip_prefix('-').unwrap_or(integer);
    digits(integer) && (integer == "0" || !integer.starts_with('0')) && digits(fraction) && digits(exponent)
}

/// `string` (RFC 8259 §7), with paired or lone surrogates. Only called for text that serde_json rejected.
fn is_json_string(quoted: &str) -> bool {
    let Some(mut rest) = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map(str::as_bytes) else {
        return false;
    };
    loop {
        rest = match rest {
            [] => return true,
            [b'\\', b'u', a, b, c, d, rest @ ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => rest,
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', rest @ ..] => rest,
            [b'\\' | b'"' | ..b' ', ..] => return false,
            [_, rest @ ..] => rest,
        };
    }
}

/// The highest bit of the lowest byte that is no plain one; none, if all eight are. Bits above it mean nothing.
const fn marks(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGH: u64 = ONES << 7;
    const fn below(word: u64, limit: u64) -> u64 {
        word.wrapping_sub(ONES * limit) & !word
    }
    (below(word, 0x20) | below(word ^ (ONES * 0x22), 1) | below(word ^ (ONES * 0x5c), 1)) & HIGH
}
