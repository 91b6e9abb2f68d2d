//! What a judged request carries in its extensions: the token, and which resource server judged it.

use std::sync::Arc;

use http::Extensions;

use crate::error::TokenError;
use crate::refusal::{Refusal, ServerContext};
use crate::token::ValidatedToken;

/// Marks a request as judged. The mark of an outer layer is replaced, and so is its token if there is one now; else token
/// and mark contradict each other, and whoever asks for the token answers 500.
pub(crate) fn admit(extensions: &mut Extensions, token: Option<ValidatedToken>, server: Arc<ServerContext>) {
    extensions.insert(server);
    if let Some(token) = token {
        extensions.insert(token);
    }
}

/// The token that the nearest bearer layer left, if it let the request through with one.
///
/// Errors when there is no such layer, or when token and layer do not belong together.
pub(crate) fn judged_token(
    extensions: &Extensions,
    server_id: Option<u64>,
) -> Result<Option<&ValidatedToken>, Refusal> {
    let Some(context) = extensions.get::<Arc<ServerContext>>() else {
        return Err(Refusal::new(TokenError::LayerMissing, None));
    };
    let token = extensions.get::<ValidatedToken>();
    let is_other = |id: u64| id != context.id();
    if server_id.is_some_and(is_other) || token.is_some_and(|token| is_other(token.server().id())) {
        return Err(Refusal::new(TokenError::OtherResourceServer, Some(Arc::clone(context))));
    }
    Ok(token)
}

/// As [`judged_token`], where a request without a token is refused.
pub(crate) fn required_token(extensions: &Extensions, server_id: Option<u64>) -> Result<&ValidatedToken, Refusal> {
    let token = judged_token(extensions, server_id)?;
    token.ok_or_else(|| Refusal::new(TokenError::Absent, extensions.get::<Arc<ServerContext>>().cloned()))
}
