//! Why the last fetch of a key set failed, for health endpoints.

use std::fmt;

use serde::Serialize;

use crate::error::{KeySetError, TransportFault};

/// Why the last fetch of a key set failed: a code, a URL and a text.
///
/// In JSON it is an object such as
/// `{"reason": "status", "url": "https://as.example.com/keys", "status": 404, "text": "…"}`. `status`, `fault` and
/// `places` are left out where there is none. `Display` is the text. It shows where the keys are fetched from, and no
/// credential of the configuration or of a URL. The `Display` of the error of a [`KeySource`](crate::KeySource) is shown
/// as it is.
///
/// ```
/// use tower_bearer::{FetchedKeySet, Issuer, KeySetError, KeySource, KeySourceFuture, ResourceServer};
///
/// #[derive(Debug)]
/// struct Store;
///
/// impl KeySource for Store {
///     fn fetch<'a>(&'a self, _: Option<&'a str>) -> KeySourceFuture<'a> {
///         Box::pin(async { Err(KeySetError::source_failed(std::io::Error::other("no store"))) })
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let issuer = Issuer::new("https://as.example.com").key_source(Store);
/// let api = ResourceServer::builder().audience("https://api.example.com").issuer(issuer).build()?;
/// assert!(api.warm_up(std::time::Duration::from_millis(10)).await.is_err());
///
/// let failure = api.key_sets()[0].last_error.clone().ok_or("no failure")?;
/// assert_eq!((failure.reason, failure.url.as_deref()), ("source", None));
/// assert_eq!(failure.text, "the key source failed: no store");
/// assert!(matches!(failure.error().causes()[..], [KeySetError::Source(_)]));
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
#[derive(Clone, Serialize)]
pub struct KeySetFailure {
    /// The stable code, [`KeySetError::reason`].
    pub reason: &'static str,
    /// The [URL](KeySetError::url) of the place whose failure gives the reason, without query and fragment. None for a
    /// file and for a source of the application's own, and where the reason is that of several places.
    pub url: Option<String>,
    /// The status, if the failure is that it is not 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why there is no response, if that is the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<TransportFault>,
    /// The full text: every place, and what was found there. It may change in any version.
    pub text: String,
    /// The failure at each place and of each source, in the order in which they were tried. Empty if there was one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Self>,
    #[serde(skip)]
    error: KeySetError,
}

impl KeySetFailure {
    pub(super) fn new(error: &KeySetError) -> Self {
        let places = match error.each()[..] {
            [_] => Vec::new(),
            ref several => several.iter().map(|place| Self::of_one(place)).collect(),
        };
        Self { places, ..Self::of_one(error) }
    }

    /// The error itself, for code that acts on it: see [`KeySetError::causes`].
    #[must_use]
    pub const fn error(&self) -> &KeySetError {
        &self.error
    }

    fn of_one(error: &KeySetError) -> Self {
        let (mut status, mut fault) = (None, None);
        match error.reported() {
            KeySetError::Status { status: number, .. } => status = Some(*number),
            KeySetError::Transport { fault: found, .. } => fault = Some(*found),
            _ => {}
        }
        Self {
            reason: error.reason(),
            url: error.url().map(str::to_owned),
            status,
            fault,
            text: error.to_string(),
            places: Vec::new(),
            error: error.clone(),
        }
    }
}

impl fmt::Display for KeySetFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Without the error, whose source may be the application's: its `Debug` may show what its `Display` does not.
impl fmt::Debug for KeySetFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySetFailure")
            .field("reason", &self.reason)
            .field("url", &self.url)
            .field("text", &self.text)
            .finish_non_exhaustive()
    }
}
