//! Conflicts that a plugin decides: those of fields whose policy says so.
//!
//! The plugin gets one record for each conflict, under the name of the object:
//! `number`, `field`, `local_key`, `org_id`, and the values `base` (what both had),
//! `local` (what the table has) and `org`. A record that it keeps has a member `value`:
//! that is taken, on both sides. One that it drops or rejects stays undecided, for a
//! person.

use std::collections::{BTreeMap, BTreeSet};

use lockgate::{Records, Transform};
use serde_json::json;
use serde_json::value::RawValue;

use super::pace::Pace;
use super::{Engine, SyncError};
use crate::conflicts::{Conflict, Resolution};
use crate::merge::Taken;
use crate::value::Value;

/// Conflicts that a plugin is given at a time.
const AT_A_TIME: u32 = 1_000;

impl Engine {
    /// Has conflicts decided whenever there are some, if there is a plugin for that.
    pub(super) async fn decide(&self, pace: &Pace<'_>) -> Result<(), SyncError> {
        let Some(decider) = &self.options.decider else {
            return std::future::pending().await;
        };
        let mut asked = BTreeSet::new();
        loop {
            self.decide_all(decider, &mut asked).await?;
            pace.went_well();
            self.to_decide.notified().await;
        }
    }

    /// Asks about each conflict once.
    pub(super) async fn decide_all(
        &self,
        decider: &Transform,
        asked: &mut BTreeSet<i64>,
    ) -> Result<(), SyncError> {
        let mut after = 0;
        loop {
            let conflicts = self.database.conflicts(after, AT_A_TIME).await?;
            let Some(last) = conflicts.last() else {
                return Ok(());
            };
            after = last.number;
            let mut by_object: BTreeMap<String, Vec<Conflict>> = BTreeMap::new();
            for conflict in conflicts {
                let is_open = conflict.taken == Taken::Undecided.word();
                if is_open && conflict.field.is_some() && asked.insert(conflict.number) {
                    let object = by_object.entry(conflict.object.clone()).or_default();
                    object.push(conflict);
                }
            }
            for (object, conflicts) in by_object {
                self.ask(decider, &object, &conflicts).await?;
            }
        }
    }

    async fn ask(
        &self,
        decider: &Transform,
        object: &str,
        conflicts: &[Conflict],
    ) -> Result<(), SyncError> {
        let questions = conflicts.iter().map(|conflict| {
            json!({
                "number": conflict.number,
                "field": conflict.field,
                "local_key": conflict.local_key,
                "org_id": conflict.org_id,
                "base": conflict.base,
                "local": conflict.local,
                "org": conflict.incoming,
            })
        });
        let questions: Vec<_> = questions.collect();
        let answered = decider
            .apply(object, &Records::from_items(&questions)?)
            .await;
        let answered = match answered {
            Ok(answered) => answered,
            Err(error) if error.blame() == lockgate::Blame::Guest => {
                tracing::warn!(%error, object, "a plugin did not decide conflicts");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        for row in answered.records.rows()? {
            let Some((number, value)) = answer(row) else {
                tracing::warn!(object, "a plugin's decision has no `number` or no `value`");
                continue;
            };
            let decided = self.database.resolve(number, Resolution::Value(value));
            match decided.await {
                Ok(()) => {}
                // Somebody was faster, or the value is none that the field can have.
                Err(
                    error @ (crate::DatabaseError::NoSuch { .. }
                    | crate::DatabaseError::Rule { .. }),
                ) => tracing::warn!(%error, object, "a plugin's decision is not taken"),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn answer(row: &RawValue) -> Option<(i64, Value)> {
    #[derive(serde::Deserialize)]
    struct Answer {
        number: i64,
        value: Value,
    }
    let answer: Answer = serde_json::from_str(row.get()).ok()?;
    Some((answer.number, answer.value))
}
