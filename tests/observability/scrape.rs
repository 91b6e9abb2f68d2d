//! A recorder for one test, and what a scrape of it says.
//!
//! Each test runs on one thread and has a recorder for that thread, so that tests do not see each other's figures.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::fixtures::{client, serve};

/// A recorder with the buckets that the crate proposes.
pub(crate) fn recorder() -> PrometheusRecorder {
    let builder = PrometheusBuilder::new();
    let with_buckets = tower_bearer::metrics::BUCKETS.iter().fold(builder, |builder, (name, buckets)| {
        builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), buckets).unwrap()
    });
    with_buckets.build_recorder()
}

/// Serves `app`, and the figures outside of its layers.
pub(crate) async fn serve_with_metrics(app: Router, handle: PrometheusHandle) -> SocketAddr {
    serve(app.route("/metrics", get(async move || handle.render()))).await
}

/// What `GET /metrics` answered.
pub(crate) struct Scrape {
    pub(crate) text: String,
    series: BTreeMap<String, f64>,
}

impl Scrape {
    pub(crate) async fn of(address: SocketAddr) -> Self {
        let response = client().get(format!("http://{address}/metrics")).send().await.unwrap();
        Self::read(response.error_for_status().unwrap().text().await.unwrap())
    }

    /// What the exporter says, without a socket.
    pub(crate) fn read(text: String) -> Self {
        let series = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a series and a value");
            (series.to_owned(), value.parse().expect("a number"))
        });
        Self { series: series.collect(), text }
    }

    /// The figure of one series, as `name{label="value"}`; 0 when nothing was counted.
    pub(crate) fn figure(&self, series: &str) -> f64 {
        self.series.get(series).copied().unwrap_or_default()
    }

    /// The figures of every series whose name with labels begins so, added up.
    pub(crate) fn sum(&self, prefix: &str) -> f64 {
        self.series.iter().filter(|(series, _)| series.starts_with(prefix)).map(|(_, figure)| figure).sum()
    }

    /// All series but those of other crates.
    pub(crate) fn series(&self) -> BTreeSet<&str> {
        self.series.keys().map(String::as_str).filter(|series| series.starts_with("tower_bearer_")).collect()
    }

    /// Compares the figures of one name with what is expected, both ways: nothing missing, nothing else.
    #[track_caller]
    pub(crate) fn assert_figures(&self, name: &str, expected: &[(&str, u32)]) {
        let prefix = format!("{name}{{");
        let found: BTreeMap<&str, f64> = self
            .series
            .iter()
            .filter_map(|(series, figure)| Some((series.strip_prefix(&prefix)?.strip_suffix('}')?, *figure)))
            .collect();
        let expected: BTreeMap<&str, f64> =
            expected.iter().map(|(labels, figure)| (*labels, f64::from(*figure))).collect();
        assert_eq!(found, expected, "{name}");
    }

    /// The names and types of `# TYPE` lines.
    pub(crate) fn types(&self) -> BTreeMap<&str, &str> {
        let types = self.text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        types.collect()
    }
}
