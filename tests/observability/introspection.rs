//! What is counted about tokens that their issuer is asked about.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::set_default_local_recorder;
use tower_bearer::time::ManualClock;
use tower_bearer::{Introspection, IntrospectionSource, IntrospectionSourceFuture, Issuer, ResourceServer};

use crate::fixtures::*;
use crate::scrape::{Scrape, recorder};

/// Says what a test tells it to.
#[derive(Clone, Debug)]
struct Source(Arc<Mutex<Result<Option<String>, &'static str>>>);

impl Source {
    fn says(&self, answer: Result<Option<&str>, &'static str>) {
        *self.0.lock().unwrap() = answer.map(|claims| claims.map(str::to_owned));
    }
}

impl IntrospectionSource for Source {
    fn introspect<'a>(&'a self, _: &'a str) -> IntrospectionSourceFuture<'a> {
        let said = self.0.lock().unwrap().clone();
        Box::pin(async { said.map_err(Into::into) })
    }
}

fn server(source: &Source, clock: &ManualClock, change: impl Fn(Introspection) -> Introspection) -> ResourceServer {
    let issuer = Issuer::new(ISSUER).without_keys().introspection(change(Introspection::by(source.clone())));
    ResourceServer::builder().audience(AUDIENCE).issuer(issuer).clock(clock.clone()).build().unwrap()
}

#[tokio::test]
async fn calls_are_counted_by_what_they_brought_and_decisions_without_one_by_why() {
    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let (source, clock) = (Source(Arc::new(Mutex::new(Ok(None)))), clock());
    let api = server(&source, &clock, |it| it.serve_stale(Duration::from_secs(60)));
    let claims = format!(r#"{{"aud":"{AUDIENCE}","exp":{}}}"#, NOW.as_secs() + 3_600);
    for (token, said, expected) in [
        ("good", Ok(Some(&*claims)), "accepted"),
        ("good", Err("not asked"), "accepted"),
        ("bad", Ok(None), "token_inactive"),
        ("bad", Err("not asked"), "token_inactive"),
        ("other", Ok(Some(r#"{"aud":"x","exp":1}"#)), "audience_mismatch"),
        ("new", Err("out of order"), "introspection_unavailable"),
        ("another", Ok(Some("{")), "introspection_unavailable"),
    ] {
        source.says(said);
        assert_eq!(reason(&api, token).await, expected, "{token}");
    }
    clock.advance(Duration::from_secs(60));
    assert_eq!(reason(&api, "good").await, "accepted", "stale");

    let busy = server(&source, &clock, |it| it.max_waiting_requests(1));
    let both = tokio::join!(reason(&busy, "x"), reason(&busy, "y"));
    assert_eq!(both, ("introspection_unavailable", "introspection_unavailable"));

    let scrape = Scrape::read(recorder.handle().render());
    let labelled = |result: &str| format!(r#"issuer="{ISSUER}",result="{result}""#);
    let assert = |name: &str, expected: &[(&str, u32)]| {
        let expected: Vec<_> = expected.iter().map(|(result, figure)| (labelled(result), *figure)).collect();
        let expected: Vec<_> = expected.iter().map(|(labels, figure)| (labels.as_str(), *figure)).collect();
        scrape.assert_figures(name, &expected);
    };
    let calls = [("active", 1), ("inactive", 1), ("refused", 1), ("source", 1), ("answer", 3)];
    assert("tower_bearer_introspections_total", &calls);
    assert("tower_bearer_introspection_without_call_total", &[("refused", 1), ("stale", 1), ("busy", 1)]);
    assert_eq!(scrape.figure(&format!(r#"tower_bearer_introspection_waiting_requests{{issuer="{ISSUER}"}}"#)), 0.0);
    assert_eq!(
        scrape.figure(&format!(r#"tower_bearer_introspection_duration_seconds_count{{issuer="{ISSUER}"}}"#)),
        7.0
    );
}
