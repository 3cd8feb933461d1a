//! One job: what was asked for, how far it is, and how it shows itself.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

use super::csv::{Dialect, Span};
use super::switches::BulkJobState as State;
use crate::http::data::admit::timestamp;
use crate::http::data::version::Version;
use crate::id::Id;
use crate::org::Operation;
use crate::soql::CsvAnswer;
use crate::user::User;

/// What a job does.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    /// Writes rows.
    Ingest {
        operation: Operation,
        /// The external id of an upsert.
        key: Option<String>,
        assignment_rule: Option<String>,
    },
    /// Answers a query.
    Query {
        /// With deleted rows.
        all_rows: bool,
    },
}

impl Task {
    /// `operation` on the wire.
    pub(crate) fn operation(&self) -> &'static str {
        match self {
            Self::Ingest { operation, .. } => operation_name(*operation),
            Self::Query { all_rows: false } => "query",
            Self::Query { all_rows: true } => "queryAll",
        }
    }

    pub(crate) fn is_query(&self) -> bool {
        matches!(self, Self::Query { .. })
    }

    /// `jobType` on the wire.
    pub(crate) fn job_type(&self) -> &'static str {
        if self.is_query() {
            "V2Query"
        } else {
            "V2Ingest"
        }
    }
}

fn operation_name(operation: Operation) -> &'static str {
    match operation {
        Operation::Insert => "insert",
        Operation::Update => "update",
        Operation::Upsert => "upsert",
        Operation::Delete => "delete",
        Operation::HardDelete => "hardDelete",
    }
}

/// What a request for a job says.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) task: Task,
    /// The object's name as the schema spells it.
    pub(crate) object: String,
    pub(crate) dialect: Dialect,
    pub(crate) version: Version,
    pub(crate) user: Arc<User>,
    /// What the client calls itself.
    pub(crate) client: Option<String>,
    pub(crate) created_ms: i64,
    /// The plan of a query's answer.
    pub(crate) answer: Option<CsvAnswer>,
}

/// What never changes about a job, and what its work leaves behind.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) id: Id,
    pub(crate) task: Task,
    /// The object's name as the schema spells it.
    pub(crate) object: String,
    pub(crate) dialect: Dialect,
    pub(crate) version: Version,
    pub(crate) user: Arc<User>,
    pub(crate) client: Option<String>,
    pub(crate) created_ms: i64,
    /// The work is to end at the next slice.
    pub(crate) stop: AtomicBool,
    /// Rows worked on, those that failed included.
    pub(crate) processed: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) active_us: AtomicU64,
    outcome: Mutex<Outcome>,
}

/// What came of the rows.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The data that was sent.
    pub(crate) data: Arc<str>,
    /// The data was not UTF-8.
    pub(crate) is_garbled: bool,
    /// How many columns the header has, and where it stands.
    pub(crate) header: Option<(Span, usize)>,
    pub(crate) saved: Vec<Saved>,
    pub(crate) refused: Vec<Refused>,
    /// Rows that nobody has looked at: from this byte on.
    pub(crate) rest: usize,
    /// Rows that wait for a record that somebody else has locked.
    pub(crate) locked: Vec<Span>,
    /// The answer of a query.
    pub(crate) answer: Option<CsvAnswer>,
}

/// A row that was written.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    pub(crate) span: Span,
    pub(crate) id: Id,
    pub(crate) created: bool,
}

/// A row that was refused.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) span: Span,
    /// The id that an update or delete named.
    pub(crate) id: Option<Box<str>>,
    pub(crate) error: Box<str>,
}

impl Work {
    pub(crate) fn new(id: Id, wanted: Wanted) -> Self {
        Self {
            id,
            task: wanted.task,
            object: wanted.object,
            dialect: wanted.dialect,
            version: wanted.version,
            user: wanted.user,
            client: wanted.client,
            created_ms: wanted.created_ms,
            stop: AtomicBool::new(false),
            processed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            active_us: AtomicU64::new(0),
            outcome: Mutex::new(Outcome {
                answer: wanted.answer,
                ..Outcome::default()
            }),
        }
    }

    /// What came of the rows so far. Held for one slice at a time.
    pub(crate) fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub(crate) fn rows(&self) -> u64 {
        self.processed.load(Ordering::Acquire)
    }
}

/// A job with its state.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) work: Arc<Work>,
    pub(crate) state: State,
    pub(crate) modified_ms: i64,
    pub(crate) error: Option<String>,
    /// Its data has come.
    pub(crate) has_data: bool,
    /// Waits at a switch.
    pub(crate) is_held: bool,
    pub(crate) total_ms: u64,
}

/// How much of a job is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// As a new job answers.
    Created,
    /// As a change of state answers.
    Changed,
    /// As a list has it.
    Listed,
    /// Everything.
    Full,
}

impl Job {
    /// The job as JSON, in the order of keys that Salesforce has.
    pub(crate) fn to_json(&self, detail: Detail) -> Value {
        let work = &self.work;
        let mut shown = Map::new();
        let mut put = |key: &str, value: Value| drop(shown.insert(key.to_owned(), value));
        put("id", json!(&*work.id));
        put("operation", json!(work.task.operation()));
        put("object", json!(work.object));
        put("createdById", json!(&*work.user.id));
        put("createdDate", json!(timestamp(work.created_ms)));
        put("systemModstamp", json!(timestamp(self.modified_ms)));
        put("state", json!(self.state.name()));
        if let Task::Ingest {
            key,
            assignment_rule,
            ..
        } = &work.task
        {
            if let Some(key) = key {
                put("externalIdFieldName", json!(key));
            }
            if let Some(rule) = assignment_rule {
                put("assignmentRuleId", json!(rule));
            }
        }
        put("concurrencyMode", json!("Parallel"));
        put("contentType", json!("CSV"));
        put("apiVersion", json!(work.version.number()));
        if matches!(detail, Detail::Listed | Detail::Full) {
            put("jobType", json!(work.task.job_type()));
        }
        if detail != Detail::Changed {
            if !work.task.is_query() {
                // Without a slash in front, as Salesforce has it.
                let path = work.version.path();
                let path = path.trim_start_matches('/');
                put(
                    "contentUrl",
                    json!(format!("{path}/jobs/ingest/{}/batches", work.id)),
                );
            }
            put("lineEnding", json!(work.dialect.line_ending));
            put("columnDelimiter", json!(work.dialect.delimiter));
        }
        if detail == Detail::Full {
            self.put_progress(&mut put);
        }
        Value::Object(shown)
    }

    fn put_progress(&self, put: &mut impl FnMut(&str, Value)) {
        let work = &self.work;
        let count = |count: &AtomicU64| json!(count.load(Ordering::Acquire));
        put("numberRecordsProcessed", json!(work.rows()));
        if !work.task.is_query() {
            put("numberRecordsFailed", count(&work.failed));
        }
        put("retries", count(&work.retries));
        put("totalProcessingTime", json!(self.total_ms));
        if !work.task.is_query() {
            let active_ms = work.active_us.load(Ordering::Acquire) / 1000;
            put("apiActiveProcessingTime", json!(active_ms));
            put("apexProcessingTime", json!(0));
        }
        if let Some(error) = &self.error {
            put("errorMessage", json!(error));
        }
        // Only queries are cut by id.
        put("isPkChunkingSupported", json!(work.task.is_query()));
    }
}
