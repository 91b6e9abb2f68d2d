//! Tokens for a server that is not ours: from a file, or by client credentials (RFC 6749 §4.4).

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::options::Load;
use super::target::{addresses, is_loopback};
use crate::outcome::Failure;

const SECRET_VARIABLE: &str = "TOWER_BEARER_CLIENT_SECRET";
/// An answer of an issuer may have as many bytes.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
const TIMEOUT: Duration = Duration::from_secs(10);
/// How many tokens are asked of an issuer that is not on this machine, unless its owner says that it is theirs.
const MAX_REMOTE_TOKENS: usize = 10;

/// The tokens of a file, one a line; empty lines are skipped.
pub(super) fn from_file(path: &Path) -> Result<Vec<String>, Failure> {
    let text = if path.as_os_str() == "-" { io::read_to_string(io::stdin()) } else { fs::read_to_string(path) };
    let text = text.map_err(|error| Failure::run(path.display(), error))?;
    let tokens: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if tokens.is_empty() {
        return Err(Failure::Usage(format!("{} has no tokens in it", path.display())));
    }
    // RFC 6750 §2.1: anything else could end the header and begin another.
    let is_token =
        |token: &String| token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte));
    match tokens.iter().position(|token| !is_token(token)) {
        Some(number) => Err(Failure::Usage(format!(
            "{}: token {} has characters that no bearer token has",
            path.display(),
            number + 1
        ))),
        None => Ok(tokens),
    }
}

/// So many tokens from the issuer's token endpoint.
pub(super) async fn from_issuer(issuer: &str, options: &Load, count: usize) -> Result<Vec<String>, Failure> {
    let url: Url = issuer.parse().map_err(|error| Failure::Usage(format!("--issuer: {error}")))?;
    if count > MAX_REMOTE_TOKENS && !options.i_own_this_server && !is_local(&url)? {
        return Err(Failure::Usage(format!(
            "{count} tokens are much to ask of an issuer that is not on this machine: use --pool {MAX_REMOTE_TOKENS} or \
             less, or say with --i-own-this-server that it is yours"
        )));
    }
    let secret = client_secret(options)?;
    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| Failure::run("HTTP", error))?;
    let endpoint = token_endpoint(&client, &url, issuer).await?;
    if endpoint.scheme() != "https" && !is_local(&endpoint)? {
        return Err(Failure::Run(format!("the token endpoint {endpoint} is not https: the secret stays here")));
    }
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if let Some(scope) = &options.scope {
        form.append_pair("scope", scope);
    }
    let form = form.finish();
    let id = options.client_id.as_deref().unwrap_or_default();
    let mut tokens = Vec::new();
    for _ in 0..count {
        // RFC 6749 §2.3.1: both are encoded like a form before they become a password of HTTP.
        let [id, password] = [id, secret.as_str()].map(|text| byte_serialize(text.as_bytes()).collect::<String>());
        let request = client.post(endpoint.clone()).basic_auth(id, Some(password)).body(form.clone());
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = json(request, "the token endpoint").await?;
        let token = answer.get("access_token").and_then(Value::as_str);
        tokens.push(token.ok_or_else(|| refused(&answer))?.to_owned());
    }
    Ok(tokens)
}

/// The token endpoint in the metadata (RFC 8414 §3, or the place of OpenID Connect Discovery).
async fn token_endpoint(client: &reqwest::Client, url: &Url, issuer: &str) -> Result<Url, Failure> {
    let path = url.path().trim_end_matches('/');
    let places =
        [format!("/.well-known/oauth-authorization-server{path}"), format!("{path}/.well-known/openid-configuration")];
    let mut failure = Failure::Run("no metadata".to_owned());
    for place in places {
        let Ok(place) = url.join(&place) else { continue };
        let metadata = match json(client.get(place), "the issuer's metadata").await {
            Ok(metadata) => metadata,
            Err(error) => {
                failure = error;
                continue;
            }
        };
        // RFC 8414 §3.3: whoever answers for another issuer gets no secret.
        if metadata.get("issuer").and_then(Value::as_str) != Some(issuer) {
            failure = Failure::Run(format!("the metadata names another issuer than {issuer}"));
            continue;
        }
        let endpoint = metadata.get("token_endpoint").and_then(Value::as_str).unwrap_or_default();
        return endpoint.parse().map_err(|error| Failure::run("the token endpoint", error));
    }
    Err(failure)
}

/// The JSON object of an answer, whatever its status.
async fn json(request: reqwest::RequestBuilder, what: &str) -> Result<Value, Failure> {
    let failed = |error: reqwest::Error| Failure::run(what, std::error::Error::source(&error).unwrap_or(&error));
    let mut response = request.send().await.map_err(failed)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_ANSWER_BYTES {
            return Err(Failure::run(what, "the answer is too large"));
        }
    }
    serde_json::from_slice(&bytes).map_err(|_| Failure::run(what, format!("{} without JSON", response.status())))
}

/// What the token endpoint says (RFC 6749 §5.2), as far as it is one of the registered words.
fn refused(answer: &Value) -> Failure {
    let error = answer.get("error").and_then(Value::as_str).unwrap_or_default();
    let is_code =
        !error.is_empty() && error.len() < 40 && error.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    Failure::run("the token endpoint gave no token", if is_code { error } else { "without a reason" })
}

/// From the file, or the environment. It is not in any text.
fn client_secret(options: &Load) -> Result<String, Failure> {
    if let Some(path) = &options.client_secret {
        let secret = fs::read_to_string(path).map_err(|error| Failure::run(path.display(), error))?;
        return Ok(secret.trim_end_matches(['\r', '\n']).to_owned());
    }
    std::env::var(SECRET_VARIABLE).map_err(|_| {
        Failure::Usage(format!("the client's secret is missing: set {SECRET_VARIABLE}, or use --client-secret FILE"))
    })
}

fn is_local(url: &Url) -> Result<bool, Failure> {
    Ok(addresses(url)?.iter().all(|address| is_loopback(address.ip())))
}
