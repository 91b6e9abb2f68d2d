//! The guide's page on scaling says what the simulation measured, and calculates right.

use std::path::Path;

use serde_json::Value;
use tower_bearer::KeyPolicy;

#[path = "../../benches/fleet/table.rs"]
mod table;

const GUIDE: &str = include_str!("../../src/guide/scaling.md");
const FLEET: &str = include_str!("../../docs/scaling/fleet.json");

fn measured() -> Vec<Value> {
    serde_json::from_str(FLEET).unwrap()
}

/// The rows of the table that begins with this cell.
fn rows(first: &str) -> Vec<Vec<&'static str>> {
    let (_, table) = GUIDE.split_once(&format!("\n| {first} |")).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// A number of the page: `1,000`, `300 s`, `18.7 µs`.
fn number(cell: &str) -> f64 {
    cell.split(' ').next().unwrap().replace(',', "").parse().unwrap()
}

/// Whether a number of the page is this one, to the digits that it has.
fn is(cell: &str, expected: f64) -> bool {
    let digits = cell.split(' ').next().unwrap();
    let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    digits.replace(',', "") == format!("{expected:.decimals$}")
}

/// After `cargo bench --bench fleet -- --json docs/scaling/fleet.json`, put what it printed into the page.
#[test]
fn the_page_has_the_tables_of_the_simulation() {
    for table in table::all(&measured()) {
        assert!(GUIDE.contains(&table), "the page lacks this table:\n{table}");
    }
}

#[test]
fn the_simulation_keeps_what_is_promised() {
    for it in measured().iter().filter(|it| it["replicas"].is_u64()) {
        let (phase, replicas) = (it["phase"].as_str().unwrap(), it["replicas"].as_f64().unwrap());
        let [model, average] = ["model_per_s", "average_per_s"].map(|name| it[name].as_f64().unwrap());
        let began_without_keys = phase.starts_with("all start in an outage") || phase.starts_with("its end");
        assert!(it["good_tokens_sent"].as_u64().unwrap() > 0, "{it}");
        assert!(it["good_tokens_refused"] == 0 || began_without_keys, "{it}");
        if replicas >= 1_000.0 {
            assert!((0.95..1.05).contains(&(average / model)), "{it}");
        }
        if phase.starts_with("flood") {
            let window = KeyPolicy::UNKNOWN_KID_WINDOW.as_secs_f64();
            let budget = replicas * f64::from(u32::try_from(KeyPolicy::UNKNOWN_KID_FETCHES).unwrap()) / window;
            assert!(average <= budget * 1.01, "{it}");
        }
    }
}

#[test]
fn the_example_of_the_model_is_calculated_right() {
    let rows = rows("replicas | issuers");
    assert_eq!(rows.len(), 6);
    for row in rows {
        let each = number(row[0]) * number(row[1]);
        let backoff = KeyPolicy::MAX_BACKOFF.as_secs_f64();
        for (cell, expected) in [
            (row[3], each / (0.8 * number(row[2]))),
            (row[4], each / backoff),
            (row[5], each * 2.0 / KeyPolicy::UNKNOWN_KID_WINDOW.as_secs_f64()),
            (row[6], each),
        ] {
            assert!(is(cell, expected), "{row:?}: {cell} is to be {expected}");
        }
    }
}

/// The size of a cached token is the one that the cache reckons with.
#[test]
fn the_memory_of_tokens_is_calculated_right() {
    let source = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("src/token_cache.rs");
    let source = std::fs::read_to_string(source).unwrap();
    assert!(source.contains("const USUAL_BYTES: usize = 1_280;") && GUIDE.contains("tokens in use × 1,280 bytes"));
    assert!(source.contains("DEFAULT_BYTES: usize = 32 * 1024 * 1024;") && GUIDE.contains("default cache of 32 MiB"));
    for row in rows("tokens in use on a replica") {
        let mib = number(row[0]) * 1_280.0 / 1_048_576.0;
        assert!(is(row[1], mib), "{row:?}: {mib}");
        let cache = row[2].split_once("token_cache_bytes(").map_or(32.0, |(_, mib)| number(mib));
        assert!(mib <= cache, "{row:?}");
    }
}

#[test]
fn the_cost_of_new_tokens_is_calculated_right() {
    for row in rows("algorithm") {
        let miss = number(row[1]) * 1.20;
        assert!(is(row[2], miss), "{row:?}: {miss}");
        let thousands = number(row[3]) / 1_000.0;
        assert!((1_000.0 / miss - thousands).abs() < 1.0, "{row:?}: {}", 1_000.0 / miss);
    }
}
