//! Configurations that `build()` rejects, with the setting and the remedy.

use std::time::Duration;

use tower_bearer::{ClientSecretBasic, Introspection, Issuer, ResourceServer};

use crate::fixtures::AUDIENCE;

const NAME: &str = "https://as.example.com";
const URL: &str = "https://as.example.com/introspect";

fn error(issuers: impl IntoIterator<Item = Issuer>) -> String {
    let builder = ResourceServer::builder().audience(AUDIENCE);
    let builder = issuers.into_iter().fold(builder, tower_bearer::ResourceServerBuilder::issuer);
    builder.build().map_or_else(|error| error.to_string(), |_| String::from("accepted"))
}

fn at(url: &str) -> Introspection {
    Introspection::at(url).client(ClientSecretBasic::new("api", "s3cret"))
}

fn issuer(introspection: Introspection) -> Issuer {
    Issuer::new(NAME).without_keys().introspection(introspection)
}

#[test]
fn each_contradiction_names_the_setting_and_the_remedy() {
    for (configured, setting, remedy) in [
        (error([issuer(Introspection::at(URL))]), "introspection", ".client(ClientSecretBasic"),
        (error([issuer(Introspection::discovered())]), "introspection", ".client(ClientSecretBasic"),
        (error([issuer(at("http://as.example.com/introspect"))]), "introspection", "dangerously_allow_http"),
        (error([issuer(at("as.example.com"))]), "introspection", "full URL"),
        (error([issuer(at("https://u:p@as.example.com/"))]), "introspection", ""),
        (error([issuer(at(URL).timeout(Duration::ZERO))]), "introspection", "leave it out"),
        (error([issuer(at(URL).request_wait(Duration::ZERO))]), "introspection", "leave it out"),
        (error([issuer(at(URL).max_calls(0))]), "introspection", "leave it out"),
        (error([issuer(at(URL).max_waiting_requests(0))]), "introspection", "leave it out"),
        (error([issuer(at(URL).tokens_with_prefix(""))]), "introspection", "leave it out"),
        (error([Issuer::new(NAME).without_keys()]), "without_keys", ".introspection(..)"),
        (error([issuer(at(URL)).jwk_set_url("https://as.example.com/keys")]), "without_keys", "keep one"),
        (error([Issuer::new(NAME).introspection_without_audience()]), "introspection_without_audience", "remove it"),
        (error([Issuer::new(NAME).introspection_without_expiry()]), "introspection_without_expiry", "remove it"),
        (
            error([issuer(at(URL)), Issuer::new("https://b.example.com").without_keys().introspection(at(URL))]),
            "introspection",
            ".tokens_with_prefix(..)",
        ),
        (
            error([
                issuer(at(URL).tokens_with_prefix("ory_")),
                Issuer::new("https://b.example.com").introspection(at(URL).tokens_with_prefix("ory_at_")),
            ]),
            "introspection",
            ".tokens_that(..)",
        ),
        (
            error([Issuer::new("urn:opaque")
                .without_keys()
                .introspection(Introspection::discovered().client(ClientSecretBasic::new("api", "s3cret")))]),
            "issuer",
            "https://",
        ),
        (error([issuer(at(URL).introspect_jwts(Duration::from_secs(60)))]), "introspect_jwts", ".without_keys()"),
        (error([issuer(at(URL).signed_answers())]), "signed_answers", ".without_keys()"),
        (
            error([issuer(at("https://10.0.0.1/introspect")).refuse_private_networks()]),
            "refuse_networks",
            "another address",
        ),
    ] {
        assert!(configured.contains(setting) && configured.contains(remedy), "{setting}: {configured}");
        assert!(!configured.contains("s3cret") && configured != "accepted", "{configured}");
    }
    let stale = ResourceServer::builder().audience(AUDIENCE).token_cache_bytes(0);
    let stale = stale.issuer(issuer(at(URL).serve_stale(Duration::from_secs(60)))).build().unwrap_err().to_string();
    assert!(stale.contains("serve_stale") && stale.contains("token_cache_bytes"), "{stale}");
}

#[test]
fn what_is_right_is_accepted() {
    let named = |name: &str| Issuer::new(name);
    for configured in [
        error([issuer(at(URL))]),
        error([issuer(at("http://127.0.0.1:1/introspect"))]),
        error([issuer(at("http://as.internal/introspect")).dangerously_allow_http()]),
        error([named(NAME).introspection(at(URL))]),
        error([named(NAME).introspection(at(URL).introspect_jwts(Duration::from_secs(60)).signed_answers())]),
        error([issuer(at(URL)).refuse_private_networks()]),
        error([
            issuer(at(URL).tokens_with_prefix("a_")),
            named("urn:b").without_keys().introspection(at(URL).tokens_with_prefix("b_")),
        ]),
        error([issuer(at(URL)), named("https://b.example.com")]),
    ] {
        assert_eq!(configured, "accepted");
    }
}

/// A description shows no secret, and names what it omits.
#[test]
fn a_description_names_what_it_leaves_out() {
    let builder =
        ResourceServer::builder().audience(AUDIENCE).issuer(issuer(at("https://as.example.com/i?key=s3cret")));
    let description = builder.build().unwrap().describe();
    let described = &description.issuers[0];
    assert!(described.without_keys && described.omitted.contains(&tower_bearer::OmittedSetting::Introspection));
    assert!(!serde_json::to_string(&description).unwrap().contains("s3cret"));
}
