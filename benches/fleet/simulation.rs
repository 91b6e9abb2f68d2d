//! One scenario, run with so many replicas.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep_until};

use crate::provider::Provider;
use crate::replica::{self, Answers};
use crate::scenario::{Event, Phase, Scenario, Start};

/// The numbers of each phase.
pub(crate) fn run(scenario: &Scenario, replicas: u32) -> Vec<Value> {
    let end = scenario.phases.iter().map(|phase| phase.until).max().unwrap();
    let answers = Arc::new(Answers::new(end));
    let provider = runtime().block_on(simulate(scenario, replicas, end, &answers));
    scenario.phases.iter().map(|phase| describe(phase, replicas, &provider, &answers)).collect()
}

/// What a replica with so many issuers of one key each keeps allocated once it has their keys: the sizes that were
/// asked for. It keeps no tokens.
pub(crate) fn memory(issuers: u32) -> Value {
    let runtime = runtime();
    let provider = runtime.block_on(async { Provider::new() });
    let mut server = None;
    let counted = allocation_counter::measure(|| {
        let server = server.insert(replica::server(&provider, issuers));
        runtime.block_on(server.warm_up(Duration::from_secs(5))).unwrap();
    });
    json!({ "issuers": issuers, "bytes": counted.bytes_current })
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

async fn simulate(scenario: &Scenario, replicas: u32, end: u64, answers: &Arc<Answers>) -> Provider {
    let (provider, start) = (Provider::new(), Instant::now());
    let at = |seconds: u64| start + Duration::from_secs(seconds);
    let servers: Vec<_> = (0..replicas).map(|_| replica::server(&provider, 1)).collect();
    let random = |n: usize| fastrand::Rng::with_seed(u64::try_from(n).unwrap());
    let changes: Vec<_> = scenario.events.iter().map(|(seconds, _)| at(*seconds)).collect();
    for (n, server) in servers.iter().enumerate() {
        let mut random = random(n);
        let first = match scenario.start {
            Start::Spread => start + Duration::from_secs(240).mul_f64(random.f64()),
            Start::Together => start,
        };
        let sends =
            replica::send_good_tokens(server.clone(), provider.clone(), random, changes.clone(), Arc::clone(answers));
        tokio::spawn(async move {
            sleep_until(first).await;
            sends.await;
        });
    }
    for (seconds, event) in &scenario.events {
        sleep_until(at(*seconds)).await;
        provider.change(*event);
        if let Event::Flood { seconds: lasts } = event {
            for (n, server) in servers.iter().enumerate() {
                let random = random(servers.len() + n);
                tokio::spawn(replica::flood(server.clone(), provider.clone(), random, at(seconds + lasts)));
            }
        }
    }
    sleep_until(at(end)).await;
    provider
}

fn describe(phase: &Phase, replicas: u32, provider: &Provider, answers: &Answers) -> Value {
    let requests = provider.requests(phase.from, phase.until);
    let (count, seconds) = (requests.iter().sum::<u32>(), u32::try_from(requests.len()).unwrap());
    let (model_requests, model_seconds) = phase.model;
    let [sent, refused] = answers.between(phase.from, phase.until);
    json!({
        "phase": phase.name,
        "replicas": replicas,
        "model_per_s": f64::from(replicas * model_requests) / f64::from(model_seconds),
        "average_per_s": f64::from(count) / f64::from(seconds),
        "peak_per_s": requests.iter().max(),
        "per_replica_and_hour": f64::from(count) / f64::from(seconds) * 3_600.0 / f64::from(replicas),
        "good_tokens_sent": sent,
        "good_tokens_refused": refused,
    })
}
