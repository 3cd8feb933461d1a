//! Who may use the API now: the session behind the `Authorization` header, and
//! the limits that one more request is taken from.

use std::sync::Arc;

use axum::response::Response;
use hyper::HeaderMap;
use hyper::header::{self, HeaderName, HeaderValue};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::http::answer;
use crate::http::front::Admitted;
use crate::state::Shared;
use crate::user::User;

/// The scopes under which a session may use the REST API.
const API_SCOPES: [&str; 3] = ["api", "chatter_api", "web"];

/// What the `Authorization` header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    Token(String),
    Absent,
    /// There, but neither `Bearer` nor `OAuth`.
    Malformed,
}

/// Reads the header. `OAuth` is the word of old clients for `Bearer`.
pub(crate) fn credential(headers: &HeaderMap) -> Credential {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Credential::Absent;
    };
    let parts = value.to_str().ok().and_then(|value| value.split_once(' '));
    match parts {
        Some((scheme, token))
            if scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth") =>
        {
            Credential::Token(token.trim().to_owned())
        }
        _ => Credential::Malformed,
    }
}

/// A caller whose request was taken from the limits.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) user: Arc<User>,
}

/// Why a request is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// Whose limits are used up.
    username: Option<String>,
}

impl Refused {
    fn no_session(message: &str) -> Self {
        Self {
            status: 401,
            code: "INVALID_SESSION_ID",
            message: message.to_owned(),
            username: None,
        }
    }

    /// The refusal as the REST API answers it.
    fn answer(&self, shared: &Shared) -> Box<Response> {
        let refused = answer::error(self.status, self.code, &self.message);
        Box::new(self.sign(shared, refused))
    }

    /// Puts on an answer whom it was refused to.
    pub(crate) fn sign(&self, shared: &Shared, mut response: Response) -> Response {
        let Some(username) = self.username.clone() else {
            return response;
        };
        response.extensions_mut().insert(Admitted {
            username,
            counted: false,
        });
        with_limit_info(shared, response)
    }
}

/// Lets a request in, or says why not.
pub(crate) fn admit(shared: &Shared, headers: &HeaderMap) -> Result<Caller, Box<Response>> {
    let admitted = match credential(headers) {
        Credential::Token(token) => admit_token(shared, &token),
        Credential::Absent => Err(Refused::no_session("Session expired or invalid")),
        Credential::Malformed => Err(Refused {
            code: "INVALID_AUTH_HEADER",
            ..Refused::no_session("INVALID_HEADER_TYPE")
        }),
    };
    admitted.map_err(|refused| refused.answer(shared))
}

/// Lets the session of a token in, and takes its request from the limits.
pub(crate) fn admit_token(shared: &Shared, token: &str) -> Result<Caller, Refused> {
    let no_session = || Refused::no_session("Session expired or invalid");
    let now_ms = shared.clock.now_ms();
    let session = shared.oauth().session(token, now_ms);
    let session = session.ok_or_else(no_session)?;
    if !session.has_scope(&API_SCOPES) {
        return Err(Refused::no_session(
            "This session is not valid for use with the REST API",
        ));
    }
    let user = shared
        .org()
        .user(&session.username)
        .ok_or_else(no_session)?;
    let taken = shared.usage().take(now_ms);
    if let Err(reached) = taken {
        return Err(Refused {
            status: 403,
            code: "REQUEST_LIMIT_EXCEEDED",
            message: reached.message().to_owned(),
            username: Some(user.username.clone()),
        });
    }
    Ok(Caller { user })
}

impl Caller {
    /// Puts on an answer what every counted request carries.
    pub(crate) fn sign(&self, shared: &Shared, mut response: Response) -> Response {
        response.extensions_mut().insert(Admitted {
            username: self.user.username.clone(),
            counted: true,
        });
        with_limit_info(shared, response)
    }
}

fn with_limit_info(shared: &Shared, mut response: Response) -> Response {
    let now_ms = shared.clock.now_ms();
    let mut usage = shared.usage();
    let mut info = format!("api-usage={}/{}", usage.used(now_ms), usage.max);
    if !usage.more_info.is_empty() {
        info.push_str("; ");
        info.push_str(&usage.more_info);
    }
    drop(usage);
    if let Ok(info) = HeaderValue::from_str(&info) {
        let name = HeaderName::from_static("sforce-limit-info");
        response.headers_mut().insert(name, info);
    }
    response
}

/// A time as Salesforce writes it: UTC, with an offset that has no colon.
pub(crate) fn timestamp(ms: i64) -> String {
    let format = format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]+0000"
    );
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .ok()
        .and_then(|time| time.format(format).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_has_milliseconds_and_no_colon_in_its_offset() {
        assert_eq!(timestamp(1_777_620_337_000), "2026-05-01T07:25:37.000+0000");
    }

    #[test]
    fn bearer_and_oauth_carry_a_token_and_basic_does_not() {
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
            credential(&headers)
        };
        assert_eq!(read("Bearer a!b"), Credential::Token("a!b".to_owned()));
        assert_eq!(read("OAuth a!b"), Credential::Token("a!b".to_owned()));
        assert_eq!(read("Basic abc"), Credential::Malformed);
        assert_eq!(credential(&HeaderMap::new()), Credential::Absent);
    }
}
