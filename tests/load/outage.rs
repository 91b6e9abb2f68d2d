//! A provider that is gone for an hour.

use std::time::Duration;

use tower_bearer::KeyPolicy;

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f07_an_outage_of_fifty_minutes_refuses_no_good_token_and_keeps_nobody_waiting() {
    let mut it = Fixture::start().await;
    let mut clients = it.clients().await;
    let good = it.token();
    assert_eq!(clients[0].get(&good).await.status(), 200);
    it.provider.stop().await;

    let waited = it.status().waited_requests;
    for minute in 1..=50 {
        it.pass(Duration::from_secs(60));
        let (back, wrong) = send(clients, 10, [(good.clone(), 200)]).await;
        assert_eq!(wrong, 0, "minute {minute}");
        clients = back;
    }
    let status = it.status();
    assert_eq!(status.waited_requests, waited, "a request waited");
    assert!((2..=50).contains(&status.fetches.failed), "{:?}", status.fetches);

    // Lifetime and staleness bound.
    it.pass(Duration::from_secs(300 + 3_600 - 50 * 60 - 1));
    assert_eq!(clients[0].get(&good).await.status(), 200);
    it.pass(Duration::from_secs(1));
    let refused = clients[0].get(&good).await;
    assert_eq!(refused.status(), 503);
    let retry_after: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=KeyPolicy::MAX_BACKOFF.as_secs()).contains(&retry_after), "{retry_after}");

    it.provider.restart().await.unwrap();
    it.pass(KeyPolicy::MAX_BACKOFF);
    let (_, wrong) = send(clients, 10, [(good, 200)]).await;
    assert_eq!(wrong, 0, "within one step of the backoff");
}
