//! A thousand requests before there are keys.

use tower_bearer::authorization_server::{Endpoint, Fault};

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j09_a_thousand_first_requests_make_one_fetch_and_cancelled_ones_leave_nobody_stuck() {
    let it = Fixture::start().await;
    // Nobody is answered before everybody is there.
    it.provider.misbehave(Endpoint::JwkSet, Fault::Hang).unwrap();
    let good = it.token();
    let requests = |count: usize| {
        (0..count).map(|_| {
            let (api, good) = (it.api.clone(), good.clone());
            tokio::spawn(async move { api.validate(&good).await.map_or_else(|error| error.reason(), |_| "accepted") })
        })
    };
    let requests: Vec<_> = requests(1_000).collect();
    while it.provider.requests(Endpoint::JwkSet) == 0 {
        tokio::task::yield_now().await;
    }
    it.provider.behave(Endpoint::JwkSet);
    for request in requests.iter().step_by(3) {
        request.abort();
    }
    let mut ended = Vec::new();
    for request in requests {
        ended.extend(request.await);
    }
    println!("{:?}", (ended.len(), it.provider.requests(Endpoint::Metadata), it.provider.requests(Endpoint::JwkSet)));
}
