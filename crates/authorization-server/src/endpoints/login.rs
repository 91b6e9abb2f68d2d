//! The page to log in, and where it sends name and password.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;

use crate::authorization_request::AuthorizationRequest;
use crate::authorization_response::AuthorizationError;
use crate::pages::{Browser, Session, page, see_other};
use crate::paths;
use crate::state::ServerState;

#[derive(Template)]
#[template(path = "login.html")]
pub(super) struct LoginPage<'a> {
    pub(super) action: String,
    pub(super) csrf: String,
    pub(super) request: &'a str,
    pub(super) client_name: &'a str,
    pub(super) username: &'a str,
    pub(super) failed: bool,
}

/// The page; after a failure, with the name that was tried.
pub(super) fn show(
    state: &ServerState,
    request: &AuthorizationRequest<'_>,
    browser: &Browser,
    failed_as: Option<&str>,
) -> Response {
    let template = LoginPage {
        action: state.path(paths::LOGIN),
        csrf: browser.csrf_token(),
        request: &request.query,
        client_name: request.client.name(),
        username: failed_as.or(request.login_hint.as_deref()).unwrap_or_default(),
        failed: failed_as.is_some(),
    };
    let status = if template.failed { StatusCode::FORBIDDEN } else { StatusCode::OK };
    let page = page(status, &template, &request.address.form_target());
    state.sessions.with_cookie(browser, page)
}

/// Name and password: the request goes on when they are right.
pub(crate) async fn respond(
    State(state): State<Arc<ServerState>>,
    request: Request,
) -> Result<Response, AuthorizationError> {
    let (browser, form) = state.sessions.form(request).await?;
    let request = AuthorizationRequest::of_form(&state, &form)?;

    let username = form.value("username").unwrap_or_default();
    let Some(user) = state.users.authenticate(username, form.value("password").unwrap_or_default()) else {
        tracing::debug!("a login failed");
        return Ok(show(&state, &request, &browser, Some(username)));
    };
    let session =
        Session { subject: user.subject.clone(), auth_time: state.issuer.now(), logged_in_for: Some(request.digest()) };
    let browser = state.sessions.log_in(&browser, session)?;
    Ok(state.sessions.with_cookie(&browser, see_other(&request.url(&state))))
}
