//! HTTPS for clients that speak nothing else: a CA made for this start, its
//! certificate written where the caller can trust it, and a server
//! certificate for `localhost` and the loopback addresses. Nothing here
//! touches the process-wide crypto provider, which belongs to the embedder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};
use tokio_rustls::TlsAcceptor;

/// The longest life that strict clients accept for a server certificate.
const LIFE: Duration = Duration::days(397);

/// Room for clocks that differ between the server and its client.
const SLACK: Duration = Duration::days(1);

/// The names a client can reach the org by.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Ready acceptors and the certificate its clients have to trust.
pub(crate) struct LocalTls {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) ca_file: CaFile,
}

/// The written certificate.
#[derive(Debug)]
pub(crate) struct CaFile {
    pub(crate) path: PathBuf,
    /// Set when nobody chose the folder: it then goes with the org.
    own_folder: Option<PathBuf>,
}

impl Drop for CaFile {
    fn drop(&mut self) {
        if let Some(folder) = &self.own_folder
            && let Err(error) = std::fs::remove_dir_all(folder)
        {
            tracing::debug!(%error, "cannot remove the folder of the CA");
        }
    }
}

impl LocalTls {
    /// Makes the CA and the server certificate and writes `ca.pem` to `ca_dir`.
    pub(crate) fn generate(ca_dir: Option<&Path>) -> anyhow::Result<Self> {
        let now = OffsetDateTime::now_utc();

        let mut ca = CertificateParams::default();
        ca.distinguished_name = rcgen::DistinguishedName::new();
        ca.distinguished_name
            .push(DnType::CommonName, "Lockgate dev org CA");
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.not_before = now - SLACK;
        ca.not_after = now + LIFE;
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;

        let mut leaf = CertificateParams::new(NAMES.map(str::to_owned))?;
        leaf.distinguished_name = rcgen::DistinguishedName::new();
        leaf.distinguished_name
            .push(DnType::CommonName, "Lockgate dev org");
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        leaf.not_before = now - SLACK;
        leaf.not_after = now + LIFE;
        let key = KeyPair::generate()?;
        let leaf = leaf.signed_by(&key, &ca)?;

        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut server = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone(), ca.der().clone()], key)?;
        // Who speaks both gets the first, as of Salesforce; gRPC speaks the second.
        server.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];

        let own_folder = ca_dir.is_none().then(own_folder);
        let folder = own_folder
            .as_deref()
            .or(ca_dir)
            .context("the CA has no folder")?;
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let path = folder.join("ca.pem");
        std::fs::write(&path, ca.pem())
            .with_context(|| format!("cannot write {}", path.display()))?;

        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            ca_file: CaFile { path, own_folder },
        })
    }
}

/// A folder of this process and this start, so that two orgs at the same time
/// do not overwrite each other's CA.
fn own_folder() -> PathBuf {
    static STARTS: AtomicU32 = AtomicU32::new(0);
    let start = STARTS.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("lockgate-dev-org-{}-{start}", std::process::id()))
}
