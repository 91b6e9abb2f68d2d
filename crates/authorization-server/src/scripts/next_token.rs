//! What the token endpoint is to do next, as a test wants it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tower_bearer_test::{Defect, TokenBuilder};

use super::ScriptError;
use crate::defect_name;
use crate::oauth_error::NO_STORE;

/// How many can wait.
const CAPACITY: usize = 1_000;

/// One answer of the token endpoint that is not as usual
/// ([`AuthorizationServer::script_next_token`](crate::AuthorizationServer::script_next_token)).
///
/// ```
/// use serde_json::json;
/// use tower_bearer_authorization_server::NextToken;
///
/// let is = |next: NextToken, json: serde_json::Value| serde_json::to_value(next).is_ok_and(|value| value == json);
/// assert!(is(NextToken::error("invalid_grant"), json!({ "error": { "error": "invalid_grant", "status": 400 } })));
/// assert!(is(NextToken::claim("tenant", "acme"), json!({ "claims": { "tenant": "acme" } })));
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NextToken {
    /// The next access token that is a JWT has these claims, in place of its own or beside them; null leaves a claim
    /// out.
    Claims(Map<String, Value>),
    /// The next access token that is a JWT has this one thing wrong with it.
    Defect(#[serde(with = "defect_name")] Defect),
    /// The next request is refused, whatever it asks for; codes and refresh tokens in it stay as they are.
    Error {
        /// `error`, such as `invalid_grant` or `temporarily_unavailable`.
        error: String,
        /// The status, 400 to 599; 400 by default.
        #[serde(default = "bad_request")]
        status: u16,
    },
}

impl NextToken {
    /// A refusal with this code and status 400.
    #[must_use]
    pub fn error(error: impl Into<String>) -> Self {
        Self::Error { error: error.into(), status: bad_request() }
    }

    /// A token with this claim.
    #[must_use]
    pub fn claim(name: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::Claims(Map::from_iter([(name.into(), value.into())]))
    }

    fn check(&self) -> Result<(), ScriptError> {
        let Self::Error { error, status } = self else {
            return Ok(());
        };
        if !(400..=599).contains(status) {
            return Err(ScriptError::Status { status: *status });
        }
        // RFC 6749 §5.2.
        let is_code =
            !error.is_empty() && error.bytes().all(|byte| matches!(byte, b' '..=b'~') && !b"\"\\".contains(&byte));
        if is_code { Ok(()) } else { Err(ScriptError::ErrorCode { error: error.clone() }) }
    }
}

/// Those that wait, in their order.
#[derive(Default)]
pub(crate) struct NextTokens(Mutex<VecDeque<NextToken>>);

impl NextTokens {
    pub(crate) fn push(&self, next: NextToken) -> Result<(), ScriptError> {
        next.check()?;
        let mut waiting = self.waiting();
        if waiting.len() >= CAPACITY {
            return Err(ScriptError::TooMany { limit: CAPACITY });
        }
        waiting.push_back(next);
        Ok(())
    }

    pub(crate) fn all(&self) -> Vec<NextToken> {
        self.waiting().iter().cloned().collect()
    }

    pub(crate) fn clear(&self) {
        self.waiting().clear();
    }

    /// The refusal of this request, when that is what comes next.
    pub(crate) fn refusal(&self) -> Option<Response> {
        let NextToken::Error { error, status } = self.take(|next| matches!(next, NextToken::Error { .. }))? else {
            return None;
        };
        // Checked when it was set.
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        tracing::debug!(error, "token request refused as told");
        let body = json!({ "error": error, "error_description": "this answer was scripted" });
        Some((status, NO_STORE, Json(body)).into_response())
    }

    /// Signs the token that comes next.
    pub(crate) fn sign(&self, token: TokenBuilder) -> String {
        match self.take(|next| !matches!(next, NextToken::Error { .. })) {
            Some(NextToken::Claims(claims)) => {
                let with = |token: TokenBuilder, (name, value): (String, Value)| match value {
                    Value::Null => token.without_claim(&name),
                    value => token.claim(name, value),
                };
                claims.into_iter().fold(token, with).sign()
            }
            Some(NextToken::Defect(defect)) => token.sign_defective(defect),
            Some(NextToken::Error { .. }) | None => token.sign(),
        }
    }

    /// The first, if it is one of these.
    fn take(&self, is_meant: impl FnOnce(&NextToken) -> bool) -> Option<NextToken> {
        let mut waiting = self.waiting();
        if waiting.front().is_some_and(is_meant) { waiting.pop_front() } else { None }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<NextToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn bad_request() -> u16 {
    400
}
