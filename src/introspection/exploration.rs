//! The orders in which threads can meet around the calls of an introspector, tried out by `shuttle`.

use std::sync::Arc;
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::{check_pct, check_random, thread};

use Class::{New, Seen};
use Patience::{Leaves, Looks, Stalls, Waits};

use super::asking::ended_or_sent_away;
use super::calls::Calls;
use super::outcome::Outcome;
use super::policy::{Class, Limit, Limits};
use super::step::{Landing, Request, Step};
use super::turns::Seat;
use super::wakeups::Wakeups;
use crate::digest::{Digest, Digester};
use crate::error::TokenError;
use crate::single_flight::Started;
use crate::sync::{AtomicUsize, Mutex, Ordering};

const NOW: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(5);
const TURN: Duration = Duration::from_secs(1);

/// A minimal introspector: its calls, and the outcomes that are known.
struct User {
    calls: Mutex<Calls>,
    known: Mutex<Vec<Digest>>,
    made: AtomicUsize,
    under_way: AtomicUsize,
    most: AtomicUsize,
    may_wait: usize,
    /// How many calls are still to be interrupted.
    interruptions: AtomicUsize,
    stalled: Mutex<Vec<(Digest, u64)>>,
}

/// A request, and how it waits.
#[derive(Clone, Copy)]
struct Visit {
    token: Digest,
    class: Class,
    patience: Patience,
    at: Duration,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Patience {
    Waits,
    /// It also looks now and then whether it has its turn.
    Looks,
    /// Its client goes away when it would have to wait.
    Leaves,
    /// Nobody polls it any more.
    Stalls,
}

impl User {
    fn new(calls: usize, waiting: usize) -> Arc<Self> {
        let limits = Limits { calls: Limit(calls), waiting: Limit(waiting), call: LIMIT, turn: TURN };
        Arc::new(Self {
            calls: Mutex::new(Calls::new(limits, true)),
            known: Mutex::default(),
            made: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            may_wait: waiting,
            interruptions: AtomicUsize::new(0),
            stalled: Mutex::default(),
        })
    }

    /// Whatever changes the calls leaves totals behind that fit the entries, and no more waiters than may wait.
    fn with_calls<T>(&self, change: impl FnOnce(&mut Calls, &mut Wakeups) -> T) -> T {
        let mut wakeups = Wakeups::default();
        let changed = {
            let mut calls = self.calls.lock().unwrap();
            let changed = change(&mut calls, &mut wakeups);
            calls.assert_consistent();
            assert!(calls.waiting() <= self.may_wait);
            changed
        };
        wakeups.wake();
        changed
    }

    /// What a request does. False if it was turned away or timed out.
    fn request(self: &Arc<Self>, visit: Visit) -> bool {
        let Visit { token, class, patience, mut at } = visit;
        let mut seat = None;
        let is_known = loop {
            let landings = self.calls.lock().unwrap().landings();
            if self.known.lock().unwrap().contains(&token) {
                break true;
            }
            let request = Request { token, class, landings, seat };
            let step = self.with_calls(|calls, wakeups| calls.step(request, at, wakeups));
            let slot = match step {
                Step::LookAgain => continue,
                Step::Paused(_) | Step::Busy | Step::Closed => break false,
                Step::Queue(Seat { id, slot, mut wake, .. }) => {
                    seat = Some(id);
                    match patience {
                        Waits => drop(block_on(wake.changed())),
                        Looks => {
                            thread::yield_now();
                            at += TURN;
                        }
                        Leaves | Stalls => {}
                    }
                    slot
                }
                Step::Join { seat: Seat { id, slot, mut wake, .. }, mut waiter, start } => {
                    seat = Some(id);
                    if let Some(started) = start {
                        let user = Arc::clone(self);
                        thread::spawn(move || user.call(token, &started));
                    }
                    if matches!(patience, Waits | Looks) {
                        block_on(ended_or_sent_away(&mut waiter, &mut wake));
                    }
                    slot
                }
            };
            if slot.get().is_some() {
                break self.known.lock().unwrap().contains(&token);
            }
            match patience {
                Waits | Looks => {}
                Leaves => break false,
                Stalls => {
                    self.stalled.lock().unwrap().extend(seat.map(|id| (token, id)));
                    return false;
                }
            }
        };
        self.leave(&token, seat);
        is_known
    }

    fn leave(&self, token: &Digest, seat: Option<u64>) {
        if let Some(id) = seat {
            self.with_calls(|calls, wakeups| calls.leave(token, id, NOW, wakeups));
        }
    }

    fn call(&self, token: Digest, started: &Started) {
        self.made.fetch_add(1, Ordering::SeqCst);
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let number = started.number;
        if self.interruptions.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            let waiters = self.with_calls(|calls, wakeups| calls.interrupted(&token, number, NOW, wakeups));
            return waiters.unwrap().interrupted();
        }
        self.known.lock().unwrap().push(token);
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        let landed = self.with_calls(|calls, wakeups| {
            assert!(calls.begin_landing(&token, number));
            let landed = calls.land(&token, number, Landing::Succeeded { began: NOW }, true, NOW, wakeups).unwrap();
            let _ = landed.slot.set(Outcome::Refused(TokenError::Inactive));
            landed
        });
        drop(landed);
    }

    /// A call that nobody waits for.
    fn ask_ahead(&self, token: Digest) {
        if let Some(started) = self.with_calls(|calls, _| calls.start_ahead(token, NOW)) {
            self.call(token, &started);
        }
    }

    fn assert_idle(&self) {
        let calls = self.calls.lock().unwrap();
        calls.assert_consistent();
        assert_eq!((calls.calls(), calls.waiting(), calls.tokens()), (0, 0, 0));
    }
}

fn explore(scenario: impl Fn(&[Digest]) + Send + Sync + 'static) {
    let digester = Digester::new().unwrap();
    let tokens: Vec<_> = ["a", "b", "c"].map(|token| digester.digest(token.as_bytes())).into();
    let (scenario, tokens) = (Arc::new(scenario), Arc::new(tokens));
    let (again, same) = (Arc::clone(&scenario), Arc::clone(&tokens));
    check_random(move || scenario(&tokens), 2_000);
    check_pct(move || again(&same), 2_000, 3);
}

/// Waits until the calls that nobody waits for have ended, too.
fn settle(user: &User) {
    for (token, seat) in user.stalled.lock().unwrap().drain(..) {
        user.leave(&token, Some(seat));
    }
    while user.calls.lock().unwrap().calls() > 0 {
        thread::yield_now();
    }
    user.assert_idle();
}

/// Requests at the same time. Whether each found the outcome for its token.
fn visit(user: &Arc<User>, requests: &[(Digest, Class, Patience)]) -> Vec<bool> {
    let requests: Vec<_> = requests
        .iter()
        .map(|&(token, class, patience)| {
            let user = Arc::clone(user);
            thread::spawn(move || user.request(Visit { token, class, patience, at: NOW }))
        })
        .collect();
    requests.into_iter().map(|request| request.join().unwrap()).collect()
}

#[test]
fn n08_requests_with_one_token_share_one_call_whenever_they_come() {
    explore(|tokens| {
        let user = User::new(4, 8);
        let known = visit(&user, &[Waits, Waits, Leaves].map(|patience| (tokens[0], New, patience)));
        assert!(known[0] && known[1]);
        settle(&user);
        assert_eq!(user.made.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn n08_no_more_calls_are_made_at_once_than_may_and_everybody_gets_a_turn() {
    explore(|tokens| {
        let user = User::new(1, 8);
        let known = visit(&user, &[(tokens[0], New, Waits), (tokens[1], Seen, Waits), (tokens[2], New, Waits)]);
        assert_eq!(known, [true; 3]);
        settle(&user);
        assert_eq!((user.made.load(Ordering::SeqCst), user.most.load(Ordering::SeqCst)), (3, 1));
    });
}

#[test]
fn n08_a_turn_that_is_given_up_goes_to_another() {
    explore(|tokens| {
        let user = User::new(1, 8);
        let known = visit(&user, &[(tokens[0], New, Waits), (tokens[1], New, Leaves), (tokens[2], New, Waits)]);
        assert!(known[0] && known[2]);
        settle(&user);
    });
}

/// Nobody polls the first request once it waits, so its turn goes to the others. One of those may be slow as well, and
/// lose its own.
#[test]
fn n08_a_turn_that_nobody_takes_goes_to_another() {
    explore(|tokens| {
        let user = User::new(1, 8);
        let known = visit(&user, &[(tokens[0], New, Stalls), (tokens[1], New, Looks), (tokens[2], Seen, Looks)]);
        assert!(known[1] || known[2]);
        settle(&user);
    });
}

/// Four places, of which one is reserved. Requests with new tokens have all of them, with a call under way or none.
#[test]
fn n08_a_displaced_request_ends_and_the_other_takes_its_place() {
    explore(|tokens| {
        let user = User::new(1, 4);
        let new = [tokens[0], tokens[0], tokens[0], tokens[1]].map(|token| (token, New, Waits));
        let requests: Vec<_> = new.into_iter().chain([(tokens[2], Seen, Waits)]).collect();
        assert_eq!(visit(&user, &requests).last(), Some(&true), "one that was seen active has a place");
        settle(&user);
    });
}

/// The runtime of the first call ends. The waiters keep their seats and start another, or leave.
#[test]
fn n08_an_interrupted_call_is_made_again_by_those_who_wait() {
    explore(|tokens| {
        let user = User::new(1, 3);
        user.interruptions.store(1, Ordering::SeqCst);
        let same = [Waits, Waits, Leaves].map(|patience| (tokens[0], New, patience));
        let known = visit(&user, &same);
        assert!(known[0] && known[1]);
        settle(&user);
        assert_eq!(user.made.load(Ordering::SeqCst), 2);
        assert!(visit(&user, &[(tokens[1], New, Waits)])[0], "no place and no turn is lost");
    });
}

/// The runtime of a call ends while all places are taken, so a token that has its turn back may be displaced.
#[test]
fn n08_a_token_that_is_displaced_after_an_interruption_gives_up_its_turn() {
    explore(|tokens| {
        let user = User::new(1, 4);
        user.interruptions.store(1, Ordering::SeqCst);
        let new = [tokens[0]; 4].map(|token| (token, New, Waits));
        let requests: Vec<_> = new.into_iter().chain([(tokens[2], Seen, Waits)]).collect();
        assert_eq!(visit(&user, &requests).last(), Some(&true), "one that was seen active has a place and a turn");
        settle(&user);
        assert!(visit(&user, &[(tokens[1], New, Waits)])[0], "no place and no turn is lost");
    });
}

/// A request that took its token for a new one joins the call that was made ahead for one seen active.
#[test]
fn n08_a_call_made_ahead_is_joined_by_requests_of_either_class() {
    explore(|tokens| {
        let (user, token) = (User::new(1, 4), tokens[0]);
        let ahead = {
            let user = Arc::clone(&user);
            thread::spawn(move || user.ask_ahead(token))
        };
        let known = visit(&user, &[(token, New, Waits), (token, Seen, Waits), (tokens[1], New, Waits)]);
        assert_eq!(known, [true; 3]);
        ahead.join().unwrap();
        settle(&user);
    });
}
