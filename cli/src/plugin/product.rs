//! A product that is played: a server on loopback that gives the answers of
//! `exchanges.json`, and writes down what differs from it.
//!
//! The connector speaks to it as to the real one, through all that the host does: it
//! logs in, adds the token, follows its rules, and reads special answers. One answer may
//! be another than the file says, or not come at all: see [`Fault`].

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream::{self, StreamExt as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lockgate::manifest::{AuthManifest, SignatureRule};
use serde_json::{Map, Value as Json, json};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::exchanges::{Answer, Exchange};
use super::stand::CLIENT_SECRET;

/// What the tokens that it gives out begin with.
const TOKEN: &str = "golden-token";

/// The largest body that it takes, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// How long a body claims to be that breaks off before its first byte, in bytes.
const CLAIMED_BYTES: usize = 16;

/// What happens to a request once, in the place of its answer.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// Another answer.
    Instead(Answer),
    /// The connection ends before the answer.
    NoAnswer,
    /// The connection ends in the middle of the answer's body.
    HalfAnswer,
    /// Nothing, for as long as somebody waits for it.
    Silence,
}

/// A request that came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// Its place in `exchanges.json`, if it is there.
    pub(super) place: Option<usize>,
}

/// What the server has of the play.
struct Stage {
    auth: AuthManifest,
    origin: String,
    parts: Mutex<Vec<Part>>,
    /// Whether a request may be made again that was answered already: after a fault a
    /// call may begin anew.
    is_repeated: bool,
    /// What happens to the request in this place.
    fault: Mutex<Option<(usize, Fault)>>,
    /// What was asked for and is not in the play.
    strange: Mutex<Vec<String>>,
    /// Requests so far, logins not among them.
    asked: Mutex<Vec<Asked>>,
    bytes_out: AtomicUsize,
    n_tokens: AtomicUsize,
    /// Requests that wait in vain, and those that were given up.
    silent: watch::Sender<(usize, usize)>,
}

/// A request of the play with its answer.
struct Part {
    exchange: Exchange,
    /// It was asked for, and answered.
    is_over: bool,
}

/// The server at work. It ends with this value.
pub(super) struct Product {
    stage: Arc<Stage>,
    serving: JoinHandle<()>,
}

/// Ends a connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the play wants the connection to end")]
struct BrokenOff;

impl Part {
    const fn new(exchange: Exchange) -> Self {
        Self {
            exchange,
            is_over: false,
        }
    }
}

impl Product {
    /// Starts on a free port.
    pub(super) async fn start(
        auth: &AuthManifest,
        exchanges: &[Exchange],
        fault: Option<(usize, Fault)>,
    ) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("cannot listen on loopback")?;
        let stage = Arc::new(Stage {
            auth: auth.clone(),
            origin: format!("http://{}", listener.local_addr()?),
            parts: Mutex::new(exchanges.iter().cloned().map(Part::new).collect()),
            is_repeated: fault.is_some(),
            fault: Mutex::new(fault),
            strange: Mutex::default(),
            asked: Mutex::default(),
            bytes_out: AtomicUsize::new(0),
            n_tokens: AtomicUsize::new(0),
            silent: watch::Sender::default(),
        });
        let serving = tokio::spawn(serve(listener, Arc::clone(&stage)));
        Ok(Self { stage, serving })
    }

    /// Where it is.
    pub(super) fn origin(&self) -> &str {
        &self.stage.origin
    }

    /// Requests so far, logins not among them.
    pub(super) fn asked(&self) -> Vec<Asked> {
        lock(&self.stage.asked).clone()
    }

    /// Bytes of the bodies of answers so far.
    pub(super) fn bytes_out(&self) -> usize {
        self.stage.bytes_out.load(Ordering::Relaxed)
    }

    /// Whether the fault has happened, if there was to be one.
    pub(super) fn is_fault_over(&self) -> bool {
        lock(&self.stage.fault).is_none()
    }

    /// How what was asked for differs from the play; empty if it does not.
    pub(super) fn difference(&self) -> Vec<String> {
        let mut difference = lock(&self.stage.strange).clone();
        let parts = lock(&self.stage.parts);
        for part in parts.iter().filter(|part| !part.is_over) {
            let request = &part.exchange.request;
            difference.push(format!(
                "was not asked for: {} {}",
                request.method, request.path
            ));
        }
        difference
    }

    /// Waits until a request waits in vain.
    pub(super) async fn until_silent(&self) {
        let mut silent = self.stage.silent.subscribe();
        // It ends only with this value.
        let _ = silent.wait_for(|(waiting, _)| *waiting > 0).await;
    }

    /// Waits until nobody waits for that answer any more.
    pub(super) async fn until_given_up(&self) {
        let mut silent = self.stage.silent.subscribe();
        let _ = silent.wait_for(|(_, given_up)| *given_up > 0).await;
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, stage: Arc<Stage>) {
    let mut connections = JoinSet::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the product that is played has stopped");
                return;
            }
        };
        let stage = Arc::clone(&stage);
        connections.spawn(async move {
            let answer = service_fn(move |request| {
                let stage = Arc::clone(&stage);
                async move { answer(&stage, request).await }
            });
            // Connections end as the play wants it, or with the other side.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

async fn answer(stage: &Stage, request: Request<Incoming>) -> Result<Response<Body>, BrokenOff> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(Body::new(body), MAX_BODY_BYTES).await;
    let body = body.map_err(|_| BrokenOff)?;
    if head.uri.path() == stage.auth.token_path {
        return Ok(login(stage));
    }
    let path = head.uri.path_and_query();
    let path = path.map_or_else(|| head.uri.path(), |path| path.as_str());
    match stage.reply(head.method.as_str(), path, &head.headers, &body) {
        Reply::Answer(answer) => Ok(stage.response(&answer)),
        Reply::Half(answer) => Ok(half(&answer)),
        Reply::Nothing => Err(BrokenOff),
        Reply::Silence => Err(stage.wait_in_vain().await),
    }
}

/// What becomes of a request.
enum Reply {
    Answer(Answer),
    Half(Answer),
    Nothing,
    Silence,
}

impl Stage {
    fn reply(&self, method: &str, path: &str, headers: &HeaderMap, body: &Bytes) -> Reply {
        if !self.has_token(headers) {
            lock(&self.strange).push(format!("came without the token: {method} {path}"));
        }
        let mut parts = lock(&self.parts);
        // Requests may be under way together: the first that fits, not the next.
        let find = |is_over: bool| {
            let mut parts = parts.iter();
            parts.position(|part| {
                part.is_over == is_over && part.exchange.request.is(method, path, body)
            })
        };
        let place = find(false).or_else(|| find(true).filter(|_| self.is_repeated));
        lock(&self.asked).push(Asked { place });
        let found = place.and_then(|place| Some((place, parts.get_mut(place)?)));
        let Some((place, part)) = found else {
            let with = match body.is_empty() {
                true => String::new(),
                false => format!(" with {}", String::from_utf8_lossy(body)),
            };
            lock(&self.strange).push(format!("is not in exchanges.json: {method} {path}{with}"));
            return Reply::Answer(Answer {
                status: StatusCode::NOT_IMPLEMENTED.as_u16(),
                headers: Map::new(),
                body: Json::Null,
            });
        };
        let fault = lock(&self.fault).take_if(|(faulty, _)| *faulty == place);
        // The exchange stays in the play: the same request may come again.
        match fault.map(|(_, fault)| fault) {
            Some(Fault::Instead(answer)) => Reply::Answer(answer),
            Some(Fault::NoAnswer) => Reply::Nothing,
            Some(Fault::HalfAnswer) => Reply::Half(part.exchange.response.clone()),
            Some(Fault::Silence) => Reply::Silence,
            None => {
                part.is_over = true;
                Reply::Answer(part.exchange.response.clone())
            }
        }
    }

    fn response(&self, answer: &Answer) -> Response<Body> {
        let (kind, body) = answer.content();
        self.bytes_out.fetch_add(body.len(), Ordering::Relaxed);
        with_head(answer, kind, Body::from(body))
    }

    async fn wait_in_vain(&self) -> BrokenOff {
        struct GivenUp<'a>(&'a Stage);
        impl Drop for GivenUp<'_> {
            fn drop(&mut self) {
                self.0.silent.send_modify(|(_, given_up)| *given_up += 1);
            }
        }
        let _given_up = GivenUp(self);
        self.silent.send_modify(|(waiting, _)| *waiting += 1);
        std::future::pending().await
    }

    /// Whether a request bears a token that was given out.
    fn has_token(&self, headers: &HeaderMap) -> bool {
        let value = headers.get(self.auth.token_header.as_str());
        let value = value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        (1..=self.n_tokens.load(Ordering::Relaxed))
            .any(|number| value == format!("{}{TOKEN}-{number}", self.auth.token_prefix))
    }
}

/// The answer to a login, in the words of the manifest: each with a token of its own.
fn login(stage: &Stage) -> Response<Body> {
    let number = stage.n_tokens.fetch_add(1, Ordering::Relaxed) + 1;
    let mut token = Map::new();
    let mut member = |name: &str, value: Json| token.insert(name.to_owned(), value);
    member("access_token", json!(format!("{TOKEN}-{number}")));
    member("token_type", json!("Bearer"));
    if let Some(name) = &stage.auth.origin_member {
        member(name, json!(stage.origin));
    }
    if let Some(name) = &stage.auth.identity_member {
        member(name, json!(format!("{}/golden/user", stage.origin)));
    }
    if let Some(rule) = &stage.auth.signature {
        let signed = sign(rule, &mut token);
        token.extend(signed.map(|signed| (rule.member.clone(), json!(signed))));
    }
    let mut response = Response::new(Body::from(Json::Object(token).to_string()));
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The signature over a token answer, whose missing members are made up.
fn sign(rule: &SignatureRule, token: &mut Map<String, Json>) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(CLIENT_SECRET.as_bytes()).ok()?;
    for name in &rule.over {
        let value = token.entry(name.as_str()).or_insert_with(|| json!("1"));
        mac.update(value.as_str().unwrap_or_default().as_bytes());
    }
    Some(STANDARD.encode(mac.finalize().into_bytes()))
}

/// An answer whose body breaks off in its middle.
fn half(answer: &Answer) -> Response<Body> {
    let (kind, mut body) = answer.content();
    let claimed = match body.len() {
        0 => CLAIMED_BYTES,
        length => length,
    };
    body.truncate(claimed / 2);
    let breaks_off = stream::once(async {
        // What was given goes out before the connection ends.
        tokio::task::yield_now().await;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    let parts = stream::iter([Ok(Bytes::from(body))]).chain(breaks_off);
    let mut response = with_head(answer, kind, Body::from_stream(parts));
    let claimed = HeaderValue::from(claimed);
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, claimed);
    response
}

fn with_head(answer: &Answer, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in &answer.headers {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        if let (Ok(name), Ok(value)) = (
            HeaderName::try_from(name.as_str()),
            HeaderValue::try_from(value),
        ) {
            headers.insert(name, value);
        }
    }
    response
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
