//! The routes.
//!
//! Refusals have one shape (`refusal.rs`), lists come in pages with the id to go on
//! behind, and whoever asks for changes may wait for one.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Extension, Form, Path, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::Shared;
use crate::access::Logged;
use crate::member::Member;
use crate::refusal::Refusal;
use crate::store::{Begin, Filter, Writer};

/// The largest body, in bytes.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Members in a page: at most, and if nobody says.
const MAX_PAGE: usize = 500;
const PAGE: usize = 100;
/// Members of one batch.
const MAX_BATCH: usize = 100;
/// Values of one search.
const MAX_SEARCH: usize = 200;
/// The longest that somebody waits for a change, in milliseconds.
const MAX_WAIT_MS: u64 = 30_000;

type Answer = Result<Json<Value>, Refusal>;
type Fields = Map<String, Value>;

/// Who calls.
#[derive(Clone)]
struct Client(String);

/// All routes.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let members = Router::new()
        .route("/v1/members", get(list).post(create))
        .route("/v1/members/search", post(search))
        .route("/v1/members/batch", post(batch))
        .route("/v1/members/{id}", get(read).patch(update).delete(remove))
        .route("/v1/changes", get(changes))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), admit));
    Router::new()
        .route("/oauth/token", post(token))
        .merge(members)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(shared)
}

#[derive(Deserialize)]
struct TokenForm {
    #[serde(default)]
    grant_type: String,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    client_secret: String,
}

/// The token endpoint, in the words of RFC 6749.
async fn token(State(shared): State<Arc<Shared>>, Form(form): Form<TokenForm>) -> Response {
    let refused =
        |status: StatusCode, error: &str| (status, Json(json!({ "error": error }))).into_response();
    if form.grant_type != "client_credentials" {
        return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    }
    let mut access = shared.access();
    let lifetime_s = access.token_lifetime_s();
    match access.grant(&form.client_id, &form.client_secret) {
        None => refused(StatusCode::UNAUTHORIZED, "invalid_client"),
        Some(token) => Json(json!({
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": lifetime_s,
        }))
        .into_response(),
    }
}

/// Lets in who has a token and calls left, and says with each answer how many are used.
async fn admit(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let method = request.method().to_string();
    let path = request.uri().path().to_owned();
    let mut answer = match admitted(&shared, &request) {
        Ok(client) => {
            request.extensions_mut().insert(Client(client));
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    };
    let mut access = shared.access();
    if let Ok(told) = HeaderValue::try_from(access.told()) {
        answer.headers_mut().insert("x-rate-limit", told);
    }
    let status = answer.status().as_u16();
    access.log(Logged {
        method,
        path,
        status,
    });
    answer
}

fn admitted(shared: &Shared, request: &Request) -> Result<String, Refusal> {
    let token = request.headers().get(header::AUTHORIZATION);
    let token = token.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let mut access = shared.access();
    let client = access.client(token.unwrap_or_default())?;
    access.count().map_err(|seconds| Refusal {
        retry_after_s: Some(seconds),
        ..Refusal::new(429, "rate_limited", "too many calls within an hour")
    })?;
    Ok(client)
}

#[derive(Deserialize)]
struct ListQuery {
    limit: Option<usize>,
    after: Option<String>,
    status: Option<String>,
    tag: Option<String>,
}

async fn list(State(shared): State<Arc<Shared>>, Query(asked): Query<ListQuery>) -> Answer {
    let limit = asked.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let filter = Filter {
        status: asked.status,
        tag: asked.tag,
        after: asked.after,
    };
    let store = shared.store();
    let (members, has_more) = store.list(&filter, limit);
    let next = members.last().filter(|_| has_more);
    let next = next.map(|member| member.id.clone());
    let members: Vec<Value> = members.into_iter().map(Member::json).collect();
    Ok(Json(json!({ "members": members, "next": next })))
}

async fn search(
    State(shared): State<Arc<Shared>>,
    body: Result<Json<Fields>, JsonRejection>,
) -> Answer {
    let body = object(body)?;
    let Some((field, values)) = body.iter().next().filter(|_| body.len() == 1) else {
        return Err(malformed("give one field with a list of values"));
    };
    let values: Vec<String> = values
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|value| value.as_str().map(str::to_owned))
        .collect();
    if values.is_empty() || values.len() > MAX_SEARCH {
        return Err(malformed(&format!("give 1 to {MAX_SEARCH} values")));
    }
    let store = shared.store();
    let found = store.search(field, &values)?;
    let members: Vec<Value> = found.into_iter().map(Member::json).collect();
    Ok(Json(json!({ "members": members })))
}

async fn read(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Answer {
    Ok(Json(shared.store().member(&id)?.json()))
}

async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(Client(by)): Extension<Client>,
    body: Result<Json<Fields>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let fields = object(body)?;
    let created = shared.write(&by, |writer| writer.create(&fields).map(Member::json))?;
    Ok((StatusCode::CREATED, Json(created)))
}

async fn update(
    State(shared): State<Arc<Shared>>,
    Extension(Client(by)): Extension<Client>,
    Path(id): Path<String>,
    body: Result<Json<Fields>, JsonRejection>,
) -> Answer {
    let fields = object(body)?;
    let updated = shared.write(&by, |writer| writer.update(&id, &fields).map(Member::json))?;
    Ok(Json(updated))
}

async fn remove(
    State(shared): State<Arc<Shared>>,
    Extension(Client(by)): Extension<Client>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    shared.write(&by, |writer| writer.remove(&id))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Several writes in one call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    action: Action,
    /// The field by which an upsert finds members.
    #[serde(default)]
    key: String,
    /// All or none.
    #[serde(default)]
    atomic: bool,
    members: Vec<Fields>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Create,
    Update,
    Upsert,
    Delete,
}

async fn batch(
    State(shared): State<Arc<Shared>>,
    Extension(Client(by)): Extension<Client>,
    body: Result<Json<Batch>, JsonRejection>,
) -> Answer {
    let Json(batch) = body.map_err(|rejection| malformed(&rejection.body_text()))?;
    if batch.members.len() > MAX_BATCH {
        return Err(malformed(&format!(
            "a batch has at most {MAX_BATCH} members"
        )));
    }
    let results = shared.write(&by, |writer| match batch.atomic {
        true => all_or_none(writer, &batch),
        false => batch
            .members
            .iter()
            .map(|fields| told(one(writer, &batch, fields)))
            .collect(),
    });
    Ok(Json(json!({ "results": results })))
}

/// What became of one member: what was done, and its id.
type Done = Result<(&'static str, String), Refusal>;

fn one(writer: &mut Writer<'_>, batch: &Batch, fields: &Fields) -> Done {
    let id = fields.get("id").and_then(Value::as_str).unwrap_or_default();
    match batch.action {
        Action::Create => writer.create(fields).map(|m| ("created", m.id.clone())),
        Action::Update => writer.update(id, fields).map(|m| ("updated", m.id.clone())),
        Action::Delete => writer.remove(id).map(|()| ("deleted", id.to_owned())),
        Action::Upsert => writer.upsert(&batch.key, fields).map(|(member, is_new)| {
            let outcome = if is_new { "created" } else { "updated" };
            (outcome, member.id.clone())
        }),
    }
}

fn all_or_none(writer: &mut Writer<'_>, batch: &Batch) -> Vec<Value> {
    let mut failed_at = 0;
    let done = writer.whole(|writer| {
        let mut done = Vec::with_capacity(batch.members.len());
        for (at, fields) in batch.members.iter().enumerate() {
            failed_at = at;
            done.push(one(writer, batch, fields)?);
        }
        Ok(done)
    });
    match done {
        Ok(done) => done.into_iter().map(|done| told(Ok(done))).collect(),
        Err(refusal) => (0..batch.members.len())
            .map(|at| {
                told(Err(match at == failed_at {
                    true => refusal.clone(),
                    false => Refusal::new(422, "rolled_back", "another member was refused"),
                }))
            })
            .collect(),
    }
}

fn told(done: Done) -> Value {
    match done {
        Ok((outcome, id)) => json!({ "outcome": outcome, "id": id }),
        Err(refusal) => json!({ "outcome": "failed", "error": refusal.json() }),
    }
}

#[derive(Deserialize)]
struct ChangesQuery {
    after: Option<String>,
    #[serde(default)]
    from: String,
    limit: Option<usize>,
    #[serde(default)]
    wait_ms: u64,
}

/// What happened behind a cursor; waits for something if nothing did.
async fn changes(
    State(shared): State<Arc<Shared>>,
    Extension(Client(asker)): Extension<Client>,
    Query(asked): Query<ChangesQuery>,
) -> Answer {
    let limit = asked.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let Some(after) = asked.after else {
        let begin = match asked.from.as_str() {
            "" | "newest" => Begin::Newest,
            "oldest" => Begin::Oldest,
            _ => return Err(malformed("`from` is newest or oldest")),
        };
        let cursor = shared.store().cursor(begin);
        return Ok(Json(json!({ "changes": [], "cursor": cursor })));
    };
    let wait = Duration::from_millis(asked.wait_ms.min(MAX_WAIT_MS));
    let until = tokio::time::Instant::now() + wait;
    let (mut changed, mut stopped) = (shared.changed.subscribe(), shared.stopped.subscribe());
    loop {
        changed.borrow_and_update();
        let told = shared.store().changes(&after, limit, &asker)?;
        let is_over = *stopped.borrow_and_update() || tokio::time::Instant::now() >= until;
        if !told.changes.is_empty() || is_over {
            return Ok(Json(
                json!({ "changes": told.changes, "cursor": told.cursor }),
            ));
        }
        tokio::select! {
            _ = changed.changed() => {}
            _ = stopped.changed() => {}
            () = tokio::time::sleep_until(until) => {}
        }
    }
}

fn object(body: Result<Json<Fields>, JsonRejection>) -> Result<Fields, Refusal> {
    match body {
        Ok(Json(fields)) => Ok(fields),
        Err(rejection) => Err(malformed(&rejection.body_text())),
    }
}

fn malformed(what: &str) -> Refusal {
    Refusal::new(400, "malformed", what)
}
