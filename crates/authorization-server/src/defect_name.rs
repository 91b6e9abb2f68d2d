//! Defects by their names, for serde's `with`.

use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};
use tower_bearer_test::Defect;

pub(super) fn serialize<S: Serializer>(defect: &Defect, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(defect.name())
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Defect, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}
