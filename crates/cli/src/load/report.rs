//! The report: one HTML page that needs nothing else, no network and no script.

use askama::Template;

use super::answers::Verdict;
use super::plots::{self, Line, Plot};
use super::profile::{Event, Profile};
use super::results::{Latency, Measured, Results};
use crate::outcome::Failure;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    results: &'a Results,
    /// Whether the server's processor time is known.
    has_cpu: bool,
    /// The latencies of all profiles, if there are several.
    comparison: Option<Figure>,
    sections: Vec<Section<'a>>,
}

/// One profile.
struct Section<'a> {
    measured: &'a Measured,
    explanation: &'static str,
    rows: Vec<Row<'a>>,
    /// Where there is no comparison, which would have the same curve.
    latency: Option<Figure>,
    throughput: Figure,
    /// If there is more than one curve.
    statuses: Option<Figure>,
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
    let is_compared = results.profiles.len() > 1;
    let comparison = if is_compared {
        let lines = distinct(results.profiles.iter().flat_map(|it| latencies(it, &format!("{}, ", it.profile.name()))));
        Some(Figure { caption: "Latency by percentile".to_owned(), plot: plots::latency(&lines)? })
    } else {
        None
    };
    let page = Page {
        results,
        has_cpu: results.profiles.iter().any(|it| it.server.as_ref().is_some_and(|it| it.cpu_us_per_request.is_some())),
        comparison,
        sections: results
            .profiles
            .iter()
            .map(|measured| section(measured, is_compared, results.is_own_server))
            .collect::<Result<_, _>>()?,
    };
    page.render().map_err(|error| Failure::run("the report", error))
}

fn section(measured: &Measured, is_compared: bool, is_own_server: bool) -> Result<Section<'_>, Failure> {
    let (good, bad) = (&measured.good, measured.bad.as_ref());
    let rows: Vec<_> = std::iter::once(("good", good))
        .chain(bad.map(|bad| ("bad", bad)))
        .map(|(tokens, class)| Row { tokens, requests: class.requests, latency: &class.latency_us })
        .collect();
    let counts = measured.answers.iter().map(|answer| Line {
        name: format!("{} (to {} tokens)", answer.label, answer.to),
        points: plots::per_second(&answer.over_time, measured.part_seconds),
    });
    let counts = distinct(counts);
    let total =
        Line { name: "answers".to_owned(), points: plots::per_second(&measured.total(), measured.part_seconds) };
    // What happens, happens in the middle.
    let event = measured.profile.event().map(|_| measured.seconds / 2.0);
    let happens = match measured.profile.event() {
        Some(Event::Rotation) => "; at the dashed line the issuer changes its key",
        Some(Event::Outage) => "; at the dashed line the issuer stops answering",
        None => "",
    };
    let latency = if is_compared {
        None
    } else {
        let lines = distinct(latencies(measured, "").into_iter());
        Some(Figure { caption: "Latency by percentile".to_owned(), plot: plots::latency(&lines)? })
    };
    // One curve would be that of all answers, at another scale.
    let statuses = match counts.as_slice() {
        [] | [_] => None,
        counts => Some(Figure {
            caption: format!("Statuses over time, a second{happens}"),
            plot: plots::over_time(counts, event)?,
        }),
    };
    Ok(Section {
        measured,
        explanation: explanation(measured.profile, is_own_server),
        latency,
        throughput: Figure {
            caption: format!("Answers a second over time{happens}"),
            plot: plots::over_time(&[total], event)?,
        },
        statuses,
        rows,
    })
}

/// Lines that cover each other are one, with both names: as many good tokens as bad ones are answered alike.
fn distinct(lines: impl Iterator<Item = Line>) -> Vec<Line> {
    let mut distinct: Vec<Line> = Vec::new();
    for line in lines {
        match distinct.iter_mut().find(|other| other.points == line.points) {
            Some(same) => same.name = format!("{}, and as many {}", same.name, line.name),
            None => distinct.push(line),
        }
    }
    distinct
}

/// One line, or one for good tokens and one for bad ones.
fn latencies(measured: &Measured, prefix: &str) -> Vec<Line> {
    let line =
        |tokens: &str, latency: &Latency| Line { name: format!("{prefix}{tokens}"), points: latency.curve.clone() };
    let good = line("good tokens", &measured.good.latency_us);
    let bad = measured.bad.as_ref().map(|bad| line("bad tokens", &bad.latency_us));
    std::iter::once(good).chain(bad).collect()
}

const fn explanation(profile: Profile, is_own_server: bool) -> &'static str {
    match profile {
        Profile::Reused => "A few good tokens over and over.",
        Profile::Unique if is_own_server => {
            "Many good tokens. The token cache is off, so that each request has its signature checked."
        }
        Profile::Unique => "All tokens that were given, in turn. The server may cache them.",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_drawn_once() {
        let line = |name: &str, counts: &[u64]| Line { name: name.to_owned(), points: plots::per_second(counts, 1.0) };
        let names =
            |lines: Vec<Line>| distinct(lines.into_iter()).into_iter().map(|line| line.name).collect::<Vec<_>>();
        assert_eq!(names(vec![line("200", &[1, 2]), line("401", &[1, 3])]), ["200", "401"]);
        assert_eq!(names(vec![line("200", &[1, 2]), line("401", &[1, 2])]), ["200, and as many 401"]);
    }
}
