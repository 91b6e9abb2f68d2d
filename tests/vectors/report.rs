//! What became of a set of vectors, and the comparison with `exceptions.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;

/// One case that we decide otherwise than expected, with the reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Exception {
    set: String,
    tc_id: usize,
    expected: Verdict,
    actual: Verdict,
    reason: String,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Accepted,
    Refused,
}

impl Verdict {
    const fn of(is_accepted: bool) -> Self {
        if is_accepted { Self::Accepted } else { Self::Refused }
    }
}

/// What became of the cases of one set.
#[derive(Debug, Default)]
pub(crate) struct Report {
    set: String,
    accepted: usize,
    refused: usize,
    /// By reason: the cases whose key our rules refuse.
    skipped: BTreeMap<String, usize>,
    /// By case: what was expected, what we did.
    differences: Vec<(usize, Verdict, Verdict)>,
}

impl Report {
    pub(crate) fn new(set: String) -> Self {
        Self { set, ..Self::default() }
    }

    pub(crate) fn count(&mut self, case: usize, is_expected_accepted: bool, is_accepted: bool) {
        match Verdict::of(is_accepted) {
            Verdict::Accepted => self.accepted += 1,
            Verdict::Refused => self.refused += 1,
        }
        if is_accepted != is_expected_accepted {
            self.differences.push((case, Verdict::of(is_expected_accepted), Verdict::of(is_accepted)));
        }
    }

    pub(crate) fn skip(&mut self, reason: impl fmt::Display, cases: usize) {
        *self.skipped.entry(reason.to_string()).or_default() += cases;
    }

    pub(crate) fn set(&self) -> &str {
        &self.set
    }

    pub(crate) const fn accepted(&self) -> usize {
        self.accepted
    }

    pub(crate) const fn refused(&self) -> usize {
        self.refused
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let skipped: usize = self.skipped.values().sum();
        let Self { set, accepted, refused, .. } = self;
        write!(f, "{set}: {accepted} accepted, {refused} refused, {skipped} skipped, ")?;
        write!(f, "{} exceptions", self.differences.len())?;
        self.skipped.iter().try_for_each(|(reason, cases)| write!(f, "\n    {cases} skipped: {reason}"))
    }
}

/// Fails unless the differences of all sets are exactly the listed ones.
pub(crate) fn assert_exceptions(reports: &[Report], exceptions: &str) {
    let exceptions: Vec<Exception> = serde_json::from_str(exceptions).unwrap();
    for exception in &exceptions {
        assert!(!exception.reason.trim().is_empty(), "an exception needs a reason: {exception:?}");
    }
    let listed: BTreeSet<_> = exceptions.iter().map(|it| (&*it.set, it.tc_id, it.expected, it.actual)).collect();
    assert_eq!(listed.len(), exceptions.len(), "an exception stands twice in exceptions.json");
    let found: BTreeSet<_> = reports
        .iter()
        .flat_map(|report| report.differences.iter().map(move |difference| (report, difference)))
        .map(|(report, (case, expected, actual))| (&*report.set, *case, *expected, *actual))
        .collect();
    let unknown: Vec<_> = found.difference(&listed).collect();
    assert!(unknown.is_empty(), "differences without an exception: {unknown:#?}");
    let unneeded: Vec<_> = listed.difference(&found).collect();
    assert!(unneeded.is_empty(), "exceptions that are not needed any more: {unneeded:#?}");
}

const ONE_EXCEPTION: &str = r#"[
    { "set": "A", "tcId": 7, "expected": "refused", "actual": "accepted", "reason": "an example" }
]"#;

fn report_with_a_difference() -> Report {
    let mut report = Report::new("A".to_owned());
    report.count(7, false, true);
    report
}

#[test]
fn a_listed_exception_passes() {
    assert_exceptions(&[report_with_a_difference()], ONE_EXCEPTION);
}

#[test]
#[should_panic(expected = "differences without an exception")]
fn a_difference_without_an_exception_fails() {
    assert_exceptions(&[report_with_a_difference()], "[]");
}

#[test]
#[should_panic(expected = "exceptions that are not needed any more")]
fn an_exception_that_is_not_needed_fails() {
    assert_exceptions(&[Report::new("A".to_owned())], ONE_EXCEPTION);
}
