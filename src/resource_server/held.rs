//! Accepted tokens that are still held by a connection that outlives its request.

use std::future::{Future, pending};
use std::time::Duration;

use tokio::sync::watch;

use super::ResourceServer;
use super::door::{Stop, Subject};
use super::waits::{Pending, Waited, Waits};
use crate::error::TokenError;
use crate::evidence::Introspected;
use crate::presentation::Presentation;
use crate::single_flight::current_runtime;
use crate::token::ValidatedToken;
use crate::validator::NoListener;

/// How often [`ResourceServer::until_refused`] checks for changes that no timer can predict.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long it waits when our side cannot decide: as long as a request waits for keys by default.
const WAIT_WHILE_UNDECIDED: Duration = Duration::from_secs(2);
/// It looks again no sooner when tokens were revoked.
const BETWEEN_CHANGES: Duration = Duration::from_millis(250);
/// A timer may fire early, and a clock that is not the machine's may stand still.
const SHORTEST_SLEEP: Duration = Duration::from_millis(10);

impl ResourceServer {
    /// Revalidates a token that was accepted earlier, without its string: for connections that outlive a request, such
    /// as a WebSocket. It fetches nothing and checks no signature, and is only as current as the cached keys: a key
    /// that the issuer withdrew is noticed only once requests have triggered a refresh of the set. For an
    /// introspected token, the last answer is valid for as long as it would be for a request. A [revocation
    /// check](crate::ResourceServerBuilder::revocation) is asked; if its verdict takes time, this reports
    /// [`TokenError::RevocationUnavailable`], and [`revalidate_async`](Self::revalidate_async) waits for it.
    ///
    /// # Errors
    ///
    /// When the token has expired or was revoked, its key has been withdrawn, the issuer is disabled or removed, the set
    /// is too stale to decide, the issuer of the [resolver](crate::ResourceServerBuilder::issuer_resolver) has been evicted since, or
    /// another resource server validated the token.
    ///
    /// ```
    /// # use tower_bearer::ResourceServer;
    /// # use tower_bearer_test::TestIssuer;
    /// # let issuer = TestIssuer::new("https://as.example.com")?;
    /// # let text = issuer.token().sign();
    /// # let api = ResourceServer::builder().audience("https://api.example.com").issuer(issuer.trusted()).build()?;
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let token = api.validate(&text).await?;
    /// assert!(api.revalidate(&token).is_ok());
    ///
    /// api.disable_issuer("https://as.example.com");
    /// assert_eq!(api.revalidate(&token).unwrap_err().reason(), "issuer_disabled");
    /// # Ok::<(), tower_bearer::TokenError>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn revalidate(&self, token: &ValidatedToken) -> Result<(), TokenError> {
        match self.decide(Subject::Held(token), Waited::NOTHING, &mut NoListener) {
            Ok(_) => Ok(()),
            Err(Stop::Refused(error)) => Err(error),
            Err(Stop::Pending(_)) => Err(TokenError::RevocationUnavailable { retry_after: Duration::ZERO }),
        }
    }

    /// Like [`revalidate`](Self::revalidate), but if our side cannot decide, waits for the revocation check, for the key
    /// fetch that is under way or due, or asks the issuer about the token again, and tries once more. It waits for at most the
    /// [`request_wait`](crate::KeyPolicy::request_wait) of the issuer's policy, or that of its
    /// [introspection](crate::Introspection::request_wait).
    ///
    /// # Errors
    ///
    /// Those of `revalidate`.
    ///
    /// ```
    /// # use tower_bearer::ResourceServer;
    /// # use tower_bearer_test::TestIssuer;
    /// # let issuer = TestIssuer::new("https://as.example.com")?;
    /// # let text = issuer.token().sign();
    /// # let api = ResourceServer::builder().audience("https://api.example.com").issuer(issuer.trusted()).build()?;
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let token = api.validate(&text).await?;
    /// // Every minute, for as long as the connection lasts:
    /// assert!(api.revalidate_async(&token).await.is_ok());
    /// # Ok::<(), tower_bearer::TokenError>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn revalidate_async(&self, token: &ValidatedToken) -> Result<(), TokenError> {
        let decided = self.decide_held(token).await;
        let is_undecided = |error: &TokenError| {
            error.retry_after().is_some() && !matches!(error, TokenError::RevocationUnavailable { .. })
        };
        if !decided.as_ref().is_err_and(is_undecided) {
            return decided;
        }
        if let Some(introspected) = token.evidence().introspected() {
            let presented = Presentation::bearer(introspected.token());
            return self.decide_and_wait(presented, &mut NoListener).await.map(drop);
        }
        self.wait_for_evidence(token).await;
        self.decide_held(token).await
    }

    /// Completes, with the reason, when this resource server would no longer accept the token: for a WebSocket, an
    /// event stream, or anything else that stays open after the layer has accepted its request.
    ///
    /// It completes for the same reasons as [`revalidate`](Self::revalidate), by the clock and the leeway of the resource
    /// server: a token in its leeway is still accepted, so its connection stays open until the leeway has passed. While
    /// it waits, it keeps the issuer's keys up to date, even if no requests arrive.
    ///
    /// | what happens | the future completes |
    /// |---|---|
    /// | the token expires | when `exp` and the leeway have passed, give or take a few milliseconds |
    /// | the token is [revoked](crate::RevocationList) | at most a quarter of a second later; at most 5 seconds, if the [revocation check](crate::RevocationCheck) does not [report changes](crate::RevocationCheck::changes) |
    /// | the issuer is disabled, removed or replaced | at most 5 seconds later |
    /// | the clock is set | at most 5 seconds later |
    /// | a fetch of the keys lacks the token's key | at most 5 seconds after that fetch; 7 after one of a failover, which gives the issuer's own keys 2 seconds to come back |
    /// | the issuer says that an [opaque token](crate::guide::opaque_tokens) is not active | at most 7 seconds after its last answer is too old |
    /// | the revocation check is unavailable | at most 7 seconds later, if it still is |
    /// | the keys cannot be fetched and pass their [staleness bound](crate::KeyPolicy::staleness_bound), or the [resolver](crate::ResourceServerBuilder::issuer_resolver)'s issuer was evicted | at most 7 seconds later: a fetch has 2 seconds |
    ///
    /// A key that the issuer withdraws is noticed when the set is fetched next: by default after 4 to 5 minutes, at most
    /// after an hour if the issuer's `Cache-Control` says so, and after an outage when that ends.
    ///
    /// The future owns what it needs and can be dropped at any time. It does not count as one of the
    /// [waiting requests](crate::guide::keys), so thousands of connections may each have one. It needs a tokio runtime
    /// with timers; in any other it completes at once with [`TokenError::ClockUnavailable`] and logs an error.
    ///
    /// ```
    /// use tower_bearer::{ResourceServer, ValidatedToken};
    /// # use tower_bearer_test::TestIssuer;
    ///
    /// async fn serve(api: ResourceServer, token: ValidatedToken, messages: impl Future<Output = ()>) {
    ///     tokio::select! {
    ///         () = messages => {}
    ///         refused = api.until_refused(&token) => println!("closed: {}", refused.reason()),
    ///     }
    /// }
    /// # let issuer = TestIssuer::new("https://as.example.com")?;
    /// # let text = issuer.token().sign();
    /// # let api = ResourceServer::builder().audience("https://api.example.com").issuer(issuer.trusted()).build()?;
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// # let token = api.validate(&text).await?;
    /// # serve(api.clone(), token.clone(), async {}).await;
    /// # api.disable_issuer("https://as.example.com");
    /// # serve(api, token, std::future::pending()).await;
    /// # Ok::<(), tower_bearer::TokenError>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn until_refused(&self, token: &ValidatedToken) -> impl Future<Output = TokenError> + Send + 'static + use<> {
        let (server, token) = (self.clone(), token.clone());
        async move {
            if let Err(missing) = current_runtime() {
                tracing::error!(error = %missing, "a held token cannot be watched");
                return TokenError::ClockUnavailable;
            }
            // Before the first look, so that nothing is revoked unnoticed between the two.
            let mut changes = server.0.revocations.as_ref().and_then(|revocations| revocations.changes());
            let mut has_waited = false;
            loop {
                let decided = match server.decide_held(&token).await {
                    // Perhaps no request sends this token, so nothing else refreshes the answer.
                    Err(TokenError::IntrospectionUnavailable { .. }) if !has_waited => {
                        server.revalidate_async(&token).await
                    }
                    decided => decided,
                };
                let sleep = match decided {
                    Ok(()) => {
                        has_waited = false;
                        server.until_next_look(&token)
                    }
                    Err(error) if error.retry_after().is_some() && !has_waited => {
                        has_waited = true;
                        WAIT_WHILE_UNDECIDED
                    }
                    Err(error) => return error,
                };
                server.keep_evidence_fresh(&token);
                sleep_or_change(sleep, changes.as_mut()).await;
            }
        }
    }

    /// Decides about a held token, and waits for nothing but the revocation check.
    async fn decide_held(&self, token: &ValidatedToken) -> Result<(), TokenError> {
        let mut waits = Waits::default();
        loop {
            match self.decide(Subject::Held(token), waits.waited(), &mut NoListener) {
                Ok(_) => return Ok(()),
                Err(Stop::Refused(error)) => return Err(error),
                Err(Stop::Pending(Pending::Revocation(asked))) => self.wait_for_verdict(*asked, &mut waits).await,
                Err(Stop::Pending(_)) => return Err(TokenError::KeysUnavailable { retry_after: Duration::ZERO }),
            }
        }
    }

    /// Has the keys fetched and the issuer asked ahead, so that thousands of connections need not wait at the same time.
    fn keep_evidence_fresh(&self, token: &ValidatedToken) {
        let issuer = token.trusted_issuer();
        // An issuer that was evicted does not come back: a new one takes its place, with keys of its own.
        if self.0.issuers.table().check_updated(issuer).is_err() {
            return;
        }
        if let Some(keys) = issuer.proof.keys() {
            keys.fetch_if_due();
        }
        // The latest answer is with the token in the cache.
        if let Some(introspected) = token.evidence().introspected()
            && let Some(latest) = self.find_current(introspected.token().as_bytes())
            && latest.evidence().introspected().is_some_and(Introspected::take_refresh)
        {
            self.ask_ahead(issuer, introspected);
        }
    }

    fn until_next_look(&self, token: &ValidatedToken) -> Duration {
        let end = token.trusted_issuer().rules.end_of(token.times());
        match self.0.clock.now().zip(end) {
            Some((now, end)) if now <= end => end.saturating_since(now).clamp(SHORTEST_SLEEP, LOOK_EVERY),
            // Past its end, it is valid by a newer answer of its issuer.
            _ => LOOK_EVERY,
        }
    }
}

/// Sleeps, or less if tokens are revoked; but long enough that thousands of connections do not look at each of thousands
/// of revocations.
async fn sleep_or_change(sleep: Duration, changes: Option<&mut watch::Receiver<()>>) {
    let Some(changes) = changes else { return tokio::time::sleep(sleep).await };
    let shortest = sleep.min(BETWEEN_CHANGES);
    tokio::time::sleep(shortest).await;
    let changed = async {
        // Without a sender, nothing is reported any more.
        if changes.changed().await.is_err() {
            pending::<()>().await;
        }
    };
    let _ = tokio::time::timeout(sleep.saturating_sub(shortest), changed).await;
}
