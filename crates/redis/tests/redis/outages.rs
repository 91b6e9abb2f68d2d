//! A server that is down, stuck, slow or refuses commands.

use std::time::Duration;

use tokio::task::JoinSet;
use tower_bearer::{Revocation, RevocationState};
use tower_bearer_redis::{RevokeError, ServerFailure};

use crate::double::{Double, Fault};
use crate::support::*;

type Break = fn(&Double);

/// Each is an outage for replicas that follow, which they report with these words.
const OUTAGES: [(&str, &str, Break); 14] = [
    ("killed", "connect", |double| double.kill()),
    ("stopped", "no reply within", |double| double.pause(true)),
    ("loading", "LOADING: it is still reading", |double| {
        double.fault("XREAD", Fault::Error("LOADING Redis is loading the dataset in memory"))
    }),
    ("no password", "refuses the user or the password", |double| {
        double.fault("XREAD", Fault::Error("NOAUTH Authentication required."))
    }),
    ("not permitted", "NOPERM: its ACL", |double| {
        double.fault("XREAD", Fault::Error("NOPERM No permissions to run the command"))
    }),
    ("moved", "MOVED: another node", |double| double.fault("XREAD", Fault::Error("MOVED 3999 127.0.0.1:6381"))),
    ("a replica", "connect to its primary", |double| double.state().role = "slave"),
    ("half a reply", "the connection ended", |double| {
        double.fault("XREAD", Fault::BytesAndEnd(b"*1\r\n*2\r\n$31\r\n{tower-bea"))
    }),
    ("no protocol", "the connection ended", |double| {
        double.fault("XREAD", Fault::BytesAndEnd(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    }),
    ("another reply", "could not be read", |double| double.fault("XREAD", Fault::Bytes(b":42\r\n"))),
    ("a huge array", "no reply within", |double| double.fault("XREAD", Fault::Bytes(b"*4000000000\r\n"))),
    ("a deep array", "the connection ended", |double| double.fault("XREAD", Fault::Bytes(DEEP.as_slice()))),
    ("endless", "larger than 67108864 bytes", |double| double.fault("XREAD", Fault::Endless)),
    ("silent", "no reply within", |double| double.fault("XREAD", Fault::Silence)),
];

const DEEP: [u8; 4 * 200] = {
    let mut bytes = [0; 4 * 200];
    let mut at = 0;
    while at < bytes.len() {
        (bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]) = (b'*', b'1', b'\r', b'\n');
        at += 4;
    }
    bytes
};

fn repair(double: &Double) {
    let mut state = double.state();
    state.faults.clear();
    state.role = "master";
    drop(state);
    double.pause(false);
}

#[tokio::test]
async fn n09_an_outage_refuses_no_good_token_while_it_is_tolerated_and_every_one_afterwards() {
    // Some last until a limit: all at the same time.
    let outages: JoinSet<()> =
        OUTAGES.into_iter().map(|(outage, text, break_it)| survive(outage, text, break_it)).collect();
    outages.join_all().await;
}

async fn survive(outage: &'static str, text: &'static str, break_it: Break) {
    let [revoked, late, good] =
        [token_with_id("revoked").await, token_with_id("late").await, token_with_id("good").await];
    let (double, [replica, other]) = fleet().await;
    replica.revocations.revoke_token(&revoked).await.unwrap();
    double.until(outage, || other.revoked_by(&revoked).is_some()).await;
    break_it(&double);
    double.until(outage, || replica.last_error().contains(text)).await;
    for (seconds, state) in [(290, RevocationState::Stale), (12, RevocationState::Unavailable)] {
        replica.clock.advance(Duration::from_secs(seconds));
        let status = replica.status();
        assert_eq!((status.state, status.entries), (state, Some(1)), "{outage}");
        assert!(replica.revoked_by(&revoked).is_some(), "{outage}");
        let is_tolerated = state == RevocationState::Stale;
        let is_right = if is_tolerated { replica.accepts(&good) } else { replica.is_unavailable(&good) };
        assert!(is_right, "{outage}, {state:?}");
    }
    assert!(other.accepts(&good), "{outage}: it has a clock of its own");

    match outage {
        "killed" => double.restart(double.store()),
        _ => repair(&double),
    }
    // After a restart, the other one confirms the server.
    double.until(outage, || replica.accepts(&good)).await;
    replica.revocations.revoke_token(&late).await.unwrap();
    double.until(outage, || other.revoked_by(&late).is_some()).await;
    assert_eq!(replica.last_error(), "", "{outage}");
}

#[tokio::test]
async fn n09_a_list_that_nobody_updates_grows_old() {
    let good = token_with_id("good").await;
    let (double, [_keeper]) = fleet().await;
    // A runtime that ends.
    let server = double.clone();
    let runtime = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let replica = Replica::start(&server);
            replica.revocations.ready().await;
            replica
        })
    });
    let replica = runtime.await.unwrap();
    assert!(replica.accepts(&good));
    replica.clock.advance(Duration::from_secs(300));
    assert!(replica.accepts(&good));
    replica.clock.advance(Duration::from_secs(2));
    assert!(replica.is_unavailable(&good));
    assert_eq!(replica.last_error(), "the task that reads the list does not run");
}

#[tokio::test]
async fn n09_accepting_after_an_outage_is_a_choice_and_needs_a_list() {
    let [revoked, good] = [token_with_id("revoked").await, token_with_id("good").await];
    let (double, [_keeper]) = fleet().await;
    let replica = Replica::with(&double, |builder| builder.dangerously_accept_after_outage());
    replica.revocations.ready().await;
    replica.revocations.revoke_token(&revoked).await.unwrap();
    double.kill();
    replica.clock.advance(Duration::from_secs(100_000));
    assert!(replica.accepts(&good));
    let new = Replica::with(&double, |builder| builder.dangerously_accept_after_outage());
    double.until("it failed to connect", || !new.last_error().is_empty()).await;
    assert!(new.is_unavailable(&good));
}

#[tokio::test]
async fn n09_a_revocation_that_the_server_refuses_is_an_error_and_is_shared_later() {
    let errors = [
        ("LOADING Redis is loading the dataset in memory", "LOADING"),
        ("READONLY You can't write against a read only replica.", "READONLY"),
        ("MOVED 3999 127.0.0.1:6381", "MOVED"),
        ("NOPERM User default has no permissions to run the 'zadd' command", "NOPERM"),
        ("OOM command not allowed when used memory > 'maxmemory'.", "OOM"),
        ("MISCONF Redis is configured to save RDB snapshots", "MISCONF"),
        ("EVIL\u{1b}[31m red", "EVIL"),
    ];
    let (double, [replica, other]) = fleet().await;
    let of_commands =
        ["MULTI", "ZADD", "XADD", "EXEC"].map(|command| errors.map(|(error, code)| (command, error, code)));
    for (command, error, code) in of_commands.into_iter().flatten() {
        double.fault(command, Fault::Error(error));
        let token = token_with_id(&format!("{command} {code}")).await;
        let failure = replica.revocations.revoke_token(&token).await.unwrap_err();
        let RevokeError::NotShared(ServerFailure::Refused { code: found }) = &failure else { panic!("{failure:?}") };
        assert_eq!(found, code);
        // Without `MULTI`, the commands were run.
        assert!(replica.revoked_by(&token).is_some() && (command == "MULTI" || other.accepts(&token)), "{code}");
        double.state().faults.clear();
        // The replica follows all the while: no connection is lost.
        replica.clock.advance(Duration::from_secs(2));
        double.until(code, || other.revoked_by(&token).is_some()).await;
    }
    for (name, fault) in [
        ("half", Fault::BytesAndEnd(b"*2\r\n:1\r\n$15\r\n18000")),
        ("nothing", Fault::BytesAndEnd(b"")),
        ("another reply", Fault::BytesAndEnd(b"+OK\r\n")),
    ] {
        double.fault("EXEC", fault);
        let token = token_with_id(name).await;
        let failure = replica.revocations.revoke_token(&token).await.unwrap_err();
        assert!(matches!(failure, RevokeError::NotShared(_)), "{name}: {failure:?}");
        double.state().faults.clear();
        replica.clock.advance(Duration::from_secs(2));
        double.until(name, || other.revoked_by(&token).is_some()).await;
    }
}

#[tokio::test]
async fn n09_a_revocation_that_is_given_up_is_shared_all_the_same() {
    let (double, [replica, other]) = fleet().await;
    let token = token_with_id("dropped").await;
    {
        let mut revoking = std::pin::pin!(replica.revocations.revoke_token(&token));
        // Begun, and dropped before the server has it.
        std::future::poll_fn(|cx| {
            assert!(revoking.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
    }
    assert!(replica.revoked_by(&token).is_some());
    replica.clock.advance(Duration::from_secs(2));
    double.until("the other one has it", || other.revoked_by(&token).is_some()).await;
}

#[tokio::test]
async fn n09_a_write_has_a_limit() {
    let (double, [_keeper]) = fleet().await;
    let limit = Duration::from_millis(20);
    let replica = Replica::with(&double, |builder| builder.write_timeout(limit));
    replica.revocations.ready().await;
    let token = token_with_id("slow").await;
    double.fault("EXEC", Fault::Silence);
    let failure = replica.revocations.revoke_token(&token).await.unwrap_err();
    assert_eq!(failure, RevokeError::NotShared(ServerFailure::TimedOut(limit)));
    assert!(replica.revoked_by(&token).is_some());
}

#[tokio::test]
async fn n09_a_write_after_a_restart_does_not_use_the_old_connection() {
    let (double, [replica]) = fleet().await;
    for number in 0..3 {
        replica.revocations.revoke(&Revocation::token_id(ISSUER, &format!("{number}"))).await.unwrap();
        double.restart(double.store());
        replica.revocations.revoke(&Revocation::token_id(ISSUER, &format!("{number}-after"))).await.unwrap();
    }
    assert_eq!(replica.revocations.entries().count(), 6);
    let new = Replica::start(&double);
    new.revocations.ready().await;
    assert_eq!(new.revocations.entries().count(), 6);
}
