//! The authorize page. What is wrong with the app or its address is shown to
//! the person; everything else goes back to the app by redirect.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use hyper::header::{self, HeaderValue};
use url::Url;

use super::params::Params;
use super::store::Pending;
use super::{INVALID_CLIENT_ID, INVALID_SCOPE, OauthError, page};
use crate::http::answer;
use crate::state::Shared;

/// Checks the request and asks the person to log in.
pub(crate) async fn ask(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let params = Params::read(request).await;
    match check(&shared, &params) {
        Ok(login) => {
            let ticket = shared.oauth().hold(login);
            page::login(&ticket, params.get("login_hint").unwrap_or_default(), false)
        }
        Err(refused) => *refused,
    }
}

fn check(shared: &Shared, params: &Params) -> Result<Pending, Box<Response>> {
    let oauth = shared.oauth();
    let Some(app) = params.get("client_id").and_then(|id| oauth.apps.get(id)) else {
        let OauthError { error, description } = INVALID_CLIENT_ID;
        return Err(Box::new(page::error(error, description)));
    };
    let redirect_uri = params.get("redirect_uri").unwrap_or_default();
    if !app.allows_redirect(redirect_uri) {
        return Err(Box::new(page::error(
            "redirect_uri_mismatch",
            "redirect_uri must match configuration",
        )));
    }
    let back = |error: OauthError| {
        let state = params.get("state");
        Box::new(redirect_with_error(redirect_uri, error, state))
    };
    if params.get("response_type") != Some("code") {
        return Err(back(OauthError::new(
            "unsupported_response_type",
            "response type not supported",
        )));
    }
    let scopes = app
        .grant(params.get("scope"))
        .ok_or_else(|| back(INVALID_SCOPE))?;
    let challenge = params.get("code_challenge");
    if challenge.is_none() && app.require_pkce {
        return Err(back(OauthError::new(
            "invalid_request",
            "missing required code challenge",
        )));
    }
    let plain = params
        .get("code_challenge_method")
        .is_some_and(|method| method != "S256");
    if challenge.is_some_and(|challenge| plain || challenge.len() != 43) {
        return Err(back(OauthError::new(
            "invalid_request",
            "invalid code challenge",
        )));
    }
    // Nobody is ever logged in to this org's pages beforehand.
    if params.get("immediate") == Some("true") || params.get("prompt") == Some("none") {
        return Err(back(OauthError::new(
            "immediate_unsuccessful",
            "user must log in and approve",
        )));
    }
    Ok(Pending {
        client_id: app.client_id.clone(),
        redirect_uri: redirect_uri.to_owned(),
        scopes,
        state: params.get("state").map(str::to_owned),
        challenge: challenge.map(str::to_owned),
        nonce: params.get("nonce").map(str::to_owned),
        username: None,
    })
}

/// Takes username and password and asks for approval.
pub(crate) async fn login(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let params = Params::read(request).await;
    let username = params.get("username").unwrap_or_default();
    let person = shared
        .person(username)
        .filter(|_| params.get("password") == Some(shared.config.password.as_str()));
    let ticket = params.get("ticket").unwrap_or_default();
    let mut oauth = shared.oauth();
    let Some(pending) = oauth.pending(ticket) else {
        return stale();
    };
    let Some(person) = person else {
        return page::login(ticket, username, true);
    };
    pending.username = Some(person.user.username.clone());
    page::approval(
        ticket,
        &pending.client_id,
        &person.user.username,
        &pending.scopes,
    )
}

/// Takes the decision and sends the person back to the app.
pub(crate) async fn approve(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let params = Params::read(request).await;
    let now_ms = shared.clock.now_ms();
    let mut oauth = shared.oauth();
    let Some(login) = oauth.finish(params.get("ticket").unwrap_or_default()) else {
        return stale();
    };
    let Some(username) = login.username.clone() else {
        return stale();
    };
    let (redirect_uri, state) = (login.redirect_uri.clone(), login.state.clone());
    if params.get("decision") != Some("allow") {
        let denied = OauthError::new("access_denied", "end-user denied authorization");
        return redirect_with_error(&redirect_uri, denied, state.as_deref());
    }
    let code = oauth.issue_code(login, &username, now_ms);
    let mut answer = vec![("code", code.as_str())];
    answer.extend(state.as_deref().map(|state| ("state", state)));
    redirect(&redirect_uri, &answer)
}

fn stale() -> Response {
    page::error(
        "invalid_request",
        "this page is no longer valid; start again",
    )
}

fn redirect_with_error(uri: &str, error: OauthError, state: Option<&str>) -> Response {
    let mut answer = vec![
        ("error", error.error),
        ("error_description", error.description),
    ];
    answer.extend(state.map(|state| ("state", state)));
    redirect(uri, &answer)
}

fn redirect(uri: &str, answer_params: &[(&str, &str)]) -> Response {
    let Ok(mut uri) = Url::parse(uri) else {
        return page::error(
            "redirect_uri_mismatch",
            "redirect_uri must match configuration",
        );
    };
    uri.query_pairs_mut().extend_pairs(answer_params);
    let mut response = answer::empty(302);
    if let Ok(location) = HeaderValue::from_str(uri.as_str()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
