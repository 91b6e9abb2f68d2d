//! The figures on a terminal.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, Table, presets};

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
    writeln!(text, "{}\n", costs(results))?;
    writeln!(text, "{}", answers(results))?;
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

fn costs(results: &Results) -> Table {
    let mut table =
        table(&["cost", "CPU µs/request", "cores", "peak MiB", "key fetches", "metadata", "generator cores"]);
    for measured in &results.profiles {
        let server = measured.server.as_ref();
        let fetches = measured.provider_fetches;
        row(
            &mut table,
            measured.profile.name().to_owned(),
            [
                real(server.and_then(|server| server.cpu_us_per_request), 2),
                real(server.and_then(|server| server.cores), 2),
                real(
                    server
                        .and_then(|server| server.peak_memory_bytes)
                        .map(|bytes| super::results::real(bytes) / 1_048_576.0),
                    1,
                ),
                whole(fetches.map(|fetches| fetches.jwk_set)),
                whole(fetches.map(|fetches| fetches.metadata)),
                real(measured.generator_cores, 2),
            ],
        );
    }
    table
}

fn answers(results: &Results) -> Table {
    let mut table = table(&["answers", "to", "count", "", "answer"]);
    for measured in &results.profiles {
        for answer in &measured.answers {
            let verdict = if answer.is_wrong { "WRONG" } else { "right" };
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

fn row<const N: usize>(table: &mut Table, name: String, figures: [String; N]) {
    let figures = figures.into_iter().map(|figure| Cell::new(figure).set_alignment(CellAlignment::Right));
    table.add_row(std::iter::once(Cell::new(name)).chain(figures));
}

fn real(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(|| "not measured".to_owned(), |figure| format!("{figure:.digits$}"))
}

fn whole(figure: Option<u64>) -> String {
    figure.map_or_else(|| "not measured".to_owned(), |figure| figure.to_string())
}
