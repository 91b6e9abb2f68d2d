//! JSON documents of the issuer's: its metadata and its keys.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::error::Category;

/// Why a document cannot be read.
pub(crate) struct DocumentError {
    pub(crate) problem: String,
    /// Whether it is JSON at all.
    pub(crate) is_json: bool,
}

/// Reads one JSON object. An error says what is wrong and where; serde's own message would repeat a value, which may be
/// a private key that stands in the wrong place.
pub(crate) fn parse_document<'t, T: Deserialize<'t>>(json: &'t [u8]) -> Result<T, DocumentError> {
    let failed = |problem| DocumentError { problem, is_json: serde_json::from_slice::<IgnoredAny>(json).is_ok() };
    // serde's derived structs would read an array as well, member by member.
    if !json.trim_ascii_start().starts_with(b"{") {
        return Err(failed(String::from("it is not a JSON object")));
    }
    serde_json::from_slice(json).map_err(|error| {
        let problem = match error.classify() {
            Category::Data => "a member is missing or has the wrong type",
            Category::Syntax | Category::Eof | Category::Io => "it is not JSON",
        };
        failed(format!("{problem}, at line {} column {}", error.line(), error.column()))
    })
}
