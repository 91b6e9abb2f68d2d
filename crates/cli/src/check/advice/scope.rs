//! A good token that lacks a scope of the route.

use serde_json::Value;

use super::{Case, quoted};

impl Case<'_> {
    pub(super) fn scope(&self) -> Vec<String> {
        let missing: Vec<_> =
            self.api.scopes.iter().map(String::as_str).filter(|scope| !self.is_granted(scope)).collect();
        let name =
            self.issuer.and_then(|issuer| issuer.scope_claims.iter().find(|name| self.token.claim(name).is_some()));
        let has = match name {
            Some(name) => format!("{} in `{name}`", quoted(&self.granted.join(" "))),
            None => "no scope claim".to_owned(),
        };
        let mut advice = vec![format!(
            "It needs {:?} and has {has}; missing: {:?}. The client has to ask for it, and the issuer to grant it.",
            self.api.scopes.join(" "),
            missing.join(" ")
        )];
        let cause = name.and_then(|name| self.other_form(name, &missing)).or_else(|| self.elsewhere(&missing));
        if let Some(cause) = cause {
            advice.insert(0, cause);
        }
        advice
    }

    fn is_granted(&self, scope: &str) -> bool {
        self.granted.iter().any(|granted| granted == scope)
    }

    /// The scope is in the claim, but not as the layer reads it.
    fn other_form(&self, name: &str, missing: &[&str]) -> Option<String> {
        let texts = self.token.texts(name);
        let is_array = self.token.claim(name).is_some_and(Value::is_array);
        let has_all = |text: &str, separator: char| {
            let parts: Vec<_> = text.split(separator).map(str::trim).collect();
            parts.len() > 1 && missing.iter().any(|scope| parts.contains(scope))
        };
        if let Some(member) = texts.iter().find(|text| is_array && has_all(text, ' ')) {
            return Some(format!(
                "`{name}` is an array whose member {} has a space: each member is one scope. Have the issuer write one \
                 string, or each scope as a member of its own.",
                quoted(member)
            ));
        }
        for (separator, word) in [(',', "commas"), (';', "semicolons"), ('+', "plus signs"), ('|', "bars")] {
            if texts.iter().any(|text| has_all(text, separator)) {
                return Some(format!(
                    "`{name}` separates scopes with {word}: have the issuer separate them with spaces (RFC 6749 §3.3)."
                ));
            }
        }
        let similar = self.granted.iter().find(|granted| missing.iter().any(|scope| is_similar(granted, scope)))?;
        Some(format!(
            "`{name}` has {}: have the route require that, or the issuer grant the other. Scopes are compared byte by \
             byte.",
            quoted(similar)
        ))
    }

    /// Another claim has the scope.
    fn elsewhere(&self, missing: &[&str]) -> Option<String> {
        let claims = self.token.claims.as_ref()?;
        let has_it = |name: &str| {
            let texts = self.token.texts(name);
            let mut scopes = texts.iter().flat_map(|text| text.split(' '));
            scopes.any(|scope| missing.contains(&scope))
        };
        if let Some(name) = claims.keys().find(|name| has_it(name)) {
            return Some(format!(
                "The claim {} has it: if the issuer keeps scopes there, name it with `Issuer::scope_claims` \
                 (`--scope-claim`).",
                quoted(name)
            ));
        }
        let path = claims.iter().find_map(|(name, value)| Some((name, nested(value, missing)?)));
        path.map(|(name, inner)| {
            format!(
                "The claim {} has it, in {}: these are roles. Require them with `RequireRoles`, or have the issuer grant \
                 the scope.",
                quoted(name),
                quoted(&inner)
            )
        })
    }
}

/// The path of an array within an object that has one of the scopes.
fn nested(value: &Value, missing: &[&str]) -> Option<String> {
    value.as_object()?.iter().find_map(|(name, value)| match value {
        Value::Array(members) => {
            let has_it = members.iter().filter_map(Value::as_str).any(|member| missing.contains(&member));
            has_it.then(|| name.clone())
        }
        Value::Object(_) => nested(value, missing).map(|inner| format!("{name}.{inner}")),
        _ => None,
    })
}

/// Another spelling, or the scope behind the name of a resource, as Amazon Cognito and Microsoft Entra write it.
fn is_similar(granted: &str, scope: &str) -> bool {
    let behind = granted.strip_suffix(scope).is_some_and(|start| start.ends_with(['/', ':', '.']));
    let before = scope.strip_suffix(granted).is_some_and(|start| start.ends_with(['/', ':', '.']));
    granted.eq_ignore_ascii_case(scope) || behind || before
}
