//! What is sent: requests put together before the run, good and bad ones in a fixed mixture.

use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::{Map, Value};

use super::answers::Sent;
use super::profile::Flood;

/// How many different bad tokens a flood has. Far more `kid`s than a server may remember not to have.
pub(super) const FLOOD_POOL: usize = 20_000;

/// All requests of a profile.
pub(super) struct Traffic {
    /// Good ones: before the event in the middle of the run, and after it.
    before: Vec<Bytes>,
    after: Vec<Bytes>,
    bad: Vec<Bytes>,
    bad_share: usize,
    is_after: AtomicUsize,
}

/// Where one thread is in the traffic.
pub(super) struct Position {
    requests: usize,
    good: usize,
    bad: usize,
}

impl Traffic {
    /// `after` is empty unless the event changes the tokens.
    pub(super) fn new(before: Vec<Bytes>, after: Vec<Bytes>, bad: Vec<Bytes>, bad_share: u8) -> Self {
        let bad_share = if bad.is_empty() { 0 } else { usize::from(bad_share) };
        Self { before, after, bad, bad_share, is_after: AtomicUsize::new(0) }
    }

    /// Goes over to the requests for after the event.
    pub(super) fn change(&self) {
        self.is_after.store(1, Ordering::Relaxed);
    }

    /// Where the n-th of so many threads begins, so that they do not send the same tokens at the same time.
    pub(super) fn position(&self, thread: usize, threads: usize) -> Position {
        let start = |pool: &[Bytes]| pool.len() / threads.max(1) * thread;
        Position { requests: 0, good: start(&self.before), bad: start(&self.bad) }
    }

    /// The next request; bad ones are spread evenly among the good.
    pub(super) fn next(&self, position: &mut Position) -> (Sent, &Bytes) {
        static NOTHING: Bytes = Bytes::new();
        let share = position.requests.wrapping_mul(self.bad_share) % 100;
        position.requests = position.requests.wrapping_add(1);
        let is_bad = share + self.bad_share >= 100;
        let changed = self.is_after.load(Ordering::Relaxed) != 0 && !self.after.is_empty();
        let (sent, pool, counter) = if is_bad {
            (Sent::Bad, &self.bad, &mut position.bad)
        } else {
            (Sent::Good, if changed { &self.after } else { &self.before }, &mut position.good)
        };
        let number = *counter % pool.len().max(1);
        *counter = number + 1;
        (sent, pool.get(number).unwrap_or(&NOTHING))
    }
}

/// So many bad tokens out of good ones, all different unless a signature has not bits enough. `None` when those are not
/// signed JWTs.
pub(super) fn bad_tokens(flood: Flood, good: &[String], count: usize) -> Option<Vec<String>> {
    let run = random_name()?;
    let spoil = |(number, token): (usize, &String)| match flood {
        Flood::BadSignature => with_bad_signature(token, number / good.len()),
        Flood::RandomKid => with_key_id(token, &format!("{run}-{number}")),
    };
    good.iter().cycle().take(count).enumerate().map(spoil).collect()
}

/// The token with one bit of its signature changed, another one for each number.
fn with_bad_signature(token: &str, number: usize) -> Option<String> {
    let (signed, signature) = token.rsplit_once('.')?;
    let mut signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let bits = signature.len().checked_mul(8).filter(|bits| *bits > 0)?;
    let bit = number % bits;
    *signature.get_mut(bit / 8)? ^= 1 << (bit % 8);
    // Not a second bit when the first ones are used up: two flips of one bit would heal the signature.
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The token with another `kid` in its header. Its signature is wrong then, but no key is found to notice that with.
fn with_key_id(token: &str, key_id: &str) -> Option<String> {
    let (header, rest) = token.split_once('.')?;
    let header = URL_SAFE_NO_PAD.decode(header).ok()?;
    let mut header: Map<String, Value> = serde_json::from_slice(&header).ok()?;
    header.insert("kid".to_owned(), key_id.into());
    Some(format!("{}.{rest}", URL_SAFE_NO_PAD.encode(Value::Object(header).to_string())))
}

/// Another one in each run: servers remember `kid`s that they did not find.
fn random_name() -> Option<String> {
    let mut bytes = [0; 12];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tower_bearer::ResourceServer;
    use tower_bearer::jose::Algorithm;
    use tower_bearer_test::{TestIssuer, TokenBuilder};

    use super::*;

    fn pool(name: &'static str, count: usize) -> Vec<Bytes> {
        vec![Bytes::from_static(name.as_bytes()); count]
    }

    #[test]
    fn bad_requests_are_spread_by_their_share() {
        for share in [1_u8, 30, 50, 99] {
            let traffic = Traffic::new(pool("good", 3), Vec::new(), pool("bad", 2), share);
            let mut position = traffic.position(0, 1);
            let bad = (0..1_000).filter(|_| traffic.next(&mut position).0 == Sent::Bad).count();
            assert_eq!(bad, usize::from(share) * 10);
        }
    }

    #[test]
    fn the_event_changes_the_tokens() {
        let traffic = Traffic::new(pool("old", 3), pool("new", 2), Vec::new(), 50);
        let mut position = traffic.position(1, 2);
        assert!((0..9).all(|_| traffic.next(&mut position) == (Sent::Good, &Bytes::from_static(b"old"))));
        traffic.change();
        assert!((0..9).all(|_| traffic.next(&mut position) == (Sent::Good, &Bytes::from_static(b"new"))));
    }

    #[tokio::test]
    async fn bad_tokens_are_all_different_and_refused_for_their_reason() {
        let issuer = TestIssuer::with_algorithm("https://as.example.com", Algorithm::ES256).unwrap();
        let server = ResourceServer::builder()
            .audience(TokenBuilder::DEFAULT_AUDIENCE)
            .issuer(issuer.trusted())
            .build()
            .unwrap();
        let good: Vec<_> = (0..2).map(|_| issuer.token().sign()).collect();
        for (flood, reason) in [(Flood::BadSignature, "bad_signature"), (Flood::RandomKid, "no_matching_key")] {
            let bad = bad_tokens(flood, &good, 600).unwrap();
            assert_eq!(bad.iter().collect::<HashSet<_>>().len(), 600);
            for token in &bad {
                assert_eq!(server.validate(token).await.unwrap_err().reason(), reason);
            }
        }
        assert_eq!(bad_tokens(Flood::BadSignature, &["opaque".to_owned()], 1), None);
        assert_eq!(bad_tokens(Flood::RandomKid, &["a.b.c".to_owned()], 1), None);
    }
}
