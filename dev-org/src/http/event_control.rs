//! `/__control/events`: the switches of events over HTTP.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use crate::event_control::EventControl;
use crate::events::{BadEvents, EventSwitches, GapEvent, StreamBreak};
use crate::http::answer;
use crate::state::Shared;

type Org = State<Arc<Shared>>;

/// The addresses below `/__control/events`.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(show).put(set))
        .route("/kept", get(kept))
        .route("/subscribed/{streams}", get(subscribed))
        .route("/expire", post(expire))
        .route("/gap", post(gap))
        .route("/repeat", post(repeat))
        .route("/channels", put(set_channel))
        .route("/schemas/renew", post(renew_schema))
        .route("/streams/end", post(end_streams))
        .route("/streams/break-next", post(break_next_stream))
}

fn control(shared: &Arc<Shared>) -> EventControl {
    EventControl::new(Arc::clone(shared))
}

fn done(done: Result<(), BadEvents>) -> Response {
    match done {
        Ok(()) => answer::empty(204),
        Err(bad) => answer::error(400, "INVALID_INPUT", &bad.to_string()),
    }
}

async fn show(State(org): Org) -> Response {
    answer::json(200, &control(&org).show())
}

async fn set(State(org): Org, Json(wanted): Json<EventSwitches>) -> Response {
    done(control(&org).set(&wanted))
}

#[derive(Deserialize)]
struct Of {
    channel: String,
}

async fn kept(State(org): Org, Query(of): Query<Of>) -> Response {
    match control(&org).kept(&of.channel) {
        Ok(events) => answer::json(200, &json!(events)),
        Err(bad) => done(Err(bad)),
    }
}

/// Answers when so many streams follow channels.
async fn subscribed(State(org): Org, Path(streams): Path<usize>) -> Response {
    control(&org).subscribed(streams).await;
    done(Ok(()))
}

async fn expire(State(org): Org) -> Response {
    control(&org).expire();
    done(Ok(()))
}

async fn gap(State(org): Org, Json(wanted): Json<GapEvent>) -> Response {
    done(control(&org).gap(&wanted))
}

#[derive(Deserialize)]
struct Repeat {
    channel: String,
    count: usize,
}

async fn repeat(State(org): Org, Json(wanted): Json<Repeat>) -> Response {
    done(control(&org).repeat(&wanted.channel, wanted.count))
}

#[derive(Deserialize)]
struct Members {
    name: String,
    members: Vec<String>,
}

async fn set_channel(State(org): Org, Json(wanted): Json<Members>) -> Response {
    done(control(&org).set_channel(&wanted.name, &wanted.members))
}

#[derive(Deserialize)]
struct Renew {
    object: String,
}

async fn renew_schema(State(org): Org, Json(wanted): Json<Renew>) -> Response {
    done(control(&org).renew_schema(&wanted.object))
}

async fn end_streams(State(org): Org, how: Option<Json<StreamBreak>>) -> Response {
    let Json(how) = how.unwrap_or_default();
    control(&org).end_streams(how);
    done(Ok(()))
}

async fn break_next_stream(State(org): Org, Json(how): Json<StreamBreak>) -> Response {
    control(&org).break_next_stream(how);
    done(Ok(()))
}
