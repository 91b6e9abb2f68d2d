//! Keys in a file that changes.

use std::fs;
use std::path::PathBuf;

use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer::{Issuer, ResourceServer};
use tower_bearer_test::TestIssuer;

use crate::provider::{AUDIENCE, key, reason, token};

struct Fixture {
    path: PathBuf,
    clock: ManualClock,
    server: ResourceServer,
}

impl Fixture {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.json", std::process::id()));
        let _ = fs::remove_file(&path);
        let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
        let trusted = Issuer::new("https://as.example.com").jwk_set_file(&path);
        let server = ResourceServer::builder().audience(AUDIENCE).issuer(trusted).clock(clock.clone()).build().unwrap();
        Self { path, clock, server }
    }

    fn issuer(&self, n: usize) -> TestIssuer {
        TestIssuer::with_key("https://as.example.com", key(n)).with_clock(self.clock.clone())
    }

    fn write(&self, text: impl AsRef<[u8]>) {
        fs::write(&self.path, text).unwrap();
    }

    /// Writes beside the file and renames, as careful writers do.
    fn replace(&self, text: impl AsRef<[u8]>) {
        let new = self.path.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, &self.path).unwrap();
    }

    async fn verdict(&self, issuer: &TestIssuer) -> &'static str {
        reason(&self.server, &token(issuer)).await
    }
}

#[tokio::test]
async fn a_file_may_come_after_the_start() {
    let it = Fixture::new("late");
    let issuer = it.issuer(0);
    assert_eq!(it.verdict(&issuer).await, "keys_unavailable");
    it.write(issuer.jwk_set().to_string());
    it.clock.advance(std::time::Duration::from_secs(6));
    assert_eq!(it.verdict(&issuer).await, "accepted");
}

#[tokio::test]
async fn a_new_key_is_found_at_once_however_the_file_was_written() {
    let it = Fixture::new("rotated");
    let issuers = [it.issuer(0), it.issuer(1), it.issuer(2)];
    it.write(issuers[0].jwk_set().to_string());
    assert_eq!(it.verdict(&issuers[0]).await, "accepted");
    it.write(issuers[1].jwk_set().to_string());
    assert_eq!(it.verdict(&issuers[1]).await, "accepted");
    it.replace(issuers[2].jwk_set().to_string());
    assert_eq!(it.verdict(&issuers[2]).await, "accepted");
    assert_eq!(it.verdict(&issuers[0]).await, "no_matching_key");
}

#[tokio::test]
async fn a_bad_new_file_keeps_the_old_keys() {
    let it = Fixture::new("bad");
    let (old, new) = (it.issuer(0), it.issuer(1));
    it.write(old.jwk_set().to_string());
    assert_eq!(it.verdict(&old).await, "accepted");
    for bad in ["", "{", "{\"keys\":[]}", &" ".repeat(300 * 1024)] {
        it.write(bad);
        assert_eq!(it.verdict(&new).await, "key_not_proven_absent");
        assert_eq!(it.verdict(&old).await, "accepted");
        it.clock.advance(std::time::Duration::from_secs(10));
    }
    fs::remove_file(&it.path).unwrap();
    assert_eq!(it.verdict(&old).await, "accepted");
}
