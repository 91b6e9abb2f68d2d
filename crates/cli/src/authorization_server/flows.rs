//! Each flow as lines to paste into a shell.

use serde_json::Value;
use tower_bearer_authorization_server::{AuthorizationServer, ClientSummary};
use url::form_urlencoded::{Serializer, byte_serialize};

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

/// Those that the metadata names.
pub(super) fn of(server: &AuthorizationServer) -> Vec<Flow> {
    let metadata = server.metadata();
    let flows = [
        client_credentials(server, &metadata),
        authorization_code(server, &metadata),
        pushed(server, &metadata),
        device(server, &metadata),
        password(server, &metadata),
        implicit(server, &metadata),
        userinfo(&metadata),
        about_tokens(server, &metadata),
        keys(&metadata),
    ];
    flows.into_iter().flatten().collect()
}

fn client_credentials(server: &AuthorizationServer, metadata: &Value) -> Option<Flow> {
    let client = server.clients().iter().find(|client| !client.public)?;
    let post = post(metadata, "token_endpoint", client)?;
    let title = "A token for the client itself (client credentials, RFC 6749 section 4.4)";
    Some(Flow { title, lines: vec![format!("{post} -d grant_type=client_credentials")] })
}

fn authorization_code(server: &AuthorizationServer, metadata: &Value) -> Option<Flow> {
    let (client, redirect_uri) = with_a_browser(server)?;
    let authorize = authorize(metadata, client, &asking(client, redirect_uri, &CODE))?;
    let post = post(metadata, "token_endpoint", client)?;
    let redirect_uri: String = byte_serialize(redirect_uri.as_bytes()).collect();
    Some(Flow {
        title: "A token for a user (authorization code with PKCE, RFC 6749 section 4.1 and RFC 7636)",
        lines: vec![
            format!("open in a browser: {authorize}"),
            "then, with the code that is in the address which the browser is sent to:".to_owned(),
            format!(
                "{post} -d grant_type=authorization_code -d code=$CODE -d redirect_uri={redirect_uri} -d \
                 code_verifier={VERIFIER}"
            ),
            "and when the access token has expired:".to_owned(),
            format!("{post} -d grant_type=refresh_token -d refresh_token=$REFRESH_TOKEN"),
        ],
    })
}

fn pushed(server: &AuthorizationServer, metadata: &Value) -> Option<Flow> {
    let (client, redirect_uri) = with_a_browser(server)?;
    let post = post(metadata, "pushed_authorization_request_endpoint", client)?;
    let pushed = asking(client, redirect_uri, &CODE).replace('&', " -d ");
    let authorize = authorize(metadata, client, "request_uri=$REQUEST_URI")?;
    Some(Flow {
        title: "The same with what is asked for sent ahead (pushed authorization request, RFC 9126)",
        lines: vec![
            format!("{post} -d {pushed}"),
            format!("then, with the request_uri of the answer, open in a browser: {authorize}"),
            "and go on with the code as above".to_owned(),
        ],
    })
}

fn device(server: &AuthorizationServer, metadata: &Value) -> Option<Flow> {
    let client = server.clients().iter().find(|client| client.device)?;
    let ask = post(metadata, "device_authorization_endpoint", client)?;
    // curl only sends a form when there is something in it.
    let ask = if client.public { ask } else { format!("{ask} -d client_id={}", client.id) };
    let poll = post(metadata, "token_endpoint", client)?;
    Some(Flow {
        title: "A token for a user of a device without a browser (device authorization, RFC 8628)",
        lines: vec![
            ask,
            "then open verification_uri in a browser, enter user_code, and:".to_owned(),
            format!("{poll} -d grant_type=urn:ietf:params:oauth:grant-type:device_code -d device_code=$DEVICE_CODE"),
        ],
    })
}

fn password(server: &AuthorizationServer, metadata: &Value) -> Option<Flow> {
    let user = server.users().first().filter(|_| has_grant(metadata, "password"))?;
    let client = server.clients().first()?;
    let post = post(metadata, "token_endpoint", client)?;
    let password = user.demo_password.as_deref().unwrap_or("$PASSWORD");
    Some(Flow {
        title: "DANGEROUS, to be migrated away from: a token for a user's password (RFC 6749 section 4.3)",
        lines: vec![format!("{post} -d grant_type=password -d username={} -d password={password}", user.username)],
    })
}

fn implicit(server: &AuthorizationServer, metadata: &Value) -> Option<Flow> {
    let (client, redirect_uri) = with_a_browser(server).filter(|_| has_grant(metadata, "implicit"))?;
    let authorize = authorize(metadata, client, &asking(client, redirect_uri, &[("response_type", "token")]))?;
    Some(Flow {
        title: "DANGEROUS, to be migrated away from: a token in an address (implicit, RFC 6749 section 4.2)",
        lines: vec![
            format!("open in a browser: {authorize}"),
            "the token is in the address which the browser is sent to, behind the #".to_owned(),
        ],
    })
}

fn userinfo(metadata: &Value) -> Option<Flow> {
    let url = metadata.get("userinfo_endpoint")?.as_str()?;
    Some(Flow {
        title: "Who the user is, for a token with the scope openid (userinfo, OpenID Connect Core 1.0 section 5.3)",
        lines: vec![format!("curl -s {url} --oauth2-bearer $TOKEN")],
    })
}

fn about_tokens(server: &AuthorizationServer, metadata: &Value) -> Option<Flow> {
    let client = server.clients().iter().find(|client| !client.public)?;
    let introspect = post(metadata, "introspection_endpoint", client)?;
    let revoke = post(metadata, "revocation_endpoint", client)?;
    Some(Flow {
        title: "Whether a token is good, and its end (introspection, RFC 7662; revocation, RFC 7009)",
        lines: vec![
            format!("{introspect} -d token=$TOKEN"),
            "and, by the client whose token it is:".to_owned(),
            format!("{revoke} -d token=$TOKEN"),
        ],
    })
}

fn keys(metadata: &Value) -> Option<Flow> {
    let jwks_uri = metadata.get("jwks_uri")?.as_str()?;
    Some(Flow { title: "The keys that verify tokens (RFC 7517)", lines: vec![format!("curl -s {jwks_uri}")] })
}

fn has_grant(metadata: &Value, name: &str) -> bool {
    let grants = metadata.get("grant_types_supported").and_then(Value::as_array);
    grants.is_some_and(|grants| grants.iter().any(|grant| grant == name))
}

/// A client that sends users here, and where they are sent back to.
fn with_a_browser(server: &AuthorizationServer) -> Option<(&ClientSummary, &String)> {
    server.clients().iter().find_map(|client| Some((client, client.redirect_uris.first()?)))
}

/// What the client asks for, its id aside, as a query.
fn asking(client: &ClientSummary, redirect_uri: &str, response: &[(&str, &str)]) -> String {
    Serializer::new(String::new())
        .extend_pairs(response)
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("scope", &client.scopes.join(" "))
        .append_pair("state", "af0ifjsldkj")
        .finish()
}

/// The address to open in a browser.
fn authorize(metadata: &Value, client: &ClientSummary, query: &str) -> Option<String> {
    let url = metadata.get("authorization_endpoint")?.as_str()?;
    let client_id: String = byte_serialize(client.id.as_bytes()).collect();
    Some(format!("{url}?client_id={client_id}&{query}"))
}

/// A request to the endpoint as this client. A secret of the user's own is not repeated.
fn post(metadata: &Value, endpoint: &str, client: &ClientSummary) -> Option<String> {
    let url = metadata.get(endpoint)?.as_str()?;
    Some(match &client.demo_secret {
        Some(secret) => format!("curl -s {url} -u {}:{secret}", client.id),
        None if client.public => format!("curl -s {url} -d client_id={}", client.id),
        None => format!("curl -s {url} -u {}:$CLIENT_SECRET", client.id),
    })
}
