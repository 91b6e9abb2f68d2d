//! Refusals because the request does not have one bearer token.

use tower_bearer::RequestFault;

use super::super::printable;
use super::Case;

/// Fields in which proxies and clients put a token that belongs in `Authorization`.
const OTHER_FIELDS: [&str; 12] = [
    "x-forwarded-authorization",
    "x-original-authorization",
    "x-amzn-remapped-authorization",
    "x-serverless-authorization",
    "proxy-authorization",
    "x-forwarded-access-token",
    "x-auth-request-access-token",
    "x-access-token",
    "x-auth-token",
    "access-token",
    "token",
    "cookie",
];

/// Marks of a template whose variable was not replaced.
const PLACEHOLDERS: [&str; 7] = ["<", "$", "{{", "%(", "#{", "[object", "YOUR"];

const SEND: &str = "have the client send `Authorization: Bearer <token>`";

impl Case<'_> {
    /// There is no token, or one of another scheme.
    pub(super) fn absent(&self) -> Vec<String> {
        let presented = self.presented;
        if presented.uri.query().is_some_and(|query| query.contains("token")) && presented.authorization.is_empty() {
            return vec![format!(
                "The request has no `Authorization` field, and a token in its URL is not read (RFC 9700 §4.3.2): {SEND}."
            )];
        }
        let Some(scheme) = presented.scheme() else {
            return if presented.authorization.is_empty() { self.no_field() } else { vec![self.empty_field()] };
        };
        let is_bare = presented.authorization.first().is_some_and(|field| field.len() == scheme.len());
        let scheme = printable::cut(scheme, 32);
        let kind = match scheme.to_ascii_lowercase().as_str() {
            _ if is_bare => return vec![format!("The `Authorization` field has no scheme and no JWT: {SEND}.")],
            "basic" => ", a user name and a password",
            "digest" | "negotiate" | "ntlm" => ", a login by password or Kerberos",
            _ => "",
        };
        vec![format!("The client sent the scheme `{scheme}`{kind}. This API takes `Bearer`: {SEND}.")]
    }

    fn no_field(&self) -> Vec<String> {
        let mut advice = Vec::new();
        let fields = self.presented.other_fields.iter().flatten();
        let elsewhere = fields.filter(|name| OTHER_FIELDS.contains(&name.to_ascii_lowercase().as_str()));
        if let Some(name) = elsewhere.into_iter().next() {
            advice.push(format!(
                "The request has `{name}` and no `Authorization`: a proxy has moved the token, or the client sends it \
                 under that name. Have it sent in `Authorization`."
            ));
        }
        advice.push(format!(
            "The request has no `Authorization` field. Either the client does not send it: {SEND}; many drop it when they \
             follow a redirect to another host. Or a proxy in front of the API removes it: have the proxy pass it on \
             (nginx: `proxy_set_header Authorization $http_authorization;`, Apache: `CGIPassAuth On`)."
        ));
        advice
    }

    fn empty_field(&self) -> String {
        String::from("The `Authorization` field is empty: is the client's variable empty?")
    }

    pub(super) fn dpop(&self) -> String {
        "The client sent the scheme `DPoP` (RFC 9449), which this API does not take: have it use `Bearer`, with a token \
         that is not bound to a key."
            .into()
    }

    pub(super) fn request(&self, fault: RequestFault) -> String {
        match fault {
            RequestFault::SchemeMissing => format!("`Bearer` is missing in front of the token: {SEND}."),
            RequestFault::Repeated if self.presented.authorization.len() > 1 => {
                "There are two `Authorization` fields: the client and a proxy add one each, or the client adds it twice. \
                 Remove one of them."
                    .into()
            }
            RequestFault::Repeated => {
                "Two credentials are joined by a comma, as proxies join two fields: have the client, or the proxy, send \
                 only one."
                    .into()
            }
            RequestFault::TwoPlaces => {
                "The token is in `Authorization` and in the URL (`access_token`): have the client send it in the field \
                 only."
                    .into()
            }
            RequestFault::Empty => "There is no token after `Bearer`: is the client's variable empty?".into(),
            _ => self.illegal_characters(),
        }
    }

    fn illegal_characters(&self) -> String {
        let text = self.text;
        let trimmed = text.trim();
        let without_space: String = text.split_whitespace().collect();
        let quotes = ['"', '\'', '`', '“', '”', '‘', '’', '«', '»'];
        if trimmed.starts_with(['{', '[']) && trimmed.contains("token") && !trimmed.starts_with("{{") {
            "This is a JSON object, perhaps the token response: give the value of `access_token`, as \
             `jq -r .access_token` prints it."
                .into()
        } else if trimmed.starts_with(quotes) || trimmed.ends_with(quotes) {
            "Remove the quotes around the token. `jq -r` prints a string without them.".into()
        } else if starts_with_word(trimmed, "bearer") {
            "`Bearer` is there twice: the client adds it to a token that already has it. Remove it from the client's \
             variable."
                .into()
        } else if PLACEHOLDERS.iter().any(|mark| trimmed.starts_with(mark)) {
            "This is a placeholder that was not replaced: is the client's variable set, and does it expand there?"
                .into()
        } else if trimmed.contains(['…', '*']) || trimmed.contains("...") {
            "The token was shortened or masked for display: take the whole token from the token response.".into()
        } else if let Some(mark) = trailing_mark(trimmed) {
            format!("A `{mark}` follows the token; it was copied along from JSON, a list or a sentence. Remove it.")
        } else if without_space.len() < text.len() && is_jwt(&without_space) {
            "The token is wrapped: it has spaces or line breaks in it. Join it to one line (`tr -d ' \\n'`), where the \
             client reads it."
                .into()
        } else if text.contains(char::is_whitespace) {
            "There are spaces in it: the client sends more than the token, or a token with a line break.".into()
        } else if text.contains("token=") || text.contains('&') {
            "This is a form or the query of a URL: give the value of `access_token` alone.".into()
        } else if text.contains('\\') {
            "There is a backslash in it, from a string that was escaped, such as `\\n`: have the client unescape it."
                .into()
        } else if !text.is_empty() && text.chars().all(|character| is_allowed(&character)) {
            "A part of the token ends in `=`: a JWT has no padding (RFC 7515 §2). Have it made or sent without.".into()
        } else if text.contains('%') {
            "The token is percent-encoded: have the client send it as it is, not as a part of a URL.".into()
        } else {
            self.first_illegal()
        }
    }

    fn first_illegal(&self) -> String {
        let found = self.text.chars().zip(1_usize..).find(|(character, _)| !is_allowed(character));
        let found = match found {
            Some((character, place)) if character.is_ascii_graphic() => format!("`{character}` at place {place}"),
            Some((character, place)) => {
                format!("the character U+{:04X} at place {place}, which may not be visible", u32::from(character))
            }
            None => "bytes that are not text".to_owned(),
        };
        format!(
            "It has {found}. A token has letters, digits and `-._~+/=` only: the client sends something else, or encodes \
             it."
        )
    }
}

/// RFC 6750 §2.1, but for the place of `=`.
fn is_allowed(character: &char) -> bool {
    character.is_ascii_alphanumeric() || "-._~+/=".contains(*character)
}

/// Whether the text begins with this word, and something other than a letter or digit follows.
fn starts_with_word(text: &str, word: &str) -> bool {
    let start = text.get(..word.len());
    let next = text.get(word.len()..).and_then(|rest| rest.chars().next());
    start.is_some_and(|start| start.eq_ignore_ascii_case(word)) && next.is_some_and(|next| !next.is_alphanumeric())
}

/// A mark behind what could be a token.
fn trailing_mark(text: &str) -> Option<char> {
    let is_mark = |character: char| ",;:)]}>!?|".contains(character);
    let token = text.trim_end_matches(is_mark);
    let mark = text.get(token.len()..)?.chars().next()?;
    (!token.is_empty() && token.chars().all(|character| is_allowed(&character))).then_some(mark)
}

/// Whether this has the outline of a JWT.
pub(super) fn is_jwt(text: &str) -> bool {
    text.starts_with("eyJ") && text.bytes().filter(|byte| *byte == b'.').count() == 2
}
