//! Which endpoint misbehaves, and whose turn it is.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Fault, FaultError};
use crate::Endpoint;
use crate::endpoint::PerEndpoint;

/// The faults that are set.
#[derive(Default)]
pub(crate) struct Faults(PerEndpoint<Mutex<Option<Active>>>);

struct Active {
    fault: Fault,
    /// Requests since it was set.
    requests: u64,
}

impl Faults {
    pub(crate) fn set(&self, endpoint: Endpoint, fault: Fault) -> Result<(), FaultError> {
        fault.check(endpoint)?;
        *self.at(endpoint) = Some(Active { fault, requests: 0 });
        Ok(())
    }

    pub(crate) fn clear(&self, endpoint: Endpoint) {
        *self.at(endpoint) = None;
    }

    pub(crate) fn current(&self, endpoint: Endpoint) -> Option<Fault> {
        self.at(endpoint).as_ref().map(|active| active.fault.clone())
    }

    /// What is to go wrong with the request that has just come.
    pub(crate) fn take_turn(&self, endpoint: Endpoint) -> Option<Fault> {
        let mut active = self.at(endpoint);
        let active = active.as_mut()?;
        let turn = active.requests;
        active.requests = turn.wrapping_add(1);
        match &active.fault {
            Fault::Flapping { good, bad, fault } => {
                let (good, bad) = (u64::from(*good), u64::from(*bad));
                (turn.checked_rem(good + bad)? >= good).then(|| (**fault).clone())
            }
            fault => Some(fault.clone()),
        }
    }

    fn at(&self, endpoint: Endpoint) -> MutexGuard<'_, Option<Active>> {
        self.0.at(endpoint).lock().unwrap_or_else(PoisonError::into_inner)
    }
}
