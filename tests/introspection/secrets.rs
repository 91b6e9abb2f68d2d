//! Our own secret, in a file that changes.

use std::io::Write as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tower_bearer::{ClientSecret, ClientSecretBasic, ClientSecretPost, Introspection, ResourceServer};

use crate::endpoint::*;
use crate::fixtures::reason;

#[tokio::test]
async fn r84_a_secret_in_a_file_is_read_again_when_it_changes() {
    let endpoint = Endpoint::start().await;
    let path = std::env::temp_dir().join(format!("tower-bearer-secret-{}", std::process::id()));
    let write = |text: &str| std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
    let client = ClientSecretPost::new("api", ClientSecret::file(&path));
    let server = endpoint.server_with(Introspection::at(&endpoint.url).client(client));
    let secret = || endpoint.requests().pop().unwrap().form[3].1.clone();
    assert_eq!(reason(&server, "a").await, "introspection_unavailable", "there is no file yet");
    assert_eq!(endpoint.calls(), 0);
    for (token, text, expected) in
        [("b", "one\n", "one"), ("c", "two\r\n", "two"), ("d", "", "two"), ("e", " x ", " x ")]
    {
        write(text);
        assert_eq!(reason(&server, token).await, "accepted");
        assert_eq!(secret(), expected);
    }
    write(&"s".repeat(16 * 1024 + 1));
    assert_eq!(reason(&server, "g").await, "accepted");
    assert_eq!(secret(), " x ", "one that is too large is not cut and sent");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(reason(&server, "f").await, "accepted");
    assert_eq!(secret(), " x ", "the last one is used while there is none");
}

/// A file with a secret, and an endpoint that accepts some.
struct Rotation {
    endpoint: Endpoint,
    path: PathBuf,
}

impl Rotation {
    async fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tower-bearer-{name}-{}", std::process::id()));
        let rotation = Self { endpoint: Endpoint::start().await, path };
        rotation.write("old");
        rotation
    }

    fn write(&self, secret: &str) {
        std::fs::write(&self.path, secret).unwrap();
    }

    fn servers(&self) -> [ResourceServer; 2] {
        let (file, at) = (|| ClientSecret::file(&self.path), || Introspection::at(&self.endpoint.url));
        let basic = at().client(ClientSecretBasic::new("api", file()));
        let post = at().client(ClientSecretPost::new("api", file()));
        [basic, post].map(|introspection| self.endpoint.server_with(introspection))
    }

    /// The endpoint accepts this secret and no other.
    fn accept(&self, secret: &str) {
        let basic = format!("Basic {}", STANDARD.encode(format!("api:{secret}")));
        let secret = secret.to_owned();
        self.endpoint.authenticate(move |asked| {
            let in_form = asked.form.iter().any(|(name, value)| name == "client_secret" && *value == secret);
            in_form || asked.headers.get("authorization").is_some_and(|value| *value == *basic)
        });
    }

    /// The secrets that were sent since the first so many calls.
    fn sent_since(&self, calls: usize) -> Vec<String> {
        let of_header = |value: &http::HeaderValue| {
            let decoded = STANDARD.decode(value.to_str().unwrap().strip_prefix("Basic ").unwrap()).unwrap();
            String::from_utf8(decoded).unwrap().strip_prefix("api:").unwrap().to_owned()
        };
        let requests = self.endpoint.requests().into_iter().skip(calls);
        let secrets = requests.map(|asked| match asked.headers.get("authorization") {
            Some(value) => of_header(value),
            None => asked.form.iter().find(|(name, _)| name == "client_secret").unwrap().1.clone(),
        });
        secrets.collect()
    }
}

impl Drop for Rotation {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// We learn of the new secret before the server does, or after it, or while the file is being written.
#[tokio::test]
async fn r84_a_secret_that_is_refused_is_read_again_and_the_previous_one_is_tried_once() {
    for way in 0..2 {
        let rotation = Rotation::new(&format!("rotation-{way}")).await;
        let server = &rotation.servers()[way];
        let mut token = 0;
        let mut asks = async |expected: &str, sent: &[&str]| {
            token += 1;
            let before = rotation.endpoint.calls();
            assert_eq!(reason(server, &token.to_string()).await, expected, "{token}");
            assert_eq!(rotation.sent_since(before), sent, "{token}");
        };
        rotation.accept("old");
        asks("accepted", &["old"]).await;
        // The server does not know the new one yet.
        rotation.write("new");
        asks("accepted", &["new", "old"]).await;
        asks("accepted", &["new", "old"]).await;
        rotation.accept("new");
        asks("accepted", &["new"]).await;
        // Half of the next one, then the rest; the one before is not forgotten for it.
        rotation.write("la");
        asks("accepted", &["la", "new"]).await;
        rotation.write("last");
        asks("accepted", &["last", "new"]).await;
        rotation.accept("last");
        asks("accepted", &["last"]).await;
        // Revoked, with nothing to replace it: two requests, and no more.
        rotation.accept("another");
        asks("introspection_unavailable", &["last", "new"]).await;
        // Written while the request was under way.
        let (unauthorized, permission) = Answer::status(401).when_told();
        rotation.endpoint.answer_about("written", unauthorized);
        let request = tokio::spawn({
            let server = server.clone();
            async move { reason(&server, "written").await }
        });
        let before = rotation.endpoint.calls();
        rotation.accept("last");
        rotation.endpoint.calls_reach(before + 1).await;
        rotation.write("another");
        rotation.accept("another");
        rotation.endpoint.answer_about("written", Answer::Active);
        permission.notify_one();
        assert_eq!(request.await.unwrap(), "accepted");
        assert_eq!(rotation.sent_since(before), ["last", "another"]);
    }
}

/// A secret in the configuration is the only one there is.
#[tokio::test]
async fn r84_a_secret_that_is_refused_is_sent_once() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server();
    endpoint.answer(Answer::status(401));
    assert_eq!(reason(&server, "a").await, "introspection_unavailable");
    assert_eq!(endpoint.calls(), 1);
}
