//! The guide's table of log lines has those that there are.

use std::collections::BTreeSet;

const GUIDE: &str = include_str!("../../src/guide.md");
const REPORT: &str = include_str!("../../src/revocations/report.rs");

#[test]
fn the_guide_has_every_log_line() {
    let rows = GUIDE.lines().filter_map(|line| line.strip_prefix("| `the ").or(line.strip_prefix("| `entries ")));
    let rows: BTreeSet<_> = rows.filter_map(|row| row.split_once('`')).map(|(line, _)| line).collect();
    // Texts in the source can be broken into several lines.
    let source: Vec<_> = REPORT.split_whitespace().filter(|word| *word != "\\").collect();
    let source = source.join(" ");
    for row in &rows {
        assert!(source.contains(row), "{row}");
    }
    assert_eq!(rows.len(), REPORT.matches("tracing::").count());
}

#[test]
fn the_guides_commands_are_those_that_are_sent() {
    let words = GUIDE.split_whitespace().map(|word| word.trim_matches('`'));
    let acl: BTreeSet<_> = words.filter_map(|word| word.strip_prefix('+')).map(str::to_uppercase).collect();
    let sources = [
        REPORT,
        include_str!("../../src/connection.rs"),
        include_str!("../../src/revocations/follow.rs"),
        include_str!("../../src/revocations/marker.rs"),
        include_str!("../../src/revocations/mod.rs"),
        include_str!("../../src/revocations/session.rs"),
        include_str!("../../src/revocations/synchronize.rs"),
        include_str!("../../src/revocations/write.rs"),
    ];
    let sent = sources.into_iter().flat_map(|source| source.split(".cmd(\"").skip(1));
    let mut sent: BTreeSet<_> = sent.filter_map(|rest| rest.split('"').next()).map(String::from).collect();
    // The client library sends it.
    sent.insert(String::from("SELECT"));
    assert_eq!(acl, sent);
}
