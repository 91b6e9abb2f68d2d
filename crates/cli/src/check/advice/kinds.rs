//! Tokens that are known by their shape: not an access token, or one of a provider that needs a setting of its own.

use serde_json::Value;
use tower_bearer::TokenError;

use super::{Case, quoted};

/// What Google Cloud Run puts in place of the signature when it has checked it.
const REMOVED_BY_CLOUD_RUN: &str = "SIGNATURE_REMOVED_BY_GOOGLE";

/// Refresh tokens that are not JWTs, by how they begin: of GitHub, Google, Microsoft Entra (two), Auth0, Slack.
const REFRESH_TOKENS: [(&str, &str); 6] = [
    ("ghr_", "GitHub"),
    ("1//", "Google"),
    ("0.A", "Microsoft Entra"),
    ("1.A", "Microsoft Entra"),
    ("v1.M", "Auth0"),
    ("xoxe-1-", "Slack"),
];

/// Access tokens that are not JWTs, in the same way.
const OPAQUE_TOKENS: [(&str, &str); 9] = [
    ("ya29.", "Google"),
    ("gho_", "GitHub"),
    ("ghp_", "GitHub"),
    ("ghs_", "GitHub"),
    ("ghu_", "GitHub"),
    ("github_pat_", "GitHub"),
    ("glpat-", "GitLab"),
    ("xox", "Slack"),
    ("sk_", "Stripe"),
];

/// The value of a variable that was never set.
const UNSET: [&str; 8] = ["undefined", "null", "none", "nil", "true", "false", "nan", "token"];

const ACCESS_TOKEN: &str = "the client has to send `access_token` from the token response";

impl Case<'_> {
    /// What the token is, where that explains a refusal better than the check that failed.
    pub(super) fn kind(&self, error: &TokenError) -> Option<String> {
        if error.retry_after().is_some() {
            return None;
        }
        if self.is_refresh_token() {
            return Some(format!(
                "This is a refresh token, which is only for the authorization server: {ACCESS_TOKEN}."
            ));
        }
        let is_forgery = matches!(error, TokenError::BadSignature | TokenError::NoMatchingKey);
        if is_forgery && self.text.rsplit('.').next() == Some(REMOVED_BY_CLOUD_RUN) {
            return Some(
                "Google Cloud Run has checked the token and removed its signature, so nothing can check it again: have \
                 the client send the API's token in `Authorization` and Cloud Run's in `X-Serverless-Authorization`."
                    .into(),
            );
        }
        // Graph's header differs from what was signed.
        let is_foreign = matches!(error, TokenError::IssuerMismatch | TokenError::AudienceMismatch);
        if (is_forgery || is_foreign) && self.token.header("nonce").is_some() {
            return Some(
                "The header has a `nonce`: this token is for Microsoft Graph, and only Graph can check it. The client has \
                 to ask for a scope of this API (`api://<client id>/<scope>`), not for one of Graph such as `User.Read`."
                    .into(),
            );
        }
        match error {
            TokenError::IssuerMismatch => self.entra_version(),
            TokenError::AudienceMismatch => self.keycloak_account(),
            TokenError::Claim { name, .. } if name == "aud" => self.cognito(),
            _ => None,
        }
    }

    /// Why a token is not a JWT.
    pub(super) fn opaque(&self) -> String {
        if UNSET.contains(&self.text.to_ascii_lowercase().as_str()) {
            return format!("The token is the word {}: the client's variable was not set.", quoted(self.text));
        }
        if let Some((_, provider)) = known(&REFRESH_TOKENS, self.text) {
            return format!("This looks like a refresh token of {provider}: {ACCESS_TOKEN}.");
        }
        if self.api.has_introspection() {
            return "This is no JWT. The API asks an issuer about such tokens, which cannot be done here: it may accept this \
                    one."
                .into();
        }
        let provider = match known(&OPAQUE_TOKENS, self.text) {
            Some((_, provider)) => {
                format!(" It looks like one of {provider}, whose API is the only one that reads it.")
            }
            None => String::new(),
        };
        format!(
            "This is not a JWT but a reference, which needs introspection (RFC 7662).{provider} Have the issuer make \
             JWTs for this API: many do so only when the client names it (`audience` or `resource`). If it is the refresh \
             token, {ACCESS_TOKEN}."
        )
    }

    pub(super) fn encrypted(&self) -> String {
        let is_of_cognito = self.token.header("alg").and_then(Value::as_str) == Some("RSA-OAEP")
            && self.token.header("enc").and_then(Value::as_str) == Some("A256GCM");
        if is_of_cognito {
            return format!("The token is encrypted, as refresh tokens of Amazon Cognito are: {ACCESS_TOKEN}.");
        }
        "The token is encrypted: have the issuer switch that off for this API. Some encrypt when the client does not name \
         an API (`audience` or `resource`), as Auth0 does."
            .into()
    }

    /// Keycloak (`Refresh`, `Offline`) and Amazon Cognito.
    fn is_refresh_token(&self) -> bool {
        let says = |claim: &str, kinds: &[&str]| {
            self.token.text(claim).is_some_and(|kind| kinds.iter().any(|it| kind.eq_ignore_ascii_case(it)))
        };
        let typ = self.token.header("typ").and_then(Value::as_str).unwrap_or_default();
        says("typ", &["refresh", "offline"])
            || says("token_use", &["refresh"])
            || says("token_type", &["refresh_token", "refresh"])
            || typ.to_ascii_lowercase().starts_with("rt+")
            || typ.eq_ignore_ascii_case("refresh+jwt")
    }

    /// One tenant of Microsoft Entra has an issuer for each version of its tokens.
    fn entra_version(&self) -> Option<String> {
        let iss = self.token.text("iss")?;
        let (found, tenant) = entra_tenant(iss)?;
        let ours =
            self.api.configuration.issuers.iter().find(|ours| {
                entra_tenant(&ours.name).is_some_and(|(version, ours)| version != found && ours == tenant)
            })?;
        let remedy = match found {
            1 => "set `requestedAccessTokenVersion` to 2 in the manifest of the API's app registration",
            _ => "set `requestedAccessTokenVersion` to 1 or null in the manifest of the API's app registration",
        };
        Some(format!(
            "iss is {}: a version {found} token of the same Microsoft Entra tenant as {}. Either {remedy}, or configure \
             the issuer as its tokens name it. In version 1 `aud` is the application ID URI (`api://…`), in version 2 the \
             client id.",
            quoted(iss),
            quoted(&ours.name)
        ))
    }

    fn keycloak_account(&self) -> Option<String> {
        if !self.token.texts("aud").contains(&"account") {
            return None;
        }
        let ours = self.api.audiences(self.issuer).first().map(String::as_str).unwrap_or_default();
        Some(format!(
            "aud is \"account\", which Keycloak writes by itself: it does not know that the token is for this API. Add a \
             mapper of the type `Audience` with {} to a client scope, and that scope to the client.",
            quoted(ours)
        ))
    }

    fn cognito(&self) -> Option<String> {
        let iss = self.token.text("iss")?;
        let is_of_cognito = iss.starts_with("https://cognito-idp.") && self.token.claim("aud").is_none();
        let client = self.token.text("client_id").filter(|_| is_of_cognito)?;
        Some(format!(
            "Access tokens of Amazon Cognito have no `aud`: set `Issuer::audience_claim(\"client_id\")` and the app \
             client's id, here {}, as the audience (`--audience-claim client_id --audience …`).",
            quoted(client)
        ))
    }
}

fn known<'a>(prefixes: &'a [(&'a str, &'a str)], text: &str) -> Option<&'a (&'a str, &'a str)> {
    prefixes.iter().find(|(prefix, _)| text.starts_with(prefix))
}

/// The version of an issuer of Microsoft Entra, and its tenant.
fn entra_tenant(issuer: &str) -> Option<(u8, &str)> {
    let first = issuer.strip_prefix("https://sts.windows.net/").map(|tenant| (1, tenant.trim_end_matches('/')));
    let second = || Some((2, issuer.strip_prefix("https://login.microsoftonline.com/")?.strip_suffix("/v2.0")?));
    first.or_else(second)
}
