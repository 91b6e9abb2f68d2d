//! Fetches that are abandoned, superseded, late or interrupted.

use std::sync::Arc;

use shuttle::future::block_on;
use shuttle::thread;

use super::{cache, end, explore, fetched, key, second_kid};
use crate::keys::cache::fetches::{Joined, Need};
use crate::keys::policy::KeyPolicy;
use crate::single_flight::{Ending, Wakeup};
use crate::sync::{AtomicUsize, Ordering};

/// A fetch whose task is dropped, again and again, lets the next one start: one at once, the others after a backoff.
#[test]
fn f17_a_dropped_fetch_lets_the_next_one_start() {
    explore(|| {
        let (cache, clock) = cache();
        for is_at_once in [true, false] {
            let joined = cache.join(Need::Due).unwrap();
            let waiter = {
                let mut waiter = joined.waiter.clone();
                thread::spawn(move || block_on(waiter.ended()))
            };
            let dropping = thread::spawn(move || drop(joined.start));
            let woken = waiter.join().unwrap();
            dropping.join().unwrap();
            assert_eq!(woken == Wakeup::Interrupted, is_at_once);
            assert_eq!(cache.is_due(cache.clock.monotonic()), is_at_once);
        }
        clock.advance(KeyPolicy::MAX_BACKOFF);
        end(cache.join(Need::Due).unwrap(), fetched(0));
        assert!(key(&cache).is_some());
    });
}

/// A fetch ends after its limit while another supersedes it: one of the two results counts, and those who wait for the
/// first are woken by either.
#[test]
fn f16_a_late_result_meets_the_fetch_that_supersedes_it() {
    explore(|| {
        let (cache, clock) = cache();
        let mut first = cache.join(Need::Due).unwrap();
        let (mut late, _) = first.start.take().unwrap();
        clock.advance(KeyPolicy::default().fetch_timeout);
        let late = thread::spawn(move || late.end(Ending::Finished(fetched(0))));
        let successor = {
            let cache = Arc::clone(&cache);
            thread::spawn(move || match cache.join(Need::Due) {
                Some(Joined { start: Some((mut fetch, _)), .. }) if fetch.take_over() => {
                    fetch.end(Ending::Finished(fetched(1)));
                    true
                }
                _ => false,
            })
        };
        block_on(first.waiter.ended());
        let is_superseded = successor.join().unwrap();
        late.join().unwrap();
        let kid = key(&cache).unwrap().key_id().map(str::to_owned);
        assert_eq!(kid == Some(second_kid()), is_superseded);
        let (status, failed) = (cache.status(true), u64::from(is_superseded));
        assert_eq!((status.fetches.fetched, status.fetches.failed, status.failures), (1, failed, 0));
        assert!(cache.join(Need::Due).is_none(), "nothing is under way, and nothing is due");
    });
}

/// Of many who come after the limit, one starts the next fetch, and the end of the abandoned one's task changes nothing.
#[test]
fn f16_an_abandoned_fetch_is_superseded_by_one() {
    explore(|| {
        let (cache, clock) = cache();
        let abandoned = cache.join(Need::Due).unwrap();
        clock.advance(KeyPolicy::default().fetch_timeout);
        let started = Arc::new(AtomicUsize::new(0));
        let request = |_| {
            let (cache, started) = (Arc::clone(&cache), Arc::clone(&started));
            thread::spawn(move || {
                // The other one may have been quick.
                let Some(mut joined) = cache.join(Need::Due) else { return assert!(key(&cache).is_some()) };
                if let Some((mut fetch, _)) = joined.start.take() {
                    started.fetch_add(1, Ordering::SeqCst);
                    assert!(fetch.take_over());
                    thread::spawn(move || fetch.end(Ending::Finished(fetched(1))));
                }
                assert_eq!(block_on(joined.waiter.ended()), Wakeup::Ended);
                assert!(key(&cache).is_some());
            })
        };
        let requests = [0, 1].map(request);
        for request in requests {
            request.join().unwrap();
        }
        // Its runtime ends at last.
        drop(abandoned);
        assert_eq!(started.load(Ordering::SeqCst), 1);
        assert_eq!((cache.status(true).fetches.fetched, cache.status(true).failures), (1, 0));
    });
}
