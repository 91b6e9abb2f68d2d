//! TLS, with a certificate that is good or bad as asked.

use std::error::Error;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What the server shows to clients that connect by TLS, for
/// [`tls`](super::AuthorizationServerBuilder::tls) (feature `tls`).
///
/// All but the self-signed one are issued by a certificate authority that is made with the server, and that nobody
/// trusts who was not given its [certificate](super::AuthorizationServer::root_certificate). Private keys are in memory
/// only.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Certificate {
    /// For `127.0.0.1` and `localhost`, and for the [address](super::AuthorizationServerBuilder::listen) and the name in
    /// the [issuer](super::AuthorizationServerBuilder::issuer) if the server has others; valid now.
    Valid,
    /// The same, but its time ended on 1 February 2020.
    Expired,
    /// For `other-host.invalid`, valid now.
    OtherHost,
    /// Like `Valid`, but self-signed: there is no authority to trust.
    SelfSigned,
}

/// The server's end of TLS, and the certificate of the authority in PEM, if there is one.
///
/// `names` are those that the server has besides loopback.
pub(super) fn acceptor(
    kind: Certificate,
    names: Vec<String>,
) -> Result<(TlsAcceptor, Option<String>), Box<dyn Error + Send + Sync>> {
    let key = KeyPair::generate()?;
    let params = leaf(kind, names)?;
    let (certificate, root) = if kind == Certificate::SelfSigned {
        (params.self_signed(&key)?, None)
    } else {
        let root_key = KeyPair::generate()?;
        let mut root = CertificateParams::new([])?;
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.distinguished_name.push(DnType::CommonName, "tower-bearer test root, trust it in tests only");
        let root_pem = root.self_signed(&root_key)?.pem();
        (params.signed_by(&key, &Issuer::new(root, root_key))?, Some(root_pem))
    };

    // The provider is named: rustls has no default one in a build where another crate has switched on a second.
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(config)), root))
}

fn leaf(kind: Certificate, mut names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    match kind {
        Certificate::OtherHost => names = vec!["other-host.invalid".to_owned()],
        Certificate::Valid | Certificate::Expired | Certificate::SelfSigned => {
            names.extend(["127.0.0.1".to_owned(), "localhost".to_owned()]);
        }
    }
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "tower-bearer test server");
    if kind == Certificate::Expired {
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 2, 1));
    }
    Ok(params)
}
