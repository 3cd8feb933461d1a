//! A product on loopback that speaks gRPC: it gives out a token, and has a method
//! for each way in which an exchange can go.
//!
//! - `Echo`: what is said
//! - `Lazy`: the same, and no answer before something is said
//! - `Tell`: its metadata as one message, and once more in its trailers
//! - `Refuse`: a status and an error code at once
//! - `Proxy`: an answer that is not gRPC
//! - `Expire`: a message, and then that the session is over
//! - `Flood`: messages without end
//! - `Hold`: a message, and then nothing, without end
//! - `Break`: a message, and then the connection is gone
//! - `Half`: the end in the midst of a message
//! - `Long`: the head of a message of more than 4 MiB
//! - `Packed`: a message that is compressed

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http_body_util::{BodyStream, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use lockgate::{Connection, Flow, LoginTo, NewConnection, Package};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::sandbox::TestHost;

/// The tenant at the product, as the token answer names it.
pub const TENANT_ID: &str = "ORG0000000000001";

/// One message of `Flood`, in bytes.
pub const FLOOD_BYTES: u64 = 64 * 1024;

/// The server. It ends with this value.
#[derive(Debug)]
pub struct Events {
    origin: String,
    seen: Arc<Seen>,
    _server: JoinSet<()>,
}

/// What reached the server, and what it is like now.
#[derive(Debug, Default)]
struct Seen {
    /// Metadata of exchanges by name, the method as `:method`.
    exchanges: Mutex<Vec<BTreeMap<String, String>>>,
    flooded_bytes: AtomicU64,
    /// Which token is good.
    session: AtomicU64,
    tokens_given: AtomicU64,
    accepts_nobody: AtomicBool,
    closed: watch::Sender<usize>,
}

/// Why a body breaks off.
#[derive(Debug)]
struct Gone;

impl std::fmt::Display for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("gone")
    }
}

impl std::error::Error for Gone {}

type Part = Result<Frame<Bytes>, Gone>;
type Answer = Response<StreamBody<BoxStream<'static, Part>>>;

impl Events {
    /// Starts on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let mut server = JoinSet::new();
        let shared = Arc::clone(&seen);
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    let answer = move |request| answer(request, address, Arc::clone(&shared));
                    // A connection that the other side broke off is no fault.
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(socket), service_fn(answer))
                        .await;
                });
            }
        });
        Self {
            origin: format!("http://{address}"),
            seen,
            _server: server,
        }
    }

    /// The origin.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The token that is good now.
    pub fn token(&self) -> String {
        self.seen.token()
    }

    /// All sessions so far are over.
    pub fn end_sessions(&self) {
        self.seen.session.fetch_add(1, Ordering::SeqCst);
    }

    /// No session is good any more, however new.
    pub fn accept_nobody(&self) {
        self.seen.accepts_nobody.store(true, Ordering::SeqCst);
    }

    /// How often a token was asked for.
    pub fn tokens_given(&self) -> u64 {
        self.seen.tokens_given.load(Ordering::SeqCst)
    }

    /// The metadata of all exchanges so far.
    pub fn exchanges(&self) -> Vec<BTreeMap<String, String>> {
        self.seen.exchanges.lock().unwrap().clone()
    }

    /// How much `Flood` has sent.
    pub fn flooded_bytes(&self) -> u64 {
        self.seen.flooded_bytes.load(Ordering::SeqCst)
    }

    /// Waits until so many exchanges of `Flood` and `Hold` were closed.
    pub async fn until_closed(&self, count: usize) {
        let mut closed = self.seen.closed.subscribe();
        closed.wait_for(|&now| now >= count).await.unwrap();
    }

    /// A host with this package and a connection of it to this server.
    pub async fn attacked_by(&self, package: &Package) -> (TestHost, Connection) {
        let host = TestHost::new().await;
        host.load(package).await;
        let connection = self.connect(&host, package).await;
        (host, connection)
    }

    /// Adds the connection `crm` of the tenant `acme` to this server, authorised.
    pub async fn connect(&self, host: &TestHost, package: &Package) -> Connection {
        let login = LoginTo::Local {
            origin: self.origin.clone(),
        };
        let new = NewConnection::new("acme", "crm", package.name(), login, "client")
            .client_secret("client-secret-of-the-events")
            .flow(Flow::ClientCredentials);
        let connection = host.add_connection(new).await.unwrap();
        host.authorize_client("acme", "crm").await.unwrap();
        connection
    }
}

impl Seen {
    fn token(&self) -> String {
        let session = self.session.load(Ordering::SeqCst);
        format!("events-access-token-{session}-0123456789")
    }
}

/// Counts an exchange as closed when its body is dropped.
struct Closing(Arc<Seen>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.closed.send_modify(|closed| *closed += 1);
    }
}

async fn answer(
    request: Request<Incoming>,
    address: SocketAddr,
    seen: Arc<Seen>,
) -> Result<Answer, Infallible> {
    let path = request.uri().path().to_owned();
    Ok(match path.strip_prefix("/test.Events/") {
        Some(method) => exchange(method, request, seen).await,
        None if path.contains("/oauth2/") => {
            seen.tokens_given.fetch_add(1, Ordering::SeqCst);
            let token = seen.token();
            whole(format!(
                r#"{{"access_token":"{token}","token_type":"Bearer","instance_url":"http://{address}","id":"http://{address}/id/{TENANT_ID}/USER"}}"#
            ))
        }
        None => whole("ok".to_owned()),
    })
}

async fn exchange(method: &str, request: Request<Incoming>, seen: Arc<Seen>) -> Answer {
    let (head, body) = request.into_parts();
    let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap().to_owned();
    let mut fields: BTreeMap<String, String> = head
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect();
    fields.insert(":method".to_owned(), method.to_owned());
    seen.exchanges.lock().unwrap().push(fields.clone());
    let is_known = fields.get("accesstoken") == Some(&seen.token());
    if !is_known || seen.accepts_nobody.load(Ordering::SeqCst) {
        return at_once(16, "auth.error");
    }
    let mut said = BodyStream::new(body)
        .map(|part| part.map_err(|_| Gone))
        .boxed();
    let one = || Ok(Frame::data(framed(b"one")));
    let parts: BoxStream<'static, Part> = match method {
        "Echo" => said.chain(ending(0)).boxed(),
        "Lazy" => {
            let first = said.next().await;
            stream::iter(first).chain(said).chain(ending(0)).boxed()
        }
        "Tell" => {
            let mut trailers = HeaderMap::new();
            for (name, value) in [
                ("grpc-status", "0"),
                ("x-token", &fields["accesstoken"]),
                ("set-cookie", "secret=cookie"),
                ("error-code", "none.at.all"),
            ] {
                trailers.insert(name, value.parse().unwrap());
            }
            let message = Frame::data(framed(format!("{fields:?}").as_bytes()));
            stream::iter([Ok(message), Ok(Frame::trailers(trailers))]).boxed()
        }
        "Refuse" => return at_once(7, "you.may.not"),
        "Proxy" => {
            let mut answer = whole("<html>".to_owned());
            *answer.status_mut() = hyper::StatusCode::SERVICE_UNAVAILABLE;
            return answer;
        }
        "Expire" => stream::iter([one()]).chain(ending(16)).boxed(),
        "Flood" => {
            let message = framed(&[b'f'; FLOOD_BYTES as usize]);
            let closing = Closing(Arc::clone(&seen));
            stream::repeat_with(move || {
                let _ = &closing;
                seen.flooded_bytes.fetch_add(FLOOD_BYTES, Ordering::SeqCst);
                Ok(Frame::data(message.clone()))
            })
            .boxed()
        }
        "Hold" => {
            let closing = Closing(seen);
            let nothing = stream::poll_fn(move |_| {
                let _ = &closing;
                std::task::Poll::Pending
            });
            stream::iter([one()]).chain(nothing).boxed()
        }
        "Break" => stream::iter([one(), Err(Gone)]).boxed(),
        "Half" => {
            let half = Frame::data(Bytes::from_static(b"\0\0\0\0\x64half"));
            stream::iter([Ok(half)]).chain(ending(0)).boxed()
        }
        "Long" => {
            let head = Frame::data(Bytes::from_static(b"\0\0\x40\0\x01"));
            stream::iter([Ok(head)]).chain(stream::pending()).boxed()
        }
        "Packed" => {
            let packed = Frame::data(Bytes::from_static(b"\x01\0\0\0\x01x"));
            stream::iter([Ok(packed)]).chain(ending(0)).boxed()
        }
        _ => return at_once(12, "no.such.method"),
    };
    let mut answer = Response::new(StreamBody::new(parts));
    let kind = "application/grpc".parse().unwrap();
    answer.headers_mut().insert("content-type", kind);
    answer
}

/// A message in its frame.
fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0][..], &length, message].concat().into()
}

/// Trailers with this status.
fn ending(status: u32) -> BoxStream<'static, Part> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.into());
    trailers.insert("rpc-id", "42".parse().unwrap());
    stream::iter([Ok(Frame::trailers(trailers))]).boxed()
}

/// A head that is all of the answer.
fn at_once(status: u32, code: &str) -> Answer {
    let mut answer = Response::new(StreamBody::new(stream::empty().boxed()));
    let fields = answer.headers_mut();
    fields.insert("content-type", "application/grpc".parse().unwrap());
    fields.insert("grpc-status", status.into());
    fields.insert("error-code", code.parse().unwrap());
    answer
}

/// An answer without gRPC.
fn whole(body: String) -> Answer {
    let part = Ok(Frame::data(Bytes::from(body)));
    Response::new(StreamBody::new(stream::iter([part]).boxed()))
}
