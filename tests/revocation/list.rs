//! What an application does with a list.

use std::time::Duration;

use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer::{
    Revocation, RevocationCheck, RevocationError, RevocationKind, RevocationList, RevocationListBuilder,
};

use crate::fixtures::{ISSUER, NOW};
use crate::support::{OTHER_ISSUER, alice, revoked_by, token};

const LIFETIME: Duration = Duration::from_secs(600);

fn builder() -> (RevocationListBuilder, ManualClock) {
    let clock = ManualClock::at(NOW);
    (RevocationList::builder(LIFETIME).clock(clock.clone()), clock)
}

fn list() -> RevocationList {
    builder().0.build().unwrap()
}

#[test]
fn k02_each_name_of_a_token_revokes_it_and_no_other_does() {
    let by = [
        ("jti", RevocationKind::TokenId, Revocation::token_id(ISSUER, "x")),
        ("sid", RevocationKind::Session, Revocation::session(ISSUER, "x")),
        ("client_id", RevocationKind::Client, Revocation::client(ISSUER, "x", NOW)),
        ("sub", RevocationKind::Subject, Revocation::subject(ISSUER, "x", NOW)),
    ];
    for (claim, _, _) in &by {
        let iat = ("iat", NOW.as_secs().into());
        let ours = token(ISSUER, &[(claim, "x".into()), iat.clone()]);
        let others = [
            token(ISSUER, &[(claim, "X".into()), iat.clone()]),
            token(OTHER_ISSUER, &[(claim, "x".into()), iat.clone()]),
        ];
        for (other_claim, kind, entry) in &by {
            let list = list();
            list.revoke(entry).unwrap();
            let expected = (claim == other_claim).then_some(*kind);
            assert_eq!(revoked_by(&list, &ours), expected, "{claim}, {entry:?}");
            for other in &others {
                assert_eq!(revoked_by(&list, other), None, "{claim}, {entry:?}");
            }
        }
    }
}

/// A text that is split elsewhere, or is another kind's.
#[test]
fn k02_an_issuer_and_a_name_are_told_apart() {
    let list = list();
    list.revoke(&Revocation::token_id("https://as.example.coma", "b")).unwrap();
    list.revoke(&Revocation::token_id("https://as.example.com", "ab")).unwrap();
    assert_eq!(list.len(), 2);
    assert_eq!(revoked_by(&list, &token("https://as.example.coma", &[("jti", "ab".into())])), None);
    assert_eq!(revoked_by(&list, &token(ISSUER, &[("jti", "b".into())])), None);
}

/// The issuer's clock may be ahead of ours by the leeway.
#[test]
fn k02_all_of_a_subject_includes_tokens_whose_iat_is_ahead() {
    let ahead = |seconds: u64| {
        let claims = [("sub", "alice".into()), ("client_id", "app".into()), ("iat", (NOW.as_secs() + seconds).into())];
        token(ISSUER, &claims)
    };
    for revoke in [RevocationList::revoke_subject, RevocationList::revoke_client] {
        let list = list();
        for name in ["alice", "app"] {
            revoke(&list, ISSUER, name).unwrap();
        }
        assert!(revoked_by(&list, &ahead(0)).is_some());
        assert!(revoked_by(&list, &ahead(30)).is_some());
    }
    // A time of the issuer's clock counts as it is.
    let list = list();
    list.revoke(&Revocation::subject(ISSUER, "alice", NOW)).unwrap();
    assert_eq!(revoked_by(&list, &ahead(0)), Some(RevocationKind::Subject));
    assert_eq!(revoked_by(&list, &ahead(1)), None);
}

#[test]
fn k02_without_iat_a_token_counts_as_issued_before() {
    let list = list();
    list.revoke(&Revocation::subject(ISSUER, "alice", UnixTime::from_secs(1_700_000_000)).until(NOW)).unwrap();
    assert_eq!(revoked_by(&list, &token(ISSUER, &[("sub", "alice".into())])), Some(RevocationKind::Subject));
}

#[test]
fn n09_a_token_without_jti_cannot_be_revoked_by_it() {
    let list = list();
    let nameless = token(ISSUER, &[("sub", "alice".into())]);
    assert_eq!(list.revoke_token(&nameless), Err(RevocationError::NoTokenId));
    assert_eq!(Revocation::of_token(&nameless), Err(RevocationError::NoTokenId));
    assert!(list.is_empty());
    // Its subject can.
    list.revoke_subject(ISSUER, "alice").unwrap();
    assert!(revoked_by(&list, &nameless).is_some());
}

#[test]
fn n09_a_full_list_is_an_error_and_evicts_nothing() {
    let (builder, clock) = builder();
    let list = builder.max_entries(2).build().unwrap();
    list.revoke_token(&alice()).unwrap();
    list.revoke(&Revocation::session(ISSUER, "s2")).unwrap();
    for refused in [
        list.revoke(&Revocation::session(ISSUER, "s3")),
        list.revoke_subject(ISSUER, "bob"),
        list.revoke_client(ISSUER, "app"),
        list.revoke_session(ISSUER, "s1"),
    ] {
        assert_eq!(refused, Err(RevocationError::Full { max_entries: 2 }));
    }
    assert_eq!((list.len(), list.max_entries()), (2, 2));
    assert_eq!(revoked_by(&list, &alice()), Some(RevocationKind::TokenId));
    // What is there can be revoked again.
    let again = Revocation::session(ISSUER, "s2").until(NOW.saturating_add(LIFETIME * 2));
    assert_eq!(list.revoke(&again).unwrap().ends(), Some(NOW.saturating_add(LIFETIME * 2)));
    // Time makes room: the token's entry lasts until its `exp`, which is in a day.
    clock.advance(LIFETIME * 2 + Duration::from_secs(61));
    list.revoke_subject(ISSUER, "bob").unwrap();
    assert_eq!(list.len(), 2);
}

/// To the second, by the wall clock and by the monotonic one.
#[test]
fn n09_an_entry_lasts_for_the_lifetime_and_twice_the_leeway() {
    let day = Duration::from_secs(86_400);
    type Revoke = fn(&RevocationList) -> Result<Revocation, RevocationError>;
    let cases: [(Revoke, Duration); 4] = [
        (|list| list.revoke_session(ISSUER, "s1"), LIFETIME + Duration::from_secs(60)),
        (|list| list.revoke(&Revocation::subject(ISSUER, "alice", NOW)), LIFETIME + Duration::from_secs(60)),
        // `iat` may be ahead by the leeway.
        (|list| list.revoke_subject(ISSUER, "alice"), LIFETIME + Duration::from_secs(90)),
        (|list| list.revoke_token(&alice()), Duration::from_secs(86_400 + 60)),
    ];
    for (revoke, lasts) in cases {
        let (builder, clock) = builder();
        let list = builder.build().unwrap();
        revoke(&list).unwrap();
        clock.advance(lasts);
        assert!(revoked_by(&list, &alice()).is_some());
        assert_eq!(list.len(), 1);
        clock.set_wall(Some(NOW.saturating_add(day * 2)));
        assert_eq!(list.len(), 1, "k05: the wall clock alone ends nothing");
        clock.set_wall(Some(NOW.saturating_add(lasts)));
        clock.advance(Duration::from_nanos(1));
        assert_eq!((revoked_by(&list, &alice()), list.len(), list.entries().count()), (None, 0, 0));
    }
}

/// As long as it has not been dropped: the tokens are valid again, too.
#[test]
fn k05_n09_an_entry_that_has_ended_counts_again_when_the_clock_is_set_back() {
    let (builder, clock) = builder();
    let list = builder.build().unwrap();
    list.revoke_session(ISSUER, "s1").unwrap();
    clock.advance(LIFETIME * 2);
    let held = alice();
    for _ in 0..2 {
        assert_eq!(revoked_by(&list, &held), None);
    }
    clock.set_wall(Some(NOW));
    assert_eq!(revoked_by(&list, &held), Some(RevocationKind::Session));
}

#[test]
fn n09_what_cannot_be_of_a_token_is_an_error() {
    let list = list();
    let long = "x".repeat(1_025);
    for entry in [Revocation::token_id(ISSUER, ""), Revocation::token_id("", "t"), Revocation::session(ISSUER, &long)] {
        assert_eq!(list.revoke(&entry), Err(RevocationError::Name));
    }
    let milliseconds = UnixTime::from_secs(NOW.as_secs() * 1_000);
    assert_eq!(list.revoke(&Revocation::subject(ISSUER, "alice", milliseconds)), Err(RevocationError::Time));
    assert_eq!(list.revoke(&Revocation::token_id(ISSUER, "t").until(milliseconds)), Err(RevocationError::Time));
    let (builder, clock) = builder();
    clock.set_wall(None);
    assert_eq!(builder.build().unwrap().revoke_session(ISSUER, "s"), Err(RevocationError::ClockUnavailable));
    assert!(list.is_empty());
}

#[test]
fn n09_text_that_cannot_be_read_in_full_is_an_error() {
    let entry = Revocation::subject(ISSUER, "alice", NOW).until(NOW);
    let json = serde_json::to_string(&entry).unwrap();
    assert_eq!(serde_json::from_str::<Revocation>(&json).unwrap(), entry);
    for (from, to) in [
        ("subject", "tenant"),
        ("subject", "session"),
        (r#","issued_up_to":1800000000"#, ""),
        ("1800000000", "1.5"),
        ("1800000000", "-1"),
        ("1800000000", "1800000000000"),
        (r#""name":"alice","#, ""),
        (r#""alice""#, r#""""#),
        (r#""alice""#, "null"),
        ("{", r#"{"not_before":1,"#),
    ] {
        let changed = json.replacen(from, to, 1);
        assert_ne!(changed, json);
        assert!(serde_json::from_str::<Revocation>(&changed).is_err(), "{changed}");
    }
}

#[test]
fn a_fraction_of_a_second_counts_as_a_second_more() {
    let half = UnixTime::from_duration(Duration::from_millis(1_800_000_000_500));
    let entry = Revocation::client(ISSUER, "app", half).until(half);
    let rounded = Some(UnixTime::from_secs(1_800_000_001));
    assert_eq!((entry.issued_up_to(), entry.ends()), (rounded, rounded));
}

#[test]
fn two_lists_share_nothing_and_clones_share_all() {
    let (first, second, token) = (list(), list(), alice());
    first.clone().revoke_token(&token).unwrap();
    for _ in 0..3 {
        assert_eq!(revoked_by(&second, &token), None);
        assert_eq!(revoked_by(&first, &token), Some(RevocationKind::TokenId));
    }
    assert_eq!((first.max_token_lifetime(), first.max_leeway()), (Some(LIFETIME), Some(Duration::from_secs(30))));
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for (builder, setting) in [
        (RevocationList::builder(Duration::ZERO), "max_token_lifetime"),
        (RevocationList::builder(LIFETIME).max_entries(0), "max_entries"),
    ] {
        assert_eq!(builder.build().unwrap_err().setting(), setting);
    }
}
