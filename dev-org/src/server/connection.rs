//! One connection from accept to close: TLS when asked for, then HTTP/1.1 or
//! HTTP/2, which gRPC speaks, with a switch by which a fault closes it in the
//! middle of anything.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
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
    /// REST, SOAP, logins and the control API.
    pub(super) router: Router,
    pub(super) acceptor: Option<TlsAcceptor>,
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

    async fn talk<S>(&self, stream: S, peer: SocketAddr, mut stopped: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let kill = Arc::new(Notify::new());
        let (shared, router) = (Arc::clone(&self.shared), self.router.clone());
        let to_kill = Arc::clone(&kill);
        let service = service_fn(move |request| {
            let kill = Arc::clone(&to_kill);
            let from = front::Peer { addr: peer, kill };
            answer(Arc::clone(&shared), router.clone(), request, from)
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http2().timer(TokioTimer::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .max_buf_size(READ_BUFFER);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
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

/// Answers a request, whichever protocol it came by.
async fn answer(
    shared: Arc<Shared>,
    router: Router,
    request: Request<Incoming>,
    from: front::Peer,
) -> Result<Response<Body>, Infallible> {
    let kind = request.headers().get(CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")) {
        let answer = pubsub::serve(shared, request, from.kill).await?;
        return Ok(answer.map(Body::new));
    }
    front::serve(shared, router, request, from).await
}
