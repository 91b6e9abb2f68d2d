//! Connections that hold a token end soon after it was revoked. The runtime's time is paused: no test waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tower_bearer::{
    RevocationAnswer, RevocationCheck, RevocationKind, RevocationStatus, RevocationVerdict, ValidatedToken,
};

use crate::fixtures::{AUDIENCE, ISSUER, builder, issuer_with};
use crate::world::{KINDS, Kind, World};

const MILLISECOND: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test(start_paused = true)]
async fn k02_a_connection_ends_a_quarter_of_a_second_after_the_revocation() {
    for kind in KINDS {
        // At the very beginning, and after each of several looks.
        for before in [0, 1, 249, 251, 4_999, 5_001, 60_000] {
            let world = World::new(kind);
            let held = world.server.validate(&world.text).await.unwrap();
            let mut refused = Box::pin(world.server.until_refused(&held));
            assert!(timeout(before * MILLISECOND, &mut refused).await.is_err());
            world.script.list.revoke_token(&held).unwrap();
            let revoked_at = Instant::now();
            assert_eq!(refused.await.reason(), "token_revoked");
            assert!(revoked_at.elapsed() <= 251 * MILLISECOND, "{kind:?}, {before}: {:?}", revoked_at.elapsed());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn k02_a_revocation_before_the_first_poll_is_noticed() {
    let world = World::new(Kind::Jwt);
    let held = world.server.validate(&world.text).await.unwrap();
    let refused = world.server.until_refused(&held);
    world.script.list.revoke_token(&held).unwrap();
    let began = Instant::now();
    assert_eq!(refused.await.reason(), "token_revoked");
    assert_eq!(began.elapsed(), Duration::ZERO);
}

/// A thousand revocations a second make each connection look four times a second.
#[tokio::test(start_paused = true)]
async fn k02_many_revocations_make_a_connection_look_seldom() {
    let world = World::new(Kind::Jwt);
    let held = world.server.validate(&world.text).await.unwrap();
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&looks);
    world.script.answer(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        RevocationVerdict::NotRevoked.into()
    });
    let mut refused = Box::pin(world.server.until_refused(&held));
    let list = world.script.list.clone();
    let revoking = async {
        for n in 0..10_000 {
            list.revoke_session(ISSUER, &n.to_string()).unwrap();
            sleep(MILLISECOND).await;
        }
    };
    tokio::select! {
        refused = &mut refused => panic!("{refused}"),
        () = revoking => {}
    }
    let looks = looks.load(Ordering::SeqCst);
    assert!((35..=45).contains(&looks), "{looks}");
}

/// A check that reports no changes is asked every 5 seconds.
#[derive(Debug)]
struct Mute(Arc<AtomicUsize>);

impl RevocationCheck for Mute {
    fn check(&self, _: &ValidatedToken) -> RevocationAnswer {
        match self.0.load(Ordering::SeqCst) {
            0 => RevocationVerdict::NotRevoked.into(),
            _ => RevocationVerdict::Revoked(RevocationKind::Session).into(),
        }
    }

    fn max_token_lifetime(&self) -> Option<Duration> {
        None
    }

    fn max_leeway(&self) -> Option<Duration> {
        None
    }

    fn status(&self) -> RevocationStatus {
        RevocationStatus::new(tower_bearer::RevocationState::Current)
    }
}

#[tokio::test(start_paused = true)]
async fn k02_without_a_signal_a_connection_ends_within_five_seconds() {
    let revoked = Arc::new(AtomicUsize::new(0));
    let issuer = issuer_with(tower_bearer::jose::Algorithm::EdDSA);
    // Without a lifetime, `iat` is not needed.
    let server = builder().issuer(issuer.trusted()).revocation(Arc::new(Mute(Arc::clone(&revoked)))).build().unwrap();
    let text = issuer.token().audience(AUDIENCE).without_claim("iat").expires_in(DAY).sign();
    let held = server.validate(&text).await.unwrap();
    let mut refused = Box::pin(server.until_refused(&held));
    assert!(timeout(17 * MILLISECOND * 1_000, &mut refused).await.is_err());
    revoked.store(1, Ordering::SeqCst);
    let revoked_at = Instant::now();
    assert_eq!(refused.await.reason(), "session_revoked");
    assert!(revoked_at.elapsed() <= 5_001 * MILLISECOND, "{:?}", revoked_at.elapsed());
}

/// An outage that is over when the connection looks again ends nothing.
#[tokio::test(start_paused = true)]
async fn k02_a_short_outage_of_the_check_ends_no_connection_and_a_long_one_does() {
    let unavailable = || RevocationVerdict::Unavailable { retry_after: Duration::ZERO };
    for (is_later, is_short) in [(false, true), (false, false), (true, true), (true, false)] {
        let world = World::new(Kind::Jwt);
        let held = world.server.validate(&world.text).await.unwrap();
        let mut refused = Box::pin(world.server.until_refused(&held));
        assert!(timeout(6_000 * MILLISECOND, &mut refused).await.is_err());
        if is_later {
            world.script.answer_later(unavailable());
        } else {
            world.script.answer(move || unavailable().into());
        }
        let began = Instant::now();
        if is_short {
            assert!(timeout(4_500 * MILLISECOND, &mut refused).await.is_err());
            world.script.answer_later(RevocationVerdict::NotRevoked);
            assert!(timeout(60_000 * MILLISECOND, &mut refused).await.is_err());
        } else {
            assert_eq!(refused.await.reason(), "revocation_unavailable");
            assert!(began.elapsed() <= 7_001 * MILLISECOND, "{:?}", began.elapsed());
        }
    }
}
