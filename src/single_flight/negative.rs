//! Names that were looked up without success.

use std::time::Duration;

/// A bounded memory of unsuccessful lookups. Its hash is keyed, because the names come from tokens.
pub(crate) struct NegativeMemory<V> {
    entries: moka::sync::Cache<Box<str>, Entry<V>>,
}

#[derive(Clone, Copy)]
struct Entry<V> {
    at: Duration,
    value: V,
}

impl<V: Copy + Send + Sync + 'static> NegativeMemory<V> {
    /// Remembers up to `capacity` names.
    pub(crate) fn new(capacity: u64) -> Self {
        Self { entries: moka::sync::Cache::new(capacity) }
    }

    pub(crate) fn insert(&self, name: &str, at: Duration, value: V) {
        self.entries.insert(name.into(), Entry { at, value });
    }

    /// What is known about a name, and for how much longer. `retention` is how long a value counts from its insertion.
    pub(crate) fn get(
        &self,
        name: &str,
        now: Duration,
        retention: impl FnOnce(V) -> Duration,
    ) -> Option<(V, Duration)> {
        let Entry { at, value } = self.entries.get(name)?;
        let left = retention(value).saturating_sub(now.saturating_sub(at));
        (!left.is_zero()).then_some((value, left))
    }
}
