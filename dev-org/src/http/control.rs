//! The control API: `/__control/` over HTTP, for tests that run elsewhere than
//! in this process. Only callers on this machine are heard, since it can end
//! sessions without a login. The README lists the addresses.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use axum::{Extension, Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::control::Control;
use crate::faults::FaultRule;
use crate::http::answer;
use crate::http::front::Peer;
use crate::oauth::App;
use crate::outbound::OutboundMessage;
use crate::state::Shared;

type Org = State<Arc<Shared>>;

/// The addresses below `/__control`.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    let routes = Router::new()
        .route("/", get(status))
        .route("/latency", put(latency))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/faults/{id}", delete(remove_fault))
        .route("/sessions/expire", post(expire_sessions))
        .route("/refresh-tokens/kill", post(kill_refresh_tokens))
        .route("/rotation", put(rotation))
        .route("/apps", post(register_app))
        .route("/quota", get(quota).put(set_quota))
        .route("/locks", post(lock_rows).delete(unlock_rows))
        .route("/users/{username}", put(change_user))
        .route("/clock", get(clock).put(set_clock))
        .route(
            "/outbound-messages",
            get(outbound_messages).put(set_outbound_messages),
        )
        .route("/outbound-messages/settled", get(outbound_settled))
        .route("/schema", post(extend_schema))
        .route("/log", get(log).delete(clear_log))
        .nest("/bulk", super::bulk_control::routes())
        .nest("/events", super::event_control::routes())
        .fallback(answer::no_such_resource)
        .layer(from_fn(only_from_here));
    Router::new()
        .nest("/__control", routes.clone())
        .route("/__control/", get(status).layer(from_fn(only_from_here)))
}

async fn only_from_here(
    Extension(peer): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    if !peer.addr.ip().to_canonical().is_loopback() {
        return answer::error(403, "FORBIDDEN", "The control API is for this machine only");
    }
    next.run(request).await
}

fn control(shared: &Arc<Shared>) -> Control {
    Control::new(Arc::clone(shared))
}

fn done() -> Response {
    answer::empty(204)
}

async fn status(State(org): Org) -> Response {
    let control = control(&org);
    answer::json(
        200,
        &json!({
            "url": org.base_url,
            "latency_ms": control.latency_ms(),
            "faults": control.faults(),
            "rotation": control.rotation(),
            "quota": control.quota(),
            "clock": { "now_ms": control.now_ms(), "offset_ms": control.clock_offset_ms() },
            "logged_requests": control.requests().len(),
        }),
    )
}

#[derive(Deserialize)]
struct Latency {
    ms: u64,
}

async fn latency(State(org): Org, Json(wanted): Json<Latency>) -> Response {
    control(&org).set_latency_ms(wanted.ms);
    done()
}

async fn faults(State(org): Org) -> Response {
    answer::json(200, &json!(control(&org).faults()))
}

async fn add_fault(State(org): Org, Json(rule): Json<FaultRule>) -> Response {
    answer::json(201, &json!({ "id": control(&org).add_fault(rule) }))
}

async fn clear_faults(State(org): Org) -> Response {
    control(&org).clear_faults();
    done()
}

async fn remove_fault(State(org): Org, Path(id): Path<u64>) -> Response {
    match control(&org).remove_fault(id) {
        true => done(),
        false => answer::not_found(),
    }
}

/// Which tokens: one, those of one user, or all of them.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Which {
    token: Option<String>,
    user: Option<String>,
}

async fn expire_sessions(State(org): Org, which: Option<Json<Which>>) -> Response {
    let Json(which) = which.unwrap_or_default();
    let ended = org
        .oauth()
        .expire(which.token.as_deref(), which.user.as_deref());
    answer::json(200, &json!({ "ended": ended }))
}

async fn kill_refresh_tokens(State(org): Org, which: Option<Json<Which>>) -> Response {
    let Json(which) = which.unwrap_or_default();
    let ended = org
        .oauth()
        .kill_refresh(which.token.as_deref(), which.user.as_deref());
    answer::json(200, &json!({ "ended": ended }))
}

#[derive(Deserialize)]
struct Rotation {
    on: bool,
}

async fn rotation(State(org): Org, Json(wanted): Json<Rotation>) -> Response {
    control(&org).set_rotation(wanted.on);
    done()
}

async fn register_app(State(org): Org, Json(app): Json<App>) -> Response {
    control(&org).register_app(app);
    done()
}

async fn quota(State(org): Org) -> Response {
    answer::json(200, &json!(control(&org).quota()))
}

#[derive(Deserialize)]
struct WantedQuota {
    max: Option<u64>,
    used: Option<u64>,
    concurrent_max: Option<usize>,
    more_info: Option<String>,
}

async fn set_quota(State(org): Org, Json(wanted): Json<WantedQuota>) -> Response {
    let control = control(&org);
    if let Some(max) = wanted.max {
        control.set_quota_max(max);
    }
    if let Some(used) = wanted.used {
        control.set_quota_used(used);
    }
    if let Some(max) = wanted.concurrent_max {
        control.set_concurrent_max(max);
    }
    if let Some(more) = wanted.more_info {
        control.set_more_limit_info(&more);
    }
    quota(State(org)).await
}

#[derive(Default, Deserialize)]
struct Rows {
    ids: Vec<String>,
}

async fn lock_rows(State(org): Org, Json(rows): Json<Rows>) -> Response {
    let ids: Vec<&str> = rows.ids.iter().map(String::as_str).collect();
    control(&org).lock_rows(&ids);
    done()
}

/// Lets go of the given records, or of all.
async fn unlock_rows(State(org): Org, rows: Option<Json<Rows>>) -> Response {
    let control = control(&org);
    match rows {
        Some(Json(rows)) => {
            let ids: Vec<&str> = rows.ids.iter().map(String::as_str).collect();
            control.unlock_rows(&ids);
        }
        None => control.unlock_all_rows(),
    }
    done()
}

/// What a user may not see or change, as `Object.Field`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Permissions {
    hide: Vec<String>,
    lock: Vec<String>,
    free: Vec<String>,
    bulk_hard_delete: Option<bool>,
}

fn split(names: &[String]) -> impl Iterator<Item = (&str, &str)> {
    names.iter().filter_map(|name| name.split_once('.'))
}

async fn change_user(
    State(org): Org,
    Path(username): Path<String>,
    Json(wanted): Json<Permissions>,
) -> Response {
    let mut data = org.org_mut();
    if data.user(&username).is_none() {
        return answer::not_found();
    }
    data.change_user(&username, |user| {
        for (object, field) in split(&wanted.hide) {
            user.hide_field(object, field);
        }
        for (object, field) in split(&wanted.lock) {
            user.lock_field(object, field);
        }
        for (object, field) in split(&wanted.free) {
            user.free_field(object, field);
        }
        if let Some(allowed) = wanted.bulk_hard_delete {
            user.bulk_hard_delete = allowed;
        }
    });
    done()
}

#[derive(Deserialize)]
struct WantedClock {
    offset_ms: i64,
}

async fn clock(State(org): Org) -> Response {
    let control = control(&org);
    let shown: Value =
        json!({ "now_ms": control.now_ms(), "offset_ms": control.clock_offset_ms() });
    answer::json(200, &shown)
}

async fn set_clock(State(org): Org, Json(wanted): Json<WantedClock>) -> Response {
    control(&org).set_clock_offset_ms(wanted.offset_ms);
    clock(State(org)).await
}

async fn extend_schema(State(org): Org, toml: String) -> Response {
    match control(&org).extend_schema(&toml) {
        Ok(()) => done(),
        Err(error) => answer::error(400, "INVALID_INPUT", &error.to_string()),
    }
}

async fn outbound_messages(State(org): Org) -> Response {
    let control = control(&org);
    let messages = control.outbound_messages();
    let shown = json!({ "messages": messages, "counts": control.outbound_counts() });
    answer::json(200, &shown)
}

async fn set_outbound_messages(
    State(org): Org,
    Json(wanted): Json<Vec<OutboundMessage>>,
) -> Response {
    match control(&org).set_outbound_messages(wanted) {
        Ok(()) => done(),
        Err(bad) => answer::error(400, "INVALID_INPUT", &bad.to_string()),
    }
}

/// Answers when every notification is acknowledged or given up.
async fn outbound_settled(State(org): Org) -> Response {
    control(&org).outbound_settled().await;
    done()
}

async fn log(State(org): Org) -> Response {
    answer::json(200, &json!(control(&org).requests()))
}

async fn clear_log(State(org): Org) -> Response {
    control(&org).clear_requests();
    done()
}
