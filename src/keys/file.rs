//! A JWK Set in a file that somebody else writes: a sidecar, a mounted secret, a deployment.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::MAX_BODY_BYTES;
use super::source::{FetchedKeySet, KeySource, KeySourceFuture, Origin};
use crate::error::KeySetError;

/// A file is cheap to read: it is looked at as often as the policy lets a set live at least.
const MAX_AGE: Duration = Duration::ZERO;

/// Reads the file anew for each fetch. A file that was replaced by renaming and one that was written in place are the
/// same to it; one that is caught half-written is no key set, and the cache keeps what it has.
#[derive(Debug)]
pub(crate) struct FileSource {
    path: Arc<Path>,
}

impl FileSource {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path: path.into() }
    }
}

impl KeySource for FileSource {
    fn fetch<'a>(&'a self, _etag: Option<&'a str>) -> KeySourceFuture<'a> {
        let path = Arc::clone(&self.path);
        Box::pin(async move {
            let origin = Some(Origin::File(path.display().to_string().into()));
            let read = tokio::task::spawn_blocking(move || read_bounded(&path)).await;
            let json = read.map_err(KeySetError::source_failed)?.map_err(KeySetError::source_failed)?;
            Ok(FetchedKeySet { origin, ..FetchedKeySet::new(json).with_max_age(MAX_AGE) })
        })
    }

    fn place(&self) -> Option<Cow<'_, str>> {
        Some(self.path.to_string_lossy())
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut json = Vec::new();
    let limit = u64::try_from(MAX_BODY_BYTES).unwrap_or(u64::MAX);
    File::open(path).map_err(named)?.take(limit.saturating_add(1)).read_to_end(&mut json).map_err(named)?;
    if json.len() > MAX_BODY_BYTES {
        return Err(named(io::Error::other(format!("larger than {MAX_BODY_BYTES} bytes"))));
    }
    Ok(json)
}
