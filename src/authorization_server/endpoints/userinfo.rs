//! The userinfo endpoint (OpenID Connect Core 1.0 §5.3).

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::{Map, Value};

use crate::authorization_server::oauth_error::NO_STORE;
use crate::authorization_server::scope::OPENID;
use crate::authorization_server::state::ServerState;
use crate::bearer::BearerToken;
use crate::challenge::BearerError;

/// What the user let the client know, for an access token with `openid`.
pub(in crate::authorization_server) async fn respond(
    State(state): State<Arc<ServerState>>,
    request: Request,
) -> Result<Response, Refusal> {
    let token = BearerToken::from_request(request.headers(), request.uri());
    let token = token.map_err(|_| Refusal(Some(BearerError::InvalidRequest)))?.ok_or(Refusal(None))?;
    let text = std::str::from_utf8(token.as_bytes()).ok();
    let token = text.and_then(|text| state.grants.active(text, state.issuer.now()));
    let token = token.ok_or(Refusal(Some(BearerError::InvalidToken)))?;
    if !token.scopes.iter().any(|scope| scope == OPENID) {
        return Err(Refusal(Some(BearerError::InsufficientScope)));
    }
    let user = token.auth_time.and_then(|_| state.users.by_subject(&token.subject));
    // A client's own token, or one for nobody.
    let user = user.ok_or(Refusal(Some(BearerError::InsufficientScope)))?;

    let may_know = |claim: &str| scope_of(claim).is_none_or(|needed| token.scopes.iter().any(|scope| scope == needed));
    let known = user.claims.iter().filter(|(claim, _)| may_know(claim));
    let mut claims: Map<String, Value> = known.map(|(claim, value)| (claim.clone(), value.clone())).collect();
    claims.insert("sub".to_owned(), Value::from(user.subject.as_str()));
    Ok((NO_STORE, Json(claims)).into_response())
}

/// The scope that a claim needs beside `openid` (§5.4); none for what is nobody's standard.
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

/// RFC 6750 §3. Without a token there is no error to tell.
pub(in crate::authorization_server) struct Refusal(Option<BearerError>);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, challenge) = match self.0 {
            None => (StatusCode::UNAUTHORIZED, "Bearer realm=\"userinfo\""),
            Some(BearerError::InvalidRequest) => {
                (StatusCode::BAD_REQUEST, "Bearer realm=\"userinfo\", error=\"invalid_request\"")
            }
            Some(BearerError::InvalidToken) => {
                (StatusCode::UNAUTHORIZED, "Bearer realm=\"userinfo\", error=\"invalid_token\"")
            }
            Some(BearerError::InsufficientScope) => {
                (StatusCode::FORBIDDEN, "Bearer realm=\"userinfo\", error=\"insufficient_scope\", scope=\"openid\"")
            }
        };
        (status, NO_STORE, [(header::WWW_AUTHENTICATE, challenge)]).into_response()
    }
}
