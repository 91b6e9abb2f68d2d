//! Our own API: what runs in the child process and is measured.

use std::io::{self, BufRead, Write};
use std::num::NonZeroUsize;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use clap::Args;
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use tower_bearer::{Issuer, KeyPolicy, ResourceServer};

use super::answers::REASON_FIELD;
use super::pin;
use crate::clock;
use crate::outcome::{Failure, Outcome};

/// Serves an API behind the layer until standard input ends. Started by `load`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServeApi {
    #[arg(long)]
    pub(super) issuer: String,
    #[arg(long)]
    pub(super) audience: String,
    #[arg(long)]
    pub(super) threads: NonZeroUsize,
    /// How long a key set is current when the issuer does not say.
    #[arg(long)]
    pub(super) key_lifetime_ms: u64,
    /// Stays on the first cores.
    #[arg(long)]
    pub(super) pin: bool,
    #[arg(long)]
    pub(super) without_layer: bool,
    #[arg(long)]
    pub(super) without_cache: bool,
}

/// The first line that it prints.
#[derive(Deserialize, Serialize)]
pub(super) struct Started {
    pub(super) url: String,
}

/// The line that it prints for each line that it reads: what it needed so far.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(super) struct Usage {
    /// Of all its threads. `None` where the system does not tell.
    pub(super) cpu: Option<Duration>,
    /// The most memory that it had at any time.
    pub(super) peak_memory_bytes: Option<u64>,
}

impl ServeApi {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        if self.pin {
            pin::to_cores(0..self.threads.get())?;
        }
        let mut runtime = match self.threads.get() {
            1 => tokio::runtime::Builder::new_current_thread(),
            threads => {
                let mut runtime = tokio::runtime::Builder::new_multi_thread();
                runtime.worker_threads(threads);
                runtime
            }
        };
        runtime.enable_all().build()?.block_on(self.serve())
    }

    async fn serve(self) -> Result<Outcome, Failure> {
        let app = self.app()?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        print_line(&Started { url: format!("http://{}/", listener.local_addr()?) })?;
        std::thread::spawn(answer_lines);
        // Ctrl-C in a terminal is for every process in it; the one that measures ends this one when it has its figures.
        tokio::spawn(async { while tokio::signal::ctrl_c().await.is_ok() {} });
        let listener = listener.tap_io(|stream| {
            // Without it an answer waits for the acknowledgement of the one before. A socket that refuses is slow.
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, app).await?;
        Ok(Outcome::Good)
    }

    fn app(&self) -> Result<Router, Failure> {
        let app = Router::new().route("/", get(async || "ok"));
        if self.without_layer {
            return Ok(app);
        }
        let policy = KeyPolicy::default().lifetime(Duration::from_millis(self.key_lifetime_ms));
        let issuer = Issuer::new(&self.issuer).key_policy(policy);
        // For the generator, which does not decide by texts. Nothing is added to what accepted requests cost.
        let builder =
            ResourceServer::builder().audience(&self.audience).issuer(issuer).on_refusal(|error, mut response| {
                response.headers_mut().insert(REASON_FIELD, HeaderValue::from_static(error.reason()));
                response
            });
        let builder = if self.without_cache { builder.token_cache_bytes(0) } else { builder };
        let server = builder.build().map_err(|error| Failure::Run(error.to_string()))?;
        Ok(app.route_layer(server.layer()))
    }
}

/// Tells the use of CPU and memory for each line, and ends the process with the input: whoever started this one is
/// gone.
fn answer_lines() {
    for line in io::stdin().lock().lines() {
        if line.is_err() || print_line(&usage()).is_err() {
            break;
        }
    }
    std::process::exit(0);
}

fn print_line(what: &impl Serialize) -> io::Result<()> {
    let line = serde_json::to_string(what)?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

fn usage() -> Usage {
    Usage { cpu: clock::cpu_time(), peak_memory_bytes: peak_memory_bytes() }
}

/// `VmHWM` of proc(5), on Linux.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}
