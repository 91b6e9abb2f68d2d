//! What one replica revokes, the others refuse.

use tower_bearer::RevocationKind::{Client, Session, Subject, TokenId};
use tower_bearer::time::UnixTime;
use tower_bearer::{Revocation, RevocationError};
use tower_bearer_redis::RevokeError;

use crate::support::*;

#[tokio::test]
async fn k02_what_one_replica_revokes_is_refused_by_all_of_them() {
    let (double, replicas) = fleet::<3>().await;
    let good = token(|token| {
        let token = token.claim("jti", "1").claim("sid", "other").subject("other").client_id("other");
        token.claim("iat", NOW - 10)
    });
    let good = good.await;
    let at = UnixTime::from_secs(NOW - 5);
    let cases = [
        (TokenId, Revocation::token_id(ISSUER, "t"), token_with_id("t").await),
        (Session, Revocation::session(ISSUER, "s"), token(|token| token.claim("sid", "s")).await),
        (Client, Revocation::client(ISSUER, "c", at), token(|token| token.client_id("c").claim("iat", NOW - 5)).await),
        (Subject, Revocation::subject(ISSUER, "u", at), token(|token| token.subject("u").claim("iat", NOW - 5)).await),
    ];
    let younger = token(|token| token.subject("u").client_id("c").claim("iat", NOW - 4)).await;
    for (by, (kind, entry, revoked)) in cases.into_iter().enumerate() {
        // Each of them has it in its memo: not revoked so far.
        assert!(replicas.iter().all(|replica| replica.accepts(&revoked)), "{kind:?}");
        replicas[by % 3].revocations.revoke(&entry).await.unwrap();
        assert_eq!(replicas[by % 3].revoked_by(&revoked), Some(kind), "at once, where it was revoked");
        let all = || replicas.iter().all(|replica| replica.revoked_by(&revoked) == Some(kind));
        double.until("refused by all", all).await;
        for replica in &replicas {
            assert!(replica.accepts(&good) && replica.accepts(&younger), "{kind:?}");
        }
    }
    // So does one that starts later.
    let late = Replica::start(&double);
    late.revocations.ready().await;
    assert_eq!(late.revocations.entries().count(), 4);
}

#[tokio::test]
async fn n09_a_token_without_a_name_to_revoke_it_by_is_an_error() {
    let (double, [replica]) = fleet().await;
    let nameless = token(|token| token.without_claim("jti")).await;
    let error = replica.revocations.revoke_token(&nameless).await.unwrap_err();
    assert_eq!(error, RevokeError::NotRevoked(RevocationError::NoTokenId));
    let error = replica.revocations.revoke(&Revocation::session(ISSUER, "")).await.unwrap_err();
    assert_eq!(error, RevokeError::NotRevoked(RevocationError::Name));
    assert_eq!(replica.revocations.entries().count(), 0);
    assert!(double.state().commands.iter().all(|words| words[0] != "EXEC" || words.len() == 1));
}

#[tokio::test]
async fn n09_what_is_revoked_while_the_list_is_read_is_not_missed() {
    let (double, [replica]) = fleet().await;
    for name in ["b", "c", "d", "e"] {
        replica.revocations.revoke(&Revocation::token_id(ISSUER, name)).await.unwrap();
    }
    // Between two pages, in the one that was read.
    double.state().before = Some(("ZSCAN {tower-bearer}:revocations 17", |store| {
        let member = format!(r#"{{"kind":"token_id","issuer":"{ISSUER}","name":"a"}}"#);
        let words = ["ZADD", "{tower-bearer}:revocations", "GT", "1800003600", &member].map(String::from);
        store.run(&words, 1_800_000_000_000);
        let add = ["XADD", "{tower-bearer}:revocations:news", "MAXLEN", "~", "10", "*", "member", &member];
        let words: Vec<_> = add.into_iter().chain(["until", "1800003600"]).map(String::from).collect();
        store.run(&words, 1_800_000_000_000);
    }));
    let new = Replica::start(&double);
    new.revocations.ready().await;
    assert!(double.state().before.is_none(), "it was revoked");
    assert!(new.revoked_by(&token_with_id("a").await).is_some());
}
