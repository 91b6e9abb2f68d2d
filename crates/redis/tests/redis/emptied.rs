//! A server that lost the list, or a part of it: restarted, restored, failed over, flushed, evicted.

use tokio::task::JoinSet;
use tower_bearer::Revocation;

use crate::double::{Double, Store};
use crate::support::*;

const ENTRIES: &str = "{tower-bearer}:revocations";
const NEWS: &str = "{tower-bearer}:revocations:news";
const ORDER: &str = "{tower-bearer}:revocations:initialize";

/// What happens to the server. `old` is its data before the last entry was revoked.
type Loss = fn(&Double, old: Store);

const LOSSES: [(&str, Loss); 8] = [
    ("restarted empty", |double, _| double.restart(Store::default())),
    ("restarted from an old snapshot", |double, old| double.restart(old)),
    // Another process took over, which had not received the last entry.
    ("failed over", |double, old| double.restart(old)),
    ("flushed", |double, _| double.state().store = Store::default()),
    ("an old snapshot, in the same process", |double, old| double.state().store = old),
    ("the entries evicted", |double, _| drop(double.state().store.sets.remove(ENTRIES))),
    ("the entries and the news deleted, then news again", |double, _| {
        let mut state = double.state();
        state.store = Store::default();
        let words = ["XADD", NEWS, "MAXLEN", "~", "10", "*", "read_again", "1"].map(String::from);
        let now = state.time;
        state.store.run(&words, now);
    }),
    ("restarted twice", |double, old| {
        double.restart(Store::default());
        double.restart(old);
    }),
];

/// Whether the server has this entry, by its name.
fn holds(double: &Double, name: &str) -> bool {
    let name = format!("\"{name}\"");
    double.state().store.sets.get(ENTRIES).is_some_and(|set| set.keys().any(|member| member.contains(&name)))
}

#[tokio::test]
async fn n09_nothing_is_accepted_again_by_live_replicas_or_by_new_ones() {
    let losses: JoinSet<()> = LOSSES.into_iter().map(|(loss, lose)| survive(loss, lose)).collect();
    losses.join_all().await;
}

async fn survive(loss: &'static str, lose: Loss) {
    let [early, late, good, last] = [
        token_with_id("early").await,
        token_with_id("late").await,
        token_with_id("good").await,
        token_with_id("last").await,
    ];
    let (double, replicas) = fleet::<2>().await;
    replicas[0].revocations.revoke_token(&early).await.unwrap();
    let old = double.store();
    replicas[1].revocations.revoke_token(&late).await.unwrap();
    double.until(loss, || replicas.iter().all(|replica| replica.revoked_by(&late).is_some())).await;

    lose(&double, old);
    // Nobody can tell by the server alone that the data of one process was replaced.
    let starts_first = loss != "an old snapshot, in the same process";
    let early_new = starts_first.then(|| Replica::start(&double));
    let is_right = |replica: &Replica| {
        replica.revoked_by(&early).is_some() && replica.revoked_by(&late).is_some() && replica.accepts(&good)
    };
    double.until(loss, || holds(&double, "early") && holds(&double, "late")).await;
    assert!(replicas.iter().all(is_right), "{loss}: not for a moment");
    // Not before it has all.
    let new = early_new.unwrap_or_else(|| Replica::start(&double));
    double.until(loss, || !new.is_unavailable(&good)).await;
    assert!(is_right(&new), "{loss}");
    // The stream goes on.
    replicas[0].revocations.revoke_token(&last).await.unwrap();
    double.until(loss, || replicas.iter().chain([&new]).all(|replica| replica.revoked_by(&last).is_some())).await;
}

#[tokio::test]
async fn n09_a_replica_that_starts_first_waits_for_one_that_knows() {
    let [revoked, good] = [token_with_id("revoked").await, token_with_id("good").await];
    let (double, [old]) = fleet().await;
    old.revocations.revoke_token(&revoked).await.unwrap();
    let before = double.store();
    for (state, store) in [("empty", Store::default()), ("an old snapshot", before)] {
        // The old replica cannot connect yet: a password is asked for, which only the new one has.
        double.state().login = Some((String::from("default"), String::from("secret")));
        double.restart(store);
        let server = tower_bearer_redis::RedisServer::at(&double.url()).password("secret");
        let new = Replica::of(server, |builder| builder);
        double.until(state, || new.last_error().contains("does not hold")).await;
        double.rounds(0).await;
        assert!(new.is_unavailable(&good), "{state}");
        assert!(old.accepts(&good) && old.revoked_by(&revoked).is_some(), "{state}: within the tolerated outage");

        double.state().login = None;
        double.until(state, || new.accepts(&good)).await;
        assert!(new.revoked_by(&revoked).is_some(), "{state}");
    }
}

#[tokio::test]
async fn n09_a_new_server_is_believed_after_an_operators_order_that_expires() {
    let good = token_with_id("good").await;
    let double = Double::start().await;
    let replica = Replica::start(&double);
    double.until("it is connected", || replica.last_error().contains("initialize it")).await;
    // An order without an end would be in every snapshot.
    double.state().store.strings.insert(String::from(ORDER), (String::from("1"), None));
    let looks = || double.state().commands.iter().filter(|words| words[0] == "PTTL").count();
    let before = looks();
    double.until("it looked again", || looks() > before + 4).await;
    assert!(replica.is_unavailable(&good));

    double.order_initialization();
    replica.revocations.ready().await;
    assert!(replica.accepts(&good));
    assert!(double.store().strings.is_empty(), "an order is carried out once");
}

#[tokio::test]
async fn n09_a_replica_that_has_not_read_the_server_for_too_long_does_not_speak_for_the_list() {
    let [revoked, good] = [token_with_id("revoked").await, token_with_id("good").await];
    let (double, [replica]) = fleet().await;
    replica.revocations.revoke_token(&revoked).await.unwrap();
    double.kill();
    double.until("it noticed", || replica.status().connected == Some(false)).await;
    replica.clock.advance(std::time::Duration::from_secs(302));
    double.restart(Store::default());
    double.until("it is connected", || replica.last_error().contains("does not hold")).await;
    assert!(replica.is_unavailable(&good) && replica.revoked_by(&revoked).is_some());
    // What it has is uploaded all the same, so an operator's order loses nothing.
    assert!(holds(&double, "revoked"));
    replica.revocations.initialize().await.unwrap();
    replica.revocations.ready().await;
    assert!(replica.accepts(&good) && replica.revoked_by(&revoked).is_some());
    let new = Replica::start(&double);
    new.revocations.ready().await;
    assert!(new.accepts(&good) && new.revoked_by(&revoked).is_some());
}

#[tokio::test]
async fn n09_replicas_that_upload_at_once_lose_nothing() {
    let (double, replicas) = fleet::<3>().await;
    // Each has entries that no other one has, and more than are reported one by one.
    double.kill();
    double.until("all noticed", || replicas.iter().all(|replica| replica.status().connected == Some(false))).await;
    for (number, replica) in replicas.iter().enumerate() {
        for entry in 0..200 {
            let entry = Revocation::token_id(ISSUER, &format!("{number}-{entry}"));
            assert!(replica.revocations.revoke(&entry).await.is_err(), "the server is down");
        }
    }
    double.restart(Store::default());
    let counts = || replicas.iter().all(|replica| replica.revocations.entries().count() == 600);
    double.until("all have all", counts).await;
    let new = Replica::start(&double);
    new.revocations.ready().await;
    assert_eq!(new.revocations.entries().count(), 600);
}

#[tokio::test]
async fn n09_a_server_that_is_flushed_during_an_upload_is_not_believed() {
    let [revoked, good] = [token_with_id("revoked").await, token_with_id("good").await];
    let (double, [old]) = fleet().await;
    old.revocations.revoke_token(&revoked).await.unwrap();
    // Just before the marker is set, after the upload; the stream is left, and would hide it.
    let marking = "ZADD {tower-bearer}:revocations XX";
    double.state().before = Some((marking, |store| store.sets.clear()));
    double.restart(Store::default());
    let new = Replica::start(&double);
    double.until("it is ready", || !new.is_unavailable(&good)).await;
    assert!(double.state().before.is_none(), "it was flushed");
    assert!(new.revoked_by(&revoked).is_some());
}

#[tokio::test]
async fn n09_a_durable_server_is_believed_after_a_restart_if_the_operator_says_so() {
    let [revoked, good] = [token_with_id("revoked").await, token_with_id("good").await];
    let (double, [old]) = fleet().await;
    old.revocations.revoke_token(&revoked).await.unwrap();
    drop(old);
    double.restart(double.store());
    let cautious = Replica::start(&double);
    double.until("it is connected", || cautious.last_error().contains("does not hold")).await;
    assert!(cautious.is_unavailable(&good));
    let trusting = Replica::with(&double, |builder| builder.believe_after_restart());
    trusting.revocations.ready().await;
    assert!(trusting.accepts(&good) && trusting.revoked_by(&revoked).is_some());
    cautious.revocations.ready().await;

    // Not of a server that never had it.
    drop((trusting, cautious));
    double.restart(Store::default());
    let trusting = Replica::with(&double, |builder| builder.believe_after_restart());
    double.until("it is connected", || trusting.last_error().contains("does not hold")).await;
    assert!(trusting.is_unavailable(&good));
}

#[tokio::test]
async fn n09_an_upload_that_was_given_up_holds_nobody_up_for_long() {
    let [revoked, good] = [token_with_id("revoked").await, token_with_id("good").await];
    let (double, [replica]) = fleet().await;
    replica.revocations.revoke_token(&revoked).await.unwrap();
    let mut store = Store::default();
    let announced = ["ZADD", ENTRIES, "9007199254740991", "list:1:7:abc:3600"].map(String::from);
    store.run(&announced, 0);
    double.restart(store);
    let new = Replica::start(&double);
    double.until("the server is filled", || !new.is_unavailable(&good)).await;
    assert!(new.revoked_by(&revoked).is_some() && replica.accepts(&good));
    let set = double.store().sets[ENTRIES].clone();
    assert!(!set.contains_key("list:1:7:abc:3600"), "{set:?}");
}

#[tokio::test]
async fn n09_of_two_replicas_that_carry_out_an_order_one_prevails() {
    let good = token_with_id("good").await;
    // The other one comes first, and the order is gone.
    let first_to_mark: fn(&mut Store) = |store| {
        let set = store.sets.get_mut(ENTRIES).unwrap();
        set.retain(|_, score| *score != 9_007_199_254_740_991.0);
        set.insert(String::from("list:1:1:abc:3600"), f64::INFINITY);
        store.strings.clear();
    };
    // Or a moment later, having looked before.
    let second_to_mark: fn(&mut Store) = |store| {
        let set = store.sets.get_mut(ENTRIES).unwrap();
        set.insert(String::from("list:1:1:zzz:3600"), f64::INFINITY);
    };
    for other in [first_to_mark, second_to_mark] {
        let double = Double::start().await;
        double.order_initialization();
        double.state().before = Some(("ZADD {tower-bearer}:revocations XX", other));
        let [one, two] = [Replica::start(&double), Replica::start(&double)];
        for replica in [&one, &two] {
            replica.revocations.ready().await;
            assert!(replica.accepts(&good));
        }
        assert!(double.state().before.is_none());
    }
}
