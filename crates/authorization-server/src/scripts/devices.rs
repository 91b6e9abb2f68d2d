//! Devices whose polls a test has in mind.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::ScriptError;
use crate::registration::Users;

/// How many devices can wait, and how many polls of one.
const CAPACITY: usize = 1_000;

/// What a device hears when it asks for its tokens, in place of waiting for a user
/// ([`AuthorizationServer::script_device`](crate::AuthorizationServer::script_device)).
///
/// In JSON, `"pending"`, `"slow_down"`, `"deny"`, `"expire"` or `{"approve": {"username": "alice"}}`.
#[non_exhaustive]
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DevicePoll {
    /// `authorization_pending`: the user has not decided yet.
    Pending,
    /// `slow_down`: the device asks too often.
    SlowDown,
    /// `access_denied`, from then on: the user said no.
    Deny,
    /// `expired_token`, from then on: the user took too long.
    Expire,
    /// Tokens: this user allows all that was asked for.
    Approve {
        /// The user's name.
        username: String,
    },
}

/// The same, with the user found.
pub(crate) enum ScriptedPoll {
    Pending,
    SlowDown,
    Deny,
    Expire,
    /// The user of this subject allows everything.
    Approve(String),
}

/// The polls of the devices that come next, in their order.
#[derive(Default)]
pub(crate) struct DeviceScripts(Mutex<VecDeque<Vec<ScriptedPoll>>>);

impl DeviceScripts {
    pub(crate) fn push(&self, polls: Vec<DevicePoll>, users: &Users) -> Result<(), ScriptError> {
        let polls = polls.into_iter().map(|poll| with_user(poll, users)).collect::<Result<Vec<_>, _>>()?;
        let mut waiting = self.waiting();
        if waiting.len() >= CAPACITY || polls.len() > CAPACITY {
            return Err(ScriptError::TooMany { limit: CAPACITY });
        }
        waiting.push_back(polls);
        Ok(())
    }

    pub(crate) fn clear(&self) {
        self.waiting().clear();
    }

    /// The polls of the device that has come.
    pub(crate) fn take(&self) -> Vec<ScriptedPoll> {
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
