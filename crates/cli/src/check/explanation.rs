//! What there is to say about one token.

use http::response::Parts;
use tower_bearer::time::UnixTime;
use tower_bearer::{RefusalKind, TokenError};

use super::untrusted::Untrusted;

/// One token, explained.
#[derive(Debug)]
pub(super) struct Explanation {
    pub(super) line: Option<u64>,
    pub(super) judged_at: Option<UnixTime>,
    /// Why it is refused; none for a good token.
    pub(super) error: Option<TokenError>,
    pub(super) rows: Vec<Row>,
    pub(super) answers: LayerResponses,
    pub(super) token: Untrusted,
    /// Whether one of the issuer's keys made the signature.
    pub(super) is_signed: bool,
    pub(super) advice: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// One check.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) check: &'static str,
    pub(super) result: CheckResult,
    /// Empty where the check was not made.
    pub(super) expected: String,
    pub(super) found: String,
}

/// What became of a check.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CheckResult {
    Passed,
    Failed,
    /// Not made, since one before it failed.
    Unverified,
}

/// What the layer answers.
#[derive(Debug, serde::Serialize)]
pub(super) struct LayerResponses {
    /// With the statuses of the API's own configuration, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) configured: Option<LayerResponse>,
    pub(super) default: LayerResponse,
    pub(super) rfc6750: LayerResponse,
}

/// What the layer answers under one status policy; no status where the handler answers.
#[derive(Debug, Eq, PartialEq, serde::Serialize)]
pub(super) struct LayerResponse {
    pub(super) status: Option<u16>,
    pub(super) www_authenticate: Option<String>,
    pub(super) retry_after: Option<String>,
}

impl Explanation {
    /// Our side could not decide.
    pub(super) fn is_undecided(&self) -> bool {
        let is_ours = |kind| matches!(kind, RefusalKind::Unavailable | RefusalKind::KeyNotProvenAbsent);
        self.error.as_ref().is_some_and(|error| is_ours(RefusalKind::from(error)))
    }
}

impl LayerResponse {
    /// From the layer's response, in which it leaves its reason.
    pub(super) fn from_layer(response: &Parts) -> Self {
        let header = |name| response.headers.get(name)?.to_str().ok().map(str::to_owned);
        let is_refused = response.extensions.get::<TokenError>().is_some();
        Self {
            status: is_refused.then(|| response.status.as_u16()),
            www_authenticate: header(http::header::WWW_AUTHENTICATE),
            retry_after: header(http::header::RETRY_AFTER),
        }
    }
}
