//! Token revocation (RFC 7009).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};

use crate::client_authentication::authenticated_form;
use crate::oauth_error::{NO_STORE, OAuthError};
use crate::state::ServerState;

/// The answer is the same whether there was such a token or not (RFC 7009 §2.2). APIs that check JWTs by themselves go
/// on accepting one until it expires; introspection does not.
pub(crate) async fn respond(State(state): State<Arc<ServerState>>, request: Request) -> Result<Response, OAuthError> {
    let (client, parameters) = authenticated_form(request, &state).await?;
    let token = parameters.value("token").ok_or(OAuthError::InvalidRequest("token is missing"))?;
    state.grants.revoke(token, Some(&client.id), state.issuer.now());
    Ok(NO_STORE.into_response())
}
