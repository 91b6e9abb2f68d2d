//! A part of a list's entries, behind a lock of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::entry::Revocation;
use crate::digest::Digest;
use crate::revocation_kind::RevocationKind;
use crate::time::UnixTime;

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// `None` before 1970: then nothing ends.
    pub(super) wall: Option<UnixTime>,
    pub(super) monotonic: Duration,
}

/// When an entry ends: once both clocks have passed. A jump of the wall clock alone ends nothing, and a wall clock that
/// was set back makes the entry last as long as the tokens do.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) wall: UnixTime,
    pub(super) monotonic: Duration,
}

/// The entries with some digests.
#[derive(Default)]
pub(super) struct Shard {
    /// Boxed, because up to half of a map's places are empty.
    entries: HashMap<Digest, Box<Entry>>,
    /// No entry ends earlier.
    earliest: Option<End>,
}

struct Entry {
    kind: RevocationKind,
    issuer: Arc<str>,
    name: Box<str>,
    issued_up_to: Option<u64>,
    until: u64,
    end: End,
}

/// What a shard knows about one name of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// Nothing, or something about older tokens. So it is until an entry is added.
    NotRevoked,
    /// An entry that has ended and not been dropped yet.
    Ended,
    Revoked,
}

/// What adding an entry did.
pub(super) struct Merged {
    pub(super) entry: Revocation,
    /// More is revoked than before.
    pub(super) revokes_more: bool,
    pub(super) is_new: bool,
}

impl Now {
    /// The end of an entry that lasts until then.
    pub(super) fn end_at(self, wall: UnixTime) -> End {
        let rest = self.wall.map_or(Duration::MAX, |now| wall.saturating_since(now));
        End { wall, monotonic: self.monotonic.saturating_add(rest) }
    }

    pub(super) fn is_past(self, end: End) -> bool {
        self.wall.is_some_and(|now| now > end.wall) && self.monotonic > end.monotonic
    }
}

impl Shard {
    /// `now` is only asked for if there is an entry.
    pub(super) fn find(&self, digest: &Digest, issued_at: Option<UnixTime>, now: impl FnOnce() -> Now) -> Found {
        let Some(entry) = self.entries.get(digest) else { return Found::NotRevoked };
        match (entry.issued_up_to, issued_at) {
            (Some(latest), Some(issued_at)) if issued_at > UnixTime::from_secs(latest) => Found::NotRevoked,
            _ if now().is_past(entry.end) => Found::Ended,
            _ => Found::Revoked,
        }
    }

    pub(super) fn contains(&self, digest: &Digest) -> bool {
        self.entries.contains_key(digest)
    }

    /// Adds an entry, or takes the later of both times into the one that is there.
    pub(super) fn merge(
        &mut self,
        digest: Digest,
        added: &Revocation,
        issuer: Arc<str>,
        until: u64,
        end: End,
    ) -> Merged {
        let (mut revokes_more, mut is_new) = (false, false);
        let entry = self.entries.entry(digest).or_insert_with(|| {
            (revokes_more, is_new) = (true, true);
            let (kind, name, issued_up_to) = (added.kind, added.name.clone(), added.issued_up_to);
            Box::new(Entry { kind, issuer, name, issued_up_to, until, end })
        });
        if added.issued_up_to > entry.issued_up_to {
            entry.issued_up_to = added.issued_up_to;
            revokes_more = true;
        }
        entry.until = entry.until.max(until);
        entry.end = entry.end.latest(end);
        let (merged, end) = (entry.revocation(), entry.end);
        self.earliest = Some(self.earliest.map_or(end, |earliest| earliest.earliest(end)));
        Merged { entry: merged, revokes_more, is_new }
    }

    /// Drops the entries that have ended, and says how many. Looks at the entries only if one may have ended.
    pub(super) fn drop_ended(&mut self, now: Now) -> usize {
        if !self.earliest.is_some_and(|earliest| now.is_past(earliest)) {
            return 0;
        }
        let before = self.entries.len();
        self.entries.retain(|_, entry| !now.is_past(entry.end));
        self.entries.shrink_to(self.entries.len().saturating_mul(2));
        self.earliest = self.entries.values().map(|entry| entry.end).reduce(End::earliest);
        before - self.entries.len()
    }

    pub(super) fn revocations(&self, now: Now) -> Vec<Revocation> {
        self.entries.values().filter(|entry| !now.is_past(entry.end)).map(|entry| entry.revocation()).collect()
    }
}

impl Entry {
    fn revocation(&self) -> Revocation {
        Revocation {
            kind: self.kind,
            issuer: Arc::clone(&self.issuer),
            name: self.name.clone(),
            issued_up_to: self.issued_up_to,
            until: Some(self.until),
        }
    }
}

impl End {
    fn latest(self, other: Self) -> Self {
        Self { wall: self.wall.max(other.wall), monotonic: self.monotonic.max(other.monotonic) }
    }

    fn earliest(self, other: Self) -> Self {
        Self { wall: self.wall.min(other.wall), monotonic: self.monotonic.min(other.monotonic) }
    }
}
