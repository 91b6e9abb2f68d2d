//! H01 to H07: where a credential may stand, and what is none.

use std::sync::Arc;

use ::http::{HeaderValue, Request};
use axum::Router;
use axum::routing::any;
use http_body_util::BodyExt;
use serde_json::json;
use tower::{ServiceExt, service_fn};
use tower_bearer::{TokenError, ValidatedToken};

use crate::support::*;

#[tokio::test]
async fn h01_no_token_and_other_schemes() {
    let trial = Trial::start().await;
    trial.absent(&[]).await;
    for value in
        ["", "Basic YTpi", "Basic", "Negotiate", "DPoPx abc.def.ghi", "Bearerx abc", "Bearer-x abc", "Token abc"]
    {
        trial.absent(&[("authorization", value.as_bytes())]).await;
    }
}

/// The scheme `DPoP` always carries an access token (RFC 9449 §7.1): it is refused as such, never as "no token", which an
/// optional layer would let through.
#[tokio::test]
async fn h01_the_scheme_dpop_is_refused_and_never_counts_as_no_token() {
    let trial = Trial::start().await;
    let optional = trial.server.layer().optional();
    let good = token().sign();
    let bound = token().claim("cnf", json!({ "jkt": "x" })).sign();
    let refused = [
        (format!("DPoP {good}"), 401, "dpop_not_configured"),
        (format!("dpop   {bound}"), 401, "dpop_not_configured"),
        ("DPOP opaque".to_owned(), 401, "dpop_not_configured"),
        ("DPoP".to_owned(), 400, "token_empty"),
        ("DPoP ".to_owned(), 400, "token_empty"),
        (format!("DPoP\t{good}"), 400, "token_illegal_characters"),
        (format!("DPoP \"{good}\""), 400, "token_illegal_characters"),
        (format!("DPoP {good}, DPoP {good}"), 400, "credentials_repeated"),
        (format!("DPoP {good}, Bearer {good}"), 400, "credentials_repeated"),
        (format!("Bearer {good}, DPoP {good}"), 400, "credentials_repeated"),
        (format!("Basic YTpi, dpop {good}"), 400, "credentials_repeated"),
    ];
    for (value, status, reason) in refused {
        for api in [&trial.default, &trial.rfc6750] {
            let response = api.get(&[("authorization", value.as_bytes())]).await;
            assert_eq!(response.status(), status, "{reason}: {value:.20}");
            let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
            assert!(challenge.starts_with("Bearer realm="), "{challenge}");
            assert_eq!(challenge.contains("error"), status == 400, "{value:.20}: {challenge}");
            assert_eq!(response.headers()["cache-control"], "no-store");
        }
        let request = Request::builder().header("authorization", HeaderValue::from_str(&value).unwrap());
        let handler =
            service_fn(async |_: Request<()>| -> Result<_, std::convert::Infallible> { Ok(::http::Response::new(())) });
        let response = tower::Layer::layer(&optional, handler).oneshot(request.body(()).unwrap()).await.unwrap();
        assert_eq!(response.status(), status, "optional: {value:.20}");
        assert_eq!(response.extensions().get::<TokenError>().map(TokenError::reason), Some(reason), "{value:.20}");
    }
    let both: [(&str, &[u8]); 2] = [("authorization", b"DPoP a.b.c"), ("authorization", b"Bearer a.b.c")];
    trial.broken(&both, "credentials_repeated").await;
}

#[tokio::test]
async fn h02_scheme_spaces_and_token() {
    let trial = Trial::start().await;
    let good = token().sign();
    trial.broken(&[("authorization", b"Bearer")], "token_empty").await;
    trial.broken(&[("authorization", b"Bearer ")], "token_empty").await;
    for value in [
        format!("Bearer\t{good}"),
        format!("Bearer \t{good}"),
        format!("Bearer {good} extra"),
        format!("Bearer {good} {good}"),
        format!("Bearer={good}"),
        format!("Bearer:{good}"),
        format!("Bearer \"{good}\""),
        format!("Bearer <{good}>"),
        format!("Bearer {good};"),
        format!("Bearer token=\"{good}\""),
        format!("Bearer ={good}"),
        "Bearer =".to_owned(),
        format!("Bearer {good}\u{7f}"),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            trial.broken(&[("authorization", value.as_bytes())], "token_illegal_characters").await;
        }
    }
    // `1*SP` (RFC 9110 §11.4): several spaces are one separator. Space around the value is not part of it.
    for value in [format!("Bearer  {good}"), format!("Bearer {good}  "), format!("  Bearer {good}")] {
        assert_eq!(trial.default.get(&[("authorization", value.as_bytes())]).await.status(), 200, "{value:.20}");
    }
    // A token without its scheme.
    trial.broken(&[("authorization", good.as_bytes())], "scheme_missing").await;
    trial.broken(&[("authorization", b"bearer,")], "token_illegal_characters").await;
}

#[tokio::test]
async fn h03_the_scheme_has_no_case() {
    let trial = Trial::start().await;
    let good = token().sign();
    for scheme in ["bearer", "BEARER", "Bearer", "bEaReR"] {
        let value = format!("{scheme} {good}");
        assert_eq!(trial.default.get(&[("authorization", value.as_bytes())]).await.status(), 200);
    }
    for scheme in ["\u{212a}earer", "Вearer", "Bea\u{0280}er"] {
        let value = format!("{scheme} {good}");
        trial.broken(&[("authorization", value.as_bytes())], "token_illegal_characters").await;
    }
}

#[tokio::test]
async fn h04_more_than_one_credential() {
    let trial = Trial::start().await;
    let good = format!("Bearer {}", token().sign());
    let bad = format!("Bearer {}", token().claim("exp", 1).sign());
    for (one, other) in [
        (&good, &good),
        (&good, &bad),
        (&bad, &good),
        (&good, &"Basic YTpi".to_owned()),
        (&"Basic YTpi".to_owned(), &good),
        (&good, &String::new()),
        (&String::new(), &good),
    ] {
        trial
            .broken(&[("authorization", one.as_bytes()), ("Authorization", other.as_bytes())], "credentials_repeated")
            .await;
    }
    let three = [("authorization", good.as_bytes()); 3];
    trial.broken(&three, "credentials_repeated").await;
    for joined in [
        format!("{good}, {good}"),
        format!("{good},{bad}"),
        format!("{bad} , {good}"),
        format!("Basic YTpi, {good}"),
        format!(",{good}"),
        format!("{good},Bearer"),
        format!("{good}, bearer\t"),
        "Digest a=\"b\",  BEARER x".to_owned(),
    ] {
        trial.broken(&[("authorization", joined.trim_end().as_bytes())], "credentials_repeated").await;
    }
    for joined in [format!("{good},"), format!("{good}, Basic YTpi"), format!("{good},{}", &good[7..])] {
        trial.broken(&[("authorization", joined.as_bytes())], "token_illegal_characters").await;
    }
}

/// What is no credential at all is broken, also where a request without a token may pass.
#[tokio::test]
async fn h04_optional_authentication_lets_only_absent_tokens_through() {
    let good = token().sign();
    let service = server().layer().optional();
    let service = tower::ServiceBuilder::new().layer(service).service(service_fn(async |request: Request<String>| {
        let subject = request.extensions().get::<ValidatedToken>().and_then(|token| token.subject().map(str::to_owned));
        Ok::<_, std::convert::Infallible>(::http::Response::new(subject.unwrap_or_else(|| "nobody".to_owned())))
    }));
    let answer = async |value: &[u8]| {
        let request = Request::get("/").header("authorization", HeaderValue::from_bytes(value).unwrap());
        let response = service.clone().oneshot(request.body(String::new()).unwrap()).await.unwrap();
        let reason = response.extensions().get::<TokenError>().map(TokenError::reason);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        reason.map_or_else(|| String::from_utf8(body.to_vec()).unwrap(), str::to_owned)
    };
    assert_eq!(answer(format!("Bearer {good}").as_bytes()).await, "alice");
    assert_eq!(answer(b"Basic YTpi").await, "nobody");
    assert_eq!(answer(b"").await, "nobody");
    // HTTP/1 servers trim a value; from elsewhere it may come as it was sent.
    let expired = token().claim("exp", 1).sign();
    for (value, expected) in [
        (format!("Bearer {expired}"), "expired"),
        (format!(" Bearer {expired}"), "token_illegal_characters"),
        (format!("\tBearer {good}"), "token_illegal_characters"),
        (format!("\"Bearer {good}\""), "token_illegal_characters"),
        (format!("Bearer\u{a0}{good}"), "token_illegal_characters"),
        (format!("{good}="), "token_illegal_characters"),
        (format!("{good}/{good}"), "token_illegal_characters"),
        (format!("Basic:{good}"), "token_illegal_characters"),
        (format!("{good} x"), "nobody"),
        (good.clone(), "scheme_missing"),
        (format!("{good}.{}.{}", encode("iv"), encode("tag")), "scheme_missing"),
        (format!("Basic YTpi,Bearer {good}"), "credentials_repeated"),
    ] {
        assert_eq!(answer(value.as_bytes()).await, expected, "{value:.30}");
    }
}

pub(crate) fn request(line: &str, headers: &[u8]) -> Vec<u8> {
    [format!("{line} HTTP/1.1\r\nhost: api\r\nconnection: close\r\n").as_bytes(), headers, b"\r\n"].concat()
}

pub(crate) fn status_of(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}

#[tokio::test]
async fn h05_raw_bytes_in_the_header() {
    let trial = Trial::start().await;
    let good = token().sign();
    for byte in 0x80..=0xff_u8 {
        let value = [b"Bearer ", good.as_bytes(), &[byte]].concat();
        let answer =
            trial.default.raw(request("GET /leads", &[b"authorization: ", &value[..], b"\r\n"].concat())).await;
        assert!(answer.contains("x-reason: token_illegal_characters"), "{byte:#x} {answer}");
        assert_eq!(status_of(&answer), 400);
    }
    // What is no HTTP at all is the server's to refuse: the layer never sees it.
    for broken in [
        format!("authorization: Bearer\r\n {good}\r\n"),
        format!("authorization:\r\n\tBearer {good}\r\n"),
        format!("authorization : Bearer {good}\r\n"),
        format!(" authorization: Bearer {good}\r\n"),
        format!("authorization\0: Bearer {good}\r\n"),
        format!("authorization: Bearer \0{good}\r\n"),
        format!("authorization: Bearer {good}\r\r\n"),
        format!("x: y\rauthorization: Bearer {good}\r\n"),
    ] {
        let answer = trial.default.raw(request("GET /leads", broken.as_bytes())).await;
        assert!(status_of(&answer) == 400 || answer.is_empty(), "{broken:.60}: {answer}");
    }
    assert_eq!((trial.default.runs(), trial.rfc6750.runs()), (0, 0));
    let fine = request("GET /leads", format!("authorization: Bearer {good}\r\n").as_bytes());
    assert_eq!(status_of(&trial.default.raw(fine).await), 200);
}

#[tokio::test]
async fn h06_a_token_elsewhere_is_not_read() {
    let trial = Trial::start().await;
    let (good, api) = (token().sign(), &trial.default);
    let form = format!("content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n", good.len() + 13);
    let body = format!("\r\naccess_token={good}");
    for (line, headers) in [
        (format!("GET /leads?access_token={good}"), String::new()),
        (format!("GET /leads?x=1&access_token={good}"), String::new()),
        ("POST /leads".to_owned(), form + &body),
        ("GET /leads".to_owned(), format!("cookie: access_token={good}; authorization=Bearer%20{good}\r\n")),
        ("GET /leads".to_owned(), format!("proxy-authorization: Bearer {good}\r\n")),
        ("GET /leads".to_owned(), format!("x-authorization: Bearer {good}\r\nx-forwarded-access-token: {good}\r\n")),
        ("GET /leads".to_owned(), format!("authorization_: Bearer {good}\r\nhttp_authorization: Bearer {good}\r\n")),
        ("GET /leads".to_owned(), format!("sec-websocket-protocol: bearer, {good}\r\n")),
    ] {
        let answer = api.raw(request(&line, headers.as_bytes())).await;
        assert!(answer.contains("x-reason: token_absent"), "{answer}");
        let answer = trial.rfc6750.raw(request(&line, headers.as_bytes())).await;
        assert!(status_of(&answer) == 401 && !answer.contains("error"), "{answer}");
    }
    // Beside one in the header it is refused, whatever it is.
    for query in
        [format!("access_token={good}"), "access_token=".into(), "a=b&access_token".into(), "access_token=x&y".into()]
    {
        let header = format!("authorization: Bearer {good}\r\n");
        let answer = api.raw(request(&format!("GET /leads?{query}"), header.as_bytes())).await;
        assert!(status_of(&answer) == 400 && answer.contains("x-reason: token_in_two_places"), "{answer}");
    }
    assert_eq!(api.runs(), 0);
    let other = api.raw(request(
        "GET /leads?xaccess_token=1&access_tokens=2",
        format!("authorization: Bearer {good}\r\n").as_bytes(),
    ));
    assert_eq!(status_of(&other.await), 200);
}

#[tokio::test]
async fn h07_the_body_is_the_handlers_alone() {
    let echo = async |token: ValidatedToken, body: String| format!("{} {body}", token.subject().unwrap());
    let app = Router::new().route("/leads", any(echo)).layer(server().layer());
    let api = Api::serve(app, Arc::default()).await;
    let (good, url) = (token().sign(), format!("http://{}/leads", api.address));
    for (content_type, body) in [
        ("application/x-www-form-urlencoded", "access_token=x&access_token=y".to_owned()),
        ("multipart/form-data; boundary=b", "--b\r\n\r\naccess_token\r\n--b--".to_owned()),
        ("text/plain", "x".repeat(1 << 20)),
    ] {
        let sent = client().post(&url).header("content-type", content_type).body(body.clone());
        let response = sent.bearer_auth(&good).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), format!("alice {body}"));
        let sent = client().post(&url).header("content-type", content_type).body(format!("access_token={good}"));
        assert_eq!(reason_of(&sent.send().await.unwrap()), "token_absent");
    }
    assert_eq!(client().post(&url).bearer_auth(&good).send().await.unwrap().text().await.unwrap(), "alice ");
}
