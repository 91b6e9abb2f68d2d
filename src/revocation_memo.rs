//! What a token keeps of the last look at a [revocation list](crate::revocation::RevocationList), so that the next use
//! need not look again.

use crate::sync::{AtomicU64, Ordering};

/// The low bits of a state are its generation, the others are the list's id.
const GENERATION_BITS: u32 = 44;

/// The state of one list between two changes. No two lists have a state in common.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ListState(u64);

/// Where a list may have entries about a token: for each of its four names a number, or none. The same in all lists.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Places([Option<u16>; 4]);

/// That a token was not revoked in some state of a list. A token is used by many threads at once; each value here is
/// true whenever it is read, so they need no order.
#[derive(Debug, Default)]
pub(crate) struct RevocationMemo {
    /// Zero, which is no list's state, until the first look.
    state: AtomicU64,
    /// Zero until they are known, and for a token without names.
    places: AtomicU64,
}

impl ListState {
    /// The first state of the list with this id; `None` if ids have run out.
    pub(crate) fn first(id: u64) -> Option<Self> {
        (1..1 << (u64::BITS - GENERATION_BITS)).contains(&id).then_some(Self(id << GENERATION_BITS))
    }

    /// The state after one more change. The last one repeats, and is never kept in a memo.
    pub(crate) const fn next(self) -> Self {
        if self.is_last() { self } else { Self(self.0 + 1) }
    }

    pub(crate) const fn from_u64(state: u64) -> Self {
        Self(state)
    }

    pub(crate) const fn as_u64(self) -> u64 {
        self.0
    }

    const fn is_last(self) -> bool {
        const GENERATIONS: u64 = (1 << GENERATION_BITS) - 1;
        self.0 & GENERATIONS == GENERATIONS
    }

    const fn list(self) -> u64 {
        self.0 >> GENERATION_BITS
    }
}

impl Places {
    pub(crate) const fn new(places: [Option<u16>; 4]) -> Self {
        Self(places)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = u16> {
        self.0.into_iter().flatten()
    }

    /// Each number plus one, so that zero is none.
    fn packed(self) -> u64 {
        let one = |packed: u64, place: Option<u16>| packed << 16 | place.map_or(0, |place| u64::from(place) + 1);
        self.0.into_iter().fold(0, one)
    }

    fn unpacked(packed: u64) -> Option<Self> {
        let one = |shift: u32| u16::try_from(packed >> shift & 0xffff).ok()?.checked_sub(1);
        (packed != 0).then(|| Self([one(48), one(32), one(16), one(0)]))
    }
}

impl RevocationMemo {
    /// Whether the token was not revoked in this very state of the list.
    #[inline(always)]
    pub(crate) fn is_of(&self, state: ListState) -> bool {
        self.state.load(Ordering::Relaxed) == state.0
    }

    /// The last state of the same list in which the token was not revoked, and where to look for later entries.
    pub(crate) fn earlier(&self, state: ListState) -> Option<(ListState, Places)> {
        let earlier = ListState(self.state.load(Ordering::Relaxed));
        let places = Places::unpacked(self.places.load(Ordering::Relaxed))?;
        (earlier.list() == state.list()).then_some((earlier, places))
    }

    /// The token is not revoked in this state.
    pub(crate) fn note(&self, state: ListState) {
        if !state.is_last() {
            self.state.store(state.0, Ordering::Relaxed);
        }
    }

    pub(crate) fn note_places(&self, places: Places) {
        self.places.store(places.packed(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_the_same_after_packing() {
        let last = u16::MAX - 1;
        for places in [[Some(0), Some(last), None, Some(7)], [None, None, None, Some(0)], [Some(last); 4]] {
            assert_eq!(Places::unpacked(Places(places).packed()), Some(Places(places)));
        }
        assert_eq!(Places::unpacked(Places::default().packed()), None);
    }

    #[test]
    fn the_last_state_of_a_list_is_not_another_list_s() {
        let first = ListState::first(7).unwrap();
        let last = ListState(first.0 | ((1 << GENERATION_BITS) - 1));
        assert_eq!((last.next(), last.list(), last.is_last()), (last, 7, true));
        assert_eq!((ListState::first(0), ListState::first(1 << 20)), (None, None));
        assert_eq!(ListState::first((1 << 20) - 1).map(ListState::list), Some((1 << 20) - 1));
    }
}
