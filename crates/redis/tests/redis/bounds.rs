//! What is bounded, what ends, and what cannot be read.

use std::time::Duration;

use tower_bearer::time::UnixTime;
use tower_bearer::{Revocation, RevocationError, RevocationState};
use tower_bearer_redis::{RedisRevocations, RedisServer, RevokeError};

use crate::double::{Double, Store};
use crate::log;
use crate::support::*;

const ENTRIES: &str = "{tower-bearer}:revocations";
const NEWS: &str = "{tower-bearer}:revocations:news";

fn run(double: &Double, words: &[&str]) {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    let mut state = double.state();
    let now = state.time;
    state.store.run(&words, now);
}

#[tokio::test]
async fn n09_a_full_list_is_an_error_to_the_caller_and_evicts_nothing() {
    let (double, [keeper]) = fleet().await;
    let small = Replica::with(&double, |builder| builder.max_entries(3));
    small.revocations.ready().await;
    let tokens = [token_with_id("0").await, token_with_id("1").await, token_with_id("2").await];
    for token in &tokens {
        small.revocations.revoke_token(token).await.unwrap();
    }
    let one_more = token_with_id("3").await;
    let error = small.revocations.revoke_token(&one_more).await.unwrap_err();
    assert_eq!(error, RevokeError::NotRevoked(RevocationError::Full { max_entries: 3 }));
    assert_eq!(double.store().sets[ENTRIES].len(), 4, "three entries and the marker");
    assert!(tokens.iter().all(|token| small.revoked_by(token).is_some()));
    assert!(small.accepts(&one_more), "it was not revoked, and the caller knows");

    // One more of another replica's: this one no longer knows who is revoked.
    keeper.revocations.revoke_token(&one_more).await.unwrap();
    double.until("it is unavailable", || small.is_unavailable(&one_more)).await;
    assert!(tokens.iter().all(|token| small.revoked_by(token).is_some()), "still refused as such");
    double.until("it says why", || small.last_error().contains("max_entries")).await;
    // So it is for one that starts now.
    let small = Replica::with(&double, |builder| builder.max_entries(3));
    double.until("it says why", || small.last_error().contains("max_entries")).await;
    assert!(small.is_unavailable(&one_more));
}

#[tokio::test]
async fn n09_a_replica_that_missed_news_reads_the_whole_list() {
    let (double, [replica]) = fleet().await;
    let token = token_with_id("missed").await;
    // Written while nothing is read, and no longer in the stream when reading goes on.
    double.pause(true);
    let member = format!(r#"{{"kind":"token_id","issuer":"{ISSUER}","name":"missed"}}"#);
    run(&double, &["ZADD", ENTRIES, "GT", "1800003600", &member]);
    for number in 0..20 {
        run(&double, &["XADD", NEWS, "MAXLEN", "~", "2", "*", "read_again", &number.to_string()]);
    }
    // Not even the hint to read again is left: only records that say nothing new.
    let other = format!(r#"{{"kind":"token_id","issuer":"{ISSUER}","name":"other"}}"#);
    for _ in 0..3 {
        run(&double, &["XADD", NEWS, "MAXLEN", "~", "2", "*", "member", &other, "until", "1800003600"]);
    }
    double.pause(false);
    double.until("it has read all", || replica.revoked_by(&token).is_some()).await;
}

#[tokio::test]
async fn n09_a_stream_that_was_deleted_is_made_again() {
    let (double, [replica, other]) = fleet().await;
    for round in 0..2 {
        double.state().store.streams.clear();
        // The server's clock was set back in the meantime.
        double.state().time -= 1_000_000;
        let token = token_with_id(&format!("after {round}")).await;
        replica.revocations.revoke_token(&token).await.unwrap();
        double.until("the other one has it", || other.revoked_by(&token).is_some()).await;
    }
}

#[tokio::test]
async fn n09_an_entry_that_cannot_be_read_makes_the_replica_unavailable() {
    let good = token_with_id("good").await;
    let members = [
        r#"{"kind":"tenant","issuer":"i","name":"n"}"#,
        r#"{"kind":"token_id","issuer":"i","name":"n","more":1}"#,
        r#"{"kind":"subject","issuer":"i","name":"n"}"#,
        "junk",
        "",
    ];
    for member in members {
        for is_news in [false, true] {
            let (double, [replica]) = fleet().await;
            assert!(replica.accepts(&good));
            if is_news {
                run(&double, &["XADD", NEWS, "MAXLEN", "~", "10", "*", "member", member, "until", "1800003600"]);
            } else {
                run(&double, &["ZADD", ENTRIES, "GT", "1800003600", member]);
                double.restart(double.store());
            }
            double.until(member, || replica.is_unavailable(&good)).await;
            assert_eq!(replica.status().state, RevocationState::Unavailable);
            double.until(member, || replica.last_error().contains("cannot read")).await;
        }
    }
}

#[tokio::test]
async fn n09_a_list_of_a_newer_version_is_not_believed() {
    let good = token_with_id("good").await;
    let double = Double::start().await;
    run(&double, &["ZADD", ENTRIES, "+inf", "list:2:1:abc:3600:whatever"]);
    let replica = Replica::start(&double);
    double.until("it says so", || replica.last_error().contains("update this replica")).await;
    assert!(replica.is_unavailable(&good));
    // Not even an order makes it overwrite that.
    replica.revocations.initialize().await.unwrap();
    double.rounds(0).await;
    assert!(double.store().sets[ENTRIES].contains_key("list:2:1:abc:3600:whatever"));
}

#[tokio::test]
async fn the_server_is_kept_small() {
    let (double, [replica]) = fleet().await;
    // The same subject over and over is one member, with the latest end.
    for at in 0..50 {
        let entry = Revocation::subject(ISSUER, "u", UnixTime::from_secs(NOW + at % 7));
        replica.revocations.revoke(&entry).await.unwrap();
    }
    let set = double.store().sets[ENTRIES].clone();
    let scores: Vec<f64> = set.values().copied().filter(|score| score.is_finite()).collect();
    assert_eq!(scores, [1_800_003_606.0]);
    let commands = double.state().commands.clone();
    let adds = commands.iter().filter(|words| words[0] == "XADD");
    assert!(
        adds.into_iter().all(|words| words[2..5] == ["MAXLEN", "~", "10000"].map(String::from)),
        "the news is bounded"
    );
}

#[tokio::test]
async fn n09_ended_entries_are_removed_by_the_clock_that_is_behind() {
    let hour = Duration::from_secs(3_600);
    // By how much replica and server are ahead of when the entries were added, and how many entries are left.
    for (replica_ahead, server_ahead, left) in [(3, 0, 1), (0, 3, 1), (1, 3, 1), (3, 3, 0), (2, 2, 1)] {
        let (double, [replica]) = fleet().await;
        replica.revocations.revoke(&Revocation::token_id(ISSUER, "t")).await.unwrap();
        let is_removal = |words: &&Vec<String>| words.get(2).is_some_and(|from| from == "-inf");
        let removals = || double.state().commands.iter().filter(is_removal).count();
        let before = removals();
        double.state().time += server_ahead * 3_600_000;
        replica.clock.advance(hour * replica_ahead + Duration::from_secs(60));
        double.until("it cleaned up", || removals() > before).await;
        double.rounds(1).await;
        assert_eq!(double.store().sets[ENTRIES].len(), 1 + left, "{replica_ahead} {server_ahead}");
    }
}

/// Another lifetime than the fleet's.
fn with_lifetime(double: &Double, seconds: u64) -> RedisRevocations {
    let clock = tower_bearer::time::ManualClock::at(UnixTime::from_secs(NOW));
    let builder = RedisRevocations::builder(RedisServer::at(&double.url()), Duration::from_secs(seconds));
    builder.clock(clock).write_timeout(Duration::from_secs(10)).start().unwrap()
}

#[tokio::test]
async fn n09_replicas_with_different_lifetimes_keep_entries_for_the_longest() {
    let good = token_with_id("good").await;
    let (double, [hour]) = fleet().await;
    // An older token would be accepted after the entries that the others made have ended.
    let day = with_lifetime(&double, 86_400);
    let day = Replica { revocations: day, clock: hour.clock.clone() };
    double.until("it says so", || day.last_error().contains("shorten `max_token_lifetime`")).await;
    assert!(day.is_unavailable(&good) && hour.accepts(&good));
    day.revocations.initialize().await.unwrap();
    day.revocations.ready().await;

    // Everything that the one with the shorter lifetime revokes lasts for the other one.
    // At once: its first write tells it that the lifetime changed.
    let until = |name: &str| {
        let set = double.store().sets[ENTRIES].clone();
        let found = set.into_iter().find(|(member, _)| member.contains(name));
        found.map(|(_, score)| format!("{score}")).unwrap_or_default()
    };
    let (at, exp) = (UnixTime::from_secs(NOW - 50), UnixTime::from_secs(NOW + 7));
    for (entry, ends) in [
        (Revocation::session(ISSUER, "of-session"), NOW + 86_400),
        (Revocation::token_id(ISSUER, "without-exp"), NOW + 86_400),
        (Revocation::token_id(ISSUER, "with-exp").until(exp), NOW + 7),
        (Revocation::subject(ISSUER, "of-subject", at), NOW - 50 + 86_400),
        (Revocation::client(ISSUER, "of-client", at), NOW - 50 + 86_400),
    ] {
        // Revoked twice, it lasts no longer.
        hour.revocations.revoke(&entry).await.unwrap();
        hour.revocations.revoke(&entry).await.unwrap();
        assert_eq!(until(entry.name()), ends.to_string(), "{entry:?}");
    }
    // A replica with a shorter lifetime fills an emptied server for the longest one, too.
    drop(day);
    double.restart(Store::default());
    double
        .until("it is held", || {
            double.store().sets.get(ENTRIES).is_some_and(|set| set.keys().any(|member| member.ends_with(":86400")))
        })
        .await;
    // As a shorter one does that starts later.
    let shorter = with_lifetime(&double, 60);
    shorter.ready().await;
    assert_eq!(shorter.entries().count(), 5);
}

#[tokio::test]
async fn a_server_that_may_evict_the_list_is_warned_of() {
    log::capture();
    for (policy, is_warned_of) in [
        (Some("noeviction"), false),
        (Some("volatile-lru"), false),
        (Some("allkeys-lru"), true),
        (Some("allkeys-random"), true),
        (None, true),
    ] {
        log::capture();
        let double = Double::start().await;
        double.state().policy = policy;
        let replica = Replica::start(&double);
        replica.revocations.initialize().await.unwrap();
        replica.revocations.ready().await;
        assert_eq!(log::lines().contains("evict the revocation list"), is_warned_of, "{policy:?}: {}", log::lines());
    }
}

#[tokio::test]
async fn n09_an_entry_lasts_for_a_replica_that_joined_just_before() {
    let (double, [replica]) = fleet().await;
    // Another replica raises the lifetime; this one has not noticed yet.
    double.state().before = Some(("EXEC", |store| {
        let set = store.sets.get_mut(ENTRIES).unwrap();
        let marker = set.keys().find(|member| member.starts_with("list:")).cloned().unwrap();
        set.remove(&marker);
        set.insert(marker.replace(":3600", ":86400"), f64::INFINITY);
    }));
    replica.revocations.revoke(&Revocation::session(ISSUER, "s")).await.unwrap();
    let set = double.store().sets[ENTRIES].clone();
    let scores: Vec<f64> = set.into_values().filter(|score| score.is_finite()).collect();
    assert_eq!(scores, [1_800_086_400.0]);
}
