//! Who is logged in, by a cookie; and that a form comes from a page of the same browser.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::Request;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, header};
use tower_bearer::time::UnixTime;

use super::PageRefusal;
use crate::grants::{Expiring, Handle, HandleDigest};
use crate::oauth_error::OAuthError;
use crate::parameters::Parameters;

const LIFETIME: Duration = Duration::from_secs(8 * 3600);
const CAPACITY: usize = 10_000;

/// A user who has logged in.
#[derive(Clone)]
pub(crate) struct Session {
    /// `sub` of the user.
    pub(crate) subject: String,
    pub(crate) auth_time: UnixTime,
    /// The request that the user logged in for, until it is decided on: one that wants a new login has had it.
    pub(crate) logged_in_for: Option<HandleDigest>,
}

/// All sessions, and how their cookie is set.
pub(crate) struct Sessions {
    sessions: Mutex<Expiring<HandleDigest, Session>>,
    /// With the port in it: cookies do not tell ports apart, and servers run beside each other on one host.
    cookie: String,
    attributes: String,
}

/// The browser that sent a request, by its cookie. It has one from the first page on, logged in or not.
pub(crate) struct Browser {
    id: String,
    is_new: bool,
}

impl Sessions {
    /// For an issuer with this path: another one on the same port has its own users, and its own cookies.
    pub(crate) fn new(port: u16, issuer_path: &str, is_https: bool) -> Self {
        let path = if issuer_path.is_empty() { "/" } else { issuer_path };
        let secure = if is_https { "; Secure" } else { "" };
        Self {
            sessions: Mutex::new(Expiring::with_capacity(CAPACITY)),
            cookie: format!("session-{port}"),
            attributes: format!("; Path={path}; HttpOnly; SameSite=Lax{secure}"),
        }
    }

    /// The browser of a request; one without a cookie gets an id that is still to be [given](Self::with_cookie) to it.
    pub(crate) fn browser(&self, headers: &HeaderMap) -> Result<Browser, OAuthError> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        match pairs.find(|(name, value)| *name == self.cookie && value.len() == ID_LENGTH) {
            Some((_, id)) => Ok(Browser { id: id.to_owned(), is_new: false }),
            None => Ok(Browser { id: Handle::random()?.into_secret(), is_new: true }),
        }
    }

    /// A form that a page of this server sent, and the browser that shows the page.
    pub(crate) async fn form(&self, request: Request) -> Result<(Browser, Parameters), PageRefusal> {
        let browser = self.browser(request.headers())?;
        let form = Parameters::read(request).await?;
        if browser.accepts_csrf_token(form.value("csrf").unwrap_or_default()) {
            Ok((browser, form))
        } else {
            Err(PageRefusal::forged())
        }
    }

    /// Who is logged in there.
    pub(crate) fn current(&self, browser: &Browser, now: UnixTime) -> Option<Session> {
        self.sessions().get(HandleDigest::of(&browser.id), now).cloned()
    }

    /// Logs a user in, under a new id: one that somebody else chose for the browser before is worth nothing.
    pub(crate) fn log_in(&self, before: &Browser, session: Session) -> Result<Browser, OAuthError> {
        let id = Handle::random()?.into_secret();
        let now = session.auth_time;
        let mut sessions = self.sessions();
        sessions.remove(HandleDigest::of(&before.id));
        sessions.insert(HandleDigest::of(&id), session, now.saturating_add(LIFETIME), now);
        Ok(Browser { id, is_new: true })
    }

    /// The next request that wants a new login has not had it.
    pub(crate) fn decided(&self, browser: &Browser) {
        if let Some(session) = self.sessions().get_mut(HandleDigest::of(&browser.id)) {
            session.logged_in_for = None;
        }
    }

    pub(crate) fn log_out(&self, browser: &Browser) {
        self.sessions().remove(HandleDigest::of(&browser.id));
    }

    /// The answer, which gives the browser its id if it has not got it.
    pub(crate) fn with_cookie(&self, browser: &Browser, mut response: Response) -> Response {
        let cookie = format!("{}={}{}", self.cookie, browser.id, self.attributes);
        if let (true, Ok(cookie)) = (browser.is_new, HeaderValue::try_from(cookie)) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }

    fn sessions(&self) -> MutexGuard<'_, Expiring<HandleDigest, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Browser {
    /// What a form has to bring back. It follows from the cookie, which no other site can read, and does not tell it.
    pub(crate) fn csrf_token(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, format!("csrf:{}", self.id).as_bytes()))
    }

    /// Whether a form with this token comes from a page that the browser was shown.
    fn accepts_csrf_token(&self, presented: &str) -> bool {
        let expected = self.csrf_token();
        !self.is_new && verify_slices_are_equal(presented.as_bytes(), expected.as_bytes()).is_ok()
    }
}

/// Characters of a [`Handle`]: 256 bits in base64url.
const ID_LENGTH: usize = 43;
