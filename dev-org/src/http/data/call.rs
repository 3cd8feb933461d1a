//! One admitted request with its parts read: parameters, headers that change
//! how a write is done, and the JSON body in its own order of keys.

use std::sync::{Arc, PoisonError, RwLockReadGuard};

use axum::response::Response;
use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::multipart;
use super::transaction::Held;
use super::version::Version;
use crate::events::Origin;
use crate::fault::Fault;
use crate::http::answer;
use crate::locked::OrgMut;
use crate::org::{AutoAssign, Org, WriteOptions};
use crate::state::Shared;
use crate::user::User;

/// What every piece of work gets.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) shared: Arc<Shared>,
    pub(super) who: Arc<User>,
    pub(super) version: Version,
    /// After `_HTTP_METHOD` has had its say.
    pub(super) method: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The records, when a transaction has taken them for this request.
    held: Option<Held>,
    parameters: Vec<(String, String)>,
}

/// An error is an answer, too.
pub(super) type Answer = Result<Response, Fault>;

impl Call {
    pub(super) fn new(
        shared: Arc<Shared>,
        who: Arc<User>,
        version: Version,
        head: &hyper::http::request::Parts,
        body: Bytes,
    ) -> Self {
        let parameters = parameters(head.uri.query().unwrap_or_default());
        // For clients that cannot send PATCH or DELETE.
        let overridden = parameters
            .iter()
            .find(|(name, _)| name == "_HTTP_METHOD")
            .map(|(_, method)| method.to_ascii_uppercase())
            .filter(|_| head.method == hyper::Method::POST);
        Self {
            shared,
            who,
            version,
            method: overridden.unwrap_or_else(|| head.method.as_str().to_owned()),
            headers: head.headers.clone(),
            body,
            held: None,
            parameters,
        }
    }

    /// The records, for reading.
    pub(super) fn org(&self) -> RwLockReadGuard<'_, Org> {
        match &self.held {
            Some(held) => held.read().unwrap_or_else(PoisonError::into_inner),
            None => self.shared.org(),
        }
    }

    /// The records, for writing.
    pub(super) fn org_mut(&self) -> OrgMut<'_> {
        match &self.held {
            Some(held) => OrgMut::within(held.write().unwrap_or_else(PoisonError::into_inner)),
            None => self.shared.org_mut_as(self.origin()),
        }
    }

    /// Whom and what change events name as the origin of what this request does.
    pub(super) fn origin(&self) -> Origin {
        Origin::api(&self.who, "rest", self.version.number(), self.client())
    }

    /// What the caller calls itself.
    pub(super) fn client(&self) -> Option<&str> {
        self.header_part("sforce-call-options", "client")
    }

    /// The same request on the records of a transaction.
    pub(super) fn within(self, held: Option<&Held>) -> Self {
        Self {
            held: held.map(Arc::clone),
            ..self
        }
    }

    /// One request of a batch, with the headers of the batch.
    pub(super) fn part(&self, version: Version, method: &str, query: &str, body: Bytes) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            who: Arc::clone(&self.who),
            version,
            method: method.to_ascii_uppercase(),
            headers: self.headers.clone(),
            body,
            held: None,
            parameters: parameters(query),
        }
    }

    /// A parameter of the query string.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// All values of a parameter that may come several times.
    pub(super) fn parameters(&self, name: &str) -> impl Iterator<Item = &str> {
        self.parameters
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// A parameter that is a list with commas.
    pub(super) fn list(&self, name: &str) -> Option<Vec<String>> {
        let list = self.parameter(name)?;
        let parts = list.split(',').map(str::trim);
        Some(
            parts
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }

    /// A parameter that is `true` in any case.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.parameter(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A header as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// `name` in a header of the shape `a=1, b=2` or `a=1; b=2`.
    pub(super) fn header_part(&self, header: &str, name: &str) -> Option<&str> {
        self.header(header)?.split([',', ';']).find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// How a write is to be done.
    pub(super) fn write_options(&self) -> WriteOptions {
        let duplicates = |name| {
            self.header_part("sforce-duplicate-rule-header", name)
                .is_some_and(|value| value.eq_ignore_ascii_case("true"))
        };
        WriteOptions {
            allow_duplicates: duplicates("allowSave"),
            include_record_details: duplicates("includeRecordDetails"),
            auto_assign: match self.header("sforce-auto-assign").map(str::trim) {
                None => AutoAssign::Unsaid,
                Some(value) if value.eq_ignore_ascii_case("true") => AutoAssign::On,
                Some(value) if value.eq_ignore_ascii_case("false") => AutoAssign::Off,
                Some(rule) => AutoAssign::Rule(rule.to_owned()),
            },
            update_only: self.flag("updateOnly"),
            files: Vec::new(),
        }
    }

    /// The body as one record, which may come with its file in parts, and how to
    /// write it.
    pub(super) fn record(&self) -> Result<(Map<String, Value>, WriteOptions), Fault> {
        let mut options = self.write_options();
        let record = match multipart::content_type(&self.headers) {
            Some(kind) => {
                let (record, files) = multipart::record(kind, &self.body)?;
                options.files = files;
                record
            }
            None => self.json()?,
        };
        Ok((record, options))
    }

    /// The body as JSON of some shape.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        self.check_content_type()?;
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Err(Fault::bad_request(
                "JSON_PARSER_ERROR",
                "No content to map to Object due to end of input",
            ));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            let what = error.to_string();
            let what = what
                .split(" at line ")
                .next()
                .unwrap_or_default()
                .to_owned();
            Fault::bad_request(
                "JSON_PARSER_ERROR",
                format!(
                    "{what} at [line:{}, column:{}]",
                    error.line(),
                    error.column()
                ),
            )
        })
    }

    /// A body has to be JSON and has to say so.
    fn check_content_type(&self) -> Result<(), Fault> {
        let Some(kind) = self.header(header::CONTENT_TYPE.as_str()) else {
            return Ok(());
        };
        let media = kind.split(';').next().unwrap_or_default().trim();
        if media.eq_ignore_ascii_case("application/json") {
            return Ok(());
        }
        Err(Fault::new(
            415,
            "UNSUPPORTED_MEDIA_TYPE",
            format!("Content-Type '{media}' is not supported; send application/json"),
        ))
    }
}

fn parameters(query: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

/// The answer of a fault. One status has a body that is no error: a value that
/// names several records answers with their addresses.
pub(super) fn refuse(fault: &Fault) -> Response {
    match (fault.extra.as_deref(), fault.status) {
        (Some((_, addresses)), 300) => answer::json(300, addresses),
        _ => answer::json(fault.status, &fault.to_rest_json()),
    }
}
