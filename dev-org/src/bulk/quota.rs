//! What bulk jobs may use up in 24 hours.

use crate::rolling::Rolling;

/// Rows that are worked on as one batch.
pub(crate) const BATCH_ROWS: u64 = 10_000;

/// One daily limit.
#[derive(Debug)]
pub(crate) struct Daily {
    pub(crate) max: u64,
    count: Rolling,
}

/// A limit at a glance.
pub(crate) type Shown = crate::control::Quota;

impl Daily {
    pub(crate) fn new(max: u64) -> Self {
        Self {
            max,
            count: Rolling::default(),
        }
    }

    /// How many are left.
    pub(crate) fn left(&mut self, now_ms: i64) -> u64 {
        self.max.saturating_sub(self.count.used(now_ms))
    }

    /// Takes this many, if they are left.
    pub(crate) fn take(&mut self, now_ms: i64, count: u64) -> bool {
        let fits = self.count.used(now_ms).saturating_add(count) <= self.max;
        if fits {
            self.count.add(now_ms, count);
        }
        fits
    }

    pub(crate) fn is_used_up(&mut self, now_ms: i64) -> bool {
        self.count.used(now_ms) >= self.max
    }

    pub(crate) fn set_used(&mut self, now_ms: i64, used: u64) {
        self.count.set_used(now_ms, used);
    }

    pub(crate) fn show(&mut self, now_ms: i64) -> Shown {
        Shown {
            max: self.max,
            used: self.count.used(now_ms),
        }
    }
}

impl Default for Daily {
    fn default() -> Self {
        Self::new(u64::MAX)
    }
}

/// The daily limits of an org, the same in every edition.
#[derive(Debug)]
pub(crate) struct Quota {
    /// Batches of ingest jobs.
    pub(crate) batches: Daily,
    /// Rows of ingest jobs.
    pub(crate) rows: Daily,
    /// Query jobs.
    pub(crate) query_jobs: Daily,
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            batches: Daily::new(15_000),
            rows: Daily::new(150_000_000),
            query_jobs: Daily::new(10_000),
        }
    }
}
