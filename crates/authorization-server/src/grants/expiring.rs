//! Entries with an end, and a bound on how many there are.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use tower_bearer::time::UnixTime;

/// A map whose entries end at their time, and before it, oldest first, when there are too many.
pub(crate) struct Expiring<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// Keys as they came; those of removed entries stay until they are in front, or too many.
    order: VecDeque<K>,
    capacity: usize,
}

struct Entry<V> {
    value: V,
    ends: UnixTime,
}

impl<K: Copy + Eq + Hash, V> Expiring<K, V> {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), capacity }
    }

    /// Adds an entry under a key that is new, since keys are random or counted.
    pub(crate) fn insert(&mut self, key: K, value: V, ends: UnixTime, now: UnixTime) {
        while let Some(oldest) = self.order.front() {
            let has_ended = self.entries.get(oldest).is_none_or(|entry| entry.ends <= now);
            if !has_ended && self.entries.len() < self.capacity {
                break;
            }
            self.entries.remove(oldest);
            self.order.pop_front();
        }
        if self.order.len() > self.capacity.saturating_mul(2) {
            self.order.retain(|key| self.entries.contains_key(key));
        }
        self.entries.insert(key, Entry { value, ends });
        self.order.push_back(key);
    }

    /// Adds an entry if there is capacity without evicting others before they end; returns whether there was.
    pub(crate) fn insert_if_room(&mut self, key: K, value: V, ends: UnixTime, now: UnixTime) -> bool {
        if self.entries.len() >= self.capacity {
            self.entries.retain(|_, entry| now < entry.ends);
            self.order.retain(|key| self.entries.contains_key(key));
        }
        let has_room = self.entries.len() < self.capacity;
        if has_room {
            self.insert(key, value, ends, now);
        }
        has_room
    }

    pub(crate) fn get(&self, key: K, now: UnixTime) -> Option<&V> {
        self.entries.get(&key).filter(|entry| now < entry.ends).map(|entry| &entry.value)
    }

    /// Those that have not ended, in the order in which they came.
    pub(crate) fn iter(&self, now: UnixTime) -> impl Iterator<Item = (K, &V)> {
        self.order.iter().filter_map(move |key| Some((*key, self.get(*key, now)?)))
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.entries.get_mut(&key).map(|entry| &mut entry.value)
    }

    /// Moves the end of an entry to a later time; an earlier one changes nothing.
    pub(crate) fn extend(&mut self, key: K, ends: UnixTime) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.ends = entry.ends.max(ends);
        }
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        self.entries.remove(&key).map(|entry| entry.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    #[test]
    fn entries_end_at_their_time() {
        let mut map = Expiring::with_capacity(10);
        map.insert(1, "one", at(10), at(0));
        assert_eq!(map.get(1, at(9)), Some(&"one"));
        assert_eq!(map.get(1, at(10)), None);
        map.extend(1, at(20));
        map.extend(1, at(5));
        assert_eq!(map.get(1, at(19)), Some(&"one"));
        map.insert(2, "two", at(30), at(20));
        assert_eq!((map.entries.len(), map.order.len()), (1, 1));
    }

    #[test]
    fn the_oldest_make_room() {
        let mut map = Expiring::with_capacity(3);
        for key in 0..5 {
            map.insert(key, key, at(100), at(0));
        }
        let live: Vec<_> = (0..5).filter(|key| map.get(*key, at(0)).is_some()).collect();
        assert_eq!(live, [2, 3, 4]);
    }

    #[test]
    fn nothing_makes_room_for_what_must_not_push_others_out() {
        let mut map = Expiring::with_capacity(2);
        assert!(map.insert_if_room(1, (), at(100), at(0)));
        assert!(map.insert_if_room(2, (), at(10), at(0)));
        assert!(!map.insert_if_room(3, (), at(100), at(9)));
        assert!(map.get(1, at(9)).is_some() && map.get(2, at(9)).is_some() && map.get(3, at(9)).is_none());
        // One behind a longer one has ended.
        assert!(map.insert_if_room(3, (), at(100), at(10)));
        assert!(map.get(1, at(10)).is_some() && map.get(3, at(10)).is_some());
        assert_eq!((map.entries.len(), map.order.len()), (2, 2));
    }

    #[test]
    fn keys_of_removed_entries_do_not_pile_up() {
        let mut map = Expiring::with_capacity(3);
        for key in 0..1_000 {
            map.insert(key, key, at(100), at(0));
            if key > 0 {
                assert_eq!(map.remove(key), Some(key));
            }
        }
        assert!(map.order.len() <= 7 && map.get(0, at(0)).is_some());
    }
}
