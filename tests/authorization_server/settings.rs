//! Settings that make no sense are refused at the start, with what to do about it.

use std::time::Duration;

use tower_bearer::authorization_server::{AuthorizationServer, AuthorizationServerBuilder, Client};
use tower_bearer::jose::Algorithm;

use crate::support::AUDIENCE;

#[tokio::test]
async fn contradictions_are_refused_with_a_remedy() {
    let client = |id: &str, secret: &str| Client::new(id, secret).audience(AUDIENCE);
    let with = |client: Client| AuthorizationServer::builder().client(client);
    let cases = [
        (with(client("", "s3cret")), "a client has an empty id; give `Client::new` an id"),
        (with(client("app", "")), "client `app` has an empty secret; give `Client::new` a secret"),
        (
            with(client("app", "one")).client(client("app", "two")),
            "there are two clients with the id `app`; give each `Client` an id of its own",
        ),
        (with(Client::new("app", "s3cret")), "client `app` has no audience; name the API with `Client::audience`"),
        (
            with(client("app", "s3cret").scopes(["ok", "read leads"])),
            "client `app` has the scope \"read leads\", which cannot be one; give `Client::scopes` one scope an item, of \
             printable ASCII characters without space, quotation mark or backslash (RFC 6749 section 3.3)",
        ),
        (
            with(client("app", "s3cret").token_lifetime(Duration::from_millis(999))),
            "tokens for client `app` live less than a second; give `Client::token_lifetime` at least one",
        ),
        (
            AuthorizationServer::builder().issuer_path("tenant/"),
            "the issuer path \"tenant/\" is not usable; give `issuer_path` a text like `/tenant`: it starts with a slash, \
             does not end with one, and has letters, digits, `-`, `.`, `_` and `~` between them",
        ),
        (
            AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).signing_algorithm(Algorithm::HS256),
            "no key for `signing_algorithm`: HS256 has no key pair; choose an algorithm with a public key, such as RS256 \
             or ES256",
        ),
    ];
    for (builder, sentence) in cases {
        assert_eq!(refusal(builder).await, sentence);
    }
}

async fn refusal(builder: AuthorizationServerBuilder) -> String {
    builder.start().await.unwrap_err().to_string()
}
