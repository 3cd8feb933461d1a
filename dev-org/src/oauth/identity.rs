//! Who the session belongs to: userinfo, the identity URL, and the documents
//! by which clients find the addresses and the key of the login service.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::params::Params;
use super::store::Session;
use crate::http::answer;
use crate::http::data::admit::{self, Credential};
use crate::state::{Person, Shared};

/// Scopes that let an app ask who it acts for.
const IDENTITY_SCOPES: [&str; 5] = ["id", "openid", "profile", "email", "api"];

/// OpenID Connect's view of the user. Carries no limit header and costs none.
pub(crate) async fn userinfo(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    match caller(&shared, request).await {
        Ok((person, _)) => answer::json(200, &info(&shared, &person)),
        Err(refused) => answer::text(403, refused),
    }
}

/// Salesforce's own view of the user.
pub(crate) async fn identity(
    State(shared): State<Arc<Shared>>,
    Path((organization, user)): Path<(String, String)>,
    request: Request,
) -> Response {
    let (person, _) = match caller(&shared, request).await {
        Ok(caller) => caller,
        Err(refused) => return answer::text(403, refused),
    };
    let same = |a: &str, b: &str| a.get(..15).is_some_and(|a| b.get(..15) == Some(a));
    if !same(&organization, shared.organization_id()) {
        return answer::text(403, "Wrong_Org");
    }
    if !same(&user, &person.user.id) {
        return answer::text(403, "Bad_Id");
    }
    answer::json(200, &view(&shared, &person))
}

/// The user of a session, or Salesforce's one-word reason in plain text.
async fn caller(shared: &Shared, request: Request) -> Result<(Person, Session), &'static str> {
    let token = match admit::credential(request.headers()) {
        Credential::Token(token) => Some(token),
        Credential::Absent | Credential::Malformed => None,
    };
    let token = match token {
        Some(token) => token,
        // Browsers and old clients put it in the address or the form.
        None => {
            let params = Params::read(request).await;
            let named = params
                .get("access_token")
                .or_else(|| params.get("oauth_token"));
            named.ok_or("Missing_OAuth_Token")?.to_owned()
        }
    };
    let now_ms = shared.clock.now_ms();
    let session = shared
        .oauth()
        .session(&token, now_ms)
        .filter(|session| session.has_scope(&IDENTITY_SCOPES))
        .ok_or("Bad_OAuth_Token")?;
    let person = shared.person(&session.username).ok_or("Bad_OAuth_Token")?;
    Ok((person, session))
}

fn info(shared: &Shared, person: &Person) -> Value {
    let base = &shared.base_url;
    json!({
        "sub": shared.identity_url(&person.user.id),
        "user_id": &*person.user.id,
        "organization_id": shared.organization_id(),
        "preferred_username": person.user.username,
        "nickname": person.nickname(),
        "name": person.user.name,
        "email": person.user.email,
        "email_verified": true,
        "given_name": person.first_name,
        "family_name": person.last_name,
        "zoneinfo": "America/Los_Angeles",
        "photos": {
            "picture": format!("{base}/profilephoto/005/F"),
            "thumbnail": format!("{base}/profilephoto/005/T"),
        },
        "profile": format!("{base}/{}", person.user.id),
        "picture": format!("{base}/profilephoto/005/F"),
        "address": {},
        "urls": urls(shared, person),
        "active": person.active,
        "user_type": "STANDARD",
        "language": "en_US",
        "locale": "en_US",
        "utcOffset": -28_800_000,
        "updated_at": admit::timestamp(person.modified_ms),
    })
}

fn view(shared: &Shared, person: &Person) -> Value {
    let base = &shared.base_url;
    json!({
        "id": shared.identity_url(&person.user.id),
        "asserted_user": true,
        "user_id": &*person.user.id,
        "organization_id": shared.organization_id(),
        "username": person.user.username,
        "nick_name": person.nickname(),
        "display_name": person.user.name,
        "email": person.user.email,
        "email_verified": true,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "timezone": "America/Los_Angeles",
        "photos": {
            "picture": format!("{base}/profilephoto/005/F"),
            "thumbnail": format!("{base}/profilephoto/005/T"),
        },
        "addr_street": null,
        "addr_city": null,
        "addr_state": null,
        "addr_country": null,
        "addr_zip": null,
        "mobile_phone": null,
        "mobile_phone_verified": false,
        "is_lightning_login_user": false,
        "status": { "created_date": null, "body": null },
        "urls": urls(shared, person),
        "active": person.active,
        "user_type": "STANDARD",
        "language": "en_US",
        "locale": "en_US",
        "utcOffset": -28_800_000,
        "last_modified_date": admit::timestamp(person.modified_ms),
        "is_app_installed": true,
    })
}

/// Addresses with `{version}` left for the client to fill in.
fn urls(shared: &Shared, person: &Person) -> Value {
    let base = &shared.base_url;
    let data = format!("{base}/services/data/v{{version}}/");
    let organization = shared.organization_id();
    let soap = |kind: &str| format!("{base}/services/Soap/{kind}/{{version}}/{organization}");
    json!({
        "enterprise": soap("c"),
        "metadata": soap("m"),
        "partner": soap("u"),
        "rest": data,
        "sobjects": format!("{data}sobjects/"),
        "search": format!("{data}search/"),
        "query": format!("{data}query/"),
        "recent": format!("{data}recent/"),
        "profile": format!("{base}/{}", person.user.id),
        "custom_domain": base,
    })
}

/// The key that id tokens are signed with.
pub(crate) async fn keys(State(shared): State<Arc<Shared>>) -> Response {
    let keys: Vec<Value> = shared
        .signing_key()
        .map(|key| key.jwk())
        .into_iter()
        .collect();
    answer::json(200, &json!({ "keys": keys }))
}

/// Where everything is.
pub(crate) async fn discovery(State(shared): State<Arc<Shared>>) -> Response {
    let base = &shared.base_url;
    let oauth = |name: &str| format!("{base}/services/oauth2/{name}");
    answer::json(
        200,
        &json!({
            "issuer": base,
            "authorization_endpoint": oauth("authorize"),
            "token_endpoint": oauth("token"),
            "revocation_endpoint": oauth("revoke"),
            "userinfo_endpoint": oauth("userinfo"),
            "introspection_endpoint": oauth("introspect"),
            "jwks_uri": format!("{base}/id/keys"),
            "scopes_supported": [
                "api", "web", "full", "id", "openid", "profile", "email", "address", "phone",
                "refresh_token", "offline_access",
            ],
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "display_values_supported": ["page", "popup", "touch"],
            "token_endpoint_auth_methods_supported": [
                "client_secret_post", "client_secret_basic",
            ],
            "claims_supported": [
                "active", "address", "email", "email_verified", "family_name", "given_name",
                "language", "name", "nickname", "organization_id", "photos", "picture",
                "preferred_username", "profile", "sub", "updated_at", "urls", "user_id",
                "user_type", "zoneinfo",
            ],
        }),
    )
}
