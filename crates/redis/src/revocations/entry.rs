//! An entry as the server has it: a member of a sorted set, whose score is when its tokens end.
//!
//! The score is the only part that changes: adding the member again with a later one merges both, in one command and in
//! any order. So the latest `iat` that is revoked is not in the member; it is as long before the end as `lasts` says.

use std::borrow::Cow;

use tower_bearer::time::UnixTime;
use tower_bearer::{Revocation, RevocationKind};

/// See the [module](self).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct StoredEntry {
    pub(super) member: String,
    /// In seconds since 1970.
    pub(super) until: u64,
}

#[derive(serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
struct Member<'a> {
    kind: RevocationKind,
    issuer: Cow<'a, str>,
    name: Cow<'a, str>,
    /// For a client or subject: seconds from the latest `iat` that is revoked to the end of its token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lasts: Option<u64>,
}

impl StoredEntry {
    /// `None` for an entry that has never been in a list, and so has no end.
    pub(super) fn of(entry: &Revocation) -> Option<Self> {
        let until = entry.ends()?.as_secs();
        let lasts = entry.issued_up_to().map(|latest| until.saturating_sub(latest.as_secs()));
        let (issuer, name) = (entry.issuer().into(), entry.name().into());
        let member = serde_json::to_string(&Member { kind: entry.kind(), issuer, name, lasts }).ok()?;
        Some(Self { member, until })
    }

    /// `None` for what cannot be read in full: it may be of a newer version, and then nobody here knows who is revoked.
    /// Names and times are checked by the list.
    pub(super) fn read(member: &str, until: u64) -> Option<Revocation> {
        let Member { kind, issuer, name, lasts } = serde_json::from_str(member).ok()?;
        let entry = match (kind, lasts) {
            (RevocationKind::TokenId, None) => Revocation::token_id(&issuer, &name),
            (RevocationKind::Session, None) => Revocation::session(&issuer, &name),
            (RevocationKind::Client, Some(lasts)) => Revocation::client(&issuer, &name, start(until, lasts)?),
            (RevocationKind::Subject, Some(lasts)) => Revocation::subject(&issuer, &name, start(until, lasts)?),
            _ => return None,
        };
        Some(entry.until(UnixTime::from_secs(until)))
    }
}

fn start(until: u64, lasts: u64) -> Option<UnixTime> {
    until.checked_sub(lasts).map(UnixTime::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://as.example.com";

    fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    #[test]
    fn an_entry_of_each_kind_is_read_back() {
        let entries = [
            Revocation::token_id(ISSUER, "a\"b\\\u{7}é"),
            Revocation::session(ISSUER, "s"),
            Revocation::client(ISSUER, "c", at(1_000)),
            Revocation::subject(ISSUER, "u", at(1_000)),
        ];
        for entry in entries {
            assert_eq!(StoredEntry::of(&entry), None, "it has no end");
            let entry = entry.until(at(4_600));
            let stored = StoredEntry::of(&entry).unwrap();
            assert_eq!(stored.until, 4_600);
            assert_eq!(StoredEntry::read(&stored.member, stored.until), Some(entry));
        }
    }

    #[test]
    fn a_later_revocation_of_a_subject_is_the_same_member_with_a_later_end() {
        let [early, late] =
            [1_000, 2_000].map(|at_s| Revocation::subject(ISSUER, "u", at(at_s)).until(at(at_s + 3_600)));
        let [early, late] = [early, late].map(|entry| StoredEntry::of(&entry).unwrap());
        assert_eq!((&early.member, early.until + 1_000), (&late.member, late.until));
    }

    #[test]
    fn what_cannot_be_read_in_full_is_not_read() {
        let good = r#"{"kind":"subject","issuer":"i","name":"n","lasts":60}"#;
        assert!(StoredEntry::read(good, 1_000).is_some());
        let bad = [
            good.replace("subject", "tenant"),
            good.replace(r#","lasts":60"#, ""),
            good.replace("60}", r#"60,"scope":"x"}"#),
            good.replace("60", "1001"),
            good.replace("60", "-1"),
            good.replace("subject", "session"),
            good.replace('}', ""),
            String::from("list:2:x"),
            String::new(),
        ];
        for member in bad {
            assert_eq!(StoredEntry::read(&member, 1_000), None, "{member}");
        }
    }
}
