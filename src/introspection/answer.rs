//! The issuer's answer about a token (RFC 7662 §2.2): a claims set, read within the bounds of a token's claims.
//!
//! Only what is peculiar to an answer is checked here. The [ordinary rules](crate::validator) follow, as for a JWT.

use std::borrow::Cow;
use std::time::Duration;

use crate::error::{ClaimFault, JsonFault, TokenError};
use crate::jose::{Members, Value, WalkError, walk_object};
use crate::time::UnixTime;

/// How many members an answer may have: as many as a token has claims.
const MAX_MEMBERS: usize = 1_024;

/// When an answer was asked for: it is as old as the question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AskedAt {
    pub(crate) monotonic: Duration,
    pub(crate) wall: UnixTime,
}

/// An answer that says that the token is active. Made by [`ActiveAnswer::read`], from a document of the issuer.
pub(crate) struct ActiveAnswer {
    claims: Vec<u8>,
    asked_at: AskedAt,
}

/// What an answer must say in addition to claims.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// The member `active`, which must be `true` (RFC 7662 §2.2).
    #[cfg_attr(not(feature = "remote-keys"), expect(dead_code, reason = "there is no endpoint"))]
    Introspection,
    /// Claims alone, from a source that says by itself whether the token is active. If there is an `active` all the
    /// same, it counts.
    Claims,
}

/// Why there is no active answer in a document.
#[derive(Debug, PartialEq)]
pub(super) enum Unusable {
    /// The answer cannot be read, so nothing is known about the token.
    Json(JsonFault),
    /// The token is inactive, or not an access token.
    Refused(TokenError),
}

impl ActiveAnswer {
    /// Reads an answer. Members that are `null` count as absent and are left out of the claims; an `iss` that is absent
    /// is the issuer that was asked.
    pub(super) fn read(json: &[u8], form: Form, issuer: &str, asked_at: AskedAt) -> Result<Self, Unusable> {
        let mut members = AnswerMembers::default();
        walk_object(json, MAX_MEMBERS, &mut members).map_err(|error| match error {
            WalkError::Json(fault) => Unusable::Json(fault),
            WalkError::WrongType => Unusable::Json(JsonFault::Invalid),
        })?;
        members.check(form).map_err(Unusable::Refused)?;
        Ok(Self { claims: members.into_claims(issuer), asked_at })
    }

    /// The claims as one JSON object.
    pub(crate) fn claims(&self) -> &[u8] {
        &self.claims
    }

    pub(crate) const fn asked_at(&self) -> AskedAt {
        self.asked_at
    }

    /// Whether the answer and the token both have this claim, with different values; also if that cannot be told.
    pub(crate) fn contradicts(&self, name: &str, of_token: Option<serde_json::Value>) -> bool {
        let Ok(answer) = serde_json::from_slice::<serde_json::Value>(&self.claims) else { return true };
        answer.get(name).zip(of_token).is_some_and(|(of_answer, of_token)| *of_answer != of_token)
    }
}

/// The members that are not `null`, each with its value as JSON.
#[derive(Default)]
struct AnswerMembers<'t>(Vec<(String, &'t str)>);

impl<'t> Members<'t> for AnswerMembers<'t> {
    fn read(&mut self, name: &str, value: &mut Value<'_, 't>) -> Result<bool, WalkError> {
        let value = value.raw()?;
        if value != "null" {
            self.0.push((name.to_owned(), value));
        }
        Ok(true)
    }
}

impl AnswerMembers<'_> {
    /// The rules that a JWT does not have.
    fn check(&self, form: Form) -> Result<(), TokenError> {
        // RFC 7662 §2.2: a boolean, so `"true"` and `1` count as `false`.
        let is_active = match self.get("active") {
            None => form == Form::Claims,
            Some(active) => active == "true",
        };
        if !is_active {
            return Err(TokenError::Inactive);
        }
        // RFC 7662 §2.2, RFC 6749 §5.1: compared without regard to case. A refresh token has a type of its own.
        match self.text("token_type")?.as_deref() {
            None => Ok(()),
            Some(typ) if typ.eq_ignore_ascii_case("Bearer") => Ok(()),
            Some(typ) if typ.eq_ignore_ascii_case("DPoP") && self.is_bound_to_a_key() => Ok(()),
            // RFC 9449 §6.2
            Some(typ) if typ.eq_ignore_ascii_case("DPoP") => Err(TokenError::claim("cnf", ClaimFault::Missing)),
            Some(_) => Err(TokenError::NotAnAccessToken("token_type")),
        }
    }

    /// Whether there is a `cnf` with a `jkt` (RFC 9449 §6.2).
    fn is_bound_to_a_key(&self) -> bool {
        let confirmation = self.get("cnf").and_then(|cnf| serde_json::from_str::<serde_json::Value>(cnf).ok());
        confirmation.is_some_and(|cnf| cnf.get("jkt").is_some_and(serde_json::Value::is_string))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| *value)
    }

    fn text(&self, name: &'static str) -> Result<Option<Cow<'_, str>>, TokenError> {
        let text = self.get(name).map(serde_json::from_str).transpose();
        text.map_err(|_| TokenError::claim(name, ClaimFault::WrongType))
    }

    fn into_claims(self, issuer: &str) -> Vec<u8> {
        let issuer = self.get("iss").is_none().then(|| (String::from("iss"), quoted(issuer)));
        let members = issuer.iter().map(|(name, value)| (name, value.as_str()));
        let members = members.chain(self.0.iter().map(|(name, value)| (name, *value)));
        let members: Vec<_> = members.map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED_AT: AskedAt = AskedAt { monotonic: Duration::ZERO, wall: UnixTime::from_secs(0) };

    fn read(json: &str) -> Result<String, Unusable> {
        let answer = ActiveAnswer::read(json.as_bytes(), Form::Introspection, "https://a", ASKED_AT)?;
        Ok(String::from_utf8(answer.claims().to_vec()).unwrap())
    }

    fn refused(json: &str) -> TokenError {
        match read(json) {
            Err(Unusable::Refused(error)) => error,
            other => panic!("{json}: {other:?}"),
        }
    }

    #[test]
    fn r84_n01_only_the_json_literal_true_is_active() {
        for active in ["false", "null", "\"true\"", "\"TRUE\"", "1", "1.0", "[]", "[true]", "{}", "{\"active\":true}"] {
            assert_eq!(refused(&format!("{{\"active\":{active},\"sub\":\"a\"}}")), TokenError::Inactive, "{active}");
        }
        for json in ["{}", r#"{"Active":true}"#, r#"{"a":{"active":true}}"#] {
            assert_eq!(refused(json), TokenError::Inactive, "{json}");
        }
        assert!(read(r#"{ "\u0061ctive" : true }"#).is_ok());
    }

    #[test]
    fn n01_claims_of_a_source_that_say_inactive_are_believed() {
        let read = |json: &str| ActiveAnswer::read(json.as_bytes(), Form::Claims, "https://a", ASKED_AT).map(drop);
        assert_eq!(read(r#"{"sub":"a"}"#), Ok(()));
        assert_eq!(read(r#"{"sub":"a","active":true}"#), Ok(()));
        for active in ["false", "\"true\"", "1"] {
            let json = format!("{{\"sub\":\"a\",\"active\":{active}}}");
            assert_eq!(read(&json), Err(Unusable::Refused(TokenError::Inactive)), "{active}");
        }
    }

    #[test]
    fn n05_the_type_of_token_is_one_of_access_tokens() {
        for typ in [r#""Bearer""#, r#""bearer""#, r#""BEARER""#, "null", r#""DPoP","cnf":{"jkt":"x"}"#] {
            assert!(read(&format!("{{\"active\":true,\"token_type\":{typ}}}")).is_ok(), "{typ}");
        }
        for typ in ["refresh_token", "refresh", "", "Bearer ", "mac", "access_token"] {
            let json = format!("{{\"active\":true,\"token_type\":\"{typ}\"}}");
            assert_eq!(refused(&json), TokenError::NotAnAccessToken("token_type"), "{typ}");
        }
        for typ in ["1", "true", "[\"Bearer\"]", "{}"] {
            let json = format!("{{\"active\":true,\"token_type\":{typ}}}");
            assert_eq!(refused(&json), TokenError::claim("token_type", ClaimFault::WrongType), "{typ}");
        }
        for cnf in ["null", "{}", r#"{"jkt":null}"#, r#"{"jkt":1}"#, r#"{"x5t#S256":"x"}"#, r#""jkt""#, "[]"] {
            let json = format!("{{\"active\":true,\"token_type\":\"dpop\",\"cnf\":{cnf}}}");
            assert_eq!(refused(&json), TokenError::claim("cnf", ClaimFault::Missing), "{cnf}");
        }
    }

    #[test]
    fn n05_null_members_are_absent_and_the_issuer_is_the_one_that_was_asked() {
        let claims = |json: &str| read(json).unwrap();
        assert_eq!(claims(r#"{"active":true,"sub":null,"aud": null }"#), r#"{"iss":"https://a","active":true}"#);
        assert_eq!(
            claims(r#"{"active":true,"iss":"b","a\"\n":[null, "null"]}"#),
            r#"{"active":true,"iss":"b","a\"\n":[null, "null"]}"#
        );
        assert_eq!(claims(r#"{"active":true,"iss":null}"#), r#"{"iss":"https://a","active":true}"#);
    }

    #[test]
    fn n05_claims_that_cannot_be_compared_are_not_equal() {
        let claims = |claims: &str| ActiveAnswer { claims: claims.into(), asked_at: ASKED_AT };
        let alice = || Some(serde_json::Value::from("alice"));
        for (answer, of_token, contradicts) in [
            (r#"{"sub":"alice"}"#, alice(), false),
            (r#"{"sub":"bob"}"#, alice(), true),
            (r#"{"sub":["alice"]}"#, alice(), true),
            (r#"{"sub":"bob"}"#, None, false),
            ("{}", alice(), false),
            (r#"{"sub":"#, alice(), true),
        ] {
            assert_eq!(claims(answer).contradicts("sub", of_token), contradicts, "{answer}");
        }
    }

    #[test]
    fn n03_what_cannot_be_read_says_nothing_about_the_token() {
        let deep = format!("{{\"active\":true,\"a\":{}{}}}", "[".repeat(40), "]".repeat(40));
        for json in [
            "",
            "null",
            "true",
            "[]",
            "<html>",
            r#"{"active":true"#,
            r#"{"active":true}{}"#,
            r#"{"active":true,"active":true}"#,
            r#"{"active":false,"active":true}"#,
            r#"{"active":true,"a":{"b":1,"b":2}}"#,
            r#"{"active":true,"exp":1e400}"#,
            &deep,
        ] {
            assert!(matches!(read(json), Err(Unusable::Json(_))), "{json}");
        }
    }
}
