//! What is wrong with a configuration file, and where.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// What is wrong with a configuration file: where it is, and what to do about it. No text has a secret in it.
///
/// ```
/// use tower_bearer_authorization_server::AuthorizationServerBuilder;
///
/// let refused = AuthorizationServerBuilder::from_toml("[[clients]]\nid = \"ci\"\nscops = [\"deploy\"]\n");
/// let reason = refused.map(drop).map_err(|error| error.to_string().replace("`", ""));
/// let expected = "line 3, column 1: clients[0].scops: unknown field scops, expected";
/// assert!(reason.is_err_and(|text| text.starts_with(expected)));
/// ```
#[non_exhaustive]
#[derive(Debug)]
pub enum ConfigFileError {
    /// The file cannot be read.
    #[non_exhaustive]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The text is not a configuration.
    #[non_exhaustive]
    Invalid {
        /// The file; `None` for text that came from elsewhere.
        path: Option<PathBuf>,
        /// The line, counted from 1.
        line: usize,
        /// The column in characters, counted from 1.
        column: usize,
        /// Table and field, such as `clients[1].redirect_uris[0]`; empty when the text is no TOML or JSON at all.
        field: String,
        /// What is wrong there, and what to do.
        reason: String,
    },
}

impl fmt::Display for ConfigFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, source } => {
                write!(f, "{} cannot be read: {source}; give the path of a file that is there", path.display())
            }
            Self::Invalid { path, line, column, field, reason } => {
                match path {
                    Some(path) => write!(f, "{}:{line}:{column}: ", path.display())?,
                    None => write!(f, "line {line}, column {column}: ")?,
                }
                if field.is_empty() { f.write_str(reason) } else { write!(f, "{field}: {reason}") }
            }
        }
    }
}

impl std::error::Error for ConfigFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            Self::Invalid { .. } => None,
        }
    }
}
