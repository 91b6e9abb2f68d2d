//! What the guide says about paused time: tokio moves it on while a task waits for a real socket.

use std::sync::mpsc;
use std::time::Duration;

use crate::provider::*;

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn keys_that_were_fetched_before_time_was_paused_serve() {
    let (provider, issuer) = Provider::with_keys().await;
    let (server, good) = (provider.resource_server(), token(&issuer));
    server.warm_up(Duration::from_secs(60)).await.unwrap();
    tokio::time::pause();
    for _ in 0..3 {
        tokio::time::sleep(HOUR).await;
        assert_eq!(reason(&server, &good).await, "accepted");
    }
    assert_eq!(provider.key_fetches(), 1);
}

#[tokio::test]
async fn a_blocking_task_keeps_paused_time_from_moving_while_keys_are_fetched() {
    let (provider, issuer) = Provider::with_keys().await;
    let (server, good) = (provider.resource_server(), token(&issuer));
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let (done, wait) = mpsc::channel::<()>();
    let hold = tokio::task::spawn_blocking(move || wait.recv());
    assert_eq!(reason(&server, &good).await, "accepted");
    assert_eq!(began.elapsed(), Duration::ZERO);
    drop(done);
    assert!(hold.await.unwrap().is_err());
    tokio::time::sleep(HOUR).await;
    assert!(began.elapsed() >= HOUR);
    assert_eq!(reason(&server, &good).await, "accepted");
}
