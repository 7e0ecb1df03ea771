//! TLS 1.2 and 1.3, with aws-lc-rs and nothing else below (K141).

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// Certificates or keys that are none.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No certificate where there should be one.
    #[error("there is no certificate in PEM form in it")]
    NoCertificate,
    /// No private key where there should be one.
    #[error("there is no private key in PEM form in it")]
    NoKey,
    /// Nothing that the platform trusts.
    #[error("this platform names no certificate authority that it trusts")]
    NoRoots,
    /// What TLS says of them.
    #[error(transparent)]
    Refused(#[from] rustls::Error),
}

/// A certificate chain and its private key, as PEM.
pub struct Identity<'p> {
    /// The leaf first.
    pub certificates: &'p [u8],
    /// PKCS#8, PKCS#1 or SEC1.
    pub key: &'p [u8],
}

impl Identity<'_> {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        Ok((certificates(self.certificates)?, PrivateKeyDer::from_pem_slice(self.key).map_err(|_| TlsError::NoKey)?))
    }
}

/// How servers are checked: against the given authorities (PEM), or against those that the platform trusts.
///
/// # Errors
/// [`TlsError`] for what is no certificate or no key.
pub fn client(roots: Option<&[u8]>, own: Option<Identity<'_>>) -> Result<Arc<ClientConfig>, TlsError> {
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(trusted(roots)?), provider());
    let verifier = verifier.build().map_err(|error| rustls::Error::General(error.to_string()))?;
    let config = ClientConfig::builder_with_provider(provider()).with_protocol_versions(VERSIONS)?.with_webpki_verifier(verifier);
    Ok(Arc::new(match own {
        Some(own) => {
            let (chain, key) = own.read()?;
            config.with_client_auth_cert(chain, key)?
        }
        None => config.with_no_client_auth(),
    }))
}

/// As whom a server shows itself, and of whom it wants a certificate, if of anybody (PEM).
///
/// # Errors
/// [`TlsError`] for what is no certificate or no key.
pub fn server(own: Identity<'_>, clients: Option<&[u8]>) -> Result<Arc<ServerConfig>, TlsError> {
    let (chain, key) = own.read()?;
    let config = ServerConfig::builder_with_provider(provider()).with_protocol_versions(VERSIONS)?;
    let config = match clients {
        Some(pem) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(trusted(Some(pem))?), provider());
            config.with_client_cert_verifier(verifier.build().map_err(|error| rustls::Error::General(error.to_string()))?)
        }
        None => config.with_no_client_auth(),
    };
    Ok(Arc::new(config.with_single_cert(chain, key)?))
}

fn trusted(roots: Option<&[u8]>) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    let given = match roots {
        Some(pem) => certificates(pem)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let (added, _) = store.add_parsable_certificates(given);
    match (added, roots) {
        (0, Some(_)) => Err(TlsError::NoCertificate),
        (0, None) => Err(TlsError::NoRoots),
        _ => Ok(store),
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    read.ok().filter(|certificates| !certificates.is_empty()).ok_or(TlsError::NoCertificate)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
