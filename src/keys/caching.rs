//! Reads from HTTP header fields how long a key set lives (RFC 9111), when to retry (RFC 9110 §10.2.3), and whether a
//! document is compressed (RFC 9110 §8.4).

use std::time::Duration;

use http::HeaderMap;
use http::header::{AGE, CACHE_CONTROL, CONTENT_ENCODING, ETAG, RETRY_AFTER};

use super::source::FetchedKeySet;

/// Longer validators are not kept: nobody needs them.
const MAX_ETAG_BYTES: usize = 256;

/// The headers that matter, with nonsense read as its safest meaning.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Headers {
    max_age: Option<Duration>,
    etag: Option<Box<str>>,
    pub(super) retry_after: Option<Duration>,
}

impl Headers {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let age = text(AGE).and_then(seconds).unwrap_or_default();
        let etag = text(ETAG).filter(|etag| etag.len() <= MAX_ETAG_BYTES);
        Self {
            max_age: max_age(headers).map(|max_age| max_age.saturating_sub(age)),
            etag: etag.map(Box::from),
            // The form with a date would need a clock, and providers do not use it for seconds.
            retry_after: text(RETRY_AFTER).and_then(seconds),
        }
    }

    /// Adds what the headers say to what the body brought.
    pub(super) fn describe(self, fetched: FetchedKeySet) -> FetchedKeySet {
        FetchedKeySet { max_age: self.max_age, etag: self.etag, ..fetched }
    }
}

/// The content codings of a document, in the order in which they were applied.
pub(super) fn content_coding(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(CONTENT_ENCODING).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let values: Vec<_> = values.collect();
    let codings = values.iter().flat_map(|value| value.split(',')).map(str::trim);
    let codings: Vec<_> =
        codings.filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity")).collect();
    (!codings.is_empty()).then(|| codings.join(", "))
}

/// The shortest lifetime that any directive of `Cache-Control` gives (RFC 9111 §5.2.2). What cannot be read is taken
/// for stale (RFC 9111 §4.2.1).
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).iter();
    let directives = values.flat_map(|value| value.to_str().unwrap_or("no-store").split(','));
    directives.filter_map(|directive| lifetime(directive.trim())).min()
}

fn lifetime(directive: &str) -> Option<Duration> {
    let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
    match name.trim().to_ascii_lowercase().as_str() {
        "no-store" | "no-cache" => Some(Duration::ZERO),
        "max-age" => Some(seconds(argument.trim().trim_matches('"')).unwrap_or_default()),
        _ => None,
    }
}

/// Digits only; more than fit are as good as forever.
fn seconds(digits: &str) -> Option<Duration> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Duration::from_secs(digits.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, http::HeaderValue::from_static(value));
        }
        headers
    }

    fn read(pairs: &[(&'static str, &'static str)]) -> Headers {
        Headers::read(&headers(pairs))
    }

    #[test]
    fn j02_every_content_coding_but_identity_is_named() {
        for (values, coding) in [
            (&[][..], None),
            (&[""], None),
            (&["identity"], None),
            (&["Identity, ,identity"], None),
            (&["gzip"], Some("gzip")),
            (&["x-gzip"], Some("x-gzip")),
            (&["deflate, identity"], Some("deflate")),
            (&["gzip", "br"], Some("gzip, br")),
            (&["zstd,gzip "], Some("zstd, gzip")),
            (&["of-our-own"], Some("of-our-own")),
        ] {
            let pairs: Vec<_> = values.iter().map(|value| ("content-encoding", *value)).collect();
            assert_eq!(content_coding(&headers(&pairs)).as_deref(), coding, "{values:?}");
        }
    }

    #[test]
    fn j14_hostile_lifetimes_are_read_as_their_safest_meaning() {
        let max_age = |value| read(&[("cache-control", value)]).max_age.map(|age| age.as_secs());
        for (value, seconds) in [
            ("max-age=120", Some(120)),
            ("public, MAX-AGE=120, must-revalidate", Some(120)),
            ("max-age=\"120\"", Some(120)),
            ("max-age=120, max-age=60", Some(60)),
            ("max-age=120, no-cache", Some(0)),
            ("no-store", Some(0)),
            ("max-age=0", Some(0)),
            ("max-age=-1", Some(0)),
            ("max-age=", Some(0)),
            ("max-age", Some(0)),
            ("max-age=ten", Some(0)),
            ("max-age=1e9", Some(0)),
            ("max-age=18446744073709551615", Some(u64::MAX)),
            ("max-age=18446744073709551616", Some(u64::MAX)),
            ("s-maxage=5", None),
            ("public", None),
            ("", None),
        ] {
            assert_eq!(max_age(value), seconds, "{value}");
        }
        assert_eq!(read(&[("cache-control", "public"), ("cache-control", "max-age=7")]).max_age.unwrap().as_secs(), 7);
    }

    #[test]
    fn f14_age_counts_against_the_lifetime() {
        let max_age = |age| read(&[("cache-control", "max-age=100"), ("age", age)]).max_age.map(|age| age.as_secs());
        for (age, left) in [("0", 100), ("40", 60), ("100", 0), ("18446744073709551616", 0), ("-5", 100), ("x", 100)] {
            assert_eq!(max_age(age), Some(left), "{age}");
        }
        assert_eq!(read(&[("age", "5")]).max_age, None);
    }

    #[test]
    fn validators_and_delays_are_kept_when_they_make_sense() {
        assert_eq!(read(&[("etag", "W/\"1\"")]).etag.as_deref(), Some("W/\"1\""));
        let long: &'static str = "x".repeat(MAX_ETAG_BYTES + 1).leak();
        assert_eq!(read(&[("etag", long)]).etag, None);
        let retry_after = |value| read(&[("retry-after", value)]).retry_after.map(|delay| delay.as_secs());
        assert_eq!(retry_after("7"), Some(7));
        assert_eq!(retry_after("Sat, 21 Nov 2026 12:00:00 GMT"), None);
        assert_eq!(retry_after("-7"), None);
    }
}
