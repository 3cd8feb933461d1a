//! What Salesforce says when it refuses, in all the shapes in which it says so,
//! and what the caller should do about it.
//!
//! The shapes: an array of errors (the usual one), one object (OAuth), HTML
//! (414, 431 and what the edge answers), XML, nothing at all.
//! The codes and what they mean for the caller are a table in `codes.rs`.

mod codes;
mod redact;

use serde::Deserialize;

use crate::bindings::exports::lockgate::connector::records::{Advice, Error, Problem};

pub(crate) use codes::{Scope, Verdict, verdict};

/// When to look again for the day's budget, in milliseconds, if only the error
/// tells that it is used up: the window rolls, so calls free up all the time.
pub(crate) const QUOTA_PAUSE_MS: u64 = 15 * 60 * 1000;
/// A pause after a passing fault, in milliseconds.
const FAULT_PAUSE_MS: u64 = 2_000;

/// Bounds of the contract, in bytes.
const MAX_CODE_BYTES: usize = 128;
pub(crate) const MAX_MESSAGE_BYTES: usize = 1024;
const MAX_TEXT_BYTES: usize = 512;
/// More fields than that help nobody.
const MAX_FIELDS: usize = 64;

/// Whether a request changes records, so that a lost answer matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Read,
    Write,
}

/// One error as Salesforce words it. `statusCode` is the name of the code in
/// results of single records, `error` in OAuth's.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Entry {
    #[serde(default, alias = "statusCode", alias = "error")]
    #[serde(rename = "errorCode")]
    code: Option<String>,
    #[serde(default, alias = "error_description")]
    message: Option<String>,
    #[serde(default)]
    fields: Option<Vec<String>>,
    /// Old versions misspell it.
    #[serde(default, rename = "duplicateResult", alias = "duplicateResut")]
    duplicates: Option<Duplicates>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Duplicates {
    match_results: Vec<MatchResult>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MatchResult {
    match_records: Vec<MatchRecord>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MatchRecord {
    record: MatchedRecord,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MatchedRecord {
    #[serde(rename = "Id", alias = "id")]
    id: Option<String>,
}

/// A refusal: its status and what it says, never nothing.
#[derive(Debug)]
pub(crate) struct Fault {
    status: u16,
    entries: Vec<Entry>,
    /// The body was Salesforce's own, so it was the API that answered and not
    /// something on the way to it.
    from_api: bool,
}

impl Fault {
    /// Reads the body of an answer that is no success.
    pub(crate) fn read(status: u16, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let text = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
        let entries: Option<Vec<Entry>> = match text.bytes().next() {
            Some(b'[') => serde_json::from_str(text).ok(),
            Some(b'{') => serde_json::from_str::<Entry>(text)
                .ok()
                .map(|entry| vec![entry]),
            Some(b'<') => xml_entry(text).map(|entry| vec![entry]),
            _ => None,
        };
        let entries: Vec<Entry> = entries
            .into_iter()
            .flatten()
            .filter(|entry| entry.code.as_ref().is_some_and(|code| !code.is_empty()))
            .collect();
        let from_api = !entries.is_empty();
        let entries = if from_api {
            entries
        } else {
            vec![Entry {
                code: Some(format!("HTTP_{status}")),
                message: Some(unreadable(status, text).to_owned()),
                ..Entry::default()
            }]
        };
        Self {
            status,
            entries,
            from_api,
        }
    }

    /// A refusal that Salesforce words in another way than by JSON.
    pub(crate) fn of(status: u16, entry: Entry) -> Self {
        Self {
            status,
            entries: vec![entry],
            from_api: true,
        }
    }

    /// The first error's code.
    pub(crate) fn code(&self) -> &str {
        self.entries
            .first()
            .and_then(|entry| entry.code.as_deref())
            .unwrap_or_default()
    }

    /// Whether Salesforce said it, and not something on the way.
    pub(crate) const fn is_from_api(&self) -> bool {
        self.from_api
    }

    /// What to do about it: the gravest of its errors decides, and errors that
    /// concern the whole call are graver than those of a record.
    fn verdict(&self) -> Verdict {
        let verdicts = self.entries.iter().map(|entry| entry.verdict(self.status));
        let mut first = None;
        for verdict in verdicts {
            if verdict.scope == Scope::Call {
                return verdict;
            }
            first.get_or_insert(verdict);
        }
        first.unwrap_or(Verdict {
            advice: Advice::Retry,
            scope: Scope::Call,
        })
    }

    /// The problems, if they are those of the record or of the object, and not
    /// of the connection as a whole.
    pub(crate) fn problems(&self, object: Option<&str>) -> Option<Vec<Problem>> {
        (self.verdict().scope == Scope::Record).then(|| self.all_problems(object))
    }

    /// The problems of a part of a request, whatever they concern.
    pub(crate) fn all_problems(&self, object: Option<&str>) -> Vec<Problem> {
        let entries = self.entries.iter();
        entries
            .map(|entry| entry.problem(self.status, object))
            .collect()
    }

    /// The error of a call that came to nothing because of this.
    pub(crate) fn error(&self, object: Option<&str>, effect: Effect) -> Error {
        // What stands between us and the API may answer 5xx for a request that
        // the API has carried out. 503 says by itself that it has not.
        if effect == Effect::Write && !self.from_api && self.status >= 500 && self.status != 503 {
            return Error::UnknownOutcome;
        }
        let verdict = self.verdict();
        match (verdict.scope, verdict.advice) {
            (Scope::Call, Advice::Reconnect) => Error::Reconnect,
            (Scope::Call, Advice::WaitForQuota) => Error::OverQuota(QUOTA_PAUSE_MS),
            (Scope::Call, Advice::Retry) => Error::Unavailable(FAULT_PAUSE_MS),
            _ => {
                let leading = self
                    .entries
                    .iter()
                    .find(|entry| entry.verdict(self.status) == verdict)
                    .map(|entry| entry.problem(self.status, object));
                leading.map_or(Error::Unavailable(FAULT_PAUSE_MS), Error::Refused)
            }
        }
    }
}

impl Entry {
    /// An error by its parts.
    pub(crate) fn new(code: String, message: String, fields: Vec<String>) -> Self {
        Self {
            code: Some(code),
            message: Some(message),
            fields: Some(fields),
            duplicates: None,
        }
    }

    /// Reads what a bulk job says of a row: `CODE:message:Field1 Field2 --`.
    pub(crate) fn of_bulk(text: &str) -> Self {
        let (code, rest) = text.split_once(':').unwrap_or(("UNKNOWN_EXCEPTION", text));
        let rest = rest.trim_end().trim_end_matches("--").trim_end();
        let (message, fields) = rest.rsplit_once(':').unwrap_or((rest, ""));
        let fields = fields
            .split([' ', ','])
            .filter(|field| !field.is_empty())
            .map(str::to_owned);
        Self::new(code.to_owned(), message.to_owned(), fields.collect())
    }

    /// Whether it says that a platform event was taken: its message is the id of
    /// the event, and nothing is wrong.
    pub(crate) fn is_enqueued(&self) -> bool {
        self.code.as_deref() == Some("OPERATION_ENQUEUED")
    }

    fn verdict(&self, status: u16) -> Verdict {
        verdict(
            self.code.as_deref().unwrap_or_default(),
            self.message.as_deref().unwrap_or_default(),
            status,
        )
    }

    /// The error in the contract's words.
    pub(crate) fn problem(&self, status: u16, object: Option<&str>) -> Problem {
        let code = self.code.as_deref().unwrap_or("UNKNOWN_EXCEPTION");
        let message = self.message.as_deref().unwrap_or_default();
        let named = codes::named_in(code, message);
        let mut fields: Vec<String> = self.fields.iter().flatten().cloned().collect();
        if fields.is_empty() {
            fields = named.fields;
        }
        let mut message = redact::redact(message);
        let duplicates = self.duplicate_ids();
        if !duplicates.is_empty() {
            message = format!("{message} (like: {})", duplicates.join(", "));
        }
        Problem {
            advice: self.verdict(status).advice,
            code: cut(code.to_owned(), MAX_CODE_BYTES),
            message: cut(message, MAX_MESSAGE_BYTES),
            object: named.object.or_else(|| object.map(str::to_owned)),
            fields: fields
                .into_iter()
                .take(MAX_FIELDS)
                .map(|field| cut(field, MAX_CODE_BYTES))
                .collect(),
        }
    }

    /// The records that a duplicate rule found.
    fn duplicate_ids(&self) -> Vec<&str> {
        let results = self
            .duplicates
            .iter()
            .flat_map(|found| &found.match_results);
        results
            .flat_map(|result| &result.match_records)
            .filter_map(|found| found.record.id.as_deref())
            .filter(|id| crate::names::id(id).is_ok())
            .take(10)
            .collect()
    }
}

/// The first error of an XML body, which comes if something on the way changed
/// `Accept`.
fn xml_entry(text: &str) -> Option<Entry> {
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        let (value, _) = rest.split_once(&format!("</{name}>"))?;
        Some(value.to_owned())
    };
    Some(Entry {
        code: Some(element("errorCode").or_else(|| element("exceptionCode"))?),
        message: element("message").or_else(|| element("exceptionMessage")),
        ..Entry::default()
    })
}

/// What to tell of a body that says nothing readable. Pages are not quoted:
/// they tell nothing that the status does not.
fn unreadable(status: u16, text: &str) -> &'static str {
    match (status, text.bytes().next()) {
        (413, _) => {
            "the request is larger than the org takes: send less at a time, or a smaller file"
        }
        (414, _) => "the request's address is too long: ask for fewer fields or shorter values",
        (431, _) => "the request's address and headers are too long: ask for less",
        (_, None) => "the answer was empty",
        (_, Some(b'<')) => "the answer was a page for people, not for programs",
        _ => "the answer was not what the API answers",
    }
}

/// A problem found before anything was sent, or worded by us.
pub(crate) fn problem(advice: Advice, code: &str, message: &str) -> Problem {
    Problem {
        advice,
        code: cut(code.to_owned(), MAX_CODE_BYTES),
        message: cut(message.to_owned(), MAX_MESSAGE_BYTES),
        object: None,
        fields: Vec::new(),
    }
}

/// What a job says of its failure: `CODE: message`, or only a message.
pub(crate) fn problem_of_job(text: &str) -> Problem {
    let is_code =
        |code: &str| !code.is_empty() && code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    let (code, message) = match text.split_once(':') {
        Some((code, message)) if is_code(code.trim()) => (code.trim(), message.trim()),
        _ => ("JOB_FAILED", text.trim()),
    };
    let entry = Entry {
        code: Some(code.to_owned()),
        message: Some(message.to_owned()),
        ..Entry::default()
    };
    entry.problem(400, None)
}

/// A refusal of the whole call, worded by us.
pub(crate) fn refused(advice: Advice, code: &str, message: &str) -> Error {
    Error::Refused(problem(advice, code, message))
}

/// An answer that cannot be read; `expected` says what should have come.
pub(crate) fn unexpected(expected: &str) -> Error {
    Error::Unexpected(cut(format!("expected {expected}"), MAX_TEXT_BYTES))
}

/// The error of a call as the problem of one of its records.
pub(crate) fn as_problem(error: &Error) -> Problem {
    match error {
        Error::Refused(problem) => problem.clone(),
        Error::Reconnect => problem(
            Advice::Reconnect,
            "INVALID_SESSION_ID",
            "the connection is no longer authorised",
        ),
        Error::OverQuota(ms) => problem(
            Advice::WaitForQuota,
            "REQUEST_LIMIT_EXCEEDED",
            &format!("not sent: the budget of calls is used up; look again in {ms} ms"),
        ),
        Error::Unavailable(_) => problem(
            Advice::Retry,
            "SERVER_UNAVAILABLE",
            "not done: a passing fault",
        ),
        Error::UnknownOutcome | Error::Unexpected(_) => problem(
            Advice::CheckOutcome,
            "UNKNOWN_OUTCOME",
            "the answer was lost: this record may have been written",
        ),
    }
}

/// Cuts at a character's boundary.
pub(crate) fn cut(mut text: String, max_bytes: usize) -> String {
    if text.len() > max_bytes {
        let end = (0..=max_bytes)
            .rev()
            .find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
    }
    text
}

#[cfg(test)]
mod tests;
