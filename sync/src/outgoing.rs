//! What is to be sent to the org: one change for each row, whatever was done to it
//! in how many steps.
//!
//! It is worked out from the row and its base, see `merge.rs`: a row that was
//! inserted, changed and deleted is nothing, one that was changed and changed back
//! is nothing either.

mod references;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::conflicts;
use crate::echo::{self, Sent, State};
use crate::error::DatabaseError;
use crate::letters;
use crate::mapping::Direction;
use crate::merge;
use crate::numbers;
use crate::outbox::{self, Look};
use crate::plan::{ObjectPlan, Plan};
use crate::rows::{self, Known, Local};
use crate::sql::Sql;
use crate::value::{Fields, Value, fields_to_json};
use references::Parent;

/// What is to be sent now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outgoing {
    /// In this order: parents before children, deletions last and the other way
    /// round.
    pub changes: Vec<OutgoingChange>,
    /// Rows that wait for the record of another row to be there, or for somebody to
    /// decide a conflict.
    pub waiting: u64,
    /// Rows that became dead letters, since the org could never take them.
    pub refused: u64,
}

/// A change of one record that is to be made in the org.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutgoingChange {
    /// The number of the send, to settle it by.
    pub send: i64,
    /// The object.
    pub object: String,
    /// The row.
    pub local_key: String,
    /// The org's id of the record. `None` if it is to be created, or if it is to be
    /// deleted and nobody knows whether it was created: then it is found by its key.
    pub org_id: Option<String>,
    /// What is to be done.
    pub operation: SendOperation,
    /// The fields with their values. References are ids of the org.
    pub fields: Fields,
    /// The field and the value by which the record is found again, if the sync has a
    /// key field: upsert by it rather than create, and nothing is made twice.
    pub key: Option<(String, String)>,
    /// When the org last changed the record as far as is known, in milliseconds since
    /// 1970; 0 if that is not known. To be compared just before the write.
    pub stamp_ms: i64,
}

/// What is to be done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SendOperation {
    /// It is new.
    Create,
    /// Some of its fields have other values.
    Update,
    /// It is to go.
    Delete,
}

impl SendOperation {
    const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// Entries that are looked at in one query.
const LOOKED_AT: i64 = 500;

/// Works out what is to be sent, at most `limit` changes, and remembers each before
/// it goes out.
pub(crate) fn outgoing(
    sql: &mut dyn Sql,
    plan: &Plan,
    limit: usize,
    now_ms: i64,
) -> Result<Outgoing, DatabaseError> {
    numbers::next(sql)?;
    let mut work = Work {
        sql,
        plan,
        now_ms,
        out: Outgoing::default(),
    };
    let (mut after, mut seen) = (0, BTreeSet::new());
    while work.out.changes.len() < limit {
        let rows = work.sql.rows(
            "SELECT object, local_key, seq FROM ~outbox WHERE seq > ?1 \
             ORDER BY seq LIMIT ?2",
            &[after.into(), LOOKED_AT.into()],
        )?;
        let Some(last) = rows.last() else {
            break;
        };
        after = last.int(2)?;
        for row in &rows {
            let place = (row.text(0)?, row.text(1)?);
            if work.out.changes.len() < limit && seen.insert(place.clone()) {
                work.row(&place.0, &place.1)?;
            }
        }
    }
    let mut out = work.out;
    // Stable: rows of one object stay as they were captured.
    out.changes.sort_by_key(|change| {
        let rank = plan.rank(&change.object);
        match change.operation {
            SendOperation::Delete => (1, usize::MAX - rank),
            _ => (0, rank),
        }
    });
    Ok(out)
}

struct Work<'a> {
    sql: &'a mut dyn Sql,
    plan: &'a Plan,
    now_ms: i64,
    out: Outgoing,
}

impl Work<'_> {
    fn row(&mut self, object: &str, local_key: &str) -> Result<(), DatabaseError> {
        // An object that the plan has no longer keeps its entries, in case it comes
        // back.
        let Some(object) = self.plan.object(object) else {
            return Ok(());
        };
        let mut look = outbox::look(self.sql, object, local_key)?;
        if let Some(local) = &mut look.local {
            rows::name_by_id(self.sql, object, local_key, local)?;
        }
        let known = rows::by_key(self.sql, &object.object, local_key)?;
        let under_way = echo::lose(self.sql, &object.object, local_key)?;
        let known = known.unwrap_or_else(|| Known::fresh(local_key.to_owned(), None));
        match (&look.local, &known.org_id) {
            _ if !object.sends() => self.nothing(object, local_key, &look),
            (Some(local), Some(_)) if known.gone_ms.is_none() => {
                self.update(object, known, local.clone(), &look)
            }
            (Some(local), _) => self.create(object, known, local, &look),
            (None, Some(_)) if known.gone_ms.is_none() => self.delete(object, &known, &look),
            (None, Some(_)) => self.nothing(object, local_key, &look),
            (None, None) if under_way && object.key_field.is_some() => {
                self.delete(object, &known, &look)
            }
            (None, None) => {
                if under_way {
                    let reason = "the row was deleted while its record was being created, and \
                                  nobody knows whether it was; look for it in the org";
                    self.refuse(object, &known, reason, &Fields::new(), &look)?;
                }
                rows::forget(self.sql, &object.object, local_key)?;
                self.nothing(object, local_key, &look)
            }
        }
    }

    /// Nothing is to be sent.
    fn nothing(
        &mut self,
        object: &ObjectPlan,
        local_key: &str,
        look: &Look,
    ) -> Result<(), DatabaseError> {
        outbox::remove(self.sql, &object.object, local_key, look)
    }

    fn create(
        &mut self,
        object: &ObjectPlan,
        known: Known,
        local: &Local,
        look: &Look,
    ) -> Result<(), DatabaseError> {
        let mut fields = local.fields.clone();
        fields.retain(|field, value| {
            let is_createable = object.column(field).is_some_and(|column| column.createable);
            is_createable && !value.is_null()
        });
        // A row that was inserted anew under the key of a record that is gone.
        if let (Some(org_id), Some(gone_ms)) = (&known.org_id, known.gone_ms) {
            rows::forget(self.sql, &object.object, &known.local_key)?;
            rows::keep_gone(self.sql, &object.object, org_id, gone_ms, self.now_ms)?;
        }
        let known = Known::fresh(known.local_key, None);
        rows::keep(self.sql, &object.object, &known)?;
        self.send(object, &known, SendOperation::Create, fields, look)
    }

    fn update(
        &mut self,
        object: &ObjectPlan,
        known: Known,
        mut local: Local,
        look: &Look,
    ) -> Result<(), DatabaseError> {
        rows::undo_unwritable(self.sql, object, &known, &mut local)?;
        let mut fields = merge::pending(&local.fields, &known.base);
        // What was sent last and may have arrived is not what the base says.
        let sent = echo::list(self.sql, &object.object, &known.local_key)?;
        for field in echo::in_doubt(&sent) {
            let is_updateable = object
                .column(&field)
                .is_some_and(|column| column.updateable);
            if let Some(value) = local.fields.get(&field).filter(|_| is_updateable) {
                fields.insert(field, value.clone());
            }
        }
        if fields.is_empty() {
            return self.nothing(object, &known.local_key, look);
        }
        for field in conflicts::undecided(self.sql, &object.object, &known.local_key)? {
            fields.remove(&field);
        }
        if fields.is_empty() {
            self.out.waiting += 1;
            return Ok(());
        }
        self.send(object, &known, SendOperation::Update, fields, look)
    }

    fn delete(
        &mut self,
        object: &ObjectPlan,
        known: &Known,
        look: &Look,
    ) -> Result<(), DatabaseError> {
        self.send(object, known, SendOperation::Delete, Fields::new(), look)
    }

    fn send(
        &mut self,
        object: &ObjectPlan,
        known: &Known,
        operation: SendOperation,
        mut fields: Fields,
        look: &Look,
    ) -> Result<(), DatabaseError> {
        for (field, value) in &fields {
            let wrong = object
                .column(field)
                .and_then(|column| column.kind.problem(value, column.max_length));
            if let Some(wrong) = wrong {
                let reason = format!("{}.{field} {wrong}", object.object);
                return self.refuse(object, known, &reason, &fields, look);
            }
        }
        match references::resolve(self.sql, self.plan, object, &known.local_key, &mut fields)? {
            Parent::There => (),
            Parent::Awaited => {
                self.out.waiting += 1;
                return Ok(());
            }
            Parent::Unknown(reason) => return self.refuse(object, known, &reason, &fields, look),
        }
        let send = numbers::next(self.sql)?;
        let bases = fields.keys().map(|field| {
            let base = merge::of(&known.base, field);
            (field.clone(), base.clone())
        });
        let sent = Sent {
            send,
            bases: bases.collect(),
            fields: fields.clone(),
            state: State::UnderWay,
        };
        echo::remember(
            self.sql,
            &object.object,
            &known.local_key,
            operation.word(),
            &sent,
            self.now_ms,
        )?;
        outbox::mark(self.sql, &object.object, &known.local_key, look, send)?;
        let key_field = object.key_field.as_ref();
        if let (Some(field), SendOperation::Create) = (key_field, operation) {
            fields.insert(field.clone(), Value::text(&known.local_key));
        }
        self.out.changes.push(OutgoingChange {
            send,
            object: object.object.clone(),
            local_key: known.local_key.clone(),
            org_id: known.org_id.clone(),
            operation,
            fields,
            key: key_field.map(|field| (field.clone(), known.local_key.clone())),
            stamp_ms: known.stamp_ms,
        });
        Ok(())
    }

    /// The org could never take it.
    fn refuse(
        &mut self,
        object: &ObjectPlan,
        known: &Known,
        reason: &str,
        fields: &Fields,
        look: &Look,
    ) -> Result<(), DatabaseError> {
        let letter = letters::New {
            direction: Direction::Out,
            object: &object.object,
            local_key: Some(&known.local_key),
            org_id: known.org_id.as_deref(),
            reason,
            content: &fields_to_json(fields),
        };
        letters::put(self.sql, &letter, self.now_ms)?;
        self.out.refused += 1;
        self.nothing(object, &known.local_key, look)
    }
}
