//! What to do when an issuer's keys are unavailable.

use super::settings::{self, Settings};

/// By the text of the error, which is all that the status of a key set has.
pub(super) fn for_keys(error: &str, issuer: &str, settings: &Settings) -> String {
    let lower = own_words(error).to_ascii_lowercase();
    let has = |part: &str| lower.contains(part);
    let is_file = settings.jwks.as_deref().is_some_and(|place| !settings::is_url(place));
    if has("no usable key") {
        "The set is there and has no key that may be used: RSA from 2048 bits, EC or Ed25519, for an algorithm that is \
         accepted."
            .to_owned()
    } else if is_file {
        "Give a file with a JWK Set, `{\"keys\": […]}`, or the URL of one, to `--jwks`.".to_owned()
    } else if has("metadata is of the issuer") {
        "Give `--issuer` as the metadata has it, byte by byte; the API needs the same.".to_owned()
    } else if has("content coding") {
        "The server compresses what was asked for uncompressed: switch compression off for this URL at the server or \
         the proxy before it, or give the keys with `--jwks FILE`."
            .to_owned()
    } else if has("certificate") {
        "For an authority of your own, give its certificate with `--ca-certificate FILE`; the API needs it too \
         (`Issuer::http_client`)."
            .to_owned()
    } else if has("dns") || has("lookup") || has("resolve") {
        "The name is not known here: check its spelling, or the VPN.".to_owned()
    } else if has("refused") || has("timed out") || has("took longer") || has("unreachable") {
        format!(
            "Is {issuer} reachable from here? Try `curl -i {}`. Without the network, \
             give its JWK Set with `--jwks FILE`.",
            well_known(issuer)
        )
    } else if has("status 404") {
        format!(
            "Is {issuer:?} the issuer as tokens name it in `iss`? If its keys are elsewhere, give `--jwks URL` or \
             `--metadata-url URL`."
        )
    } else if has("not a json object") || has("not json") {
        "The response is not JSON; it may be the page of a proxy or a web application. If the keys are elsewhere, give \
         `--jwks URL` or `--metadata-url URL`."
            .to_owned()
    } else {
        "Give the keys with `--jwks FILE|URL` if discovery cannot have them.".to_owned()
    }
}

/// The error without text that a server chose: URLs and quoted texts may contain any word.
fn own_words(error: &str) -> String {
    let unquoted = error.replace("\\\"", "");
    let outside_of_quotes: String = unquoted.split('"').step_by(2).collect();
    outside_of_quotes.split(' ').filter(|word| !word.contains("://")).collect::<Vec<_>>().join(" ")
}

fn well_known(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}
