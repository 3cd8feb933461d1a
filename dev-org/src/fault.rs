//! One Salesforce error: what every refused request answers with.

use serde_json::{Map, Value as Json, json};

/// The message for a record or resource that is not there.
pub const NOT_THERE: &str = "The requested resource does not exist";

/// One Salesforce error.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The HTTP status when the error is the whole answer.
    pub status: u16,
    /// The error code that clients branch on.
    pub code: &'static str,
    /// The text for people.
    pub message: String,
    /// The fields that are at fault; may be empty.
    pub fields: Vec<String>,
    /// A further key of the body, as `duplicateResut` is. Boxed, since few
    /// errors have one and every result has room for an error.
    pub extra: Option<Box<(&'static str, Json)>>,
}

impl Fault {
    /// An error of a status, a code and a message.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            fields: Vec::new(),
            extra: None,
        }
    }

    /// A refused request, HTTP 400.
    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// A record or resource that is not there, HTTP 404.
    pub fn not_there() -> Self {
        Self::new(404, "NOT_FOUND", NOT_THERE)
    }

    /// Names the field at fault.
    #[must_use]
    pub fn on(mut self, field: impl Into<String>) -> Self {
        self.fields.push(field.into());
        self
    }

    /// Adds a further key to the body.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: Json) -> Self {
        self.extra = Some(Box::new((key, value)));
        self
    }

    /// The body of a single-record answer: an array of one error.
    pub fn to_rest_json(&self) -> Json {
        let mut body = Map::new();
        if let Some((key, value)) = self.extra.as_deref() {
            body.insert((*key).to_owned(), value.clone());
        }
        body.insert("message".to_owned(), self.message.as_str().into());
        body.insert("errorCode".to_owned(), self.code.into());
        if self.has_fields_key() {
            body.insert("fields".to_owned(), json!(self.fields));
        }
        json!([body])
    }

    /// One entry of `errors` in a collection's answer, where the code is called
    /// `statusCode` and a missing record is a bad cross reference.
    pub fn to_collection_json(&self) -> Json {
        let (code, message) = self.in_record();
        let mut body = Map::new();
        body.insert("statusCode".to_owned(), code.into());
        body.insert("message".to_owned(), message.into());
        body.insert("fields".to_owned(), json!(self.fields));
        if let Some((key, value)) = self.extra.as_deref() {
            body.insert((*key).to_owned(), value.clone());
        }
        Json::Object(body)
    }

    /// `sf__Error` of a bulk job's failed row: `CODE:message:Field1,Field2 --`.
    pub fn to_bulk_error(&self) -> String {
        let (code, message) = self.in_record();
        let space = if self.fields.is_empty() { "" } else { " " };
        format!("{code}:{message}:{}{space}--", self.fields.join(","))
    }

    /// Code and message where the error is one record's among others.
    fn in_record(&self) -> (&'static str, &str) {
        if self.code == "NOT_FOUND" && self.message == NOT_THERE {
            ("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        } else {
            (self.code, &self.message)
        }
    }

    /// Errors of the data layer carry `fields`, even empty; errors of the
    /// request itself do not.
    fn has_fields_key(&self) -> bool {
        !matches!(
            self.code,
            "NOT_FOUND"
                | "INVALID_FIELD"
                | "INVALID_TYPE"
                | "MALFORMED_QUERY"
                | "INVALID_SESSION_ID"
                | "REQUEST_LIMIT_EXCEEDED"
                | "JSON_PARSER_ERROR"
                | "METHOD_NOT_ALLOWED"
                | "DUPLICATES_DETECTED"
                | "INVALID_QUERY_LOCATOR"
                | "SERVER_UNAVAILABLE"
                | "UNKNOWN_EXCEPTION"
        ) || !self.fields.is_empty()
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_says_status_code_where_a_single_record_says_error_code() {
        let fault = Fault::bad_request(
            "REQUIRED_FIELD_MISSING",
            "Required fields are missing: [Name]",
        )
        .on("Name");
        assert_eq!(
            fault.to_rest_json().to_string(),
            r#"[{"message":"Required fields are missing: [Name]","errorCode":"REQUIRED_FIELD_MISSING","fields":["Name"]}]"#
        );
        assert_eq!(
            fault.to_collection_json().to_string(),
            r#"{"statusCode":"REQUIRED_FIELD_MISSING","message":"Required fields are missing: [Name]","fields":["Name"]}"#
        );
    }

    #[test]
    fn a_missing_record_in_a_collection_is_a_bad_cross_reference() {
        assert_eq!(
            Fault::not_there().to_collection_json().to_string(),
            r#"{"statusCode":"INVALID_CROSS_REFERENCE_KEY","message":"invalid cross reference id","fields":[]}"#
        );
    }
}
