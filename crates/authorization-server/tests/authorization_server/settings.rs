//! Settings that make no sense are refused at the start, with what to do about it.

use std::time::Duration;

use tower_bearer::jose::Algorithm;
use tower_bearer_authorization_server::{
    AuthorizationServer, AuthorizationServerBuilder, Client, Endpoint, Fault, User,
};

use crate::support::AUDIENCE;

#[tokio::test]
async fn contradictions_are_refused_with_a_remedy() {
    let client = |id: &str, secret: &str| Client::new(id, secret).audience(AUDIENCE);
    let with = |client: Client| AuthorizationServer::builder().client(client);
    let with_user = |user: User| AuthorizationServer::builder().user(user);
    let endpoint_path = |path: &str, setting: &str| {
        format!(
            "the path {path:?} is not usable for `{setting}`; give it a text like `/oauth2/token`, made as an issuer path \
             is, that is the path of no other endpoint"
        )
    };
    let cases: [(_, &str); 27] = [
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
            with(client("app", "s3cret").opaque_token_prefix("a b")),
            "opaque tokens of client `app` cannot begin with \"a b\"; give `Client::opaque_token_prefix` letters, digits and \
             `-._~+/`, and in a file `opaque_tokens = true` with it",
        ),
        (
            AuthorizationServer::builder().misbehave(Endpoint::Token, Fault::EmptySet),
            "a fault cannot be set: this fault means nothing at the endpoint `token`; set it at `jwk_set`",
        ),
        (
            AuthorizationServer::builder().misbehave(Endpoint::Introspection, Fault::status(99)),
            "a fault cannot be set: 99 is no status of an answer; give one from 200 to 599",
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
        (
            with(Client::public("app").audience(AUDIENCE)),
            "public client `app` has no redirect URI; give it one with `Client::redirect_uri`, or let it run on devices \
             with `Client::device`",
        ),
        (
            with(client("app", "s3cret").redirect_uri("http://app.example.com/cb")),
            "the redirect URI \"http://app.example.com/cb\" of client `app` is `http` outside loopback, where anybody on \
             the way could read the code; give `Client::redirect_uri` a URL such as `https://app.example.com/callback` or \
             `http://127.0.0.1/callback`",
        ),
        (
            with(client("app", "s3cret").redirect_uri("https://app.example.com/cb")),
            "client `app` gets tokens of users, but there are none; add a user with `user`",
        ),
        (
            with(client("app", "s3cret").refresh_absolute_lifetime(Duration::ZERO)),
            "refresh tokens for client `app` live less than a second; give `Client::refresh_lifetime` and \
             `Client::refresh_absolute_lifetime` at least one",
        ),
        (
            AuthorizationServer::builder().device_code_lifetime(Duration::from_millis(999)),
            "device codes live less than a second; give `device_code_lifetime` at least one",
        ),
        (with_user(User::new("", "p")), "a user has an empty name; give `User::new` a name"),
        (with_user(User::new("a", "")), "user `a` has an empty password; give `User::new` a password"),
        (
            with_user(User::new("a", "p").subject("")),
            "user `a` has an empty subject; leave `User::subject` out to use the name",
        ),
        (
            with_user(User::new("a", "p")).user(User::new("a", "q")),
            "there are two users with the name `a`; give each `User` a name of its own",
        ),
        (
            with_user(User::new("a", "p")).user(User::new("b", "q").subject("a")),
            "user `b` has the subject of another user; give `User::subject` one of its own",
        ),
        (
            with_user(User::new("a", "p").claim("exp", 1)),
            "user `a` has the claim `exp`, which the server sets itself; leave it out of `User::claim`",
        ),
        (
            AuthorizationServer::builder().scope_description("read leads", "Read your leads"),
            "\"read leads\" cannot be a scope; give `scope_description` a scope such as `read:leads` and a text for people",
        ),
        (AuthorizationServer::builder().authorize_path("auth"), &endpoint_path("auth", "authorize_path")),
        (AuthorizationServer::builder().token_path("/jwks"), &endpoint_path("/jwks", "token_path")),
        (AuthorizationServer::builder().token_path("/authorize"), &endpoint_path("/authorize", "token_path")),
        (AuthorizationServer::builder().token_path("/.well-known/x"), &endpoint_path("/.well-known/x", "token_path")),
    ];
    for (builder, sentence) in cases {
        assert_eq!(refusal(builder).await, sentence);
    }
}

async fn refusal(builder: AuthorizationServerBuilder) -> String {
    builder.start().await.unwrap_err().to_string()
}
