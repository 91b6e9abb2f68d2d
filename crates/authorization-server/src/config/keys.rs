//! Keys that the file names.

use std::path::Path;

use tower_bearer_test::SigningKey;

use super::document::{AlgorithmName, KeyEntry};
use crate::AuthorizationServerBuilder;

/// Adds the key: that of its file, or a new one. The error says what is wrong with the file, and nothing of what is in
/// it.
pub(super) fn add(
    builder: AuthorizationServerBuilder,
    key: &KeyEntry,
    directory: &Path,
) -> Result<AuthorizationServerBuilder, String> {
    let AlgorithmName(algorithm) = key.algorithm;
    let Some(file) = &key.pem_file else {
        return Ok(builder.signing_algorithm(algorithm));
    };
    if file.to_string_lossy().contains("-----BEGIN") {
        return Err("it is a key and not the path of a file; put the key into a file and give its path".to_owned());
    }
    let path = directory.join(file);
    let text = std::fs::read(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    // RFC 7468 §10.
    let pkcs8 = pem::parse(text).ok().filter(|pem| pem.tag() == "PRIVATE KEY").ok_or_else(|| {
        format!(
            "{} has no private key in PKCS #8 form (`-----BEGIN PRIVATE KEY-----`); `openssl pkcs8 -topk8 -nocrypt` makes \
             it from other forms",
            path.display()
        )
    })?;
    let key = SigningKey::from_pkcs8(algorithm, pkcs8.contents()).map_err(|error| error.to_string())?;
    Ok(builder.signing_key(key))
}
