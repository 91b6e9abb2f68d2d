//! The entries of a list, and the look at them.
//!
//! The simple version is a map behind a lock, in which every use of a token looks up its four names. Departures from
//! it, with what each gains for a token that is in the cache (`cargo bench --bench revocation`):
//!
//! 1. **A token keeps the state of the list in which it was not revoked**: as long as nothing is added, a use compares
//!    two numbers.
//! 2. **Each place has the state in which an entry was last added to it**, and a token the places of its names. After an
//!    addition, a use looks at four numbers; only a token that shares a place with the addition looks at the entries.
//! 3. **The entries are in shards**, so that no lock is held for longer than it takes to drop the ended ones of a few
//!    thousand, or to make room for more of them.
//! 4. **The names are not compared**, but keyed digests of them, as in the [token cache](crate::token_cache): an
//!    attacker cannot choose names that share a place.

use std::borrow::Cow;
use std::sync::atomic::AtomicU64 as Counter;
use std::sync::{Arc, LazyLock, PoisonError};
use std::time::Duration;

use super::super::entry::Revocation;
use super::super::error::RevocationError;
use super::shard::{Found, Merged, Now, Shard};
use crate::digest::{Digest, Digester};
use crate::revocation_kind::RevocationKind;
use crate::revocation_memo::{ListState, Places, RevocationMemo};
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};
use crate::time::{Clock, UnixTime};

/// How many places each shard has.
const PLACES_PER_SHARD: usize = 16;

/// Entries of more issuers have copies of their issuer's name.
const MAX_SHARED_ISSUERS: usize = 64;

/// The names by which a token may be revoked.
#[derive(Debug)]
pub(crate) struct TokenNames<'t> {
    pub(crate) issuer: &'t str,
    pub(crate) token_id: Option<&'t str>,
    pub(crate) session_id: Option<Cow<'t, str>>,
    pub(crate) client_id: Option<&'t str>,
    pub(crate) subject: Option<&'t str>,
    pub(crate) issued_at: Option<UnixTime>,
}

/// What a list is made with.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) max_token_lifetime: Duration,
    pub(super) leeway: Duration,
    pub(super) max_entries: usize,
    pub(super) clock: Arc<dyn Clock>,
}

pub(super) struct Core {
    settings: Settings,
    digester: &'static Digester,
    /// See [`ListState`]. Changed after the entry and its place.
    state: AtomicU64,
    /// The state in which an entry was last added here.
    places: Box<[AtomicU64]>,
    shards: Box<[Mutex<Shard>]>,
    updating: Mutex<Updating>,
}

/// What adding an entry did.
pub(super) struct Added {
    /// Merged with the one that was there.
    pub(super) entry: Revocation,
    /// More is revoked than before.
    pub(super) revokes_more: bool,
    /// How many there are.
    pub(super) entries: usize,
}

/// Additions come one after the other.
#[derive(Default)]
struct Updating {
    entries: usize,
    issuers: Vec<Arc<str>>,
}

impl Core {
    /// `None` if the machine provides no random numbers, or too many lists were made.
    pub(super) fn new(settings: Settings, places: usize) -> Option<Self> {
        // Of all lists, so that the places of a token are the same in each.
        static DIGESTER: LazyLock<Option<Digester>> = LazyLock::new(Digester::new);
        static NEXT_ID: Counter = Counter::new(1);
        let first = ListState::first(NEXT_ID.fetch_add(1, Ordering::Relaxed))?;
        Some(Self {
            settings,
            digester: DIGESTER.as_ref()?,
            state: AtomicU64::new(first.as_u64()),
            places: (0..places).map(|_| AtomicU64::new(first.as_u64())).collect(),
            shards: (0..places.div_ceil(PLACES_PER_SHARD)).map(|_| Mutex::default()).collect(),
            updating: Mutex::default(),
        })
    }

    pub(super) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// By which of its names a token is revoked, if it is.
    #[inline]
    pub(super) fn find<'t>(
        &self,
        memo: &RevocationMemo,
        names: impl FnOnce() -> TokenNames<'t>,
    ) -> Option<RevocationKind> {
        // First of all: what is added from here on counts for the next look.
        let state = ListState::from_u64(self.state.load(Ordering::Acquire));
        if memo.is_of(state) {
            return None;
        }
        self.look_at_places(state, memo, names)
    }

    /// Adds an entry, or merges it into the one that is there, and returns the result. It counts once this returns.
    pub(super) fn revoke(&self, added: &Revocation) -> Result<Added, RevocationError> {
        added.check()?;
        let now = self.now();
        let wall = now.wall.ok_or(RevocationError::ClockUnavailable)?;
        let until = self.end_of_tokens(added, wall);
        let end = now.end_at(UnixTime::from_secs(until).saturating_add(self.twice_the_leeway()));
        let digest = self.digest(added.kind, &added.issuer, &added.name);
        let mut updating = self.updating();
        if wall > end.wall {
            // All tokens that it revokes have expired.
            let entry = Revocation { until: Some(until), ..added.clone() };
            return Ok(Added { entry, revokes_more: false, entries: updating.entries });
        }
        let Some(shard) = self.shard(digest) else { return Err(RevocationError::Name) };
        let is_there = {
            let mut shard = lock(shard);
            updating.entries -= shard.drop_ended(now);
            shard.contains(&digest)
        };
        let max_entries = self.settings.max_entries;
        if !is_there && updating.entries >= max_entries {
            self.drop_ended(&mut updating, now);
            if updating.entries >= max_entries {
                return Err(RevocationError::Full { max_entries });
            }
        }
        let issuer = updating.issuer(&added.issuer);
        let Merged { entry, revokes_more, is_new } = lock(shard).merge(digest, added, issuer, until, end);
        updating.entries += usize::from(is_new);
        if revokes_more {
            let state = ListState::from_u64(self.state.load(Ordering::Relaxed)).next();
            // The place first: with this state and the old place, a look would miss the entry.
            if let Some(place) = self.places.get(self.place(digest)) {
                place.store(state.as_u64(), Ordering::Release);
            }
            self.state.store(state.as_u64(), Ordering::Release);
        }
        Ok(Added { entry, revokes_more, entries: updating.entries })
    }

    /// How many entries there are that have not ended.
    pub(super) fn len(&self) -> usize {
        let mut updating = self.updating();
        self.drop_ended(&mut updating, self.now());
        updating.entries
    }

    /// The entries, shard by shard.
    pub(super) fn entries(&self) -> impl Iterator<Item = Revocation> {
        self.shards.iter().flat_map(|shard| lock(shard).revocations(self.now()))
    }

    pub(super) fn wall(&self) -> Option<UnixTime> {
        self.settings.clock.now()
    }

    #[inline(never)]
    fn look_at_places<'t>(
        &self,
        state: ListState,
        memo: &RevocationMemo,
        names: impl FnOnce() -> TokenNames<'t>,
    ) -> Option<RevocationKind> {
        if let Some((earlier, places)) = memo.earlier(state) {
            let is_unchanged = |place: u16| {
                let changed = self.places.get(usize::from(place)).map(|place| place.load(Ordering::Acquire));
                changed.is_some_and(|changed| changed <= earlier.as_u64())
            };
            if places.iter().all(is_unchanged) {
                memo.note(state);
                return None;
            }
        }
        self.look_at_entries(state, memo, &names())
    }

    #[cold]
    fn look_at_entries(
        &self,
        state: ListState,
        memo: &RevocationMemo,
        names: &TokenNames<'_>,
    ) -> Option<RevocationKind> {
        let (mut places, mut has_ended) = ([None; 4], false);
        for ((kind, name), place) in names.each().into_iter().zip(&mut places) {
            let Some(name) = name else { continue };
            let digest = self.digest(kind, names.issuer, name);
            *place = u16::try_from(self.place(digest)).ok();
            let found = self.shard(digest).map(|shard| lock(shard).find(&digest, names.issued_at, || self.now()));
            match found {
                Some(Found::NotRevoked) => {}
                Some(Found::Ended) => has_ended = true,
                Some(Found::Revoked) | None => return Some(kind),
            }
        }
        memo.note_places(Places::new(places));
        // The clock can be set back, and then the entry has not ended.
        if !has_ended {
            memo.note(state);
        }
        None
    }

    /// Until when a token that this entry revokes can be valid, not counting the leeway.
    fn end_of_tokens(&self, entry: &Revocation, now: UnixTime) -> u64 {
        let lifetime = self.settings.max_token_lifetime;
        let from = |issued_at: UnixTime| issued_at.saturating_add(lifetime).saturating_add(Duration::from_millis(999));
        match (entry.issued_up_to, entry.until) {
            (Some(latest), until) => from(UnixTime::from_secs(latest)).as_secs().max(until.unwrap_or(0)),
            (None, Some(until)) => until,
            (None, None) => from(now).as_secs(),
        }
    }

    fn drop_ended(&self, updating: &mut Updating, now: Now) {
        for shard in &self.shards {
            updating.entries -= lock(shard).drop_ended(now);
        }
    }

    fn digest(&self, kind: RevocationKind, issuer: &str, name: &str) -> Digest {
        self.digester.digest_all([kind.name().as_bytes(), issuer.as_bytes(), name.as_bytes()])
    }

    fn place(&self, digest: Digest) -> usize {
        usize::from(digest.bits()).checked_rem(self.places.len()).unwrap_or_default()
    }

    fn shard(&self, digest: Digest) -> Option<&Mutex<Shard>> {
        self.shards.get(self.place(digest) / PLACES_PER_SHARD)
    }

    fn twice_the_leeway(&self) -> Duration {
        self.settings.leeway.saturating_mul(2)
    }

    fn now(&self) -> Now {
        Now { wall: self.settings.clock.now(), monotonic: self.settings.clock.monotonic() }
    }

    fn updating(&self) -> MutexGuard<'_, Updating> {
        self.updating.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Updating {
    /// One text for all entries of an issuer.
    fn issuer(&mut self, name: &Arc<str>) -> Arc<str> {
        if let Some(shared) = self.issuers.iter().find(|issuer| *issuer == name) {
            return Arc::clone(shared);
        }
        if self.issuers.len() < MAX_SHARED_ISSUERS {
            self.issuers.push(Arc::clone(name));
        }
        Arc::clone(name)
    }
}

impl TokenNames<'_> {
    /// The narrowest first: it becomes the reason.
    fn each(&self) -> [(RevocationKind, Option<&str>); 4] {
        [
            (RevocationKind::TokenId, self.token_id),
            (RevocationKind::Session, self.session_id.as_deref()),
            (RevocationKind::Client, self.client_id),
            (RevocationKind::Subject, self.subject),
        ]
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
