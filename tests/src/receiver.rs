//! An app that takes webhooks: a real HTTP server on loopback that verifies what comes
//! with the secret, and answers as it is told to.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use lockgate::webhook::{Secret, verify};
use serde_json::Value as Json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The longest wait for something that has to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// The app. It ends with this value.
#[derive(Debug)]
pub struct Receiver {
    origin: String,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    secrets: Mutex<Vec<Secret>>,
    answers: Mutex<VecDeque<Answer>>,
    standing: Mutex<Answer>,
    came: watch::Sender<Vec<Came>>,
    /// Whether requests are answered at all.
    is_open: watch::Sender<bool>,
}

/// How a request is answered.
#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    location: Option<&'static str>,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Came {
    /// The path and the query.
    pub target: String,
    /// The id under which it was signed, if the signature is right.
    pub verified: Result<String, String>,
    /// How many signatures it bears.
    pub signatures: usize,
    /// The body as it came.
    pub bytes: Bytes,
    /// The body as JSON.
    pub body: Json,
    /// The status that it was answered with.
    pub answered: u16,
}

impl Came {
    /// The id, of a request whose signature must be right.
    #[track_caller]
    pub fn id(&self) -> &str {
        self.verified.as_deref().unwrap()
    }
}

impl Receiver {
    /// Starts on a free port, and answers everything with 204.
    pub async fn start(secret: &Secret) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let taken = Answer {
            status: 204,
            location: None,
        };
        let shared = Arc::new(Shared {
            secrets: Mutex::new(vec![secret.clone()]),
            answers: Mutex::default(),
            standing: Mutex::new(taken),
            came: watch::Sender::new(Vec::new()),
            is_open: watch::Sender::new(true),
        });
        let mut server = JoinSet::new();
        let of_all = Arc::clone(&shared);
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&of_all);
                connections.spawn(async move {
                    let answer = service_fn(|request| answer(&shared, request));
                    // A connection that the other side broke off is no fault.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), answer)
                        .await;
                });
            }
        });
        Self {
            origin,
            shared,
            _server: server,
        }
    }

    /// Where webhooks are to be sent.
    pub fn url(&self) -> String {
        format!("{}/hooks", self.origin)
    }

    /// Knows another secret in the place of those that it knew.
    pub fn knows(&self, secret: &Secret) {
        *self.shared.secrets.lock().unwrap() = vec![secret.clone()];
    }

    /// Answers so from now on.
    pub fn answers(&self, status: u16) {
        *self.shared.standing.lock().unwrap() = Answer {
            status,
            location: None,
        };
    }

    /// Answers the next requests so, one after the other, before it does as ever.
    pub fn answers_next(&self, statuses: &[u16]) {
        let answers = statuses.iter().map(|&status| Answer {
            status,
            location: (300..400).contains(&status).then_some("/elsewhere"),
        });
        self.shared.answers.lock().unwrap().extend(answers);
    }

    /// Answers nothing until it is opened again.
    pub fn close(&self) {
        self.shared.is_open.send_replace(false);
    }

    /// Answers again, also what has waited.
    pub fn open(&self) {
        self.shared.is_open.send_replace(true);
    }

    /// All that came so far, in the order in which it came.
    pub fn came(&self) -> Vec<Came> {
        self.shared.came.borrow().clone()
    }

    /// Waits until so many requests have come, and gives all.
    #[track_caller]
    pub fn until(&self, count: usize) -> impl Future<Output = Vec<Came>> {
        let mut came = self.shared.came.subscribe();
        async move {
            let enough = came.wait_for(|came| came.len() >= count);
            match timeout(PATIENCE, enough).await {
                Ok(came) => came.unwrap().clone(),
                Err(_) => panic!("fewer than {count} requests came"),
            }
        }
    }
}

async fn answer(
    shared: &Shared,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let bytes = body.collect().await.map(|body| body.to_bytes());
    let Ok(bytes) = bytes else {
        // It broke off: nothing came.
        return Ok(Response::new(Full::default()));
    };
    let answer = shared.answers.lock().unwrap().pop_front();
    let answer = answer.unwrap_or_else(|| shared.standing.lock().unwrap().clone());
    let came = Came {
        target: head.uri.to_string(),
        verified: verified(shared, &head.headers, &bytes),
        signatures: head.headers["webhook-signature"]
            .to_str()
            .unwrap()
            .split(' ')
            .count(),
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
        bytes,
        answered: answer.status,
    };
    shared.came.send_modify(|all| all.push(came));
    let mut is_open = shared.is_open.subscribe();
    let _ = is_open.wait_for(|is_open| *is_open).await;
    let mut response = Response::builder().status(answer.status);
    if let Some(location) = answer.location {
        response = response.header("location", location);
    }
    Ok(response.body(Full::default()).unwrap())
}

fn verified(shared: &Shared, headers: &HeaderMap, body: &[u8]) -> Result<String, String> {
    let header = |name: &str| headers.get(name).map(hyper::header::HeaderValue::as_bytes);
    let secrets = shared.secrets.lock().unwrap().clone();
    let verified = verify(&secrets, header, body, SystemTime::now());
    verified
        .map(|verified| verified.id)
        .map_err(|error| error.to_string())
}
