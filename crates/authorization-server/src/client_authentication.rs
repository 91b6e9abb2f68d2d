//! Who asks: client authentication (RFC 6749 §2.3.1).

use axum::extract::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, header};

use super::oauth_error::OAuthError;
use super::parameters::{self, Parameters};
use super::registration::{Clients, RegisteredClient};
use super::request_log::note_client;

/// The form that a client sent, and the client.
pub(super) async fn authenticated_form(
    request: Request,
    clients: &Clients,
) -> Result<(&RegisteredClient, Parameters), OAuthError> {
    let headers = request.headers().clone();
    let parameters = Parameters::read(request).await?;
    let client = authenticate(&headers, &parameters, clients)?;
    Ok((client, parameters))
}

/// The client that the request comes from: proven by HTTP Basic or by `client_id` and `client_secret` in the body, or,
/// for a public client, named by `client_id` alone (RFC 6749 §3.2.1).
fn authenticate<'a>(
    headers: &HeaderMap,
    parameters: &Parameters,
    clients: &'a Clients,
) -> Result<&'a RegisteredClient, OAuthError> {
    // RFC 7521 §4.2: who sends an assertion means to be known by it, and not by `client_id` alone. None is read here.
    if ["client_assertion", "client_assertion_type"].iter().any(|name| parameters.value(name).is_some()) {
        return Err(OAuthError::InvalidClient);
    }
    let mut authorization = headers.get_all(header::AUTHORIZATION).iter();
    let (id, secret) = match (authorization.next(), authorization.next()) {
        (None, _) => {
            let id = parameters.value("client_id").ok_or(OAuthError::InvalidClient)?;
            let Some(secret) = parameters.value("client_secret") else {
                let public = clients.get(id).filter(|client| client.is_public());
                return public.inspect(|client| note_client(&client.id)).ok_or(OAuthError::InvalidClient);
            };
            (id.to_owned(), secret.to_owned())
        }
        (Some(value), None) => {
            // RFC 6749 §2.3: one method a request.
            if parameters.value("client_secret").is_some() {
                return Err(OAuthError::InvalidRequest("the client authenticates in two ways"));
            }
            let (id, secret) = basic(value).ok_or(OAuthError::InvalidClient)?;
            if parameters.value("client_id").is_some_and(|other| other != id) {
                return Err(OAuthError::InvalidRequest("client_id is not the client that authenticates"));
            }
            (id, secret)
        }
        (Some(_), Some(_)) => return Err(OAuthError::InvalidRequest("there are several Authorization headers")),
    };
    clients.authenticate(&id, &secret).inspect(|client| note_client(&client.id)).ok_or(OAuthError::InvalidClient)
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
