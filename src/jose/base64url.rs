//! base64url without padding (RFC 7515 §2), as the parts of a token have it.

use base64_simd::URL_SAFE_NO_PAD;

use crate::error::{MalformedFault, TokenError};

pub(super) fn decode(part: &[u8]) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode_to_vec(part).map_err(|_| TokenError::Malformed(MalformedFault::Base64))
}
