//! What clients send does not become a label: neither its text nor its number of values.

use metrics::set_default_local_recorder;
use tower_bearer::jose::Algorithm;
use tower_bearer::{Issuer, ResourceServer};
use tower_bearer_test::{Defect, SigningKey};

use crate::fixtures::*;
use crate::keys::Source;
use crate::requests::app;
use crate::scrape::{Scrape, recorder, serve_with_metrics};

/// In every text of every token, and of a shape that a label would be broken by.
const MARK: &str = "hostile\"} 1 # HELP ";

#[tokio::test]
async fn a_thousand_hostile_tokens_make_no_new_series_and_leave_no_text() {
    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let source = Source::new();
    let address = serve_with_metrics(app(&source.server()), recorder.handle()).await;
    let client = client();
    let send = async |token: &str, path: &str| {
        let url = format!("http://{address}{path}?{}", "hostile-query");
        client.get(url).bearer_auth(token).send().await.unwrap().status().as_u16()
    };
    let stranger = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let hostile = |n: u32, member: u32| {
        let text = format!("{MARK}{n}");
        let good = token().subject(&text).client_id(&text).claim("jti", &*text).scope("hostile");
        match member {
            0 => (good, 200),
            1 => (good.header("kid", text), 401),
            2 => (good.claim("iss", text), 401),
            3 => (good.claim("aud", text), 401),
            4 => (good.header("alg", text), 401),
            5 => (good.header("typ", text), 401),
            6 => (good.claim("cnf", text), 401),
            _ => (good.key(&stranger), 401),
        }
    };

    let mut series = None;
    for n in 0..1_000 {
        let (token, expected) = hostile(n, n % 8);
        assert_eq!(send(&token.sign(), "/leads").await, expected, "{}", n % 8);
        if n < 16 {
            // A good token that may not do everything.
            let (token, _) = hostile(n, 0);
            assert_eq!(send(&token.sign(), "/admin").await, 403);
        }
        if n == 100 {
            series = Some(Scrape::of(address).await);
        }
    }
    let (early, late) = (series.unwrap(), Scrape::of(address).await);
    assert_eq!(early.series(), late.series());
    assert_eq!(late.sum("tower_bearer_decisions_total{"), 1_016.0);
    assert!(late.series().len() < 120, "{}", late.series().len());

    let key_id = key(Algorithm::RS256).key_id().to_owned();
    for text in ["hostile", "alice", AUDIENCE, &key_id, stranger.key_id(), "eyJ"] {
        assert!(!late.text.contains(text), "{text} in {}", late.text);
    }
    // Every label is one of few, and the only issuer is the configured one.
    for series in late.series() {
        let labels = series.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
        for (name, value) in labels.split(',').filter_map(|label| label.split_once('=')) {
            assert!(["outcome", "reason", "issuer", "result", "answer", "le"].contains(&name), "{series}");
            assert!(name != "issuer" || value == format!("\"{ISSUER}\""), "{series}");
        }
    }
}

/// Whoever names an issuer that the resolver knows would make a series; a provider of tenants has thousands.
#[tokio::test]
async fn issuers_of_a_resolver_share_one_label_and_have_no_gauges_of_their_own() {
    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let source = Source::new();
    let keys = source.clone();
    let server = ResourceServer::builder()
        .audience(AUDIENCE)
        .clock(source.clock.clone())
        .issuer_resolver(move |issuer: String| {
            let known = (issuer == ISSUER).then(|| Issuer::new(issuer).key_source(keys.clone()));
            async { Ok(known) }
        })
        .build()
        .unwrap();
    let stranger = token().claim("iss", "https://stranger.example.com");
    for (token, expected) in [
        (token().sign(), "accepted"),
        (token().sign_defective(Defect::UnknownKid), "no_matching_key"),
        (stranger.sign(), "issuer_mismatch"),
    ] {
        assert_eq!(reason(&server, &token).await, expected);
    }
    assert_eq!(server.key_sets()[0].issuer, ISSUER);

    let scrape = Scrape::read(recorder.handle().render());
    scrape.assert_figures("tower_bearer_key_fetches_total", &[(r#"issuer="resolved",result="success""#, 2)]);
    scrape.assert_figures("tower_bearer_unknown_kids_total", &[(r#"issuer="resolved",answer="refused""#, 1)]);
    for absent in [
        "example.com",
        "tower_bearer_key_set_keys{",
        "tower_bearer_key_set_dropped_keys{",
        "tower_bearer_key_set_refreshed_timestamp_seconds{",
    ] {
        assert!(!scrape.text.contains(absent), "{absent} in {}", scrape.text);
    }
}
