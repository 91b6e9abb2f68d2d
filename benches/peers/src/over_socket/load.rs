//! The load: `tower-bearer load`, in a process of its own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::NamedTempFile;

use super::server::Server;
use super::{SERVER_CORE, Tokens};
use crate::processor::CoreTime;

const CONNECTIONS: &str = "32";
const WARM_UP: Duration = Duration::from_millis(200);

/// The program, and what it sends.
pub(super) struct Load {
    program: PathBuf,
    one_token: NamedTempFile,
    distinct_tokens: NamedTempFile,
    distinct: usize,
    duration: Duration,
}

/// What was measured in one run.
#[derive(Clone)]
pub(super) struct Figures {
    pub(super) requests_per_second: f64,
    /// How much of a second the server computed for.
    pub(super) cpu_share: f64,
    /// How much of the time its core had something to do.
    pub(super) busy: f64,
    /// How much of both cores' time the machine's host took.
    pub(super) stolen: f64,
}

impl Figures {
    pub(super) fn cpu_microseconds(&self) -> f64 {
        self.cpu_share * 1e6 / self.requests_per_second
    }
}

impl Load {
    pub(super) fn new(one_token: &str, distinct_tokens: &[String], duration: Duration) -> Self {
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
            duration,
        }
    }

    pub(super) fn run(&self, server: &Server, tokens: Tokens) -> Figures {
        let (profile, file) = match tokens {
            Tokens::One => ("reused", &self.one_token),
            Tokens::Distinct => ("unique", &self.distinct_tokens),
        };
        let process = Command::new(&self.program)
            .args(["load", "--quiet", "--json", "-", "--connections", CONNECTIONS, "--profile", profile])
            .args(["--pool", &self.distinct.to_string(), "--busy-wait"])
            .args(["--url", &format!("http://{}/leads", server.address)])
            .args(["--duration", &milliseconds(self.duration), "--warm-up", &milliseconds(WARM_UP)])
            .arg("--tokens")
            .arg(file.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (cpu_share, busy) = watch(server, self.duration.mul_f64(0.8));
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "the load ended with {}", output.status);

        let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
        let figures = &figures["profiles"][0];
        assert_eq!(figures["wrong_answers"], 0, "{figures}");
        let requests_per_second = figures["requests_per_second"].as_f64().unwrap();
        if let Tokens::Distinct = tokens {
            let sent = requests_per_second * (WARM_UP + self.duration).as_secs_f64();
            let distinct = f64::from(u32::try_from(self.distinct).unwrap());
            assert!(sent < distinct, "{sent:.0} requests were sent with {distinct} tokens");
        }
        Figures { requests_per_second, cpu_share, busy, stolen: 0.0 }
    }
}

/// How much of so much time the server computed, and how much of it its core was not idle, once the load is there.
fn watch(server: &Server, time: Duration) -> (f64, f64) {
    let before = server.cpu_time();
    while server.cpu_time() < before + WARM_UP / 4 {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(WARM_UP / 2);
    let (start, cpu_time, core) = (Instant::now(), server.cpu_time(), CoreTime::of_core(SERVER_CORE));
    std::thread::sleep(time);
    let computed = (server.cpu_time() - cpu_time).as_secs_f64() / start.elapsed().as_secs_f64();
    (computed, CoreTime::of_core(SERVER_CORE).busy_since(&core))
}

fn milliseconds(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
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
