//! An app of the user's, in the process of the recipe: takes signed webhooks over HTTP,
//! each once by its id.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::routing::post;
use lockgate::webhook::{Secret, verify};
use serde_json::Value as Json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The longest wait for a webhook.
const PATIENCE: Duration = Duration::from_secs(60);

/// The app. It ends with this value.
pub(super) struct App {
    url: String,
    shared: Arc<Shared>,
    came: mpsc::UnboundedReceiver<Json>,
    serving: JoinHandle<()>,
}

struct Shared {
    secret: Secret,
    known: Mutex<Known>,
    came: mpsc::UnboundedSender<Json>,
}

/// What the app has seen.
#[derive(Default)]
struct Known {
    /// How often each id came.
    tries: BTreeMap<String, u32>,
    /// What it has taken.
    taken: BTreeSet<String>,
    /// Whether it fails the next time.
    fails: bool,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Starts to listen; `secret` is what webhooks to it are signed with.
    pub(super) async fn start(secret: Secret) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/webhooks", listener.local_addr()?);
        let (told, came) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            secret,
            known: Mutex::default(),
            came: told,
        });
        let router = Router::new()
            .route("/webhooks", post(take))
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!(%error, "the app ended");
            }
        });
        Ok(Self {
            url,
            shared,
            came,
            serving,
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Has it fail once, as apps do now and then.
    pub(super) fn fail_once(&self) {
        self.shared.known().fails = true;
    }

    /// The most tries that any webhook has taken so far.
    pub(super) fn most_tries(&self) -> u32 {
        let known = self.shared.known();
        known.tries.values().copied().max().unwrap_or(0)
    }

    /// How many webhooks it has taken.
    pub(super) fn taken(&self) -> usize {
        self.shared.known().taken.len()
    }

    /// The body of the next webhook of this type.
    pub(super) async fn next(&mut self, kind: &str) -> Result<Json> {
        let next = async {
            loop {
                let body = self.came.recv().await.context("the app has ended")?;
                if body.get("type").is_some_and(|found| found == kind) {
                    return Ok(body);
                }
            }
        };
        let next = tokio::time::timeout(PATIENCE, next).await;
        next.with_context(|| format!("no webhook {kind} came"))?
    }
}

async fn take(State(app): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    let secrets = std::slice::from_ref(&app.secret);
    let Ok(verified) = verify(secrets, header, &body, SystemTime::now()) else {
        return StatusCode::UNAUTHORIZED;
    };
    let Ok(body) = serde_json::from_slice(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut known = app.known();
    *known.tries.entry(verified.id.clone()).or_default() += 1;
    if std::mem::take(&mut known.fails) {
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    // It comes at least once: what was taken is not taken again.
    if known.taken.insert(verified.id) && app.came.send(body).is_err() {
        return StatusCode::GONE;
    }
    StatusCode::NO_CONTENT
}
