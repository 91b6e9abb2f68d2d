//! A client's secret, from the configuration or from a file.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A larger file is not a secret.
const MAX_BYTES: u64 = 16 * 1024;

/// The secret of a client (RFC 6749 §2.3.1). Its `Debug` does not show it.
#[derive(Clone)]
pub struct ClientSecret(Place);

#[derive(Clone)]
enum Place {
    Text(Arc<str>),
    File { path: Arc<Path>, last: Arc<Mutex<Option<Arc<str>>>> },
}

impl ClientSecret {
    /// The secret in this file, without a line break at its end. The file is read for each call, so that a rotated
    /// secret is used without a restart; while it cannot be read, the last secret is used.
    ///
    /// ```
    /// use tower_bearer::{ClientSecret, ClientSecretBasic};
    ///
    /// let client = ClientSecretBasic::new("leads-api", ClientSecret::file("/run/secrets/leads-api"));
    /// # let _ = client;
    /// ```
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Place::File { path: path.into().into(), last: Arc::default() })
    }

    /// The secret as it is now.
    pub(super) async fn read(&self) -> io::Result<Arc<str>> {
        let (path, last) = match &self.0 {
            Place::Text(text) => return Ok(Arc::clone(text)),
            Place::File { path, last } => (Arc::clone(path), last),
        };
        let read = tokio::task::spawn_blocking(move || read_bounded(&path)).await;
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        match (read.map_err(io::Error::other).and_then(|read| read), &*last) {
            (Ok(secret), _) => Ok(Arc::clone(last.insert(secret))),
            (Err(_), Some(last)) => Ok(Arc::clone(last)),
            (Err(error), None) => Err(error),
        }
    }
}

impl From<&str> for ClientSecret {
    fn from(secret: &str) -> Self {
        Self(Place::Text(secret.into()))
    }
}

impl From<String> for ClientSecret {
    fn from(secret: String) -> Self {
        Self(Place::Text(secret.into()))
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Text(_) => f.write_str("ClientSecret(…)"),
            Place::File { path, .. } => f.debug_tuple("ClientSecret").field(path).finish(),
        }
    }
}

fn read_bounded(path: &Path) -> io::Result<Arc<str>> {
    let named = |problem: String| io::Error::other(format!("{}: {problem}", path.display()));
    let mut text = String::new();
    let file = File::open(path).map_err(|error| named(error.to_string()))?;
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| named(error.to_string()))?;
    if u64::try_from(text.len()).map_or(true, |bytes| bytes > MAX_BYTES) {
        return Err(named(format!("larger than {MAX_BYTES} bytes")));
    }
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(named(String::from("the file is empty"))),
        secret => Ok(secret.into()),
    }
}
