//! Signed introspection responses (RFC 9701): a JWT for the client that asked, which others cannot have made or changed.

use http::{HeaderMap, header};
use serde_json::{Map, Value};
use tower_bearer_test::{Defect, TestIssuer};

/// Of the request's `Accept` and of the response (RFC 9701 §4, §5).
pub(super) const MEDIA_TYPE: &str = "application/token-introspection+jwt";

/// Whether the client asks for a signed response, and does not prefer JSON (RFC 9701 §4, RFC 9110 §12.5.1).
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<_> = values.flat_map(|value| value.split(',')).map(range).collect();
    let weight =
        |name: &str| ranges.iter().filter(|(range, _)| range.eq_ignore_ascii_case(name)).map(|(_, q)| *q).max();
    let signed = weight(MEDIA_TYPE).unwrap_or(0);
    signed > 0 && signed >= weight("application/json").unwrap_or(0)
}

/// A media range, and its weight in thousandths. One that is malformed has none.
fn range(text: &str) -> (&str, u16) {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().unwrap_or_default();
    let q = parts.find_map(|parameter| parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q=")));
    (range, q.map_or(1_000, thousandths))
}

/// `qvalue` of RFC 9110 §12.4.2.
fn thousandths(q: &str) -> u16 {
    let (whole, fraction) = q.split_once('.').unwrap_or((q, ""));
    let is_number = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    match whole {
        "0" if is_number => format!("{fraction:0<3}").parse().unwrap_or(0),
        "1" if is_number && fraction.bytes().all(|digit| digit == b'0') => 1_000,
        _ => 0,
    }
}

/// The response about a token, with one thing wrong with it if there is a defect. It has neither `sub` nor `exp`, so that
/// it cannot be taken for a token (RFC 9701 §5).
pub(super) fn sign(
    issuer: &TestIssuer,
    client_id: &str,
    response: Map<String, Value>,
    defect: Option<Defect>,
) -> String {
    let jwt = issuer
        .token()
        .header("typ", "token-introspection+jwt")
        .without_claim("sub")
        .without_claim("client_id")
        .without_claim("exp")
        .without_claim("jti")
        .claim("aud", client_id)
        .claim("token_introspection", response);
    match defect {
        Some(defect) => jwt.sign_defective(defect),
        None => jwt.sign(),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_signed_response_is_asked_for_by_name() {
        for (accept, expected) in [
            (&["application/token-introspection+jwt"][..], true),
            (&["Application/Token-Introspection+JWT"], true),
            (&["application/json, application/token-introspection+jwt"], true),
            (&["application/json;q=0.9", "application/token-introspection+jwt"], true),
            (&["application/token-introspection+jwt;q=0.001"], true),
            (&["application/token-introspection+jwt ; q=1.000"], true),
            (&["application/json, application/token-introspection+jwt;q=0.9"], false),
            (&["application/token-introspection+jwt;q=0"], false),
            (&["application/token-introspection+jwt;q=0.000"], false),
            (&["application/token-introspection+jwt;q=2"], false),
            (&["application/token-introspection+jwt;q=x"], false),
            (&["application/json"], false),
            (&["*/*"], false),
            (&["application/*"], false),
            (&["application/jwt"], false),
            (&[""], false),
            (&[], false),
        ] {
            let values = accept.iter().map(|value| (header::ACCEPT, HeaderValue::from_static(value)));
            assert_eq!(is_wanted(&values.collect()), expected, "{accept:?}");
        }
    }
}
