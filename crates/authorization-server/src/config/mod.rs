//! The server's settings from one file, in TOML or JSON.
//!
//! | file | what |
//! |---|---|
//! | `client_keys.rs` | keys of clients in files of their own |
//! | `document.rs` | the fields |
//! | `format.rs` | TOML and JSON read the same way, and the place of a field in the text |
//! | `keys.rs` | keys that the file names |
//! | `place.rs` | which field an error of the start is about |
//! | `error.rs` | what is wrong, and where |

mod client_keys;
mod document;
mod error;
mod format;
mod keys;
mod place;

use std::path::Path;

pub use self::error::ConfigFileError;

use self::document::Document;
use self::format::{Fault, Format, PathSegment};
use super::AuthorizationServerBuilder;

impl AuthorizationServerBuilder {
    /// Settings from a file: JSON when its name ends in `.json`, TOML otherwise. Files that it names are looked for
    /// beside it. Settings can be changed and added afterwards.
    ///
    /// The fields are those of the example that is [commented field by field](super#configuration-file).
    ///
    /// # Errors
    ///
    /// [`ConfigFileError`] names file, line, column and field, and says what to do: for what is no TOML or JSON, for
    /// fields that are unknown, lacking or of the wrong type, and for what [`start`](Self::start) would refuse about
    /// single clients, users, paths and keys.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigFileError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigFileError::Unreadable { path: path.to_owned(), source })?;
        let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let format = if is_json { Format::Json } else { Format::Toml };
        Self::read(format, &text, path.parent().unwrap_or(Path::new("")), Some(path))
    }

    /// The same settings from TOML text. Files that it names are looked for in the current directory.
    ///
    /// ```
    /// use tower_bearer_authorization_server::AuthorizationServerBuilder;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let builder = AuthorizationServerBuilder::from_toml(
    ///     r#"
    ///     keys = [{ algorithm = "ES256" }]
    ///
    ///     [[clients]]
    ///     id = "ci"
    ///     secret = "s3cret"
    ///     scopes = ["deploy"]
    ///     audiences = ["https://deploy.example.com"]
    ///     token_lifetime = "10m"
    ///     "#,
    /// )?;
    /// let server = builder.start().await?;
    /// # let _ = server;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`from_file`](Self::from_file).
    pub fn from_toml(text: &str) -> Result<Self, ConfigFileError> {
        Self::read(Format::Toml, text, Path::new(""), None)
    }

    /// The same settings from JSON text. Files that it names are looked for in the current directory.
    ///
    /// # Errors
    ///
    /// As [`from_file`](Self::from_file).
    pub fn from_json(text: &str) -> Result<Self, ConfigFileError> {
        Self::read(Format::Json, text, Path::new(""), None)
    }

    fn read(format: Format, text: &str, directory: &Path, path: Option<&Path>) -> Result<Self, ConfigFileError> {
        // Editors on Windows put a byte order mark before the text.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let invalid = |Fault { line, column, field, reason }| ConfigFileError::Invalid {
            path: path.map(Path::to_owned),
            line,
            column,
            field,
            reason,
        };
        let mut document: Document = format.read(text).map_err(invalid)?;
        for (index, client) in document.clients.iter_mut().enumerate() {
            client_keys::read(client, directory).map_err(|reason| {
                let place = [PathSegment::Key("clients"), PathSegment::Index(index), PathSegment::Key("jwks_file")];
                invalid(format.fault_at(text, &place, reason))
            })?;
        }
        let mut builder = document.apply(Self::new());
        for (index, key) in document.keys.iter().enumerate() {
            builder = keys::add(builder, key, directory).map_err(|reason| {
                let place = [PathSegment::Key("keys"), PathSegment::Index(index), PathSegment::Key("pem_file")];
                invalid(format.fault_at(text, &place, reason))
            })?;
        }
        builder.register().map_err(|error| {
            let place = place::of(&error, &document);
            invalid(format.fault_at(text, &place, error.to_string()))
        })?;
        Ok(builder)
    }
}
