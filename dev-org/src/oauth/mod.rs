//! Logins: the authorize page, the token endpoint with its grants, and the
//! identity service. Answers follow Salesforce to the letter, since a client
//! that was never tried against its exact errors fails on the day they come.

mod app;
mod authorize;
mod identity;
mod jwt;
mod key;
mod manage;
mod page;
mod params;
mod rsa;
mod store;
mod token;

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::json;

use crate::http::answer;
use crate::state::Shared;

pub use app::App;
pub use key::{BadKey, VerifyingKey};
pub use rsa::SigningKey;
pub(crate) use store::{Session, Store};

/// The login addresses.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route(
            "/services/oauth2/authorize",
            get(authorize::ask).post(authorize::ask),
        )
        .route("/services/oauth2/authorize/login", post(authorize::login))
        .route(
            "/services/oauth2/authorize/approve",
            post(authorize::approve),
        )
        .route("/services/oauth2/token", post(token::token))
        .route(
            "/services/oauth2/revoke",
            get(manage::revoke).post(manage::revoke),
        )
        .route("/services/oauth2/introspect", post(manage::introspect))
        .route(
            "/services/oauth2/userinfo",
            get(identity::userinfo).post(identity::userinfo),
        )
        .route("/id/keys", get(identity::keys))
        .route(
            "/id/{organization}/{user}",
            get(identity::identity).post(identity::identity),
        )
        .route(
            "/.well-known/openid-configuration",
            get(identity::discovery),
        )
}

/// An error of the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OauthError {
    pub(crate) error: &'static str,
    pub(crate) description: &'static str,
}

impl OauthError {
    pub(crate) const fn new(error: &'static str, description: &'static str) -> Self {
        Self { error, description }
    }

    /// Salesforce answers all of them with 400.
    pub(crate) fn answer(self) -> Response {
        answer::json(
            400,
            &json!({ "error": self.error, "error_description": self.description }),
        )
    }
}

/// The errors that several grants share.
pub(crate) const INVALID_CLIENT_ID: OauthError =
    OauthError::new("invalid_client_id", "client identifier invalid");
pub(crate) const INVALID_CLIENT: OauthError =
    OauthError::new("invalid_client", "invalid client credentials");
pub(crate) const EXPIRED_TOKEN: OauthError =
    OauthError::new("invalid_grant", "expired access/refresh token");
pub(crate) const INVALID_SCOPE: OauthError =
    OauthError::new("invalid_scope", "the requested scope is not allowed");
