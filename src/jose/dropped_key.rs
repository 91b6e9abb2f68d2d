//! Keys of a set that are not used, and why.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::key_fault::KeyFault;

/// How many keys one text names; it says how many more there are.
const MAX_NAMED: usize = 10;

/// How many characters of a value from the issuer a text quotes.
const MAX_QUOTED: usize = 64;

/// A key of an issuer's set that is not used. It holds only public information and is serialized as part of
/// [`KeySetStatus`](crate::KeySetStatus).
///
/// ```
/// use serde_json::json;
/// use tower_bearer::jose::KeyFault;
/// use tower_bearer::{Issuer, ResourceServer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let good = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "k2", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
/// let set = json!({ "keys": [{ "kty": "EC", "crv": "secp256k1", "kid": "k1" }, good] });
/// let issuer = Issuer::new("https://as.example.com").jwk_set(set.to_string());
/// let api = ResourceServer::builder().audience("https://api.example.com").issuer(issuer).build()?;
///
/// let dropped = &api.key_sets()[0].dropped_keys[0];
/// assert_eq!((dropped.key_id.as_deref(), dropped.fault), (Some("k1"), KeyFault::UnknownCurve));
/// assert_eq!(dropped.problem, r#"unknown curve: `crv` is "secp256k1""#);
/// assert_eq!(serde_json::to_value(dropped)?["reason"], "unknown_curve");
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct DroppedKey {
    /// Its index in the set, from 0; in PEM, the index of its block.
    pub position: usize,
    /// Its `kid`, if it has one, truncated if it is too long.
    pub key_id: Option<String>,
    /// The rule that it breaks. In JSON it is `reason`, the [stable code](KeyFault::reason).
    #[serde(rename = "reason", serialize_with = "write_reason", deserialize_with = "read_reason")]
    pub fault: KeyFault,
    /// The same in words, with what the key has instead.
    pub problem: String,
}

/// Why a key cannot be used, and what it has instead.
#[derive(Debug)]
pub(super) struct Unusable {
    pub(super) key_id: Option<String>,
    pub(super) fault: KeyFault,
    pub(super) detail: String,
}

impl Unusable {
    pub(super) fn new(fault: KeyFault, detail: impl Into<String>) -> Self {
        Self { key_id: None, fault, detail: detail.into() }
    }
}

impl From<KeyFault> for Unusable {
    fn from(fault: KeyFault) -> Self {
        Self::new(fault, "")
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.detail.is_empty() { "" } else { ": " };
        write!(f, "{}{separator}{}", self.fault, self.detail)
    }
}

impl DroppedKey {
    pub(super) fn new(position: usize, unusable: Unusable) -> Self {
        let problem = unusable.to_string();
        Self { position, key_id: unusable.key_id, fault: unusable.fault, problem }
    }

    /// Whether it is dropped for the same reason as the other, wherever the two are in their sets.
    fn is_same(&self, other: &Self) -> bool {
        self.key_id == other.key_id && self.fault == other.fault && self.problem == other.problem
    }
}

impl fmt::Display for DroppedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key_id {
            Some(key_id) => write!(f, "{}: {}", quoted(key_id), self.problem),
            None => write!(f, "number {}: {}", self.position + 1, self.problem),
        }
    }
}

/// Names the first few of these keys.
pub(crate) fn describe(dropped: &[DroppedKey]) -> String {
    let mut texts: Vec<_> = dropped.iter().take(MAX_NAMED).map(ToString::to_string).collect();
    if let Some(more) = dropped.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
        texts.push(format!("and {more} more"));
    }
    texts.join("; ")
}

/// Whether both lists have the same keys, in any order: some providers shuffle theirs.
pub(super) fn are_same(one: &[DroppedKey], other: &[DroppedKey]) -> bool {
    let count = |list: &[DroppedKey], key: &DroppedKey| list.iter().filter(|it| it.is_same(key)).count();
    one.len() == other.len() && one.iter().all(|key| count(one, key) == count(other, key))
}

/// A value from the issuer, quoted, truncated, and without characters that move the cursor.
pub(super) fn quoted(value: &str) -> String {
    match value.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => format!("{:?}…", value.get(..end).unwrap_or_default()),
        None => format!("{value:?}"),
    }
}

fn write_reason<S: Serializer>(fault: &KeyFault, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(fault.reason())
}

fn read_reason<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KeyFault, D::Error> {
    let reason = String::deserialize(deserializer)?;
    let fault = KeyFault::ALL.iter().find(|fault| fault.reason() == reason);
    fault.copied().ok_or_else(|| D::Error::custom("an unknown reason"))
}
