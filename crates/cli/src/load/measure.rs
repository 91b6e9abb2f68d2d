//! One profile from start to end: tokens are made, the load runs, something happens in the middle, figures are taken.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use bytes::Bytes;
use indicatif::ProgressBar;

use super::answers::Kind;
use super::api::Usage;
use super::drive::{Plan, Run};
use super::embedded::Embedded;
use super::figures::Figures;
use super::issued;
use super::options::Load;
use super::pace::Schedule;
use super::profile::{Event, Profile};
use super::results::{Measured, Requests, Results, Server, real};
use super::target::Target;
use super::traffic::{FLOOD_POOL, Traffic, bad_tokens};
use crate::clock;
use crate::interrupt::Interrupt;
use crate::outcome::Failure;
use crate::terminal;

/// How many tokens are hot.
const HOT_POOL: usize = 8;
/// How many different tokens `unique` has by default. RS256 ones take most of a millisecond to sign; more of them would
/// change nothing, since our own server remembers none.
const UNIQUE_POOL: usize = 10_000;
/// The same when somebody's issuer has to make them.
const ISSUED_POOL: usize = 10;
/// How often the progress is shown.
const TICK: Duration = Duration::from_millis(50);
/// Parts of a timeline, and the shortest that one may be.
const PARTS: u32 = 60;
const MIN_PART: Duration = Duration::from_millis(50);

/// Measures these profiles one after the other.
pub(super) async fn all(options: &Load, profiles: &[Profile]) -> Result<Results, Failure> {
    let mut interrupt = Interrupt::listen()?;
    let given = match (&options.tokens, &options.issuer) {
        (Some(path), _) => Some(issued::from_file(path)?),
        (None, Some(issuer)) => {
            let count = options.pool.map_or(ISSUED_POOL, NonZeroUsize::get);
            // Before the first token is asked for.
            target(options, None)?;
            Some(issued::from_issuer(issuer, options, count).await?)
        }
        (None, None) => None,
    };
    let mut results = Results {
        version: env!("CARGO_PKG_VERSION"),
        started: clock::timestamp(),
        machine: format!(
            "{} {}, {} cores",
            std::env::consts::OS,
            std::env::consts::ARCH,
            available_parallelism().map_or(1, NonZeroUsize::get)
        ),
        target: describe_target(options),
        load: describe_load(options),
        is_debug_build: cfg!(debug_assertions),
        is_own_server: options.url.is_none(),
        profiles: Vec::new(),
        wrong_answers: 0,
        interrupted: false,
    };
    for profile in profiles {
        let (measured, interrupted) = one(options, *profile, given.as_deref(), &mut interrupt).await?;
        results.wrong_answers += measured.wrong_answers;
        results.profiles.push(measured);
        results.interrupted = interrupted;
        if interrupted {
            break;
        }
    }
    Ok(results)
}

async fn one(
    options: &Load,
    profile: Profile,
    given: Option<&[String]>,
    interrupt: &mut Interrupt,
) -> Result<(Measured, bool), Failure> {
    let mut embedded = match given {
        Some(_) => None,
        None => Some(Embedded::start(options, profile).await?),
    };
    let target = target(options, embedded.as_ref())?;
    let traffic = Arc::new(traffic(options, profile, &target, embedded.as_ref(), given)?);

    let starts = clock::now();
    let measured_from = starts + options.warm_up;
    let schedule = Schedule { starts, measured_from, ends: measured_from + options.duration };
    let part = (options.duration / PARTS).max(MIN_PART);
    let plan = Plan {
        target,
        traffic: Arc::clone(&traffic),
        schedule,
        part,
        threads: options.threads.get(),
        connections: options.connections.get(),
        streams: options.streams.get(),
        first_core: options.pin.then_some(options.server_threads.get()),
        rate: options.rate,
        busy_wait: options.busy_wait,
    };
    let run = plan.start()?;
    let watched = watch(options, profile, &run, schedule, embedded.as_mut(), &traffic, interrupt).await?;
    run.stop();
    let figures = run.figures()?;
    let fetches = embedded.as_ref().map(Embedded::fetches);
    let mut measured = summarize(profile, figures, &watched, part);
    measured.provider_fetches = fetches.filter(|_| !options.without_layer);
    Ok((measured, watched.interrupted))
}

fn target(options: &Load, embedded: Option<&Embedded>) -> Result<Target, Failure> {
    match (embedded, &options.url) {
        (Some(embedded), _) => {
            let url = embedded.url().parse().map_err(|error| Failure::run("the API", error))?;
            Ok(Target { is_own_api: true, ..Target::new(&url, options.http2, false)? })
        }
        (None, Some(url)) => Target::new(url, options.http2, options.i_own_this_server),
        (None, None) => Err(Failure::Usage("--url is missing".to_owned())),
    }
}

fn traffic(
    options: &Load,
    profile: Profile,
    target: &Target,
    embedded: Option<&Embedded>,
    given: Option<&[String]>,
) -> Result<Traffic, Failure> {
    let is_unique = profile == Profile::Unique;
    let (good, after) = match (embedded, given) {
        (Some(embedded), _) => {
            let pool = if is_unique { options.pool.map_or(UNIQUE_POOL, NonZeroUsize::get) } else { HOT_POOL };
            (embedded.tokens(pool, options)?, embedded.next_tokens(pool, options)?)
        }
        (None, given) => {
            let given = given.unwrap_or_default();
            let hot = if is_unique { given } else { given.get(..HOT_POOL).unwrap_or(given) };
            (hot.to_vec(), Vec::new())
        }
    };
    let bad = match profile.flood() {
        Some(flood) => bad_tokens(flood, &good, FLOOD_POOL).ok_or_else(|| {
            let name = profile.name();
            Failure::Usage(format!("`{name}` makes bad tokens out of good ones, and these are not signed JWTs"))
        })?,
        None => Vec::new(),
    };
    let requests = |tokens: Vec<String>| tokens.iter().map(|token| target.request(token)).collect::<Vec<Bytes>>();
    Ok(Traffic::new(requests(good), requests(after), requests(bad), options.bad_share))
}

/// What is known at one moment of a run.
#[derive(Clone, Copy)]
struct Sample {
    at: Instant,
    /// Requests answered so far.
    answered: u64,
    /// Of our own server, if there is one.
    server: Option<Usage>,
    generator: Option<Duration>,
}

struct Watched {
    begin: Sample,
    end: Sample,
    interrupted: bool,
}

/// Waits for the end of the run, or for Ctrl-C.
async fn watch(
    options: &Load,
    profile: Profile,
    run: &Run,
    schedule: Schedule,
    mut embedded: Option<&mut Embedded>,
    traffic: &Traffic,
    interrupt: &mut Interrupt,
) -> Result<Watched, Failure> {
    let sample = |embedded: &mut Option<&mut Embedded>| -> Result<Sample, Failure> {
        let server = embedded.as_mut().map(|embedded| embedded.usage()).transpose()?;
        Ok(Sample { at: clock::now(), answered: run.answered(), server, generator: clock::cpu_time() })
    };
    let total = schedule.ends.saturating_duration_since(schedule.starts);
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let bar = terminal::progress(millis(total), "{prefix:>13} {bar:32} {elapsed:>3}  {msg}", options.quiet);
    bar.set_prefix(profile.name());

    let mut begin = None;
    let mut event = profile.event();
    let middle = schedule.measured_from + options.duration / 2;
    let mut shown = (schedule.starts, 0);
    let interrupted = loop {
        let now = clock::now();
        if begin.is_none() && now >= schedule.measured_from {
            begin = Some(sample(&mut embedded)?);
        }
        if now >= middle
            && let Some(event) = event.take()
        {
            happen(event, embedded.as_deref(), traffic)?;
        }
        if now >= schedule.ends || run.is_finished() {
            break false;
        }
        shown = show_rate(&bar, schedule.starts, run.answered(), shown);
        let next = [schedule.measured_from, middle, schedule.ends].into_iter().filter(|time| *time > now).min();
        let pause = next.map_or(TICK, |next| next.saturating_duration_since(now)).min(TICK);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = interrupt.pressed() => break true,
        }
    };
    bar.finish_and_clear();
    let end = sample(&mut embedded)?;
    Ok(Watched { begin: begin.unwrap_or(end), end, interrupted })
}

fn happen(event: Event, embedded: Option<&Embedded>, traffic: &Traffic) -> Result<(), Failure> {
    if let Some(embedded) = embedded {
        embedded.happen(event)?;
        traffic.change();
    }
    Ok(())
}

/// Shows how far the run is and how fast it goes; when that was, and how many requests had been answered.
fn show_rate(bar: &ProgressBar, starts: Instant, answered: u64, last: (Instant, u64)) -> (Instant, u64) {
    let now = clock::now();
    bar.set_position(u64::try_from(now.saturating_duration_since(starts).as_millis()).unwrap_or(u64::MAX));
    let passed = now.saturating_duration_since(last.0);
    if passed < Duration::from_millis(500) {
        return last;
    }
    bar.set_message(format!("{:.0} requests/s", real(answered.saturating_sub(last.1)) / passed.as_secs_f64()));
    (now, answered)
}

fn summarize(profile: Profile, figures: Figures, watched: &Watched, part: Duration) -> Measured {
    let Watched { begin, end, interrupted } = watched;
    let seconds = end.at.saturating_duration_since(begin.at).as_secs_f64();
    let answered = real(end.answered.saturating_sub(begin.answered));
    let per_second = |cpu: Duration| if seconds > 0.0 { cpu.as_secs_f64() / seconds } else { 0.0 };
    let difference = |from: Option<Duration>, to: Option<Duration>| Some(to?.saturating_sub(from?));
    let server = end.server.map(|usage| {
        let cpu = difference(begin.server.and_then(|usage| usage.cpu), usage.cpu);
        Server {
            cpu_us_per_request: cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / answered).filter(|cost| cost.is_finite()),
            cores: cpu.map(per_second),
            peak_memory_bytes: usage.peak_memory_bytes,
        }
    });
    let requests = figures.requests();
    Measured {
        profile,
        seconds,
        requests,
        requests_per_second: if seconds > 0.0 { real(requests) / seconds } else { 0.0 },
        wrong_answers: figures.wrong(),
        not_sent: if *interrupted { 0 } else { figures.not_sent },
        good: Requests::from(&figures.good),
        bad: profile.flood().map(|_| Requests::from(&figures.bad)),
        answers: figures.answers.into_kinds().into_iter().map(Kind::into).collect(),
        provider_fetches: None,
        server,
        generator_cores: difference(begin.generator, end.generator).map(per_second),
        part_seconds: part.as_secs_f64(),
    }
}

fn describe_target(options: &Load) -> String {
    match &options.url {
        // Queries can have credentials in them.
        Some(url) => {
            let mut url = url.clone();
            url.set_query(None);
            url.set_fragment(None);
            url.into()
        }
        None => {
            let threads = options.server_threads;
            let layer = if options.without_layer { "without the layer" } else { "behind the layer" };
            let cores = if options.pin { ", on cores of their own" } else { "" };
            format!("our own API {layer}, server threads: {threads}{cores}, tokens: {}", options.algorithm)
        }
    }
}

fn describe_load(options: &Load) -> String {
    let version = if options.http2 { "HTTP/2" } else { "HTTP/1.1" };
    let connections = options.connections;
    let streams = if options.http2 { format!(" of {} streams", options.streams) } else { String::new() };
    let duration = humantime::format_duration(options.duration);
    let warm_up = humantime::format_duration(options.warm_up);
    let pace = match options.rate {
        Some(rate) => format!("open loop, {rate} requests a second"),
        None => "closed loop".to_owned(),
    };
    format!("{pace}, {version}, connections: {connections}{streams}, {duration} each after {warm_up} of warm-up")
}
