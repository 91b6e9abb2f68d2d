//! Answers, told apart by status and by what the server said about it, and whether they are the right ones.

use std::time::Duration;

use serde_json::Value;
use tower_bearer::TokenError;

/// More kinds of answers than a server of good will has; what comes beyond is counted together.
const MAX_KINDS: usize = 64;
/// As much as is kept of what a server says about a refusal.
pub(super) const MAX_TOLD_BYTES: usize = 512;

/// What a request brought, and so what its answer must be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sent {
    /// A good token: 200.
    Good,
    /// A bad one: 401 with the error `invalid_token` (RFC 6750 §3.1), or the layer's 503 for a `kid` that no fetch has
    /// proved absent yet.
    Bad,
}

/// What came back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reply<'a> {
    /// An answer, and what it says of itself unless it is 200: the challenge, or else the start of the body.
    Status(u16, &'a [u8]),
    /// None, and why.
    Lost(&'static str),
}

/// One kind of answer and how often it came.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    pub(super) sent: Sent,
    /// `None` when there was no answer.
    pub(super) status: Option<u16>,
    /// `error`, and after it what describes it; for a lost answer, why it was lost.
    pub(super) reason: Option<String>,
    pub(super) is_wrong: bool,
    /// How many came in each part of the run.
    pub(super) over_time: Vec<u64>,
    /// What the server said, to recognize it by.
    told: Box<[u8]>,
}

/// All kinds of answers that came.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    kinds: Vec<Kind>,
}

impl Answers {
    /// Counts an answer in this part of the run; whether it is wrong.
    pub(super) fn count(&mut self, sent: Sent, reply: Reply<'_>, part: usize) -> bool {
        let (status, told) = match reply {
            Reply::Status(status, told) => (Some(status), told),
            Reply::Lost(why) => (None, why.as_bytes()),
        };
        // Few kinds, and the most frequent one came first: comparing is faster than hashing.
        let same = |kind: &Kind| kind.status == status && kind.sent == sent && *kind.told == *told;
        if let Some(kind) = self.kinds.iter_mut().find(|kind| same(kind)) {
            kind.add(part, 1);
            return kind.is_wrong;
        }
        let mut kind = Kind::new(sent, reply);
        if self.kinds.len() >= MAX_KINDS {
            kind.reason = Some("other".to_owned());
            if let Some(last) = self.kinds.last_mut().filter(|last| last.is_wrong == kind.is_wrong) {
                last.reason = kind.reason;
                last.add(part, 1);
                return kind.is_wrong;
            }
        }
        kind.add(part, 1);
        let is_wrong = kind.is_wrong;
        self.kinds.push(kind);
        is_wrong
    }

    /// Adds what another thread counted.
    pub(super) fn merge(&mut self, other: Self) {
        for kind in other.kinds {
            match self.kinds.iter_mut().find(|mine| mine.is_same_as(&kind)) {
                Some(mine) => {
                    kind.over_time.iter().enumerate().for_each(|(part, count)| mine.add(part, *count));
                }
                None => self.kinds.push(kind),
            }
        }
    }

    /// The kinds, the most frequent first.
    pub(super) fn into_kinds(mut self) -> Vec<Kind> {
        self.kinds.sort_by_key(|kind| std::cmp::Reverse(kind.count()));
        self.kinds
    }
}

impl Kind {
    fn new(sent: Sent, reply: Reply<'_>) -> Self {
        let (status, told, refusal) = match reply {
            Reply::Status(status, told) => (Some(status), told, (status != 200).then(|| Refusal::read(told)).flatten()),
            Reply::Lost(why) => (None, why.as_bytes(), Some(Refusal { error: why.to_owned(), description: None })),
        };
        let is_wrong = match sent {
            Sent::Good => status != Some(200),
            Sent::Bad => match status {
                Some(401) => refusal.as_ref().is_none_or(|refusal| refusal.error != "invalid_token"),
                Some(503) => !is_unproven(told),
                _ => true,
            },
        };
        let reason = refusal.map(Refusal::into_text);
        Self { sent, status, reason, is_wrong, over_time: Vec::new(), told: told.into() }
    }

    pub(super) fn count(&self) -> u64 {
        self.over_time.iter().sum()
    }

    /// How people and files call it.
    pub(super) fn label(&self) -> String {
        let status = self.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        match &self.reason {
            Some(reason) => format!("{status} {reason}"),
            None => status,
        }
    }

    fn is_same_as(&self, other: &Self) -> bool {
        self.sent == other.sent && self.status == other.status && self.told == other.told
    }

    fn add(&mut self, part: usize, count: u64) {
        if self.over_time.len() <= part {
            self.over_time.resize(part + 1, 0);
        }
        if let Some(counted) = self.over_time.get_mut(part) {
            *counted += count;
        }
    }
}

/// What a server says about a refusal.
struct Refusal {
    error: String,
    description: Option<String>,
}

impl Refusal {
    /// Out of a challenge (RFC 6750 §3) or a JSON body.
    fn read(told: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(told).ok()?;
        let json: Option<Value> = serde_json::from_str(text).ok();
        let find = |name: &str| match &json {
            Some(json) => json.get(name)?.as_str().map(str::to_owned),
            None => auth_param(text, name).map(str::to_owned),
        };
        let error = find("error").filter(|text| is_safe(text))?;
        Some(Self { error, description: find("error_description").filter(|text| is_safe(text)) })
    }

    fn into_text(self) -> String {
        match self.description {
            Some(description) => format!("{}: {description}", self.error),
            None => self.error,
        }
    }
}

/// Whether the body is the layer's for a `kid` that may exist.
fn is_unproven(told: &[u8]) -> bool {
    let description = TokenError::KeyNotProvenAbsent { retry_after: Duration::ZERO }.error_description();
    let body: Option<Value> = serde_json::from_slice(told).ok();
    body.is_some_and(|body| body.get("error_description").and_then(Value::as_str) == Some(description))
}

/// The value of a quoted parameter.
fn auth_param<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    challenge.match_indices(name).find_map(|(at, _)| {
        let before = challenge.get(..at)?.chars().next_back();
        let value = challenge.get(at + name.len()..)?.strip_prefix("=\"")?;
        matches!(before, None | Some(' ' | ',')).then(|| value.split('"').next())?
    })
}

/// Printable and without anything as long as a token: a server that echoes what it was sent must not bring tokens into
/// reports.
fn is_safe(text: &str) -> bool {
    text.len() <= 160 && !text.contains(char::is_control) && text.split(' ').all(|word| word.len() <= 40)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &[u8] =
        b"Bearer realm=\"x\", error=\"invalid_token\", error_description=\"the signature is wrong\"";

    fn reason(told: &[u8]) -> Option<String> {
        Refusal::read(told).map(Refusal::into_text)
    }

    #[test]
    fn reasons_are_read_from_challenges_and_bodies() {
        assert_eq!(reason(CHALLENGE).as_deref(), Some("invalid_token: the signature is wrong"));
        assert_eq!(reason(br#"{"error":"invalid_token"}"#).as_deref(), Some("invalid_token"));
        assert_eq!(reason(b"Bearer error_description=\"x\""), None);
        assert_eq!(reason(b"Bearer x_error=\"x\""), None);
        assert_eq!(reason(b"<html>"), None);
    }

    #[test]
    fn what_a_server_echoes_stays_out() {
        let token = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
        let echoed = format!("Bearer error=\"invalid_token\", error_description=\"bad {token}\"");
        assert_eq!(reason(echoed.as_bytes()).as_deref(), Some("invalid_token"));
        assert_eq!(reason(format!("Bearer error=\"{token}\"").as_bytes()), None);
    }

    #[test]
    fn each_kind_of_request_has_its_right_answer() {
        let mut answers = Answers::default();
        assert!(!answers.count(Sent::Good, Reply::Status(200, b""), 0));
        assert!(!answers.count(Sent::Bad, Reply::Status(401, CHALLENGE), 3));
        assert!(answers.count(Sent::Good, Reply::Status(401, CHALLENGE), 0));
        assert!(answers.count(Sent::Good, Reply::Status(503, b""), 0));
        assert!(answers.count(Sent::Bad, Reply::Status(200, b""), 0));
        assert!(answers.count(Sent::Bad, Reply::Status(401, b"Bearer error=\"invalid_request\""), 0));
        assert!(answers.count(Sent::Bad, Reply::Status(401, b"Bearer error=\"invalid_token_of_ours\""), 0));
        assert!(answers.count(Sent::Bad, Reply::Status(403, CHALLENGE), 0));
        assert!(answers.count(Sent::Good, Reply::Lost("closed"), 0));
        let unproven = br#"{"error_description":"whether the token's key exists cannot be checked at the moment"}"#;
        assert!(!answers.count(Sent::Bad, Reply::Status(503, unproven), 0));
        assert!(answers.count(Sent::Good, Reply::Status(503, unproven), 0));
        assert!(answers.count(Sent::Bad, Reply::Status(503, b"{}"), 0));

        let mut twice = answers.clone();
        twice.merge(answers);
        let kinds = twice.into_kinds();
        assert_eq!(kinds.len(), 12);
        assert!(kinds.iter().all(|kind| kind.count() == 2));
    }

    #[test]
    fn kinds_are_bounded() {
        let mut answers = Answers::default();
        for number in 0..1_000_u32 {
            answers.count(Sent::Good, Reply::Status(500, number.to_string().as_bytes()), 0);
        }
        let kinds = answers.into_kinds();
        assert!(kinds.len() <= MAX_KINDS + 1);
        assert_eq!(kinds.iter().map(Kind::count).sum::<u64>(), 1_000);
    }
}
