//! Client authentication by a signed assertion, `private_key_jwt` (RFC 7523 §2.2, OpenID Connect Core 1.0 §9).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use tower_bearer::jose::Algorithm;
use tower_bearer::time::UnixTime;

use super::paths;
use super::registration::{ClientKeys, RegisteredClient};
use super::state::ServerState;

/// `client_assertion_type` (RFC 7523 §2.2).
pub(super) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How far clocks may differ: as much as the layer allows.
const LEEWAY: Duration = Duration::from_secs(30);
/// How long an assertion may live from now on. Until then it is remembered, so that it is good for one use.
const MAX_LIFETIME: Duration = Duration::from_secs(3600);
/// The longest `jti`, and the longest assertion.
const MAX_ID_BYTES: usize = 1_024;
const MAX_BYTES: usize = 16 * 1024;

/// The client that signed the assertion, if it meets RFC 7523 §3. The error is for the log alone.
pub(super) fn verify<'a>(state: &'a ServerState, assertion: &str) -> Result<&'a RegisteredClient, &'static str> {
    if assertion.len() > MAX_BYTES {
        return Err("it is too long");
    }
    let (input, signature) = assertion.rsplit_once('.').ok_or("it is no JWT")?;
    let (header, claims) = input.split_once('.').ok_or("it is no JWT")?;
    let header = object(header).ok_or("its header cannot be read")?;
    let claims = object(claims).ok_or("its claims cannot be read")?;

    // RFC 7523 §3, 1 and 2: the client is both issuer and subject.
    let client_id = text(&claims, "sub").ok_or("it has no `sub`")?;
    if text(&claims, "iss") != Some(client_id) {
        return Err("`iss` is not `sub`");
    }
    let client = state.clients.get(client_id).ok_or("there is no such client")?;
    let keys = client.keys().ok_or("the client has no keys")?;
    check_signature(keys, &header, input, signature)?;

    let now = state.issuer.now();
    check_audience(state, &claims)?;
    let ends = check_times(&claims, now)?;
    let jti = text(&claims, "jti").filter(|jti| !jti.is_empty() && jti.len() <= MAX_ID_BYTES);
    // Last, so that nothing but a good assertion is remembered.
    if state.used_assertions.spend(client_id, jti.ok_or("it has no `jti`")?, ends, now) {
        Ok(client)
    } else {
        Err("it was used before, or there are too many")
    }
}

fn check_signature(
    keys: &ClientKeys,
    header: &Map<String, Value>,
    input: &str,
    signature: &str,
) -> Result<(), &'static str> {
    // RFC 7515 §4.1.11: no extension is known here.
    if header.contains_key("crit") {
        return Err("`crit` names an unknown extension");
    }
    // A JWT that claims to be something else is not an assertion (RFC 8725 §3.11).
    let is_assertion = |typ: &str| ["jwt", "client-authentication+jwt"].iter().any(|own| typ.eq_ignore_ascii_case(own));
    if header.contains_key("typ") && !text(header, "typ").is_some_and(is_assertion) {
        return Err("`typ` is that of another kind of token");
    }
    let algorithm = text(header, "alg").and_then(|name| name.parse::<Algorithm>().ok());
    let algorithm = algorithm.filter(|algorithm| ClientKeys::ALGORITHMS.contains(algorithm));
    let algorithm = algorithm.ok_or("`alg` is not one of those in the metadata")?;
    let key_id = match header.get("kid") {
        Some(key_id) => Some(key_id.as_str().ok_or("`kid` is not a string")?),
        None => None,
    };
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "its signature cannot be read")?;
    if keys.verify(algorithm, key_id, input.as_bytes(), &signature) {
        Ok(())
    } else {
        Err("none of the client's keys verifies its signature")
    }
}

/// Checks that it is for this server: `aud` has the issuer or the token endpoint (RFC 7523 §3, 3), or the endpoint of
/// pushed requests (RFC 9126 §2).
fn check_audience(state: &ServerState, claims: &Map<String, Value>) -> Result<(), &'static str> {
    let pushed = state.url(paths::PUSHED);
    let is_own = |audience: &Value| {
        audience.as_str().is_some_and(|aud| [state.issuer.url(), &state.token_endpoint, &pushed].contains(&aud))
    };
    let is_for_this_server = match claims.get("aud") {
        Some(Value::Array(audiences)) => audiences.iter().any(is_own),
        Some(audience) => is_own(audience),
        None => false,
    };
    if is_for_this_server { Ok(()) } else { Err("`aud` is neither the issuer nor the token endpoint") }
}

/// Checks that it has begun and not ended (RFC 7523 §3, 4 to 6), and ends soon; until when its use is recorded.
fn check_times(claims: &Map<String, Value>, now: UnixTime) -> Result<UnixTime, &'static str> {
    let time = |name: &str| match claims.get(name) {
        Some(time) => time.as_u64().map(UnixTime::from_secs).map(Some).ok_or("a time in it is not in whole seconds"),
        None => Ok(None),
    };
    let ends = time("exp")?.ok_or("it has no `exp`")?.saturating_add(LEEWAY);
    if ends <= now {
        return Err("it has expired");
    }
    if ends > now.saturating_add(MAX_LIFETIME).saturating_add(LEEWAY) {
        return Err("it ends in more than an hour");
    }
    let latest = now.saturating_add(LEEWAY);
    if time("nbf")?.is_some_and(|begins| begins > latest) || time("iat")?.is_some_and(|issued| issued > latest) {
        return Err("it was issued in the future or is not valid yet");
    }
    Ok(ends)
}

fn object(segment: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).ok()?).ok()
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}
