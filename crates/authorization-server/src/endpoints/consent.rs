//! The page to consent, and where it sends the decision.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;

use crate::authorization_request::{AuthorizationRequest, ResponseType};
use crate::authorization_response::{ACCESS_DENIED, AuthorizationError};
use crate::grants::{Code, Grant};
use crate::pages::{Browser, PageRefusal, page, see_other};
use crate::parameters::Parameters;
use crate::paths;
use crate::registration::RegisteredUser;
use crate::scope;
use crate::state::ServerState;

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentPage<'a> {
    action: String,
    csrf: String,
    request: &'a str,
    client_name: &'a str,
    username: &'a str,
    scopes: Vec<DescribedScope<'a>>,
    destination: String,
}

pub(super) struct DescribedScope<'a> {
    pub(super) name: &'a str,
    pub(super) description: &'a str,
}

/// Scopes for people: in the words of the settings, in ours, or by their names.
pub(super) fn described<'a>(state: &'a ServerState, scopes: &'a [String]) -> Vec<DescribedScope<'a>> {
    let describe = |name: &'a String| {
        let of_settings = state.scope_descriptions.get(name).map(String::as_str).filter(|text| !text.is_empty());
        let description = of_settings.or_else(|| scope::standard_description(name)).unwrap_or(name);
        DescribedScope { name, description }
    };
    scopes.iter().map(describe).collect()
}

/// Those of the scopes that the user allows; `None` is a no, and so is a yes to none of them.
pub(super) fn allowed(form: &Parameters, asked: &[String]) -> Option<Vec<String>> {
    let is_allowed = |scope: &&String| form.value(&format!("allow.{scope}")).is_some();
    let scopes: Vec<_> = asked.iter().filter(is_allowed).cloned().collect();
    let approves = form.value("decision") == Some("approve") && (!scopes.is_empty() || asked.is_empty());
    approves.then_some(scopes)
}

/// The page. The user is asked each time: nobody but the user says yes.
pub(super) fn show(
    state: &ServerState,
    request: &AuthorizationRequest<'_>,
    browser: &Browser,
    user: &RegisteredUser,
) -> Response {
    let template = ConsentPage {
        action: state.path(paths::CONSENT),
        csrf: browser.csrf_token(),
        request: &request.query,
        client_name: request.client.name(),
        username: &user.username,
        scopes: described(state, &request.scopes),
        destination: request.address.destination(),
    };
    let page = page(StatusCode::OK, &template, &request.address.form_target());
    state.sessions.with_cookie(browser, page)
}

/// The decision. Yes brings the client a code; anything but yes brings it none.
pub(crate) async fn respond(
    State(state): State<Arc<ServerState>>,
    request: Request,
) -> Result<Response, AuthorizationError> {
    let (browser, form) = state.sessions.form(request).await?;
    let request = AuthorizationRequest::of_form(&state, &form)?;
    let now = state.issuer.now();
    let session = state.sessions.current(&browser, now).filter(|session| request.accepts(session, now));

    let switches = form.value("decision") == Some("switch");
    if switches {
        state.sessions.log_out(&browser);
    }
    let Some(session) = session.filter(|_| !switches) else {
        return Ok(see_other(&request.url(&state)));
    };
    state.sessions.decided(&browser);
    // What was pushed is good for one decision.
    if request.request_uri.as_ref().is_some_and(|request_uri| !state.pushed_requests.spend(request_uri)) {
        return Err(PageRefusal::invalid_request("request_uri was used").into());
    }
    let Some(scopes) = allowed(&form, &request.scopes) else {
        return Err(AuthorizationError::Answer(request.address, ACCESS_DENIED));
    };

    let grant = Grant {
        client_id: request.client.id.clone(),
        subject: session.subject,
        scopes,
        audiences: request.audiences,
        auth_time: session.auth_time,
    };
    match request.response_type {
        ResponseType::Code { challenge } => {
            let redirect_uri = request.named_redirect_uri;
            let code = Code { grant: Arc::new(grant), redirect_uri, nonce: request.nonce, challenge };
            let code = state.grants.issue_code(code, now)?;
            tracing::debug!(client_id = request.client.id, "code issued");
            Ok(request.address.code(&code.into_secret()))
        }
        ResponseType::Token => {
            let tokens = state.grants.issue_without_refresh(&state.issuing(request.client), &grant)?;
            tracing::debug!(client_id = request.client.id, "token issued without a code");
            Ok(request.address.token(&tokens, request.client.token_lifetime))
        }
    }
}
