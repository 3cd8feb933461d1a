//! What tests of webhooks need: a server that takes them, and one that breaks off.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lockgate::receiver::Receiver;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A server that hands its requests to a receiver. It ends with this value.
#[derive(Debug)]
pub struct Door {
    origin: String,
    cut: Arc<AtomicUsize>,
    _server: JoinSet<()>,
}

impl Door {
    /// Opens on a free port of loopback.
    pub async fn open(receiver: &Receiver) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let cut = Arc::new(AtomicUsize::new(0));
        let (receiver, cutting) = (receiver.clone(), Arc::clone(&cut));
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (receiver, cutting) = (receiver.clone(), Arc::clone(&cutting));
                connections.spawn(async move {
                    let answer = service_fn(async |request| {
                        let answer = receiver.answer(request).await;
                        let take = |left: usize| left.checked_sub(1);
                        let cuts = cutting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
                        match cuts {
                            Ok(_) => Err("cut off before the answer"),
                            Err(_) => Ok::<hyper::Response<Full<_>>, _>(answer),
                        }
                    });
                    // A connection that broke off is what some tests want.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), answer)
                        .await;
                });
            }
        });
        Self {
            origin,
            cut,
            _server: server,
        }
    }

    /// Where it is.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Breaks the next connections off when the request was taken and before it is
    /// answered, as a crash does.
    pub fn cut_next(&self, count: usize) {
        self.cut.store(count, Ordering::SeqCst);
    }
}
