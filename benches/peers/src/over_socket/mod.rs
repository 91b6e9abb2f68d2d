//! Each service behind axum, on one thread on one core, loaded from another core.
//!
//! In each round all servers are started anew, each with a load of its own. Then they take [turns](TURN): while one
//! computes, all others and their loads stand still, so that a machine that is now faster and now slower is it for all
//! alike. The load comes from `tower-bearer load`, 32 connections that are kept alive, as fast as the server can; it is
//! looked for where `cargo build --release --package tower-bearer-cli` in the repository puts it, or where the variable
//! `TOWER_BEARER` says. It never sleeps: the server would have to wake it for its answers, which takes up to 10 µs of
//! processor time each on a virtual machine, and which no server does whose clients are elsewhere.
//!
//! The numbers are medians over the rounds with their interval ([`median_interval`]): requests per second, these over
//! those of the same application without a check in the same round, microseconds of the server's processor time per
//! request. Ratios are given by that time as well. "Busy" is the share of the time that the server's core had something
//! to do: under 95 % the load was the limit. "Stolen" is what the machine's host took of that core for its other
//! guests.
//!
//! Each server is seen to accept the token, and each that checks tokens to refuse it with a changed signature, before it
//! is measured.

mod load;
mod server;

use std::time::Duration;

use serde_json::{Value, json};
use tower_bearer::jose::Algorithm;
use tower_bearer_test::{Defect, TestIssuer};

use crate::interval::{Interval, median_interval};
use crate::median::median;
use crate::peers::{
    AROUND_ROUTER, EXTENSION_ALONE, NONE, NONE_AXUM_07, OTHERS, OURS, Peer, SIGNATURE_ALONE, WITHOUT_CACHE,
};
use crate::support::Options;
use crate::token;
use crate::trusted::Trusted;
use self::load::{Contender, Figures, Load};
use self::server::Server;

const ALGORITHM: Algorithm = Algorithm::RS256;
const SERVER_CORE: usize = 0;
const LOAD_CORE: usize = 1;
const ROUNDS: usize = 21;
const BUSY: f64 = 0.95;

/// Shorter than a machine shared with others keeps its speed, longer than caches take to fill.
const TURN: Duration = Duration::from_millis(100);
const TURNS: u32 = 10;

/// So much computing makes a server warm.
const WARM: Duration = Duration::from_millis(100);

/// So much fills a cache of tokens. Its memory is new until then, which costs a virtual machine more than the check.
const FULL: Duration = Duration::from_millis(2_500);

/// Does what the command line asks for.
pub fn run() {
    if let Some(peer) = server::asked_for() {
        return server::serve(peer);
    }
    let options = Options::parse(ROUNDS, TURN);

    let issuer = token::issuer(ALGORITHM);
    let trusted = Trusted::new(&issuer);
    let good = token::token(&issuer).sign();
    let bad = token::token(&issuer).sign_defective(Defect::TamperedSignature);
    // Enough for a server that takes 24 µs for a request, which checks a signature in 15.
    let is_smoke = options.slice.is_zero();
    let (turns, distinct) = if is_smoke { (1, 24_000) } else { (TURNS, 150_000) };
    eprintln!("making {distinct} tokens");
    let load = Load::new(&good, &tokens(&issuer, distinct));
    server::pin_to(LOAD_CORE);

    let runs = runs();
    let mut figures: Vec<Vec<Figures>> = runs.iter().map(|_| Vec::new()).collect();
    for round in 0..options.rounds {
        eprint!("\r\x1b[Kround {} of {}", round + 1, options.rounds);
        let start = |run: &Run| {
            let server = Server::start(run.peer, &trusted);
            assert_eq!(server.status(&good), 200, "{} refuses a good token", run.name);
            if run.peer.checks() {
                assert_eq!(server.status(&bad), 401, "{} accepts a changed signature", run.name);
            }
            load.start(server, run.tokens, if is_smoke { WARM } else { run.warm })
        };
        let mut contenders: Vec<Contender> = runs.iter().map(start).collect();
        for _ in 0..turns {
            contenders.iter_mut().for_each(|contender| contender.take_turn(TURN));
        }
        for (contender, figures) in contenders.into_iter().zip(&mut figures) {
            figures.push(contender.finish());
        }
    }
    eprint!("\r\x1b[K");
    options.write(report(&runs, &figures));
}

/// Different ones, made on both cores.
fn tokens(issuer: &TestIssuer, count: usize) -> Vec<String> {
    let half = || (0..count / 2).map(|_| token::token(issuer).sign()).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let other_half = scope.spawn(half);
        let mut tokens = half();
        tokens.extend(other_half.join().unwrap());
        tokens
    })
}

/// Which tokens a server gets.
#[derive(Clone, Copy)]
enum Tokens {
    /// The same in every request.
    One,
    /// Another one in every request.
    Distinct,
}

impl Tokens {
    const fn name(self) -> &'static str {
        match self {
            Self::One => "one token",
            Self::Distinct => "distinct tokens",
        }
    }
}

/// A line of the table.
struct Run {
    name: String,
    peer: &'static Peer,
    tokens: Tokens,
    warm: Duration,
}

fn runs() -> Vec<Run> {
    let run = |peer: &'static Peer, tokens| Run { name: peer.name.to_owned(), peer, tokens, warm: WARM };
    let named = |peer: &'static Peer, tokens: Tokens| {
        let name = format!("{}, {}", peer.name, tokens.name());
        Run { name, ..run(peer, tokens) }
    };
    let mut runs = vec![run(&NONE, Tokens::One), run(&NONE_AXUM_07, Tokens::One)];
    runs.extend([&OURS, &AROUND_ROUTER, &EXTENSION_ALONE].map(|peer| named(peer, Tokens::One)));
    let full = format!("{}, cache full, distinct tokens", OURS.name);
    runs.push(Run { name: full, warm: FULL, ..run(&OURS, Tokens::Distinct) });
    runs.extend([&WITHOUT_CACHE, &SIGNATURE_ALONE].map(|peer| named(peer, Tokens::Distinct)));
    // The others remember nothing, but the processor does: each gets the same tokens.
    runs.extend(OTHERS.map(|peer| run(peer, Tokens::Distinct)));
    runs
}

/// Prints the table and the ratios that the project promises, and gives all of it.
fn report(runs: &[Run], figures: &[Vec<Figures>]) -> Vec<Value> {
    println!(
        "{:<48}{:>8}{:>18}{:>9}{:>16}{:>9}{:>7}{:>8}",
        ALGORITHM.name(),
        "req/s",
        "interval",
        "/ none",
        "interval",
        "CPU µs",
        "busy",
        "stolen"
    );
    let per_second = |figures: &[Figures]| -> Vec<f64> { figures.iter().map(|one| one.requests_per_second).collect() };
    let per_cpu_second = |figures: &[Figures]| figures.iter().map(|one| 1e6 / one.cpu_microseconds).collect();
    let ratio = |this: Vec<f64>, to: Vec<f64>| median_interval(this.into_iter().zip(to).map(|(a, b)| a / b).collect());
    let none = |peer: &Peer| {
        peer.without_check.map_or(peer.name, |without| match without.name {
            name if name == NONE_AXUM_07.name => NONE_AXUM_07.name,
            _ => NONE.name,
        })
    };
    let of = |name: &str| &figures[runs.iter().position(|run| run.name == name).unwrap()];

    let mut results = Vec::new();
    for (run, figures) in runs.iter().zip(figures) {
        let rate = median_interval(per_second(figures));
        let to_none = ratio(per_second(figures), per_second(of(none(run.peer))));
        let cpu = median_interval(figures.iter().map(|one| one.cpu_microseconds).collect());
        let busy = median(figures.iter().map(|one| one.busy).collect());
        let stolen = figures.iter().map(|one| one.stolen).sum::<f64>() / per_second(figures).len() as f64;
        let flag = if busy < BUSY { " too little: the load was the limit" } else { "" };
        println!(
            "{:<48}{:>8.0}{:>18}{:>9.3}{:>16}{:>9.2}{:>6.0}%{:>7.1}%{flag}",
            run.name,
            rate.median,
            format!("{:.0}–{:.0}", rate.low, rate.high),
            to_none.median,
            format!("{:.3}–{:.3}", to_none.low, to_none.high),
            cpu.median,
            100.0 * busy,
            100.0 * stolen
        );
        results.push(json!({
            "algorithm": ALGORITHM.name(), "service": run.name, "note": run.peer.note, "rounds": figures.len(),
            "requests_per_second": rate, "ratio_to_none": to_none, "none": none(run.peer),
            "cpu_microseconds_per_request": cpu, "busy_share": busy, "busy_enough": busy >= BUSY,
            "stolen_share": stolen,
        }));
    }

    let cost = |peer: &Peer| median(of(peer.name).iter().map(|one| one.cpu_microseconds).collect());
    let best = OTHERS.into_iter().min_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap();
    let mut show = |run: &Run, other: &Peer| {
        let (this, to) = (of(&run.name), of(other.name));
        let by_time = ratio(per_second(this), per_second(to));
        let by_cpu = ratio(per_cpu_second(this), per_cpu_second(to));
        let shown = |Interval { median, low, high }: &Interval| format!("{median:.3} ({low:.3}–{high:.3})");
        let (name, other) = (&run.name, other.name);
        println!("{name}, over {other}: {}, by processor time {}", shown(&by_time), shown(&by_cpu));
        results.push(json!({ "service": name, "other": other, "ratio": by_time, "ratio_by_processor_time": by_cpu }));
    };
    let is_other = |run: &Run| OTHERS.iter().any(|other| other.name == run.peer.name);
    for run in runs.iter().filter(|run| run.peer.without_check.is_some() && !is_other(run)) {
        show(run, if let Tokens::One = run.tokens { &NONE } else { best });
    }
    results
}
