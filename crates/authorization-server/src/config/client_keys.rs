//! Keys of clients in files of their own.

use std::path::Path;

use crate::registration::ClientSettings;

/// Reads the JWK Set that the client names. The error says what is wrong with the file, and nothing of what is in it.
pub(super) fn read(client: &mut ClientSettings, directory: &Path) -> Result<(), String> {
    let Some(file) = &client.jwks_file else {
        return Ok(());
    };
    if client.jwks.is_some() {
        return Err("the client has `jwks` too; leave one of them out".to_owned());
    }
    let path = directory.join(file);
    let text = std::fs::read(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let jwks = serde_json::from_slice(&text).map_err(|_| format!("{} is not JSON", path.display()))?;
    client.jwks = Some(jwks);
    Ok(())
}
