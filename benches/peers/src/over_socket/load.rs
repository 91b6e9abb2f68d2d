//! The load: processes of `tower-bearer load` that stand still until it is their turn.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::NamedTempFile;

use super::server::{Process, Server};
use super::{SERVER_CORE, Tokens};
use crate::processor::CoreTime;

const CONNECTIONS: u32 = 32;

/// What is on its way when a load is stopped has been answered then.
const DRAIN: Duration = Duration::from_millis(10);

/// How the program ends when it is interrupted.
const INTERRUPTED: i32 = 130;

/// The program, and what it sends.
pub(super) struct Load {
    program: PathBuf,
    one_token: NamedTempFile,
    distinct_tokens: NamedTempFile,
    distinct: usize,
}

impl Load {
    pub(super) fn new(one_token: &str, distinct_tokens: &[String]) -> Self {
        let file = |tokens: &[String]| {
            let mut file = NamedTempFile::new().unwrap();
            file.write_all(tokens.join("\n").as_bytes()).unwrap();
            file
        };
        Self {
            program: program(),
            one_token: file(&[one_token.to_owned()]),
            distinct_tokens: file(distinct_tokens),
            distinct: distinct_tokens.len(),
        }
    }

    /// Has the server compute for so long that it is warm, and stands still then.
    pub(super) fn start(&self, server: Server, tokens: Tokens, warm: Duration) -> Contender {
        let (profile, file, limit) = match tokens {
            Tokens::One => ("reused", &self.one_token, None),
            Tokens::Distinct => ("unique", &self.distinct_tokens, Some(self.distinct)),
        };
        let cold = server.cpu_time();
        let warm_up = 2 * warm + Duration::from_secs(1);
        let load = Command::new(&self.program)
            .args(["load", "--quiet", "--json", "-", "--connections", &CONNECTIONS.to_string(), "--busy-wait"])
            .args(["--profile", profile, "--url", &format!("http://{}/leads", server.address)])
            // It is interrupted long before.
            .args(["--duration", "1h", "--warm-up", &format!("{}ms", warm_up.as_millis())])
            .arg("--tokens")
            .arg(file.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let load = Process(load);
        let computed = |time| {
            while server.cpu_time() < cold + time {
                std::thread::sleep(Duration::from_millis(2));
            }
            Instant::now()
        };
        let begun = computed(Duration::from_millis(1));
        let took = computed(warm) - begun;
        signal(&load, Signal::STOP);
        assert!(took < warm_up, "the load counted before the server was warm, which took {took:?}");
        std::thread::sleep(DRAIN);
        let warmed = server.cpu_time();
        Contender { server, load, limit, cold, warmed, counts: Instant::now() + warm_up, turns: Turns::default() }
    }
}

/// A server and its load.
pub(super) struct Contender {
    server: Server,
    load: Process,
    /// How many requests may be made of it; `None` where the same comes again and again.
    limit: Option<usize>,
    /// The server's processor time before and after it was made warm.
    cold: Duration,
    warmed: Duration,
    /// When the load's warm-up has ended: what it sends then is counted.
    counts: Instant,
    turns: Turns,
}

/// What passed in all turns of one.
#[derive(Default)]
struct Turns {
    number: u32,
    time: Duration,
    core: CoreTime,
}

/// What was measured in one round.
pub(super) struct Figures {
    pub(super) requests_per_second: f64,
    pub(super) cpu_microseconds: f64,
    /// How much of the time the server's core had something to do.
    pub(super) busy: f64,
    /// How much of the server's core's time the machine's host took.
    pub(super) stolen: f64,
}

impl Contender {
    /// Sends for so long, and stands still again.
    pub(super) fn take_turn(&mut self, time: Duration) {
        std::thread::sleep(self.counts.saturating_duration_since(Instant::now()));
        let (start, core) = (Instant::now(), CoreTime::of(Some(SERVER_CORE)));
        signal(&self.load, Signal::CONT);
        std::thread::sleep(time);
        signal(&self.load, Signal::STOP);
        self.turns.number += 1;
        self.turns.time += start.elapsed();
        self.turns.core += CoreTime::of(Some(SERVER_CORE)) - core;
        std::thread::sleep(DRAIN);
    }

    pub(super) fn finish(mut self) -> Figures {
        signal(&self.load, Signal::INT);
        signal(&self.load, Signal::CONT);
        let mut figures = String::new();
        self.load.0.stdout.take().unwrap().read_to_string(&mut figures).unwrap();
        assert_eq!(self.load.0.wait().unwrap().code(), Some(INTERRUPTED), "the load ended by itself");

        let figures: Value = serde_json::from_str(&figures).unwrap();
        let figures = &figures["profiles"][0];
        assert_eq!(figures["wrong_answers"], 0, "{figures}");
        let requests = figures["requests"].as_f64().unwrap();
        let cpu_time = (self.server.cpu_time() - self.warmed).as_secs_f64();
        if let Some(limit) = self.limit {
            let sent = requests * (1.0 + (self.warmed - self.cold).as_secs_f64() / cpu_time);
            assert!(sent < f64::from(u32::try_from(limit).unwrap()), "{sent:.0} were sent of {limit} tokens");
        }
        let Turns { number, time, core } = self.turns;
        // Those on their way when a turn ended were answered after it.
        let in_turns = requests - f64::from(number * CONNECTIONS);
        Figures {
            requests_per_second: in_turns / time.as_secs_f64(),
            cpu_microseconds: cpu_time * 1e6 / requests,
            busy: core.busy(),
            stolen: core.stolen(),
        }
    }
}

fn signal(process: &Process, signal: Signal) {
    kill_process(Pid::from_child(&process.0), signal).unwrap();
}

fn program() -> PathBuf {
    if let Some(program) = std::env::var_os("TOWER_BEARER") {
        return program.into();
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let program = repository.join("target/release/tower-bearer");
    assert!(program.exists(), "the load generator is missing: cargo build --release --package tower-bearer-cli, in the repository");
    program
}
