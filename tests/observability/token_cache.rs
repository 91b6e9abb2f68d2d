//! K01, K03: hits and misses of the layer in the token cache, request by request. A correct response does not show
//! whether the cache was used, so lookups are counted.

use axum::Router;
use axum::routing::get;
use metrics::set_default_local_recorder;
use tower_bearer::ValidatedToken;

use crate::fixtures::*;
use crate::scrape::{Scrape, recorder, serve_with_metrics};

#[tokio::test]
async fn k03_the_layer_finds_a_token_by_its_own_text_and_by_no_other() {
    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let subject = async |token: ValidatedToken| token.subject().unwrap().to_owned();
    let app = Router::new().route("/leads", get(subject)).route_layer(server().layer());
    let address = serve_with_metrics(app, recorder.handle()).await;
    let (alice, bob) = (token().subject("alice").sign(), token().subject("bobby").sign());
    assert_eq!(alice.len(), bob.len());
    let signed = |token: &str| token.rsplit_once('.').map(|(signed, _)| signed.to_owned()).unwrap();
    let spliced = format!("{}{}", signed(&alice), &bob[signed(&bob).len()..]);
    let cut = &alice[..alice.len() - 1];

    let (mut hits, mut misses) = (0.0, 0.0);
    for (round, (path, authorization, expected, is_hit)) in [
        ("/leads", format!("Bearer {alice}"), (200, "alice"), Some(false)),
        ("/leads", format!("Bearer {alice}"), (200, "alice"), Some(true)),
        ("/leads", format!("Bearer {bob}"), (200, "bobby"), Some(false)),
        ("/leads", format!("Bearer {alice}"), (200, "alice"), Some(true)),
        ("/leads", format!("Bearer {bob}"), (200, "bobby"), Some(true)),
        ("/leads?limit=5", format!("bearer {alice}"), (200, "alice"), Some(true)),
        ("/leads", format!("BEARER {bob}"), (200, "bobby"), Some(true)),
        // Read as a whole: the cache is looked up with everything after the first space.
        ("/leads", format!("Bearer  {alice}"), (200, "alice"), Some(false)),
        ("/leads", format!("Bearer {spliced}"), (401, "the signature is wrong"), Some(false)),
        ("/leads", format!("Bearer {cut}"), (400, "well-formed"), Some(false)),
        ("/leads", format!("Bearer {alice}="), (400, "well-formed"), Some(false)),
        ("/leads", format!("Bearer {}.", signed(&alice)), (401, "the signature is wrong"), Some(false)),
        ("/leads", format!("Bearer {}", signed(&alice)), (400, "well-formed"), Some(false)),
        // Nothing that could be looked up.
        ("/leads?access%5Ftoken=x", format!("Bearer {alice}"), (400, "header only"), None),
        ("/leads", format!("Basic {alice}"), (400, "no bearer token"), None),
        ("/leads", format!("Bearer {bob}"), (200, "bobby"), Some(true)),
        ("/leads", format!("Bearer {alice}"), (200, "alice"), Some(true)),
    ]
    .into_iter()
    .enumerate()
    {
        let request = client().get(format!("http://{address}{path}")).header("authorization", authorization);
        let response = request.send().await.unwrap();
        let (status, text) = (response.status().as_u16(), response.text().await.unwrap());
        assert!(status == expected.0 && text.contains(expected.1), "request {round}: {status} {text}");
        hits += f64::from(u8::from(is_hit == Some(true)));
        misses += f64::from(u8::from(is_hit == Some(false)));
        let scrape = Scrape::of(address).await;
        let lookups = ["hit", "miss"].map(|result| {
            scrape.figure(&format!("{}{{result=\"{result}\"}}", tower_bearer::metrics::TOKEN_CACHE_LOOKUPS))
        });
        assert_eq!(lookups, [hits, misses], "request {round}");
    }
}
