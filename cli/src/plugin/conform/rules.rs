//! The rules of the suite, and what the contract says of each.

mod faults;
mod plays;

use anyhow::Result;
use lockgate::manifest::VendorManifest;
use serde::Serialize;

use super::scene::Scene;

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Pages,
    ExpiredToken,
    OverQuota,
    Unreadable,
    BrokenOff,
    GivenUp,
    BigBatch,
    LostCreate,
}

/// What came of a rule.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Played so often; nothing was wrong if there are no failures.
    Played {
        n_runs: usize,
        failures: Vec<Failure>,
    },
    /// Nothing to play it with.
    NotApplicable(&'static str),
}

/// Where a rule is broken.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    pub(super) folder: String,
    /// The request that met the fault; empty if it was none.
    pub(super) request: String,
    /// What was done to it.
    pub(super) fault: &'static str,
    pub(super) what: String,
}

impl Rule {
    pub(super) const ALL: [Self; 8] = [
        Self::Pages,
        Self::ExpiredToken,
        Self::OverQuota,
        Self::Unreadable,
        Self::BrokenOff,
        Self::GivenUp,
        Self::BigBatch,
        Self::LostCreate,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pages => "pages",
            Self::ExpiredToken => "expired-token",
            Self::OverQuota => "over-quota",
            Self::Unreadable => "unreadable-answer",
            Self::BrokenOff => "broken-off",
            Self::GivenUp => "given-up",
            Self::BigBatch => "big-batch",
            Self::LostCreate => "lost-create",
        }
    }

    /// The item of the contract that it is from.
    pub(super) const fn item(self) -> &'static str {
        match self {
            Self::Pages => "records.cursor.next",
            Self::ExpiredToken => "http.error",
            Self::OverQuota => "records.error.over-quota",
            Self::Unreadable => "records.error.unexpected",
            Self::BrokenOff => "records.error.unavailable",
            Self::GivenUp => "records.cursor, records.writer",
            Self::BigBatch => "records.writer",
            Self::LostCreate => "records.error.unknown-outcome",
        }
    }

    /// What that says.
    pub(super) const fn says(self) -> &'static str {
        match self {
            Self::Pages => {
                "pages end with `none`, and each record comes once, also after a page that \
                 failed with `unavailable`"
            }
            Self::ExpiredToken => {
                "an expired session is refreshed by the host, and the call notices nothing"
            }
            Self::OverQuota => {
                "a call that fails with `over-quota` has lost nothing: made again, it gives the \
                 same"
            }
            Self::Unreadable => {
                "what the connector cannot read is `unexpected`, never an answer and never a crash"
            }
            Self::BrokenOff => {
                "an answer that breaks off is `unavailable` where nothing was written, and the \
                 same call again gives the same"
            }
            Self::GivenUp => "dropping it ends it: nothing is asked for afterwards",
            Self::BigBatch => "every record of a write gets one result, in the end",
            Self::LostCreate => {
                "the answer to a write was lost: it may have happened, so it is not sent again"
            }
        }
    }

    /// Plays it on all scenes that it is about.
    pub(super) async fn play(
        self,
        scenes: &[Scene<'_>],
        vendor: &VendorManifest,
    ) -> Result<Verdict> {
        match self {
            Self::Pages => plays::pages(scenes).await,
            Self::ExpiredToken => plays::expired_token(scenes, vendor).await,
            Self::OverQuota => plays::over_quota(scenes, vendor).await,
            Self::Unreadable => plays::unreadable(scenes).await,
            Self::BrokenOff => plays::broken_off(scenes).await,
            Self::GivenUp => plays::given_up(scenes).await,
            Self::BigBatch => plays::big_batch(scenes, vendor).await,
            Self::LostCreate => plays::lost_create(scenes).await,
        }
    }
}
