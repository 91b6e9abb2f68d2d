//! The numbers as tables: those of the guide, which a test compares with them.

use serde_json::Value;

pub(crate) fn all(results: &[Value]) -> [String; 4] {
    [largest_fleet, picture, by_replicas, memory].map(|table| table(results))
}

/// Each phase with the most replicas.
fn largest_fleet(results: &[Value]) -> String {
    let largest = fleets(results).pop().unwrap();
    let mut table = format!(
        "| {} replicas | model, requests/s | measured, requests/s | peak second | peak ÷ average | \
         by each replica in an hour | good tokens refused |\n|---|--:|--:|--:|--:|--:|--:|\n",
        shown(largest)
    );
    for it in results.iter().filter(|it| it["replicas"].as_f64() == Some(largest)) {
        let number = |name: &str| it[name].as_f64().unwrap();
        let (model, average, peak) = (number("model_per_s"), number("average_per_s"), number("peak_per_s"));
        let refused = 100.0 * number("good_tokens_refused") / number("good_tokens_sent");
        let refused = if refused == 0.0 { "0".to_owned() } else { format!("{} %", shown(refused)) };
        let numbers = [model, average, peak, peak / average, number("per_replica_and_hour")].map(shown).join(" | ");
        table += &format!("| {} | {numbers} | {refused} |\n", it["phase"].as_str().unwrap());
    }
    table
}

/// The peak second of each phase with the most replicas, one mark for each doubling.
fn picture(results: &[Value]) -> String {
    let largest = fleets(results).pop().unwrap();
    let rows = results.iter().filter(|it| it["replicas"].as_f64() == Some(largest)).map(|it| {
        let peak = it["peak_per_s"].as_u64().unwrap();
        let marks = "█".repeat(usize::try_from((peak + 1).ilog2()).unwrap());
        format!(
            "{:<44}{marks} {}\n",
            it["phase"].as_str().unwrap().replace('`', ""),
            shown(it["peak_per_s"].as_f64().unwrap())
        )
    });
    rows.collect()
}

/// Average and peak second of each phase, by the number of replicas.
fn by_replicas(results: &[Value]) -> String {
    let fleets = fleets(results);
    let mut table = format!("| replicas | {} |\n", fleets.iter().map(|&it| shown(it)).collect::<Vec<_>>().join(" | "));
    table += &format!("|---|{}\n", "--:|".repeat(fleets.len()));
    let phases = results.iter().filter(|it| it["replicas"].as_f64() == fleets.first().copied());
    for phase in phases.map(|it| &it["phase"]) {
        let cells = results.iter().filter(|it| it["phase"] == *phase).map(|it| {
            let number = |name: &str| shown(it[name].as_f64().unwrap());
            format!("{} / {}", number("average_per_s"), number("peak_per_s"))
        });
        table += &format!("| {} | {} |\n", phase.as_str().unwrap(), cells.collect::<Vec<_>>().join(" | "));
    }
    table
}

/// What a replica has allocated, by the number of its issuers.
fn memory(results: &[Value]) -> String {
    let rows = results.iter().filter_map(|it| Some((it["issuers"].as_f64()?, it["bytes"].as_f64()? / 1024.0)));
    rows.fold("| issuers | memory |\n|--:|--:|\n".to_owned(), |table, (issuers, kib)| {
        table + &format!("| {} | {} KiB |\n", shown(issuers), shown(kib))
    })
}

fn fleets(results: &[Value]) -> Vec<f64> {
    let mut fleets: Vec<_> = results.iter().filter_map(|it| it["replicas"].as_f64()).collect();
    fleets.dedup();
    fleets
}

/// Three digits that count, and commas at the thousands.
fn shown(number: f64) -> String {
    let decimals = match number {
        _ if number.fract() == 0.0 => 0,
        ..0.1 => 4,
        ..1.0 => 3,
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    let text = format!("{number:.decimals$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let from_the_end = (0..whole.len()).rev().map(|left| left % 3 == 0 && left > 0);
    let digits = whole.chars().zip(from_the_end);
    digits.fold(String::new(), |it, (digit, comma)| it + &digit.to_string() + if comma { "," } else { "" }) + fraction
}
