//! TLS: which servers are trusted, and ours to them.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tower_bearer_redis::RedisServer;

use crate::double::Double;
use crate::support::*;

struct Authority(CertifiedIssuer<'static, KeyPair>);

/// Certificate and key, in PEM.
struct Leaf(String, String);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn leaf(&self, name: &str) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        Leaf(params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    /// A server that has a certificate for this name, and asks for one of this authority's.
    fn acceptor(&self, name: &str, asks_for: Option<&Self>) -> TlsAcceptor {
        let Leaf(certificate, key) = self.leaf(name);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
        let config = match asks_for {
            None => config.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.0.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                config.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate], key).unwrap()))
    }
}

/// Files that are removed at the end.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("tower-bearer-redis-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn tls_url(double: &Double) -> String {
    format!("rediss://localhost:{}", double.address.port())
}

#[tokio::test]
async fn only_a_server_of_a_trusted_authority_with_the_right_name_is_used() {
    let good = token_with_id("good").await;
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let files = Files::new("servers");
    let authorities = files.write("ca.pem", &ours.0.pem());
    let double = Double::start_with(Some(ours.acceptor("localhost", None))).await;
    let server = RedisServer::at(&tls_url(&double)).certificate_authorities_file(&authorities);
    let replica = Replica::of(server.clone(), |builder| builder);
    replica.revocations.initialize().await.unwrap();
    replica.revocations.ready().await;
    assert!(replica.accepts(&good));

    for (acceptor, text) in [
        (other.acceptor("localhost", None), "invalid peer certificate: UnknownIssuer"),
        (ours.acceptor("redis.example.com", None), "invalid peer certificate: certificate not valid for name"),
    ] {
        let double = Double::start_with(Some(acceptor)).await;
        let server = RedisServer::at(&tls_url(&double)).certificate_authorities_file(&authorities);
        let replica = Replica::of(server, |builder| builder);
        double.until(text, || replica.last_error().contains(text)).await;
        assert!(replica.is_unavailable(&good) && double.state().commands.is_empty());
    }
    // The system trusts neither; and plain text is no TLS.
    let replica = Replica::of(RedisServer::at(&tls_url(&double)), |builder| builder);
    double.until("it is refused", || replica.last_error().contains("TLS: ")).await;
    let plain = Double::start().await;
    let server = RedisServer::at(&tls_url(&plain)).certificate_authorities_file(&authorities);
    let replica = Replica::of(server, |builder| builder);
    plain.until("it is refused", || !replica.last_error().is_empty()).await;
    assert!(replica.is_unavailable(&good));
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_ours() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let files = Files::new("clients");
    let authorities = files.write("ca.pem", &ours.0.pem());
    let Leaf(certificate, key) = ours.leaf("client");
    let (certificate, key) = (files.write("client.pem", &certificate), files.write("client.key", &key));
    let double = Double::start_with(Some(ours.acceptor("localhost", Some(&ours)))).await;
    let server = RedisServer::at(&tls_url(&double)).certificate_authorities_file(&authorities);
    let without = Replica::of(server.clone(), |builder| builder);
    double.until("it is refused", || !without.last_error().is_empty()).await;
    let replica = Replica::of(server.clone().client_certificate_files(&certificate, &key), |builder| builder);
    replica.revocations.initialize().await.unwrap();
    replica.revocations.ready().await;

    // A certificate that is replaced, and one with another's key.
    let Leaf(of_other, key_of_other) = other.leaf("client");
    let (of_other, key_of_other) = (files.write("other.pem", &of_other), files.write("other.key", &key_of_other));
    let server = server.client_certificate_files(&certificate, &key_of_other);
    let error = tower_bearer_redis::RedisRevocations::builder(server.clone(), LIFETIME).start().unwrap_err();
    assert!(error.to_string().contains("is not the key of the certificate"), "{error}");
    let foreign = Replica::of(server.client_certificate_files(&of_other, &key_of_other), |builder| builder);
    double.until("it is refused", || !foreign.last_error().is_empty()).await;
}
