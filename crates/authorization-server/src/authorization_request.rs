//! The authorization request (RFC 6749 §4.1.1 and §4.2.1, RFC 7636 §4.3, RFC 8707 §2.1, OpenID Connect Core 1.0
//! §3.1.2.1).

use tower_bearer::time::UnixTime;

use super::authorization_response::{AuthorizationError, ErrorCode, ResponseMode, ReturnAddress};
use super::grant_type::GrantType;
use super::grants::HandleDigest;
use super::oauth_error::OAuthError;
use super::pages::{PageRefusal, Session};
use super::parameters::Parameters;
use super::pushed_requests::PushedRequests;
use super::registration::RegisteredClient;
use super::request_log::note_client;
use super::requested;
use super::state::ServerState;

/// A request that makes sense, from a client that may make it.
pub(super) struct AuthorizationRequest<'a> {
    pub(super) client: &'a RegisteredClient,
    pub(super) address: ReturnAddress,
    /// As the request named it, if it did.
    pub(super) named_redirect_uri: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) audiences: Vec<String>,
    pub(super) response_type: ResponseType,
    pub(super) nonce: Option<String>,
    pub(super) login_hint: Option<String>,
    /// Whether no page may be shown.
    pub(super) is_silent: bool,
    wants_login: bool,
    /// Seconds.
    max_age: Option<u64>,
    /// Of a request that was pushed.
    pub(super) request_uri: Option<String>,
    /// The whole request, for the forms of the pages: it is read again, and checked again, with each of them.
    pub(super) query: String,
}

/// What the client is to get (RFC 6749 §3.1.1).
pub(super) enum ResponseType {
    Code {
        /// By the method `S256`.
        challenge: String,
    },
    /// Of a client that may use it only.
    Token,
}

impl<'a> AuthorizationRequest<'a> {
    /// What is read of a request, the client's id aside.
    pub(super) const PARAMETERS: &'static [&'static str] = &[
        "redirect_uri",
        "state",
        "nonce",
        "login_hint",
        "request",
        "response_type",
        "response_mode",
        "code_challenge",
        "code_challenge_method",
        "prompt",
        "max_age",
        "scope",
        "resource",
    ];

    /// Reads the request. Until client and redirect URI are proven, nothing is sent there.
    pub(super) fn read(state: &'a ServerState, parameters: &Parameters) -> Result<Self, AuthorizationError> {
        let invalid = PageRefusal::invalid_request;
        let query = parameters.to_query();
        let request_uri = parameters.value("request_uri").filter(|uri| PushedRequests::is_pushed(uri));
        let pushed = match request_uri {
            Some(uri) => {
                let pushed = state.pushed_requests.get(uri, state.issuer.now());
                // RFC 9126 §4: it belongs to the client that pushed it.
                let pushed = pushed.filter(|pushed| pushed.value("client_id") == parameters.value("client_id"));
                Some(pushed.ok_or(invalid("request_uri is unknown, expired, used, or another client's"))?)
            }
            None => None,
        };
        let parameters = pushed.as_ref().unwrap_or(parameters);
        let client_id = parameters.value("client_id").ok_or(invalid("client_id is missing"))?;
        let client = state.clients.get(client_id).filter(|client| client.asks_users());
        let client = client.ok_or(invalid("client_id is not that of a client that may send users here"))?;
        note_client(&client.id);

        let named_redirect_uri = parameters.value("redirect_uri");
        let redirect_uri = client.redirect_uri(named_redirect_uri).ok_or(match named_redirect_uri {
            Some(_) => invalid("redirect_uri is not one of the client's own"),
            None => invalid("redirect_uri is missing, and the client has several"),
        })?;
        let address = ReturnAddress {
            redirect_uri: redirect_uri.to_owned(),
            state: parameters.value("state").map(str::to_owned),
            issuer: state.issuer.url().to_owned(),
            mode: if asks_for_token(client, parameters) { ResponseMode::Fragment } else { ResponseMode::Query },
        };
        let asked = match Asked::read(client, parameters, address.mode) {
            Ok(asked) => asked,
            Err(error) => return Err(AuthorizationError::Answer(address, error)),
        };
        Ok(Self {
            client,
            address,
            named_redirect_uri: named_redirect_uri.map(str::to_owned),
            scopes: asked.scopes,
            audiences: asked.audiences,
            response_type: asked.response_type,
            nonce: parameters.value("nonce").map(str::to_owned),
            login_hint: parameters.value("login_hint").map(str::to_owned),
            is_silent: asked.prompts.contains(&"none"),
            // A `max_age` of zero is `prompt=login` by another name (OpenID Connect Core 1.0 §3.1.2.1).
            wants_login: asked.max_age == Some(0)
                || asked.prompts.iter().any(|prompt| matches!(*prompt, "login" | "select_account")),
            max_age: asked.max_age,
            request_uri: request_uri.map(str::to_owned),
            query,
        })
    }

    /// Reads the request that a page's form carries.
    pub(super) fn of_form(state: &'a ServerState, form: &Parameters) -> Result<Self, AuthorizationError> {
        Self::read(state, &Parameters::parse(form.value("request").unwrap_or_default().as_bytes())?)
    }

    /// Where a browser makes this request, on this server.
    pub(super) fn url(&self, state: &ServerState) -> String {
        format!("{}?{}", state.path(&state.paths.authorize), self.query)
    }

    /// What a session remembers of the request that its user logged in for.
    pub(super) fn digest(&self) -> HandleDigest {
        HandleDigest::of(&self.query)
    }

    /// Whether the user has logged in as lately as the request wants it.
    pub(super) fn accepts(&self, session: &Session, now: UnixTime) -> bool {
        let is_recent = self.max_age.is_none_or(|max_age| now.saturating_since(session.auth_time).as_secs() <= max_age);
        session.logged_in_for == Some(self.digest()) || (is_recent && !self.wants_login)
    }
}

/// What a client that is proven asks for; what is wrong about it is told to the client.
struct Asked<'a> {
    scopes: Vec<String>,
    audiences: Vec<String>,
    response_type: ResponseType,
    prompts: Vec<&'a str>,
    max_age: Option<u64>,
}

impl<'a> Asked<'a> {
    fn read(client: &RegisteredClient, parameters: &'a Parameters, mode: ResponseMode) -> Result<Self, ErrorCode> {
        let invalid = |description| ("invalid_request", description);
        if parameters.value("request").is_some() {
            return Err(("request_not_supported", "request objects are not read"));
        }
        if parameters.value("request_uri").is_some() {
            return Err(("request_uri_not_supported", "requests are not fetched from anywhere"));
        }
        let response_type = match parameters.value("response_type") {
            _ if asks_for_token(client, parameters) => ResponseType::Token,
            Some("code") => ResponseType::Code { challenge: challenge(parameters)?.to_owned() },
            Some(_) => {
                let description = "the response type is not one of the metadata's response_types_supported";
                return Err(("unsupported_response_type", description));
            }
            None => return Err(invalid("response_type is missing")),
        };
        if parameters.value("response_mode").is_some_and(|asked| asked != mode.name()) {
            return Err(invalid("the response mode is not that of the response type"));
        }
        let prompts: Vec<_> = parameters.value("prompt").map(|prompt| prompt.split(' ').collect()).unwrap_or_default();
        if prompts.iter().any(|prompt| !["none", "login", "consent", "select_account"].contains(prompt))
            || (prompts.contains(&"none") && prompts.len() > 1)
        {
            return Err(invalid("prompt is not none, or some of login, consent and select_account"));
        }
        let max_age = match parameters.value("max_age").map(str::parse) {
            None => None,
            Some(Ok(max_age)) => Some(max_age),
            Some(Err(_)) => return Err(invalid("max_age is not a number of seconds")),
        };
        Ok(Self {
            scopes: requested::scopes(client, parameters).map_err(OAuthError::texts)?,
            audiences: requested::audiences(client, parameters).map_err(OAuthError::texts)?,
            response_type,
            prompts,
            max_age,
        })
    }
}

/// Whether the client gets a token without a code, which it may only where that was switched on.
fn asks_for_token(client: &RegisteredClient, parameters: &Parameters) -> bool {
    client.may_use(GrantType::Implicit) && parameters.value("response_type") == Some("token")
}

/// What the client will have to prove with the code (RFC 7636 §4.3).
fn challenge(parameters: &Parameters) -> Result<&str, ErrorCode> {
    let invalid = |description| ("invalid_request", description);
    let challenge = parameters.value("code_challenge").ok_or(invalid("code_challenge is missing (PKCE)"))?;
    // Without a method it is `plain`, which protects nothing that was seen.
    if parameters.value("code_challenge_method") != Some("S256") {
        return Err(invalid("code_challenge_method is not S256"));
    }
    if !is_challenge(challenge) {
        return Err(invalid("code_challenge is not the base64url text of a SHA-256 digest"));
    }
    Ok(challenge)
}

/// 256 bits in base64url without padding (RFC 7636 §4.2).
fn is_challenge(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
