//! The token endpoint: one function per grant, and the one answer they share.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::{digest, hmac};
use serde_json::{Map, Value, json};

use super::app::App;
use super::params::Params;
use super::store::Session;
use super::{EXPIRED_TOKEN, INVALID_CLIENT, INVALID_CLIENT_ID, INVALID_SCOPE, OauthError, jwt};
use crate::http::answer;
use crate::state::{Person, Shared};

/// How long an id token is good for; it only has to survive its arrival.
const ID_TOKEN_SECONDS: i64 = 120;

/// Answers one token request.
pub(crate) async fn token(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let params = Params::read(request).await;
    let answered = match params.get("grant_type") {
        Some("authorization_code") => from_code(&shared, &params),
        Some("refresh_token") => from_refresh_token(&shared, &params),
        Some("client_credentials") => from_client_credentials(&shared, &params),
        Some("urn:ietf:params:oauth:grant-type:jwt-bearer") => from_assertion(&shared, &params),
        Some("password") => Err(OauthError::new("invalid_grant", "authentication failure")),
        Some(_) => Err(OauthError::new(
            "unsupported_grant_type",
            "grant type not supported",
        )),
        None => Err(OauthError::new(
            "invalid_request",
            "missing required parameter: grant_type",
        )),
    };
    match answered {
        Ok(body) => answer::json(200, &body),
        Err(error) => error.answer(),
    }
}

fn from_code(shared: &Shared, params: &Params) -> Result<Value, OauthError> {
    let app = client(shared, params, Secret::AsTheAppSays)?;
    let code = params.get("code").ok_or(OauthError::new(
        "invalid_request",
        "missing required parameter: code",
    ))?;
    let now_ms = shared.clock.now_ms();
    let code = shared
        .oauth()
        .take_code(code, now_ms)
        .filter(|code| code.login.client_id == app.client_id)
        .ok_or(OauthError::new(
            "invalid_grant",
            "expired authorization code",
        ))?;
    if params.get("redirect_uri") != Some(code.login.redirect_uri.as_str()) {
        return Err(OauthError::new(
            "redirect_uri_mismatch",
            "redirect_uri must match configuration",
        ));
    }
    if let Some(challenge) = &code.login.challenge {
        let verifier = params
            .get("code_verifier")
            .ok_or(OauthError::new("invalid_grant", "missing code verifier"))?;
        let hash = digest::digest(&digest::SHA256, verifier.as_bytes());
        if URL_SAFE_NO_PAD.encode(hash) != *challenge {
            return Err(OauthError::new("invalid_request", "invalid code verifier"));
        }
    }
    let scopes = &code.login.scopes;
    let person = active(shared, &code.username)?;
    let offline = scopes
        .iter()
        .any(|scope| matches!(scope.as_str(), "refresh_token" | "offline_access"));
    let family = offline.then(|| {
        shared
            .oauth()
            .approve(&code.username, &app.client_id, scopes, now_ms)
    });
    let (family, refresh_token) = family.unzip();
    Ok(Grant {
        shared,
        app: &app,
        person: &person,
        scopes,
        family,
        refresh_token,
        nonce: code.login.nonce.as_deref(),
    }
    .answer())
}

fn from_refresh_token(shared: &Shared, params: &Params) -> Result<Value, OauthError> {
    let app = client(shared, params, Secret::AsTheAppSays)?;
    let token = params.get("refresh_token").ok_or(OauthError::new(
        "invalid_request",
        "missing required parameter: refresh_token",
    ))?;
    // One lock over look-up and rotation: of two callers with the same token
    // exactly one wins.
    let (id, family, refresh_token) = {
        let mut oauth = shared.oauth();
        let owned = oauth
            .family_of(token)
            .is_none_or(|family| family.client_id == app.client_id);
        if !owned {
            return Err(EXPIRED_TOKEN);
        }
        let (id, family) = oauth.refresh(token).ok_or(EXPIRED_TOKEN)?;
        (id, family, oauth.rotate(id))
    };
    let person = active(shared, &family.username)?;
    Ok(Grant {
        shared,
        app: &app,
        person: &person,
        scopes: &family.scopes,
        family: Some(id),
        refresh_token,
        nonce: None,
    }
    .answer())
}

fn from_client_credentials(shared: &Shared, params: &Params) -> Result<Value, OauthError> {
    let app = client(shared, params, Secret::Always)?;
    let username = app.run_as.as_deref().ok_or(OauthError::new(
        "invalid_grant",
        "no client credentials user enabled",
    ))?;
    let person = active(shared, username)?;
    let scopes = app.grant(params.get("scope")).ok_or(INVALID_SCOPE)?;
    // There is nobody to refresh for: the app asks again instead.
    let scopes: Vec<String> = scopes
        .into_iter()
        .filter(|scope| !matches!(scope.as_str(), "refresh_token" | "offline_access"))
        .collect();
    Ok(Grant {
        shared,
        app: &app,
        person: &person,
        scopes: &scopes,
        family: None,
        refresh_token: None,
        nonce: None,
    }
    .answer())
}

fn from_assertion(shared: &Shared, params: &Params) -> Result<Value, OauthError> {
    let assertion = params.get("assertion").ok_or(OauthError::new(
        "invalid_request",
        "missing required parameter: assertion",
    ))?;
    let invalid = OauthError::new("invalid_grant", "invalid assertion");
    let unchecked = jwt::Unchecked::parse(assertion).ok_or(invalid)?;
    let app = unchecked
        .text("iss")
        .and_then(|id| shared.oauth().apps.get(id).cloned())
        .ok_or(INVALID_CLIENT_ID)?;
    let claims = unchecked.verify(&app.keys).ok_or(invalid)?;
    jwt::check_audience(&claims, &shared.base_url)?;
    jwt::check_expiry(&claims, shared.clock.now_ms())?;
    let not_approved = OauthError::new("invalid_grant", "user hasn't approved this consumer");
    let username = claims
        .get("sub")
        .and_then(Value::as_str)
        .ok_or(not_approved)?;
    let person = shared.person(username).ok_or(not_approved)?;
    if !app.preapproved
        && !shared
            .oauth()
            .has_approved(&person.user.username, &app.client_id)
    {
        return Err(not_approved);
    }
    let person = active(shared, &person.user.username)?;
    let scopes = app.grant(params.get("scope")).ok_or(INVALID_SCOPE)?;
    Ok(Grant {
        shared,
        app: &app,
        person: &person,
        scopes: &scopes,
        family: None,
        refresh_token: None,
        nonce: None,
    }
    .answer())
}

/// Whether a grant needs the client secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secret {
    Always,
    AsTheAppSays,
}

/// The app of a request, with its secret checked.
pub(crate) fn client(shared: &Shared, params: &Params, secret: Secret) -> Result<App, OauthError> {
    let app = params
        .get("client_id")
        .and_then(|id| shared.oauth().apps.get(id).cloned())
        .ok_or(INVALID_CLIENT_ID)?;
    let needed = secret == Secret::Always || app.require_secret;
    match params.get("client_secret") {
        Some(secret) if secret == app.client_secret => Ok(app),
        None if !needed => Ok(app),
        _ => Err(INVALID_CLIENT),
    }
}

fn active(shared: &Shared, username: &str) -> Result<Person, OauthError> {
    shared
        .person(username)
        .filter(|person| person.active)
        .ok_or(OauthError::new("inactive_user", "user is inactive"))
}

/// A login that was granted and only has to be written down.
struct Grant<'a> {
    shared: &'a Shared,
    app: &'a App,
    person: &'a Person,
    scopes: &'a [String],
    family: Option<u64>,
    refresh_token: Option<String>,
    nonce: Option<&'a str>,
}

impl Grant<'_> {
    /// Opens the session and writes the answer: no `expires_in`, the time as
    /// text, and a signature over identity URL and time.
    fn answer(self) -> Value {
        let Self {
            shared,
            app,
            person,
            scopes,
            ..
        } = self;
        let now_ms = shared.clock.now_ms();
        let session = Session::new(&person.user.username, &app.client_id, scopes, now_ms);
        let access_token =
            shared
                .oauth()
                .open_session(shared.organization_id(), session, self.family);
        let id = shared.identity_url(&person.user.id);
        let issued_at = now_ms.to_string();
        let key = hmac::Key::new(hmac::HMAC_SHA256, app.client_secret.as_bytes());
        let signature = hmac::sign(&key, format!("{id}{issued_at}").as_bytes());

        let mut body = Map::new();
        body.insert("access_token".to_owned(), json!(access_token));
        if let Some(refresh_token) = self.refresh_token {
            body.insert("refresh_token".to_owned(), json!(refresh_token));
        }
        body.insert("signature".to_owned(), json!(STANDARD.encode(signature)));
        body.insert("scope".to_owned(), json!(scopes.join(" ")));
        if scopes.iter().any(|scope| scope == "openid") {
            let mut claims = json!({
                "iss": shared.base_url,
                "at_hash": at_hash(&access_token),
                "sub": id,
                "aud": app.client_id,
                "iat": now_ms / 1000,
                "exp": now_ms / 1000 + ID_TOKEN_SECONDS,
            });
            if let (Some(nonce), Some(claims)) = (self.nonce, claims.as_object_mut()) {
                claims.insert("nonce".to_owned(), json!(nonce));
            }
            // Without a key there is no id token, which clients notice.
            if let Some(id_token) = shared.signing_key().and_then(|key| jwt::sign(&claims, key)) {
                body.insert("id_token".to_owned(), json!(id_token));
            }
        }
        body.insert("instance_url".to_owned(), json!(shared.base_url));
        body.insert("id".to_owned(), json!(id));
        body.insert("token_type".to_owned(), json!("Bearer"));
        body.insert("issued_at".to_owned(), json!(issued_at));
        Value::Object(body)
    }
}

/// Ties an id token to its access token: the left half of the hash.
fn at_hash(access_token: &str) -> String {
    let hash = digest::digest(&digest::SHA256, access_token.as_bytes());
    let half: Vec<u8> = hash.as_ref().iter().take(16).copied().collect();
    URL_SAFE_NO_PAD.encode(half)
}
