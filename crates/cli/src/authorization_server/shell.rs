//! Lines for a POSIX shell, with curl and sed.

use tower_bearer_authorization_server::ClientSummary;
use url::form_urlencoded::byte_serialize;

/// How a client authenticates in a request. A secret of the user's own is not repeated: it goes into a variable.
pub(super) struct Credentials<'a>(&'a ClientSummary);

impl<'a> Credentials<'a> {
    pub(super) const fn of(client: &'a ClientSummary) -> Self {
        Self(client)
    }

    /// The line that sets the secret, if it has to be filled in.
    pub(super) fn setting(&self) -> Vec<String> {
        let Self(client) = self;
        let is_known = client.public || client.demo_secret.is_some();
        let line = (!is_known).then(|| to_fill_in("CLIENT_SECRET", &format!("THE SECRET OF {}", client.id)));
        line.into_iter().collect()
    }

    /// The options of curl: HTTP Basic or parameters (RFC 6749 §2.3.1).
    pub(super) fn options(&self) -> String {
        let Self(client) = self;
        let id: String = byte_serialize(client.id.as_bytes()).collect();
        match &client.demo_secret {
            Some(secret) => format!("-u {}", quoted(&format!("{id}:{secret}"))),
            None if client.public => format!("-d {}", quoted(&format!("client_id={id}"))),
            None => {
                format!("-d {} --data-urlencode \"client_secret=$CLIENT_SECRET\"", quoted(&format!("client_id={id}")))
            }
        }
    }
}

/// Sets a variable to what only the user can know.
pub(super) fn to_fill_in(variable: &str, what: &str) -> String {
    format!("{variable}={}", quoted(&format!("PUT {what} HERE")))
}

/// Sets a variable to a member of the JSON in another one. All of them are strings without quotation marks.
pub(super) fn member(variable: &str, json: &str, member: &str) -> String {
    format!(r#"{variable}=$(printf %s "${json}" | sed 's/.*"{member}":"\([^"]*\)".*/\1/')"#)
}

/// Prints a variable.
pub(super) fn show(variable: &str) -> String {
    format!(r#"printf '%s\n' "${variable}""#)
}

/// One word of the shell, whatever is in it.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:/=+%@,".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_shell_stay_what_they_are() {
        for (text, expected) in [
            ("demo-ci:demo-ci-secret", "demo-ci:demo-ci-secret"),
            ("", "''"),
            ("a b", "'a b'"),
            ("a&b", "'a&b'"),
            ("$(x)`y`", "'$(x)`y`'"),
            ("it's", r"'it'\''s'"),
            ("a*", "'a*'"),
            ("~x", "'~x'"),
            ("\n", "'\n'"),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }
}
