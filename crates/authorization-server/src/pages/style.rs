//! The style of all pages, in each of them, and its hash for the content security policy.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(crate) const STYLE: &str = include_str!("style.css");

/// CSP Level 3 §2.3.1: of the text between the tags.
pub(super) static HASH: LazyLock<String> =
    LazyLock::new(|| format!("sha256-{}", STANDARD.encode(digest(&SHA256, STYLE.as_bytes()))));
