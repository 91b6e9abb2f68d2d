//! Decides what a request gets when no set that serves has its key: a pure function without a clock, a lock or I/O.

use super::policy::{KeyPolicy, SetAge};

/// What to do for a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Decision {
    /// Wait for the fetch under way, or start one.
    Wait,
    /// The issuer does not have the key that the token names.
    NoSuchKey,
    /// The set lacks the key, and no fetch has proved that the issuer lacks it.
    NotProvenAbsent,
    /// There is no set that serves.
    Unavailable,
}

impl Decision {
    /// The first row of the table that applies, else row h.
    pub(crate) fn of(seen: &Seen) -> Self {
        first_match(&UNKNOWN_KEY, seen).unwrap_or(Self::NotProvenAbsent)
    }
}

/// What the cache knows about a request when no set that serves has its key.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The last good set, if there ever was one.
    pub(crate) set: Option<SetAge>,
    /// A fetch from the issuer's own source brought the set or found it unchanged. Another source, or an imported copy,
    /// does not prove absence.
    pub(crate) is_primary: bool,
    pub(crate) key: KeySeen,
    pub(crate) latest_attempt: Option<Attempt>,
    /// A fetch on the cache's own account is due and not under way: the first one, a refresh, or a retry after a
    /// failure.
    pub(crate) refresh_due: bool,
    /// Fetches that unknown `kid`s caused in the last window.
    pub(crate) unknown_kid_fetches: usize,
    /// Requests that are waiting.
    pub(crate) waiting: usize,
    /// This request has waited already.
    pub(crate) has_waited: bool,
}

/// What is known about the `kid` of a token. Where several apply, the first one counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum KeySeen {
    /// Longer than any `kid` of a set.
    TooLong,
    /// Looked for by a primary fetch that succeeded and began within the last window.
    AbsentLately,
    /// A primary fetch that began after the request arrived succeeded, and the set lacks it.
    AbsentSinceArrival,
    Unknown,
}

/// The latest attempt at a fetch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Attempt {
    UnderWay,
    /// Or was interrupted.
    Failed,
    Succeeded,
}

/// When a row applies, and the decision then.
type Row = (fn(&Seen) -> bool, Decision);

/// An unknown `kid`; the first match wins.
///
/// A 401 blames the client, so it needs proof: a fetch that could have brought the key and did not. Without proof the
/// response is a separate 503, because anybody can send an unknown `kid`.
const UNKNOWN_KEY: [Row; 8] = [
    // a. No set has a `kid` as long as this. Fixed keys, which never change, are decided elsewhere.
    (|seen| seen.key == KeySeen::TooLong, Decision::NoSuchKey),
    // b. There is no set, or it is past its staleness bound: an outage like any other, whatever the `kid`.
    (|seen| !is_usable(seen.set) && seen.may_wait() && seen.has_fetch(), Decision::Wait),
    (|seen| !is_usable(seen.set), Decision::Unavailable),
    // c. This very `kid` was looked for by a primary fetch that succeeded and began within the window.
    (|seen| seen.key == KeySeen::AbsentLately, Decision::NoSuchKey),
    // d. A fetch may bring the key: one that is under way, due, or within the budget.
    (|seen| seen.may_wait() && (seen.has_fetch() || seen.has_budget()), Decision::Wait),
    // e. A primary fetch that began after the request arrived succeeded and lacks it.
    (|seen| seen.key == KeySeen::AbsentSinceArrival, Decision::NoSuchKey),
    // f. The keys cannot be fetched now, or another source supplied the set.
    (
        |seen| {
            matches!(seen.latest_attempt, Some(Attempt::Failed | Attempt::UnderWay))
                || !seen.has_waiting_place()
                || !seen.is_primary
        },
        Decision::NotProvenAbsent,
    ),
    // g. The budget is spent, and the provider responds: a flood.
    (|seen| !seen.has_budget() && seen.latest_attempt == Some(Attempt::Succeeded), Decision::NoSuchKey),
    // h. Nothing else is proof either: see `Decision::of`.
];

impl Seen {
    fn has_fetch(&self) -> bool {
        self.latest_attempt == Some(Attempt::UnderWay) || self.refresh_due
    }

    const fn has_budget(&self) -> bool {
        self.unknown_kid_fetches < KeyPolicy::UNKNOWN_KID_FETCHES
    }

    const fn has_waiting_place(&self) -> bool {
        self.waiting < KeyPolicy::MAX_WAITING_REQUESTS
    }

    const fn may_wait(&self) -> bool {
        !self.has_waited && self.has_waiting_place()
    }
}

fn first_match(rows: &[Row], seen: &Seen) -> Option<Decision> {
    rows.iter().find(|(applies, _)| applies(seen)).map(|(_, decision)| *decision)
}

const fn is_usable(set: Option<SetAge>) -> bool {
    matches!(set, Some(SetAge::Current | SetAge::Stale))
}

#[cfg(test)]
mod tests {
    use super::Attempt::{Failed, Succeeded, UnderWay};
    use super::Decision::{NoSuchKey, NotProvenAbsent, Unavailable, Wait};
    use super::KeySeen::{AbsentLately, AbsentSinceArrival, TooLong, Unknown};
    use super::SetAge::{Current, Expired, Stale};
    use super::*;

    const SPENT: usize = KeyPolicy::UNKNOWN_KID_FETCHES;
    const FULL: usize = KeyPolicy::MAX_WAITING_REQUESTS;

    /// A current set of the primary source, fetched just now, and a request that has not waited.
    const SEEN: Seen = Seen {
        set: Some(Current),
        is_primary: true,
        key: Unknown,
        latest_attempt: Some(Succeeded),
        refresh_due: false,
        unknown_kid_fetches: 0,
        waiting: 0,
        has_waited: false,
    };
    const WAITED: Seen = Seen { has_waited: true, ..SEEN };
    const FLOODED: Seen = Seen { unknown_kid_fetches: SPENT, ..WAITED };

    fn decide(seen: Seen) -> Decision {
        Decision::of(&seen)
    }

    #[test]
    fn r18_a_a_kid_that_no_set_can_have_is_401_whatever_the_set() {
        for set in [None, Some(Current), Some(Stale), Some(Expired)] {
            assert_eq!(decide(Seen { set, key: TooLong, refresh_due: true, ..SEEN }), NoSuchKey);
            assert_eq!(decide(Seen { set, key: TooLong, latest_attempt: Some(Failed), ..SEEN }), NoSuchKey);
        }
    }

    #[test]
    fn r18_b_without_a_set_that_serves_a_request_waits_for_a_fetch_or_gets_the_outage() {
        for (set, key) in [(None, Unknown), (Some(Expired), Unknown), (Some(Expired), AbsentLately)] {
            let seen = Seen { set, key, latest_attempt: Some(Failed), ..SEEN };
            assert_eq!(decide(seen.clone()), Unavailable, "a `kid` has no budget here");
            assert_eq!(decide(Seen { refresh_due: true, ..seen.clone() }), Wait);
            assert_eq!(decide(Seen { latest_attempt: Some(UnderWay), ..seen.clone() }), Wait);
            assert_eq!(decide(Seen { refresh_due: true, has_waited: true, ..seen.clone() }), Unavailable);
            assert_eq!(decide(Seen { refresh_due: true, waiting: FULL, ..seen }), Unavailable);
        }
    }

    #[test]
    fn r18_c_what_was_looked_for_lately_is_not_looked_for_again() {
        for set in [Current, Stale] {
            let seen = Seen { set: Some(set), key: AbsentLately, ..SEEN };
            for latest_attempt in [None, Some(UnderWay), Some(Failed), Some(Succeeded)] {
                assert_eq!(decide(Seen { latest_attempt, ..seen.clone() }), NoSuchKey);
            }
            assert_eq!(decide(Seen { refresh_due: true, is_primary: false, waiting: FULL, ..seen }), NoSuchKey);
        }
    }

    #[test]
    fn r18_d_a_request_waits_once_for_what_a_fetch_may_bring() {
        let spent = Seen { unknown_kid_fetches: SPENT, ..SEEN };
        assert_eq!(decide(Seen { unknown_kid_fetches: SPENT - 1, ..SEEN }), Wait);
        assert_eq!(decide(Seen { refresh_due: true, ..spent.clone() }), Wait);
        assert_eq!(decide(Seen { latest_attempt: Some(UnderWay), ..spent.clone() }), Wait);
        assert_eq!(decide(Seen { latest_attempt: Some(Failed), ..SEEN }), Wait, "within the budget");
        assert_eq!(decide(Seen { is_primary: false, ..SEEN }), Wait);
        assert_eq!(decide(Seen { waiting: FULL - 1, ..SEEN }), Wait);
        assert_ne!(decide(Seen { waiting: FULL, ..SEEN }), Wait);
        assert_ne!(decide(WAITED), Wait);
    }

    #[test]
    fn r18_e_a_fetch_after_the_request_arrived_proves_absence() {
        let absent = Seen { key: AbsentSinceArrival, ..WAITED };
        for set in [Current, Stale] {
            assert_eq!(decide(Seen { set: Some(set), ..absent.clone() }), NoSuchKey);
        }
        assert_eq!(decide(Seen { waiting: FULL, ..absent.clone() }), NoSuchKey);
        for later in [Failed, UnderWay] {
            assert_eq!(decide(Seen { latest_attempt: Some(later), ..absent.clone() }), NoSuchKey);
        }
    }

    #[test]
    fn r18_f_nothing_is_proven_while_the_provider_cannot_be_asked() {
        for unproven in [
            Seen { latest_attempt: Some(Failed), ..FLOODED },
            Seen { latest_attempt: Some(UnderWay), ..FLOODED },
            Seen { waiting: FULL, has_waited: false, ..FLOODED },
            Seen { waiting: FULL, has_waited: false, ..SEEN },
            Seen { is_primary: false, ..FLOODED },
            Seen { is_primary: false, ..WAITED },
            Seen { is_primary: false, latest_attempt: None, ..WAITED },
        ] {
            for set in [Current, Stale] {
                assert_eq!(decide(Seen { set: Some(set), ..unproven.clone() }), NotProvenAbsent, "{unproven:?}");
            }
        }
    }

    #[test]
    fn r18_g_beyond_the_budget_of_a_provider_that_answers_a_kid_is_unknown() {
        assert_eq!(decide(FLOODED), NoSuchKey);
        assert_eq!(decide(Seen { has_waited: false, ..FLOODED }), NoSuchKey);
        assert_eq!(decide(Seen { set: Some(Stale), ..FLOODED }), NoSuchKey);
    }

    #[test]
    fn r18_h_anything_else_is_not_proven() {
        assert_eq!(decide(WAITED), NotProvenAbsent, "the fetch began before the request arrived");
        assert_eq!(decide(Seen { latest_attempt: None, ..FLOODED }), NotProvenAbsent, "nobody was asked");
    }

    /// Every combination.
    fn everything_seen() -> impl Iterator<Item = Seen> {
        let sets = [None, Some(Current), Some(Stale), Some(Expired)];
        let attempts = [None, Some(UnderWay), Some(Failed), Some(Succeeded)];
        let bools = [false, true];
        sets.into_iter().flat_map(move |set| {
            [TooLong, AbsentLately, AbsentSinceArrival, Unknown].into_iter().flat_map(move |key| {
                attempts.into_iter().flat_map(move |latest_attempt| {
                    bools.into_iter().flat_map(move |is_primary| {
                        bools.into_iter().flat_map(move |refresh_due| {
                            bools.into_iter().flat_map(move |has_waited| {
                                [0, SPENT - 1, SPENT].into_iter().flat_map(move |unknown_kid_fetches| {
                                    [0, FULL - 1, FULL].into_iter().map(move |waiting| Seen {
                                        set,
                                        is_primary,
                                        key,
                                        latest_attempt,
                                        refresh_due,
                                        unknown_kid_fetches,
                                        waiting,
                                        has_waited,
                                    })
                                })
                            })
                        })
                    })
                })
            })
        })
    }

    /// The table again: each row by itself, not restricted by the rows before it.
    fn rows_that_apply(seen: &Seen) -> Vec<(char, Decision)> {
        let serves = matches!(seen.set, Some(Current | Stale));
        let under_way = seen.latest_attempt == Some(UnderWay);
        let can_wait = !seen.has_waited && seen.waiting < FULL;
        let within_budget = seen.unknown_kid_fetches < SPENT;
        let wait_or_outage = if can_wait && (under_way || seen.refresh_due) { Wait } else { Unavailable };
        let is_uncertain = under_way || seen.latest_attempt == Some(Failed);
        let rows = [
            ('a', seen.key == TooLong, NoSuchKey),
            ('b', !serves, wait_or_outage),
            ('c', seen.key == AbsentLately, NoSuchKey),
            ('d', can_wait && (under_way || seen.refresh_due || within_budget), Wait),
            ('e', seen.key == AbsentSinceArrival, NoSuchKey),
            ('f', is_uncertain || seen.waiting == FULL || !seen.is_primary, NotProvenAbsent),
            ('g', !within_budget && seen.latest_attempt == Some(Succeeded), NoSuchKey),
            ('h', true, NotProvenAbsent),
        ];
        rows.into_iter().filter(|(_, applies, _)| *applies).map(|(name, _, decision)| (name, decision)).collect()
    }

    #[test]
    fn r18_the_first_row_that_applies_wins() {
        let mut winners = std::collections::BTreeSet::new();
        for seen in everything_seen() {
            let (row, expected) = rows_that_apply(&seen)[0];
            assert_eq!(Decision::of(&seen), expected, "row {row}: {seen:?}");
            winners.insert(row);
        }
        assert_eq!(winners.into_iter().collect::<String>(), "abcdefgh");
    }

    #[test]
    fn r18_no_row_can_be_left_out() {
        for left_out in 0..UNKNOWN_KEY.len() {
            let mut rows = UNKNOWN_KEY.to_vec();
            rows.remove(left_out);
            let differs = |seen: &Seen| first_match(&rows, seen) != first_match(&UNKNOWN_KEY, seen);
            assert!(everything_seen().any(|seen| differs(&seen)), "row {left_out} changes nothing");
        }
    }

    /// There is no 401 without proof: if a request gets one while the provider fails, its `kid` was looked for before,
    /// or is too long to exist.
    #[test]
    fn r18_an_outage_is_never_a_401_for_a_kid_that_was_not_looked_for() {
        let in_outage = |seen: &Seen| seen.key == Unknown && seen.latest_attempt != Some(Succeeded);
        assert!(everything_seen().filter(in_outage).all(|seen| Decision::of(&seen) != NoSuchKey));
    }
}
