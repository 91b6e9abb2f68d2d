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
    File { path: Arc<Path>, known: Arc<Mutex<Known>> },
}

/// What was in the file.
#[derive(Default)]
struct Known {
    current: Option<Arc<str>>,
    /// The server refused the current secret.
    is_refused: bool,
    /// The last one before, of those that the server did not refuse.
    previous: Option<Arc<str>>,
}

impl ClientSecret {
    /// The secret in this file, without a line break at its end. The file is read for each call, so that a rotated
    /// secret is used without a restart; while it cannot be read, the last secret is used.
    ///
    /// If the server refuses the secret, the file is read again, since it may have been written at that moment. If it
    /// has not changed, the previous secret is tried once: the server may learn of a rotation later than we do.
    ///
    /// ```
    /// use tower_bearer::{ClientSecret, ClientSecretBasic};
    ///
    /// let client = ClientSecretBasic::new("leads-api", ClientSecret::file("/run/secrets/leads-api"));
    /// # let _ = client;
    /// ```
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Place::File { path: path.into().into(), known: Arc::default() })
    }

    /// The secret as it is now.
    pub(super) async fn read(&self) -> io::Result<Arc<str>> {
        let (path, known) = match &self.0 {
            Place::Text(text) => return Ok(Arc::clone(text)),
            Place::File { path, known } => (Arc::clone(path), known),
        };
        let read = tokio::task::spawn_blocking(move || read_bounded(&path)).await;
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        match (read.map_err(io::Error::other).and_then(|read| read), &known.current) {
            (Ok(secret), _) => Ok(known.update(secret)),
            (Err(_), Some(last)) => Ok(Arc::clone(last)),
            (Err(error), None) => Err(error),
        }
    }

    /// To be told whether the server accepts this secret.
    pub(super) fn sent(&self, text: Arc<str>) -> SentSecret {
        let known = match &self.0 {
            Place::Text(_) => None,
            Place::File { known, .. } => Some(Arc::clone(known)),
        };
        SentSecret { text, known }
    }

    /// Another secret than this one, which the server refused.
    pub(super) async fn another(&self, refused: &str) -> Option<Arc<str>> {
        let Place::File { known, .. } = &self.0 else { return None };
        known.lock().unwrap_or_else(PoisonError::into_inner).note_refused(refused);
        let current = self.read().await.ok()?;
        if *current != *refused {
            return Some(current);
        }
        let previous = known.lock().unwrap_or_else(PoisonError::into_inner).previous.clone();
        previous.filter(|previous| **previous != *refused)
    }
}

/// A secret that was sent to the server.
pub(super) struct SentSecret {
    pub(super) text: Arc<str>,
    known: Option<Arc<Mutex<Known>>>,
}

impl SentSecret {
    /// The server did not refuse it.
    pub(super) fn note_accepted(&self) {
        if let Some(known) = &self.known {
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.current.as_ref() == Some(&self.text) {
                known.is_refused = false;
            }
        }
    }
}

impl Known {
    fn update(&mut self, secret: Arc<str>) -> Arc<str> {
        if self.current.as_ref() != Some(&secret) {
            let last = self.current.replace(Arc::clone(&secret));
            if !std::mem::take(&mut self.is_refused) {
                self.previous = last;
            }
        }
        secret
    }

    fn note_refused(&mut self, secret: &str) {
        self.is_refused |= self.current.as_deref() == Some(secret);
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
