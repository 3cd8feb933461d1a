//! TLS: rustls with ring, given to the clients explicitly. A process-wide
//! provider belongs to the application that embeds us, not to us.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;

use super::TransportSetupError;

/// Reads certificates: each entry is PEM with one or more, or one in DER.
fn read_roots(entries: &[Vec<u8>]) -> Result<Vec<CertificateDer<'static>>, TransportSetupError> {
    let mut roots = Vec::new();
    for entry in entries {
        if entry.starts_with(b"-----BEGIN") {
            for certificate in CertificateDer::pem_slice_iter(entry) {
                let certificate =
                    certificate.map_err(|error| TransportSetupError::Root(error.to_string()))?;
                roots.push(certificate);
            }
        } else {
            roots.push(CertificateDer::from(entry.clone()));
        }
    }
    Ok(roots)
}

/// The configuration of both clients: the platform's roots and the embedder's.
pub(super) fn config(extra_roots: &[Vec<u8>]) -> Result<ClientConfig, TransportSetupError> {
    let tls = |error: rustls::Error| TransportSetupError::Tls(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = read_roots(extra_roots)?;
    // Checked by themselves, so that a certificate that cannot be used is not
    // taken for a platform without any.
    let mut own = RootCertStore::empty();
    for root in &roots {
        own.add(root.clone())
            .map_err(|error| TransportSetupError::Root(error.to_string()))?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(tls)?;
    let mut config = match Verifier::new_with_extra_roots(roots, provider) {
        Ok(verifier) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth(),
        Err(error) => {
            // A slim container without certificates can still serve local
            // connections; every https request will say that its issuer is
            // unknown.
            tracing::warn!(%error, "the platform has no root certificates");
            builder.with_root_certificates(own).with_no_client_auth()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
