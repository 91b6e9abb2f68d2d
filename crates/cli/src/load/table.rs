//! The figures on a terminal.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, Table, presets};

use super::answers::Verdict;
use super::results::{Measured, Requests, Results};
use crate::terminal::{BAD, HEADING};

/// With styles in it, which standard output leaves out where they are not shown.
pub(super) fn render(results: &Results) -> String {
    let mut text = String::new();
    // Writing into a string cannot fail.
    let _ = write(&mut text, results);
    text
}

fn write(text: &mut String, results: &Results) -> std::fmt::Result {
    writeln!(text, "{HEADING}target{HEADING:#}  {}", results.target)?;
    writeln!(text, "{HEADING}load{HEADING:#}    {}\n", results.load)?;
    writeln!(text, "{}\n", latencies(results))?;
    if let Some(costs) = costs(results) {
        writeln!(text, "{costs}\n")?;
    }
    writeln!(text, "{}", answers(results))?;
    if results.profiles.iter().flat_map(|it| &it.answers).any(|answer| answer.verdict == Verdict::Unclear) {
        writeln!(text, "\nunclear: another server's 503 does not tell whether it could not decide or is overloaded")?;
    }
    if let Some(note) = results.build_note() {
        writeln!(text, "\n{BAD}{note}{BAD:#}")?;
    }
    if results.interrupted {
        writeln!(text, "\n{BAD}ended by Ctrl-C{BAD:#}: these are the figures so far")?;
    }
    match results.wrong_answers {
        0 => writeln!(text, "\nno wrong answers"),
        wrong => writeln!(text, "\n{BAD}{wrong} wrong answers{BAD:#}"),
    }
}

fn latencies(results: &Results) -> Table {
    let mut table = table(&["latency in µs", "requests/s", "p50", "p90", "p99", "p99.9", "max"]);
    for measured in &results.profiles {
        let name = measured.profile.name();
        match &measured.bad {
            None => latency_row(&mut table, name.to_owned(), measured, &measured.good),
            Some(bad) => {
                latency_row(&mut table, format!("{name}, good"), measured, &measured.good);
                latency_row(&mut table, format!("{name}, bad"), measured, bad);
            }
        }
    }
    table
}

fn latency_row(table: &mut Table, name: String, measured: &Measured, requests: &Requests) {
    let share = if measured.requests == 0 {
        0.0
    } else {
        super::results::real(requests.requests) / super::results::real(measured.requests)
    };
    let latency = &requests.latency_us;
    let figures =
        [measured.requests_per_second * share, latency.p50, latency.p90, latency.p99, latency.p99_9, latency.max];
    row(table, name, figures.map(|figure| format!("{figure:.0}")));
}

/// What could be measured of the costs: of another server only what the generator needed.
fn costs(results: &Results) -> Option<Table> {
    type Figure = fn(&Measured) -> Option<String>;
    let columns: [(&str, Figure); 6] = [
        ("CPU µs/request", |it| real(it.server.as_ref()?.cpu_us_per_request, 2)),
        ("cores", |it| real(it.server.as_ref()?.cores, 2)),
        ("peak MiB", |it| {
            real(it.server.as_ref()?.peak_memory_bytes.map(|bytes| super::results::real(bytes) / 1_048_576.0), 1)
        }),
        ("key fetches", |it| Some(it.provider_fetches?.jwk_set.to_string())),
        ("metadata", |it| Some(it.provider_fetches?.metadata.to_string())),
        ("generator cores", |it| real(it.generator_cores, 2)),
    ];
    let is_measured = |(_, figure): &&(&str, Figure)| results.profiles.iter().any(|it| figure(it).is_some());
    let columns: Vec<_> = columns.iter().filter(is_measured).collect();
    if columns.is_empty() {
        return None;
    }
    let headings: Vec<_> = std::iter::once("cost").chain(columns.iter().map(|(heading, _)| *heading)).collect();
    let mut table = table(&headings);
    for measured in &results.profiles {
        let figures = columns.iter().map(|(_, figure)| figure(measured).unwrap_or_default());
        row(&mut table, measured.profile.name().to_owned(), figures);
    }
    Some(table)
}

fn answers(results: &Results) -> Table {
    let mut table = table(&["answers", "to", "count", "", "answer"]);
    for measured in &results.profiles {
        for answer in &measured.answers {
            let verdict = match answer.verdict {
                Verdict::Right => "right",
                Verdict::Wrong => "WRONG",
                Verdict::Unclear => "unclear",
            };
            table.add_row([
                Cell::new(measured.profile.name()),
                Cell::new(answer.to),
                Cell::new(answer.count).set_alignment(CellAlignment::Right),
                Cell::new(verdict),
                Cell::new(&answer.label),
            ]);
        }
        if measured.not_sent > 0 {
            table.add_row([
                Cell::new(measured.profile.name()),
                Cell::new(""),
                Cell::new(measured.not_sent).set_alignment(CellAlignment::Right),
                Cell::new(""),
                Cell::new("not sent in time: the server is slower than --rate"),
            ]);
        }
    }
    table
}

fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(headings);
    table
}

fn row(table: &mut Table, name: String, figures: impl IntoIterator<Item = String>) {
    let figures = figures.into_iter().map(|figure| Cell::new(figure).set_alignment(CellAlignment::Right));
    table.add_row(std::iter::once(Cell::new(name)).chain(figures));
}

fn real(figure: Option<f64>, digits: usize) -> Option<String> {
    figure.map(|figure| format!("{figure:.digits$}"))
}
