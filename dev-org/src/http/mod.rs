//! The org's face: which address leads where, and what every answer has in
//! common. Work on data is in `data`, logins are in `crate::oauth`.

pub(crate) mod answer;
pub(crate) mod body;
mod bulk_control;
mod control;
pub(crate) mod data;
mod echo;
mod event_control;
pub(crate) mod front;
pub(crate) mod soap;

use std::sync::Arc;

use axum::Router;
use axum::routing::any;

use crate::state::Shared;

/// All addresses of the org.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .merge(crate::oauth::routes())
        .merge(control::routes())
        .route("/cometd", any(crate::cometd::serve))
        .route("/cometd/{version}", any(crate::cometd::serve))
        .route("/services/apexrest/echo", any(echo::echo))
        .route("/services/Soap/u/{version}", any(soap::serve))
        .route("/services/Soap/u/{version}/{org}", any(soap::serve))
        .route("/services/data", any(data::versions))
        .route("/services/data/", any(data::versions))
        .route("/services/data/{*rest}", any(data::serve))
        .fallback(answer::no_such_resource)
        .with_state(shared)
}
