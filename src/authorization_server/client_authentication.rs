//! Who asks: client authentication at the token endpoint (RFC 6749 §2.3.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, header};

use super::form::{self, Form};
use super::oauth_error::OAuthError;
use super::registration::{Clients, RegisteredClient};
use super::request_log::note_client;

/// The client that the request proves to come from, by HTTP Basic or by `client_id` and `client_secret` in the body.
pub(super) fn authenticate<'a>(
    headers: &HeaderMap,
    form: &Form,
    clients: &'a Clients,
) -> Result<&'a RegisteredClient, OAuthError> {
    let mut authorization = headers.get_all(header::AUTHORIZATION).iter();
    let credentials = match (authorization.next(), authorization.next()) {
        (None, _) => in_body(form),
        (Some(value), None) => {
            // RFC 6749 §2.3: one method a request.
            if form.value("client_secret").is_some() {
                return Err(OAuthError::InvalidRequest("the client authenticates in two ways"));
            }
            let credentials = basic(value);
            let elsewhere = form.value("client_id");
            if credentials.as_ref().is_some_and(|(id, _)| elsewhere.is_some_and(|other| other != id)) {
                return Err(OAuthError::InvalidRequest("client_id is not the client that authenticates"));
            }
            credentials
        }
        (Some(_), Some(_)) => return Err(OAuthError::InvalidRequest("there are several Authorization headers")),
    };
    let (id, secret) = credentials.ok_or(OAuthError::InvalidClient)?;
    clients.authenticate(&id, &secret).inspect(|client| note_client(&client.id)).ok_or(OAuthError::InvalidClient)
}

fn in_body(form: &Form) -> Option<(String, String)> {
    Some((form.value("client_id")?.to_owned(), form.value("client_secret")?.to_owned()))
}

/// Id and secret from `Basic base64(id ":" secret)` (RFC 7617 §2), each form-urlencoded before (RFC 6749 §2.3.1).
fn basic(value: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(encoded.trim_start_matches(' ')).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((form::decode(id), form::decode(secret)))
}
