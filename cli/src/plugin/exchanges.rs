//! `exchanges.json`: the requests that a connector makes, each with the product's answer.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// The file in a golden folder.
pub(super) const FILE: &str = "exchanges.json";

/// A request and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exchange {
    pub(super) request: Request,
    pub(super) response: Answer,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    pub(super) method: String,
    /// With its query, as it goes over the wire.
    pub(super) path: String,
    /// The body, as JSON, or as a text if it is none; without it any body will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<Json>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    pub(super) status: u16,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) headers: Map<String, Json>,
    /// A text goes as it is, anything else as JSON.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub(super) body: Json,
}

impl Request {
    /// Whether it is this one.
    pub(super) fn is(&self, method: &str, path: &str, body: &[u8]) -> bool {
        let has_body = || {
            self.body
                .as_ref()
                .is_none_or(|wanted| *wanted == body_of(body))
        };
        self.method == method && self.path == path && has_body()
    }

    /// Whether it may change something.
    pub(super) fn may_write(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD")
    }
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Its body as it goes over the wire, and what it is.
    pub(super) fn content(&self) -> (&'static str, Vec<u8>) {
        match &self.body {
            Json::Null => ("text/plain", Vec::new()),
            Json::String(text) => ("text/plain", text.clone().into_bytes()),
            json => ("application/json", json.to_string().into_bytes()),
        }
    }
}

/// A body as the file has it: what is no JSON is a text.
pub(super) fn body_of(body: &[u8]) -> Json {
    serde_json::from_slice(body)
        .unwrap_or_else(|_| Json::String(String::from_utf8_lossy(body).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_by_its_method_its_path_and_its_body_if_it_says_one() {
        let request: Request =
            serde_json::from_str(r#"{"method":"POST","path":"/a?b=1","body":{"x":[1]}}"#).unwrap();
        assert!(request.is("POST", "/a?b=1", br#"{ "x": [1] }"#));
        assert!(!request.is("POST", "/a?b=1", br#"{"x":[2]}"#));
        assert!(!request.is("PUT", "/a?b=1", br#"{"x":[1]}"#));
        let text: Request =
            serde_json::from_str(r#"{"method":"PUT","path":"/a","body":"Id,Name\n"}"#).unwrap();
        assert!(text.is("PUT", "/a", b"Id,Name\n") && !text.is("PUT", "/a", b"Id\n"));
        let any: Request = serde_json::from_str(r#"{"method":"GET","path":"/a"}"#).unwrap();
        assert!(any.is("GET", "/a", b"whatever"));
    }
}
