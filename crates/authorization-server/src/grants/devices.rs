//! Devices that wait for a user to allow them (RFC 8628).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tower_bearer::time::UnixTime;

use super::refusal::GrantRefusal;
use super::{Expiring, FamilyId, Grant, HandleDigest};
use crate::oauth_error::OAuthError;
use crate::scripts::ScriptedPoll;

/// How long an ended code is known, so that `expired_token` is told from a guess.
const MEMORY: Duration = Duration::from_secs(24 * 3600);

const CAPACITY: usize = 10_000;

/// So many wrong user codes within the window, whoever types them, and none is looked at until it ends (RFC 8628 §5.1).
const MAX_WRONG: usize = 10;
const WINDOW: Duration = Duration::from_secs(5 * 60);

/// RFC 8628 §3.5: so much longer a device has to wait that asked too soon.
const SLOWER: Duration = Duration::from_secs(5);

/// How devices are treated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeviceSettings {
    /// From the device's request to the end of its codes.
    pub(crate) lifetime: Duration,
    /// From one poll to the next.
    pub(crate) interval: Duration,
}

impl Default for DeviceSettings {
    fn default() -> Self {
        Self { lifetime: Duration::from_secs(600), interval: Duration::from_secs(5) }
    }
}

/// What a device asks for.
#[derive(Clone)]
pub(crate) struct DeviceRequest {
    pub(crate) client_id: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) audiences: Vec<String>,
}

/// Why a user code is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum UserCodeRefusal {
    /// There is no such code, or no longer.
    Unknown,
    /// There were too many wrong ones; this one was not looked at.
    Locked,
}

pub(super) struct Devices {
    devices: Expiring<HandleDigest, Device>,
    /// Device codes by user codes, until a user has decided.
    undecided: Expiring<HandleDigest, HandleDigest>,
    /// When wrong user codes were typed, within the window.
    wrong: VecDeque<UnixTime>,
}

struct Device {
    request: DeviceRequest,
    ends: UnixTime,
    interval: Duration,
    polled: Option<UnixTime>,
    state: DeviceState,
    script: VecDeque<ScriptedPoll>,
}

enum DeviceState {
    Undecided,
    Approved(Arc<Grant>),
    Denied,
    Ended,
    Spent(FamilyId),
}

impl Default for Devices {
    fn default() -> Self {
        Self {
            devices: Expiring::with_capacity(CAPACITY),
            undecided: Expiring::with_capacity(CAPACITY),
            wrong: VecDeque::new(),
        }
    }
}

impl Devices {
    pub(super) fn insert(
        &mut self,
        device_code: HandleDigest,
        user_code: HandleDigest,
        request: DeviceRequest,
        settings: DeviceSettings,
        script: Vec<ScriptedPoll>,
        now: UnixTime,
    ) {
        let ends = now.saturating_add(settings.lifetime);
        let device = Device {
            request,
            ends,
            interval: settings.interval,
            polled: None,
            state: DeviceState::Undecided,
            script: script.into(),
        };
        self.devices.insert(device_code, device, ends.saturating_add(MEMORY), now);
        self.undecided.insert(user_code, device_code, ends, now);
    }

    /// What the device asks for that shows this code.
    pub(super) fn find(
        &mut self,
        user_code: Option<HandleDigest>,
        now: UnixTime,
    ) -> Result<DeviceRequest, UserCodeRefusal> {
        // What is still to come is from before somebody put the clock back.
        self.wrong.retain(|wrong| *wrong <= now && wrong.saturating_add(WINDOW) > now);
        if self.wrong.len() >= MAX_WRONG {
            return Err(UserCodeRefusal::Locked);
        }
        let device = user_code.and_then(|code| self.undecided.get(code, now));
        let Some(device) = device.and_then(|device_code| self.devices.get(*device_code, now)) else {
            self.wrong.push_back(now);
            return Err(UserCodeRefusal::Unknown);
        };
        Ok(device.request.clone())
    }

    /// Remembers what the user decided, once: with a grant, yes. Whether there was something to decide.
    pub(super) fn decide(&mut self, user_code: HandleDigest, grant: Option<Arc<Grant>>, now: UnixTime) -> bool {
        let Some(device_code) = self.undecided.get(user_code, now).copied() else {
            return false;
        };
        self.undecided.remove(user_code);
        let Some(device) = self.devices.get_mut(device_code) else {
            return false;
        };
        // A script may have decided first.
        let is_undecided = matches!(device.state, DeviceState::Undecided);
        if is_undecided {
            device.state = grant.map_or(DeviceState::Denied, DeviceState::Approved);
        }
        is_undecided
    }

    /// What a device hears that asks for its tokens (RFC 8628 §3.5).
    pub(super) fn poll(
        &mut self,
        device_code: HandleDigest,
        client_id: &str,
        now: UnixTime,
    ) -> Result<Arc<Grant>, GrantRefusal> {
        let hear = |error: OAuthError| Err(error.into());
        // Another client's code is as unknown as any.
        let known = self.devices.get(device_code, now).is_some_and(|device| device.request.client_id == client_id);
        let Some(device) = self.devices.get_mut(device_code).filter(|_| known) else {
            return hear(OAuthError::InvalidGrant("the device code is not known"));
        };
        // What was spent stays so, whatever a script says.
        let is_spent = matches!(device.state, DeviceState::Spent(_));
        match if is_spent { None } else { device.script.pop_front() } {
            Some(ScriptedPoll::Pending) => return hear(OAuthError::AuthorizationPending),
            Some(ScriptedPoll::SlowDown) => return hear(OAuthError::SlowDown),
            Some(ScriptedPoll::Deny) => device.state = DeviceState::Denied,
            Some(ScriptedPoll::Expire) => device.state = DeviceState::Ended,
            Some(ScriptedPoll::Approve(subject)) => {
                let DeviceRequest { client_id, scopes, audiences } = device.request.clone();
                device.state =
                    DeviceState::Approved(Arc::new(Grant { client_id, subject, scopes, audiences, auth_time: now }));
            }
            None => {}
        }
        match &device.state {
            DeviceState::Spent(family) => Err(GrantRefusal::reused("the device code was used before", *family)),
            DeviceState::Denied => hear(OAuthError::AccessDenied),
            DeviceState::Ended => hear(OAuthError::ExpiredToken),
            _ if device.ends <= now => hear(OAuthError::ExpiredToken),
            DeviceState::Approved(grant) => Ok(Arc::clone(grant)),
            DeviceState::Undecided => {
                let polled = device.polled.replace(now);
                if polled.is_some_and(|polled| now.saturating_since(polled) < device.interval) {
                    device.interval = device.interval.saturating_add(SLOWER);
                    return hear(OAuthError::SlowDown);
                }
                hear(OAuthError::AuthorizationPending)
            }
        }
    }

    /// Remembers what a good device code brought.
    pub(super) fn spend(&mut self, device_code: HandleDigest, family: FamilyId) {
        if let Some(device) = self.devices.get_mut(device_code) {
            device.state = DeviceState::Spent(family);
        }
    }
}
