//! What a run would change, with nothing changed.

use std::collections::BTreeMap;

use serde::Serialize;

use super::compare::{Comparison, Differs};
use super::{Engine, SyncError};
use crate::outgoing::OutgoingChange;

/// Changes that are shown; what is more is counted with the next run.
const SHOWN: usize = 10_000;

/// What a run would change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// Records that come from the org, by object.
    pub incoming: BTreeMap<String, Differences>,
    /// Changes that go there, at most 10,000; before plugins have seen them.
    pub outgoing: Vec<OutgoingChange>,
    /// Rows that wait for another row or for a decision.
    pub waiting: u64,
    /// Rows that the org could never take, and that would become dead letters.
    pub refused: u64,
}

/// How many records of an object differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// Rows that would be inserted.
    pub inserted: u64,
    /// Records that changed in the org: their rows would be merged.
    pub changed: u64,
    /// Rows whose records are gone.
    pub deleted: u64,
}

impl Engine {
    /// What [`Self::run_once`] would change. It reads the ids of all records of the org
    /// that the sync takes.
    ///
    /// # Errors
    /// [`SyncError`].
    pub async fn preview(&self) -> Result<Preview, SyncError> {
        let outgoing = self.database.preview_outgoing(SHOWN).await?;
        let mut preview = Preview {
            outgoing: outgoing.changes,
            waiting: outgoing.waiting,
            refused: outgoing.refused,
            ..Preview::default()
        };
        for object in self.taken() {
            let differences = preview.incoming.entry(object.object.clone()).or_default();
            let mut comparison = Comparison::begin(self, object).await?;
            while let Some((differs, _)) = comparison.next().await? {
                match differs {
                    Differs::OnlyThere => differences.inserted += 1,
                    Differs::Changed => differences.changed += 1,
                    // Most likely nothing has: a run looks.
                    Differs::Unsure => {}
                    Differs::OnlyHere => differences.deleted += 1,
                }
            }
        }
        Ok(preview)
    }
}
