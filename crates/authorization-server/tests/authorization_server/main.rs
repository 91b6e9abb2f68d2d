//! The bundled authorization server and the tokens it makes, through the public API and over real sockets.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that fails should say where")]

mod admin;
mod authorization_code;
mod authorization_code_attacks;
mod browser;
mod client_assertions;
mod client_authentication;
mod client_secrets;
mod config_file;
mod cors;
mod devices;
mod discovery;
mod every_flow;
mod fault_settings;
mod faults;
mod faults_and_resource_servers;
mod guide;
mod introspection_and_revocation;
mod introspection_faults;
mod key_set_caching;
mod legacy_grants;
mod lifecycle;
mod listening;
mod no_input_fails;
mod openid;
mod pages;
mod pushed_requests;
mod real_clients;
mod refresh_tokens;
mod request_log;
mod revocation_hook;
mod rotation;
mod secrecy;
mod settings;
mod several_issuers;
mod signed_introspection;
mod steering;
mod support;
mod tls;
mod token_endpoint;
mod tokens;
mod with_the_layer;
