//! Each flow as lines to paste into a shell: commands that set what later ones need, and comments.

use std::time::Duration;

use serde_json::Value;
use tower_bearer_authorization_server::{AuthorizationServer, ClientSummary};
use url::form_urlencoded::{Serializer, byte_serialize};

use super::shell::{Credentials, member, quoted, show, to_fill_in};

/// A flow that the server has a client for.
pub(super) struct Flow {
    pub(super) title: &'static str,
    pub(super) lines: Vec<String>,
}

/// The pair of RFC 7636 appendix B. A real client makes a new one each time.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// What asks for a code, with the other half of the pair.
const CODE: [(&str, &str); 3] = [
    ("response_type", "code"),
    ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
    ("code_challenge_method", "S256"),
];

/// What the flows are about: the server, its metadata, and an API behind the layer.
struct Place<'a> {
    server: &'a AuthorizationServer,
    metadata: Value,
    api_url: Option<&'a str>,
}

/// Those that the metadata names.
pub(super) fn of(server: &AuthorizationServer, api_url: Option<&str>) -> Vec<Flow> {
    let place = Place { server, metadata: server.metadata(), api_url };
    let flows = [
        place.client_credentials(),
        place.authorization_code(),
        place.pushed(),
        place.device(),
        place.password(),
        place.implicit(),
        place.about_tokens(),
        place.keys(),
    ];
    flows.into_iter().flatten().collect()
}

impl Place<'_> {
    fn client_credentials(&self) -> Option<Flow> {
        let client = self.confidential()?;
        let title = "A token for the client itself (client credentials, RFC 6749 section 4.4)";
        let mut lines = self.own_token(client)?;
        lines.extend(self.call_api(client));
        Some(Flow { title, lines })
    }

    fn authorization_code(&self) -> Option<Flow> {
        let (client, redirect_uri) = self.with_a_browser()?;
        let address = self.authorize(client, &asking(client, redirect_uri, &CODE))?;
        let mut lines = Credentials::of(client).setting();
        lines.extend(open_in_a_browser(&address));
        lines.extend(self.redeem(client, redirect_uri)?);
        let credentials = Credentials::of(client);
        let post = self.post("token_endpoint", &credentials)?;
        lines.extend([
            "# And when the access token has expired; a refresh token is good for one use:".to_owned(),
            format!(
                "TOKENS=$({post} -d grant_type=refresh_token -d \"refresh_token=$REFRESH_TOKEN\"); {}",
                show("TOKENS")
            ),
            member("TOKEN", "TOKENS", "access_token"),
        ]);
        if let Some(url) = self.url("userinfo_endpoint").filter(|_| client.scopes.iter().any(|scope| scope == "openid"))
        {
            lines.push("# Who the user is (userinfo, OpenID Connect Core 1.0 section 5.3):".to_owned());
            lines.push(format!("curl -sS {url} --oauth2-bearer \"$TOKEN\"; echo"));
        }
        lines.extend(self.call_api(client));
        Some(Flow {
            title: "A token for a user (authorization code with PKCE, RFC 6749 section 4.1 and RFC 7636)",
            lines,
        })
    }

    fn pushed(&self) -> Option<Flow> {
        let (client, redirect_uri) = self.with_a_browser()?;
        let credentials = Credentials::of(client);
        let post = self.post("pushed_authorization_request_endpoint", &credentials)?;
        let pushed = quoted(&asking(client, redirect_uri, &CODE));
        let authorize = self.authorize(client, "request_uri=")?;
        let mut lines = credentials.setting();
        lines.extend([
            format!("PUSHED=$({post} -d {pushed}); {}", show("PUSHED")),
            member("REQUEST_URI", "PUSHED", "request_uri"),
            format!(
                "# It lives {}. Open in a browser what the next line prints, and log in:",
                words(AuthorizationServer::PUSHED_REQUEST_LIFETIME)
            ),
            format!("printf '%s\\n' {}\"$REQUEST_URI\"", quoted(&authorize)),
        ]);
        lines.extend(self.redeem(client, redirect_uri)?);
        lines.extend(self.call_api(client));
        let title = "The same, with the request sent ahead (pushed authorization request, RFC 9126)";
        Some(Flow { title, lines })
    }

    fn device(&self) -> Option<Flow> {
        let client = self.clients().find(|client| client.device)?;
        let credentials = Credentials::of(client);
        let ask = self.post("device_authorization_endpoint", &credentials)?;
        let poll = self.post("token_endpoint", &credentials)?;
        let grant = "urn:ietf:params:oauth:grant-type:device_code";
        let mut lines = credentials.setting();
        lines.extend([
            // curl only sends a form when there is something in it.
            format!("DEVICE=$({ask} -d {}); {}", asked_scopes(client), show("DEVICE")),
            member("DEVICE_CODE", "DEVICE", "device_code"),
            format!(
                "# The codes live {}. Open verification_uri in a browser, enter user_code, log in and allow it, and then:",
                words(self.server.device_code_lifetime())
            ),
            format!("TOKENS=$({poll} -d grant_type={grant} -d \"device_code=$DEVICE_CODE\"); {}", show("TOKENS")),
            member("TOKEN", "TOKENS", "access_token"),
        ]);
        lines.extend(self.call_api(client));
        let title = "A token for a user of a device without a browser (device authorization, RFC 8628)";
        Some(Flow { title, lines })
    }

    fn password(&self) -> Option<Flow> {
        let user = self.server.users().first().filter(|_| self.has_grant("password"))?;
        let client = self.clients().next()?;
        let credentials = Credentials::of(client);
        let post = self.post("token_endpoint", &credentials)?;
        let mut lines = credentials.setting();
        lines.push(match &user.demo_password {
            Some(password) => format!("PASSWORD={}", quoted(password)),
            None => to_fill_in("PASSWORD", &format!("THE PASSWORD OF {}", user.username)),
        });
        lines.extend([
            format!(
                "TOKENS=$({post} -d grant_type=password --data-urlencode {} --data-urlencode \"password=$PASSWORD\"); {}",
                quoted(&format!("username={}", user.username)),
                show("TOKENS")
            ),
            member("TOKEN", "TOKENS", "access_token"),
        ]);
        lines.extend(self.call_api(client));
        let title = "DANGEROUS, to be migrated away from: a token for a user's password (RFC 6749 section 4.3)";
        Some(Flow { title, lines })
    }

    fn implicit(&self) -> Option<Flow> {
        let (client, redirect_uri) = self.with_a_browser().filter(|_| self.has_grant("implicit"))?;
        let asked = asking(client, redirect_uri, &[("response_type", "token")]);
        let mut lines = open_in_a_browser(&self.authorize(client, &asked)?).to_vec();
        lines.extend([
            "# It is then sent to the redirect URI, with the token in the address, after the #:".to_owned(),
            to_fill_in("TOKEN", "THE TOKEN"),
        ]);
        lines.extend(self.call_api(client));
        let title = "DANGEROUS, to be migrated away from: a token in an address (implicit, RFC 6749 section 4.2)";
        Some(Flow { title, lines })
    }

    fn about_tokens(&self) -> Option<Flow> {
        let client = self.confidential()?;
        let credentials = Credentials::of(client);
        let introspect = self.post("introspection_endpoint", &credentials)?;
        let revoke = self.post("revocation_endpoint", &credentials)?;
        let mut lines = self.own_token(client)?;
        lines.extend([
            "# Every client with a secret may introspect it:".to_owned(),
            format!("{introspect} -d \"token=$TOKEN\"; echo"),
            format!("# Only the client that owns the token can revoke it, here {}:", client.id),
            format!("{revoke} -d \"token=$TOKEN\""),
            format!("{introspect} -d \"token=$TOKEN\"; echo"),
        ]);
        let others = self.clients().filter(|other| other.id != client.id);
        for (index, other) in others.enumerate() {
            if index == 0 {
                lines.push(
                    "# These revoke tokens of the other clients; a refresh token takes all of its consent with it:"
                        .to_owned(),
                );
            }
            let revoke = self.post("revocation_endpoint", &Credentials::of(other))?;
            lines.push(format!("#   {revoke} -d \"token=$TOKEN\""));
        }
        if !client.opaque_tokens && self.api_url.is_some() {
            lines.push("# An API that checks the JWT alone accepts it until it expires:".to_owned());
            lines.extend(self.call_api(client).into_iter().skip(1));
        }
        let title = "Whether a token is good, and its end (introspection, RFC 7662; revocation, RFC 7009)";
        Some(Flow { title, lines })
    }

    fn keys(&self) -> Option<Flow> {
        let jwks_uri = self.url("jwks_uri")?;
        Some(Flow {
            title: "The keys that verify tokens (RFC 7517)",
            lines: vec![format!("curl -sS {jwks_uri}; echo")],
        })
    }

    /// Gets a token for the client itself.
    fn own_token(&self, client: &ClientSummary) -> Option<Vec<String>> {
        let credentials = Credentials::of(client);
        let post = self.post("token_endpoint", &credentials)?;
        let mut lines = credentials.setting();
        lines.push(format!("TOKENS=$({post} -d grant_type=client_credentials); {}", show("TOKENS")));
        lines.push(member("TOKEN", "TOKENS", "access_token"));
        Some(lines)
    }

    /// Gets tokens for a code that the user takes from the browser's address.
    fn redeem(&self, client: &ClientSummary, redirect_uri: &str) -> Option<Vec<String>> {
        let post = self.post("token_endpoint", &Credentials::of(client))?;
        let redirect_uri: String = byte_serialize(redirect_uri.as_bytes()).collect();
        Some(vec![
            "# It is then sent to the redirect URI, with a code in the address, even if nothing listens.".to_owned(),
            format!(
                "# The code lives {} and is good for one use:",
                words(AuthorizationServer::AUTHORIZATION_CODE_LIFETIME)
            ),
            to_fill_in("CODE", "THE CODE"),
            format!(
                "TOKENS=$({post} -d grant_type=authorization_code -d \"code=$CODE\" -d {} -d code_verifier={VERIFIER}); {}",
                quoted(&format!("redirect_uri={redirect_uri}")),
                show("TOKENS")
            ),
            member("TOKEN", "TOKENS", "access_token"),
            member("REFRESH_TOKEN", "TOKENS", "refresh_token"),
        ])
    }

    /// Calls the API with the token; or asks about a token that only this server can read, as an API does.
    fn call_api(&self, client: &ClientSummary) -> Vec<String> {
        match (self.api_url, self.confidential()) {
            (Some(api), _) if !client.opaque_tokens => vec![
                "# Call an API with it; this one is a part of this command, behind the layer:".to_owned(),
                format!("curl -sS {api} --oauth2-bearer \"$TOKEN\""),
            ],
            (_, Some(asking)) if client.opaque_tokens => {
                let credentials = Credentials::of(asking);
                let mut lines = vec!["# It is opaque; an API introspects it at this server:".to_owned()];
                lines.extend(credentials.setting());
                let introspect = self.post("introspection_endpoint", &credentials);
                lines.extend(introspect.map(|introspect| format!("{introspect} -d \"token=$TOKEN\"; echo")));
                lines
            }
            _ => Vec::new(),
        }
    }

    /// A request to the endpoint as this client.
    fn post(&self, endpoint: &str, credentials: &Credentials<'_>) -> Option<String> {
        Some(format!("curl -sS {} {}", self.url(endpoint)?, credentials.options()))
    }

    fn url(&self, endpoint: &str) -> Option<&str> {
        self.metadata.get(endpoint)?.as_str()
    }

    fn has_grant(&self, name: &str) -> bool {
        let grants = self.metadata.get("grant_types_supported").and_then(Value::as_array);
        grants.is_some_and(|grants| grants.iter().any(|grant| grant == name))
    }

    /// Those that curl can act as: it signs no assertions.
    fn clients(&self) -> impl Iterator<Item = &ClientSummary> {
        let signs = |client: &&ClientSummary| client.authentication_methods == ["private_key_jwt"];
        self.server.clients().iter().filter(move |client| !signs(client))
    }

    fn confidential(&self) -> Option<&ClientSummary> {
        self.clients().find(|client| !client.public)
    }

    /// A client that sends users here, and where they are sent back to.
    fn with_a_browser(&self) -> Option<(&ClientSummary, &String)> {
        self.clients().find_map(|client| Some((client, client.redirect_uris.first()?)))
    }

    /// The address to open in a browser.
    fn authorize(&self, client: &ClientSummary, query: &str) -> Option<String> {
        let client_id: String = byte_serialize(client.id.as_bytes()).collect();
        Some(format!("{}?client_id={client_id}&{query}", self.url("authorization_endpoint")?))
    }
}

fn open_in_a_browser(address: &str) -> [String; 2] {
    ["# Open in a browser, and log in:".to_owned(), format!("#   {address}")]
}

/// What the client asks for, its id aside, as a query.
fn asking(client: &ClientSummary, redirect_uri: &str, response: &[(&str, &str)]) -> String {
    let query = Serializer::new(String::new())
        .extend_pairs(response)
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("state", "af0ifjsldkj")
        .finish();
    format!("{query}&{}", asked_scopes(client))
}

/// All of them, as a parameter.
fn asked_scopes(client: &ClientSummary) -> String {
    let scopes: String = byte_serialize(client.scopes.join(" ").as_bytes()).collect();
    format!("scope={scopes}")
}

/// A lifetime, such as `10m` as `10 minutes`.
fn words(lifetime: Duration) -> String {
    match lifetime.as_secs() {
        seconds if seconds > 60 && seconds.is_multiple_of(60) => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} seconds"),
    }
}
