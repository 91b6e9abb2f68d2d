//! K03: what differs in one character is another token, and what is not a token does not become one because the same
//! text was accepted before. Each request goes to an API that has the good token in memory and to one that keeps none.

use ::http::{HeaderName, HeaderValue, Request, StatusCode};
use axum::Router;
use axum::body::Body;
use axum::routing::any;
use serde_json::json;
use tower::ServiceExt;
use tower_bearer::jose::Algorithm;
use tower_bearer::{RefusalKind, RequireScopes, StatusPolicy, TokenError};

use crate::support::*;

/// The APIs, over sockets and without, and the text that the first of them remembers.
struct Both {
    apis: [Api; 2],
    routers: [Router; 2],
    good: String,
}

impl Both {
    async fn start() -> Self {
        let with = builder().issuer(issuer_with(Algorithm::EdDSA).trusted());
        let servers = [with.clone().build().unwrap(), with.token_cache_bytes(0).build().unwrap()];
        let good = token_with(Algorithm::EdDSA).sign();
        let [cached, plain] = &servers;
        let apis = [Api::start(cached.layer()).await, Api::start(plain.layer()).await];
        let router = |at: usize| Router::new().route("/leads", any(async || "leads")).route_layer(servers[at].layer());
        let both = Self { apis, routers: [router(0), router(1)], good };
        assert_eq!(both.same(&[("authorization", &both.header("Bearer ", ""))], "").await, (200, String::new()));
        assert_eq!(cached.token_cache().unwrap().tokens, 1);
        both
    }

    fn header(&self, before: &str, after: &str) -> Vec<u8> {
        format!("{before}{}{after}", self.good).into_bytes()
    }

    /// Status and reason that both give, over a socket and without one. HTTP takes the spaces around a value away; a
    /// layer or a server that leaves them must not make a difference either.
    async fn same(&self, headers: &[(&str, &[u8])], query: &str) -> (u16, String) {
        let mut answers = Vec::new();
        for api in &self.apis {
            let response = api.get_with_query(headers, query).await;
            let challenge = response.headers().get("www-authenticate").cloned();
            answers.push((response.status(), reason_of(&response).to_owned(), challenge));
        }
        assert_eq!(answers[0], answers[1], "over a socket: {headers:?} {query}");
        let mut inside = Vec::new();
        for router in &self.routers {
            let mut request = Request::get(format!("/leads{query}")).body(Body::empty()).unwrap();
            for (name, value) in headers {
                let name = name.parse::<HeaderName>().unwrap();
                request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
            }
            let response = router.clone().oneshot(request).await.unwrap();
            let reason = response.extensions().get::<TokenError>().map(TokenError::reason);
            inside.push((response.status(), reason, response.headers().get("www-authenticate").cloned()));
        }
        assert_eq!(inside[0], inside[1], "without a socket: {headers:?} {query}");
        (inside[0].0.as_u16(), inside[0].1.unwrap_or_default().to_owned())
    }
}

#[tokio::test]
async fn k03_every_bit_of_the_signature_and_every_character_counts() {
    let builder = builder().issuer(issuer_with(Algorithm::EdDSA).trusted());
    let servers = [builder.clone().build().unwrap(), builder.token_cache_bytes(0).build().unwrap()];
    let good = token_with(Algorithm::EdDSA).sign();
    let signature = decode(parts(&good)[2]);
    let flipped = (0..signature.len() * 8).map(|bit| {
        let mut signature = signature.clone();
        signature[bit / 8] ^= 1 << (bit % 8);
        with_signature(&good, signature)
    });
    let replaced = (0..good.len()).map(|place| {
        let other = if good.as_bytes()[place] == b'B' { "A" } else { "B" };
        [&good[..place], other, &good[place + 1..]].concat()
    });
    // The last character has bits that stand for nothing: other texts, which say the same bytes.
    let last = good.len() - 1;
    let endings = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_', '=', '.', ' ']);
    let endings = endings.map(|end| format!("{}{end}", &good[..last])).filter(|token| *token != good);
    let longer = ["A", "=", "==", ".", ".e30", " ", "\0"].map(|end| format!("{good}{end}"));
    let shorter = (1..good.len()).map(|length| good[..length].to_owned());
    let mut refused = 0;
    for other in flipped.chain(replaced).chain(endings).chain(longer).chain(shorter) {
        assert_eq!(reason(&servers[0], &good).await, "accepted");
        let verdict = reason(&servers[0], &other).await;
        assert_ne!(verdict, "accepted", "{other}");
        assert_eq!(verdict, reason(&servers[1], &other).await, "{other}");
        refused += 1;
    }
    assert!(refused > 512 + 2 * good.len(), "{refused}");
    assert_eq!(servers[0].token_cache().unwrap().tokens, 1);
}

/// CVE-2026-35039: a cache whose key was made of a part of the token gave one user the claims of another.
#[tokio::test]
async fn k03_tokens_that_begin_alike_are_told_apart() {
    let key = key(Algorithm::EdDSA);
    let header = json!({ "alg": "EdDSA", "kid": key.key_id(), "typ": "at+jwt" }).to_string();
    let (padding, exp) = ("x".repeat(9_000), NOW.as_secs() + 60);
    let token = |subject: &str| {
        let claims = format!(
            r#"{{"pad":"{padding}","iss":"{ISSUER}","aud":"{AUDIENCE}","exp":{exp},"client_id":"app","sub":"{subject}"}}"#
        );
        key.sign_compact(&header, claims)
    };
    let (alice, mallory) = (token("alice"), token("malor"));
    assert_eq!(alice.len(), mallory.len());
    assert_eq!(alice[..12_000], mallory[..12_000]);
    let server = server_trusting(issuer_with(Algorithm::EdDSA).trusted());
    let api = Api::start(server.layer()).await;
    for _ in 0..3 {
        for (token, subject) in [(&alice, "alice"), (&mallory, "malor")] {
            let response = api.send(token).await;
            assert_eq!(response.status(), 200);
            assert_eq!(response.text().await.unwrap(), subject);
        }
    }
    assert_eq!(server.token_cache().unwrap().tokens, 2);
    // The claims of one with the signature of the other.
    let spliced = format!("{}.{}", mallory.rsplit_once('.').unwrap().0, parts(&alice)[2]);
    assert_eq!(reason_of(&api.send(&spliced).await), "bad_signature");
}

#[tokio::test]
async fn k03_a_resource_server_for_another_audience_knows_nothing_of_it() {
    let issuer = issuer_with(Algorithm::EdDSA);
    let ours = server_trusting(issuer.trusted());
    let other = tower_bearer::ResourceServer::builder().audience("https://other.example.com").clock(clock());
    let other = other.issuer(issuer.trusted()).build().unwrap();
    let (our_api, other_api) = (Api::start(ours.layer()).await, Api::start(other.layer()).await);
    let token = token_with(Algorithm::EdDSA).sign();
    for _ in 0..3 {
        assert_eq!(our_api.send(&token).await.status(), 200);
        assert_eq!(reason_of(&other_api.send(&token).await), "audience_mismatch");
    }
    assert_eq!([ours, other].map(|server| server.token_cache().unwrap().tokens), [1, 0]);
}

/// A token knows how its server answers: with a shared cache, one would answer for the other.
#[tokio::test]
async fn k03_another_status_policy_has_a_cache_of_its_own() {
    let server = server_trusting(issuer_with(Algorithm::EdDSA).trusted());
    let hidden = StatusPolicy::default().with(RefusalKind::Forbidden, StatusCode::NOT_FOUND).unwrap();
    let hiding = server.with_status_policy(hidden);
    let app = |server: &tower_bearer::ResourceServer| {
        let admin = axum::routing::get(async || "admin").route_layer(RequireScopes::all(["admin"]));
        Router::new().route("/leads", admin).route_layer(server.layer())
    };
    let open = Api::serve(app(&server), std::sync::Arc::default()).await;
    let closed = Api::serve(app(&hiding), std::sync::Arc::default()).await;
    let token = token_with(Algorithm::EdDSA).sign();
    for _ in 0..3 {
        assert_eq!(open.send(&token).await.status(), 403);
        assert_eq!(closed.send(&token).await.status(), 404);
    }
    assert_eq!([&server, &hiding].map(|server| server.token_cache().unwrap().tokens), [1, 1]);
    let accepted = hiding.validate(&token).await.unwrap();
    assert!(hiding.revalidate(&accepted).is_ok() && server.revalidate(&accepted).is_err());
    // A clone is the same one.
    assert!(server.clone().revalidate(&server.validate(&token).await.unwrap()).is_ok());
}

#[tokio::test]
async fn k03_how_a_remembered_token_is_presented_still_counts() {
    let both = Both::start().await;
    let good = both.good.clone();
    let bearer = both.header("Bearer ", "");
    for (before, after, expected) in [
        ("Bearer ", "", (200, "")),
        ("bearer ", "", (200, "")),
        ("BEARER ", "", (200, "")),
        ("Bearer  ", "", (200, "")),
        ("Bearer     ", "", (200, "")),
        ("Bearer ", " ", (400, "token_illegal_characters")),
        ("Bearer\t", "", (400, "token_illegal_characters")),
        (" Bearer ", "", (400, "token_illegal_characters")),
        ("Bearer ", ",", (400, "token_illegal_characters")),
        ("Bearer ", " x", (400, "token_illegal_characters")),
        ("Bearer \"", "\"", (400, "token_illegal_characters")),
        ("Bearer ", ", Bearer x", (400, "credentials_repeated")),
        ("Bearer", "", (400, "scheme_missing")),
        ("", "", (400, "scheme_missing")),
        ("Bearer: ", "", (400, "token_illegal_characters")),
        ("Basic ", "", (400, "token_absent")),
        ("DPoP ", "", (401, "dpop_not_configured")),
        ("Basic ", ", DPoP x", (400, "credentials_repeated")),
        ("Digest ", "", (400, "token_absent")),
        ("Beare ", "", (400, "token_absent")),
        ("Bearers ", "", (400, "token_absent")),
        ("Bearer =", "", (400, "token_illegal_characters")),
        ("Bearer ", "=", (400, "token_base64")),
    ] {
        let (status, reason) = both.same(&[("authorization", &both.header(before, after))], "").await;
        println!("{before:?} {after:?} {status} {reason}");
        assert_eq!((status, &*reason), expected, "{before:?} {after:?}");
    }
    let twice: [(&str, &[u8]); 2] = [("authorization", &bearer), ("authorization", &bearer)];
    assert_eq!(both.same(&twice, "").await, (400, "credentials_repeated".to_owned()));
    let with_another: [(&str, &[u8]); 2] = [("authorization", &bearer), ("authorization", b"Basic YTpi")];
    assert_eq!(both.same(&with_another, "").await, (400, "credentials_repeated".to_owned()));
    let in_query = format!("?access_token={good}");
    let once: [(&str, &[u8]); 1] = [("authorization", &bearer)];
    assert_eq!(both.same(&once, &in_query).await, (400, "token_in_two_places".to_owned()));
    assert_eq!(both.same(&[], &in_query).await, (400, "token_absent".to_owned()));
    assert_eq!(both.same(&once, "").await, (200, String::new()));
}

#[tokio::test]
async fn k03_what_shows_the_server_shows_nothing_of_the_tokens() {
    let server = server_trusting(issuer_with(Algorithm::EdDSA).trusted());
    let token = token_with(Algorithm::EdDSA).claim("email", "alice@example.com").sign();
    let accepted = server.validate(&token).await.unwrap();
    let accepted_again = server.validate(&token).await.unwrap();
    let status = server.token_cache().unwrap();
    assert_eq!(format!("{accepted:?}"), format!("{accepted_again:?}"));
    let shown = [
        format!("{server:?}"),
        format!("{:?}", server.layer()),
        format!("{:?}", server.with_status_policy(StatusPolicy::rfc6750())),
        format!("{status:?}"),
        serde_json::to_string(&status).unwrap(),
        format!("{accepted:?}"),
    ];
    let [header, payload, signature] = parts(&token);
    for text in &shown {
        for secret in [header, payload, signature, "alice@example.com"] {
            assert!(!text.contains(secret), "{text}");
        }
        // No key and no digest either.
        assert!(!text.to_lowercase().contains("cache {") && !text.contains("mac") && !text.contains("igest"), "{text}");
    }
    assert_eq!(shown[4], format!(r#"{{"tokens":1,"bytes":{},"max_bytes":33554432}}"#, status.bytes));
}
