//! Which calls are under way. The lock around this is the user's.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::sync::watch;

use super::policy::{Entry, UnderWay, counts, is_abandoned};

/// The calls under way, at most one for each key. The times are those of the user's clock.
#[derive(Debug)]
pub(crate) struct Flights<K> {
    calls: HashMap<K, InFlight>,
    begun: u64,
}

#[derive(Debug)]
struct InFlight {
    number: u64,
    started_at: Duration,
    limit: Duration,
    /// The call whose result is being processed.
    landing: Option<u64>,
    /// Closing it wakes the waiters. The next call inherits it when this one is superseded.
    waiters: watch::Sender<()>,
    /// Cancels the call by being dropped.
    _cancel: watch::Sender<()>,
    /// The call that this one is about to supersede.
    predecessor: Option<Predecessor>,
}

#[derive(Debug)]
struct Predecessor {
    number: u64,
    started_at: Duration,
    _cancel: watch::Sender<()>,
}

/// A new call, to be run.
#[derive(Debug)]
pub(crate) struct Started {
    /// Counted from one, in the order in which the calls begin.
    pub(crate) number: u64,
    pub(super) limit: Duration,
    /// It supersedes another, which is given its grace first.
    pub(super) supersedes: bool,
    /// Closed when the call is cancelled.
    pub(super) cancelled: watch::Receiver<()>,
}

/// Waits for the end of a call, or of the one that supersedes it.
#[derive(Clone, Debug)]
pub(crate) struct Waiter(watch::Receiver<()>);

/// How a wait ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wakeup {
    /// The call ended, well or badly, or was cancelled.
    Ended,
    /// The call was interrupted, and another may start at once.
    Interrupted,
}

/// A call that has ended. Dropping this wakes the waiters.
#[derive(Debug)]
#[must_use]
pub(crate) struct Landed(watch::Sender<()>);

impl<K: Eq + Hash> Flights<K> {
    /// How many calls have begun.
    pub(crate) const fn begun(&self) -> u64 {
        self.begun
    }

    /// How many calls are under way.
    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(crate) fn is_under_way<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.calls.contains_key(key)
    }

    /// Whether a call is under way and may still end by itself.
    pub(crate) fn is_awaited<Q: Eq + Hash + ?Sized>(&self, key: &Q, now: Duration) -> bool
    where
        K: Borrow<Q>,
    {
        Entry::of(self.calls.get(key).map(|call| call.at(now))) == Entry::Join
    }

    /// Joins the call under way. `None` when another must [start](Self::start): there is none, or it is past its limit.
    pub(crate) fn join<Q: Eq + Hash + ?Sized>(&self, key: &Q, now: Duration) -> Option<Waiter>
    where
        K: Borrow<Q>,
    {
        let call = self.calls.get(key)?;
        (Entry::of(Some(call.at(now))) == Entry::Join).then(|| Waiter(call.waiters.subscribe()))
    }

    /// Starts a call; one that is under way is to be superseded.
    pub(crate) fn start(&mut self, key: K, now: Duration, limit: Duration) -> (Started, Waiter) {
        self.begun += 1;
        let (number, (cancel, cancelled)) = (self.begun, watch::channel(()));
        let (waiters, predecessor) = match self.calls.remove(&key) {
            None => (watch::Sender::new(()), None),
            Some(InFlight { number, started_at, waiters, _cancel, .. }) => {
                (waiters, Some(Predecessor { number, started_at, _cancel }))
            }
        };
        let waiter = Waiter(waiters.subscribe());
        let supersedes = predecessor.is_some();
        let call = InFlight { number, started_at: now, limit, landing: None, waiters, _cancel: cancel, predecessor };
        self.calls.insert(key, call);
        (Started { number, limit, supersedes, cancelled }, waiter)
    }

    /// The grace period before call `number` is over, so it supersedes the other one. Returns when that one began, or
    /// `None` if `number` is no longer needed or the other one has just ended.
    pub(crate) fn take_over<Q: Eq + Hash + ?Sized>(&mut self, key: &Q, number: u64) -> Option<Duration>
    where
        K: Borrow<Q>,
    {
        let call = self.calls.get_mut(key).filter(|call| call.number == number && call.landing.is_none())?;
        call.predecessor.take().map(|predecessor| predecessor.started_at)
    }

    /// Whether this is the call that another one is about to supersede.
    pub(crate) fn is_predecessor<Q: Eq + Hash + ?Sized>(&self, key: &Q, number: u64) -> bool
    where
        K: Borrow<Q>,
    {
        let call = self.calls.get(key);
        call.and_then(|call| call.predecessor.as_ref()).is_some_and(|predecessor| predecessor.number == number)
    }

    /// Whether the result of a call counts. If so, nobody supersedes it while the user processes the result.
    pub(crate) fn begin_landing<Q: Eq + Hash + ?Sized>(&mut self, key: &Q, number: u64) -> bool
    where
        K: Borrow<Q>,
    {
        let call = self.calls.get_mut(key).filter(|call| call.awaits(number));
        call.is_some_and(|call| {
            call.landing = Some(number);
            true
        })
    }

    /// A call has ended. `None` when it was superseded or cancelled: then its result is discarded.
    pub(crate) fn land<Q: Eq + Hash + ?Sized>(&mut self, key: &Q, number: u64) -> Option<Landed>
    where
        K: Borrow<Q>,
    {
        if !self.calls.get(key)?.awaits(number) {
            return None;
        }
        self.cancel(key)
    }

    /// Cancels the call under way, and the one that is about to supersede it.
    pub(crate) fn cancel<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<Landed>
    where
        K: Borrow<Q>,
    {
        self.calls.remove(key).map(|call| Landed(call.waiters))
    }

    /// Cancels the calls under way, and those that are about to supersede them.
    pub(crate) fn cancel_all(&mut self) -> impl Iterator<Item = Landed> {
        self.calls.drain().map(|(_, call)| Landed(call.waiters))
    }

    /// Cancels the calls that nobody polls any more, and returns them with their keys.
    pub(crate) fn cancel_abandoned(&mut self, now: Duration) -> Vec<(K, Landed)> {
        let abandoned = self.calls.extract_if(|_, call| is_abandoned(call.at(now)));
        abandoned.map(|(key, call)| (key, Landed(call.waiters))).collect()
    }
}

impl<K> Default for Flights<K> {
    fn default() -> Self {
        Self { calls: HashMap::new(), begun: 0 }
    }
}

impl InFlight {
    fn at(&self, now: Duration) -> UnderWay {
        UnderWay { age: now.saturating_sub(self.started_at), limit: self.limit, is_landing: self.landing.is_some() }
    }

    fn awaits(&self, number: u64) -> bool {
        match self.landing {
            Some(landing) => landing == number,
            None => counts(number, self.number, self.predecessor.as_ref().map(|predecessor| predecessor.number)),
        }
    }
}

impl Waiter {
    pub(crate) async fn ended(&mut self) -> Wakeup {
        self.0.changed().await.map_or(Wakeup::Ended, |()| Wakeup::Interrupted)
    }
}

impl Landed {
    /// Tells those who wait that they may start another call at once.
    pub(crate) fn interrupted(self) {
        self.0.send_replace(());
    }
}
