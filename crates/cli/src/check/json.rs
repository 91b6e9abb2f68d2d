//! One explanation as one line of JSON.

use std::io;

use serde::Serialize;
use serde_json::Value;

use super::explanation::{CheckResult, Explanation, LayerResponses};
use super::{moment, printable};

#[derive(Serialize)]
struct Report<'a> {
    line: Option<u64>,
    accepted: bool,
    reason: Option<&'static str>,
    error: Option<String>,
    judged_at: Option<String>,
    checks: Vec<Check<'a>>,
    answers: &'a LayerResponses,
    advice: &'a [String],
    notes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    contents: Option<Contents<'a>>,
}

#[derive(Serialize)]
struct Check<'a> {
    check: &'static str,
    result: CheckResult,
    #[serde(skip_serializing_if = "str::is_empty")]
    expected: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    found: &'a str,
}

#[derive(Serialize)]
struct Contents<'a> {
    verified: bool,
    header: Option<&'a serde_json::Map<String, Value>>,
    claims: Option<&'a serde_json::Map<String, Value>>,
}

/// The line, its end included.
pub(super) fn write(explanation: &Explanation, show_claims: bool) -> io::Result<String> {
    let rows = explanation.rows.iter();
    let (header, claims) = (explanation.token.header.as_ref(), explanation.token.claims.as_ref());
    let report = Report {
        line: explanation.line,
        accepted: explanation.error.is_none(),
        reason: explanation.error.as_ref().map(|error| error.reason()),
        error: explanation.error.as_ref().map(ToString::to_string),
        judged_at: explanation.judged_at.map(moment::show),
        checks: rows
            .map(|row| Check { check: row.check, result: row.result, expected: &row.expected, found: &row.found })
            .collect(),
        answers: &explanation.answers,
        advice: &explanation.advice,
        notes: &explanation.notes,
        contents: show_claims.then_some(Contents { verified: explanation.is_signed, header, claims }),
    };
    // What does not print stands in strings only, where its escape means the same.
    Ok(printable::line(&serde_json::to_string(&report)?) + "\n")
}
