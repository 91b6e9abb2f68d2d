//! What was granted: codes, devices that wait for their users, families of refresh tokens, and every access token,
//! behind one lock.
//!
//! Whatever can fail comes first: random numbers are made before the lock is taken, and all checks are over before
//! anything changes. What follows cannot fail or be interrupted, so that no code is spent without its tokens on record
//! and no refresh token without its successor.

mod codes;
mod devices;
mod expiring;
mod families;
mod handle;
mod issued;
mod refusal;
mod revocations;
mod user_code;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tower_bearer::time::UnixTime;
use tower_bearer_test::TestIssuer;

use self::codes::Codes;
use self::devices::Devices;
use self::families::Families;
use self::issued::{Entry, IssuedTokens};
use super::oauth_error::OAuthError;
use super::registration::RegisteredClient;
use super::requested::among;
use super::scripts::{NextTokens, ScriptedPoll};

pub(super) use self::codes::{Code, LIFETIME as CODE_LIFETIME, PresentedCode};
pub(super) use self::devices::{DeviceRequest, DeviceSettings, UserCodeRefusal};
pub(super) use self::expiring::Expiring;
pub(super) use self::handle::{Handle, HandleDigest};
pub(super) use self::issued::IssuedToken;
pub use self::issued::{IssuedTokenSummary, NoSuchTokenError};
pub(super) use self::revocations::OnRevocation;
pub(super) use self::user_code::UserCode;

/// What a user let a client do.
pub(super) struct Grant {
    pub(super) client_id: String,
    /// `sub` of the user.
    pub(super) subject: String,
    pub(super) scopes: Vec<String>,
    pub(super) audiences: Vec<String>,
    /// When the user logged in.
    pub(super) auth_time: UnixTime,
}

/// All tokens that result from one consent.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
struct FamilyId(u64);

/// What a client may be told about how its user logged in.
pub(super) struct UserLogin {
    pub(super) subject: String,
    pub(super) auth_time: UnixTime,
    /// What ties the ID token to the client's own session.
    pub(super) nonce: Option<String>,
}

/// Who issues tokens to whom, and when.
pub(super) struct Issuing<'a> {
    pub(super) issuer: &'a TestIssuer,
    pub(super) next_tokens: &'a NextTokens,
    pub(super) client: &'a RegisteredClient,
    pub(super) now: UnixTime,
}

/// What one request at the token endpoint brought.
pub(super) struct Tokens {
    pub(super) access_token: String,
    pub(super) scopes: Vec<String>,
    /// With a user's grant that can be refreshed, the next refresh token, and what an ID token says.
    pub(super) of_user: Option<(Handle, UserLogin)>,
}

impl Tokens {
    /// `token_type` of every access token (RFC 6750 §4).
    pub(super) const TYPE: &str = "Bearer";
}

impl UserLogin {
    fn of(grant: &Grant, nonce: Option<String>) -> Self {
        Self { subject: grant.subject.clone(), auth_time: grant.auth_time, nonce }
    }
}

/// All grants of a server.
#[derive(Default)]
pub(super) struct Grants {
    store: Mutex<Store>,
    on_revocation: OnRevocation,
}

#[derive(Default)]
struct Store {
    codes: Codes,
    devices: Devices,
    families: Families,
    issued: IssuedTokens,
}

impl Grants {
    pub(super) fn new(on_revocation: OnRevocation) -> Self {
        Self { on_revocation, ..Self::default() }
    }

    /// A code for this grant.
    pub(super) fn issue_code(&self, code: Code, now: UnixTime) -> Result<Handle, OAuthError> {
        let handle = Handle::random()?;
        self.store().codes.insert(handle.digest(), code, now);
        Ok(handle)
    }

    /// Tokens for a code (RFC 6749 §4.1.3). A code that comes back ends all that its first use brought (§4.1.2).
    pub(super) fn redeem_code(
        &self,
        issuing: &Issuing<'_>,
        presented: &PresentedCode<'_>,
    ) -> Result<Tokens, OAuthError> {
        let (refresh_token, handle) = (Handle::random()?, Handle::random()?);
        let mut revoked = self.on_revocation.none_yet();
        let mut store = self.store();
        let code = store.codes.check(presented, &issuing.client.id, issuing.now);
        let granted = code.map(|code| (Arc::clone(&code.grant), code.nonce.clone()));
        let (grant, nonce) = granted.map_err(|refusal| store.refuse(refusal, issuing, &mut revoked))?;
        // RFC 8707 §2.2: fewer audiences than were granted, for this token alone.
        let audiences = among(&grant.audiences, &presented.resources).ok_or(OAuthError::InvalidTarget)?;

        let family = store.families.start(&grant, &refresh_token, issuing);
        store.codes.spend(presented.code, family);
        let token = IssuedToken::for_user(issuing, &grant, Some(family), grant.scopes.clone(), audiences);
        Ok(store.hand_out(issuing, token, handle, refresh_token, UserLogin::of(&grant, nonce)))
    }

    /// A code for a device that asks for this, which users know by `user_code`.
    pub(super) fn authorize_device(
        &self,
        request: DeviceRequest,
        user_code: UserCode,
        settings: DeviceSettings,
        script: Vec<ScriptedPoll>,
        now: UnixTime,
    ) -> Result<Handle, OAuthError> {
        let handle = Handle::random()?;
        self.store().devices.insert(handle.digest(), user_code.digest(), request, settings, script, now);
        Ok(handle)
    }

    /// What the device asks for that shows this code; `None` is what cannot be one.
    pub(super) fn device(&self, user_code: Option<UserCode>, now: UnixTime) -> Result<DeviceRequest, UserCodeRefusal> {
        self.store().devices.find(user_code.map(UserCode::digest), now)
    }

    /// What the user of a device decided: with a grant, yes. `false` when it was decided before.
    pub(super) fn decide_device(&self, user_code: UserCode, grant: Option<Arc<Grant>>, now: UnixTime) -> bool {
        self.store().devices.decide(user_code.digest(), grant, now)
    }

    /// Tokens for a device code (RFC 8628 §3.4), once its user has allowed it.
    pub(super) fn redeem_device(
        &self,
        issuing: &Issuing<'_>,
        device_code: &str,
        resources: &[&str],
    ) -> Result<Tokens, OAuthError> {
        let (refresh_token, handle) = (Handle::random()?, Handle::random()?);
        let device_code = HandleDigest::of(device_code);
        let mut revoked = self.on_revocation.none_yet();
        let mut store = self.store();
        let grant = store.devices.poll(device_code, &issuing.client.id, issuing.now);
        let grant = grant.map_err(|refusal| store.refuse(refusal, issuing, &mut revoked))?;
        // RFC 8707 §2.2, as for a code.
        let audiences = among(&grant.audiences, resources).ok_or(OAuthError::InvalidTarget)?;

        let family = store.families.start(&grant, &refresh_token, issuing);
        store.devices.spend(device_code, family);
        let token = IssuedToken::for_user(issuing, &grant, Some(family), grant.scopes.clone(), audiences);
        Ok(store.hand_out(issuing, token, handle, refresh_token, UserLogin::of(&grant, None)))
    }

    /// Tokens for a refresh token (RFC 6749 §6), which is spent by it.
    pub(super) fn refresh(
        &self,
        issuing: &Issuing<'_>,
        presented: &str,
        scopes: Option<Vec<&str>>,
        resources: &[&str],
    ) -> Result<Tokens, OAuthError> {
        let (refresh_token, handle) = (Handle::random()?, Handle::random()?);
        let mut revoked = self.on_revocation.none_yet();
        let mut store = self.store();
        let found = store.families.check(presented, issuing);
        let (family, grant) = found.map_err(|refusal| store.refuse(refusal, issuing, &mut revoked))?;
        let scopes = among(&grant.scopes, &scopes.unwrap_or_default()).ok_or(OAuthError::InvalidScope)?;
        let audiences = among(&grant.audiences, resources).ok_or(OAuthError::InvalidTarget)?;

        store.families.rotate(family, presented, &refresh_token, issuing);
        let token = IssuedToken::for_user(issuing, &grant, Some(family), scopes, audiences);
        // OpenID Connect Core 1.0 §12.2: the nonce was for the first ID token.
        Ok(store.hand_out(issuing, token, handle, refresh_token, UserLogin::of(&grant, None)))
    }

    /// A token for the client itself (RFC 6749 §4.4).
    pub(super) fn issue_to_client(
        &self,
        issuing: &Issuing<'_>,
        scopes: Vec<String>,
        audiences: Vec<String>,
    ) -> Result<Tokens, OAuthError> {
        self.issue_alone(issuing, IssuedToken::for_client(issuing, scopes, audiences))
    }

    /// Tokens for what a user let the client do by giving it the password (RFC 6749 §4.3).
    pub(super) fn issue_to_user(&self, issuing: &Issuing<'_>, grant: Grant) -> Result<Tokens, OAuthError> {
        let (refresh_token, handle) = (Handle::random()?, Handle::random()?);
        let grant = Arc::new(grant);
        let mut store = self.store();
        let family = store.families.start(&grant, &refresh_token, issuing);
        let (scopes, audiences) = (grant.scopes.clone(), grant.audiences.clone());
        let token = IssuedToken::for_user(issuing, &grant, Some(family), scopes, audiences);
        Ok(store.hand_out(issuing, token, handle, refresh_token, UserLogin::of(&grant, None)))
    }

    /// An access token for what a user allowed, with nothing to refresh it (RFC 6749 §4.2.2).
    pub(super) fn issue_without_refresh(&self, issuing: &Issuing<'_>, grant: &Grant) -> Result<Tokens, OAuthError> {
        let (scopes, audiences) = (grant.scopes.clone(), grant.audiences.clone());
        self.issue_alone(issuing, IssuedToken::for_user(issuing, grant, None, scopes, audiences))
    }

    fn issue_alone(&self, issuing: &Issuing<'_>, mut token: IssuedToken) -> Result<Tokens, OAuthError> {
        let text = token.text(issuing, Handle::random()?);
        let scopes = token.scopes.clone();
        // Signed before the lock is taken: there is nothing to spend, and no request has to wait for another's
        // signature.
        self.store().issued.insert(&text, token, issuing.now);
        Ok(Tokens { access_token: text, scopes, of_user: None })
    }

    /// What is known of an access token that is good now.
    pub(super) fn active(&self, access_token: &str, now: UnixTime) -> Option<Arc<IssuedToken>> {
        self.store().active(access_token, now)
    }

    /// What introspection says of an access token to this client; counted.
    pub(super) fn introspect(
        &self,
        access_token: &str,
        client: &RegisteredClient,
        now: UnixTime,
    ) -> Option<Arc<IssuedToken>> {
        let mut store = self.store();
        store.issued.count_introspection(access_token);
        store.active(access_token, now).filter(|token| client.may_introspect(&token.client_id, &token.audiences))
    }

    /// A refresh token that can be used now, in the form of an access token for all that was granted.
    pub(super) fn refresh_token(&self, refresh_token: &str, now: UnixTime) -> Option<IssuedToken> {
        self.store().families.unused(refresh_token, now)
    }

    /// Every access token that has not expired, in the order in which they were issued, and whether it is good.
    pub(super) fn issued(&self, now: UnixTime) -> Vec<IssuedTokenSummary> {
        let store = self.store();
        let is_active = |entry: &Entry| !entry.revoked && store.is_of_active_family(&entry.token, now);
        store.issued.all(now).map(|entry| IssuedTokenSummary::of(entry, is_active(entry))).collect()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    fn active(&self, access_token: &str, now: UnixTime) -> Option<Arc<IssuedToken>> {
        let token = self.issued.get(access_token, now)?;
        self.is_of_active_family(token, now).then(|| Arc::clone(token))
    }

    fn is_of_active_family(&self, token: &IssuedToken, now: UnixTime) -> bool {
        token.family.is_none_or(|family| self.families.is_active(family, now))
    }

    fn hand_out(
        &mut self,
        issuing: &Issuing<'_>,
        mut token: IssuedToken,
        handle: Handle,
        refresh_token: Handle,
        login: UserLogin,
    ) -> Tokens {
        let access_token = token.text(issuing, handle);
        let scopes = token.scopes.clone();
        self.issued.insert(&access_token, token, issuing.now);
        Tokens { access_token, scopes, of_user: Some((refresh_token, login)) }
    }
}
