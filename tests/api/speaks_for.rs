//! R72, R27: whom a token speaks for (RFC 9700 §4.15), with tokens shaped like those of real providers.

use http::Request;
use serde_json::{Map, Value, json};
use tower::{Layer, service_fn};
use tower_bearer::{ClaimMarker, Issuer, RequireToken, ResourceServer, SpeaksFor, ValidatedToken};

use crate::support::*;

use SpeaksFor::{Client, Unknown, User};

/// The issuer, with the claims of the token below as it accepts them.
fn trusted() -> Issuer {
    issuer().trusted().allow_nonce()
}

/// A token with these claims in addition to `iss`, `aud` and the times.
fn with_claims(claims: &Value) -> String {
    let bare = token().without_claim("sub").without_claim("client_id").without_claim("scope");
    let claims = claims.as_object().unwrap();
    claims.iter().fold(bare, |token, (name, value)| token.claim(name, value.clone())).sign()
}

async fn validated(server: &ResourceServer, claims: &Value) -> ValidatedToken {
    server.validate(&with_claims(claims)).await.unwrap_or_else(|error| panic!("{claims}: {error}"))
}

/// The check that the documentation recommends.
fn users_only() -> RequireToken {
    RequireToken::that("speaks for a user", |token| token.speaks_for() == User)
}

async fn status_for_users_only(server: &ResourceServer, claims: &Value) -> u16 {
    let service = server.layer().layer(users_only().layer(service_fn(ok)));
    let request = Request::get("/").header("authorization", format!("Bearer {}", with_claims(claims)));
    ask_service(service, request).await.status.as_u16()
}

struct Provider {
    name: &'static str,
    claims: Value,
    client_id: Option<&'static str>,
    by_default: SpeaksFor,
    /// With the setting that the guide gives for the provider.
    as_documented: SpeaksFor,
    documented: fn(Issuer) -> Issuer,
}

const ENTRA_APP: &str = "6731de76-14a6-49ae-97bc-6eba6914391e";

fn providers() -> Vec<Provider> {
    let entra = |issuer: Issuer| issuer.user_marker(ClaimMarker::equals("idtyp", "user"));
    let okta = |issuer: Issuer| issuer.user_marker(ClaimMarker::present("uid"));
    let cognito = |issuer: Issuer| issuer.user_marker(ClaimMarker::present("username"));
    let keycloak = |issuer: Issuer| {
        issuer.user_marker(ClaimMarker::present("sid")).client_marker(ClaimMarker::present("clientHost"))
    };
    let own_claim = |issuer: Issuer| issuer.user_marker(ClaimMarker::equals("https://api.example.com/is", "user"));
    let kubernetes = |issuer: Issuer| issuer.client_marker(ClaimMarker::present("kubernetes.io"));
    let uaa = |issuer: Issuer| issuer.user_marker(ClaimMarker::present("user_id"));
    let wso2 = |issuer: Issuer| issuer.user_marker(ClaimMarker::equals("aut", "APPLICATION_USER"));
    let same = |issuer: Issuer| issuer;
    let row = |name, claims, client_id, by_default, as_documented, documented| Provider {
        name,
        claims,
        client_id,
        by_default,
        as_documented,
        documented,
    };
    vec![
        row("Okta, service", json!({"sub": "0oa1", "cid": "0oa1", "scp": ["s"]}), Some("0oa1"), Client, Client, okta),
        row(
            "Okta, user",
            json!({"sub": "alice@example.com", "cid": "0oa1", "uid": "00u1", "scp": ["s"]}),
            Some("0oa1"),
            Unknown,
            User,
            okta,
        ),
        row(
            "Entra v2, app",
            json!({"sub": "9f5c", "oid": "9f5c", "azp": ENTRA_APP, "azpacr": "1", "roles": ["r"], "ver": "2.0"}),
            Some(ENTRA_APP),
            Unknown,
            Unknown,
            entra,
        ),
        row(
            "Entra v2, app with the optional claim",
            json!({"sub": "9f5c", "oid": "9f5c", "azp": ENTRA_APP, "azpacr": "1", "idtyp": "app", "ver": "2.0"}),
            Some(ENTRA_APP),
            Client,
            Client,
            entra,
        ),
        row(
            "Entra v2, user",
            json!({"sub": "AAAA", "oid": "1111", "azp": ENTRA_APP, "azpacr": "0", "scp": "s", "idtyp": "user"}),
            Some(ENTRA_APP),
            Unknown,
            User,
            entra,
        ),
        row(
            "Entra v2, user without the optional claim",
            json!({"sub": "AAAA", "oid": "1111", "azp": ENTRA_APP, "azpacr": "0", "scp": "s"}),
            Some(ENTRA_APP),
            Unknown,
            Unknown,
            entra,
        ),
        row(
            "Entra v1, app",
            json!({"sub": "9f5c", "oid": "9f5c", "appid": ENTRA_APP, "appidacr": "1", "ver": "1.0"}),
            Some(ENTRA_APP),
            Unknown,
            Unknown,
            entra,
        ),
        row(
            "Entra v1, user",
            json!({"sub": "AAAA", "appid": ENTRA_APP, "appidacr": "0", "scp": "s", "idtyp": "user", "ver": "1.0"}),
            Some(ENTRA_APP),
            Unknown,
            User,
            entra,
        ),
        row(
            "Entra, device",
            json!({"sub": "9f5c", "azp": ENTRA_APP, "idtyp": "device"}),
            Some(ENTRA_APP),
            Unknown,
            Unknown,
            entra,
        ),
        row(
            "Auth0, machine to machine",
            json!({"sub": "K1AU@clients", "azp": "K1AU", "gty": "client-credentials", "scope": "s"}),
            Some("K1AU"),
            Client,
            Client,
            own_claim,
        ),
        row(
            "Auth0, machine to machine, RFC 9068 profile",
            json!({"sub": "K1AU@clients", "client_id": "K1AU"}),
            Some("K1AU"),
            Client,
            Client,
            own_claim,
        ),
        row(
            "Auth0, user",
            json!({"sub": "auth0|5f7c", "azp": "K1AU", "https://api.example.com/is": "user"}),
            Some("K1AU"),
            Unknown,
            User,
            own_claim,
        ),
        row(
            "Cognito, machine to machine",
            json!({"sub": "4a1b", "client_id": "4a1b", "token_use": "access", "version": 2}),
            Some("4a1b"),
            Client,
            Client,
            cognito,
        ),
        row(
            "Cognito, user",
            json!({"sub": "aaaa-bbbb", "client_id": "4a1b", "token_use": "access", "username": "alice"}),
            Some("4a1b"),
            Unknown,
            User,
            cognito,
        ),
        row(
            "Keycloak, service account",
            json!({
                "sub": "b476-8e19", "azp": "svc", "client_id": "svc", "typ": "Bearer",
                "preferred_username": "service-account-svc", "clientHost": "172.18.0.1",
            }),
            Some("svc"),
            Unknown,
            Client,
            keycloak,
        ),
        row(
            "Keycloak, service account with refresh tokens",
            json!({"sub": "b476-8e19", "azp": "svc", "client_id": "svc", "sid": "5d2a", "clientHost": "172.18.0.1"}),
            Some("svc"),
            Unknown,
            Client,
            keycloak,
        ),
        row(
            "Keycloak, user",
            json!({"sub": "0d6c-4f9e", "azp": "web", "typ": "Bearer", "sid": "5d2a", "preferred_username": "alice"}),
            Some("web"),
            Unknown,
            User,
            keycloak,
        ),
        row(
            "Zitadel, machine",
            json!({"sub": "1234", "client_id": "my-service", "urn:zitadel:iam:org:project:roles": {"admin": {}}}),
            Some("my-service"),
            Unknown,
            Unknown,
            own_claim,
        ),
        row(
            "GitHub Actions",
            json!({"sub": "repo:octo/repo:ref:refs/heads/main", "repository": "octo/repo", "actor": "alice"}),
            None,
            Unknown,
            Unknown,
            same,
        ),
        row(
            "Google service account",
            json!({"sub": "1127", "azp": "1127", "email": "job@project.iam.gserviceaccount.com"}),
            Some("1127"),
            Client,
            Client,
            same,
        ),
        row(
            "Kubernetes service account",
            json!({
                "sub": "system:serviceaccount:prod:api",
                "kubernetes.io": {"namespace": "prod", "serviceaccount": {"name": "api"}},
            }),
            None,
            Unknown,
            Client,
            kubernetes,
        ),
        row(
            "Kinde, machine to machine",
            json!({"azp": "c1", "gty": ["client_credentials"]}),
            Some("c1"),
            Client,
            Client,
            same,
        ),
        row(
            "WSO2, application",
            json!({"sub": "u1", "azp": "c1", "aut": "APPLICATION"}),
            Some("c1"),
            Client,
            Client,
            same,
        ),
        row(
            "WSO2, user",
            json!({"sub": "u1", "azp": "c1", "aut": "APPLICATION_USER"}),
            Some("c1"),
            Unknown,
            User,
            wso2,
        ),
        row("UAA, user", json!({"sub": "u1", "client_id": "c1", "user_id": "u1"}), Some("c1"), Unknown, User, uaa),
        row("FusionAuth, user", json!({"sub": "u1", "gty": ["authorization_code"]}), None, Unknown, Unknown, same),
        row("FusionAuth, service", json!({"sub": "e1", "gty": ["client_credentials"]}), None, Client, Client, same),
        row(
            "UAA, client",
            json!({"sub": "c1", "client_id": "c1", "cid": "c1", "azp": "c1", "grant_type": "client_credentials"}),
            Some("c1"),
            Client,
            Client,
            same,
        ),
    ]
}

#[tokio::test]
async fn r72_each_providers_tokens_speak_for_whom_they_prove() {
    for Provider { name, claims, client_id, by_default, as_documented, documented } in providers() {
        let plain = server_trusting(trusted());
        let set = server_trusting(documented(trusted()));
        let token = validated(&plain, &claims).await;
        assert_eq!((token.client_id(), token.speaks_for()), (client_id, by_default), "{name}, by default");
        assert_eq!(validated(&set, &claims).await.speaks_for(), as_documented, "{name}, as documented");
        // Without a user marker no token speaks for a user; with one, only users' tokens do.
        assert_eq!(status_for_users_only(&plain, &claims).await, 403, "{name}, by default");
        let expected = if as_documented == User { 200 } else { 403 };
        assert_eq!(status_for_users_only(&set, &claims).await, expected, "{name}, as documented");
    }
}

/// [`validated`] where `uid` marks users.
async fn marked(claims: Value) -> SpeaksFor {
    validated(&server_trusting(trusted().user_marker(ClaimMarker::present("uid"))), &claims).await.speaks_for()
}

#[tokio::test]
async fn r72_a_service_never_passes_for_a_user() {
    assert_eq!(marked(json!({"sub": "alice", "client_id": "app", "uid": "1"})).await, User);
    assert_eq!(marked(json!({"sub": "alice", "uid": "1"})).await, User, "no client is named");
    for (claims, expected) in [
        // The client's id in any of the claims, even after another one.
        (json!({"sub": "app", "client_id": "app", "uid": "1"}), Client),
        (json!({"sub": "app", "azp": "app", "uid": "1"}), Client),
        (json!({"sub": "app", "cid": "app", "uid": "1"}), Client),
        (json!({"sub": "app", "appid": "app", "uid": "1"}), Client),
        (json!({"sub": "app", "client_id": "other", "cid": "app", "uid": "1"}), Client),
        (json!({"sub": "app@clients", "azp": "app", "uid": "1"}), Client),
        // A client marker.
        (json!({"sub": "alice", "client_id": "app", "uid": "1", "idtyp": "app"}), Client),
        (json!({"sub": "alice", "client_id": "app", "uid": "1", "gty": "client-credentials"}), Client),
        (json!({"sub": "alice", "client_id": "app", "uid": "1", "gty": "client_credentials"}), Client),
        (json!({"sub": "alice", "client_id": "app", "uid": "1", "gty": ["x", "client_credentials"]}), Client),
        (json!({"sub": "alice", "client_id": "app", "uid": "1", "grant_type": "client_credentials"}), Client),
        (json!({"sub": "alice", "client_id": "app", "uid": "1", "aut": "APPLICATION"}), Client),
        (json!({"client_id": "app", "uid": "1", "idtyp": "app"}), Client),
        // No subject.
        (json!({"client_id": "app", "uid": "1"}), Unknown),
        (json!({"uid": "1"}), Unknown),
        (json!({}), Unknown),
        // A subject other than the client proves nothing, and neither does a subject alone.
        (json!({"sub": "alice", "client_id": "app"}), Unknown),
        (json!({"sub": "App", "client_id": "app"}), Unknown),
        (json!({"sub": "alice"}), Unknown),
        (json!({"sub": "alice@clients", "azp": "app"}), Unknown),
        // The marker is present but void.
        (json!({"sub": "alice", "uid": null}), Unknown),
        (json!({"sub": "alice", "uid": false}), Unknown),
        (json!({"sub": "alice", "uid": ""}), Unknown),
        (json!({"sub": "alice", "uid": []}), Unknown),
        (json!({"sub": "alice", "uid": {}}), Unknown),
        (json!({"sub": "alice", "uid": " "}), Unknown),
        (json!({"sub": "alice", "uid": [null]}), Unknown),
        (json!({"sub": "alice", "uid": ["", false]}), Unknown),
        (json!({"sub": "alice", "uid": {"a": null}}), Unknown),
        // Names are compared byte by byte, and only outermost ones count.
        (json!({"sub": "alice", "UID": "1"}), Unknown),
        (json!({"sub": "alice", "x": {"uid": "1"}}), Unknown),
        // A marker or a client of another type leaves the answer open.
        (json!({"sub": "alice", "uid": "1", "idtyp": 7}), Unknown),
        (json!({"sub": "alice", "uid": "1", "idtyp": null}), Unknown),
        (json!({"sub": "alice", "uid": "1", "gty": {"client-credentials": true}}), Unknown),
        (json!({"sub": "alice", "uid": "1", "gty": ["password", 1]}), Unknown),
        (json!({"sub": "alice", "uid": "1", "azp": 7}), Unknown),
        (json!({"sub": "alice", "uid": "1", "azp": null, "cid": "app"}), Unknown),
        (json!({"sub": "alice", "uid": "1", "azp": ["app"]}), Unknown),
        (json!({"sub": "svc", "uid": "1", "client_id": "app", "cid": ["svc"]}), Unknown),
        (json!({"sub": "svc", "uid": "1", "client_id": "app", "azp": ["x", "svc"]}), Unknown),
        (json!({"sub": "alice", "uid": "1", "azp": ""}), Unknown),
        (json!({"sub": "alice", "uid": "1", "azp": "a\nb"}), Unknown),
        (json!({"sub": "alice", "uid": "1", "azp": "x".repeat(1025)}), Unknown),
    ] {
        assert_eq!(marked(claims.clone()).await, expected, "{claims}");
        let by_default = validated(&server_trusting(trusted()), &claims).await.speaks_for();
        assert_ne!(by_default, User, "{claims}");
    }
    // After a valid client id, another client claim may be anything.
    assert_eq!(marked(json!({"sub": "alice", "uid": "1", "client_id": "app", "cid": 42})).await, User);
    assert_eq!(marked(json!({"sub": "alice", "uid": "1", "gty": ["password", "refresh_token"]})).await, User);
}

#[tokio::test]
async fn r72_markers_are_texts_members_of_arrays_or_nested() {
    let speaks_for = async |marker: ClaimMarker, claims: &Value| {
        validated(&server_trusting(trusted().user_marker(marker)), claims).await.speaks_for()
    };
    for (is, kind) in [
        (User, json!("user")),
        (User, json!(["user"])),
        (User, json!(["a", "user"])),
        (Unknown, json!("User")),
        (Unknown, json!("user ")),
        (Unknown, json!("app user")),
        (Unknown, json!([])),
        (Unknown, json!(["a"])),
        (Unknown, json!([["user"]])),
        (Unknown, json!(["user", 1])),
        (Unknown, json!({"user": true})),
        (Unknown, json!(true)),
        (Unknown, json!(null)),
    ] {
        let claims = json!({"sub": "alice", "kind": kind});
        assert_eq!(speaks_for(ClaimMarker::equals("kind", "user"), &claims).await, is, "{claims}");
        let nested = json!({"sub": "alice", "https://example.com/": {"kind": kind}});
        let marker = ClaimMarker::equals(["https://example.com/", "kind"], "user");
        assert_eq!(speaks_for(marker, &nested).await, is, "{nested}");
    }
    for (is, value) in
        [(User, json!(true)), (User, json!(1)), (User, json!("1")), (Unknown, json!("")), (Unknown, json!(null))]
    {
        let nested = json!({"sub": "alice", "a": {"b": value}});
        assert_eq!(speaks_for(ClaimMarker::present(["a", "b"]), &nested).await, is, "{nested}");
    }
    for other in [json!("b"), json!(["b"]), json!({}), json!(null)] {
        let claims = json!({"sub": "alice", "a": other});
        assert_eq!(speaks_for(ClaimMarker::present(["a", "b"]), &claims).await, Unknown, "{claims}");
    }
    // One of several is enough.
    let two = trusted().user_marker(ClaimMarker::present("uid")).user_marker(ClaimMarker::equals("kind", "user"));
    let two = server_trusting(two);
    for (is, claims) in [
        (User, json!({"sub": "alice", "uid": "1"})),
        (User, json!({"sub": "alice", "kind": "user"})),
        (User, json!({"sub": "alice", "kind": "other", "uid": "1"})),
        (Unknown, json!({"sub": "alice", "kind": 7, "uid": "1"})),
        (Unknown, json!({"sub": "alice", "kind": "other"})),
    ] {
        assert_eq!(validated(&two, &claims).await.speaks_for(), is, "{claims}");
    }
}

#[tokio::test]
async fn r72_the_client_is_read_from_the_first_claim_that_is_there() {
    let names = ["client_id", "azp", "cid", "appid"];
    for first in 0..names.len() {
        // Even when the claims come in the other order in the token.
        for names in [names[first..].to_vec(), names[first..].iter().rev().copied().collect()] {
            let members: Map<_, _> =
                names.iter().map(|name| ((*name).to_owned(), json!(format!("by {name}")))).collect();
            let token = validated(&server_trusting(trusted()), &Value::Object(members)).await;
            let expected = ["by client_id", "by azp", "by cid", "by appid"][first];
            assert_eq!(token.client_id(), Some(expected));
            assert!(format!("{token:?}").contains(expected));
        }
    }
    let claims = json!({"sub": "app", "azp": "web", "client_id": "api", "tenant_client": "app"});
    for (names, client_id, speaks_for) in [
        (&["client_id"][..], Some("api"), Unknown),
        (&["azp", "client_id"], Some("web"), Unknown),
        (&["tenant_client"], Some("app"), Client),
        (&["absent", "tenant_client", "azp"], Some("app"), Client),
        (&["absent"], None, Unknown),
    ] {
        let server = server_trusting(trusted().client_id_claims(names.iter().copied()));
        let token = validated(&server, &claims).await;
        assert_eq!((token.client_id(), token.speaks_for()), (client_id, speaks_for), "{names:?}");
    }
    // A value that is not an identifier is not a client, whatever comes after it; in `client_id`, it refuses the token.
    for value in [
        json!(7),
        json!(null),
        json!(["app"]),
        json!({"a": {"b": 1}}),
        json!(""),
        json!("a\0"),
        json!("x".repeat(1025)),
    ] {
        let claims = json!({"sub": "alice", "azp": value, "cid": "app"});
        assert_eq!(validated(&server_trusting(trusted()), &claims).await.client_id(), None, "{claims}");
        let claims = json!({"sub": "alice", "client_id": value, "azp": "app"});
        for server in [server_trusting(trusted()), server_trusting(trusted().client_id_claims(["azp"]))] {
            let expected = if value.is_string() { "claim_invalid" } else { "claim_type" };
            assert_eq!(reason(&server, &with_claims(&claims)).await, expected, "{claims}");
        }
    }
    let longest = "x".repeat(1024);
    let claims = json!({"azp": longest, "escaped": "\u{e9}\"\\"});
    assert_eq!(validated(&server_trusting(trusted()), &claims).await.client_id(), Some(&*longest));
    let escaped = server_trusting(trusted().client_id_claims(["escaped"]));
    assert_eq!(validated(&escaped, &claims).await.client_id(), Some("\u{e9}\"\\"));
}

/// Amazon Cognito's `client_id`, Clerk's and Keycloak's `azp`: the audience and the client in one claim.
#[tokio::test]
async fn r72_a_claim_that_is_the_audience_names_the_client_too() {
    for name in ["client_id", "azp", "cid"] {
        let server = server_trusting(trusted().audience_claim(name).audience("app"));
        let own = validated(&server, &json!({"sub": "app", name: "app"})).await;
        assert_eq!((own.client_id(), own.speaks_for()), (Some("app"), Client), "{name}");
        let several = validated(&server, &json!({"sub": "alice", name: ["app", "other"]})).await;
        assert_eq!((several.client_id(), several.speaks_for()), (None, Unknown), "{name}");
    }
    let server = server_trusting(trusted().audience_claim("azp").audience("web"));
    let both = validated(&server, &json!({"sub": "alice", "azp": "web", "client_id": "app"})).await;
    assert_eq!(both.client_id(), Some("app"));
    let several = validated(&server, &json!({"sub": "alice", "azp": ["web"], "client_id": "app"})).await;
    assert_eq!(several.client_id(), Some("app"));
}

#[tokio::test]
async fn r27_strict_mode_requires_client_id_itself() {
    for names in [&["client_id", "azp", "cid", "appid"][..], &["azp"]] {
        let strict = trusted().require_at_jwt().client_id_claims(names.iter().copied());
        let server = server_trusting(strict);
        let claims = json!({"sub": "alice", "azp": "app", "cid": "app", "appid": "app"});
        assert_eq!(reason(&server, &with_claims(&claims)).await, "claim_missing", "{names:?}");
        let complete = json!({"sub": "alice", "azp": "app", "client_id": "app"});
        assert_eq!(reason(&server, &with_claims(&complete)).await, "accepted", "{names:?}");
    }
}

#[tokio::test]
async fn k03_a_cached_token_answers_by_its_own_issuers_settings() {
    let server = server_trusting(trusted().user_marker(ClaimMarker::present("uid")));
    let text = with_claims(&json!({"sub": "alice", "azp": "app", "uid": "1"}));
    for _ in 0..2 {
        let token = server.validate(&text).await.unwrap();
        assert_eq!((token.speaks_for(), token.client_id()), (User, Some("app")));
    }
    assert_eq!(server.token_cache().unwrap().tokens, 1);
    // The same issuer, configured again.
    server.add_issuer(&trusted()).unwrap();
    assert_eq!(server.validate(&text).await.unwrap().speaks_for(), Unknown);
}

#[test]
fn r72_settings_that_mark_nothing_or_everything_are_refused() {
    let error = |issuer: Issuer| builder().issuer(issuer).build().map(drop).unwrap_err().to_string();
    for names in [vec![], vec![""], vec!["client_id", ""], vec!["sub"], vec!["aud"], vec!["iss"], vec!["azp", "scp"]] {
        let told = error(trusted().client_id_claims(names.clone()));
        assert!(told.starts_with("`client_id_claims`: "), "{names:?}: {told}");
    }
    type Set = fn(Issuer, ClaimMarker) -> Issuer;
    for (setting, set) in [("user_marker", Issuer::user_marker as Set), ("client_marker", Issuer::client_marker)] {
        for marker in [
            ClaimMarker::present(""),
            ClaimMarker::present(["a", ""]),
            ClaimMarker::present([""; 0]),
            ClaimMarker::equals("", "user"),
            ClaimMarker::equals("kind", ""),
            ClaimMarker::present("sub"),
            ClaimMarker::present("client_id"),
            ClaimMarker::present("azp"),
            ClaimMarker::equals("iss", ISSUER),
            ClaimMarker::present("aud"),
            ClaimMarker::present("exp"),
            ClaimMarker::equals("token_use", "access"),
        ] {
            let told = error(set(trusted(), marker.clone()));
            assert!(told.starts_with(&format!("`{setting}`: ")), "{marker:?}: {told}");
        }
        let server = builder().issuer(set(trusted(), ClaimMarker::present(["sub", "kind"]))).build();
        assert!(server.is_ok());
    }
    insta::assert_snapshot!(error(trusted().user_marker(ClaimMarker::present("sub"))), @r#"`user_marker`: tokens of users and of clients alike have the claim "sub"; name one that the issuer puts into the tokens of one kind only"#);
    insta::assert_snapshot!(error(trusted().client_id_claims(["sub"])), @r#"`client_id_claims`: the claim "sub" has a meaning of its own; list the claims that name the client, or leave the setting out for `client_id` and its usual names"#);
}
