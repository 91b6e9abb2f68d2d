//! The report: one HTML page that needs nothing else, no network and no script.

use askama::Template;

use super::plots::{self, Line, Plot};
use super::profile::{Event, Profile};
use super::results::{Latency, Measured, Results};
use crate::outcome::Failure;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    results: &'a Results,
    /// Good requests of all profiles.
    comparison: Figure,
    sections: Vec<Section<'a>>,
}

/// One profile.
struct Section<'a> {
    measured: &'a Measured,
    explanation: &'static str,
    rows: Vec<Row<'a>>,
    latency: Figure,
    throughput: Figure,
    statuses: Figure,
}

/// Requests of one kind.
struct Row<'a> {
    tokens: &'static str,
    requests: u64,
    latency: &'a Latency,
}

struct Figure {
    caption: String,
    plot: Plot,
}

/// The whole page. Texts from outside are escaped by the template.
pub(super) fn render(results: &Results) -> Result<String, Failure> {
    let lines: Vec<_> =
        results.profiles.iter().map(|measured| line(measured.profile.name(), &measured.good.latency_us)).collect();
    let page = Page {
        results,
        comparison: Figure { caption: "Latency of good requests".to_owned(), plot: plots::latency(&lines)? },
        sections: results.profiles.iter().map(section).collect::<Result<_, _>>()?,
    };
    page.render().map_err(|error| Failure::run("the report", error))
}

fn section(measured: &Measured) -> Result<Section<'_>, Failure> {
    let (good, bad) = (&measured.good, measured.bad.as_ref());
    let rows: Vec<_> = std::iter::once(("good", good))
        .chain(bad.map(|bad| ("bad", bad)))
        .map(|(tokens, class)| Row { tokens, requests: class.requests, latency: &class.latency_us })
        .collect();
    let latencies: Vec<_> = rows.iter().map(|row| line(row.tokens, row.latency)).collect();
    let counts: Vec<_> = measured
        .answers
        .iter()
        .map(|answer| Line {
            name: format!("{} (to {} tokens)", answer.label, answer.to),
            points: plots::per_second(&answer.over_time, measured.part_seconds),
        })
        .collect();
    let total =
        Line { name: "answers".to_owned(), points: plots::per_second(&measured.total(), measured.part_seconds) };
    // What happens, happens in the middle.
    let event = measured.profile.event().map(|_| measured.seconds / 2.0);
    let happens = match measured.profile.event() {
        Some(Event::Rotation) => "; at the dashed line the issuer changes its key",
        Some(Event::Outage) => "; at the dashed line the issuer stops answering",
        None => "",
    };
    Ok(Section {
        measured,
        explanation: explanation(measured.profile),
        latency: Figure { caption: "Latency by percentile".to_owned(), plot: plots::latency(&latencies)? },
        throughput: Figure {
            caption: format!("Answers a second over time{happens}"),
            plot: plots::over_time(&[total], event)?,
        },
        statuses: Figure {
            caption: format!("Statuses over time, a second{happens}"),
            plot: plots::over_time(&counts, event)?,
        },
        rows,
    })
}

fn line(name: &str, latency: &Latency) -> Line {
    Line { name: name.to_owned(), points: latency.curve.clone() }
}

const fn explanation(profile: Profile) -> &'static str {
    match profile {
        Profile::Reused => "A few good tokens over and over.",
        Profile::Unique => "Many good tokens, each verified anew.",
        Profile::BadSignature => "Good tokens, and bad ones whose signature is wrong.",
        Profile::RandomKid => "Good tokens, and bad ones that name a key that does not exist.",
        Profile::Rotation => "The issuer changes its key, and tokens by the new key follow.",
        Profile::Outage => "The issuer stops answering, and the keys get old.",
    }
}

/// Numbers as people read them.
#[expect(unreachable_pub, reason = "the attribute makes public types of the functions")]
mod filters {
    use askama::{Result, Values};

    /// With a space after every third digit.
    #[askama::filter_fn]
    pub(super) fn grouped(number: impl std::fmt::Display, _: &dyn Values) -> Result<String> {
        let digits = number.to_string();
        let mut text = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                text.push('\u{202f}');
            }
            text.push(digit);
        }
        Ok(text)
    }

    /// Without digits after the point, grouped.
    #[askama::filter_fn]
    pub(super) fn whole(number: &f64, _: &dyn Values) -> Result<String> {
        let digits = format!("{number:.0}");
        grouped::default().execute(digits, askama::NO_VALUES)
    }

    /// With two digits after the point.
    #[askama::filter_fn]
    pub(super) fn two(number: &Option<f64>, _: &dyn Values) -> Result<String> {
        Ok(number.map_or_else(|| "not measured".to_owned(), |number| format!("{number:.2}")))
    }

    /// Bytes in MiB.
    #[askama::filter_fn]
    pub(super) fn mebibytes(bytes: &Option<u64>, _: &dyn Values) -> Result<String> {
        let mebibytes = bytes.map(|bytes| super::super::results::real(bytes) / 1_048_576.0);
        Ok(mebibytes.map_or_else(|| "not measured".to_owned(), |number| format!("{number:.1} MiB")))
    }
}
