//! The list does what a simple model of it does, whatever is revoked and however the clocks move.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use tower_bearer::time::{Clock, ManualClock, UnixTime};
use tower_bearer::{Revocation, RevocationError, RevocationKind, RevocationList, ValidatedToken};

use crate::fixtures::{ISSUER, NOW};
use crate::support::{OTHER_ISSUER, revoked_by, token};

const LIFETIME: u64 = 600;
const LEEWAY: u64 = 30;
const MAX_ENTRIES: usize = 4;
const ISSUERS: [&str; 2] = [ISSUER, OTHER_ISSUER];
/// The same for each kind: what is revoked as a client must not be revoked as a subject.
const NAMES: [&str; 2] = ["a", "b"];

#[derive(Clone, Debug)]
enum Step {
    Revoke(Revocation),
    Advance(u64),
    /// The wall clock is set, by so many seconds.
    Set(i64),
}

/// What is revoked, by kind, issuer and name.
type Key = (RevocationKind, &'static str, &'static str);

#[derive(Default)]
struct Model {
    entries: BTreeMap<Key, Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry {
    issued_up_to: Option<u64>,
    until: u64,
    /// In seconds of monotonic time.
    not_before: u64,
}

impl Model {
    fn revoke(&mut self, key: Key, entry: &Revocation, clock: &ManualClock) -> Result<(), RevocationError> {
        let (wall, monotonic) = (clock.now().unwrap().as_secs(), clock.monotonic().as_secs());
        let issued_up_to = entry.issued_up_to().map(UnixTime::as_secs);
        let explicit = entry.ends().map(UnixTime::as_secs);
        let until = match issued_up_to {
            Some(latest) => (latest + LIFETIME).max(explicit.unwrap_or(0)),
            None => explicit.unwrap_or(wall + LIFETIME),
        };
        let end = until + 2 * LEEWAY;
        if wall > end {
            return Ok(());
        }
        self.drop_ended(clock);
        if !self.entries.contains_key(&key) && self.entries.len() == MAX_ENTRIES {
            return Err(RevocationError::Full { max_entries: MAX_ENTRIES });
        }
        let added = Entry { issued_up_to, until, not_before: monotonic + (end - wall) };
        let merged = self.entries.entry(key).or_insert(added);
        merged.issued_up_to = merged.issued_up_to.max(added.issued_up_to);
        merged.until = merged.until.max(added.until);
        merged.not_before = merged.not_before.max(added.not_before);
        Ok(())
    }

    fn drop_ended(&mut self, clock: &ManualClock) {
        let (wall, monotonic) = (clock.now().unwrap().as_secs(), clock.monotonic().as_secs());
        self.entries.retain(|_, entry| wall <= entry.until + 2 * LEEWAY || monotonic <= entry.not_before);
    }

    fn revoked_by(&self, token: &ValidatedToken) -> Option<RevocationKind> {
        let session = token.session_id();
        let names = [
            (RevocationKind::TokenId, token.token_id()),
            (RevocationKind::Session, session.as_deref()),
            (RevocationKind::Client, token.client_id()),
            (RevocationKind::Subject, token.subject()),
        ];
        let is_revoked = |(kind, name): &(RevocationKind, Option<&str>)| {
            let entry =
                self.entries.iter().find(|(key, _)| (key.0, key.1, Some(key.2)) == (*kind, token.issuer(), *name));
            let issued_at = token.issued_at().map_or(0, UnixTime::as_secs);
            entry.is_some_and(|(_, entry)| entry.issued_up_to.is_none_or(|latest| issued_at <= latest))
        };
        names.into_iter().find(is_revoked).map(|(kind, _)| kind)
    }
}

/// One for each name, and some with several or none.
static TOKENS: LazyLock<Vec<ValidatedToken>> = LazyLock::new(|| {
    let issued_at = |seconds: i64| ("iat", (i64::try_from(NOW.as_secs()).unwrap() + seconds).into());
    let mut tokens = Vec::new();
    for (issuer, name) in ISSUERS.into_iter().flat_map(|issuer| NAMES.map(|name| (issuer, name))) {
        tokens.extend(["jti", "sid", "client_id", "sub"].map(|claim| token(issuer, &[(claim, name.into())])));
        let subject = ("sub", name.into());
        tokens.extend([-100, 0, 30].map(|seconds| token(issuer, &[subject.clone(), issued_at(seconds)])));
        tokens.push(token(issuer, &["jti", "sid", "client_id", "sub"].map(|claim| (claim, name.into()))));
        tokens.push(token(issuer, &[("jti", "b".into()), ("client_id", name.into()), issued_at(0)]));
    }
    tokens.push(token(ISSUER, &[]));
    tokens
});

fn entry(kind: RevocationKind, issuer: &str, name: &str, issued_up_to: u64, until: Option<u64>) -> Revocation {
    let issued_up_to = UnixTime::from_secs(issued_up_to);
    let entry = match kind {
        RevocationKind::TokenId => Revocation::token_id(issuer, name),
        RevocationKind::Session => Revocation::session(issuer, name),
        RevocationKind::Client => Revocation::client(issuer, name, issued_up_to),
        _ => Revocation::subject(issuer, name, issued_up_to),
    };
    until.map_or(entry.clone(), |until| entry.until(UnixTime::from_secs(until)))
}

fn step() -> impl Strategy<Value = Step> {
    use RevocationKind::{Client, Session, Subject, TokenId};
    let near = NOW.as_secs() - 800..NOW.as_secs() + 800;
    let until = prop::option::of(near.clone());
    let revoke = (select(&[TokenId, Session, Client, Subject]), select(&ISSUERS), select(&NAMES), near, until);
    prop_oneof![
        6 => revoke.prop_map(|(kind, issuer, name, time, until)| Step::Revoke(entry(kind, issuer, name, time, until))),
        2 => (0..800_u64).prop_map(Step::Advance),
        1 => (-1_000..1_000_i64).prop_map(Step::Set),
    ]
}

fn key_of(entry: &Revocation) -> Key {
    let one_of = |texts: [&'static str; 2], text: &str| texts.into_iter().find(|one| *one == text).unwrap();
    (entry.kind(), one_of(ISSUERS, entry.issuer()), one_of(NAMES, entry.name()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn n09_the_list_equals_a_simple_model(steps in prop::collection::vec(step(), 1..40)) {
        let clock = ManualClock::at(NOW);
        let builder = RevocationList::builder(Duration::from_secs(LIFETIME)).max_entries(MAX_ENTRIES);
        let list = builder.leeway(Duration::from_secs(LEEWAY)).clock(clock.clone()).build().unwrap();
        let mut model = Model::default();
        for step in steps {
            match &step {
                Step::Revoke(entry) => {
                    let key = key_of(entry);
                    let revoked = list.revoke(entry);
                    prop_assert_eq!(revoked.as_ref().err().copied(), model.revoke(key, entry, &clock).err());
                    // What the list returns is what it has, unless there is nothing left to revoke.
                    if let (Ok(merged), Some(expected)) = (revoked, model.entries.get(&key)) {
                        let ends = merged.ends().unwrap().saturating_add(Duration::from_secs(2 * LEEWAY));
                        prop_assert!(merged.ends().unwrap().as_secs() == expected.until || clock.now().unwrap() > ends);
                    }
                }
                Step::Advance(seconds) => clock.advance(Duration::from_secs(*seconds)),
                Step::Set(seconds) => {
                    let now = clock.now().unwrap().as_secs().checked_add_signed(*seconds).unwrap();
                    clock.set_wall(Some(UnixTime::from_secs(now)));
                }
            }
            let mut now = Model { entries: model.entries.clone() };
            now.drop_ended(&clock);
            // Before `len`, which drops what has ended.
            let entries: BTreeMap<_, _> = list.entries().map(|it| {
                (key_of(&it), (it.issued_up_to().map(UnixTime::as_secs), it.ends().map(UnixTime::as_secs)))
            }).collect();
            let expected: BTreeMap<_, _> =
                now.entries.iter().map(|(key, it)| (*key, (it.issued_up_to, Some(it.until)))).collect();
            prop_assert_eq!(entries, expected);
            for token in &*TOKENS {
                for _ in 0..2 {
                    prop_assert_eq!(revoked_by(&list, token), now.revoked_by(token), "{:?}", token);
                }
            }
            prop_assert_eq!(list.len(), now.entries.len());
            // The list has dropped them by now, and the clock may be set back.
            model = now;
        }
    }
}
