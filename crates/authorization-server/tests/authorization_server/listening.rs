//! Where the server listens, what it is called, and that it stays on loopback unless configured otherwise.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};

use serde_json::{Value, json};
use tower_bearer::{Issuer, ResourceServer};
use tower_bearer_authorization_server::{
    AuthorizationServer, AuthorizationServerBuilder, Certificate, Client, StartError,
};

use crate::browser::{Browser, REQUEST, answer, refresh, text, tokens, user_builder};
use crate::support::{AUDIENCE, builder, claims_of, client, get_json, issue};

const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

async fn refusal(builder: AuthorizationServerBuilder) -> String {
    builder.start().await.unwrap_err().to_string()
}

#[tokio::test]
async fn other_machines_reach_it_only_where_that_is_allowed() {
    let listen = |text: &str| builder().listen(text.parse().unwrap());
    for (builder, setting, value) in [
        (listen("0.0.0.0"), "listen", "0.0.0.0"),
        (listen("::"), "listen", "::"),
        (listen("192.0.2.1"), "listen", "192.0.2.1"),
        (listen("::ffff:192.0.2.1"), "listen", "::ffff:192.0.2.1"),
        (builder().issuer("http://as:9000"), "issuer", "http://as:9000"),
        (builder().issuer("https://as.example.com/t"), "issuer", "https://as.example.com/t"),
        (builder().issuer("http://127.0.0.1.example.com"), "issuer", "http://127.0.0.1.example.com"),
        (builder().issuer("http://0.0.0.0:9000"), "issuer", "http://0.0.0.0:9000"),
        (listen("127.0.0.1").issuer("http://as:9000"), "issuer", "http://as:9000"),
        (listen("0.0.0.0").issuer("http://127.0.0.1:9000"), "listen", "0.0.0.0"),
    ] {
        let expected = format!(
            "`{setting}` is {value}, which is not loopback: everyone who reaches this server can get any token from it; \
             if that is what you want, allow it with `dangerously_allow_non_loopback`"
        );
        assert_eq!(refusal(builder).await, expected);
    }
    // Loopback has more than one address and name.
    for own in ["127.0.0.1", "127.0.0.2", "::ffff:127.0.0.1", "::1"] {
        match listen(own).start().await {
            Ok(server) => assert_eq!(server.address().ip(), own.parse::<IpAddr>().unwrap()),
            // A machine may have no IPv6, or only one address.
            Err(error) => assert!(matches!(error, StartError::Listen { .. }), "{own}: {error}"),
        }
    }
    for own in ["http://localhost:1", "http://as.localhost:1", "http://127.1.2.3:1", "http://[::1]:1"] {
        assert_eq!(builder().issuer(own).start().await.unwrap().issuer(), own);
    }
}

#[tokio::test]
async fn every_address_is_no_name() {
    for (address, text) in [(ANY, "0.0.0.0"), (IpAddr::V6(Ipv6Addr::UNSPECIFIED), "::")] {
        let refused = refusal(builder().listen(address).dangerously_allow_non_loopback()).await;
        let expected = format!(
            "{text} means every address of this machine and cannot be part of an issuer URL; give `issuer` the URL \
             by which clients and APIs reach this server, such as `http://as:9000`"
        );
        assert_eq!(refused, expected);
    }
}

/// Behind its public name: a free port of the machine, which the name leads to.
#[tokio::test]
async fn a_public_name_is_in_everything_that_others_read() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let name = "https://as.example.com/tenant";
    let television = Client::public("tv").audience(AUDIENCE).device();
    let builder = user_builder().client(television).listen(ANY).port(port).issuer(name);
    let server = builder.dangerously_allow_non_loopback().start().await.unwrap();
    assert_eq!((server.issuer(), server.address().ip()), (name, ANY));

    let local = format!("http://127.0.0.1:{port}/tenant");
    for place in ["/tenant/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/tenant"] {
        let metadata = get_json(&format!("http://127.0.0.1:{port}{place}")).await;
        assert_eq!(metadata["issuer"], name);
        let endpoints = metadata.as_object().unwrap().iter();
        let endpoints = endpoints.filter(|(member, _)| member.ends_with("_endpoint") || *member == "jwks_uri");
        let mut count = 0;
        for (member, url) in endpoints {
            assert!(url.as_str().unwrap().starts_with(&format!("{name}/")), "{member}: {url}");
            count += 1;
        }
        assert_eq!(count, 8);
    }
    let grant = [("grant_type", "client_credentials")];
    let request = client().post(format!("{local}/token")).form(&grant).basic_auth("web", Some("web-secret"));
    let issued = answer(request).await;
    assert_eq!(claims_of(text(&issued, "access_token"))["iss"], name);
    let codes = answer(client().post(format!("{local}/device_authorization")).form(&[("client_id", "tv")])).await;
    assert!(text(&codes, "verification_uri").starts_with(name));

    // The cookie is for the name that browsers see, which is HTTPS.
    let url = url::Url::parse_with_params(&format!("{local}/authorize"), REQUEST).unwrap();
    let page = client().get(url).send().await.unwrap();
    let cookie = page.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("; Path=/tenant;") && cookie.ends_with("; Secure"), "{cookie}");
}

#[tokio::test]
async fn every_flow_works_under_another_name_of_loopback() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let name = format!("http://localhost:{port}/t");
    let server = user_builder().port(port).issuer(&name).start().await.unwrap();
    let tokens = tokens(&server).await;
    assert_eq!(claims_of(text(&tokens, "access_token"))["iss"], name);
    let refreshed = answer(refresh(&server, text(&tokens, "refresh_token"), &[])).await;
    let (mut browser, consent) = Browser::logged_in(&server, &REQUEST).await;
    assert_eq!(browser.approve(&consent).await.parameter("iss").as_deref(), Some(name.as_str()));

    let api = ResourceServer::builder().audience(AUDIENCE).issuer(Issuer::new(server.issuer())).build().unwrap();
    for token in [text(&refreshed, "access_token"), &issue(&server).await] {
        assert!(api.validate(token).await.is_ok());
    }
}

#[tokio::test]
async fn an_issuer_that_cannot_be_one_is_refused() {
    let spelling = "has a slash at its end, a default port, capital letters in its host, or an unusual path";
    for (url, problem) in [
        ("as:9000", "is neither `http` nor `https`"),
        ("//as", "is no URL"),
        ("", "is no URL"),
        ("ftp://as", "is neither `http` nor `https`"),
        ("http://127.0.0.1:9000/", spelling),
        ("https://LOCALHOST", spelling),
        ("http://localhost:80", spelling),
        ("http://localhost/a b", spelling),
        ("http://localhost?x", "has more than scheme, host, port and path"),
        ("http://localhost#x", "has more than scheme, host, port and path"),
        ("http://a:b@localhost", "has more than scheme, host, port and path"),
    ] {
        let expected = format!(
            "the issuer {url:?} {problem}; give `issuer` a URL such as `http://as:9000` or `https://as.example.com/tenant`"
        );
        assert_eq!(refusal(builder().issuer(url)).await, expected);
        let file = AuthorizationServerBuilder::from_toml(&format!("issuer = {url:?}")).unwrap_err().to_string();
        assert_eq!(file, format!("line 1, column 10: issuer: {expected}"));
    }
    let refused = refusal(builder().issuer("http://localhost:1/a").issuer_path("/b")).await;
    assert!(
        refused.starts_with("the issuer \"http://localhost:1/a\" has another path than `issuer_path`; "),
        "{refused}"
    );
    let same = builder().issuer("http://localhost:1/a").issuer_path("/a").start().await.unwrap();
    assert_eq!(same.issuer(), "http://localhost:1/a");
}

#[tokio::test]
async fn a_file_says_the_same() {
    let file = "listen = \"0.0.0.0\"\nissuer = \"http://as:9000\"\nkeys = [{ algorithm = \"ES256\" }]\n";
    let refused = refusal(AuthorizationServerBuilder::from_toml(file).unwrap()).await;
    assert!(refused.starts_with("`listen` is 0.0.0.0, which is not loopback: "), "{refused}");
    let admitted = format!("{file}dangerously_allow_non_loopback = true\n");
    let server = AuthorizationServerBuilder::from_toml(&admitted).unwrap().start().await.unwrap();
    assert_eq!((server.issuer(), server.address().ip()), ("http://as:9000", ANY));
    // What the file lacks, code can add.
    let added = AuthorizationServerBuilder::from_toml(file).unwrap().dangerously_allow_non_loopback();
    assert!(added.start().await.is_ok());
    let wrong = AuthorizationServerBuilder::from_toml("listen = \"localhost\"").unwrap_err().to_string();
    assert!(wrong.starts_with("line 1, column 10: listen: invalid IP address"), "{wrong}");
}

#[tokio::test]
async fn the_admin_api_stays_on_loopback() {
    let builder = builder().listen(ANY).issuer("http://as:9000").dangerously_allow_non_loopback();
    let server = builder.admin().start().await.unwrap();
    assert!(server.admin_url().unwrap().starts_with("http://127.0.0.1:"));
}

#[tokio::test]
async fn a_certificate_is_for_the_public_name_too() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let builder = builder().listen(ANY).port(port).issuer(format!("https://as.test:{port}")).tls(Certificate::Valid);
    let server = builder.dangerously_allow_non_loopback().start().await.unwrap();
    let root = reqwest::Certificate::from_pem(server.root_certificate().unwrap().as_bytes()).unwrap();
    let http = reqwest::Client::builder().no_proxy().tls_certs_merge([root]);
    let http = http.resolve("as.test", ([127, 0, 0, 1], port).into()).build().unwrap();
    assert!(http.get(server.jwks_uri()).send().await.unwrap().status().is_success());
    let by_address = format!("https://127.0.0.1:{port}/jwks");
    assert!(http.get(by_address).send().await.unwrap().status().is_success());
}

#[tokio::test]
async fn clients_without_an_audience_get_the_servers() {
    let app = || Client::new("app", "s3cret");
    let own = || Client::new("own", "s3cret").audience("https://own.example.com");
    let audiences = async |builder: AuthorizationServerBuilder| {
        let server: AuthorizationServer = builder.start().await.unwrap();
        let mut found = Vec::new();
        for client in server.clients().iter().filter(|client| !client.public) {
            let secret = client.demo_secret.clone().unwrap_or_else(|| "s3cret".to_owned());
            let grant = [("grant_type", "client_credentials")];
            let request = crate::support::client().post(server.token_endpoint()).form(&grant);
            let issued: Value = answer(request.basic_auth(&client.id, Some(secret))).await;
            let aud = claims_of(text(&issued, "access_token"))["aud"].clone();
            let listed = match client.audiences.as_slice() {
                [only] => json!(only),
                several => json!(several),
            };
            assert_eq!(aud, listed);
            found.push(aud);
        }
        found
    };
    let empty = || AuthorizationServer::builder().signing_algorithm(tower_bearer::jose::Algorithm::ES256);
    let leads = "https://leads.example.com";
    assert_eq!(audiences(empty().demo()).await, [AUDIENCE, AUDIENCE]);
    assert_eq!(audiences(empty().demo().audiences([leads])).await, [leads, leads]);
    assert_eq!(audiences(empty().audiences([leads]).demo()).await, [leads, leads]);
    assert_eq!(
        audiences(empty().client(app()).client(own()).audiences([leads])).await,
        [leads, "https://own.example.com"]
    );
    assert_eq!(audiences(empty().client(app()).audiences(["a"]).audiences(["b", "c"])).await, [json!(["b", "c"])]);
    let file = "audiences = [\"https://leads.example.com\"]\nkeys = [{ algorithm = \"ES256\" }]\n[[clients]]\nid = \"app\"\n\
                secret = \"s3cret\"";
    assert_eq!(audiences(AuthorizationServerBuilder::from_toml(file).unwrap()).await, [leads]);
    let refused = refusal(empty().client(app())).await;
    assert_eq!(refused, "client `app` has no audience; name the API with `Client::audience`");
}
