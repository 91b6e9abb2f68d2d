//! The plots of the report, as SVG that a page can hold.
//!
//! They are drawn for a narrow page, such as that of a phone; a wide one makes them larger and their letters smaller. Lines
//! and letters of the axes are in [`INK`]
//! and [`GRID`], for which the page's style puts colours that fit light and dark. Legends are the page's: it knows how
//! wide text is.

use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::results::real;
use crate::outcome::Failure;

const SIZE: (u32, u32) = (380, 250);
const FONT: (&str, u32) = ("sans-serif", 14);
const INK: RGBColor = RGBColor(1, 1, 1);
const GRID: RGBColor = RGBColor(2, 2, 2);
/// Readable on light and on dark.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0x3b, 0x82, 0xf6),
    RGBColor(0xe0, 0x8a, 0x00),
    RGBColor(0x10, 0xa5, 0x6f),
    RGBColor(0xe0, 0x48, 0x48),
    RGBColor(0x9a, 0x6c, 0xf0),
    RGBColor(0x0a, 0xa2, 0xc0),
    RGBColor(0xd0, 0x5c, 0xa8),
    RGBColor(0x7a, 0x84, 0x8f),
];

/// A named line.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// A plot with the names and the colours (as CSS has them) of its lines.
pub(super) struct Plot {
    pub(super) svg: String,
    pub(super) legend: Vec<(String, String)>,
}

/// Latency by percentile, both axes logarithmic: towards the right, each step has a tenth of the requests left. Points
/// are pairs of percentile and microseconds.
pub(super) fn latency(lines: &[Line]) -> Result<Plot, Failure> {
    let lines: Vec<Line> =
        lines.iter().map(|line| Line { name: line.name.clone(), points: rare(&line.points) }).collect();
    let values = || lines.iter().flat_map(|line| &line.points).map(|point| point.1);
    let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(1.0, f64::max));
    let right = lines.iter().flat_map(|line| &line.points).map(|point| point.0).fold(100.0, f64::max);
    let bottom = 10_f64.powf(low.clamp(1.0, high).log10().floor());
    let top = 10_f64.powf(high.log10().ceil()).max(bottom * 10.0);
    let axes = Axes { x: percentile, y: duration, event: None };
    draw(&lines, (1.0..right).log_scale(), (bottom..top).log_scale(), (bottom, top), &axes)
}

/// Something a second over time. Points are pairs of seconds and counts a second; `event` is when something happened.
pub(super) fn over_time(lines: &[Line], event: Option<f64>) -> Result<Plot, Failure> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let right = points().map(|point| point.0).fold(0.1, f64::max);
    let top = points().map(|point| point.1).fold(1.0, f64::max) * 1.08;
    draw(lines, 0.0..right, 0.0..top, (0.0, top), &Axes { x: seconds, y: count, event })
}

/// Counts in each part of a run as a line.
pub(super) fn per_second(counts: &[u64], part_seconds: f64) -> Vec<(f64, f64)> {
    let time = |part: usize| (real(u64::try_from(part).unwrap_or_default()) + 0.5) * part_seconds;
    counts.iter().enumerate().map(|(part, count)| (time(part), real(*count) / part_seconds)).collect()
}

struct Axes {
    x: fn(&f64) -> String,
    y: fn(&f64) -> String,
    event: Option<f64>,
}

fn draw<X, Y>(lines: &[Line], x: X, y: Y, (bottom, top): (f64, f64), axes: &Axes) -> Result<Plot, Failure>
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64> + Ranged<ValueType = f64>,
    Y::CoordDescType: ValueFormatter<f64> + Ranged<ValueType = f64>,
{
    fn failed(error: impl std::fmt::Display) -> Failure {
        Failure::run("a plot could not be drawn", error)
    }
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .margin_right(32)
            .x_label_area_size(28)
            .y_label_area_size(58)
            .build_cartesian_2d(x, y)
            .map_err(failed)?;
        let text = FONT.into_font().color(&INK);
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID.stroke_width(1))
            .axis_style(GRID.stroke_width(1))
            .x_labels(5)
            .y_labels(5)
            .x_label_formatter(&axes.x)
            .y_label_formatter(&axes.y)
            .label_style(text)
            .draw()
            .map_err(failed)?;
        if let Some(event) = axes.event {
            let line = [(event, bottom), (event, top)];
            chart.draw_series(DashedLineSeries::new(line, 5, 5, INK.stroke_width(1))).map_err(failed)?;
        }
        for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
            let points = line.points.iter().copied();
            chart.draw_series(LineSeries::new(points, colour.stroke_width(2))).map_err(failed)?;
            if let [only] = *line.points {
                // A line of one point would not be seen.
                chart.draw_series([Circle::new(only, 3, colour.filled())]).map_err(failed)?;
            }
        }
        if lines.iter().all(|line| line.points.is_empty()) {
            let style = FONT.into_font().color(&INK).pos(Pos::new(HPos::Center, VPos::Center));
            area.draw(&Text::new("nothing was measured", middle(), style)).map_err(failed)?;
        }
        area.present().map_err(failed)?;
    }
    let css = |RGBColor(red, green, blue): &RGBColor| format!("#{red:02x}{green:02x}{blue:02x}");
    let legend = lines.iter().zip(COLOURS.iter().cycle()).map(|(line, colour)| (line.name.clone(), css(colour)));
    Ok(Plot { legend: legend.collect(), svg })
}

fn middle() -> (i32, i32) {
    (i32::try_from(SIZE.0 / 2).unwrap_or_default(), i32::try_from(SIZE.1 / 2).unwrap_or_default())
}

/// Percentiles as how many requests there are for one that takes longer: 90 % is 10, 99 % is 100.
fn rare(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let finite = points.iter().filter(|(percentile, _)| *percentile < 100.0);
    finite.map(|(percentile, micros)| (100.0 / (100.0 - percentile), micros.max(1.0))).collect()
}

fn percentile(requests: &f64) -> String {
    format!("{:.5}", 100.0 - 100.0 / requests).trim_end_matches('0').trim_end_matches('.').to_owned() + " %"
}

fn duration(micros: &f64) -> String {
    match *micros {
        micros if micros >= 1e6 => format!("{} s", micros / 1e6),
        micros if micros >= 1e3 => format!("{} ms", micros / 1e3),
        micros => format!("{micros} µs"),
    }
}

fn seconds(seconds: &f64) -> String {
    format!("{} s", (seconds * 1e3).round() / 1e3)
}

fn count(count: &f64) -> String {
    if *count >= 1e3 { format!("{} k", (count / 100.0).round() / 10.0) } else { format!("{}", count.round()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_in_the_units_that_people_use() {
        assert_eq!(
            [1.0, 10.0, 100.0, 1_000.0].map(|requests| percentile(&requests)),
            ["0 %", "90 %", "99 %", "99.9 %"]
        );
        assert_eq!([10.0, 1e4, 1e6].map(|micros| duration(&micros)), ["10 µs", "10 ms", "1 s"]);
        assert_eq!([500.0, 2_500.0, 120_000.0].map(|number| count(&number)), ["500", "2.5 k", "120 k"]);
        assert_eq!([0.25, 10.0].map(|time| seconds(&time)), ["0.25 s", "10 s"]);
    }

    #[test]
    fn nothing_and_little_can_be_drawn() {
        let line = |points: &[(f64, f64)]| [Line { name: "x".to_owned(), points: points.to_vec() }];
        for points in [&[][..], &[(0.0, 7.0)], &[(0.0, 0.0), (100.0, 0.0)]] {
            assert!(latency(&line(points)).unwrap().svg.contains("</svg>"), "{points:?}");
            assert!(over_time(&line(points), Some(0.5)).unwrap().svg.contains("</svg>"), "{points:?}");
        }
        assert!(latency(&[]).unwrap().svg.contains("nothing was measured"));
    }
}
