//! Passwords, from the configuration or from a file, and other small files.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::failure::ServerFailure;

/// A larger file is neither a password nor a certificate.
const MAX_BYTES: u64 = 256 * 1024;

/// A password. Its `Debug` does not show it.
#[derive(Clone)]
pub(crate) enum Password {
    Text(Arc<str>),
    File { path: Arc<Path>, last: Arc<Mutex<Option<Arc<str>>>> },
}

impl Password {
    pub(crate) fn file(path: PathBuf) -> Self {
        Self::File { path: path.into(), last: Arc::default() }
    }

    /// The password as it is now. While its file cannot be read, as during its replacement, the last one is used.
    pub(crate) fn read(&self) -> Result<Arc<str>, ServerFailure> {
        let (path, last) = match self {
            Self::Text(text) => return Ok(Arc::clone(text)),
            Self::File { path, last } => (path, last),
        };
        let read = read_file(path).and_then(|bytes| password(path, bytes));
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        match (read, &*last) {
            (Ok(password), _) => Ok(Arc::clone(last.insert(password))),
            (Err(_), Some(last)) => Ok(Arc::clone(last)),
            (Err(failure), None) => Err(failure),
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Password(…)"),
            Self::File { path, .. } => f.debug_tuple("Password").field(path).finish(),
        }
    }
}

fn password(path: &Path, bytes: Vec<u8>) -> Result<Arc<str>, ServerFailure> {
    let text = String::from_utf8(bytes).map_err(|_| problem(path, "is not UTF-8"))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(problem(path, "is empty")),
        password => Ok(password.into()),
    }
}

pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, ServerFailure> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| problem(path, &error.kind().to_string()))?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| problem(path, &error.kind().to_string()))?;
    if u64::try_from(bytes.len()).map_or(true, |length| length > MAX_BYTES) {
        return Err(problem(path, &format!("is larger than {MAX_BYTES} bytes")));
    }
    Ok(bytes)
}

pub(crate) fn problem(path: &Path, problem: &str) -> ServerFailure {
    ServerFailure::File(format!("the file {}: {problem}", path.display()))
}
