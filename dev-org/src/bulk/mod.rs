//! Bulk API 2.0: jobs that load rows from CSV, and jobs that answer a query as
//! CSV. Jobs advance by tasks of their own, which take the records' lock for a
//! few hundred rows at a time; results are written when they are fetched, from
//! the data that was sent or from the places of the rows.

pub(crate) mod csv;
mod ingest;
pub(crate) mod job;
mod jobs;
mod query;
mod quota;
pub(crate) mod results;
mod switches;
mod target;

pub(crate) use jobs::{Bulk, state_in_words, wrong_state};
pub(crate) use query::check_query;
pub(crate) use quota::Daily;
pub use switches::{BulkFailure, BulkHold, BulkJobState};
pub(crate) use target::check_target;
