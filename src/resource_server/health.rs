//! Start and health of a resource server.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::ResourceServer;
use crate::error::KeySetError;
use crate::introspection::IntrospectionStatus;
use crate::keys::{ExportedKeySet, ExportedKeySets, KeySetStatus};
use crate::revocation::RevocationStatus;
use crate::trust::TrustedIssuer;

impl ResourceServer {
    /// Fetches the keys of every configured issuer that has none yet, all at once, and waits for them up to `deadline`.
    ///
    /// Without it keys are fetched when the first token comes. A failure is tried again at the pace of the
    /// [`KeyPolicy`](crate::KeyPolicy), so that the service can start before its provider; one that time does not heal,
    /// such as metadata of another issuer, ends the wait at once. Either way the resource server goes on: call this
    /// again, go on without, or end the process.
    ///
    /// ```no_run
    /// # async fn start(api: tower_bearer::ResourceServer) -> Result<(), tower_bearer::WarmUpError> {
    /// api.warm_up(std::time::Duration::from_secs(30)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Which issuers have no keys, and why. That is [`KeySetError::Runtime`], at once, outside of a tokio runtime and in
    /// one without timers.
    pub async fn warm_up(&self, deadline: Duration) -> Result<(), WarmUpError> {
        let issuers = self.0.issuers.table().configured().to_vec();
        let mut failures = BTreeMap::new();
        if Handle::try_current().is_ok() {
            let loads: JoinSet<_> = issuers.into_iter().map(|issuer| load(issuer, deadline)).collect();
            failures.extend(loads.join_all().await.into_iter().flatten());
        } else {
            // Nothing can be spawned, and nothing waits.
            for issuer in issuers {
                failures.extend(load(issuer, deadline).await);
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(WarmUpError { failures }) }
    }

    /// Whether good tokens get an answer now, issuer by issuer. It answers at once and can be asked often.
    ///
    /// An instance that is not ready gets no requests, which would have its keys fetched. So this starts the fetch that
    /// an issuer without keys is due, at the pace of the [`KeyPolicy`](crate::KeyPolicy) however often it is asked: the
    /// probe sees the outcome the next time.
    ///
    /// ```
    /// # use tower_bearer::ResourceServer;
    /// # use tower_bearer_test::TestIssuer;
    /// # let issuer = TestIssuer::new("https://as.example.com")?;
    /// let api = ResourceServer::builder().audience("https://api.example.com").issuer(issuer.trusted()).build()?;
    ///
    /// let readiness = api.readiness();
    /// let status = if readiness.is_ready() { 200 } else { 503 };
    /// let body = serde_json::to_string(&readiness)?;
    /// # assert_eq!(status, 200);
    /// # assert!(body.contains("\"ready\":true"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let table = self.0.issuers.table();
        let status = |issuer: &Arc<TrustedIssuer>| {
            let status = issuer.status()?;
            if let Some(keys) = issuer.proof.keys().filter(|_| !status.is_ready()) {
                keys.fetch_if_due();
            }
            Some(status)
        };
        let issuers: Vec<_> = table.configured().iter().filter_map(status).collect();
        let introspection = table.configured().iter().filter_map(introspection_status).collect();
        let revocation = self.revocation();
        let ready = issuers.iter().all(KeySetStatus::is_ready)
            && revocation.as_ref().is_none_or(|revocation| revocation.state.is_ready());
        Readiness { ready, issuers, introspection, revocation }
    }

    /// The state of the [revocation check](crate::ResourceServerBuilder::revocation), if there is one.
    #[must_use]
    pub fn revocation(&self) -> Option<RevocationStatus> {
        self.0.revocations.as_ref().map(|revocations| revocations.status())
    }

    /// The state of each issuer's introspection, those of the
    /// [resolver](crate::ResourceServerBuilder::issuer_resolver) after those of the configuration.
    #[must_use]
    pub fn introspections(&self) -> Vec<IntrospectionStatus> {
        self.0.issuers.table().iter().filter_map(introspection_status).collect()
    }

    /// How the keys of each issuer are, those of the [resolver](crate::ResourceServerBuilder::issuer_resolver) after
    /// those of the configuration.
    #[must_use]
    pub fn key_sets(&self) -> Vec<KeySetStatus> {
        self.0.issuers.table().iter().filter_map(|issuer| issuer.status()).collect()
    }

    /// The key sets that were fetched and still serve, for [`import_key_sets`](Self::import_key_sets) in the next
    /// process: it then starts with keys, whether the provider is there or not. Public keys only.
    #[must_use]
    pub fn export_key_sets(&self) -> ExportedKeySets {
        let Some(now) = self.0.clock.now() else { return ExportedKeySets::default() };
        let table = self.0.issuers.table();
        let copy = |issuer: &Arc<TrustedIssuer>| issuer.proof.keys()?.export(&issuer.rules.issuer, now);
        ExportedKeySets { key_sets: table.iter().filter_map(copy).collect() }
    }

    /// Starts with key sets of an earlier process, and says how many were taken.
    ///
    /// They are as old as they were there: what is past its lifetime is refreshed with the first request, and what is
    /// past the staleness bound is left out. So is a set of an issuer that is not configured, one that cannot be read,
    /// and one of which there is a newer copy already.
    ///
    /// ```
    /// # use tower_bearer::{ExportedKeySets, Issuer, ResourceServer};
    /// # fn start(api: &ResourceServer) -> Result<(), Box<dyn std::error::Error>> {
    /// // Before the end:
    /// std::fs::write("/var/lib/api/keys.json", serde_json::to_vec(&api.export_key_sets())?)?;
    /// // At the next start:
    /// let exported: ExportedKeySets = serde_json::from_slice(&std::fs::read("/var/lib/api/keys.json")?)?;
    /// let taken = api.import_key_sets(&exported);
    /// # let _ = taken;
    /// # Ok(())
    /// # }
    /// ```
    pub fn import_key_sets(&self, exported: &ExportedKeySets) -> usize {
        let Some(now) = self.0.clock.now() else { return 0 };
        let table = self.0.issuers.table();
        let is_taken = |copy: &&ExportedKeySet| {
            let Some(issuer) = table.get(&copy.issuer) else { return false };
            let Some(keys) = issuer.proof.keys() else { return false };
            keys.import(copy, now).unwrap_or_else(|error| {
                let (issuer, reason) = (&issuer.rules.issuer, error.reason());
                tracing::warn!(%issuer, reason, %error, "an exported key set cannot be used");
                false
            })
        };
        exported.key_sets.iter().filter(is_taken).count()
    }
}

/// Whether good tokens get an answer now. It can be served as JSON.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize)]
pub struct Readiness {
    ready: bool,
    /// The configured issuers that have keys. Those of a resolver are not among them: one tenant must not make a service
    /// unready.
    pub issuers: Vec<KeySetStatus>,
    /// The configured issuers that are asked about tokens. They make no service unready: their endpoint is the same for all
    /// replicas, and one that takes no requests cannot serve the tokens that it knows either.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub introspection: Vec<IntrospectionStatus>,
    /// The state of the revocation check, if there is one. While it is
    /// [unavailable](crate::RevocationState::Unavailable), no token is accepted, so the service is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation: Option<RevocationStatus>,
}

impl Readiness {
    /// Whether [every configured issuer is ready](KeySetStatus::is_ready), and the revocation check. An application that would rather serve some
    /// issuers than none looks at them one by one.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.ready
    }
}

/// Which issuers have no keys at the end of a [warm-up](ResourceServer::warm_up), and why.
#[derive(Clone, Debug)]
pub struct WarmUpError {
    failures: BTreeMap<Arc<str>, KeySetError>,
}

impl WarmUpError {
    /// Each issuer without keys, with the last failure.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &KeySetError)> {
        self.failures.iter().map(|(issuer, error)| (&**issuer, error))
    }
}

impl fmt::Display for WarmUpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (issuer, error)) in self.failures.iter().enumerate() {
            let separator = if position == 0 { "" } else { "; " };
            write!(f, "{separator}no keys of {issuer}: {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for WarmUpError {}

fn introspection_status(issuer: &Arc<TrustedIssuer>) -> Option<IntrospectionStatus> {
    let introspector = issuer.proof.introspector()?;
    Some(introspector.status(&issuer.rules.issuer, issuer.is_enabled()))
}

async fn load(issuer: Arc<TrustedIssuer>, deadline: Duration) -> Option<(Arc<str>, KeySetError)> {
    let loaded = issuer.proof.keys()?.load(deadline).await;
    loaded.err().map(|error| (Arc::clone(&issuer.rules.issuer), error))
}
