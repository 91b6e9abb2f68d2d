//! Threads that send, each with its connections and a runtime of its own.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::LocalSet;

use super::answers::{Reply, Sent};
use super::connect::Connector;
use super::figures::Figures;
use super::http1::Http1;
use super::http2::Http2;
use super::pace::{Pace, Schedule};
use super::pin;
use super::target::Target;
use super::traffic::{Position, Traffic};
use crate::clock;

/// How long answers may take beyond the end of the run.
const GRACE: Duration = Duration::from_secs(3);
/// How often a thread looks whether the run is over.
const WATCH_INTERVAL: Duration = Duration::from_millis(50);
/// Before a refused connection is tried again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(20);

/// How a run is driven.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) target: Target,
    pub(super) traffic: Arc<Traffic>,
    pub(super) schedule: Schedule,
    /// Of the timeline.
    pub(super) part: Duration,
    pub(super) threads: usize,
    /// Of all threads together, and requests under way on each.
    pub(super) connections: usize,
    pub(super) streams: usize,
    /// The core of the first thread; the others have those after it.
    pub(super) first_core: Option<usize>,
    /// Requests a second of all threads together.
    pub(super) rate: Option<u32>,
    pub(super) busy_wait: bool,
}

/// A run under way.
pub(super) struct Run {
    threads: Vec<JoinHandle<io::Result<Figures>>>,
    answered: Vec<Arc<AtomicU64>>,
    stop: Arc<AtomicBool>,
}

impl Plan {
    pub(super) fn start(&self) -> io::Result<Run> {
        let stop = Arc::new(AtomicBool::new(false));
        let answered: Vec<_> = (0..self.threads).map(|_| Arc::new(AtomicU64::new(0))).collect();
        let mut threads = Vec::new();
        for (number, answered) in answered.iter().enumerate() {
            let (plan, answered, stop) = (self.clone(), Arc::clone(answered), Arc::clone(&stop));
            let run = move || plan.drive(number, answered, stop);
            threads.push(thread::Builder::new().name(format!("load-{number}")).spawn(run)?);
        }
        Ok(Run { threads, answered, stop })
    }

    fn drive(&self, thread: usize, answered: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> io::Result<Figures> {
        if let Some(first) = self.first_core {
            pin::to_cores(first + thread..first + thread + 1)?;
        }
        let threads = u32::try_from(self.threads).unwrap_or(1);
        let interval = self.rate.map(|rate| Duration::from_secs(1).saturating_mul(threads) / rate);
        let driver = Rc::new(Driver {
            target: self.target.clone(),
            traffic: Arc::clone(&self.traffic),
            pace: Pace::new(self.schedule, interval),
            schedule: self.schedule,
            part: self.part,
            position: RefCell::new(self.traffic.position(thread, self.threads)),
            figures: RefCell::new(Figures::new().map_err(io::Error::other)?),
            under_way: [Cell::new(0), Cell::new(0)],
            answered,
            stop,
        });
        // Connections are dealt out, so that none is lost when they cannot be shared evenly.
        let connections = self.connections / self.threads + usize::from(thread < self.connections % self.threads);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let tasks = LocalSet::new();
        let sending = async {
            let mut senders = Vec::new();
            for _ in 0..connections {
                let shared = Rc::new(tokio::sync::Mutex::new(None));
                for _ in 0..self.streams {
                    senders.push(tokio::task::spawn_local(Rc::clone(&driver).send(Rc::clone(&shared))));
                }
            }
            for sender in senders {
                // Nothing panics there; if it did, its requests would be missing and nothing else.
                let _ = sender.await;
            }
        };
        let in_time = tasks.block_on(&runtime, async {
            tokio::select! {
                () = sending => true,
                () = driver.patience() => false,
                never = busy_wait(), if self.busy_wait => match never {},
            }
        });
        let mut figures = driver.figures.borrow().clone();
        if !in_time {
            for (sent, count) in [Sent::Good, Sent::Bad].into_iter().zip(&driver.under_way) {
                for _ in 0..count.get() {
                    figures.record(sent, Reply::Lost("no answer"), Duration::ZERO, driver.part_at(self.schedule.ends));
                }
            }
        }
        figures.not_sent = driver.pace.not_sent();
        Ok(figures)
    }
}

/// Keeps this thread from going to sleep.
async fn busy_wait() -> Infallible {
    loop {
        tokio::task::yield_now().await;
    }
}

impl Run {
    /// How many requests were answered so far, warm-up included.
    pub(super) fn answered(&self) -> u64 {
        self.answered.iter().map(|answered| answered.load(Ordering::Relaxed)).sum()
    }

    /// Sends nothing more.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_finished(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// What was measured, when all threads have ended.
    pub(super) fn figures(self) -> io::Result<Figures> {
        let mut figures = Figures::new().map_err(io::Error::other)?;
        for thread in self.threads {
            figures.merge(thread.join().map_err(|_| io::Error::other("a thread that sends has failed"))??);
        }
        Ok(figures)
    }
}

/// What the connections of one thread share.
struct Driver {
    target: Target,
    traffic: Arc<Traffic>,
    pace: Pace,
    schedule: Schedule,
    part: Duration,
    position: RefCell<Position>,
    figures: RefCell<Figures>,
    /// Good and bad requests without an answer yet.
    under_way: [Cell<u64>; 2],
    answered: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

/// A connection, or one stream of it.
enum Connection {
    Http1(Http1),
    Http2(Http2),
}

impl Driver {
    /// Sends one request after the other until the end.
    async fn send(self: Rc<Self>, shared: Rc<tokio::sync::Mutex<Option<Http2>>>) {
        let mut connection: Option<Connection> = None;
        while let Some(due) = self.pace.turn().await {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let (sent, request) = self.traffic.next(&mut self.position.borrow_mut());
            let under_way = match sent {
                Sent::Good => &self.under_way[0],
                Sent::Bad => &self.under_way[1],
            };
            under_way.set(under_way.get() + 1);
            let is_used = connection.is_some();
            let mut outcome =
                self.ask(&mut connection, &shared, request).await.map(|reply| self.record(sent, reply, due));
            if outcome.is_err() && is_used {
                // The server may close a connection between two requests (RFC 9112 §9.3.1): once more on a new one.
                connection = None;
                outcome = self.ask(&mut connection, &shared, request).await.map(|reply| self.record(sent, reply, due));
            }
            under_way.set(under_way.get().saturating_sub(1));
            if let Err(error) = outcome {
                connection = None;
                self.record(sent, Reply::Lost(why(&error)), due);
                tokio::time::sleep(RECONNECT_PAUSE).await;
            }
        }
    }

    /// Ends when the run has, and answers had their time to come after that.
    async fn patience(&self) {
        while !self.stop.load(Ordering::Relaxed) && clock::now() < self.schedule.ends {
            tokio::time::sleep(WATCH_INTERVAL).await;
        }
        tokio::time::sleep(GRACE).await;
    }

    async fn ask<'a>(
        &self,
        connection: &'a mut Option<Connection>,
        shared: &tokio::sync::Mutex<Option<Http2>>,
        request: &Bytes,
    ) -> io::Result<Reply<'a>> {
        if connection.as_ref().is_some_and(|connection| !connection.is_reusable()) {
            *connection = None;
        }
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(self.connect(shared).await?),
        };
        match connection {
            Connection::Http1(connection) => connection.send(request).await,
            Connection::Http2(connection) => connection.send(request).await,
        }
    }

    async fn connect(&self, shared: &tokio::sync::Mutex<Option<Http2>>) -> io::Result<Connection> {
        let connector: &Connector = &self.target.connector;
        if !self.target.is_http2 {
            return Ok(Connection::Http1(Http1::new(connector.connect().await?, self.target.is_own_api)));
        }
        let mut shared = shared.lock().await;
        if let Some(open) = shared.as_ref().filter(|open| open.is_reusable()) {
            return Ok(Connection::Http2(open.clone()));
        }
        let open = Http2::new(connector.connect().await?, self.target.uri.clone(), self.target.is_own_api).await?;
        Ok(Connection::Http2(shared.insert(open).clone()))
    }

    fn record(&self, sent: Sent, reply: Reply<'_>, due: Instant) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        if due < self.schedule.measured_from {
            return;
        }
        let now = clock::now();
        self.figures.borrow_mut().record(sent, reply, now.saturating_duration_since(due), self.part_at(now));
    }

    /// Which part of the timeline this is; the last one takes what came late.
    fn part_at(&self, time: Instant) -> usize {
        let parts = |until: Instant| {
            let nanos = until.saturating_duration_since(self.schedule.measured_from).as_nanos();
            usize::try_from(nanos / self.part.as_nanos().max(1)).unwrap_or(usize::MAX)
        };
        parts(time).min(parts(self.schedule.ends).saturating_sub(1))
    }
}

impl Connection {
    fn is_reusable(&self) -> bool {
        match self {
            Self::Http1(connection) => connection.is_reusable(),
            Self::Http2(connection) => connection.is_reusable(),
        }
    }
}

/// In a few fixed words, so that they can be counted.
fn why(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "connection reset",
        io::ErrorKind::UnexpectedEof => "connection closed",
        io::ErrorKind::InvalidData => "not an HTTP answer, or TLS failed",
        _ => "connection failed",
    }
}
