//! What a judged request carries in its extensions: the token, which knows its resource server, or which resource
//! server let it through without one.

use std::sync::Arc;

use http::Extensions;

use crate::error::TokenError;
use crate::refusal::Refusal;
use crate::resource_server::ResourceServer;
use crate::server_context::ServerContext;
use crate::token::ValidatedToken;

impl ResourceServer {
    /// Puts a token into a request's extensions, as the layer of its resource server does. For tests that call a route
    /// with its extractors and `Require` layers, but without the bearer layer and without an encoded token.
    ///
    /// Only a token that passed every check can be put in, so no code can admit a request without a token from a
    /// trusted issuer.
    ///
    /// ```
    /// use tower_bearer::ResourceServer;
    /// use tower_bearer_test::ValidatedTokenBuilder;
    ///
    /// let mut request = http::Request::new(());
    /// let token = ValidatedTokenBuilder::new().scope("read:leads").build();
    /// ResourceServer::admit(request.extensions_mut(), token);
    /// ```
    pub fn admit(extensions: &mut Extensions, token: ValidatedToken) {
        let server = Arc::clone(token.server());
        admit(extensions, Some(token), &server);
    }
}

/// Marks a request as judged. The token or the mark of an outer layer is replaced by a token; a request that passes
/// without one keeps the token of an outer layer, and when that is another server's, whoever asks for it answers 500.
pub(crate) fn admit(extensions: &mut Extensions, token: Option<ValidatedToken>, server: &Arc<ServerContext>) {
    match token {
        Some(token) => {
            extensions.remove::<Mark>();
            extensions.insert(token);
        }
        None => {
            extensions.insert(Mark(Arc::clone(server)));
        }
    }
}

/// The nearest layer's resource server, where it let a request through without a token.
#[derive(Clone)]
struct Mark(Arc<ServerContext>);

/// The token that the nearest bearer layer left, if it let the request through with one.
///
/// Errors when there is no such layer, or when token and layer do not belong together.
pub(crate) fn judged_token(
    extensions: &Extensions,
    server_id: Option<u64>,
) -> Result<Option<&ValidatedToken>, Refusal> {
    let token = extensions.get::<ValidatedToken>();
    let Some(context) = nearest(extensions) else {
        return Err(Refusal::new(TokenError::LayerMissing, None));
    };
    let is_other = |id: u64| id != context.id();
    if server_id.is_some_and(is_other) || token.is_some_and(|token| is_other(token.server().id())) {
        return Err(Refusal::new(TokenError::OtherResourceServer, Some(Arc::clone(context))));
    }
    Ok(token)
}

/// As [`judged_token`], where a request without a token is refused.
pub(crate) fn required_token(extensions: &Extensions, server_id: Option<u64>) -> Result<&ValidatedToken, Refusal> {
    let token = judged_token(extensions, server_id)?;
    token.ok_or_else(|| Refusal::new(TokenError::Absent, nearest(extensions).cloned()))
}

fn nearest(extensions: &Extensions) -> Option<&Arc<ServerContext>> {
    let mark = extensions.get::<Mark>().map(|Mark(server)| server);
    mark.or_else(|| extensions.get::<ValidatedToken>().map(ValidatedToken::server))
}
