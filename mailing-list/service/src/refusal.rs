//! Why the service does not do what it was asked, in the one shape that it has for
//! that: `{"error": {"code": …, "message": …, "field": …, "id": …}}`.

use std::fmt;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// The field that is wrong, if it is one.
    pub field: Option<String>,
    /// The member that is in the way, if one is.
    pub id: Option<String>,
    /// In how many seconds the same may be asked again, if only time is in the way.
    pub retry_after_s: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            field: None,
            id: None,
            retry_after_s: None,
        }
    }

    /// A value that is wrong.
    pub(crate) fn of_field(code: &'static str, field: &str, message: impl Into<String>) -> Self {
        Self {
            field: Some(field.to_owned()),
            ..Self::new(422, code, message)
        }
    }

    pub(crate) fn not_found(id: &str) -> Self {
        Self {
            id: Some(id.to_owned()),
            ..Self::new(404, "not_found", "there is no member with this id")
        }
    }

    /// What stands below `error`.
    pub(crate) fn json(&self) -> Value {
        json!({
            "code": self.code,
            "message": self.message,
            "field": self.field,
            "id": self.id,
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field.as_deref().unwrap_or("the member");
        write!(f, "{}: {field}: {}", self.code, self.message)
    }
}

impl std::error::Error for Refusal {}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let mut answer = (status, Json(json!({ "error": self.json() }))).into_response();
        if let Some(seconds) = self.retry_after_s {
            let headers = answer.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}
