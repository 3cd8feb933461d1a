//! What tests turn on bulk jobs: where jobs wait, which fail and with what
//! words, and how slowly they go. Plain data; `jobs` plays it.

use serde::{Deserialize, Serialize};

/// The states of a job, as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BulkJobState {
    /// Waits for its data.
    Open,
    /// Has its data and waits to be worked on.
    UploadComplete,
    /// Is being worked on.
    InProgress,
    /// Was ended by its user.
    Aborted,
    /// Has been worked on; single rows may have failed.
    JobComplete,
    /// Ended early by an error.
    Failed,
}

impl BulkJobState {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::UploadComplete => "UploadComplete",
            Self::InProgress => "InProgress",
            Self::Aborted => "Aborted",
            Self::JobComplete => "JobComplete",
            Self::Failed => "Failed",
        }
    }

    /// Whether nothing will change any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Aborted | Self::JobComplete | Self::Failed)
    }
}

/// Where jobs wait until they are released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkHold {
    /// `UploadComplete` or `InProgress`.
    pub state: BulkJobState,
    /// In `InProgress`, after this many rows.
    #[serde(default)]
    pub after_rows: u64,
}

/// Jobs that fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkFailure {
    /// The job's `errorMessage`.
    pub message: String,
    /// Only jobs on this object.
    #[serde(default)]
    pub object: Option<String>,
    /// After this many rows, whose results stay.
    #[serde(default)]
    pub after_rows: u64,
    /// How many jobs fail; all when absent.
    #[serde(default)]
    pub times: Option<u32>,
}

impl BulkFailure {
    fn is_for(&self, object: &str) -> bool {
        self.times != Some(0)
            && self
                .object
                .as_ref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(object))
    }
}

/// The switches in force.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Switches {
    pub(crate) holds: Vec<BulkHold>,
    pub(crate) failures: Vec<BulkFailure>,
    /// Waited between two slices of rows.
    pub(crate) slice_ms: u64,
    /// Rows of a result page when the caller asks for no number.
    pub(crate) page_rows: Option<u32>,
    /// Counts up when all result locators expire.
    #[serde(skip)]
    pub(crate) locator_epoch: u32,
}

impl Switches {
    /// Whether a job in this state and with this many rows behind it waits.
    pub(crate) fn holds(&self, state: BulkJobState, rows: u64) -> bool {
        self.holds
            .iter()
            .any(|hold| hold.state == state && hold.after_rows <= rows)
    }

    /// The message with which a job fails now. Uses the failure up.
    pub(crate) fn fail(&mut self, object: &str, rows: u64) -> Option<String> {
        let failure = self
            .failures
            .iter_mut()
            .find(|failure| failure.is_for(object) && failure.after_rows <= rows)?;
        if let Some(times) = &mut failure.times {
            *times -= 1;
        }
        let message = failure.message.clone();
        self.failures.retain(|failure| failure.times != Some(0));
        Some(message)
    }

    /// After how many rows a job has to look at the switches again.
    pub(crate) fn next_stop(&self, object: &str, rows: u64) -> Option<u64> {
        let failures = self
            .failures
            .iter()
            .filter(|failure| failure.is_for(object));
        failures
            .map(|failure| failure.after_rows)
            .chain(self.holds.iter().map(|hold| hold.after_rows))
            .filter(|stop| *stop > rows)
            .min()
    }
}
