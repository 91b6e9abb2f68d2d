//! The configuration of a resource server as data, without its secrets.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ResourceServer;
use crate::duration_text;
use crate::issuer::{IssuerDescription, OmittedSetting};
use crate::response::RefusalBody;
use crate::status_policy::{RefusalKind, StatusPolicy};
use crate::token_cache;

/// The largest token that is read, unless configured otherwise: 16 KiB, several times the size of real ones.
pub(super) const DEFAULT_MAX_TOKEN_BYTES: usize = 16 * 1024;
pub(super) const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);

/// The configuration of a [`ResourceServer`] as data, from [`ResourceServer::describe`].
///
/// Each field has the name of its setting and the value in effect. It can also be read back: `tower-bearer check
/// --config FILE` validates tokens as the described resource server does. Unknown fields are rejected, since they could
/// change the outcome. No field contains a secret; [`omitted`](Self::omitted) lists what it cannot express.
/// [`user_marker`](crate::Issuer::user_marker) and [`client_marker`](crate::Issuer::client_marker), which do not decide
/// whether a token is accepted, are not part of it.
#[non_exhaustive]
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResourceServerDescription {
    /// See [`audience`](crate::ResourceServerBuilder::audience).
    pub audiences: Vec<String>,
    /// See [`realm`](crate::ResourceServerBuilder::realm).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// See [`leeway`](crate::ResourceServerBuilder::leeway); a string with a unit, such as `30s`.
    #[serde(with = "duration_text")]
    pub leeway: Duration,
    /// See [`max_token_age`](crate::ResourceServerBuilder::max_token_age), or what the
    /// [revocation check](crate::ResourceServerBuilder::revocation) asks for, if that is stricter; a string with a unit.
    #[serde(with = "duration_text::optional", skip_serializing_if = "Option::is_none")]
    pub max_token_age: Option<Duration>,
    /// See [`max_token_bytes`](crate::ResourceServerBuilder::max_token_bytes).
    pub max_token_bytes: usize,
    /// See [`token_cache_bytes`](crate::ResourceServerBuilder::token_cache_bytes).
    pub token_cache_bytes: usize,
    /// See [`status_policy`](crate::ResourceServerBuilder::status_policy): the status of each
    /// [`RefusalKind`], named in snake case. The default applies to rows that are absent.
    #[serde(serialize_with = "write_rows", deserialize_with = "read_rows")]
    pub status_policy: StatusPolicy,
    /// See [`refusal_body`](crate::ResourceServerBuilder::refusal_body): `json` or `empty`.
    #[serde(serialize_with = "write_body", deserialize_with = "read_body")]
    pub refusal_body: RefusalBody,
    /// The configured issuers as they are now: those that were [added](ResourceServer::add_issuer) since the start are
    /// among them, those from a [resolver](crate::ResourceServerBuilder::issuer_resolver) are not.
    pub issuers: Vec<IssuerDescription>,
    /// Settings in use that a description cannot express.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub omitted: Vec<OmittedSetting>,
}

impl ResourceServer {
    /// The configuration in effect, for a health or debug endpoint: issuers, audiences, algorithms, leeway, the
    /// places of keys, and every other setting that decides about a token.
    ///
    /// It contains no secrets: neither shared secrets nor header values, and key URLs have no query and no fragment. It
    /// does show which issuers are trusted and where their keys are, so an endpoint with it is for operators, not for
    /// clients.
    ///
    /// ```
    /// # #[cfg(feature = "axum")] {
    /// use axum::{Json, Router, routing::get};
    /// use tower_bearer::{Issuer, ResourceServer, ResourceServerDescription};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let api = ResourceServer::builder()
    ///     .audience("https://api.example.com")
    ///     .issuer(Issuer::new("https://as.example.com").jwk_set_url("https://as.example.com/keys"))
    ///     .build()?;
    ///
    /// // On a port that only operators reach.
    /// let described = api.clone();
    /// let debug: Router = Router::new().route("/debug/tokens", get(async move || Json(described.describe())));
    /// # let _ = debug;
    ///
    /// // curl http://127.0.0.1:9000/debug/tokens > api.json
    /// // pbpaste | tower-bearer check --config api.json
    /// let json = serde_json::to_string(&api.describe())?;
    /// assert!(json.contains(r#""leeway":"30s""#));
    /// let read: ResourceServerDescription = serde_json::from_str(&json)?;
    /// assert_eq!(read, api.describe());
    /// # Ok(())
    /// # }
    /// # main().unwrap();
    /// # }
    /// ```
    #[must_use]
    pub fn describe(&self) -> ResourceServerDescription {
        let responder = &self.0.context.responder;
        ResourceServerDescription {
            status_policy: responder.statuses.clone(),
            issuers: self.0.issuers.describe(),
            ..ResourceServerDescription::clone(&self.0.settings)
        }
    }
}

impl Default for ResourceServerDescription {
    /// Every setting at its default, without an audience and without an issuer.
    fn default() -> Self {
        Self {
            audiences: Vec::new(),
            realm: None,
            leeway: DEFAULT_LEEWAY,
            max_token_age: None,
            max_token_bytes: DEFAULT_MAX_TOKEN_BYTES,
            token_cache_bytes: token_cache::DEFAULT_BYTES,
            status_policy: StatusPolicy::default(),
            refusal_body: RefusalBody::default(),
            issuers: Vec::new(),
            omitted: Vec::new(),
        }
    }
}

/// The rows that can be set.
const ROWS: [RefusalKind; 8] = [
    RefusalKind::Absent,
    RefusalKind::SchemeMissing,
    RefusalKind::BrokenCredentials,
    RefusalKind::Malformed,
    RefusalKind::Invalid,
    RefusalKind::Forbidden,
    RefusalKind::Unavailable,
    RefusalKind::KeyNotProvenAbsent,
];

const fn row_name(kind: RefusalKind) -> &'static str {
    match kind {
        RefusalKind::Absent => "absent",
        RefusalKind::SchemeMissing => "scheme_missing",
        RefusalKind::BrokenCredentials => "broken_credentials",
        RefusalKind::Malformed => "malformed",
        RefusalKind::Invalid => "invalid",
        RefusalKind::Forbidden => "forbidden",
        RefusalKind::Unavailable => "unavailable",
        RefusalKind::KeyNotProvenAbsent => "key_not_proven_absent",
        RefusalKind::Misconfigured => "misconfigured",
    }
}

fn write_rows<S: Serializer>(policy: &StatusPolicy, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(ROWS.into_iter().map(|kind| (row_name(kind), policy.status(kind).as_u16())))
}

fn read_rows<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StatusPolicy, D::Error> {
    let mut rows = BTreeMap::<String, u16>::deserialize(deserializer)?;
    let mut policy = StatusPolicy::default();
    for kind in ROWS {
        let Some(status) = rows.remove(row_name(kind)) else { continue };
        let status = StatusCode::from_u16(status).map_err(D::Error::custom)?;
        // A row that was never set is equal to `unavailable`, which comes before it.
        if policy.status(kind) != status {
            policy = policy.with(kind, status).map_err(D::Error::custom)?;
        }
    }
    match rows.keys().next() {
        Some(unknown) => {
            Err(D::Error::custom(format!("there is no row {unknown:?}; the rows are {:?}", ROWS.map(row_name))))
        }
        None => Ok(policy),
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn write_body<S: Serializer>(body: &RefusalBody, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match body {
        RefusalBody::Json => "json",
        RefusalBody::Empty => "empty",
    })
}

fn read_body<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RefusalBody, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "json" => Ok(RefusalBody::Json),
        "empty" => Ok(RefusalBody::Empty),
        other => Err(D::Error::custom(format!("{other:?} is not a refusal body; use \"json\" or \"empty\""))),
    }
}
