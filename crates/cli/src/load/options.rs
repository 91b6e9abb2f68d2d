//! The command line of `tower-bearer load`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};
use tower_bearer::jose::Algorithm;
use url::Url;

use super::profile::Profile;
use crate::mint::algorithm_parser;
use crate::outcome::Failure;

const EXAMPLES: &str = "\
Examples:
  Everything, against a server and an issuer of its own, with a report:
    tower-bearer load --profile all --duration 5s \\
      --json out.json --report out.html
  What the layer costs: the same API with and without it (compare CPU per request):
    tower-bearer load --profile reused
    tower-bearer load --profile reused --without-layer
  The same on two cores, with a load that the server need not wake:
    tower-bearer load --profile reused --pin --busy-wait
  Latency of good requests in a flood, at a rate well below what the server can do:
    tower-bearer load --profile bad-signature --rate 5000
  An API of yours on this machine, with tokens from its own issuer:
    TOWER_BEARER_CLIENT_SECRET=... tower-bearer load \\
      --url http://localhost:3000/leads --scope read:leads \\
      --issuer https://as.example.com --client-id load
  The same with tokens that you have:
    tower-bearer load \\
      --url http://localhost:3000/leads --tokens tokens.txt

Closed loop (the default): each connection sends its next request when the last one is answered, as fast as the server \
can; latencies are then those of a full queue.

Open loop (--rate): requests are due at fixed times, and latency counts from when a request was due, not from when a \
slow server let it be sent. For latencies, use --rate.

Exit codes:
  0    every answer was right
  1    some were wrong
  2    the command line is wrong
  3    it could not be run
  130  ended by Ctrl-C; the figures so far are reported";

/// Load-tests token checks.
///
/// Sends requests with good and bad tokens, checks every answer (a good token gets 200, a bad one the refusal that it
/// deserves), and reports requests per second, latencies, answers by reason, fetches made at the issuer, and what the
/// server needed of CPU and memory. The server is a process of its own, and so is told apart from the load.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
#[command(group = ArgGroup::new("own tokens").args(["issuer", "tokens"]).requires("url"))]
pub(crate) struct Load {
    /// The kind of load; repeatable, and `all` is all that the target allows.
    #[arg(long, value_name = "NAME", default_value = "reused")]
    pub(super) profile: Vec<Choice>,
    /// How long each profile is measured, such as `5s`.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = humantime::parse_duration)]
    pub(super) duration: Duration,
    /// How long each profile runs before it is measured.
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = humantime::parse_duration)]
    pub(super) warm_up: Duration,

    /// Open loop: so many requests a second, of good and bad ones together.
    #[arg(long, value_name = "N", help_heading = "How")]
    pub(super) rate: Option<u32>,
    /// Connections; closed loop unless --rate is given.
    #[arg(long, value_name = "N", default_value = "32", help_heading = "How")]
    pub(super) connections: NonZeroUsize,
    /// HTTP/2 instead of HTTP/1.1 (in the clear with prior knowledge, or agreed on with TLS).
    #[arg(long, help_heading = "How")]
    pub(super) http2: bool,
    /// Requests under way on each HTTP/2 connection.
    #[arg(long, value_name = "N", default_value = "1", requires = "http2", help_heading = "How")]
    pub(super) streams: NonZeroUsize,
    /// Threads that send.
    #[arg(long, value_name = "N", default_value = "1", help_heading = "How")]
    pub(super) threads: NonZeroUsize,
    /// Threads that send never sleep while they wait: each takes a whole core, and the server does not spend its time
    /// on waking them.
    #[arg(long, help_heading = "How")]
    pub(super) busy_wait: bool,
    /// How many of 100 requests of a flood are bad.
    #[arg(
        long,
        value_name = "PERCENT",
        default_value_t = 50,
        value_parser = clap::value_parser!(u8).range(1..=99),
        help_heading = "How"
    )]
    pub(super) bad_share: u8,
    /// How many different tokens `unique` sends before it starts again. Against an issuer: how many are asked of it.
    #[arg(long, value_name = "N", help_heading = "How")]
    pub(super) pool: Option<NonZeroUsize>,

    /// Threads of our own server.
    #[arg(long, value_name = "N", default_value = "1", conflicts_with = "url", help_heading = "Our own server")]
    pub(super) server_threads: NonZeroUsize,
    /// Keeps our server on the first cores, and each thread that sends on one of the cores after those (Linux).
    #[arg(long, conflicts_with = "url", help_heading = "Our own server")]
    pub(super) pin: bool,
    /// Our own API without the layer, for comparison: every request gets 200.
    #[arg(long, conflicts_with = "url", help_heading = "Our own server")]
    pub(super) without_layer: bool,
    /// The algorithm of the tokens.
    #[arg(
        long,
        value_name = "ALG",
        default_value = "RS256",
        value_parser = algorithm_parser(),
        conflicts_with = "url",
        help_heading = "Our own server"
    )]
    pub(super) algorithm: Algorithm,

    /// Another target than our own server: GET requests go there.
    #[arg(long, value_name = "URL", requires = "own tokens", help_heading = "Another server")]
    pub(super) url: Option<Url>,
    /// Tokens come from this issuer, by client credentials; its token endpoint is found by discovery.
    #[arg(long, value_name = "URL", requires = "client_id", help_heading = "Another server")]
    pub(super) issuer: Option<String>,
    /// The client that they are issued to.
    #[arg(long, value_name = "ID", requires = "issuer", help_heading = "Another server")]
    pub(super) client_id: Option<String>,
    /// Its secret. On the command line it would be seen by other users of this machine: it is read from the environment
    /// variable TOWER_BEARER_CLIENT_SECRET, or from this file.
    #[arg(long, value_name = "FILE", requires = "issuer", help_heading = "Another server")]
    pub(super) client_secret: Option<PathBuf>,
    /// The scope to ask for.
    #[arg(long, value_name = "SCOPES", requires = "issuer", help_heading = "Another server")]
    pub(super) scope: Option<String>,
    /// Tokens come from this file, one a line; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "issuer", help_heading = "Another server")]
    pub(super) tokens: Option<PathBuf>,
    /// Allows a target that is not on this machine. Load on a server of somebody else is an attack.
    #[arg(long, help_heading = "Another server")]
    pub(super) i_own_this_server: bool,

    /// Writes all figures as JSON; `-` is standard output, and the table is left out then.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) json: Option<PathBuf>,
    /// Writes a report with plots: one HTML file that needs nothing else.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) report: Option<PathBuf>,
    /// Shows no progress.
    #[arg(long, short, help_heading = "Output")]
    pub(super) quiet: bool,
}

/// A profile, or all of them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Choice {
    All,
    One(Profile),
}

impl ValueEnum for Choice {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::All,
            Self::One(Profile::Reused),
            Self::One(Profile::Unique),
            Self::One(Profile::BadSignature),
            Self::One(Profile::RandomKid),
            Self::One(Profile::Rotation),
            Self::One(Profile::Outage),
        ]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        match self {
            Self::All => Some(clap::builder::PossibleValue::new("all").help("Each of these in turn")),
            Self::One(profile) => profile.to_possible_value(),
        }
    }
}

impl Load {
    /// The profiles asked for, in order.
    ///
    /// # Errors
    ///
    /// When one of them was asked for by name and the target cannot have it, or a number makes no sense.
    pub(super) fn profiles(&self) -> Result<Vec<Profile>, Failure> {
        if self.duration.is_zero() {
            return Err(Failure::Usage("--duration is zero: nothing would be measured".to_owned()));
        }
        if self.rate == Some(0) {
            return Err(Failure::Usage("--rate is zero: nothing would be sent".to_owned()));
        }
        if self.threads > self.connections {
            return Err(Failure::Usage("there are more --threads than --connections".to_owned()));
        }
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        if self.pin && self.server_threads.get().saturating_add(self.threads.get()) > cores {
            return Err(Failure::Usage(format!("--pin: there are {cores} cores for --server-threads and --threads")));
        }
        // Without a layer nothing is refused, and no keys are used.
        let possible = |profile: Profile| {
            (self.url.is_none() || profile.event().is_none())
                && (!self.without_layer || matches!(profile, Profile::Reused | Profile::Unique))
        };
        let mut profiles = Vec::new();
        for choice in &self.profile {
            match *choice {
                Choice::All => profiles.extend(Profile::ALL.into_iter().filter(|profile| possible(*profile))),
                Choice::One(profile) if possible(profile) => profiles.push(profile),
                Choice::One(profile) if self.url.is_some() => {
                    let name = profile.name();
                    return Err(Failure::Usage(format!(
                        "`{name}` needs an issuer that does as it is told, which only our own is: leave --url out"
                    )));
                }
                Choice::One(profile) => {
                    let name = profile.name();
                    return Err(Failure::Usage(format!("`{name}` says nothing without the layer; use `reused`")));
                }
            }
        }
        Ok(profiles)
    }
}
