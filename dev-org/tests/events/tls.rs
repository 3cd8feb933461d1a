//! The Pub/Sub API within TLS.

use std::sync::Arc;

use dev_org::{Config, DevOrg};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::json;
use tokio::net::TcpStream;
use tonic::transport::{Endpoint, Uri};

use super::pubsub::PubSub;
use super::support::{Session, client_trusting, login};

#[tokio::test]
async fn with_tls_the_same_service_is_there_for_a_client_that_trusts_the_ca() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        tls: true,
        ca_dir: Some(folder.path().to_owned()),
        ..Config::default()
    };
    let org = DevOrg::start(config).await.unwrap();
    let pem = std::fs::read(org.ca_pem_path().unwrap()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let (http, base) = (client_trusting(roots.clone()), org.url());
    let token = login(&http, &base).await["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let control = org.control();
    let session = Session {
        org,
        control,
        http,
        base,
        token,
    };
    session.made("Contact", json!({ "LastName": "A" })).await;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let tls = tokio_rustls::TlsConnector::from(Arc::new(tls));
    // The connector speaks TLS itself, so that tonic needs no TLS of its own.
    let address = session.base.replace("https://", "http://");
    let connector = tower::service_fn(move |uri: Uri| {
        let tls = tls.clone();
        async move {
            let port = uri.port_u16().unwrap();
            let stream = TcpStream::connect(("127.0.0.1", port)).await?;
            let name = ServerName::try_from("localhost").unwrap();
            let stream = tls.connect(name, stream).await?;
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            std::io::Result::Ok(TokioIo::new(stream))
        }
    });
    let endpoint = Endpoint::from_shared(address).unwrap();
    let channel = endpoint.connect_with_connector(connector).await.unwrap();
    let pubsub = PubSub::over(&session, channel);
    let events = pubsub.replay("/data/ChangeEvents", 1).await.take(1).await;
    assert_eq!(events.len(), 1);
}
