//! Devices whose polls a test has in mind.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::grants::ScriptedPoll;
use super::registration::Users;
use super::{DevicePoll, ScriptError};

/// How many devices can wait, and how many polls of one.
const CAPACITY: usize = 1_000;

/// The polls of the devices that come next, in their order.
#[derive(Default)]
pub(super) struct DeviceScripts(Mutex<VecDeque<Vec<ScriptedPoll>>>);

impl DeviceScripts {
    pub(super) fn push(&self, polls: Vec<DevicePoll>, users: &Users) -> Result<(), ScriptError> {
        let polls = polls.into_iter().map(|poll| with_user(poll, users)).collect::<Result<Vec<_>, _>>()?;
        let mut waiting = self.waiting();
        if waiting.len() >= CAPACITY || polls.len() > CAPACITY {
            return Err(ScriptError::TooMany { limit: CAPACITY });
        }
        waiting.push_back(polls);
        Ok(())
    }

    /// The polls of the device that has come.
    pub(super) fn take(&self) -> Vec<ScriptedPoll> {
        self.waiting().pop_front().unwrap_or_default()
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Vec<ScriptedPoll>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn with_user(poll: DevicePoll, users: &Users) -> Result<ScriptedPoll, ScriptError> {
    Ok(match poll {
        DevicePoll::Pending => ScriptedPoll::Pending,
        DevicePoll::SlowDown => ScriptedPoll::SlowDown,
        DevicePoll::Deny => ScriptedPoll::Deny,
        DevicePoll::Expire => ScriptedPoll::Expire,
        DevicePoll::Approve { username } => match users.by_name(&username) {
            Some(user) => ScriptedPoll::Approve(user.subject.clone()),
            None => return Err(ScriptError::NoSuchUser { username }),
        },
    })
}
