//! Records that are gone in the org.

use super::Work;
use crate::conflicts::{self, Kept};
use crate::echo;
use crate::error::DatabaseError;
use crate::incoming::Applied;
use crate::mapping::Policy;
use crate::merge::{self, Taken};
use crate::outbox;
use crate::plan::{ObjectPlan, Plan};
use crate::rows::{self, Known};
use crate::sql::Sql;
use crate::value::{Fields, fields_to_json};

/// Takes a record for gone of which a write said so.
pub(crate) fn gone(
    sql: &mut dyn Sql,
    plan: &Plan,
    object: &ObjectPlan,
    known: Known,
    now_ms: i64,
) -> Result<(), DatabaseError> {
    let org_id = known.org_id.clone().unwrap_or_default();
    let mut work = Work {
        sql,
        plan,
        now_ms,
        rewritten: None,
        done: Applied::default(),
    };
    work.delete(object, &org_id, Some(known), now_ms)
}

impl Work<'_> {
    /// Deletes the row of a record, unless what was changed here wins.
    pub(super) fn delete(
        &mut self,
        object: &ObjectPlan,
        org_id: &str,
        known: Option<Known>,
        at_ms: i64,
    ) -> Result<(), DatabaseError> {
        let Some(mut known) = known else {
            // What was read before may still come.
            return rows::keep_gone(self.sql, &object.object, org_id, at_ms, self.now_ms);
        };
        let is_known_gone = known.gone_ms.is_some();
        let look = outbox::look(self.sql, object, &known.local_key)?;
        if let (false, Some(local)) = (is_known_gone, &look.local) {
            let unsent = unsent(object, &local.fields, &known.base);
            let mut taken = Taken::Org;
            if !unsent.is_empty() && look.is_captured() {
                taken = self.changed_or_deleted(object, &known, at_ms)?;
                let kept =
                    Kept::of_record(object, &known, &fields_to_json(&unsent), "deleted", taken);
                conflicts::put(self.sql, &kept, self.now_ms)?;
                self.done.conflicts += 1;
            }
            if taken == Taken::Local {
                return self.make_anew(object, org_id, &known.local_key, at_ms);
            }
            rows::delete(self.sql, object, &known.local_key)?;
            self.done.deleted += 1;
        }
        outbox::remove(self.sql, &object.object, &known.local_key, &look)?;
        echo::forget_all(self.sql, &object.object, &known.local_key)?;
        known.go(at_ms, self.now_ms);
        rows::keep(self.sql, &object.object, &known)
    }

    fn changed_or_deleted(
        &mut self,
        object: &ObjectPlan,
        known: &Known,
        at_ms: i64,
    ) -> Result<Taken, DatabaseError> {
        let changed = outbox::changed_ms(self.sql, &object.object, &known.local_key)?;
        let last = changed.values().copied().max().unwrap_or(0);
        Ok(match object.policy {
            // A deletion can be repeated, a change that is lost cannot.
            Policy::Plugin => Taken::Local,
            policy => Taken::by(policy, last > at_ms),
        })
    }

    /// The row stays, and becomes another record.
    fn make_anew(
        &mut self,
        object: &ObjectPlan,
        org_id: &str,
        local_key: &str,
        at_ms: i64,
    ) -> Result<(), DatabaseError> {
        rows::write_id(self.sql, object, local_key, None)?;
        let fresh = Known::fresh(local_key.to_owned(), None);
        rows::keep(self.sql, &object.object, &fresh)?;
        echo::forget_all(self.sql, &object.object, local_key)?;
        rows::keep_gone(self.sql, &object.object, org_id, at_ms, self.now_ms)
    }
}

/// What the row has and the org was never told.
fn unsent(object: &ObjectPlan, local: &Fields, base: &Fields) -> Fields {
    let mut unsent = merge::pending(local, base);
    unsent.retain(|field, _| object.column(field).is_some_and(|column| column.updateable));
    unsent
}
