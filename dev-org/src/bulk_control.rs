//! The switches of bulk jobs that tests turn, in process; `/__control/bulk`
//! does the same over HTTP.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::bulk::{BulkFailure, BulkHold, BulkJobState};
use crate::control::Quota;
use crate::state::Shared;

/// Steers the bulk jobs of a running org.
#[derive(Clone, Debug)]
pub struct BulkControl {
    shared: Arc<Shared>,
}

/// What is left of the daily limits of bulk jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BulkUsage {
    /// Batches of ingest jobs.
    pub batches: Quota,
    /// Rows of ingest jobs.
    pub rows: Quota,
    /// Query jobs.
    pub query_jobs: Quota,
}

/// What of the limits and the pace of bulk jobs is to change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BulkLimits {
    /// Batches of 10,000 rows that 24 hours have.
    pub batches_max: Option<u64>,
    /// Batches that count as used.
    pub batches_used: Option<u64>,
    /// Rows that 24 hours have.
    pub rows_max: Option<u64>,
    /// Rows that count as used.
    pub rows_used: Option<u64>,
    /// Query jobs that 24 hours have.
    pub query_jobs_max: Option<u64>,
    /// Query jobs that count as used.
    pub query_jobs_used: Option<u64>,
    /// Rows of a result page when the caller asks for no number; 0 for the
    /// usual 50,000.
    pub page_rows: Option<u32>,
    /// Waited between two slices of rows.
    pub slice_ms: Option<u64>,
}

impl BulkControl {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Makes jobs wait in a state until they are released.
    pub fn hold(&self, hold: BulkHold) {
        self.shared.bulk.jobs().switches.holds.push(hold);
        self.shared.bulk.changed();
    }

    /// Lets the jobs go on that wait in a state, or all of them.
    pub fn release(&self, state: Option<BulkJobState>) {
        let mut jobs = self.shared.bulk.jobs();
        jobs.switches
            .holds
            .retain(|hold| state.is_some_and(|state| hold.state != state));
        drop(jobs);
        self.shared.bulk.changed();
    }

    /// Makes jobs fail.
    pub fn fail(&self, failure: BulkFailure) {
        self.shared.bulk.jobs().switches.failures.push(failure);
    }

    /// Ends all failures that were asked for.
    pub fn clear_failures(&self) {
        self.shared.bulk.jobs().switches.failures.clear();
    }

    /// Makes every result locator that is out invalid.
    pub fn expire_locators(&self) {
        self.shared.bulk.jobs().switches.locator_epoch += 1;
    }

    /// Changes limits and pace.
    pub fn set_limits(&self, limits: BulkLimits) {
        let now_ms = self.shared.clock.now_ms();
        let mut jobs = self.shared.bulk.jobs();
        let jobs = &mut *jobs;
        for (limit, max, used) in [
            (
                &mut jobs.quota.batches,
                limits.batches_max,
                limits.batches_used,
            ),
            (&mut jobs.quota.rows, limits.rows_max, limits.rows_used),
            (
                &mut jobs.quota.query_jobs,
                limits.query_jobs_max,
                limits.query_jobs_used,
            ),
        ] {
            if let Some(max) = max {
                limit.max = max;
            }
            if let Some(used) = used {
                limit.set_used(now_ms, used);
            }
        }
        if let Some(rows) = limits.page_rows {
            jobs.switches.page_rows = Some(rows);
        }
        if let Some(slice_ms) = limits.slice_ms {
            jobs.switches.slice_ms = slice_ms;
        }
    }

    /// The daily limits.
    pub fn usage(&self) -> BulkUsage {
        let now_ms = self.shared.clock.now_ms();
        let mut jobs = self.shared.bulk.jobs();
        BulkUsage {
            batches: jobs.quota.batches.show(now_ms),
            rows: jobs.quota.rows.show(now_ms),
            query_jobs: jobs.quota.query_jobs.show(now_ms),
        }
    }

    /// Waits until every job is finished, held, or waits for its data.
    pub async fn settled(&self) {
        let now_ms = self.shared.clock.now_ms();
        self.shared.bulk.settled(now_ms).await;
    }

    pub(crate) fn switches(&self) -> serde_json::Value {
        serde_json::json!(self.shared.bulk.jobs().switches)
    }
}
