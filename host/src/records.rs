//! The values that calls take and give: records as JSON bytes, results, pages,
//! descriptions. Plain data, the same for every connector.

mod contract;
mod description;
mod given;
mod sheet;
mod table;
mod told;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use json_skim::{Malformed, Skim};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::Error;

pub(crate) use contract::{bounded, setting_problems};
pub use description::{
    Action, Child, ConnectorDescription, EventKind, Field, ObjectDescription, ObjectSummary,
};
pub(crate) use given::{Frame, Given};
pub(crate) use sheet::{Sheet, Telling};
pub(crate) use table::{Shape, Table};
pub(crate) use told::{Form as ToldForm, Told, Written};

/// How long a record probably is, in bytes of JSON: for less, room is made once.
const LIKELY_BYTES: usize = 512;

/// Records as they travel: one JSON array of objects, with the order of keys
/// kept. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Records {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Json { json: Bytes, count: usize },
    Table(Arc<Table>),
}

impl PartialEq for Records {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Records {}

impl From<Table> for Records {
    fn from(table: Table) -> Self {
        Self {
            form: Form::Table(Arc::new(table)),
        }
    }
}

impl Records {
    /// Takes a JSON array of objects. White space around it is left out.
    ///
    /// # Errors
    /// [`Error::Input`] if the bytes are anything else, saying where.
    pub fn from_json(json: impl Into<Bytes>) -> Result<Self, Error> {
        let json = json.into();
        let json = json.slice_ref(without_space(&json));
        let count = count_objects(&json)?;
        Ok(Self::counted(json, count))
    }

    /// Takes anything that serialises to JSON objects.
    ///
    /// # Errors
    /// [`Error::Input`] if an item does not become a JSON object.
    pub fn from_items<T: Serialize>(items: &[T]) -> Result<Self, Error> {
        let mut json = Vec::with_capacity(items.len() * LIKELY_BYTES);
        json.push(b'[');
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                json.push(b',');
            }
            let start = json.len();
            serde_json::to_writer(&mut json, item).map_err(|error| {
                Error::Input(format!("records cannot be written as JSON: {error}"))
            })?;
            // What was just written as JSON is not read once more to see that it is.
            if json.get(start) != Some(&b'{') {
                let malformed = Malformed {
                    at: start,
                    expected: "an object",
                };
                return Err(no_objects(malformed, at));
            }
        }
        json.push(b']');
        Ok(Self::counted(json.into(), items.len()))
    }

    /// Takes an array whose count is known.
    pub(crate) const fn counted(json: Bytes, count: usize) -> Self {
        Self {
            form: Form::Json { json, count },
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.form {
            Form::Json { count, .. } => *count,
            Form::Table(table) => table.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The JSON array. Of records that a product sent as a table it is made when it is
    /// first asked for, and then kept.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        match &self.form {
            Form::Json { json, .. } => json,
            Form::Table(table) => table.json(),
        }
    }

    /// Each record as its own JSON text, uncopied.
    ///
    /// # Errors
    /// [`Error::Input`] if the array is malformed.
    pub fn rows(&self) -> Result<Vec<&RawValue>, Error> {
        self.to_vec()
    }

    /// Each record's text, as it stands in the array.
    ///
    /// # Errors
    /// [`Error::Input`] if the array is malformed.
    pub(crate) fn texts(&self) -> Result<Vec<&str>, Error> {
        let mut texts = Vec::with_capacity(self.len());
        each_text(self.as_bytes(), |text| texts.push(text))?;
        Ok(texts)
    }

    /// All records as values of `T`, which may borrow its texts from here. Those that
    /// a product sent as a table are read without any JSON in between.
    ///
    /// # Errors
    /// [`Error::Input`] if a record does not fit `T`, saying where.
    pub fn to_vec<'a, T: Deserialize<'a>>(&'a self) -> Result<Vec<T>, Error> {
        if let Form::Table(table) = &self.form
            && let Some(all) = table.read()
        {
            return Ok(all);
        }
        // The whole is looked at once instead of each text in it.
        let text = str::from_utf8(self.as_bytes())
            .map_err(|error| Error::Input(format!("records must be UTF-8: {error}")))?;
        serde_json::from_str(text)
            .map_err(|error| Error::Input(format!("the records do not fit: {error}")))
    }
}

/// A text without the white space around it: that of JSON, which is less than that of
/// ASCII.
fn without_space(json: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let start = json.iter().take_while(|byte| is_space(byte)).count();
    let inner = json.get(start..).unwrap_or_default();
    let end = inner.iter().rev().take_while(|byte| is_space(byte)).count();
    inner.get(..inner.len() - end).unwrap_or_default()
}

/// Checks that the text is an array of objects, and counts them.
fn count_objects(json: &[u8]) -> Result<usize, Error> {
    let mut count = 0;
    each_text(json, |_| count += 1)?;
    Ok(count)
}

/// Checks that the text is an array of objects, and gives the text of each. All records
/// pass here, so it walks by slices and parses nothing.
fn each_text<'a>(json: &'a [u8], mut each: impl FnMut(&'a str)) -> Result<(), Error> {
    let text = str::from_utf8(json)
        .map_err(|error| Error::Input(format!("records must be UTF-8: {error}")))?;
    let mut count = 0;
    let mut skim = Skim::new(text);
    let object = |skim: &mut Skim<'a>| {
        if skim.peek() != Some(b'{') {
            return Err(Malformed {
                at: skim.offset(),
                expected: "an object",
            });
        }
        each(skim.value()?);
        count += 1;
        Ok(())
    };
    let walked = skim.elements(object).and_then(|()| skim.end());
    walked.map_err(|error| no_objects(error, count))
}

fn no_objects(error: Malformed, count: usize) -> Error {
    Error::Input(format!(
        "records must be a JSON array of objects: {error}, after {count} of them"
    ))
}

/// Some records of a longer answer.
#[derive(Clone, Debug)]
pub struct Page {
    /// The records.
    pub records: Records,
    /// How many the whole answer has, if the product said so.
    pub total: Option<u64>,
    /// How many were left out by transforms because they are not wanted.
    pub dropped: usize,
    /// Those that transforms left out because they are wrong.
    pub rejected: Vec<Rejected>,
}

/// A record that a transform rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its place in the input, from 0.
    pub at: usize,
    /// The record as it came in, JSON.
    pub record: Bytes,
    /// Why, in the transform's words.
    pub reason: String,
}

/// What the caller should do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Advice {
    /// Change the record: a value is missing, malformed or not allowed.
    FixRecord,
    /// The object or fields do not exist for this user: describe again, or look
    /// at field permissions.
    FixSchema,
    /// The connected user lacks a permission.
    AskPermission,
    /// The record is gone: read it again, or stop tracking it. Of a subscription:
    /// events are gone, so read all records again.
    Refetch,
    /// The org already has a record like this.
    ResolveDuplicate,
    /// A passing fault: do the same again after a pause.
    Retry,
    /// A budget of the org is used up.
    WaitForQuota,
    /// Undone because another record of an all-or-none batch failed.
    RolledBack,
    /// The answer was lost: look before doing it again.
    CheckOutcome,
    /// A person has to reconnect the connection.
    Reconnect,
}

impl Advice {
    /// Whether doing the same again later may succeed.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Retry | Self::WaitForQuota | Self::RolledBack)
    }

    /// The advice as an instruction.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::FixRecord => "change the record",
            Self::FixSchema => "describe the object again or look at field permissions",
            Self::AskPermission => "ask the org's administrator for the permission",
            Self::Refetch => "read again what is there",
            Self::ResolveDuplicate => "merge with the record that is there, or allow duplicates",
            Self::Retry => "try again after a pause",
            Self::WaitForQuota => "go on when the budget frees",
            Self::RolledBack => "mend the record that failed and send all again",
            Self::CheckOutcome => "look whether it happened before doing it again",
            Self::Reconnect => "reconnect the connection",
        }
    }
}

/// What the product said against a request or a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What to do.
    pub advice: Advice,
    /// The product's own error code.
    pub code: String,
    /// The product's message, bounded and without credentials.
    pub message: String,
    /// The object in question, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The fields in question.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message.trim())?;
        if !self.fields.is_empty() {
            write!(f, " (fields: {})", self.fields.join(", "))?;
        }
        write!(f, "; {}", self.advice.text())
    }
}

/// What became of one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordResult {
    /// The record's id, if it has one.
    pub id: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What became of the records that it held, parents before their children.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<RelatedResult>,
}

impl RecordResult {
    /// Whether the record was written, with all that it held; in a dry run, whether
    /// nothing was found wrong with any of them.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.outcome.is_ok() && self.related.iter().all(|related| related.outcome.is_ok())
    }
}

/// What became of a record that another one held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RelatedResult {
    /// Where it stands in the record that was given, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// Its object.
    pub object: String,
    /// The record's id, if it has one.
    pub id: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What became of one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It was created.
    Created,
    /// It was changed.
    Updated,
    /// It was deleted.
    Deleted,
    /// A dry run found nothing wrong with it. Nothing was changed.
    Checked,
    /// Nothing was changed.
    Failed {
        /// Why; never empty.
        problems: Vec<Problem>,
    },
}

impl Outcome {
    /// Whether it was done, or checked without finding anything.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        !matches!(self, Self::Failed { .. })
    }
}

/// A setting that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingProblem {
    /// Where, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for SettingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() {
            "settings"
        } else {
            &self.pointer
        };
        write!(f, "{place}: {}", self.message)
    }
}

/// What became of one of a write's records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowResult {
    /// Its place among all records of the write, from 0.
    pub row: u64,
    /// What happened.
    #[serde(flatten)]
    pub result: RecordResult,
}

/// What a write does with its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Creates them.
    Create,
    /// Changes them, each with its id in it.
    Update,
    /// Creates or changes them, found by the value of this field.
    Upsert(String),
    /// Deletes them, by their ids.
    Delete,
}

impl Operation {
    /// What errors call it.
    pub(crate) const fn call(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Upsert(_) => "upsert",
            Self::Delete => "delete",
        }
    }
}

/// How to write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Undo all if one record fails.
    pub all_or_none: bool,
    /// The connector's name of the way to do it, for instance `collections`, `bulk`
    /// or `graph`; `None` leaves the choice to the connector. A name that it does not
    /// know is refused with the list of those that it knows.
    pub way: Option<String>,
    /// A name under which the write can be taken up again after a crash: with
    /// the same records it goes on where it was, and writes nothing twice.
    pub name: Option<String>,
    /// Write nothing, and say of each record whether anything is wrong with it as
    /// far as descriptions tell: it is [`Outcome::Checked`] or
    /// [`Outcome::Failed`]. The product's own rules are not among that. Records of an
    /// upsert that lack a required field are looked up, to tell whether they are new:
    /// with Salesforce 200 in an API call.
    pub dry_run: bool,
}

/// How to query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryOptions {
    /// Include deleted and archived records.
    pub include_deleted: bool,
    /// Wished records a page; 0 leaves it to the connector.
    pub page_size: u32,
    /// The connector's name of the way to answer it, for instance `rest` or
    /// `bulk`; `None` leaves the choice to the connector. A name that it does not
    /// know is refused with the list of those that it knows.
    pub way: Option<String>,
}

/// Which records of an object to scan, and what of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanOptions {
    /// Fields that are wanted beside the id, by their API names.
    pub fields: Vec<String>,
    /// Only records behind this id.
    pub after: Option<String>,
    /// Only records that have one of these values in a field, at most 200.
    pub matching: Option<(String, Vec<String>)>,
    /// As with [`QueryOptions::way`].
    pub way: Option<String>,
}

/// How a query is answered, or a write is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Way {
    /// The connector's name of it.
    pub name: String,
    /// Why it was chosen, one sentence without its full stop.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_an_array_of_objects_or_refused_with_the_place() {
        let two = Records::from_json(" \n [{\"a\":1},{}] ").unwrap();
        assert_eq!(
            (two.len(), &two.as_bytes()[..]),
            (2, &br#"[{"a":1},{}]"#[..])
        );
        let error = Records::from_json(r#"[{"a":1},7]"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "records must be a JSON array of objects: expected an object at byte 9, after 1 of them"
        );
        assert!(Records::from_json("{}").is_err());
        assert!(Records::from_json(&b"[\xff]"[..]).is_err());
    }

    #[test]
    fn items_become_the_same_records_as_their_json_and_are_objects() {
        let items = [serde_json::json!({ "a": 1 }), serde_json::json!({})];
        let records = Records::from_items(&items).unwrap();
        assert_eq!(records, Records::from_json(r#"[{"a":1},{}]"#).unwrap());
        assert_eq!(records.len(), 2);
        assert!(Records::from_items::<()>(&[]).unwrap().is_empty());
        let error = Records::from_items(&[7]).unwrap_err().to_string();
        assert_eq!(
            error,
            Records::from_json("[7]").unwrap_err().to_string(),
            "{error}"
        );
    }
}
