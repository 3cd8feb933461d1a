//! The `login` and `logout` calls: a session for a username and a password,
//! which is how scripts have logged in since long before OAuth.

use super::xml::{Element, escaped};
use crate::oauth::Session;
use crate::state::Shared;

/// The first version without `login`.
const GONE_SINCE: u16 = 65;

/// Opens a session; an error is one of Salesforce's codes and its message.
pub(super) fn run(
    shared: &Shared,
    call: &Element,
    version: &str,
) -> Result<String, (&'static str, String)> {
    let number = version.trim_end_matches(".0").parse::<u16>();
    if number.is_ok_and(|number| number >= GONE_SINCE) {
        return Err((
            "UNSUPPORTED_API_VERSION",
            format!("login() is not part of version {version}; log in by OAuth"),
        ));
    }
    let person = call
        .text_of("username")
        .and_then(|username| shared.person(username))
        .filter(|person| person.active)
        .filter(|_| call.text_of("password") == Some(shared.config.password.as_str()))
        .ok_or_else(|| {
            let message =
                "Invalid username, password, security token; or user locked out.".to_owned();
            ("INVALID_LOGIN", message)
        })?;
    let user = &person.user;
    let now_ms = shared.clock.now_ms();
    let organization = shared.organization_id();
    // No app stands between: such a session may do all that its user may.
    let session = Session::new(&user.username, "", &["full".to_owned()], now_ms);
    let token = shared.oauth().open_session(organization, session, None);
    let base = &shared.base_url;
    Ok(format!(
        "<result><metadataServerUrl>{base}/services/Soap/m/{version}/{organization}\
         </metadataServerUrl><passwordExpired>false</passwordExpired><sandbox>false</sandbox>\
         <serverUrl>{base}/services/Soap/u/{version}/{organization}</serverUrl>\
         <sessionId>{token}</sessionId><userId>{id}</userId><userInfo>\
         <organizationId>{organization}</organizationId><userEmail>{email}</userEmail>\
         <userFullName>{name}</userFullName><userId>{id}</userId>\
         <userName>{username}</userName></userInfo></result>",
        version = escaped(version),
        id = user.id,
        email = escaped(&user.email),
        name = escaped(&user.name),
        username = escaped(&user.username),
    ))
}
