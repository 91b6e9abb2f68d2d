//! The settings of revocation.

use std::sync::Arc;
use std::time::Duration;

use super::revocations::{DEFAULT_WAIT, Revocations};
use crate::config_error::ConfigError;
use crate::revocation::RevocationCheck;
use crate::time::Clock;

#[derive(Clone)]
pub(super) struct RevocationSettings {
    pub(super) check: Option<Arc<dyn RevocationCheck>>,
    pub(super) wait: Duration,
}

impl Default for RevocationSettings {
    fn default() -> Self {
        Self { check: None, wait: DEFAULT_WAIT }
    }
}

impl RevocationSettings {
    pub(super) const fn is_set(&self) -> bool {
        self.check.is_some()
    }

    /// The stricter of the configured maximum age and what the check asks for.
    pub(super) fn max_token_age(&self, configured: Option<Duration>) -> Option<Duration> {
        let lifetime = self.check.as_ref().and_then(|check| check.max_token_lifetime());
        [configured, lifetime].into_iter().flatten().min()
    }

    pub(super) fn check(&self, leeway: Duration) -> Result<(), ConfigError> {
        if self.wait.is_zero() {
            let problem = "0 refuses every token whose verdict takes time; leave it at its default of 250 ms";
            return Err(ConfigError::new("revocation_wait", problem));
        }
        match self.check.as_ref().and_then(|check| check.max_leeway()) {
            Some(max_leeway) if leeway > max_leeway => {
                let problem = format!(
                    "its entries last for a leeway of {max_leeway:?}, and the leeway is {leeway:?}: a revoked token \
                     would be accepted again; set the same with `RevocationList::builder(..).leeway(..)`"
                );
                Err(ConfigError::new("revocation", problem))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn assemble(self, clock: &Arc<dyn Clock>) -> Option<Arc<Revocations>> {
        Some(Arc::new(Revocations::new(self.check?, self.wait, Arc::clone(clock))))
    }
}
