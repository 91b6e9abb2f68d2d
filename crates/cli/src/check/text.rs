//! One explanation as a person reads it.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use super::explanation::{CheckResult, Explanation, LayerResponse, Row};
use super::{moment, printable};
use crate::terminal::{BAD, HEADING};

const GOOD: Style = AnsiColor::Green.on_default();
const FAINT: Style = Style::new().dimmed();

/// How much of a value is shown where nothing is wrong with it, and where something is.
const MAX_CELL: usize = 52;
const MAX_FAILED_CELL: usize = 400;

/// How long a line of advice is.
const MAX_LINE: usize = 96;

/// The whole text. What comes from the token has nothing in it that a terminal would act upon.
pub(super) fn write(explanation: &Explanation, show_claims: bool) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_head(&mut text, explanation);
    let _ = write_rows(&mut text, &explanation.rows);
    let _ = write_answers(&mut text, explanation);
    for (heading, lines) in [("What to do", &explanation.advice), ("Note", &explanation.notes)] {
        if !lines.is_empty() {
            let _ = writeln!(text, "\n  {HEADING}{heading}{HEADING:#}");
            for line in lines {
                let _ = write_wrapped(&mut text, &printable::line(line));
            }
        }
    }
    if show_claims {
        let _ = write_claims(&mut text, explanation);
    }
    text.push('\n');
    text
}

fn write_head(text: &mut String, explanation: &Explanation) -> std::fmt::Result {
    let name = explanation.line.map_or_else(|| "the token".to_owned(), |line| format!("line {line}"));
    let at = explanation.judged_at.map(|at| format!("as of {}", moment::show(at))).unwrap_or_default();
    match &explanation.error {
        None => writeln!(text, "{GOOD}✓ {name}: good{GOOD:#}  {FAINT}{at}{FAINT:#}\n"),
        Some(error) => {
            let verdict = if explanation.is_undecided() { "undecided" } else { "refused" };
            let (reason, error) = (error.reason(), printable::line(&error.to_string()));
            writeln!(text, "{BAD}✗ {name}: {verdict}, {reason}{BAD:#}  {FAINT}{at}{FAINT:#}\n  {error}\n")
        }
    }
}

fn write_rows(text: &mut String, rows: &[Row]) -> std::fmt::Result {
    let cells: Vec<_> = rows.iter().map(cells).collect();
    let (check_width, found_width) =
        (17, cells.iter().map(|(found, _)| found.chars().count()).max().unwrap_or_default());
    // A long value where something is wrong stands out of its column.
    let found_width = found_width.clamp(5, MAX_CELL + 1);
    writeln!(text, "    {FAINT}{:check_width$}  {:found_width$}  expected{FAINT:#}", "check", "found")?;
    for (row, (found, expected)) in rows.iter().zip(&cells) {
        let check = row.check.replace('_', " ");
        let (mark, style) = match row.result {
            CheckResult::Passed => ('✓', GOOD),
            CheckResult::Failed => ('✗', BAD),
            CheckResult::Unverified => ('·', FAINT),
        };
        let (body, aside) = match row.result {
            CheckResult::Passed => (Style::new(), FAINT),
            CheckResult::Failed => (Style::new(), Style::new()),
            CheckResult::Unverified => (FAINT, FAINT),
        };
        let line = format!("{check:check_width$}  {body}{found:found_width$}{body:#}  {aside}{expected}{aside:#}");
        writeln!(text, "  {style}{mark}{style:#} {line}")?;
    }
    Ok(())
}

/// What was found and what was expected.
fn cells(row: &Row) -> (String, String) {
    let max = if row.result == CheckResult::Failed { MAX_FAILED_CELL } else { MAX_CELL };
    let cell = |value: &str| printable::cut(&printable::line(value), max);
    let expected = if row.result == CheckResult::Unverified { "unverified" } else { &row.expected };
    let found = if row.found.is_empty() { "—" } else { &row.found };
    (cell(found), cell(expected))
}

fn write_answers(text: &mut String, explanation: &Explanation) -> std::fmt::Result {
    let answers = &explanation.answers;
    writeln!(text, "\n  {HEADING}The layer's answer{HEADING:#}")?;
    if let Some(configured) = &answers.configured {
        return writeln!(text, "    {}", answer(configured));
    }
    if answers.default == answers.rfc6750 {
        return writeln!(text, "    {}", answer(&answers.default));
    }
    writeln!(text, "    by default   {}", answer(&answers.default))?;
    writeln!(text, "    rfc6750()    {}", answer(&answers.rfc6750))
}

fn answer(answer: &LayerResponse) -> String {
    let Some(status) = answer.status else { return "none: the request reaches the handler".to_owned() };
    let challenge = answer.www_authenticate.as_deref().map(|challenge| format!("  WWW-Authenticate: {challenge}"));
    let retry = answer.retry_after.as_deref().map(|seconds| format!("  Retry-After: {seconds}"));
    printable::line(&format!("{status}{}{}", challenge.unwrap_or_default(), retry.unwrap_or_default()))
}

/// Sentences, each line indented alike.
fn write_wrapped(text: &mut String, sentences: &str) -> std::fmt::Result {
    let mut width = 0;
    for word in sentences.split(' ') {
        let length = word.chars().count();
        if width == 0 || width + 1 + length > MAX_LINE {
            write!(text, "{}    {word}", if width == 0 { "" } else { "\n" })?;
            width = length;
        } else {
            write!(text, " {word}")?;
            width += 1 + length;
        }
    }
    writeln!(text)
}

fn write_claims(text: &mut String, explanation: &Explanation) -> std::fmt::Result {
    let proof = if explanation.is_signed {
        "verified: the issuer signed them"
    } else {
        "unverified: anybody may have written them"
    };
    for (name, members) in [("Header", &explanation.token.header), ("Claims", &explanation.token.claims)] {
        writeln!(text, "\n  {HEADING}{name}{HEADING:#}, {proof}")?;
        let json = members.clone().map(|members| format!("{:#}", Value::Object(members)));
        for line in json.as_deref().unwrap_or("not readable").lines() {
            writeln!(text, "    {}", printable::line(line))?;
        }
    }
    Ok(())
}
