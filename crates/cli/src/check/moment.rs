//! Times as people read them.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tower_bearer::time::UnixTime;

/// Seconds since 1970, between which a time in another unit is sought.
const IN_2000: f64 = 946_684_800.0;
const IN_2100: f64 = 4_102_444_800.0;

/// Reads `--at`.
pub(super) fn parse(text: &str) -> Result<UnixTime, String> {
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => Some(seconds),
        Err(_) => OffsetDateTime::parse(text, &Rfc3339).ok().and_then(|at| u64::try_from(at.unix_timestamp()).ok()),
    };
    let at = seconds.map(UnixTime::from_secs).filter(|at| *at <= UnixTime::MAX);
    at.ok_or_else(|| match text.parse().ok().and_then(unit_of) {
        Some(unit) => format!("these are {unit}: give seconds since 1970, or RFC 3339"),
        None => "neither RFC 3339, such as 2026-11-21T02:14:00Z, nor seconds since 1970".to_owned(),
    })
}

/// RFC 3339 in whole seconds.
pub(super) fn show(at: UnixTime) -> String {
    at.rfc3339().to_string()
}

/// The unit of a number that is no time in seconds, but one between the years 2000 and 2100 in this unit.
pub(super) fn unit_of(number: f64) -> Option<&'static str> {
    let units = [("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9)];
    units.into_iter().find(|(_, per_second)| (IN_2000..IN_2100).contains(&(number / per_second))).map(|(unit, _)| unit)
}

/// `2 h ago`, `in 5 min`, `now`.
pub(super) fn relative(at: UnixTime, now: UnixTime) -> String {
    let (past, future) = (now.as_secs().saturating_sub(at.as_secs()), at.as_secs().saturating_sub(now.as_secs()));
    match (past, future) {
        (0, 0) => "now".to_owned(),
        (0, _) => format!("in {}", span(Duration::from_secs(future))),
        _ => format!("{} ago", span(Duration::from_secs(past))),
    }
}

/// A duration in its largest unit, and the next one where that says more: `2 h`, `1 h 30 min`.
pub(super) fn span(duration: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let seconds = duration.as_secs();
    let mut parts = UNITS.iter().scan(seconds, |left, (size, name)| {
        let count = *left / size;
        *left %= size;
        Some((count, *name))
    });
    let Some((count, name)) = parts.find(|(count, _)| *count > 0) else { return "0 s".to_owned() };
    match parts.next() {
        Some((next, next_name)) if next > 0 => format!("{count} {name} {next} {next_name}"),
        _ => format!("{count} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_notations_are_the_same_time() {
        for text in ["1800000000", "2027-01-15T08:00:00Z", "2027-01-15T09:00:00+01:00", "2027-01-15T08:00:00.9Z"] {
            assert_eq!(parse(text), Ok(UnixTime::from_secs(1_800_000_000)), "{text}");
        }
        for text in ["", "yesterday", "-1", "2027-01-15", "1969-12-31T23:59:59Z", "253402300800"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(show(UnixTime::from_secs(1_800_000_000)), "2027-01-15T08:00:00Z");
        assert_eq!(show(UnixTime::MAX), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn spans_have_at_most_two_units() {
        let of = |seconds| span(Duration::from_secs(seconds));
        assert_eq!([of(0), of(59), of(60), of(90)], ["0 s", "59 s", "1 min", "1 min 30 s"]);
        assert_eq!([of(7_200), of(7_259), of(9_000), of(90_000)], ["2 h", "2 h", "2 h 30 min", "1 d 1 h"]);
        let at = UnixTime::from_secs;
        assert_eq!(
            [relative(at(1), at(1)), relative(at(9), at(1)), relative(at(1), at(9))],
            ["now", "in 8 s", "8 s ago"]
        );
    }
}
