//! The claims of a token, once they are proven (RFC 7519 §4, RFC 9068 §2.2).

use std::borrow::Cow;
use std::time::Duration;

use crate::error::{ClaimFault, TokenError};
use crate::evidence::ProvenPayload;
use crate::jose::{Members, Number, StringList, Value, WalkError, walk_object};
use crate::scope::Scope;
use crate::time::UnixTime;

/// How many claims a token may have.
const MAX_CLAIMS: usize = 1024;

/// Longer identifiers (`sub`, `client_id`, `jti`) are refused: they end up in logs and databases.
const MAX_IDENTIFIER_BYTES: usize = 1024;

/// The claims whose own rules would be lost if an audience or scopes were read from them.
const WITH_OWN_RULES: [&str; 13] =
    ["iss", "sub", "exp", "nbf", "iat", "jti", "typ", "token_use", "nonce", "cnf", "at_hash", "c_hash", "events"];

/// Under which names an issuer puts what has no single registered place.
#[derive(Clone, Debug)]
pub(crate) struct ClaimNames {
    pub(crate) audience: Box<str>,
    /// In order of preference.
    pub(crate) scope: Vec<Box<str>>,
    /// In order of preference.
    pub(crate) client: Vec<Box<str>>,
}

impl ClaimNames {
    /// A configured name that cannot be the audience's.
    pub(crate) fn taken_by_audience(&self) -> Option<&str> {
        Some(&*self.audience).filter(|name| WITH_OWN_RULES.contains(name))
    }

    /// A configured name that cannot be one of the scopes'.
    pub(crate) fn taken_by_scope(&self) -> Option<&str> {
        let is_taken =
            |name: &&str| WITH_OWN_RULES.contains(name) || ["aud", "client_id", &*self.audience].contains(name);
        self.scope.iter().map(AsRef::as_ref).find(is_taken)
    }

    /// A configured name that cannot be a client claim. The audience claim can: it is then read for both.
    pub(crate) fn taken_by_client(&self) -> Option<&str> {
        let is_taken =
            |name: &&str| WITH_OWN_RULES.contains(name) || *name == "aud" || self.scope.iter().any(|it| **it == **name);
        self.client.iter().map(AsRef::as_ref).find(is_taken)
    }

    /// Position in [`client`](Self::client); the lower, the better.
    fn client_preference(&self, name: &str) -> Option<usize> {
        self.client.iter().position(|client| **client == *name)
    }
}

/// The claims that a decision needs, with the types their definitions say. What has another type was refused. The texts
/// are those of the payload, copied only where something in them was escaped.
#[derive(Debug, Default)]
pub(crate) struct RegisteredClaims<'p> {
    pub(crate) issuer: Option<Cow<'p, str>>,
    pub(crate) subject: Option<Cow<'p, str>>,
    /// The client, from the first of [`ClaimNames::client`] that is present; `None` if that is not an identifier.
    pub(crate) client_id: Option<Cow<'p, str>>,
    /// Position in [`ClaimNames::client`] of the claim that `client_id` came from.
    client_preference: Option<usize>,
    /// The claim `client_id` itself is present, which RFC 9068 §2.2 requires.
    pub(crate) has_client_id: bool,
    pub(crate) token_id: Option<Cow<'p, str>>,
    /// Whom the token is for: the `aud` claim (RFC 7519 §4.1.3).
    pub(crate) audience: Option<StringList<Cow<'p, str>>>,
    pub(crate) times: Times,
    pub(crate) scope: Option<Scope>,
    /// Position in [`ClaimNames::scope`] of the claim that `scope` came from.
    scope_preference: usize,
    pub(crate) typ: Option<Cow<'p, str>>,
    pub(crate) token_use: Option<Cow<'p, str>>,
    pub(crate) has_nonce: bool,
    /// `cnf` as raw JSON, of any type (RFC 7800 §3.1).
    pub(crate) confirmation: Option<&'p str>,
    /// A claim that only ID tokens and security events have.
    pub(crate) foreign: Option<&'static str>,
    /// How many claims there are.
    pub(crate) count: usize,
}

/// The claims that time is compared with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    pub(crate) expires_at: Option<UnixTime>,
    pub(crate) not_before: Option<UnixTime>,
    pub(crate) issued_at: Option<UnixTime>,
}

impl<'p> RegisteredClaims<'p> {
    pub(crate) fn parse(payload: &'p ProvenPayload, names: &ClaimNames) -> Result<Self, TokenError> {
        let mut reader = ClaimsReader { names, claims: Self::default(), reading: "", invalid: None };
        walk_object(payload.as_bytes(), MAX_CLAIMS, &mut reader).map_err(|error| match error {
            WalkError::Json(fault) => TokenError::Claims(fault),
            WalkError::WrongType => TokenError::claim(reader.reading.to_owned(), ClaimFault::WrongType),
        })?;
        match reader.invalid {
            Some((name, fault)) => Err(TokenError::claim(name, fault)),
            None => Ok(reader.claims),
        }
    }
}

/// `iss` before the signature is checked: good for choosing among configured issuers and for nothing else.
///
/// # Errors
///
/// The same as after the signature: claims that cannot be read do not name another issuer.
pub(crate) fn untrusted_iss(payload: &[u8]) -> Result<Option<Cow<'_, str>>, TokenError> {
    struct IssuerReader<'p>(Option<Cow<'p, str>>);
    impl<'p> Members<'p> for IssuerReader<'p> {
        fn read(&mut self, name: &str, value: &mut Value<'_, 'p>) -> Result<bool, WalkError> {
            let is_issuer = name == "iss";
            if is_issuer {
                self.0 = Some(value.text()?);
            }
            Ok(is_issuer)
        }
    }
    let mut reader = IssuerReader(None);
    walk_object(payload, MAX_CLAIMS, &mut reader).map_err(|error| match error {
        WalkError::Json(fault) => TokenError::Claims(fault),
        WalkError::WrongType => TokenError::claim("iss", ClaimFault::WrongType),
    })?;
    Ok(reader.0)
}

struct ClaimsReader<'a, 'p> {
    names: &'a ClaimNames,
    claims: RegisteredClaims<'p>,
    /// The claim being read, for the error when its type is wrong.
    reading: &'a str,
    invalid: Option<(&'static str, ClaimFault)>,
}

impl<'p> Members<'p> for ClaimsReader<'_, 'p> {
    fn read(&mut self, name: &str, value: &mut Value<'_, 'p>) -> Result<bool, WalkError> {
        let claims = &mut self.claims;
        claims.count += 1;
        let (name, place) = match name {
            "iss" => ("iss", Place::Text(&mut claims.issuer)),
            "sub" => ("sub", Place::Identifier(&mut claims.subject)),
            "jti" => ("jti", Place::Identifier(&mut claims.token_id)),
            "exp" => ("exp", Place::Time(&mut claims.times.expires_at)),
            "nbf" => ("nbf", Place::Time(&mut claims.times.not_before)),
            "iat" => ("iat", Place::Time(&mut claims.times.issued_at)),
            "typ" => ("typ", Place::Text(&mut claims.typ)),
            "token_use" => ("token_use", Place::Text(&mut claims.token_use)),
            _ => return self.read_by_configured_name(name, value),
        };
        self.reading = name;
        match place {
            Place::Text(claim) => *claim = Some(value.text()?),
            Place::Identifier(claim) => *claim = Some(identifier(name, value.text()?, &mut self.invalid)),
            Place::Time(claim) => {
                *claim = numeric_date(value.number()?);
                if claim.is_none() {
                    self.invalid = Some((name, ClaimFault::TimeOutOfRange));
                }
            }
        }
        Ok(true)
    }
}

/// Where a claim goes, and by that what it must be.
enum Place<'c, 'p> {
    Text(&'c mut Option<Cow<'p, str>>),
    Identifier(&'c mut Option<Cow<'p, str>>),
    Time(&'c mut Option<UnixTime>),
}

impl<'p> ClaimsReader<'_, 'p> {
    /// The audience and the scopes, whose names can be configured, and what else those names may be. They are none of
    /// the names [with rules of their own](WITH_OWN_RULES), which are compared faster because they are constants.
    fn read_by_configured_name(&mut self, name: &str, value: &mut Value<'_, 'p>) -> Result<bool, WalkError> {
        let names = self.names;
        if name == &*names.audience {
            self.reading = &names.audience;
            return self.read_audience(name, value);
        }
        if let Some((preference, name)) = names.scope.iter().enumerate().find(|(_, scope)| &***scope == name) {
            self.reading = name;
            return self.read_scope(preference, value);
        }
        match name {
            "client_id" => {
                self.reading = "client_id";
                let client_id = value.text()?;
                self.take_client_id(client_id);
                return Ok(true);
            }
            // An audience that was configured to be read from elsewhere must not hide a malformed `aud`.
            "aud" => {
                self.reading = "aud";
                value.text_or_texts()?;
                return Ok(true);
            }
            "cnf" => {
                self.claims.confirmation = Some(value.raw()?);
                return Ok(true);
            }
            // Of these only the presence counts; the walk checks and skips their values.
            "nonce" => self.claims.has_nonce = true,
            "at_hash" => self.claims.foreign = Some("at_hash"),
            "c_hash" => self.claims.foreign = Some("c_hash"),
            "events" => self.claims.foreign = Some("events"),
            _ => {
                if let Some(preference) = names.client_preference(name) {
                    return self.read_client(preference, value);
                }
            }
        }
        Ok(false)
    }

    fn read_audience(&mut self, name: &str, value: &mut Value<'_, 'p>) -> Result<bool, WalkError> {
        let audience = value.text_or_texts()?;
        if name != "aud" {
            self.take_client_from_audience(name, &audience);
        }
        self.claims.audience = Some(audience);
        Ok(true)
    }

    /// Providers without `aud` have the client in its place (Amazon Cognito: `client_id`).
    #[cold]
    fn take_client_from_audience(&mut self, name: &str, audience: &StringList<Cow<'p, str>>) {
        let client = match audience {
            StringList::One(client) => Some(client.clone()),
            StringList::Several(_) => None,
        };
        match (name, client) {
            ("client_id", Some(client_id)) => self.take_client_id(client_id),
            (name, client) => {
                if let Some(preference) = self.names.client_preference(name) {
                    self.take_client(preference, client.filter(|client| is_identifier(client)));
                }
            }
        }
    }

    fn take_client_id(&mut self, client_id: Cow<'p, str>) {
        let client_id = identifier("client_id", client_id, &mut self.invalid);
        self.claims.has_client_id = true;
        if let Some(preference) = self.names.client_preference("client_id") {
            self.take_client(preference, Some(client_id));
        }
    }

    /// A claim other than `client_id` that names the client. These names have other uses too (`cid` may be a company),
    /// so a value that is not an identifier does not cause a refusal: the client is then unknown, whatever later claims
    /// say.
    fn read_client(&mut self, preference: usize, value: &mut Value<'_, 'p>) -> Result<bool, WalkError> {
        let is_text = value.is_text();
        let client = if is_text { Some(value.text()?).filter(|client| is_identifier(client)) } else { None };
        self.take_client(preference, client);
        Ok(is_text)
    }

    fn take_client(&mut self, preference: usize, client: Option<Cow<'p, str>>) {
        if self.claims.client_preference.is_none_or(|taken| preference < taken) {
            self.claims.client_id = client;
            self.claims.client_preference = Some(preference);
        }
    }

    fn read_scope(&mut self, preference: usize, value: &mut Value<'_, 'p>) -> Result<bool, WalkError> {
        let scope = match value.text_or_texts()? {
            StringList::One(text) => Scope::from_text(&text),
            StringList::Several(tokens) => Scope::new(&tokens),
        };
        if self.claims.scope.is_none() || preference < self.claims.scope_preference {
            self.claims.scope = Some(scope);
            self.claims.scope_preference = preference;
        }
        Ok(true)
    }
}

fn identifier<'p>(
    name: &'static str,
    value: Cow<'p, str>,
    invalid: &mut Option<(&'static str, ClaimFault)>,
) -> Cow<'p, str> {
    if !is_identifier(&value) {
        *invalid = Some((name, ClaimFault::Invalid));
    }
    value
}

/// Whether a text can be a claim that names someone or something.
pub(crate) fn is_identifier(value: &str) -> bool {
    !value.is_empty() && value.len() <= MAX_IDENTIFIER_BYTES && !has_control_characters(value)
}

fn has_control_characters(text: &str) -> bool {
    // Nearly every identifier is ASCII. Without an early end, the compiler takes many bytes at a time.
    let is_plain = text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'));
    !is_plain && text.chars().any(char::is_control)
}

/// Seconds since 1970, fractions allowed (`NumericDate`, RFC 7519 §2), up to the end of the year 9999; `None`
/// otherwise.
fn numeric_date(number: Number) -> Option<UnixTime> {
    let time = match number {
        Number::Unsigned(seconds) => Some(UnixTime::from_secs(seconds)),
        Number::Other(seconds) => Duration::try_from_secs_f64(seconds).ok().map(UnixTime::from_duration),
    };
    time.filter(|time| *time <= UnixTime::MAX)
}
