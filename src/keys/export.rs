//! Key sets that leave the process, for the next one to start with.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::jose::DroppedKey;

/// The cached key sets of a resource server, as serde reads and writes them: see
/// [`ResourceServer::export_key_sets`](crate::ResourceServer::export_key_sets).
///
/// Whoever can write them where they are kept can sign tokens: keep them where you would keep the configuration.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExportedKeySets {
    pub(crate) key_sets: Vec<ExportedKeySet>,
}

impl ExportedKeySets {
    /// How many issuers have a set in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.key_sets.len()
    }

    /// Whether there was nothing to export.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.key_sets.is_empty()
    }
}

/// The keys of one issuer.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportedKeySet {
    pub(crate) issuer: String,
    /// In seconds since 1970: monotonic time does not outlive the process.
    pub(crate) fetched_at: u64,
    pub(crate) lifetime_s: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) etag: Option<String>,
    pub(crate) jwk_set: Value,
    /// The keys that are not in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) dropped_keys: Vec<DroppedKey>,
}
