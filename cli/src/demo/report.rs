//! What the demo found out: the report as one value, from which both the JSON
//! and the text for people are made.

use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::steps::Step;

/// The whole report.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// Every step did what it should.
    pub(super) ok: bool,
    /// From the first step to the last.
    pub(super) seconds: f64,
    /// Calls that the org counted, from its request log.
    pub(super) api_calls: usize,
    /// The org's budget afterwards.
    pub(super) quota: QuotaReport,
    /// What was done with each object, by name and in order; see [`ObjectReport`].
    pub(super) objects: Map<String, Json>,
    /// What the plugins did.
    pub(super) plugins: Vec<PluginReport>,
    /// What was refused or stopped, as it should be.
    pub(super) refusals: Vec<Refusal>,
    /// The steps in order.
    pub(super) steps: Vec<Step>,
}

/// The budget of API calls.
#[derive(Debug, Default, Serialize)]
pub(super) struct QuotaReport {
    pub(super) limit: u64,
    /// As the org counts.
    pub(super) used: u64,
    pub(super) left: u64,
    /// As the host counts; the same, if nobody else calls.
    pub(super) used_as_host_counts: u64,
}

/// What was done with the records of one object; each is a number of records,
/// and each was seen in the org afterwards.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct ObjectReport {
    pub(super) created: usize,
    pub(super) read: usize,
    pub(super) updated: usize,
    pub(super) upserted: usize,
    /// The field by which records were found: an external id, or `Id`.
    pub(super) upserted_by: &'static str,
    pub(super) deleted: usize,
}

/// What one plugin did.
#[derive(Debug, Serialize)]
pub(super) struct PluginReport {
    pub(super) plugin: String,
    pub(super) object: &'static str,
    pub(super) pages: usize,
    pub(super) records: usize,
    /// Records that came out other than they went in.
    pub(super) changed: usize,
    pub(super) dropped: usize,
    pub(super) rejected: usize,
    /// One record before and after.
    pub(super) example: Option<[String; 2]>,
}

/// Something that was refused or stopped.
#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    /// What was tried.
    pub(super) attempt: &'static str,
    /// What the host said.
    pub(super) answer: String,
    /// How long it took.
    pub(super) seconds: f64,
}
