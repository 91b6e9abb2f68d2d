//! Answers, told apart by status and by what the server said about it, and whether they are the right ones.

use serde::Serialize;
use serde_json::Value;

/// The header field in which our own API gives the reason code of a refusal.
pub(super) const REASON_FIELD: &str = "x-tower-bearer-reason";
/// The reason of the layer's 503 for a `kid` that may exist.
const UNPROVEN: &[u8] = b"key_not_proven_absent";
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
    /// proved absent yet. Of another server it is not known why it responds with 503.
    Bad,
}

/// Whether a response is the right one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Right,
    Wrong,
    /// Another server did not decide about a bad token, or it is overloaded.
    Unclear,
}

/// What came back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reply<'a> {
    /// A response, unless it is 200 with what it says of itself.
    Status(u16, Told<'a>),
    /// None, and why.
    Lost(&'static str),
}

/// What a response says of itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Told<'a> {
    /// The challenge, or else the start of the body.
    pub(super) text: &'a [u8],
    /// The reason code of our own API, empty if it gave none; `None` for another server.
    pub(super) reason: Option<&'a [u8]>,
}

/// One kind of answer and how often it came.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    pub(super) sent: Sent,
    /// `None` when there was no answer.
    pub(super) status: Option<u16>,
    /// `error`, and after it what describes it; for a lost answer, why it was lost.
    pub(super) reason: Option<String>,
    pub(super) verdict: Verdict,
    /// How many came in each part of the run.
    pub(super) over_time: Vec<u64>,
    /// What the server said, to recognize it by.
    told: Box<[u8]>,
    reason_code: Option<Box<[u8]>>,
}

/// All kinds of answers that came.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    kinds: Vec<Kind>,
}

impl Answers {
    /// Counts an answer in this part of the run; whether it is wrong.
    pub(super) fn count(&mut self, sent: Sent, reply: Reply<'_>, part: usize) -> bool {
        let (status, told) = reply.parts();
        // Few kinds, and the most frequent one came first: comparing is faster than hashing.
        let same = |kind: &Kind| {
            let is_same_reason = || kind.reason_code.as_deref() == told.reason;
            kind.status == status && kind.sent == sent && *kind.told == *told.text && is_same_reason()
        };
        if let Some(kind) = self.kinds.iter_mut().find(|kind| same(kind)) {
            kind.add(part, 1);
            return kind.is_wrong();
        }
        let mut kind = Kind::new(sent, reply);
        if self.kinds.len() >= MAX_KINDS {
            kind.reason = Some("other".to_owned());
            if let Some(last) = self.kinds.last_mut().filter(|last| last.verdict == kind.verdict) {
                last.reason = kind.reason;
                last.add(part, 1);
                return kind.verdict == Verdict::Wrong;
            }
        }
        kind.add(part, 1);
        let is_wrong = kind.is_wrong();
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
        let (status, told) = reply.parts();
        let refusal = match reply {
            Reply::Status(200, _) => None,
            Reply::Status(..) => Refusal::read(told.text),
            Reply::Lost(why) => Some(Refusal { error: why.to_owned(), description: None }),
        };
        let verdict = match (sent, status) {
            (Sent::Good, Some(200)) => Verdict::Right,
            (Sent::Bad, Some(401)) if refusal.as_ref().is_some_and(|it| it.error == "invalid_token") => Verdict::Right,
            (Sent::Bad, Some(503)) => match told.reason {
                Some(UNPROVEN) => Verdict::Right,
                Some(_) => Verdict::Wrong,
                None => Verdict::Unclear,
            },
            _ => Verdict::Wrong,
        };
        let code = || told.reason.and_then(|code| std::str::from_utf8(code).ok()).filter(|code| is_safe(code));
        let reason = refusal.map(Refusal::into_text).or_else(|| code().map(str::to_owned)).filter(|it| !it.is_empty());
        let (over_time, reason_code) = (Vec::new(), told.reason.map(Box::from));
        Self { sent, status, reason, verdict, over_time, told: told.text.into(), reason_code }
    }

    pub(super) fn is_wrong(&self) -> bool {
        self.verdict == Verdict::Wrong
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
        let is_same_told = self.told == other.told && self.reason_code == other.reason_code;
        self.sent == other.sent && self.status == other.status && is_same_told
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

impl<'a> Reply<'a> {
    const fn parts(self) -> (Option<u16>, Told<'a>) {
        match self {
            Self::Status(status, told) => (Some(status), told),
            Self::Lost(why) => (None, Told { text: why.as_bytes(), reason: None }),
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
        let foreign = |status, text: &'static [u8]| Reply::Status(status, Told { text, reason: None });
        let own = |status, code: &'static [u8]| Reply::Status(status, Told { text: b"{}", reason: Some(code) });
        assert!(!answers.count(Sent::Good, foreign(200, b""), 0));
        assert!(!answers.count(Sent::Bad, foreign(401, CHALLENGE), 3));
        assert!(answers.count(Sent::Good, foreign(401, CHALLENGE), 0));
        assert!(answers.count(Sent::Good, foreign(503, b""), 0));
        assert!(answers.count(Sent::Bad, foreign(200, b""), 0));
        assert!(answers.count(Sent::Bad, foreign(401, b"Bearer error=\"invalid_request\""), 0));
        assert!(answers.count(Sent::Bad, foreign(401, b"Bearer error=\"invalid_token_of_ours\""), 0));
        assert!(answers.count(Sent::Bad, foreign(403, CHALLENGE), 0));
        assert!(answers.count(Sent::Good, Reply::Lost("closed"), 0));
        assert!(!answers.count(Sent::Bad, own(503, b"key_not_proven_absent"), 0));
        assert!(answers.count(Sent::Good, own(503, b"key_not_proven_absent"), 0));
        assert!(answers.count(Sent::Bad, own(503, b"keys_unavailable"), 0));
        assert!(answers.count(Sent::Bad, own(503, b""), 0));

        let mut twice = answers.clone();
        twice.merge(answers);
        let kinds = twice.into_kinds();
        assert_eq!(kinds.len(), 13);
        assert!(kinds.iter().all(|kind| kind.count() == 2));
    }

    /// The text of an error never decides: another server may write the layer's own.
    #[test]
    fn a_503_of_another_server_is_unclear_whatever_it_says() {
        for text in [
            &br#"{"error_description":"whether the token's key exists cannot be checked at the moment"}"#[..],
            b"{}",
            b"",
            b"key_not_proven_absent",
        ] {
            let mut answers = Answers::default();
            assert!(!answers.count(Sent::Bad, Reply::Status(503, Told { text, reason: None }), 0));
            let kinds = answers.into_kinds();
            assert_eq!((kinds[0].verdict, kinds[0].label()), (Verdict::Unclear, "503".to_owned()));
        }
    }

    #[test]
    fn kinds_are_bounded() {
        let mut answers = Answers::default();
        for number in 0..1_000_u32 {
            let text = number.to_string();
            answers.count(Sent::Good, Reply::Status(500, Told { text: text.as_bytes(), reason: None }), 0);
        }
        let kinds = answers.into_kinds();
        assert!(kinds.len() <= MAX_KINDS + 1);
        assert_eq!(kinds.iter().map(Kind::count).sum::<u64>(), 1_000);
    }
}
