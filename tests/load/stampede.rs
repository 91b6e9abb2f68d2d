//! A thousand requests before there are keys.

use std::time::Duration;

use tower_bearer::KeyPolicy;
use tower_bearer_authorization_server::{Endpoint, Fault};

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j09_a_thousand_first_requests_make_one_fetch_and_cancelled_ones_leave_nobody_stuck() {
    let it = Fixture::start().await;
    // Time for them to come together; nothing fails without it.
    it.provider.misbehave(Endpoint::JwkSet, Fault::SlowHeaders { delay: Duration::from_millis(300) }).unwrap();
    let good = it.token();
    let requests: Vec<_> = (0..1_000)
        .map(|_| {
            let (api, good) = (it.api.clone(), good.clone());
            tokio::spawn(async move { api.validate(&good).await.map_or_else(|error| error.reason(), |_| "accepted") })
        })
        .collect();
    while it.provider.requests(Endpoint::JwkSet) == 0 {
        tokio::task::yield_now().await;
    }
    requests.iter().step_by(3).for_each(tokio::task::JoinHandle::abort);
    let mut answers = Vec::new();
    for request in requests {
        answers.extend(request.await);
    }
    // Those beyond the places for waiting were answered at once.
    assert!(answers.iter().all(|answer| ["accepted", "keys_unavailable"].contains(answer)));
    assert!(answers.contains(&"accepted"));
    assert!(answers.len() >= 666);
    assert!(it.status().waited_requests >= u64::try_from(KeyPolicy::MAX_WAITING_REQUESTS).unwrap());
    assert_eq!(it.status().waiting_requests, 0);
    assert_eq!((it.provider.requests(Endpoint::Metadata), it.provider.requests(Endpoint::JwkSet)), (1, 1));
}
