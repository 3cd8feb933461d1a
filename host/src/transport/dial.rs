//! Connections for exchanges: one each, HTTP/2 over TLS, or without TLS where a
//! local connection says http. Names and addresses go through the same guard as
//! those of requests.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use reqwest::header::HeaderValue;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::address::AddressPolicy;
use super::client::{TransportConfig, TransportSetupError, host_of, refused};
use super::error::{TransportError, clean, innermost};
use super::exchange::Outbound;
use super::resolve::{Guard, ResolveError, Rule};

/// How often an idle connection is asked for a sign of life: the most that gRPC
/// servers allow unless they are told otherwise.
const PING_EVERY: Duration = Duration::from_secs(300);

/// How long it has for an answer.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How much the other side may send ahead of its reader, in bytes.
const WINDOW_BYTES: u32 = 256 * 1024;

/// Bytes of header fields and trailers.
const MAX_FIELDS_BYTES: u32 = 16 * 1024;

/// Opens connections for exchanges.
#[derive(Clone)]
pub(super) struct Dialer {
    tls: TlsConnector,
    public: Guard,
    local: Guard,
    pub(super) user_agent: HeaderValue,
}

trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

impl Dialer {
    pub(super) fn new(
        mut tls: ClientConfig,
        config: &TransportConfig,
    ) -> Result<Self, TransportSetupError> {
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let guard = |rule| Guard::new(Arc::clone(&config.resolver), rule);
        Ok(Self {
            tls: TlsConnector::from(Arc::new(tls)),
            public: guard(Rule::Public),
            local: guard(Rule::Local),
            user_agent: HeaderValue::try_from(&config.user_agent)
                .map_err(|error| TransportSetupError::Client(error.to_string()))?,
        })
    }

    /// A connection to the origin of `url`, whose rules were checked.
    pub(super) async fn dial(
        &self,
        url: &Url,
        policy: &AddressPolicy,
    ) -> Result<(SendRequest<Outbound>, Running), TransportError> {
        let unreachable = |cause: String| TransportError::Unreachable {
            host: host_of(url),
            cause,
        };
        let socket = self.connect(url, policy).await?;
        let socket: Box<dyn Socket> = if url.scheme() == "https" {
            let name = match url.host() {
                Some(Host::Domain(name)) => ServerName::try_from(name.to_owned())
                    .map_err(|error| unreachable(error.to_string()))?,
                Some(Host::Ipv4(address)) => ServerName::from(IpAddr::V4(address)),
                Some(Host::Ipv6(address)) => ServerName::from(IpAddr::V6(address)),
                None => return Err(refused(url, super::Refusal::Name)),
            };
            let socket = self.tls.connect(name, socket).await;
            let socket = socket.map_err(|error| unreachable(innermost(&error)))?;
            if socket.get_ref().1.alpn_protocol() != Some(b"h2") {
                return Err(unreachable("it does not speak HTTP/2".to_owned()));
            }
            Box::new(socket)
        } else {
            Box::new(socket)
        };
        let running = Running(Arc::new(Mutex::new(Some(Vec::new()))));
        let (sender, connection) = Builder::new(running.clone())
            .timer(TokioTimer::new())
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_header_list_size(MAX_FIELDS_BYTES)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(|error| unreachable(innermost(&error)))?;
        running.spawn(async move {
            // Whoever waits for an answer is told the same.
            let _ = connection.await;
        });
        Ok((sender, running))
    }

    async fn connect(
        &self,
        url: &Url,
        policy: &AddressPolicy,
    ) -> Result<TcpStream, TransportError> {
        let guard = match policy {
            AddressPolicy::Public => &self.public,
            AddressPolicy::Local { .. } => &self.local,
        };
        let addresses = match url.host() {
            Some(Host::Domain(name)) => guard.addresses(name).await,
            // These were checked with the rules.
            Some(Host::Ipv4(address)) => Ok(vec![SocketAddr::from((address, 0))]),
            Some(Host::Ipv6(address)) => Ok(vec![SocketAddr::from((address, 0))]),
            None => return Err(refused(url, super::Refusal::Name)),
        };
        let addresses = addresses.map_err(|error| match error {
            ResolveError::Refused(reason) => refused(url, reason),
            failed @ ResolveError::Failed(_) => TransportError::Unreachable {
                host: host_of(url),
                cause: clean(&failed.to_string()),
            },
        })?;
        let port = url.port_or_known_default().unwrap_or_default();
        let mut cause = String::new();
        for mut address in addresses {
            address.set_port(port);
            match TcpStream::connect(address).await {
                Ok(socket) => {
                    // Only speed is lost without it.
                    let _ = socket.set_nodelay(true);
                    return Ok(socket);
                }
                Err(error) => cause = innermost(&error),
            }
        }
        let host = host_of(url);
        Err(TransportError::Unreachable { host, cause })
    }
}

/// The tasks of one connection, which end when [`Self::stop`] is called.
#[derive(Clone)]
pub(super) struct Running(Arc<Mutex<Option<Vec<AbortHandle>>>>);

impl Running {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // A task that another one begins while it is stopped never runs.
        if let Some(tasks) = &mut *self.lock() {
            tasks.push(tokio::spawn(task).abort_handle());
        }
    }

    pub(super) fn stop(&self) {
        for task in self.lock().take().unwrap_or_default() {
            task.abort();
        }
    }

    /// A panic of another holder leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, Option<Vec<AbortHandle>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> hyper::rt::Executor<F> for Running
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.spawn(async move {
            let _ = task.await;
        });
    }
}
