//! An endpoint that fails, in each of the ways in which endpoints fail: no response says that a token is invalid.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tower_bearer::{ClientSecretBasic, Introspection, ResourceServer};

use crate::endpoint::*;
use crate::fixtures::reason;

const SECOND: Duration = Duration::from_secs(1);
const IN_A_BATCH: usize = 500;
const BATCHES: usize = 200;

fn impatient(introspection: Introspection) -> Introspection {
    introspection.timeout(Duration::from_millis(100)).request_wait(Duration::from_millis(150))
}

/// 100,000 requests while a second passes with each batch, half of them with tokens that were seen active. How often
/// each verdict was given to tokens seen active, and to others.
async fn storm(endpoint: &Endpoint, server: &ResourceServer) -> [BTreeMap<&'static str, usize>; 2] {
    let mut verdicts = [BTreeMap::new(), BTreeMap::new()];
    for batch in 0..BATCHES {
        endpoint.pass(SECOND);
        let requests: JoinSet<_> = (0..IN_A_BATCH)
            .map(|n| {
                let server = server.clone();
                let token = if n % 2 == 0 { format!("seen-{}", n % 20) } else { format!("new-{batch}-{n}") };
                async move { (n % 2, reason(&server, &token).await) }
            })
            .collect();
        for (class, verdict) in requests.join_all().await {
            *verdicts[class].entry(verdict).or_insert(0) += 1;
        }
    }
    verdicts
}

/// What happens to the endpoint.
enum Outage {
    Answers(Answer),
    /// Nothing listens there any more.
    Dies,
}

/// Something in front of the endpoint that can go away, and come back in the same place.
struct Front {
    address: SocketAddr,
    behind: String,
    task: Option<JoinHandle<()>>,
}

impl Front {
    async fn of(endpoint: &Endpoint) -> Self {
        let behind = url::Url::parse(&endpoint.url).unwrap().socket_addrs(|| None).unwrap()[0].to_string();
        let mut front = Self { address: ([127, 0, 0, 1], 0).into(), behind, task: None };
        front.start().await;
        front
    }

    fn introspection(&self) -> Introspection {
        let url = format!("http://{}/introspect", self.address);
        Introspection::at(url).client(ClientSecretBasic::new("api", "s3cret"))
    }

    async fn start(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let behind = self.behind.clone();
        self.task = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let behind = behind.clone();
                connections.spawn(async move {
                    let mut server = TcpStream::connect(behind).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        }));
    }

    async fn stop(&mut self) {
        let task = self.task.take().unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }
}

async fn outage(how: Outage) {
    let endpoint = &Endpoint::start().await;
    let mut front = Front::of(endpoint).await;
    let serves_stale = impatient(front.introspection()).serve_stale(100 * SECOND);
    for (introspection, may_be_stale) in [(impatient(front.introspection()), false), (serves_stale, true)] {
        let server = endpoint.server_with(introspection);
        endpoint.answer(Answer::Active);
        for n in 0..20 {
            assert_eq!(reason(&server, &format!("seen-{n}")).await, "accepted");
        }
        let before = endpoint.calls();
        match &how {
            Outage::Answers(answer) => endpoint.answer(answer.clone()),
            Outage::Dies => front.stop().await,
        }
        let [seen, new] = storm(endpoint, &server).await;
        let total = |verdicts: &BTreeMap<_, usize>| verdicts.values().sum::<usize>();
        assert_eq!(total(&seen) + total(&new), 100_000);
        assert_eq!(new.keys().copied().collect::<Vec<_>>(), ["introspection_unavailable"]);
        assert_eq!(seen.keys().copied().collect::<Vec<_>>(), ["accepted", "introspection_unavailable"]);
        // Until the answers are a minute old, or for as long as stale ones may be used.
        let seconds = if may_be_stale { 159 } else { 59 };
        assert_eq!(seen["accepted"], seconds * IN_A_BATCH / 2);
        assert!(endpoint.calls() - before < 150, "{}", endpoint.calls() - before);
        assert!(endpoint.most_at_once() <= 64);

        match &how {
            Outage::Answers(_) => endpoint.answer(Answer::Active),
            Outage::Dies => front.start().await,
        }
        endpoint.pass(33 * SECOND);
        assert_eq!(reason(&server, "seen-0").await, "accepted", "within one step of the backoff");
        assert_eq!(reason(&server, "new").await, "accepted", "within one step of the backoff");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r18_n03_an_endpoint_that_is_slow() {
    outage(Outage::Answers(Answer::Silence)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r18_n03_an_endpoint_that_answers_500() {
    outage(Outage::Answers(Answer::status(500))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r18_n03_n08_an_endpoint_that_answers_429() {
    let answer = Answer::Full(429, vec![("retry-after", "20")], String::new());
    outage(Outage::Answers(answer)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r18_n03_an_endpoint_that_answers_with_a_page() {
    let answer = Answer::Full(200, vec![("content-type", "text/html")], "<html>log in</html>".into());
    outage(Outage::Answers(answer)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r18_n03_an_endpoint_that_refuses_our_own_credentials() {
    let answer = Answer::Full(401, vec![("www-authenticate", "Basic")], r#"{"error":"invalid_client"}"#.into());
    outage(Outage::Answers(answer)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r18_n03_an_endpoint_that_is_dead() {
    outage(Outage::Dies).await;
}
