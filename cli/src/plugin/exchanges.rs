//! A product that is played: a server on loopback that gives the answers of
//! `exchanges.json`, and writes down what differs from it.
//!
//! The connector speaks to it as to the real one, through all that the host does: it
//! logs in, adds the token, follows its rules, and reads special answers.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use lockgate::manifest::AuthManifest;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The token that every login gets.
const TOKEN: &str = "golden-token";

/// A request and its answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exchange {
    request: Request,
    response: Answer,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    method: String,
    /// With its query, as it goes over the wire.
    path: String,
    /// The body, as JSON; without it any body will do.
    #[serde(default)]
    body: Option<Json>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    status: u16,
    #[serde(default)]
    headers: Map<String, Json>,
    /// A text goes as it is, anything else as JSON.
    #[serde(default)]
    body: Json,
}

/// What the server has of the play.
struct Play {
    auth: AuthManifest,
    origin: String,
    left: Mutex<VecDeque<Exchange>>,
    /// What was asked for and is not in the play.
    strange: Mutex<Vec<String>>,
    /// Requests so far, logins not among them.
    asked: AtomicUsize,
}

/// The server at work. It ends with this value.
pub(super) struct Product {
    play: Arc<Play>,
    serving: JoinHandle<()>,
}

impl Product {
    pub(super) async fn start(auth: &AuthManifest, exchanges: Vec<Exchange>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("cannot listen on loopback")?;
        let play = Arc::new(Play {
            auth: auth.clone(),
            origin: format!("http://{}", listener.local_addr()?),
            left: Mutex::new(exchanges.into()),
            strange: Mutex::default(),
            asked: AtomicUsize::new(0),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&play));
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!(%error, "the product that is played has stopped");
            }
        });
        Ok(Self { play, serving })
    }

    /// Where it is.
    pub(super) fn origin(&self) -> &str {
        &self.play.origin
    }

    /// Requests so far, logins not among them.
    pub(super) fn asked(&self) -> usize {
        self.play.asked.load(Ordering::Relaxed)
    }

    /// How what was asked for differs from the play; empty if it does not.
    pub(super) fn difference(&self) -> Vec<String> {
        let mut difference = lock(&self.play.strange).clone();
        for exchange in lock(&self.play.left).iter() {
            let Request { method, path, .. } = &exchange.request;
            difference.push(format!("was not asked for: {method} {path}"));
        }
        difference
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    State(play): State<Arc<Play>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if uri.path() == play.auth.token_path {
        return axum::Json(token(&play)).into_response();
    }
    play.asked.fetch_add(1, Ordering::Relaxed);
    let path = uri
        .path_and_query()
        .map_or_else(|| uri.path(), |path| path.as_str());
    if !has_token(&play.auth, &headers) {
        lock(&play.strange).push(format!("came without the token: {method} {path}"));
    }
    let body: Option<Json> = serde_json::from_slice(&body).ok();
    let mut left = lock(&play.left);
    // Requests may be under way together: the first that fits, not the next.
    let at = left.iter().position(|Exchange { request, .. }| {
        request.method == method.as_str()
            && request.path == path
            && (request.body.is_none() || request.body == body)
    });
    if let Some(exchange) = at.and_then(|at| left.remove(at)) {
        return exchange.response.into_response();
    }
    let with = body.map_or_else(String::new, |body| format!(" with {body}"));
    lock(&play.strange).push(format!("is not in exchanges.json: {method} {path}{with}"));
    StatusCode::NOT_IMPLEMENTED.into_response()
}

/// The answer to a login, in the words of the manifest.
fn token(play: &Play) -> Json {
    let mut token = Map::new();
    let mut member = |name: &str, value: Json| token.insert(name.to_owned(), value);
    member("access_token", json!(TOKEN));
    member("token_type", json!("Bearer"));
    if let Some(name) = &play.auth.origin_member {
        member(name, json!(play.origin));
    }
    if let Some(name) = &play.auth.identity_member {
        member(name, json!(format!("{}/golden/user", play.origin)));
    }
    Json::Object(token)
}

fn has_token(auth: &AuthManifest, headers: &HeaderMap) -> bool {
    let value = headers.get(auth.token_header.as_str());
    value
        .is_some_and(|value| value.as_bytes() == format!("{}{TOKEN}", auth.token_prefix).as_bytes())
}

impl Answer {
    fn into_response(self) -> Response {
        let (kind, body) = match self.body {
            Json::Null => ("text/plain", Body::empty()),
            Json::String(text) => ("text/plain", Body::from(text)),
            json => ("application/json", Body::from(json.to_string())),
        };
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        for (name, value) in &self.headers {
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
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
