//! URLs, passwords, and what the server must be.

use std::time::Duration;

use tower_bearer_redis::{RedisRevocations, RedisServer, RevokeError, ServerFailure};

use crate::double::Double;
use crate::log;
use crate::support::*;

#[tokio::test]
async fn what_does_not_fit_together_is_an_error_that_names_the_setting() {
    let server = |url: &str| RedisServer::at(url);
    let cases = [
        (server("not a url"), "url"),
        (server("http://127.0.0.1"), "url"),
        (server("redis://"), "url"),
        (server("redis://127.0.0.1/first"), "url"),
        (server("redis://127.0.0.1/-1"), "url"),
        (server("rediss://127.0.0.1/#insecure"), "url"),
        (server("redis://127.0.0.1/?protocol=resp3"), "url"),
        (server("redis://redis.example.com"), "url"),
        (server("valkey://10.0.0.1:6379"), "url"),
        (server("redis://:secret-word@[2001:db8::1]"), "url"),
        (server("redis://127.0.0.1").user("api"), "user"),
        (server("redis://127.0.0.1").password_file("/no/such/file"), "password_file"),
        (server("redis://127.0.0.1").certificate_authorities_file("/ca.pem"), "certificate_authorities_file"),
        (server("redis://127.0.0.1").client_certificate_files("/a.pem", "/b.pem"), "client_certificate_files"),
        (server("rediss://127.0.0.1").certificate_authorities_file("/no/such/file"), "certificate_authorities_file"),
    ];
    for (server, setting) in cases {
        let shown = format!("{server:?}");
        let error = RedisRevocations::builder(server, LIFETIME).start().unwrap_err();
        assert_eq!(error.setting(), setting, "{error}");
        assert!(!format!("{shown} {error:?} {error}").contains("secret-word"), "{error}");
    }
    let good = || RedisRevocations::builder(server("redis://127.0.0.1:1"), LIFETIME);
    let cases = [
        (good().tolerate_outage(Duration::from_millis(1_999)), "tolerate_outage"),
        (good().write_timeout(Duration::ZERO), "write_timeout"),
        (good().key_prefix(""), "key_prefix"),
        (good().key_prefix("a{b}"), "key_prefix"),
        (good().key_prefix("a b"), "key_prefix"),
        (good().key_prefix("a".repeat(65)), "key_prefix"),
        (good().max_entries(0), "max_entries"),
        (RedisRevocations::builder(server("redis://127.0.0.1:1"), Duration::ZERO), "max_token_lifetime"),
    ];
    for (builder, setting) in cases {
        assert_eq!(builder.start().unwrap_err().setting(), setting);
    }
    for url in ["redis://localhost", "redis://[::1]:6380/2", "valkey://127.9.9.9", "unix:///run/redis.sock"] {
        RedisRevocations::builder(server(url), LIFETIME).start().unwrap();
    }
    let plain = server("redis://redis.example.com").dangerously_without_tls();
    RedisRevocations::builder(plain, LIFETIME).start().unwrap();
}

#[test]
fn a_list_needs_a_runtime() {
    let server = RedisServer::at("redis://127.0.0.1:1");
    assert_eq!(RedisRevocations::builder(server, LIFETIME).start().unwrap_err().setting(), "start");
}

#[tokio::test]
async fn a_password_is_used_and_shown_nowhere() {
    log::capture();
    let double = Double::start().await;
    double.state().login = Some((String::from("api"), String::from("p@ss-word")));
    let in_url = format!("redis://api:p%40ss-word@{}", double.address);
    let good = [
        RedisServer::at(&in_url),
        RedisServer::at(&double.url()).user("api").password("p@ss-word"),
        RedisServer::at(&in_url.replace("p%40", "wrong")).password("p@ss-word"),
    ];
    for server in good {
        let replica = Replica::of(server.clone(), |builder| builder);
        replica.revocations.initialize().await.unwrap();
        replica.revocations.ready().await;
        let shown = format!("{server:?} {:?} {:?}", replica.revocations, replica.status());
        assert!(shown.contains(&double.address.to_string()) && !shown.contains("ss-word"), "{shown}");
    }
    let wrong = Replica::of(RedisServer::at(&in_url.replace("p%40", "wrong")), |builder| builder);
    double.until("it says so", || wrong.last_error().contains("refuses the user or the password")).await;
    let error = wrong.revocations.revoke_token(&token_with_id("t").await).await.unwrap_err();
    assert_eq!(error, RevokeError::NotShared(ServerFailure::Authentication));
    let without = Replica::start(&double);
    double.until("it says so", || without.last_error().contains("refuses the user or the password")).await;
    assert!(
        log::lines().contains("reason=\"authentication\"") && !log::lines().contains("ss-word"),
        "{}",
        log::lines()
    );
}

#[tokio::test]
async fn a_password_file_is_read_again_for_each_connection() {
    let double = Double::start().await;
    double.state().login = Some((String::from("default"), String::from("first")));
    let directory = std::env::temp_dir().join(format!("tower-bearer-redis-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("password");
    std::fs::write(&file, "first\n").unwrap();
    let replica = Replica::of(RedisServer::at(&double.url()).password_file(&file), |builder| builder);
    replica.revocations.initialize().await.unwrap();
    replica.revocations.ready().await;

    // While it is replaced, the last one is used.
    std::fs::remove_file(&file).unwrap();
    let logins = || double.state().logins;
    let before = logins();
    double.restart(double.store());
    double.until("it logged in", || logins() > before).await;

    std::fs::write(&file, "second\r\n").unwrap();
    double.state().login = Some((String::from("default"), String::from("second")));
    let before = logins();
    double.restart(double.store());
    double.until("it logged in", || logins() > before).await;
    replica.revocations.ready().await;
    assert!(!format!("{replica:?}", replica = replica.revocations).contains("second"));
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn only_a_primary_of_a_version_with_the_commands_is_followed() {
    let good = token_with_id("good").await;
    for (role, version, text) in
        [("slave", "7.2.4", "connect to its primary"), ("master", "6.0.16", "older than 6.2"), ("master", "x", "INFO")]
    {
        let double = Double::start().await;
        (double.state().role, double.state().version) = (role, version);
        let replica = Replica::start(&double);
        double.until(text, || replica.last_error().contains(text)).await;
        assert!(replica.is_unavailable(&good));
    }
    // 6.2 is enough, and so is a number that sorts before it as text.
    for version in ["6.2.0", "7.0.15", "10.0.1"] {
        let double = Double::start().await;
        double.state().version = version;
        let replica = Replica::start(&double);
        replica.revocations.initialize().await.unwrap();
        replica.revocations.ready().await;
    }
}

#[tokio::test]
async fn lists_with_different_prefixes_are_separate() {
    let (double, [replica]) = fleet().await;
    let other = Replica::with(&double, |builder| builder.key_prefix("other/service"));
    other.revocations.initialize().await.unwrap();
    other.revocations.ready().await;
    let token = token_with_id("t").await;
    replica.revocations.revoke_token(&token).await.unwrap();
    double.rounds(4).await;
    assert!(other.accepts(&token));
    let sets = double.store().sets;
    assert_eq!(sets.into_keys().collect::<Vec<_>>(), ["{other/service}:revocations", "{tower-bearer}:revocations"]);
}

#[tokio::test]
async fn a_list_that_is_dropped_ends_its_connections() {
    let (double, [replica]) = fleet().await;
    let clone = replica.revocations.clone();
    drop(replica);
    double.rounds(2).await;
    drop(clone);
    double.until("all ended", || double.connections() == 0).await;
}
