//! Durations as text with a unit, such as `30s`, for settings that people read and write.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};

/// Longest first. The first unit that leaves no remainder is written, except for minutes and hours, which would hide
/// that the operator chose 120 seconds.
const UNITS: [(&str, u128); 7] = [
    ("h", 3_600_000_000_000),
    ("min", 60_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&write(*duration))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    read(&text).ok_or_else(|| D::Error::custom("not a duration; write a whole number with its unit, such as \"30s\""))
}

/// The same for a setting that can be absent.
pub(crate) mod optional {
    use std::time::Duration;

    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}

fn write(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let is_whole = |(_, size): &&(&str, u128)| nanos.is_multiple_of(*size);
    let (unit, size) = UNITS.iter().skip(3).find(is_whole).copied().unwrap_or(("ns", 1));
    format!("{}{unit}", nanos / size)
}

fn read(text: &str) -> Option<Duration> {
    let digits = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let nanos = number.parse::<u128>().ok()?.checked_mul(*size)?;
    let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
    Some(Duration::new(seconds, u32::try_from(nanos % 1_000_000_000).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_back_as_they_were() {
        for (duration, text) in [
            (Duration::ZERO, "0s"),
            (Duration::from_secs(30), "30s"),
            (Duration::from_secs(3_600), "3600s"),
            (Duration::from_millis(2_500), "2500ms"),
            (Duration::from_nanos(1_500), "1500ns"),
            (Duration::MAX, "18446744073709551615999999999ns"),
        ] {
            assert_eq!(write(duration), text);
            assert_eq!(read(text), Some(duration), "{text}");
        }
        assert_eq!(
            [read("5min"), read("5m"), read("1h")].map(Option::unwrap).map(|it| it.as_secs()),
            [300, 300, 3_600]
        );
        for text in ["", "30", "s", "-1s", "1.5s", "30 s", "30S", "99999999999999999999999999999999h"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
