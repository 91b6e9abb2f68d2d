//! The endpoints, one a file, and the pages that belong to one.

pub(super) mod authorization;
pub(super) mod consent;
pub(super) mod device;
pub(super) mod device_authorization;
pub(super) mod introspection;
pub(super) mod jwk_set;
pub(super) mod login;
pub(super) mod metadata;
pub(super) mod pushed_authorization;
pub(super) mod revocation;
pub(super) mod token;
pub(super) mod userinfo;
