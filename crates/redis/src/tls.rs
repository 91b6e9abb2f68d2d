//! TLS to the server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::failure::ServerFailure;
use crate::secret::{problem, read_file};

/// Where certificates are. The files are read for each connection, so that they can be replaced without a restart.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsFiles {
    /// Instead of the system's roots.
    pub(crate) authorities: Option<PathBuf>,
    /// Our certificate with its chain, and its key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

impl TlsFiles {
    /// Reads the files: it blocks.
    pub(crate) fn connector(&self) -> Result<TlsConnector, ServerFailure> {
        let roots = match &self.authorities {
            Some(path) => authorities(path)?,
            None => system_roots()?,
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|error| ServerFailure::Tls(error.to_string()))?.with_root_certificates(roots);
        let config = match &self.identity {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let key_bytes = read_file(key)?;
                // The parser's error could quote the key.
                let key_der = PrivateKeyDer::from_pem_slice(&key_bytes);
                let key_der = key_der.map_err(|_| problem(key, "has no private key in PEM"))?;
                let config = config.with_client_auth_cert(certificates(certificate)?, key_der);
                config.map_err(|_| problem(key, "is not the key of the certificate"))?
            }
        };
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

fn authorities(path: &Path) -> Result<RootCertStore, ServerFailure> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|_| problem(path, "has a certificate that is none of an authority"))?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, ServerFailure> {
    let mut roots = RootCertStore::empty();
    // Some of a system's roots are always too old or too new to be read.
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(ServerFailure::Tls(String::from("the system has no root certificates")));
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ServerFailure> {
    let bytes = read_file(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(problem(path, "has no certificate in PEM")),
    }
}
