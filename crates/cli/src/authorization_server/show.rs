//! What the server has, for people and for programs.

use std::fmt::Write as _;
use std::io;

use comfy_table::{Table, presets};
use serde_json::json;
use tower_bearer_authorization_server::{AuthorizationServer, ClientSummary};

use super::flows;
use crate::terminal::HEADING;

/// One line.
pub(super) fn json(server: &AuthorizationServer, api_url: Option<&str>) -> io::Result<String> {
    let line = json!({
        "issuer": server.issuer(),
        "metadata": server.metadata(),
        "admin_url": server.admin_url(),
        "api_url": api_url,
        "clients": server.clients(),
        "users": server.users(),
        "production": false,
    });
    Ok(format!("{}\n", serde_json::to_string(&line)?))
}

/// With styles in it, which standard output leaves out where they are not shown.
pub(super) fn text(server: &AuthorizationServer, api_url: Option<&str>) -> String {
    let mut text = String::new();
    // Writing into a string cannot fail.
    let _ = write(&mut text, server, api_url);
    text
}

fn write(text: &mut String, server: &AuthorizationServer, api_url: Option<&str>) -> std::fmt::Result {
    let issuer = server.issuer();
    writeln!(text, "{HEADING}issuer{HEADING:#}     {issuer}")?;
    writeln!(text, "{HEADING}metadata{HEADING:#}   {issuer}/.well-known/openid-configuration")?;
    match server.admin_url() {
        Some(url) => writeln!(text, "{HEADING}admin API{HEADING:#}  {url}, open to every program on this machine")?,
        None => writeln!(text, "{HEADING}admin API{HEADING:#}  none; --admin-port opens it")?,
    }
    if let Some(api_url) = api_url {
        writeln!(text, "{HEADING}an API{HEADING:#}     {api_url}, behind the layer, to call with tokens")?;
    }
    writeln!(text, "\n{}\n\n{}", clients(server), users(server))?;
    for flow in flows::of(server, api_url) {
        writeln!(text, "\n{HEADING}{}{HEADING:#}", flow.title)?;
        for line in flow.lines {
            writeln!(text, "  {line}")?;
        }
    }
    writeln!(text, "\nCtrl-C ends it.")
}

fn clients(server: &AuthorizationServer) -> Table {
    let mut table = table(&["client", "secret", "scopes", "for", "redirect URIs"]);
    for client in server.clients() {
        let ClientSummary { id, scopes, audiences, redirect_uris, .. } = client;
        table.add_row([id, secret(client), &scopes.join("\n"), &audiences.join("\n"), &redirect_uris.join("\n")]);
    }
    table
}

fn secret(client: &ClientSummary) -> &str {
    match &client.demo_secret {
        Some(secret) => secret,
        None if client.public => "none (public)",
        None if client.authentication_methods == ["private_key_jwt"] => "its key",
        None => "yours",
    }
}

fn users(server: &AuthorizationServer) -> Table {
    let mut table = table(&["user", "password", "sub"]);
    for user in server.users() {
        table.add_row([&user.username, user.demo_password.as_deref().unwrap_or("yours"), &user.subject]);
    }
    table
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}
