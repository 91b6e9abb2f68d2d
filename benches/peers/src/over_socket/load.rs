//! The load: processes of `tower-bearer load` that stand still until it is their turn.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::NamedTempFile;

use super::server::Server;
use super::{SERVER_CORE, Tokens};
use crate::processor::CoreTime;

const CONNECTIONS: &str = "32";

/// The load counts nothing for so much longer than the server takes to be warm.
const MARGIN: Duration = Duration::from_millis(300);

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
        let load = Command::new(&self.program)
            .args(["load", "--quiet", "--json", "-", "--connections", CONNECTIONS, "--profile", profile])
            .args(["--pool", &self.distinct.to_string(), "--busy-wait"])
            .args(["--url", &format!("http://{}/leads", server.address)])
            // It is interrupted long before.
            .args(["--duration", "1h", "--warm-up", &format!("{}ms", (warm + MARGIN).as_millis())])
            .arg("--tokens")
            .arg(file.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let contender = Contender { server, load, limit, warm, turns: Turns::default() };
        while contender.server.cpu_time() < cold + warm {
            std::thread::sleep(Duration::from_millis(2));
        }
        contender.signal(Signal::STOP);
        // What it counts begins while it stands still.
        std::thread::sleep(MARGIN);
        contender
    }
}

/// A server and its load.
pub(super) struct Contender {
    server: Server,
    load: Child,
    /// How many requests may be made of it; `None` where the same comes again and again.
    limit: Option<usize>,
    /// How long the server computed before its first turn.
    warm: Duration,
    turns: Turns,
}

/// What passed in all turns of one.
#[derive(Default)]
struct Turns {
    time: Duration,
    cpu_time: Duration,
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
        let cpu_time = self.server.cpu_time();
        self.signal(Signal::CONT);
        let (start, core) = (Instant::now(), CoreTime::of(Some(SERVER_CORE)));
        std::thread::sleep(time);
        self.turns.core += CoreTime::of(Some(SERVER_CORE)) - core;
        self.turns.time += start.elapsed();
        self.signal(Signal::STOP);
        // What is on its way is answered.
        std::thread::sleep(Duration::from_millis(2));
        self.turns.cpu_time += self.server.cpu_time() - cpu_time;
    }

    pub(super) fn finish(self) -> Figures {
        self.signal(Signal::INT);
        self.signal(Signal::CONT);
        let output = self.load.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(INTERRUPTED), "the load ended by itself");

        let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
        let figures = &figures["profiles"][0];
        assert_eq!(figures["wrong_answers"], 0, "{figures}");
        let requests = figures["requests"].as_f64().unwrap();
        let Turns { time, cpu_time, core } = self.turns;
        if let Some(limit) = self.limit {
            let before_turns = requests * self.warm.as_secs_f64() / cpu_time.as_secs_f64();
            let sent = requests + before_turns;
            assert!(sent < f64::from(u32::try_from(limit).unwrap()), "{sent:.0} were sent of {limit} tokens");
        }
        Figures {
            requests_per_second: requests / time.as_secs_f64(),
            cpu_microseconds: cpu_time.as_secs_f64() * 1e6 / requests,
            busy: core.busy(),
            stolen: core.stolen(),
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.load), signal).unwrap();
    }
}

fn program() -> PathBuf {
    if let Some(program) = std::env::var_os("TOWER_BEARER") {
        return program.into();
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let program = repository.join("target/release/tower-bearer");
    assert!(program.exists(), "the load generator is missing: cargo build --release --features cli, in the repository");
    program
}
