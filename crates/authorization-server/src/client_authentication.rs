//! Who asks: client authentication (RFC 6749 §2.3).

use axum::extract::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, header};

use super::client_assertion;
use super::oauth_error::OAuthError;
use super::parameters::{self, Parameters};
use super::registration::RegisteredClient;
use super::request_log::note_client;
use super::state::ServerState;

/// The form that a client sent, and the client.
pub(super) async fn authenticated_form(
    request: Request,
    state: &ServerState,
) -> Result<(&RegisteredClient, Parameters), OAuthError> {
    let headers = request.headers().clone();
    let parameters = Parameters::read(request).await?;
    let client = match asserted(&parameters)? {
        Some(assertion) => by_assertion(&headers, &parameters, assertion, state)?,
        None => by_secret(&headers, &parameters, state)?,
    };
    note_client(&client.id);
    Ok((client, parameters))
}

/// The client assertion of the request. A client that sends one authenticates by it, and not by `client_id` alone (RFC
/// 7521 §4.2).
fn asserted(parameters: &Parameters) -> Result<Option<&str>, OAuthError> {
    match (parameters.value("client_assertion_type"), parameters.value("client_assertion")) {
        (None, None) => Ok(None),
        (Some(client_assertion::TYPE), Some(assertion)) => Ok(Some(assertion)),
        _ => Err(OAuthError::InvalidClient),
    }
}

/// The client that signed the assertion.
fn by_assertion<'a>(
    headers: &HeaderMap,
    parameters: &Parameters,
    assertion: &str,
    state: &'a ServerState,
) -> Result<&'a RegisteredClient, OAuthError> {
    let client = client_assertion::verify(state, assertion).map_err(|reason| {
        tracing::debug!(reason, "client assertion refused");
        OAuthError::InvalidClient
    })?;
    // RFC 6749 §2.3: one method a request.
    if headers.contains_key(header::AUTHORIZATION) || parameters.value("client_secret").is_some() {
        return Err(OAuthError::InvalidRequest("the client authenticates in two ways"));
    }
    check_client_id(parameters, &client.id)?;
    Ok(client)
}

/// The client that the request comes from: proven by HTTP Basic or by `client_id` and `client_secret` in the body
/// (RFC 6749 §2.3.1), or, for a public client, named by `client_id` alone (§3.2.1).
fn by_secret<'a>(
    headers: &HeaderMap,
    parameters: &Parameters,
    state: &'a ServerState,
) -> Result<&'a RegisteredClient, OAuthError> {
    let mut authorization = headers.get_all(header::AUTHORIZATION).iter();
    let (id, secret) = match (authorization.next(), authorization.next()) {
        (None, _) => {
            let id = parameters.value("client_id").ok_or(OAuthError::InvalidClient)?;
            let Some(secret) = parameters.value("client_secret") else {
                return state.clients.get(id).filter(|client| client.is_public()).ok_or(OAuthError::InvalidClient);
            };
            (id.to_owned(), secret.to_owned())
        }
        (Some(value), None) => {
            // RFC 6749 §2.3: one method a request.
            if parameters.value("client_secret").is_some() {
                return Err(OAuthError::InvalidRequest("the client authenticates in two ways"));
            }
            let (id, secret) = basic(value).ok_or(OAuthError::InvalidClient)?;
            check_client_id(parameters, &id)?;
            (id, secret)
        }
        (Some(_), Some(_)) => return Err(OAuthError::InvalidRequest("there are several Authorization headers")),
    };
    state.clients.authenticate(&id, &secret, state.issuer.now()).ok_or(OAuthError::InvalidClient)
}

/// A `client_id` in the form is that of the client.
fn check_client_id(parameters: &Parameters, id: &str) -> Result<(), OAuthError> {
    if parameters.value("client_id").is_some_and(|other| other != id) {
        return Err(OAuthError::InvalidRequest("client_id is not the client that authenticates"));
    }
    Ok(())
}

/// Id and secret from `Basic base64(id ":" secret)` (RFC 7617 §2), each form-urlencoded before (RFC 6749 §2.3.1).
fn basic(value: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(encoded.trim_start_matches(' ')).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((parameters::decode(id), parameters::decode(secret)))
}
