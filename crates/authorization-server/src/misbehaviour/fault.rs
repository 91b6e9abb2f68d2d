//! What the server does wrong on command.

use std::time::Duration;

use http::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tower_bearer_test::Defect;

use crate::Endpoint;
use crate::defect_name;

/// A way for an [endpoint](Endpoint) to misbehave, for
/// [`misbehave`](crate::AuthorizationServer::misbehave).
///
/// Those that spoil an answer start from the good one: a slow JWK Set is the server's own. They leave out its `ETag`
/// and answer a conditional request in full; [`SlowHeaders`](Self::SlowHeaders) alone does not. Delays are by tokio's
/// clock.
///
/// In JSON, the name in snake case, with the settings in an object if there are any; durations name their unit:
///
/// ```
/// use std::time::Duration;
/// use tower_bearer_authorization_server::Fault;
///
/// let json = |fault: Fault| serde_json::to_string(&fault);
/// assert_eq!(json(Fault::Html)?, r#""html""#);
/// assert_eq!(json(Fault::SlowBody { pause: Duration::from_secs(1) })?, r#"{"slow_body":{"pause_ms":1000}}"#);
/// assert_eq!(json(Fault::status(500))?, r#"{"status":{"code":500}}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// The good answer, after a delay in which nothing comes.
    SlowHeaders {
        /// How long nothing comes; `delay_ms` in JSON.
        #[serde(rename = "delay_ms", with = "millis")]
        delay: Duration,
    },
    /// The good answer, its body byte by byte: the first at once, each other after a pause.
    SlowBody {
        /// From one byte to the next; `pause_ms` in JSON.
        #[serde(rename = "pause_ms", with = "millis")]
        pause: Duration,
    },
    /// No answer; the connection stays open until the client closes it or the server stops.
    Hang,
    /// The head and half the body of the good answer, then no more; the connection stays open.
    Stall,
    /// The head and half the body of the good answer, then the connection closes: fewer bytes than `Content-Length`
    /// says.
    Disconnect,
    /// This status, with an empty body.
    Status {
        /// 200 to 599.
        code: u16,
        /// `Retry-After` in whole seconds, left out by default; `retry_after_s` in JSON.
        #[serde(default, rename = "retry_after_s", with = "optional_secs", skip_serializing_if = "Option::is_none")]
        retry_after: Option<Duration>,
    },
    /// 307, which repeats a request as it is, to this place.
    RedirectTo {
        /// `Location`, such as an `http` URL, or one of another host.
        url: String,
    },
    /// Good and bad answers in turn, beginning with good ones.
    Flapping {
        /// How many good answers in a row, at least one.
        good: u32,
        /// How many bad answers in a row, at least one.
        bad: u32,
        /// What is bad about those; not flapping again.
        fault: Box<Self>,
    },
    /// 200 with a web page, as from a proxy that wants a login.
    Html,
    /// Half the good body, as if it were all: JSON that breaks off, in an HTTP answer without fault.
    Truncated,
    /// JSON whose members have other types than they should.
    WrongTypes,
    /// The good answer made this large by a member that nobody needs. It is made while it is sent, takes no memory, and
    /// has no `Content-Length`.
    Huge {
        /// Bytes in all, unless the good answer has more by itself.
        bytes: u64,
    },
    /// A JWK Set without keys.
    EmptySet,
    /// A JWK Set with a key before the good ones that cannot be one: its point is too short for its curve.
    OneBadKey,
    /// A JWK Set with another key of the same `kid` and `alg` before each good one.
    DuplicateKeyIds,
    /// A JWK Set with this many other keys before the good ones. It is made while it is sent, takes no memory, and has
    /// no `Content-Length`.
    ManyKeys {
        /// How many keys are added: RSA keys of 2048 bits, about 430 bytes each.
        count: u32,
    },
    /// Metadata or introspection responses of this issuer; the rest is correct.
    WrongIssuer {
        /// `issuer`.
        issuer: String,
    },
    /// JSON with these members in place of its own or in addition to them; null leaves a member out.
    Members(Map<String, Value>),
    /// An introspection response whose `active` is the string `"true"` or `"false"`.
    ActiveAsText,
    /// An introspection response without `active`.
    WithoutActive,
    /// An introspection response without `aud`.
    WithoutAudience,
    /// An introspection response without `exp`.
    WithoutExpiry,
    /// Introspection says that refresh tokens are active, with what it says of access tokens and these members;
    /// [`refresh_tokens_active`](Self::refresh_tokens_active) has the usual one. Without members, the response does not
    /// show what kind of token it is about.
    RefreshTokensActive(Map<String, Value>),
    /// Introspection responds with JSON where a signed response was asked for (RFC 9701).
    Unsigned,
    /// A signed introspection response (RFC 9701) with this one thing wrong with it. A JSON response is correct.
    SignedDefect(#[serde(with = "defect_name")] Defect),
}

/// Why a [`Fault`] was not accepted; the endpoint behaves as before.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FaultError {
    /// The fault means nothing there.
    #[error("this fault means nothing at the endpoint `{endpoint}`; set it at `{meant_for}`")]
    NotForEndpoint {
        /// Where it was set.
        endpoint: Endpoint,
        /// Where it can be set.
        meant_for: Endpoint,
    },
    /// The endpoint has no JSON in its responses.
    #[error(
        "the endpoint `{endpoint}` has no JSON in its responses, so this fault means nothing there; set it at one that has"
    )]
    NoJson {
        /// Where it was set.
        endpoint: Endpoint,
    },
    /// A status that is no final one.
    #[error("{code} is no status of an answer; give one from 200 to 599")]
    Status {
        /// The status as given.
        code: u16,
    },
    /// A redirect to what cannot stand in a header.
    #[error("{url:?} cannot stand in `Location`; give a URL of printable ASCII characters")]
    Location {
        /// The URL as given.
        url: String,
    },
    /// A row of no answers.
    #[error("good and bad answers cannot take turns with none of one kind; give `good` and `bad` at least 1")]
    NoTurns,
    /// Turns within turns.
    #[error("what is bad about a flapping endpoint cannot be that it flaps; give `fault` another one")]
    NestedFlapping,
}

impl Fault {
    /// This status with an empty body, without `Retry-After`.
    #[must_use]
    pub const fn status(code: u16) -> Self {
        Self::Status { code, retry_after: None }
    }

    /// JSON with this member in place of its own or in addition.
    ///
    /// ```
    /// use serde_json::json;
    /// use tower_bearer_authorization_server::Fault;
    ///
    /// let json = |fault: Fault| serde_json::to_value(fault);
    /// assert_eq!(json(Fault::member("aud", "https://other.example"))?, json!({ "members": { "aud": "https://other.example" } }));
    /// assert_eq!(json(Fault::refresh_tokens_active())?, json!({ "refresh_tokens_active": { "token_use": "refresh_token" } }));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn member(name: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::Members(Map::from_iter([(name.into(), value.into())]))
    }

    /// Introspection says that refresh tokens are active, and that they are refresh tokens: `token_use`.
    #[must_use]
    pub fn refresh_tokens_active() -> Self {
        Self::RefreshTokensActive(Map::from_iter([("token_use".to_owned(), json!("refresh_token"))]))
    }

    pub(crate) fn check(&self, endpoint: Endpoint) -> Result<(), FaultError> {
        let meant_for = |only| {
            if endpoint == only { Ok(()) } else { Err(FaultError::NotForEndpoint { endpoint, meant_for: only }) }
        };
        match self {
            Self::SlowHeaders { .. } | Self::SlowBody { .. } | Self::Hang | Self::Stall | Self::Disconnect => Ok(()),
            Self::Html | Self::Truncated | Self::WrongTypes | Self::Huge { .. } => Ok(()),
            Self::EmptySet | Self::OneBadKey | Self::DuplicateKeyIds | Self::ManyKeys { .. } => {
                meant_for(Endpoint::JwkSet)
            }
            Self::WrongIssuer { .. } if endpoint == Endpoint::Introspection => Ok(()),
            Self::WrongIssuer { .. } => meant_for(Endpoint::Metadata),
            Self::ActiveAsText
            | Self::WithoutActive
            | Self::WithoutAudience
            | Self::WithoutExpiry
            | Self::RefreshTokensActive(_)
            | Self::Unsigned
            | Self::SignedDefect(_) => meant_for(Endpoint::Introspection),
            Self::Members(_) if !endpoint.has_json() => Err(FaultError::NoJson { endpoint }),
            Self::Members(_) => Ok(()),
            Self::Status { code: 200..=599, .. } => Ok(()),
            Self::Status { code, .. } => Err(FaultError::Status { code: *code }),
            Self::RedirectTo { url } => {
                let usable = HeaderValue::try_from(url).is_ok_and(|value| value.to_str().is_ok());
                if usable { Ok(()) } else { Err(FaultError::Location { url: url.clone() }) }
            }
            Self::Flapping { good: 0, .. } | Self::Flapping { bad: 0, .. } => Err(FaultError::NoTurns),
            Self::Flapping { fault, .. } => match **fault {
                Self::Flapping { .. } => Err(FaultError::NestedFlapping),
                ref other => other.check(endpoint),
            },
        }
    }
}

/// Durations as whole milliseconds.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

/// A duration, or none, as whole seconds.
mod optional_secs {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        duration.map(|duration| duration.as_secs()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_secs))
    }
}
