//! Which field of the file an error of the start is about.

use std::time::Duration;

use super::document::{Document, UserEntry};
use super::format::PathSegment::{self, Index, Key};
use crate::StartError;
use crate::registration::ClientSettings;

/// The way to the field; as far as is known.
pub(super) fn of(error: &StartError, document: &Document) -> Vec<PathSegment> {
    let client = |id: &str, field: &'static str| client(document, id, field, 0);
    let user = |name: &str, field: &'static str| user(document, name, field, 0);
    let item = |mut way: Vec<PathSegment>, items: fn(&ClientSettings) -> &[String], text: &str| {
        let position = match way.get(1) {
            Some(Index(index)) => document.clients.get(*index).and_then(|client| position(items(client), text)),
            _ => None,
        };
        way.extend(position.map(Index));
        way
    };
    match error {
        StartError::EmptyClientId => client("", "id"),
        StartError::DuplicateClient { client_id } => self::client(document, client_id, "id", 1),
        StartError::EmptySecret { client_id } => client(client_id, "secret"),
        StartError::NoRedirectUri { client_id } => client(client_id, "redirect_uris"),
        StartError::RedirectUri { client_id, uri, .. } => {
            item(client(client_id, "redirect_uris"), |client| &client.redirect_uris, uri)
        }
        StartError::NoAudience { client_id } => client(client_id, "audiences"),
        StartError::InvalidScope { client_id, scope } => {
            item(client(client_id, "scopes"), |client| &client.scopes, scope)
        }
        StartError::PreviousSecret { client_id } => client(client_id, "previous_secret"),
        StartError::ClientKeys { client_id, .. } => {
            let in_a_file = |client: &ClientSettings| client.id == *client_id && client.jwks_file.is_some();
            client(client_id, if document.clients.iter().any(in_a_file) { "jwks_file" } else { "jwks" })
        }
        StartError::OpaqueTokenPrefix { client_id, .. } => client(client_id, "opaque_token_prefix"),
        StartError::Fault { endpoint, .. } => vec![Key("faults"), Key(endpoint.name())],
        StartError::ShortLifetime { client_id } => client(client_id, "token_lifetime"),
        StartError::ShortRefreshLifetime { client_id } => {
            let is_it =
                |client: &ClientSettings| client.id == *client_id && client.refresh_lifetime < Duration::from_secs(1);
            let sliding = document.clients.iter().any(is_it);
            client(client_id, if sliding { "refresh_lifetime" } else { "refresh_absolute_lifetime" })
        }
        StartError::ShortDeviceCodeLifetime => vec![Key("device_code_lifetime")],
        StartError::EmptyUsername => user("", "username"),
        StartError::DuplicateUser { username } => self::user(document, username, "username", 1),
        StartError::EmptyPassword { username } => user(username, "password"),
        StartError::EmptySubject { username } | StartError::DuplicateSubject { username } => user(username, "subject"),
        StartError::ReservedClaim { username, .. } => user(username, "claims"),
        StartError::ScopeDescription { .. } => vec![Key("scopes")],
        StartError::EndpointPath { setting, .. } => vec![Key(setting)],
        StartError::IssuerPath { .. } => vec![Key("issuer_path")],
        StartError::IssuerUrl { .. } => vec![Key("issuer")],
        // Only known at the start.
        StartError::NoUser { .. }
        | StartError::NotLoopback { .. }
        | StartError::NoIssuerName { .. }
        | StartError::SharedPath { .. }
        | StartError::OtherPlace { .. }
        | StartError::SigningKey(_)
        | StartError::Listen { .. } => Vec::new(),
        #[cfg(feature = "tls")]
        StartError::Certificate(_) => Vec::new(),
    }
}

/// `nth` is how many of the same id come before it.
fn client(document: &Document, id: &str, field: &'static str, nth: usize) -> Vec<PathSegment> {
    let ids = document.clients.iter().map(|client| client.id.as_str());
    way("clients", ids, id, field, nth)
}

fn user(document: &Document, name: &str, field: &'static str, nth: usize) -> Vec<PathSegment> {
    let names = document.users.iter().map(|UserEntry { username, .. }| username.as_str());
    way("users", names, name, field, nth)
}

fn way<'a>(
    table: &'static str,
    names: impl Iterator<Item = &'a str>,
    name: &str,
    field: &'static str,
    nth: usize,
) -> Vec<PathSegment> {
    let found = names.enumerate().filter(|(_, other)| *other == name).nth(nth);
    found.map_or_else(|| vec![Key(table)], |(index, _)| vec![Key(table), Index(index), Key(field)])
}

fn position(items: &[String], text: &str) -> Option<usize> {
    items.iter().position(|item| item == text)
}
