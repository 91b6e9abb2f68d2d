//! The orders in which threads can meet around a call, tried out by `shuttle`.

use std::sync::{Arc, Weak};
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::{check_pct, check_random, thread};

use super::flights::Wakeup;
use super::{Call, Caller, Ending, Flights, Waiter};
use crate::sync::{AtomicUsize, Mutex, Ordering};

const LIMIT: Duration = Duration::from_secs(5);

/// As little of a user as there can be: calls for one key, and the values that they brought.
#[derive(Default)]
struct User {
    state: Mutex<State>,
    started: AtomicUsize,
}

#[derive(Default)]
struct State {
    flights: Flights<&'static str>,
    values: Vec<u64>,
    superseded: usize,
    interrupted: usize,
}

struct ForUser {
    user: Weak<User>,
    number: u64,
}

impl Caller for ForUser {
    type Output = u64;

    fn take_over(&self) -> bool {
        let Some(user) = self.user.upgrade() else { return false };
        let mut state = user.state.lock().unwrap();
        let is_wanted = state.flights.take_over("key", self.number).is_some();
        state.superseded += usize::from(is_wanted);
        is_wanted
    }

    fn ended(&mut self, ending: Ending<u64>) {
        let Some(user) = self.user.upgrade() else { return };
        if !user.state.lock().unwrap().flights.begin_landing("key", self.number) {
            return;
        }
        // The resolver takes an issuer in here, under another lock.
        let mut state = user.state.lock().unwrap();
        match ending {
            Ending::Finished(value) => state.values.push(value),
            Ending::Interrupted => state.interrupted += 1,
            Ending::TimedOut | Ending::Panicked => {}
        }
        let landed = state.flights.land("key", self.number).unwrap();
        drop(state);
        if ending == Ending::Interrupted {
            landed.interrupted();
        }
    }
}

impl User {
    fn join(self: &Arc<Self>, now: Duration) -> (Option<Call<ForUser>>, Waiter) {
        let mut state = self.state.lock().unwrap();
        if let Some(waiter) = state.flights.join("key", now) {
            return (None, waiter);
        }
        let (started, waiter) = state.flights.start("key", now, LIMIT);
        self.started.fetch_add(1, Ordering::SeqCst);
        let caller = ForUser { user: Arc::downgrade(self), number: started.number };
        (Some(Call::new(caller, started)), waiter)
    }

    fn start(self: &Arc<Self>, now: Duration) -> Call<ForUser> {
        self.join(now).0.unwrap()
    }
}

fn explore(scenario: impl Fn() + Send + Sync + 'static) {
    let scenario = Arc::new(scenario);
    let again = Arc::clone(&scenario);
    check_random(move || scenario(), 2_000);
    check_pct(move || again(), 2_000, 3);
}

#[test]
fn f04_one_call_is_under_way_and_wakes_all_who_wait() {
    explore(|| {
        let user = Arc::new(User::default());
        let request = |is_patient: bool| {
            let user = Arc::clone(&user);
            thread::spawn(move || {
                let (call, mut waiter) = user.join(Duration::ZERO);
                if let Some(mut call) = call {
                    thread::spawn(move || call.end(Ending::Finished(1)));
                }
                if is_patient {
                    assert_eq!(block_on(waiter.ended()), Wakeup::Ended);
                    assert!(!user.state.lock().unwrap().values.is_empty());
                }
            })
        };
        for request in [false, true, true].map(request) {
            request.join().unwrap();
        }
    });
}

#[test]
fn f16_one_of_a_call_and_its_successor_counts() {
    explore(|| {
        let user = Arc::new(User::default());
        let (first, mut waiter) = user.join(Duration::ZERO);
        let mut first = first.unwrap();
        let late = thread::spawn(move || first.end(Ending::Finished(1)));
        let successor = {
            let user = Arc::clone(&user);
            thread::spawn(move || {
                // The first one may have ended by itself, or be about to; then this one supersedes nothing.
                let (Some(mut call), _) = user.join(LIMIT) else { return false };
                let supersedes = call.take_over();
                if supersedes {
                    call.end(Ending::Finished(2));
                }
                supersedes
            })
        };
        assert_eq!(block_on(waiter.ended()), Wakeup::Ended);
        let supersedes = successor.join().unwrap();
        late.join().unwrap();
        let state = user.state.lock().unwrap();
        assert_eq!(state.values, [if supersedes { 2 } else { 1 }]);
        assert_eq!((state.superseded, state.flights.len()), (usize::from(supersedes), 0));
    });
}

#[test]
fn f16_many_who_come_after_the_limit_start_one_call() {
    explore(|| {
        let user = Arc::new(User::default());
        let abandoned = user.start(Duration::ZERO);
        let request = |_| {
            let user = Arc::clone(&user);
            thread::spawn(move || user.join(LIMIT).0)
        };
        let requests = [0, 1, 2].map(request);
        let dropping = thread::spawn(move || drop(abandoned));
        let calls = requests.into_iter().filter_map(|request| request.join().unwrap());
        // A call that is not dropped yet: one, or two if the abandoned one was interrupted after it was superseded.
        let mut calls: Vec<_> = calls.collect();
        dropping.join().unwrap();
        assert!(calls.iter().filter(|call| call.take_over()).count() <= 1);
        for call in &mut calls {
            call.end(Ending::Finished(2));
        }
        let state = user.state.lock().unwrap();
        assert!(calls.len() <= 2 && state.values.len() <= 1 && state.superseded <= 1, "{}", calls.len());
        assert!(state.interrupted <= 1 && state.flights.len() == 0);
    });
}

/// The waiters of an interrupted call may start another, and exactly one of them does.
#[test]
fn f17_an_interrupted_call_is_started_again_by_those_who_wait() {
    explore(|| {
        let user = Arc::new(User::default());
        let (interrupted, waiter) = user.join(Duration::ZERO);
        let request = |_| {
            let (user, mut waiter) = (Arc::clone(&user), waiter.clone());
            thread::spawn(move || {
                while block_on(waiter.ended()) == Wakeup::Interrupted {
                    let (call, next) = user.join(Duration::ZERO);
                    waiter = next;
                    if let Some(mut call) = call {
                        call.end(Ending::Finished(2));
                    }
                }
            })
        };
        let requests = [0, 1].map(request);
        drop(waiter);
        drop(interrupted);
        for request in requests {
            request.join().unwrap();
        }
        let state = user.state.lock().unwrap();
        assert!((1..=2).contains(&state.values.len()));
        assert_eq!((state.interrupted, state.flights.len()), (1, 0));
    });
}

/// The last handle goes while a call ends: nobody is left waiting, and nothing is kept.
#[test]
fn f13_a_user_that_goes_during_a_call_takes_everything_along() {
    explore(|| {
        let user = Arc::new(User::default());
        let (call, mut waiter) = user.join(Duration::ZERO);
        let gone = Arc::downgrade(&user);
        let dropping = thread::spawn(move || drop(user));
        let ending = thread::spawn(move || call.unwrap().end(Ending::Finished(1)));
        assert_eq!(block_on(waiter.ended()), Wakeup::Ended);
        dropping.join().unwrap();
        ending.join().unwrap();
        assert!(gone.upgrade().is_none());
    });
}
