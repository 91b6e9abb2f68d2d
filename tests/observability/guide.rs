//! The guide, the alert rules and the dashboard speak of what is really counted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use metrics::set_default_local_recorder;
use tower_bearer::{
    Introspection, IntrospectionSource, IntrospectionSourceFuture, Issuer, KeySetError, TransportFault,
};
use tower_bearer_test::Defect;

use crate::fixtures::*;
use crate::keys::{Mood, Source};
use crate::requests::app;
use crate::scrape::{Scrape, recorder, serve_with_metrics};

const GUIDE: &str = include_str!("../../src/guide/monitoring.md");
const ALERTS: &str = include_str!("../../docs/monitoring/alerts.yml");
const DASHBOARD: &str = include_str!("../../docs/monitoring/dashboard.json");

#[derive(Debug)]
struct NothingIsActive;

impl IntrospectionSource for NothingIsActive {
    fn introspect<'a>(&'a self, _: &'a str) -> IntrospectionSourceFuture<'a> {
        Box::pin(async { Ok(None) })
    }
}

/// A scrape in which every name occurs.
async fn full_scrape() -> Scrape {
    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let source = Source::new();
    let server = source.server();
    let address = serve_with_metrics(app(&server), recorder.handle()).await;
    let token = || token().expires_in(Duration::from_secs(86_400));
    let client = client();
    for path in ["/leads", "/admin"] {
        let request = client.get(format!("http://{address}{path}")).bearer_auth(token().sign());
        request.send().await.unwrap();
    }
    assert_eq!(reason(&server, &token().sign_defective(Defect::UnknownKid)).await, "no_matching_key");
    source.set(Mood::SaysUnchanged);
    source.clock.advance(Duration::from_secs(4_000));
    assert_eq!(reason(&server, &token().sign()).await, "accepted");
    let introspection = Introspection::by(NothingIsActive);
    let server = server_trusting(Issuer::new(ISSUER).without_keys().introspection(introspection));
    for _ in 0..2 {
        assert_eq!(reason(&server, "opaque").await, "token_inactive");
    }
    crate::revocation::count_everything();
    Scrape::of(address).await
}

/// The names of ours in a text, without what Prometheus adds for histograms.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("tower_bearer_"));
    ours.map(|name| ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name))
        .collect()
}

/// The rows of the guide's table of figures: name and type.
fn documented() -> BTreeMap<&'static str, &'static str> {
    let rows = GUIDE.lines().filter_map(|line| line.strip_prefix("| `tower_bearer_"));
    let rows = rows.map(|row| {
        let (name, rest) = row.split_once('`').unwrap();
        let full = GUIDE.split('`').find(|word| word.strip_prefix("tower_bearer_") == Some(name)).unwrap();
        (full, rest.split('|').nth(1).unwrap().trim())
    });
    rows.collect()
}

#[tokio::test]
async fn the_guides_table_has_what_a_scrape_has() {
    let scrape = full_scrape().await;
    assert_eq!(documented(), scrape.types());
    for name in documented().into_keys() {
        assert!(scrape.text.contains(&format!("# HELP {name} ")), "{name} has no help text");
    }
}

#[test]
fn the_buckets_are_those_of_the_histograms() {
    let histograms: BTreeSet<_> =
        documented().into_iter().filter(|(_, kind)| *kind == "histogram").map(|(name, _)| name).collect();
    assert_eq!(tower_bearer::metrics::BUCKETS.iter().map(|(name, _)| *name).collect::<BTreeSet<_>>(), histograms);
    for (name, buckets) in tower_bearer::metrics::BUCKETS {
        assert!(buckets.is_sorted_by(|less, more| less < more), "{name}");
    }
}

#[test]
fn alerts_and_dashboard_use_documented_names_labels_and_reasons() {
    let documented: BTreeSet<_> = documented().into_keys().collect();
    for text in [ALERTS, DASHBOARD] {
        assert!(names(text).is_subset(&documented), "{:?}", names(text).difference(&documented));
    }
    // Every code that a rule asks for is one that the guide or `reason()` knows.
    let codes = format!("{GUIDE}{}", include_str!("../../src/error/mod.rs"));
    let dashboard = DASHBOARD.replace("\\\"", "\"");
    for text in [ALERTS, &dashboard] {
        for label in ["outcome", "reason", "result", "answer"] {
            for pattern in ["=\"", "!=\"", "=~\"", "!~\""] {
                let start = format!("{label}{pattern}");
                let values = text.split(&start).skip(1).filter_map(|rest| rest.split('"').next());
                for code in values.flat_map(|value| value.split('|')) {
                    let is_known = codes.contains(&format!("`{code}`")) || codes.contains(&format!("\"{code}\""));
                    assert!(is_known, "{label} {code}");
                }
            }
        }
    }
}

/// Everything under `src`.
fn sources(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { sources(&path) } else { std::fs::read_to_string(path).unwrap() }).collect()
}

#[test]
fn the_guide_names_every_line_of_the_log_and_no_other() {
    let sources = sources(&Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("src"));
    let levels = ["error", "warn", "info", "debug"];
    let rows: Vec<_> = levels
        .iter()
        .flat_map(|level| {
            GUIDE.lines().filter_map(move |line| Some((*level, line.strip_prefix(&format!("| {level} | "))?)))
        })
        .map(|(level, row)| (level, row.split_once(" | ").unwrap().0))
        .collect();
    for (level, message) in &rows {
        let start = format!("tracing::{level}!(");
        let calls = sources.split(&start).skip(1);
        let has_it = calls.filter_map(|call| call.split_once(';')).any(|(call, _)| call.contains(message));
        assert!(has_it, "{level} {message}");
    }
    let calls = levels.map(|level| sources.matches(&format!("tracing::{level}!(")).count());
    assert_eq!(rows.len(), calls.iter().sum::<usize>(), "{rows:?}");
}

#[test]
fn each_failure_of_a_fetch_has_a_code_of_its_own_and_the_guide_names_it() {
    let (text, url): (std::sync::Arc<str>, std::sync::Arc<str>) = ("text".into(), "https://as.example.com".into());
    let status = KeySetError::Status { url: url.clone(), status: 404, retry_after: None };
    let error: std::sync::Arc<dyn std::error::Error + Send + Sync> = std::sync::Arc::new(std::io::Error::other("text"));
    let codes = [
        KeySetError::NotAJwkSet { problem: text.clone(), is_json: false },
        KeySetError::TooManyKeys { found: 101 },
        KeySetError::NoUsableKey { dropped: text.clone(), reasons: [].into() },
        KeySetError::Metadata { problem: text.clone(), is_json: false },
        KeySetError::NoMetadata { oauth: Box::new(status.clone()), openid: Box::new(status.clone()) },
        KeySetError::IssuerMismatch { expected: text.clone(), found: text },
        KeySetError::InsecureUrl(url.clone()),
        status,
        KeySetError::UnchangedFromNothing,
        KeySetError::TooLarge { url: url.clone(), limit: 1 },
        KeySetError::Timeout(Duration::from_secs(5)),
        KeySetError::Transport { url: url.clone(), fault: TransportFault::Other, source: error.clone() },
        KeySetError::Source(error),
        KeySetError::OtherOrigin { metadata: url.clone(), jwks_uri: url.clone() },
        KeySetError::RefusedAddress { url: url.clone(), address: [10, 0, 0, 1].into(), network: "10.0.0.0/8".into() },
        KeySetError::UncheckedAddress { url: url.clone() },
        KeySetError::AllSources { failures: [KeySetError::Interrupted].into() },
        KeySetError::Interrupted,
        KeySetError::Abandoned(Duration::from_secs(5)),
        KeySetError::Runtime("text".into()),
    ]
    .map(|error| error.reason());
    assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
    for code in codes {
        assert!(GUIDE.contains(&format!("| `{code}` |")), "{code}");
    }
    for fault in TransportFault::ALL {
        let code = fault.reason();
        assert!(GUIDE.contains(&format!("| `{code}` |")), "{code}");
        assert_eq!(serde_json::to_value(fault).unwrap(), code);
    }
}

#[test]
fn every_alert_says_when_for_how_long_and_what_to_do() {
    assert!(ALERTS.starts_with("groups:\n"), "the form of a Prometheus rule file");
    assert!(!ALERTS.contains('\t'), "YAML has no tabs");
    let alerts: Vec<_> = ALERTS.split("      - alert: ").skip(1).collect();
    assert!(alerts.len() >= 8);
    for alert in alerts {
        for member in ["expr:", "for:", "severity:", "summary:", "description:"] {
            assert_eq!(alert.matches(member).count(), 1, "{member} in {alert}");
        }
        let balance = |open, close| alert.matches(open).count() == alert.matches(close).count();
        assert!(balance('(', ')') && balance('{', '}') && balance('[', ']'), "{alert}");
        let name = alert.lines().next().unwrap();
        assert!(GUIDE.contains(name), "the guide has no advice for {name}");
    }
}

#[test]
fn the_dashboard_is_one_that_grafana_imports() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut shown = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()));
        assert!(panel["gridPos"]["w"].is_u64() && panel["title"].is_string(), "{panel}");
        for target in panel["targets"].as_array().unwrap() {
            shown.extend(names(target["expr"].as_str().unwrap()));
            assert_eq!(target["datasource"]["uid"], "${datasource}");
        }
    }
    assert_eq!(dashboard["templating"]["list"][0]["type"], "datasource");
    assert_eq!(shown, documented().into_keys().collect(), "each figure has a place");
}
