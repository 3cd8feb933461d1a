//! A small HTTP/1.1 server on loopback, for tests: real sockets, scripted
//! answers, and a record of what came in.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) connection: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The fields of a form body.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.body.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }
}

/// One part of a scripted answer.
pub(crate) enum Step {
    /// Bytes, as they are.
    Send(Vec<u8>),
    /// A wait for something, for instance a permit or a timer.
    Wait(BoxFuture<'static, ()>),
    /// Hang up.
    Close,
}

/// An answer with a head and a whole body.
pub(crate) fn reply(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<Step> {
    let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    vec![Step::Send([head.as_bytes(), body].concat())]
}

/// A JSON answer.
pub(crate) fn json(status: u16, body: &str) -> Vec<Step> {
    reply(
        status,
        &[("content-type", "application/json")],
        body.as_bytes(),
    )
}

/// The server; it ends with the runtime of its test.
#[derive(Clone)]
pub(crate) struct Loopback {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
}

impl Loopback {
    pub(crate) async fn start<F>(answer: F) -> Self
    where
        F: Fn(Seen) -> Vec<Step> + Send + Sync + 'static,
    {
        Self::start_with(answer, |stream| async move { Some(stream) }).await
    }

    /// With a handshake before HTTP, such as TLS.
    pub(crate) async fn start_with<F, H, R, S>(answer: F, handshake: H) -> Self
    where
        F: Fn(Seen) -> Vec<Step> + Send + Sync + 'static,
        H: Fn(tokio::net::TcpStream) -> R + Send + Sync + 'static,
        R: Future<Output = Option<S>> + Send,
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
        };
        let seen = Arc::clone(&server.seen);
        let answer = Arc::new(answer);
        let handshake = Arc::new(handshake);
        tokio::spawn(async move {
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                let handshake = Arc::clone(&handshake);
                tokio::spawn(async move {
                    if let Some(stream) = handshake(stream).await {
                        converse(stream, connection, &*answer, &seen).await;
                    }
                });
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.address)).unwrap()
    }

    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn converse<S, F>(mut stream: S, connection: usize, answer: &F, seen: &Mutex<Vec<Seen>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Fn(Seen) -> Vec<Step>,
{
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer, connection).await {
        seen.lock().unwrap().push(request.clone());
        for step in answer(request) {
            match step {
                Step::Send(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                    let _ = stream.flush().await;
                }
                Step::Wait(event) => event.await,
                Step::Close => {
                    let _ = stream.shutdown().await;
                    return;
                }
            }
        }
    }
}

async fn read_request<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
    connection: usize,
) -> Option<Seen> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, value)| value.parse().unwrap());
    while buffer.len() < head_end + length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let rest = buffer.split_off(head_end + length);
    let body = String::from_utf8_lossy(&buffer[head_end..]).into_owned();
    *buffer = rest;
    Some(Seen {
        method,
        target,
        headers,
        body,
        connection,
    })
}
