//! Replicas, tokens, and what becomes of them.

use std::sync::LazyLock;
use std::time::Duration;

use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer::{
    ResourceServer, RevocationAnswer, RevocationCheck, RevocationKind, RevocationStatus, RevocationVerdict,
    ValidatedToken,
};
use tower_bearer_redis::{RedisRevocations, RedisRevocationsBuilder, RedisServer};
use tower_bearer_test::{TestIssuer, TokenBuilder};

use crate::double::Double;

pub(crate) const ISSUER: &str = "https://as.example.com";
pub(crate) const LIFETIME: Duration = Duration::from_secs(3_600);
pub(crate) const NOW: u64 = 1_800_000_000;

/// One replica: its own clock, its own list.
pub(crate) struct Replica {
    pub(crate) revocations: RedisRevocations,
    pub(crate) clock: ManualClock,
}

impl Replica {
    /// Started, and perhaps not ready.
    pub(crate) fn start(double: &Double) -> Self {
        Self::with(double, |builder| builder)
    }

    pub(crate) fn with(double: &Double, set: impl FnOnce(RedisRevocationsBuilder) -> RedisRevocationsBuilder) -> Self {
        Self::of(RedisServer::at(&double.url()), set)
    }

    pub(crate) fn of(
        server: RedisServer,
        set: impl FnOnce(RedisRevocationsBuilder) -> RedisRevocationsBuilder,
    ) -> Self {
        let clock = ManualClock::at(UnixTime::from_secs(NOW));
        let builder = RedisRevocations::builder(server, LIFETIME).clock(clock.clone());
        // The tests decide what is slow.
        let builder = builder.write_timeout(Duration::from_secs(10));
        Self { revocations: set(builder).start().unwrap(), clock }
    }

    pub(crate) fn verdict(&self, token: &ValidatedToken) -> RevocationVerdict {
        match self.revocations.check(token) {
            RevocationAnswer::Now(verdict) => verdict,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn accepts(&self, token: &ValidatedToken) -> bool {
        self.verdict(token) == RevocationVerdict::NotRevoked
    }

    pub(crate) fn is_unavailable(&self, token: &ValidatedToken) -> bool {
        matches!(self.verdict(token), RevocationVerdict::Unavailable { .. })
    }

    pub(crate) fn revoked_by(&self, token: &ValidatedToken) -> Option<RevocationKind> {
        match self.verdict(token) {
            RevocationVerdict::Revoked(kind) => Some(kind),
            _ => None,
        }
    }

    pub(crate) fn status(&self) -> RevocationStatus {
        self.revocations.status()
    }

    pub(crate) fn last_error(&self) -> String {
        self.status().last_error.unwrap_or_default()
    }
}

/// A server that an operator initialized, and replicas that are ready.
pub(crate) async fn fleet<const N: usize>() -> (Double, [Replica; N]) {
    let double = Double::start().await;
    double.order_initialization();
    let mut replicas = Vec::new();
    for _ in 0..N {
        let replica = Replica::start(&double);
        replica.revocations.ready().await;
        replicas.push(replica);
    }
    let Ok(replicas) = replicas.try_into() else { unreachable!("there are as many") };
    (double, replicas)
}

/// A good token with these claims.
pub(crate) async fn token(set: impl FnOnce(TokenBuilder) -> TokenBuilder) -> ValidatedToken {
    static ISSUER_AND_SERVER: LazyLock<(TestIssuer, ResourceServer)> = LazyLock::new(|| {
        let clock = ManualClock::at(UnixTime::from_secs(NOW));
        let issuer = TestIssuer::new(ISSUER).unwrap().with_clock(clock.clone());
        let server = ResourceServer::builder().audience(TokenBuilder::DEFAULT_AUDIENCE).issuer(issuer.trusted());
        let server = server.clock(clock).build().unwrap();
        (issuer, server)
    });
    let (issuer, server) = &*ISSUER_AND_SERVER;
    server.validate(&set(issuer.token()).sign()).await.unwrap()
}

/// A good token that can be revoked by its `jti`.
pub(crate) async fn token_with_id(token_id: &str) -> ValidatedToken {
    token(|token| token.claim("jti", token_id).subject(format!("subject of {token_id}"))).await
}
