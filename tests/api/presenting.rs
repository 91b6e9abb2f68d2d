//! R01 to R07: how a token is presented (RFC 6750 §2).

use http::Request;
use tower_bearer::StatusPolicy;

use crate::support::*;

/// Sends an `Authorization` header and gives the status and the reason, under RFC 6750's statuses.
async fn present(authorization: impl AsRef<[u8]>) -> (u16, &'static str) {
    let answer = ask_with(&rfc6750_server(), authorization.as_ref()).await;
    (answer.status.as_u16(), answer.reason())
}

#[tokio::test]
async fn r01_a_token_in_the_authorization_header_is_accepted() {
    let api = Api::start(&rfc6750_server()).await;
    let response = api.get_with(&token().sign()).await;
    assert_eq!(response.status(), 200);
    assert!(response.headers().get("www-authenticate").is_none());
    assert_eq!(response.text().await.unwrap(), "alice");
    assert_eq!(api.runs(), 1);
}

#[tokio::test]
async fn r02_the_scheme_is_matched_without_regard_to_case() {
    let token = token().sign();
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        assert_eq!(present(format!("{scheme} {token}")).await, (200, "accepted"), "{scheme}");
    }
    for scheme in ["Bearer2", "Beare", "Token", "DPoP2", "DPo"] {
        assert_eq!(present(format!("{scheme} {token}")).await, (401, "token_absent"), "{scheme}");
    }
}

#[tokio::test]
async fn r03_one_or_more_spaces_stand_before_the_token() {
    let token = token().sign();
    for spaces in [" ", "  ", "          "] {
        assert_eq!(present(format!("Bearer{spaces}{token}")).await, (200, "accepted"), "{}", spaces.len());
    }
    for separator in ["\t", " \t", "=", ":", ": "] {
        let presented = present(format!("Bearer{separator}{token}")).await;
        assert_eq!(presented, (400, "token_illegal_characters"), "{separator:?}");
    }
}

#[tokio::test]
async fn r03_a_token_has_the_characters_of_b64token_and_equals_signs_only_at_its_end() {
    // Within the character set: judged as a token, and refused as one.
    for token in ["a", "a=", "a==", "-._~+/", "09AZaz"] {
        assert_eq!(present(format!("Bearer {token}")).await, (401, "opaque_token"), "{token}");
    }
    for token in
        ["a=b", "=", "=a", "a,b", "\"a\"", "a b", "a\tb", "a;b", "a{", "a:b", "a%20", "a@b", "a\\b", "a ", "a, "]
    {
        assert_eq!(present(format!("Bearer {token}")).await, (400, "token_illegal_characters"), "{token:?}");
    }
    // A good token with something behind it is not that token.
    for behind in ["=a", ",", " x", "\""] {
        let presented = present(format!("Bearer {}{behind}", token().sign())).await;
        assert_eq!(presented, (400, "token_illegal_characters"), "{behind:?}");
    }
}

#[tokio::test]
async fn r04_a_credential_sent_twice_or_in_two_places_is_refused() {
    let layer = rfc6750_server().layer();
    let bearer = format!("Bearer {}", token().sign());
    let get = |uri: &str, values: &[&str]| {
        values.iter().fold(Request::get(uri), |request, value| request.header("authorization", *value))
    };
    let cases = [
        (get("/leads", &[&bearer]), 200, "accepted"),
        (get("/leads?limit=5", &[&bearer]), 200, "accepted"),
        (get("/leads?my_access_token=1&access_token_type=2", &[&bearer]), 200, "accepted"),
        (get("/leads", &[&bearer, &bearer]), 400, "credentials_repeated"),
        (get("/leads", &[&bearer, "Basic YTpi"]), 400, "credentials_repeated"),
        (get("/leads", &["Basic YTpi", &bearer]), 400, "credentials_repeated"),
        (get("/leads", &[&bearer, ""]), 400, "credentials_repeated"),
        (get("/leads", &[&format!("{bearer}, {bearer}")]), 400, "credentials_repeated"),
        (get("/leads", &[&format!("{bearer},{bearer}")]), 400, "credentials_repeated"),
        (get("/leads", &[&format!("Basic YTpi, {bearer}")]), 400, "credentials_repeated"),
        (get("/leads?%61ccess=1&_token=2", &[&bearer]), 200, "accepted"),
        (get("/leads?access_token=x", &[&bearer]), 400, "token_in_two_places"),
        (get("/leads?a=1&access_token=", &[&bearer]), 400, "token_in_two_places"),
        (get("/leads?access_token", &[&bearer]), 400, "token_in_two_places"),
    ];
    for (position, (request, status, reason)) in cases.into_iter().enumerate() {
        let answer = ask(&layer, request).await;
        assert_eq!((answer.status.as_u16(), answer.reason()), (status, reason), "case {position}");
        if status == 400 {
            assert_eq!(auth_param(answer.challenge(), "error"), Some("invalid_request"), "case {position}");
        }
    }
}

/// `access_token` as a handler reads it, after percent-decoding (`application/x-www-form-urlencoded`).
#[tokio::test]
async fn r04_h06_the_name_of_a_query_parameter_is_compared_decoded() {
    let server = rfc6750_server();
    let bearer = format!("Bearer {}", token().sign());
    let ask = async |query: &str| {
        let request = Request::get(format!("/leads?{query}")).header("authorization", &bearer);
        let first = ask(&server.layer(), request).await;
        (first.status.as_u16(), first.reason())
    };
    // A cached token is refused, too.
    assert_eq!(ask("limit=5").await, (200, "accepted"));
    let fully_encoded: String = "access_token".bytes().map(|byte| format!("%{byte:02x}")).collect();
    for query in [
        "access%5Ftoken=x",
        "access%5ftoken=x",
        "%61ccess_token=x",
        "acces%73%5Ftoke%6E=x",
        "access%5Ftoken",
        "access%5Ftoken=",
        "access%5Ftoken==x",
        "access%5Ftoken=%",
        "a=1&access%5Ftoken=x&b=2",
        "a&&access%5Ftoken=x",
        "access%5Ftoken=x&access_token=y",
        "access_token=x&access_token=y",
        "%zz=1&access%5Ftoken=x",
        &format!("{fully_encoded}=x"),
        &format!("{}=x", fully_encoded.to_uppercase()),
        &format!("{}access%5Ftoken=x", "a=1&".repeat(10_000)),
    ] {
        assert_eq!(ask(query).await, (400, "token_in_two_places"), "{query:.80}");
    }
    for query in [
        // Decoded once: these are the names `access%5Ftoken` and `access%token`.
        "access%255Ftoken=x",
        "access%25token=x",
        // An encoded `=` or `&` is part of the name.
        "access%5Ftoken%3Dx",
        "access_token%3Dx=1",
        "a%26access%5Ftoken=x",
        "a=1%26access_token=x",
        // Without two hexadecimal digits after the `%`.
        "access%5token=x",
        "access%token=x",
        "access%+5Ftoken=x",
        "access_token%",
        "access_token%5",
        "access%5",
        // Only `&` separates parameters.
        "a=1;access_token=x",
        "a;access%5Ftoken=x",
        // Other names.
        "Access%5Ftoken=x",
        "%41ccess_token=x",
        "access+token=x",
        "+access_token=x",
        "access%20token=x",
        "access%5Ftoken+=x",
        "access%5Ftokens=x",
        "access_token%00=x",
        "access_token[]=x",
        "access.token=x",
        "=access%5Ftoken",
        "a=access%5Ftoken",
    ] {
        assert_eq!(ask(query).await, (200, "accepted"), "{query}");
    }
}

#[tokio::test]
async fn r05_a_token_in_the_query_counts_as_none() {
    let uri = format!("/leads?access_token={}", token().sign());
    for (policy, status) in [(StatusPolicy::default(), 400), (StatusPolicy::rfc6750(), 401)] {
        let server = builder().issuer(issuer().trusted()).status_policy(policy).build().unwrap();
        let answer = ask(&server.layer(), Request::get(&uri)).await;
        assert_eq!((answer.status.as_u16(), answer.reason()), (status, "token_absent"));
        let encoded = uri.replace('_', "%5F");
        assert_eq!(ask(&server.layer(), Request::get(&encoded)).await.reason(), "token_absent");
    }
    let other_scheme = Request::get(&uri).header("authorization", "Basic YTpi");
    assert_eq!(ask(&rfc6750_server().layer(), other_scheme).await.reason(), "token_absent");
}

#[tokio::test]
async fn r05_a_token_in_a_form_body_counts_as_none() {
    let api = Api::start(&rfc6750_server()).await;
    let request = client().post(format!("http://{}/leads", api.address)).form(&[("access_token", token().sign())]);
    assert_eq!(request.send().await.unwrap().status(), 401);
    assert_eq!(api.runs(), 0);
}

#[tokio::test]
async fn r07_no_token_at_all_behind_the_scheme_is_refused() {
    for authorization in ["Bearer", "Bearer ", "bearer     "] {
        assert_eq!(present(authorization).await, (400, "token_empty"), "{authorization:?}");
    }
    for authorization in ["", " ", "   "] {
        assert_eq!(present(authorization).await, (401, "token_absent"), "{authorization:?}");
    }
}

#[tokio::test]
async fn r07_bytes_beyond_ascii_are_refused() {
    let token = token().sign();
    let cases: [&[u8]; 5] =
        [b"Bearer \xff", b"Bearer \xc3\xa9", "Bearer a\u{a0}".as_bytes(), b"\xff", "Bearer\u{a0}a".as_bytes()];
    for authorization in cases {
        assert_eq!(present(authorization).await, (400, "token_illegal_characters"), "{authorization:?}");
    }
    assert_eq!(present(format!("Bearer {token}\u{e9}")).await, (400, "token_illegal_characters"));
}

#[tokio::test]
async fn r07_a_huge_header_is_refused_by_its_size() {
    const MIB: usize = 1024 * 1024;
    assert_eq!(present(format!("Bearer {}", "a".repeat(MIB))).await, (401, "token_too_large"));
    assert_eq!(present(format!("Bearer {}", "a.".repeat(MIB / 2))).await, (401, "token_too_large"));
    assert_eq!(present(format!("Bearer {}a", " ".repeat(MIB))).await, (401, "opaque_token"));
    assert_eq!(present(format!("Bearer {}", ",".repeat(MIB))).await, (400, "token_illegal_characters"));
    assert_eq!(present(format!("Basic {}", ",Bearer".repeat(MIB / 7))).await, (400, "credentials_repeated"));
    assert_eq!(present("a".repeat(MIB)).await, (401, "token_absent"));
}

#[tokio::test]
async fn r07_the_size_cap_holds_at_its_limit() {
    let padding = |bytes: usize| token().claim("padding", "x".repeat(bytes)).sign();
    let limit = padding(100).len();
    let server = |bytes| builder().issuer(issuer().trusted()).max_token_bytes(bytes).build().unwrap();
    assert_eq!(reason(&server(limit + 1), &padding(100)).await, "accepted");
    assert_eq!(reason(&server(limit), &padding(100)).await, "accepted");
    assert_eq!(reason(&server(limit - 1), &padding(100)).await, "token_too_large");

    // 16 KiB by default, whatever the token's parts are like.
    let dots = |bytes: usize| format!("{}.b.c", "a".repeat(bytes - 4));
    assert_eq!(reason(&rfc6750_server(), &dots(16 * 1024)).await, "token_base64");
    assert_eq!(reason(&rfc6750_server(), &dots(16 * 1024 + 1)).await, "token_too_large");
}
