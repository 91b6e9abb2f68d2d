//! Secrets that nobody may see again, and a search for them in all that came out.

use std::fmt::Debug;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tower_bearer::{Step, StepListener};

use crate::support::*;

/// What nobody may see again. Long enough not to come up by chance.
pub(crate) const PAYLOAD: &str = "canary-in-the-payload";
pub(crate) const HEADER: &str = "canary-in-the-header";
pub(crate) const GARBAGE: &str = "canary-that-is-no-token";
pub(crate) const SHARED_SECRET: &str = "canary-shared-secret-0123456789ABCDEF-0123456789ABCDEF-0123456789";
pub(crate) const SHORT_SECRET: &str = "canary-short-secret";
pub(crate) const CLIENT_SECRET: &str = "canary-client-secret";
pub(crate) const URL_SECRET: &str = "canary-url-password";
pub(crate) const SEED: &[u8; 32] = b"canary-seed-of-the-ed25519-key!!";

/// The searched texts: each secret as it is, and in the forms that printing and encoding give it.
#[derive(Default)]
pub(crate) struct Needles(pub(crate) Vec<String>);

impl Needles {
    pub(crate) fn of_constants() -> Self {
        let mut needles = Self::default();
        for secret in [PAYLOAD, HEADER, GARBAGE, SHARED_SECRET, SHORT_SECRET, CLIENT_SECRET, URL_SECRET] {
            needles.add(secret.as_bytes());
        }
        needles.add(SEED);
        needles
    }

    pub(crate) fn add(&mut self, secret: &[u8]) {
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let decimal = format!("{secret:?}");
        let decimal = decimal.trim_matches(['[', ']']);
        let without_ends = |text: String| text[..text.len() / 4 * 4].trim_end_matches('=').to_owned();
        self.0.extend([
            hex.to_uppercase(),
            hex,
            decimal.to_owned(),
            STANDARD.encode(secret),
            without_ends(encode(secret)),
        ]);
        if let Ok(text) = std::str::from_utf8(secret) {
            self.0.push(text.to_owned());
        }
    }

    /// A token, its parts and its signature.
    pub(crate) fn add_token(&mut self, token: &str) {
        self.0.push(token.to_owned());
        // Short parts are the well-known start of any header.
        self.0.extend(token.split('.').filter(|part| part.len() > 40).map(str::to_owned));
        let signature = token.rsplit_once('.').and_then(|(_, signature)| try_decode(signature).ok());
        if let Some(signature) = signature.filter(|signature| signature.len() >= 16) {
            self.add(&signature);
        }
    }

    pub(crate) fn leaks<'n>(&'n self, text: &str) -> Vec<&'n str> {
        self.0.iter().map(String::as_str).filter(|needle| text.contains(needle)).collect()
    }
}

fn try_decode(part: &str) -> Result<Vec<u8>, base64::DecodeError> {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part)
}

/// All that came out, with where it came from.
#[derive(Default)]
pub(crate) struct Seen(pub(crate) Vec<(String, String)>);

impl Seen {
    pub(crate) fn debug(&mut self, place: &str, value: &impl Debug) {
        self.0.push((format!("Debug of {place}"), format!("{value:?} {value:#?}")));
    }

    pub(crate) fn error(&mut self, place: &str, error: &(impl std::error::Error + 'static)) {
        self.debug(place, error);
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(error) = next {
            self.0.push((place.to_owned(), format!("{error} {error:?}")));
            next = error.source();
        }
    }

    pub(crate) async fn response(&mut self, place: &str, response: reqwest::Response) -> String {
        let status = response.status();
        let head = format!("{status} {:?}", response.headers());
        let reason = reason_of(&response).to_owned();
        let body = response.text().await.unwrap();
        // A token that was asked for comes out, once, where it belongs.
        let body = if status.is_success() { String::new() } else { body };
        self.0.push((format!("answer to {place}"), format!("{head} {body}")));
        reason
    }

    pub(crate) fn assert_clean(&self, needles: &Needles) {
        for (place, text) in &self.0 {
            assert_eq!(needles.leaks(text), Vec::<&str>::new(), "{place}: {text}");
        }
    }
}

/// Records only that there was a step: `found` may repeat claims to whoever explains a verdict, never a signature.
pub(crate) struct Explained(pub(crate) String);

impl StepListener for Explained {
    fn step(&mut self, step: Step<'_>) {
        self.0.push_str(&format!("{:?} {} {} {}\n", step.check, step.passed, step.expected, step.found));
    }
}
