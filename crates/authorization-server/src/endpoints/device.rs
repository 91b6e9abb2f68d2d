//! The pages for the user of a device (RFC 8628 §3.3): the code, the login, the decision. All forms come back here.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use super::consent::{DescribedScope, allowed, described};
use super::login::LoginPage;
use crate::grants::{DeviceRequest, Grant, HandleDigest, UserCode, UserCodeRefusal};
use crate::pages::{Browser, PageRefusal, Session, page};
use crate::parameters::Parameters;
use crate::paths;
use crate::registration::RegisteredUser;
use crate::state::ServerState;

#[derive(Template)]
#[template(path = "device_code.html")]
struct CodePage<'a> {
    action: String,
    csrf: String,
    user_code: &'a str,
    refused: &'a str,
}

#[derive(Template)]
#[template(path = "device_consent.html")]
struct DeviceConsentPage<'a> {
    action: String,
    csrf: String,
    request: &'a str,
    client_name: &'a str,
    username: &'a str,
    scopes: Vec<DescribedScope<'a>>,
}

#[derive(Template)]
#[template(path = "device_done.html")]
struct DonePage<'a> {
    client_name: &'a str,
    allowed: bool,
}

/// The page for the code, with the one that the device may have put into the URL (RFC 8628 §3.3.1). It is not looked up
/// yet: that would be a way to guess without a form.
pub(crate) async fn show(State(state): State<Arc<ServerState>>, request: Request) -> Result<Response, PageRefusal> {
    let browser = state.sessions.browser(request.headers())?;
    let parameters = Parameters::parse(request.uri().query().unwrap_or_default().as_bytes())?;
    let user_code = parameters.value("user_code").and_then(UserCode::read).map(|code| code.to_string());
    Ok(code_page(&state, &browser, StatusCode::OK, user_code.as_deref().unwrap_or_default(), ""))
}

pub(crate) async fn respond(State(state): State<Arc<ServerState>>, request: Request) -> Result<Response, PageRefusal> {
    let (browser, form) = state.sessions.form(request).await?;
    // The later forms bring the code back as what they are about.
    let typed = form.value("request").or(form.value("user_code")).unwrap_or_default();
    let user_code = UserCode::read(typed);
    let now = state.issuer.now();
    let (user_code, device) = match (user_code, state.grants.device(user_code, now)) {
        (Some(user_code), Ok(device)) => (user_code, device),
        (_, Err(UserCodeRefusal::Locked)) => {
            let refused = "There were too many wrong codes. Wait for five minutes, and start again on your device.";
            let mut response = code_page(&state, &browser, StatusCode::TOO_MANY_REQUESTS, "", refused);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("300"));
            return Ok(response);
        }
        _ => {
            return Ok(code_page(&state, &browser, StatusCode::FORBIDDEN, typed, NO_SUCH_CODE));
        }
    };
    let decision = Decision { state: &state, user_code, code: user_code.to_string(), device };
    if let Some(username) = form.value("username") {
        return decision.log_in(&browser, username, form.value("password").unwrap_or_default());
    }
    if form.value("decision") == Some("switch") {
        state.sessions.log_out(&browser);
    }
    let session = state.sessions.current(&browser, now);
    let user = session.as_ref().and_then(|session| state.users.by_subject(&session.subject));
    let (Some(session), Some(user)) = (session, user) else {
        return Ok(decision.login_page(&browser, None));
    };
    match form.value("decision") {
        None => Ok(decision.consent_page(&browser, user)),
        Some(_) => Ok(decision.decide(&browser, &form, session)),
    }
}

const NO_SUCH_CODE: &str = "This is not a code that a device shows now. Look again, or start again on your device.";

fn code_page(state: &ServerState, browser: &Browser, status: StatusCode, user_code: &str, refused: &str) -> Response {
    let template = CodePage { action: state.path(paths::DEVICE), csrf: browser.csrf_token(), user_code, refused };
    state.sessions.with_cookie(browser, page(status, &template, ""))
}

/// A device, and the user who decides about it.
struct Decision<'a> {
    state: &'a ServerState,
    user_code: UserCode,
    /// The same as text.
    code: String,
    device: DeviceRequest,
}

impl Decision<'_> {
    fn log_in(&self, browser: &Browser, username: &str, password: &str) -> Result<Response, PageRefusal> {
        let state = self.state;
        let Some(user) = state.users.authenticate(username, password) else {
            tracing::debug!("a login failed");
            return Ok(self.login_page(browser, Some(username)));
        };
        let logged_in_for = Some(HandleDigest::of(&self.code));
        let session = Session { subject: user.subject.clone(), auth_time: state.issuer.now(), logged_in_for };
        let browser = state.sessions.log_in(browser, session)?;
        Ok(self.consent_page(&browser, user))
    }

    fn login_page(&self, browser: &Browser, failed_as: Option<&str>) -> Response {
        let template = LoginPage {
            action: self.state.path(paths::DEVICE),
            csrf: browser.csrf_token(),
            request: &self.code,
            client_name: self.client_name(),
            username: failed_as.unwrap_or_default(),
            failed: failed_as.is_some(),
        };
        let status = if template.failed { StatusCode::FORBIDDEN } else { StatusCode::OK };
        self.state.sessions.with_cookie(browser, page(status, &template, ""))
    }

    fn consent_page(&self, browser: &Browser, user: &RegisteredUser) -> Response {
        let template = DeviceConsentPage {
            action: self.state.path(paths::DEVICE),
            csrf: browser.csrf_token(),
            request: &self.code,
            client_name: self.client_name(),
            username: &user.username,
            scopes: described(self.state, &self.device.scopes),
        };
        self.state.sessions.with_cookie(browser, page(StatusCode::OK, &template, ""))
    }

    fn decide(&self, browser: &Browser, form: &Parameters, session: Session) -> Response {
        let grant = allowed(form, &self.device.scopes).map(|scopes| {
            Arc::new(Grant {
                client_id: self.device.client_id.clone(),
                subject: session.subject,
                scopes,
                audiences: self.device.audiences.clone(),
                auth_time: session.auth_time,
            })
        });
        let allowed = grant.is_some();
        if !self.state.grants.decide_device(self.user_code, grant, self.state.issuer.now()) {
            return code_page(self.state, browser, StatusCode::FORBIDDEN, "", NO_SUCH_CODE);
        }
        tracing::debug!(client_id = self.device.client_id, allowed, "device decided");
        page(StatusCode::OK, &DonePage { client_name: self.client_name(), allowed }, "")
    }

    fn client_name(&self) -> &str {
        self.state.clients.get(&self.device.client_id).map_or("", |client| client.name())
    }
}
