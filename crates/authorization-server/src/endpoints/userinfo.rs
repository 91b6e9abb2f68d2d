//! The userinfo endpoint (OpenID Connect Core 1.0 §5.3), behind the layer that this server exists to test.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value};
use tower::{Layer, Service};
use tower_bearer::{ConfigError, Refusal, RefusalBody, ResourceServer, StatusPolicy, ValidatedToken};

use crate::grants::IssuedToken;
use crate::oauth_error::NO_STORE;
use crate::scope::OPENID;
use crate::state::ServerState;

/// Puts the layer around the endpoint, with the keys that are published now, so that the server's own tokens do not
/// depend on a key cache after a rotation.
pub(crate) async fn protect(
    State(state): State<Arc<ServerState>>,
    mut request: Request,
    next: Next,
) -> Result<Response, StatusCode> {
    let api = resource_server(&state).map_err(|error| {
        tracing::error!(%error, "the userinfo endpoint cannot check tokens");
        StatusCode::INTERNAL_SERVER_ERROR
    })?;
    if let Some(token) = active_token(&state, request.headers()) {
        // The layer reads JWTs: an opaque token is exchanged for a JWT with the same claims.
        let jwt = token.is_opaque().then(|| format!("Bearer {}", token.jwt(&state.issuer).sign()));
        if let Some(value) = jwt.and_then(|value| HeaderValue::try_from(value).ok()) {
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        request.extensions_mut().insert(token);
    }
    let Ok(response) = api.layer().layer(next).call(request).await;
    Ok(response.into_response())
}

/// The claims that the user agreed to share with the client, for an access token with `openid`.
pub(crate) async fn respond(
    State(state): State<Arc<ServerState>>,
    token: ValidatedToken,
    request: Request,
) -> Result<Response, Denied> {
    // The signature of a revoked token is still valid.
    let issued = request.extensions().get::<Arc<IssuedToken>>().ok_or(Denied::Revoked)?;
    token.require(OPENID)?;
    // A client's own token, or one for a user who is unknown here.
    let user = issued.auth_time.and_then(|_| state.users.by_subject(&issued.subject)).ok_or(Denied::NoUser)?;

    let may_know = |claim: &str| scope_of(claim).is_none_or(|needed| token.scope().contains(needed));
    let known = user.claims.iter().filter(|(claim, _)| may_know(claim));
    let mut claims: Map<String, Value> = known.map(|(claim, value)| (claim.clone(), value.clone())).collect();
    claims.insert("sub".to_owned(), Value::from(user.subject.as_str()));
    Ok((NO_STORE, Json(claims)).into_response())
}

/// Why the endpoint refuses a token that the layer accepted.
pub(crate) enum Denied {
    Revoked,
    NoUser,
    Refused(Refusal),
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let (status, challenge) = match self {
            Self::Refused(refusal) => return refusal.into_response(),
            Self::Revoked => (StatusCode::UNAUTHORIZED, "Bearer realm=\"userinfo\", error=\"invalid_token\""),
            Self::NoUser => {
                (StatusCode::FORBIDDEN, "Bearer realm=\"userinfo\", error=\"insufficient_scope\", scope=\"openid\"")
            }
        };
        (status, NO_STORE, [(WWW_AUTHENTICATE, challenge)]).into_response()
    }
}

/// The server as the resource server of its own tokens, whichever API they are for.
fn resource_server(state: &ServerState) -> Result<ResourceServer, ConfigError> {
    let audiences = state.clients.iter().flat_map(|client| &client.audiences);
    audiences
        .fold(ResourceServer::builder(), |builder, audience| builder.audience(audience))
        .issuer(state.issuer.trusted())
        .clock(state.issuer.clock())
        .token_cache_bytes(0)
        .realm("userinfo")
        .status_policy(StatusPolicy::rfc6750())
        .refusal_body(RefusalBody::Empty)
        .build()
}

/// The token of a request, if it was issued here and is neither expired nor revoked.
fn active_token(state: &ServerState, headers: &HeaderMap) -> Option<Arc<IssuedToken>> {
    // A repeated field is left to the layer, which refuses it.
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, text) = value.to_str().ok()?.split_once(' ')?;
    let text = text.trim_start_matches(' ');
    let token = state.grants.active(text, state.issuer.now())?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// The scope that a claim needs in addition to `openid` (§5.4); none for a claim that no standard names.
fn scope_of(claim: &str) -> Option<&'static str> {
    match claim {
        "name" | "family_name" | "given_name" | "middle_name" | "nickname" | "preferred_username" | "profile"
        | "picture" | "website" | "gender" | "birthdate" | "zoneinfo" | "locale" | "updated_at" => Some("profile"),
        "email" | "email_verified" => Some("email"),
        "address" => Some("address"),
        "phone_number" | "phone_number_verified" => Some("phone"),
        _ => None,
    }
}
