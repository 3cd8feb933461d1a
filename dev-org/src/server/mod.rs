//! The running org: listens, accepts, and stops without cutting off answers
//! that are on their way. The accept loop is our own because faults close
//! connections and TLS wraps them, which a plain `axum::serve` allows neither.

mod connection;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use self::connection::Serve;
use crate::config::Config;
use crate::control::Control;
use crate::state::Shared;
use crate::tls::{CaFile, LocalTls};

/// How long `stop` waits for answers on their way.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Pause after a failed accept: the usual cause is a lack of file handles,
/// which a tight loop would only make worse.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// An org that is listening. Dropping it stops it without waiting.
pub struct DevOrg {
    shared: Arc<Shared>,
    addr: SocketAddr,
    ca_file: Option<CaFile>,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl DevOrg {
    /// Builds the org, fills it and starts to listen.
    ///
    /// # Errors
    /// When the address is taken, the schema does not parse, or the CA cannot
    /// be written.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let listener = listen(config.listen).await?;
        let addr = listener.local_addr()?;
        let tls = match config.tls {
            true => Some(LocalTls::generate(config.ca_dir.as_deref())?),
            false => None,
        };
        let scheme = if config.tls { "https" } else { "http" };
        let own = format!("{scheme}://{addr}");
        let url = config.public_url.clone().unwrap_or(own);
        let shared = Arc::new(Shared::new(config, url)?);
        let router = crate::http::router(Arc::clone(&shared));
        let (stop, stopped) = watch::channel(false);
        let (acceptor, ca_file) = match tls {
            Some(tls) => (Some(tls.acceptor), Some(tls.ca_file)),
            None => (None, None),
        };
        let serve = Serve {
            shared: Arc::clone(&shared),
            router,
            acceptor,
        };
        let outbound = crate::outbound::run(Arc::clone(&shared));
        let accepting = async move {
            tokio::join!(accept(listener, serve, stopped), outbound,);
        };
        Ok(Self {
            shared,
            addr,
            ca_file,
            stop,
            accepting: tokio::spawn(accepting),
        })
    }

    /// How clients reach it: `http://127.0.0.1:40123`. The
    /// Pub/Sub API is there as well: HTTP/2 without an upgrade, in clear or within
    /// TLS.
    pub fn url(&self) -> String {
        self.shared.base_url.clone()
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The certificate a client has to trust, when the org speaks HTTPS.
    pub fn ca_pem_path(&self) -> Option<&Path> {
        self.ca_file.as_ref().map(|file| file.path.as_path())
    }

    /// Everything the control API can do, without HTTP.
    pub fn control(&self) -> Control {
        Control::new(Arc::clone(&self.shared))
    }

    /// Ends what would not end by itself.
    fn end(&self) {
        self.stop.send_replace(true);
        self.shared.bulk.shut_down();
        self.shared.events.close();
    }

    /// Stops accepting, lets running answers end, and gives the port back.
    pub async fn stop(mut self) {
        self.end();
        // The task only ends early by a panic, which has been reported already.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for DevOrg {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for DevOrg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevOrg")
            .field("url", &self.shared.base_url)
            .finish_non_exhaustive()
    }
}

async fn listen(addr: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(addr).await;
    bound.with_context(|| format!("cannot listen on {addr}"))
}

async fn accept(listener: TcpListener, serve: Serve, mut stopped: watch::Receiver<bool>) {
    let serve = Arc::new(serve);
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => break,
            // Finished connections are reaped as they end.
            Some(_) = open.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                let serve = Arc::clone(&serve);
                let stopped = stopped.clone();
                open.spawn(async move { serve.connection(stream, peer, stopped).await });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let all_ended = async { while open.join_next().await.is_some() {} };
    // What is left after the grace is aborted when the set is dropped.
    let _ = tokio::time::timeout(STOP_GRACE, all_ended).await;
}
