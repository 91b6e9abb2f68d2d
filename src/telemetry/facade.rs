//! The facade `metrics`, or without the feature of that name the same interface doing nothing: what is counted is
//! written once, and no caller needs a `cfg`.
//!
//! No handle is kept: a recorder may be installed after the resource server was built, and a handle taken before that
//! would never reach it.

#[cfg(feature = "metrics")]
pub(super) use self::recording::{Gauge, Key, Label, RECORDS, SharedString, counter, gauge, histogram};
#[cfg(not(feature = "metrics"))]
pub(super) use self::silent::{Gauge, Key, Label, RECORDS, SharedString, counter, gauge, histogram};

/// Counts a request as waiting, for as long as it lives, on the gauge of the recorder that was there when it began.
pub(crate) struct Waiting(Gauge);

impl Waiting {
    pub(super) fn on(gauge: Gauge) -> Self {
        gauge.increment(1);
        Self(gauge)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

#[cfg(feature = "metrics")]
mod recording {
    pub(in super::super) use metrics::{Counter, Gauge, Histogram, Key, Label, SharedString};
    use metrics::{Level, Metadata, with_recorder};

    /// Whether anything can be recorded.
    pub(in super::super) const RECORDS: bool = true;

    static METADATA: Metadata<'_> = Metadata::new("tower_bearer", Level::INFO, Some("tower_bearer"));

    pub(in super::super) fn counter(key: &Key) -> Counter {
        with_recorder(|recorder| recorder.register_counter(key, &METADATA))
    }

    pub(in super::super) fn gauge(key: &Key) -> Gauge {
        with_recorder(|recorder| recorder.register_gauge(key, &METADATA))
    }

    pub(in super::super) fn histogram(key: &Key) -> Histogram {
        with_recorder(|recorder| recorder.register_histogram(key, &METADATA))
    }
}

#[cfg(not(feature = "metrics"))]
mod silent {
    use std::sync::Arc;

    pub(in super::super) const RECORDS: bool = false;

    pub(in super::super) struct Key;
    #[derive(Clone)]
    pub(in super::super) struct Label;
    #[derive(Clone)]
    pub(in super::super) struct SharedString;
    pub(in super::super) struct Counter;
    pub(in super::super) struct Gauge;
    pub(in super::super) struct Histogram;

    impl Key {
        pub(in super::super) const fn from_static_name(_: &'static str) -> Self {
            Self
        }

        pub(in super::super) const fn from_static_parts(_: &'static str, _: &'static [Label]) -> Self {
            Self
        }

        pub(in super::super) fn from_parts(_: &'static str, _: Vec<Label>) -> Self {
            Self
        }
    }

    impl Label {
        pub(in super::super) const fn from_static_parts(_: &'static str, _: &'static str) -> Self {
            Self
        }

        pub(in super::super) fn new<V>(_: &'static str, _: V) -> Self {
            Self
        }
    }

    impl SharedString {
        pub(in super::super) const fn const_str(_: &'static str) -> Self {
            Self
        }

        pub(in super::super) fn from_shared(_: Arc<str>) -> Self {
            Self
        }
    }

    impl Counter {
        pub(in super::super) const fn increment(&self, _: u64) {}
    }

    impl Gauge {
        pub(in super::super) fn set<T>(&self, _: T) {}

        pub(in super::super) const fn increment(&self, _: u32) {}

        pub(in super::super) const fn decrement(&self, _: u32) {}
    }

    impl Histogram {
        pub(in super::super) fn record<T>(&self, _: T) {}
    }

    pub(in super::super) const fn counter(_: &Key) -> Counter {
        Counter
    }

    pub(in super::super) const fn gauge(_: &Key) -> Gauge {
        Gauge
    }

    pub(in super::super) const fn histogram(_: &Key) -> Histogram {
        Histogram
    }
}
