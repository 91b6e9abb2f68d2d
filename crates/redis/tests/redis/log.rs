//! What the crate logs on the thread of a test: its task runs on the same one.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::Once;

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

thread_local! {
    static LINES: RefCell<String> = const { RefCell::new(String::new()) };
}

/// From now on, what this thread logs is kept.
pub(crate) fn capture() {
    static SUBSCRIBER: Once = Once::new();
    SUBSCRIBER.call_once(|| {
        let ours = Targets::new().with_target("tower_bearer", tracing::Level::TRACE);
        let ours =
            ours.with_target("tower_bearer_redis", tracing::Level::TRACE).with_target("redis", tracing::Level::TRACE);
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| ThreadLog).with_filter(ours);
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
        tracing::callsite::rebuild_interest_cache();
    });
    LINES.take();
}

/// What was logged so far.
pub(crate) fn lines() -> String {
    LINES.with_borrow(Clone::clone)
}

struct ThreadLog;

impl Write for ThreadLog {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.push_str(&String::from_utf8_lossy(text)));
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
