//! Servers that compress without being asked (RFC 9110 §8.4, §12.5.3).

use tower_bearer::Issuer;

use crate::provider::*;

#[tokio::test]
async fn j02_every_request_asks_for_identity() {
    let (provider, issuer) = Provider::with_keys().await;
    let asks =
        |json: String| Answer::OnlyTo(|headers| headers.get_all("accept-encoding").iter().eq(["identity"]), json);
    let Answer::Json(metadata) = provider.metadata(&provider.url("")) else { panic!("not JSON") };
    provider.answer(OAUTH_METADATA, asks(metadata));
    provider.answer(JWK_SET, asks(issuer.jwk_set().to_string()));
    let trusted = Issuer::new(provider.url(""));
    let wants_gzip = |client: reqwest::ClientBuilder| {
        client.default_headers([(http::header::ACCEPT_ENCODING, "gzip".parse().unwrap())].into_iter().collect())
    };
    for trusted in [trusted.clone(), trusted.http_client(wants_gzip)] {
        assert_eq!(reason(&provider.resource_server_trusting(trusted), &token(&issuer)).await, "accepted");
    }
}

#[tokio::test]
async fn j02_every_content_coding_is_refused_by_name() {
    let (provider, issuer) = Provider::with_keys().await;
    let body = issuer.jwk_set().to_string();
    let encoded = |codings: &[&str]| {
        let fields = codings.iter().map(|coding| ("content-encoding", (*coding).to_owned())).collect();
        Answer::Full(200, fields, body.clone())
    };
    let url = provider.url(JWK_SET);
    for (codings, named) in [
        (&["gzip"][..], "gzip"),
        (&["x-gzip"], "x-gzip"),
        (&["br"], "br"),
        (&["zstd"], "zstd"),
        (&["deflate"], "deflate"),
        (&["GZIP"], "GZIP"),
        (&["gzip, br"], "gzip, br"),
        (&["gzip", "zstd"], "gzip, zstd"),
        (&["identity, gzip"], "gzip"),
        (&["aes128gcm"], "aes128gcm"),
        (&["of-our-own"], "of-our-own"),
    ] {
        provider.answer(JWK_SET, encoded(codings));
        for trusted in [
            Issuer::new(provider.url("")),
            Issuer::new(provider.url("")).jwk_set_url(&url),
            Issuer::new(provider.url("")).jwk_set_file("/no/such/file").failover_jwk_set_url(&url),
        ] {
            let server = provider.resource_server_trusting(trusted);
            assert_eq!(reason(&server, &token(&issuer)).await, "keys_unavailable", "{named}");
            let error = server.key_sets().remove(0).last_error.unwrap().text;
            assert!(error.contains(&format!("{url} answered in the content coding {named:?}")), "{error}");
        }
    }
    for codings in [&[][..], &[""], &["identity"], &["Identity"], &["identity", "identity"], &[" , "]] {
        provider.answer(JWK_SET, encoded(codings));
        assert_eq!(reason(&provider.resource_server(), &token(&issuer)).await, "accepted", "{codings:?}");
    }
}
