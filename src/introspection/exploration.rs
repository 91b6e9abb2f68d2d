//! The orders in which threads can meet around the calls of an introspector, tried out by `shuttle`.

use std::sync::Arc;
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::{check_pct, check_random, thread};

use super::asking::ended_or_sent_away;
use super::calls::Calls;
use super::outcome::Outcome;
use super::policy::{Class, Limit, Limits};
use super::step::{Landing, Request, Step};
use super::wakeups::Wakeups;
use crate::digest::{Digest, Digester};
use crate::error::TokenError;
use crate::single_flight::Started;
use crate::sync::{AtomicUsize, Mutex, Ordering};

const NOW: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(5);

/// A minimal introspector: its calls, and the outcomes that are known.
struct User {
    calls: Mutex<Calls>,
    known: Mutex<Vec<Digest>>,
    made: AtomicUsize,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

impl User {
    fn new(calls: usize, waiting: usize) -> Arc<Self> {
        let limits = Limits { calls: Limit(calls), waiting: Limit(waiting), call: LIMIT };
        Arc::new(Self {
            calls: Mutex::new(Calls::new(limits, true)),
            known: Mutex::default(),
            made: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        })
    }

    /// What a request does. False if it was turned away or timed out.
    fn request(self: &Arc<Self>, token: Digest, class: Class, is_patient: bool) -> bool {
        let (mut has_place, mut waiting) = (false, None);
        let is_known = loop {
            let landings = self.calls.lock().unwrap().landings();
            if self.known.lock().unwrap().contains(&token) {
                break true;
            }
            let mut wakeups = Wakeups::default();
            let step =
                self.calls.lock().unwrap().step(Request { token, class, landings, has_place }, NOW, &mut wakeups);
            wakeups.wake();
            self.leave_token(&token, waiting.take());
            let slot = match step {
                Step::LookAgain => continue,
                Step::Paused(_) | Step::Busy => break false,
                Step::Queue { id, slot, mut wake } => {
                    (has_place, waiting) = (true, Some(id));
                    if is_patient {
                        let _ = block_on(wake.changed());
                    }
                    slot
                }
                Step::Join { id, slot, mut wake, mut waiter, start } => {
                    (has_place, waiting) = (true, Some(id));
                    if let Some(started) = start {
                        let user = Arc::clone(self);
                        thread::spawn(move || user.call(token, &started));
                    }
                    if is_patient {
                        block_on(ended_or_sent_away(&mut waiter, &mut wake));
                        assert!(slot.get().is_some(), "a woken request finds the outcome");
                    }
                    slot
                }
            };
            if slot.get().is_some() {
                break self.known.lock().unwrap().contains(&token);
            }
            if !is_patient {
                break false;
            }
        };
        self.leave_token(&token, waiting);
        if has_place {
            self.calls.lock().unwrap().leave(class);
        }
        is_known
    }

    fn leave_token(&self, token: &Digest, id: Option<u64>) {
        let mut wakeups = Wakeups::default();
        if let Some(id) = id {
            self.calls.lock().unwrap().leave_token(token, id, NOW, &mut wakeups);
        }
        wakeups.wake();
    }

    fn call(&self, token: Digest, started: &Started) {
        self.made.fetch_add(1, Ordering::SeqCst);
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        self.known.lock().unwrap().push(token);
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        let mut wakeups = Wakeups::default();
        let landed = {
            let mut calls = self.calls.lock().unwrap();
            assert!(calls.begin_landing(&token, started.number));
            calls.land(&token, started.number, Landing::Succeeded, true, NOW, &mut wakeups).unwrap()
        };
        let _ = landed.slot.set(Outcome::Refused(TokenError::Inactive));
        wakeups.wake();
        drop(landed);
    }

    fn assert_idle(&self) {
        let calls = self.calls.lock().unwrap();
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
    while user.calls.lock().unwrap().calls() > 0 {
        thread::yield_now();
    }
    user.assert_idle();
}

#[test]
fn n08_requests_with_one_token_share_one_call_whenever_they_come() {
    explore(|tokens| {
        let (user, token) = (User::new(4, 8), tokens[0]);
        let requests = [true, true, false].map(|is_patient| {
            let user = Arc::clone(&user);
            thread::spawn(move || user.request(token, Class::New, is_patient))
        });
        let known = requests.map(|request| request.join().unwrap());
        assert!(known[0] && known[1]);
        settle(&user);
        assert_eq!(user.made.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn n08_no_more_calls_are_made_at_once_than_may_and_everybody_gets_a_turn() {
    explore(|tokens| {
        let user = User::new(1, 8);
        let requests: Vec<_> = tokens
            .iter()
            .enumerate()
            .map(|(n, token)| {
                let (user, token) = (Arc::clone(&user), *token);
                let class = if n == 1 { Class::Seen } else { Class::New };
                thread::spawn(move || user.request(token, class, true))
            })
            .collect();
        assert!(requests.into_iter().all(|request| request.join().unwrap()));
        settle(&user);
        assert_eq!((user.made.load(Ordering::SeqCst), user.most.load(Ordering::SeqCst)), (3, 1));
    });
}

#[test]
fn n08_a_turn_that_is_given_up_goes_to_another() {
    explore(|tokens| {
        let user = User::new(1, 8);
        let requests: Vec<_> = tokens
            .iter()
            .zip([true, false, true])
            .map(|(token, is_patient)| {
                let (user, token) = (Arc::clone(&user), *token);
                thread::spawn(move || (is_patient, user.request(token, Class::New, is_patient)))
            })
            .collect();
        for request in requests {
            let (is_patient, is_known) = request.join().unwrap();
            assert!(is_known || !is_patient);
        }
        settle(&user);
    });
}

/// Four places, of which one is reserved. Requests with new tokens have all of them, with a call under way or none.
#[test]
fn n08_a_displaced_request_ends_and_the_other_takes_its_place() {
    explore(|tokens| {
        let user = User::new(1, 4);
        let new = [tokens[0], tokens[0], tokens[0], tokens[1]].map(|token| (token, Class::New));
        let requests = new.into_iter().chain([(tokens[2], Class::Seen)]).map(|(token, class)| {
            let user = Arc::clone(&user);
            thread::spawn(move || (class, user.request(token, class, true)))
        });
        for request in requests.collect::<Vec<_>>() {
            let (class, is_known) = request.join().unwrap();
            assert!(is_known || class == Class::New, "one that was seen active has a place");
        }
        settle(&user);
    });
}
