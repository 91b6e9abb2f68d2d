//! The public part of keys in the configuration, for a description of it.

use serde_json::{Map, Value};

/// What may be shown of a JWK (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).
const PUBLIC: [&str; 10] = ["kty", "kid", "use", "key_ops", "alg", "crv", "x", "y", "n", "e"];

/// The private members (RFC 7518 §6.2.2, §6.3.2, §6.4). A key with one of them is not used, and that must show.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The JWK Set without anything that could be secret: a private member has the value `"omitted"`, and members that are
/// not known are left out. `None` if this is not a JWK Set.
pub(crate) fn public_members(jwk_set: &str) -> Option<Value> {
    let set: Value = serde_json::from_str(jwk_set).ok()?;
    let keys: Vec<_> = set.get("keys")?.as_array()?.iter().map(public_jwk).collect();
    Some(serde_json::json!({ "keys": keys }))
}

fn public_jwk(jwk: &Value) -> Value {
    // Something else than an object is dropped by its position.
    let Some(jwk) = jwk.as_object() else { return Value::Null };
    let present = jwk.iter().filter(|(_, value)| !value.is_null());
    let shown = present.filter_map(|(name, value)| {
        let is_private = PRIVATE.contains(&name.as_str());
        let value = if is_private { Value::from("omitted") } else { value.clone() };
        (is_private || PUBLIC.contains(&name.as_str())).then(|| (name.clone(), value))
    });
    Value::Object(shown.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_private_is_shown() {
        let set = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"a","d":"SECRET","note":"SECRET"},
            {"kty":"oct","k":"SECRET","d":null},{"kty":"RSA","n":"AA","e":"AQAB","p":"SECRET","oth":[{"r":"SECRET"}]},
            "SECRET"],"note":"SECRET"}"#;
        let expected = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"a","d":"omitted"},
            {"kty":"oct","k":"omitted"},{"kty":"RSA","n":"AA","e":"AQAB","p":"omitted","oth":"omitted"},null]}"#;
        assert_eq!(public_members(set), serde_json::from_str(expected).ok());
        assert_eq!(public_members("SECRET"), None);
    }
}
