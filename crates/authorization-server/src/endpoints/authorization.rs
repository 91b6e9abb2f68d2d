//! The authorization endpoint (RFC 6749 §3.1): shows the page that is next.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, Method};

use super::{consent, login};
use crate::authorization_request::AuthorizationRequest;
use crate::authorization_response::{AuthorizationError, CONSENT_REQUIRED, LOGIN_REQUIRED};
use crate::pages::see_other;
use crate::parameters::Parameters;
use crate::state::ServerState;

/// By `GET`, or by `POST` with a form (OpenID Connect Core 1.0 §3.1.2.1).
pub(crate) async fn respond(
    State(state): State<Arc<ServerState>>,
    request: Request,
) -> Result<Response, AuthorizationError> {
    if request.method() == Method::POST {
        // Sent by another site, it comes without the cookie, and this browser would be taken for a new one: a `GET` has
        // it.
        let request = AuthorizationRequest::read(&state, &Parameters::read(request).await?)?;
        return Ok(see_other(&request.url(&state)));
    }
    let parameters = Parameters::parse(request.uri().query().unwrap_or_default().as_bytes())?;
    next_page(&state, request.headers(), &parameters)
}

fn next_page(
    state: &ServerState,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Response, AuthorizationError> {
    let request = AuthorizationRequest::read(state, parameters)?;
    let browser = state.sessions.browser(headers)?;
    let now = state.issuer.now();
    let session = state.sessions.current(&browser, now).filter(|session| request.accepts(session, now));
    let user = session.and_then(|session| state.users.by_subject(&session.subject));
    match (user, request.is_silent) {
        (None, true) => Err(AuthorizationError::Answer(request.address, LOGIN_REQUIRED)),
        (Some(_), true) => Err(AuthorizationError::Answer(request.address, CONSENT_REQUIRED)),
        (None, false) => Ok(login::show(state, &request, &browser, None)),
        (Some(user), false) => Ok(consent::show(state, &request, &browser, user)),
    }
}
