//! The port where webhooks come in, in the clear behind something that ends TLS, or
//! with TLS of its own. What it takes goes to the receiver; here are the bounds of what
//! comes before a request's body.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use lockgate::receiver::{Receiver, ReceiverOptions};
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::exit::{LISTEN_ELSEWHERE, advised};

/// Connections at a time. More wait in the system's queue.
const MAX_CONNECTIONS: usize = 512;

/// How long the head of a request, or a handshake, may take; also how long a connection
/// may rest between two requests.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest head of a request, in bytes, and its most fields.
const MAX_HEAD_BYTES: usize = 32 * 1024;
const MAX_FIELDS: usize = 64;

/// How long a connection lasts at most: whoever has more to say makes another one.
const LONGEST_CONNECTION: Duration = Duration::from_secs(5 * 60);

#[derive(Debug, clap::Args)]
pub(super) struct Listen {
    /// Take webhooks at this address and port
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// The certificate chain to show, a PEM file; without it requests come in the clear
    #[arg(long, value_name = "FILE", requires_all = ["listen", "tls_key"])]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, a PEM file
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Take only senders with a certificate from one of these issuers, a PEM file
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    client_ca: Option<PathBuf>,
    /// The name that a sender's certificate must have: issuers have other customers
    #[arg(long, value_name = "NAME", requires = "client_ca", value_parser = name)]
    client_name: Option<ServerName<'static>>,
    /// The largest body of a request, in KiB
    #[arg(long, value_name = "KIB", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=8192))]
    max_body_kib: u32,
}

impl Listen {
    pub(super) fn options(&self) -> ReceiverOptions {
        ReceiverOptions {
            max_body_bytes: self.max_body_kib as usize * 1024,
            ..ReceiverOptions::default()
        }
    }
}

fn name(text: &str) -> Result<ServerName<'static>, String> {
    let name = ServerName::try_from(text.to_owned());
    name.map_err(|_| "it is no name of a host".to_owned())
}

/// A port that is taken.
pub(super) struct Listener {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    client_name: Option<ServerName<'static>>,
}

impl Listener {
    /// Takes the port, if one is asked for.
    pub(super) async fn bind(args: &Listen) -> Result<Option<Self>> {
        let Some(address) = args.listen else {
            return Ok(None);
        };
        let tls = tls(args)?;
        let listener = TcpListener::bind(address).await.map_err(|error| {
            advised(
                format!("cannot listen on {address}: {error}"),
                LISTEN_ELSEWHERE,
            )
        })?;
        Ok(Some(Self {
            address: listener.local_addr()?,
            listener,
            tls,
            client_name: args.client_name.clone(),
        }))
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    async fn accept(&self, receiver: &Receiver) -> Result<()> {
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        // They end with this.
        let mut connections = JoinSet::new();
        loop {
            let permit = Arc::clone(&room).acquire_owned().await?;
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                // So that those which have ended are not kept.
                Some(_) = connections.join_next() => continue,
            };
            let Ok((stream, _)) = accepted else {
                // Too many open files, for instance: that passes.
                sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (receiver, tls) = (receiver.clone(), self.tls.clone());
            let client_name = self.client_name.clone();
            connections.spawn(async move {
                let served = serve_one(stream, tls, client_name.as_ref(), &receiver);
                match timeout(LONGEST_CONNECTION, served).await {
                    Ok(Ok(())) | Err(_) => {}
                    Ok(Err(error)) => {
                        tracing::debug!(error = format!("{error:#}"), "a connection failed");
                    }
                }
                drop(permit);
            });
        }
    }
}

/// Takes webhooks until something fails for good; without a port never.
pub(super) async fn serve(listener: Option<&Listener>, receiver: &Receiver) -> Result<()> {
    match listener {
        Some(listener) => listener.accept(receiver).await,
        None => std::future::pending().await,
    }
}

async fn serve_one(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    client_name: Option<&ServerName<'static>>,
    receiver: &Receiver,
) -> Result<()> {
    let Some(tls) = tls else {
        return serve_http(stream, receiver).await;
    };
    let shaken = timeout(PATIENCE, tls.accept(stream)).await;
    let stream = shaken.context("no handshake in time")??;
    if let Some(name) = client_name {
        let (_, session) = stream.get_ref();
        let shown = session.peer_certificates().and_then(<[_]>::first);
        let shown = shown.context("the sender has no certificate")?;
        verify_server_name(&ParsedCertificate::try_from(shown)?, name)
            .context("the sender's certificate is for another name")?;
    }
    serve_http(stream, receiver).await
}

async fn serve_http(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    receiver: &Receiver,
) -> Result<()> {
    let answer = service_fn(async |request| {
        Ok::<_, std::convert::Infallible>(receiver.answer(request).await)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_FIELDS)
        .serve_connection(TokioIo::new(stream), answer)
        .await
        .map_err(|error| anyhow!(error))
}

/// What handshakes are made with, if a certificate is given.
fn tls(args: &Listen) -> Result<Option<TlsAcceptor>> {
    let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) else {
        return Ok(None);
    };
    let chain = certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("cannot read the private key in {}", key.display()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let config = config.with_safe_default_protocol_versions()?;
    let config = match &args.client_ca {
        None => config.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(file)? {
                roots.add(certificate).with_context(|| {
                    format!("a certificate in {} is no issuer's", file.display())
                })?;
            }
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
            config.with_client_cert_verifier(verifier)
        }
    };
    let config = config.with_single_cert(chain, key);
    let config = config.context("the certificate and the private key do not fit together")?;
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let doing = || format!("cannot read certificates in {}", file.display());
    let read = CertificateDer::pem_file_iter(file).with_context(doing)?;
    let certificates: Vec<_> = read.collect::<Result<_, _>>().with_context(doing)?;
    if certificates.is_empty() {
        return Err(anyhow!("there is no certificate in {}", file.display()));
    }
    Ok(certificates)
}
