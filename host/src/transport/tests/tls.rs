//! Certificates: whom the client believes.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::*;

/// The configuration of a server with this certificate, and the certificate.
fn certified(params: CertificateParams) -> (ServerConfig, rcgen::Certificate) {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    (config, certificate)
}

/// The same for a name, with the protocols that it speaks, and its root in DER.
pub(super) fn server(name: &str, protocols: &[&[u8]]) -> (Arc<ServerConfig>, Vec<u8>) {
    let (mut config, certificate) = certified(params(name));
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    (Arc::new(config), certificate.der().to_vec())
}

/// A server for this name; gives its certificate as well.
async fn serve(params: CertificateParams) -> (Loopback, Vec<u8>, String) {
    let (config, certificate) = certified(params);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = Loopback::start_with(
        |_| reply(200, &[], b"safe"),
        move |stream| {
            let acceptor = acceptor.clone();
            async move { acceptor.accept(stream).await.ok() }
        },
    )
    .await;
    (server, certificate.der().to_vec(), certificate.pem())
}

async fn fetch_with(server: &Loopback, roots: Vec<Vec<u8>>) -> Result<Bytes, TransportError> {
    let transport = Transport::new(TransportConfig {
        extra_roots: roots,
        ..TransportConfig::default()
    })
    .unwrap();
    let url = Url::parse(&format!("https://{}/", server.address)).unwrap();
    let policy = AddressPolicy::Local {
        origins: vec![url.clone()],
    };
    transport
        .send(get(url), &policy)
        .await?
        .body
        .collect(100)
        .await
}

fn params(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

#[tokio::test]
async fn a_certificate_is_believed_only_if_its_root_is() {
    let (server, der, pem) = serve(params("127.0.0.1")).await;
    let error = fetch_with(&server, vec![]).await.unwrap_err();
    assert!(
        matches!(error, TransportError::Unreachable { .. }),
        "{error}"
    );
    assert_eq!(fetch_with(&server, vec![der]).await.unwrap(), "safe");
    assert_eq!(
        fetch_with(&server, vec![pem.into_bytes()]).await.unwrap(),
        "safe"
    );
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let (server, der, _) = serve(params("other.example.com")).await;
    let error = fetch_with(&server, vec![der]).await.unwrap_err();
    assert!(
        matches!(error, TransportError::Unreachable { .. }),
        "{error}"
    );
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let mut params = params("127.0.0.1");
    params.not_before = rcgen::date_time_ymd(2001, 1, 1);
    params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    let (server, der, _) = serve(params).await;
    let error = fetch_with(&server, vec![der]).await.unwrap_err();
    assert!(
        matches!(error, TransportError::Unreachable { .. }),
        "{error}"
    );
}

#[test]
fn a_root_that_is_none_is_refused_at_once() {
    let config = TransportConfig {
        extra_roots: vec![
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec(),
        ],
        ..TransportConfig::default()
    };
    assert!(matches!(
        Transport::new(config),
        Err(TransportSetupError::Root(_))
    ));
}

#[test]
fn no_process_wide_provider_is_installed() {
    transport();
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}
