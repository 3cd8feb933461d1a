//! `/__control/bulk`: the switches of bulk jobs over HTTP.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use crate::bulk::{BulkFailure, BulkHold, BulkJobState};
use crate::bulk_control::{BulkControl, BulkLimits};
use crate::http::answer;
use crate::state::Shared;

type Org = State<Arc<Shared>>;

/// The addresses below `/__control/bulk`.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(show).put(set_limits))
        .route("/hold", post(hold))
        .route("/release", post(release))
        .route("/failures", post(fail).delete(clear_failures))
        .route("/locators/expire", post(expire_locators))
        .route("/settled", get(settled))
}

fn control(shared: &Arc<Shared>) -> BulkControl {
    BulkControl::new(Arc::clone(shared))
}

async fn show(State(org): Org) -> Response {
    let control = control(&org);
    let shown = json!({ "usage": control.usage(), "switches": control.switches() });
    answer::json(200, &shown)
}

async fn set_limits(State(org): Org, Json(limits): Json<BulkLimits>) -> Response {
    control(&org).set_limits(limits);
    show(State(org)).await
}

async fn hold(State(org): Org, Json(wanted): Json<BulkHold>) -> Response {
    control(&org).hold(wanted);
    answer::empty(204)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Which {
    state: Option<BulkJobState>,
}

async fn release(State(org): Org, which: Option<Json<Which>>) -> Response {
    let Json(which) = which.unwrap_or_default();
    control(&org).release(which.state);
    answer::empty(204)
}

async fn fail(State(org): Org, Json(failure): Json<BulkFailure>) -> Response {
    control(&org).fail(failure);
    answer::empty(204)
}

async fn clear_failures(State(org): Org) -> Response {
    control(&org).clear_failures();
    answer::empty(204)
}

async fn expire_locators(State(org): Org) -> Response {
    control(&org).expire_locators();
    answer::empty(204)
}

/// Answers when no job is on its way any more.
async fn settled(State(org): Org) -> Response {
    control(&org).settled().await;
    answer::empty(204)
}
