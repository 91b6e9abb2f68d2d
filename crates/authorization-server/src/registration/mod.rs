//! Who is registered: clients with their redirect URIs, and users; checked at the start.

mod client;
mod client_keys;
mod client_secrets;
mod client_settings;
mod clients;
pub(super) mod demo;
mod redirect_uri;
mod summary;
mod user;
mod users;

pub use client::Client;
pub(super) use client_keys::ClientKeys;
pub use client_secrets::ClientSecretError;
pub(super) use client_settings::{ClientSettings, PRIVATE_KEY_JWT, SECRET_METHODS};
pub(super) use clients::{Clients, RegisteredClient};
pub use summary::{ClientSummary, UserSummary};
pub use user::User;
pub(super) use users::{RegisteredUser, Users};
