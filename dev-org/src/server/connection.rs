//! One connection from accept to close: TLS when asked for, then HTTP/1.1 or,
//! for gRPC, HTTP/2 without an upgrade, with a switch by which a fault closes it
//! in the middle of anything.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio_rustls::TlsAcceptor;

use crate::http::front;
use crate::pubsub;
use crate::state::Shared;

/// A client that has not finished its handshake by then never will.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// Above the 16,384 bytes that Salesforce allows, so that the front can
/// answer too long headers with Salesforce's own page.
const READ_BUFFER: usize = 256 * 1024;

/// What every connection needs.
pub(super) struct Serve {
    pub(super) shared: Arc<Shared>,
    pub(super) face: Face,
    pub(super) acceptor: Option<TlsAcceptor>,
}

/// What is at an address.
pub(super) enum Face {
    /// REST, SOAP, logins and the control API.
    Http(Router),
    /// The Pub/Sub API.
    PubSub,
}

impl Serve {
    pub(super) async fn connection(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        stopped: watch::Receiver<bool>,
    ) {
        // Answers are written whole; waiting for more would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let Some(acceptor) = &self.acceptor else {
            return self.talk(stream, peer, stopped).await;
        };
        match tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => self.talk(stream, peer, stopped).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        }
    }

    async fn talk<S>(&self, stream: S, peer: SocketAddr, stopped: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match &self.face {
            Face::Http(router) => self.http(router, stream, peer, stopped).await,
            Face::PubSub => self.pubsub(stream, stopped).await,
        }
    }

    async fn pubsub<S>(&self, stream: S, mut stopped: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let kill = Arc::new(Notify::new());
        let service = service_fn(|request| {
            pubsub::serve(Arc::clone(&self.shared), request, Arc::clone(&kill))
        });
        let mut connection = pin!(
            http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
        );
        loop {
            tokio::select! {
                _ = connection.as_mut() => return,
                () = kill.notified() => return,
                _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
            }
        }
    }

    async fn http<S>(
        &self,
        router: &Router,
        stream: S,
        peer: SocketAddr,
        mut stopped: watch::Receiver<bool>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let kill = Arc::new(Notify::new());
        let service = service_fn(|request| {
            front::serve(
                Arc::clone(&self.shared),
                router.clone(),
                request,
                front::Peer {
                    addr: peer,
                    kill: Arc::clone(&kill),
                },
            )
        });
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .max_buf_size(READ_BUFFER)
                .serve_connection(TokioIo::new(stream), service)
        );
        loop {
            tokio::select! {
                // Ends here on close and on errors, which are the client's.
                _ = connection.as_mut() => return,
                () = kill.notified() => return,
                _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
            }
        }
    }
}
