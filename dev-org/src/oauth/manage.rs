//! Ending a token and asking about one.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::OauthError;
use super::params::Params;
use super::store::Revoked;
use super::token::{Secret, client};
use crate::http::answer;
use crate::state::Shared;

/// Revokes an access or refresh token. Needs no client: who holds a token may
/// end it.
pub(crate) async fn revoke(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let params = Params::read(request).await;
    let Some(token) = params.get("token") else {
        return OauthError::new("invalid_request", "missing required parameter: token").answer();
    };
    match shared.oauth().revoke(token) {
        Revoked::Session | Revoked::Family => answer::empty(200),
        Revoked::Nothing => OauthError::new("invalid_token", "invalid token").answer(),
    }
}

/// Says whether a token is alive, to the app it belongs to.
pub(crate) async fn introspect(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let params = Params::read(request).await;
    let app = match client(&shared, &params, Secret::Always) {
        Ok(app) => app,
        Err(error) => return error.answer(),
    };
    let Some(token) = params.get("token") else {
        return OauthError::new("invalid_request", "missing required parameter: token").answer();
    };
    let body = describe(&shared, token, &app.client_id);
    answer::json(200, &body.unwrap_or_else(|| json!({ "active": false })))
}

fn describe(shared: &Shared, token: &str, client_id: &str) -> Option<Value> {
    let now_ms = shared.clock.now_ms();
    let oauth = shared.oauth();
    let (kind, username, owner, scopes, issued_ms, expires_ms) =
        if let Some(session) = oauth.peek(token, now_ms) {
            let expires_ms = session.used_ms + oauth.session_ms;
            let (username, owner) = (session.username, session.client_id);
            (
                "access_token",
                username,
                owner,
                session.scopes,
                session.issued_ms,
                Some(expires_ms),
            )
        } else {
            let family = oauth.family_of(token)?.clone();
            let (username, owner) = (family.username, family.client_id);
            (
                "refresh_token",
                username,
                owner,
                family.scopes,
                family.issued_ms,
                None,
            )
        };
    drop(oauth);
    if owner != client_id {
        return None;
    }
    let person = shared.person(&username)?;
    let mut body = json!({
        "active": true,
        "scope": scopes.join(" "),
        "client_id": owner,
        "username": person.user.username,
        "sub": shared.identity_url(&person.user.id),
        "token_type": kind,
        "iat": issued_ms / 1000,
        "nbf": issued_ms / 1000,
    });
    if let (Some(expires_ms), Some(body)) = (expires_ms, body.as_object_mut()) {
        body.insert("exp".to_owned(), json!(expires_ms / 1000));
    }
    Some(body)
}
