//! Applying what comes from the org: one batch, one transaction, with the
//! checkpoint behind it.

mod deletion;
mod merging;
mod record;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::DatabaseError;
use crate::incoming::{Applied, Batch, Change, ChangeKind, Gone, Incoming, Stale};
use crate::kind;
use crate::letters;
use crate::mapping::Direction;
use crate::merge;
use crate::numbers;
use crate::outbox;
use crate::plan::{ObjectPlan, Plan};
use crate::rows::{self, Known};
use crate::sql::Sql;
use crate::unread;
use crate::value::{Fields, fields_to_json};

pub(crate) use deletion::gone;

/// How long ids of changes, sends and traces of deleted records are kept: more than twice
/// the three days for which products repeat events.
const KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// How long a stamp is so fresh that the same one may come again; also what the clocks
/// of both sides may differ by.
const RECENT_MS: i64 = 60_000;

/// By how much such a stamp is kept older. Less than any product's stamps differ by.
pub(crate) const EARLY_MS: i64 = 1;

/// What to do about a row that breaks a rule of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// Fail: the common way, without a savepoint for each record.
    Fail,
    /// Make the record a dead letter, and go on.
    SetAside,
}

/// Applies a batch. To be called within a transaction.
pub(crate) fn apply(
    sql: &mut dyn Sql,
    plan: &Plan,
    batch: &Batch,
    now_ms: i64,
    care: Care,
) -> Result<Applied, DatabaseError> {
    // Before anything is read: see `numbers::next`.
    numbers::next(sql)?;
    if care == Care::SetAside {
        sql.check_at_once()?;
    }
    let mut work = Work {
        sql,
        plan,
        now_ms,
        rewritten: None,
        done: Applied::default(),
    };
    for (at, item) in batch.items.iter().enumerate() {
        work.rewritten = batch.rewritten.get(&at);
        match care {
            Care::Fail => work.item(item)?,
            Care::SetAside => work.item_with_care(item)?,
        }
    }
    let Work { sql, done, .. } = work;
    prune(sql, now_ms)?;
    if let Some((source, checkpoint)) = &batch.checkpoint {
        sql.run(
            "INSERT INTO ~checkpoints (source, checkpoint, saved_ms) VALUES (?1, ?2, ?3) \
             ON CONFLICT (source) DO UPDATE SET checkpoint = excluded.checkpoint, \
             saved_ms = excluded.saved_ms",
            &[
                source.as_str().into(),
                STANDARD.encode(checkpoint).into(),
                now_ms.into(),
            ],
        )?;
    }
    if let Some((object, progress)) = &batch.progress {
        let progress = serde_json::to_string(progress).unwrap_or_default();
        numbers::set_note(sql, &format!("progress:{object}"), &progress)?;
    }
    Ok(done)
}

fn prune(sql: &mut dyn Sql, now_ms: i64) -> Result<(), DatabaseError> {
    let before = now_ms - KEPT_MS;
    sql.run("DELETE FROM ~inbox WHERE seen_ms < ?1", &[before.into()])?;
    sql.run(
        "DELETE FROM ~sent WHERE sent_ms < ?1 AND state IN ('done', 'lost')",
        &[before.into()],
    )?;
    sql.run(
        "DELETE FROM ~rows WHERE gone_seen_ms IS NOT NULL AND gone_seen_ms < ?1",
        &[before.into()],
    )
    .map(|_| ())
}

/// A transaction at work.
struct Work<'a> {
    sql: &'a mut dyn Sql,
    plan: &'a Plan,
    now_ms: i64,
    /// What plugins made of the item at work.
    rewritten: Option<&'a Fields>,
    done: Applied,
}

/// What the org says of the fields of a record.
struct Told<'a> {
    fields: &'a Fields,
    /// When the org had it so.
    at_ms: i64,
    from: Source,
}

/// Where it comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Event { own: bool },
    Reading { ticket: Option<i64> },
}

impl Work<'_> {
    /// Like [`Self::item`], and a record that cannot be stored becomes a letter.
    fn item_with_care(&mut self, item: &Incoming) -> Result<(), DatabaseError> {
        let before = self.done;
        self.sql.run("SAVEPOINT item", &[])?;
        match self.item(item) {
            Ok(()) => (),
            Err(DatabaseError::Rule { detail }) => {
                self.sql.run("ROLLBACK TO SAVEPOINT item", &[])?;
                self.done = before;
                let (object, ids, fields) = match item {
                    Incoming::Change(change) => (
                        &change.object,
                        change.record_ids.clone(),
                        change.fields.clone(),
                    ),
                    Incoming::Stale(stale) => (&stale.object, Vec::new(), Fields::new()),
                    Incoming::Record(record) => {
                        let id = self.id_of(&record.object, &record.fields);
                        (
                            &record.object,
                            id.into_iter().collect(),
                            record.fields.clone(),
                        )
                    }
                    Incoming::Gone(gone) => {
                        (&gone.object, vec![gone.org_id.clone()], Fields::new())
                    }
                    Incoming::Rejected(rejected) => {
                        (&rejected.object, Vec::new(), rejected.fields.clone())
                    }
                    Incoming::LeftOut(left) => (&left.object, Vec::new(), Fields::new()),
                };
                let reason = format!("the database refused the row: {detail}");
                self.letters(object, &ids, &reason, &fields)?;
                if let Incoming::Change(change) = item {
                    self.is_first(&change.id)?;
                }
                if let Incoming::Record(record) = item {
                    self.answer(&record.object, ids.first(), record.ticket)?;
                }
            }
            Err(other) => return Err(other),
        }
        self.sql.run("RELEASE SAVEPOINT item", &[]).map(|_| ())
    }

    fn item(&mut self, item: &Incoming) -> Result<(), DatabaseError> {
        match item {
            Incoming::Change(change) => self.change(change),
            Incoming::Stale(stale) => self.stale(stale),
            Incoming::Record(record) => self.record(record),
            Incoming::Gone(gone) => {
                if let Some(object) = self.plan.object(&gone.object) {
                    self.not_found(object, gone)?;
                }
                Ok(())
            }
            Incoming::Rejected(rejected) => {
                let ids: Vec<String> = rejected.org_id.iter().cloned().collect();
                self.letters(&rejected.object, &ids, &rejected.reason, &rejected.fields)?;
                self.answer(&rejected.object, ids.first(), rejected.ticket)
            }
            Incoming::LeftOut(left) => self.answer(&left.object, Some(&left.org_id), left.ticket),
        }
    }

    fn letters(
        &mut self,
        object: &str,
        ids: &[String],
        reason: &str,
        fields: &Fields,
    ) -> Result<(), DatabaseError> {
        let ids: Vec<Option<&str>> = match ids {
            [] => vec![None],
            ids => ids.iter().map(|id| Some(id.as_str())).collect(),
        };
        for id in ids {
            let letter = letters::New {
                direction: Direction::In,
                object,
                local_key: None,
                org_id: id,
                reason,
                content: &fields_to_json(fields),
            };
            letters::put(self.sql, &letter, self.now_ms)?;
            self.done.rejected += 1;
        }
        Ok(())
    }

    /// Notes the id of a change; false if it was there already.
    fn is_first(&mut self, id: &str) -> Result<bool, DatabaseError> {
        let count = self.sql.run(
            "INSERT INTO ~inbox (id, seen_ms) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING",
            &[id.into(), self.now_ms.into()],
        )?;
        Ok(count > 0)
    }

    fn change(&mut self, change: &Change) -> Result<(), DatabaseError> {
        let Some(object) = self.plan.object(&change.object) else {
            return Ok(());
        };
        if !object.takes() {
            return Ok(());
        }
        if !self.is_first(&change.id)? {
            self.done.repeated += 1;
            return Ok(());
        }
        for org_id in &change.record_ids {
            self.change_of(object, change, org_id)?;
        }
        Ok(())
    }

    fn change_of(
        &mut self,
        object: &ObjectPlan,
        change: &Change,
        org_id: &str,
    ) -> Result<(), DatabaseError> {
        let known = self.known(object, org_id, &change.fields)?;
        let told = Told {
            fields: &change.fields,
            at_ms: change.committed_ms,
            from: Source::Event { own: change.own },
        };
        match (change.kind, known) {
            (ChangeKind::Deleted, known) => self.delete(object, org_id, known, change.committed_ms),
            (ChangeKind::Created | ChangeKind::Undeleted, None) => {
                self.insert(object, org_id, None, &told)
            }
            (ChangeKind::Undeleted, Some(known)) if known.gone_ms.is_some() => {
                self.insert(object, org_id, Some(known), &told)
            }
            // Late news of a record that is gone.
            (_, Some(known)) if known.gone_ms.is_some() => Ok(()),
            (_, Some(known)) => self.merge(object, known, &told),
            // Of a record that is not known, some fields are not enough.
            (ChangeKind::Updated, None) => self.mark_unread(object, org_id, change.committed_ms),
        }
    }

    fn stale(&mut self, stale: &Stale) -> Result<(), DatabaseError> {
        let Some(object) = self.plan.object(&stale.object) else {
            return Ok(());
        };
        if !object.takes() {
            return Ok(());
        }
        if !self.is_first(&stale.id)? {
            self.done.repeated += 1;
            return Ok(());
        }
        if stale.record_ids.is_empty() {
            return self.mark_unread(object, unread::ALL, stale.committed_ms);
        }
        for org_id in &stale.record_ids {
            self.mark_unread(object, org_id, stale.committed_ms)?;
        }
        Ok(())
    }

    /// Nobody knows whether it was deleted, or only cannot be seen for a while. So no
    /// trace stays that would make its next change late news.
    fn not_found(&mut self, object: &ObjectPlan, gone: &Gone) -> Result<(), DatabaseError> {
        let known = rows::by_id(self.sql, &gone.object, &gone.org_id)?;
        if known.as_ref().is_some_and(|known| known.gone_ms.is_none()) {
            self.delete(object, &gone.org_id, known, self.now_ms)?;
            rows::forget_gone(self.sql, &gone.object, &gone.org_id)?;
        }
        self.answer(&gone.object, Some(&gone.org_id), gone.ticket)
    }

    fn mark_unread(
        &mut self,
        object: &ObjectPlan,
        org_id: &str,
        since_ms: i64,
    ) -> Result<(), DatabaseError> {
        self.done.unread += 1;
        unread::mark(self.sql, &object.object, org_id, since_ms)
    }

    /// What is known of a record: by its id, or, if it is a row of ours whose
    /// creation was cut off before its id came, by the key that it was given.
    fn known(
        &mut self,
        object: &ObjectPlan,
        org_id: &str,
        fields: &Fields,
    ) -> Result<Option<Known>, DatabaseError> {
        if let Some(known) = rows::by_id(self.sql, &object.object, org_id)? {
            return Ok(Some(known));
        }
        let key = object.key_field.as_ref();
        let Some(key) = key.and_then(|field| rows::text_of(fields, field)) else {
            return Ok(None);
        };
        let known = match rows::by_key(self.sql, &object.object, &key)? {
            // Taken by another record: somebody has copied the key.
            Some(known) if known.org_id.is_some() || known.gone_ms.is_some() => return Ok(None),
            Some(known) => known,
            None => match rows::read(self.sql, object, &key)? {
                Some(_) => Known::fresh(key, None),
                None => return Ok(None),
            },
        };
        let known = Known {
            org_id: Some(org_id.to_owned()),
            ..known
        };
        rows::keep(self.sql, &object.object, &known)?;
        rows::write_id(self.sql, object, &known.local_key, Some(org_id))?;
        rows::fill_in_id(self.sql, self.plan, object, &known.local_key, org_id)?;
        Ok(Some(known))
    }

    /// Inserts the row of a record, under the key that it had if it had one.
    fn insert(
        &mut self,
        object: &ObjectPlan,
        org_id: &str,
        gone: Option<Known>,
        told: &Told<'_>,
    ) -> Result<(), DatabaseError> {
        let local_key = match gone {
            Some(gone) => gone.local_key,
            None => rows::new_key()?,
        };
        let base = rows::canonical(object, told.fields);
        let known = Known {
            stamp_ms: self.stamp_of(object, told),
            base,
            ..Known::fresh(local_key, Some(org_id.to_owned()))
        };
        rows::keep(self.sql, &object.object, &known)?;
        let mut row = known.base.clone();
        let rewritten = self.rewritten(object, &row, &known.base);
        row.extend(rewritten.clone());
        rows::insert(self.sql, object, &known.local_key, org_id, &row)?;
        self.send_rewritten(object, &known.local_key, &rewritten)?;
        self.done.inserted += 1;
        Ok(())
    }

    /// What plugins want otherwise in a row. What a program has changed there and the
    /// org does not have yet stays: it goes through the plugins on its way out.
    fn rewritten(&self, object: &ObjectPlan, row: &Fields, base: &Fields) -> Fields {
        let Some(rewritten) = self.rewritten else {
            return Fields::new();
        };
        let mut wanted = rows::canonical(object, rewritten);
        wanted.retain(|field, value| {
            let now = merge::of(row, field);
            let is_updateable = object.column(field).is_some_and(|column| column.updateable);
            now != value && (!object.sends() || (is_updateable && now == merge::of(base, field)))
        });
        wanted
    }

    /// What plugins changed goes to the org like any change.
    fn send_rewritten(
        &mut self,
        object: &ObjectPlan,
        local_key: &str,
        rewritten: &Fields,
    ) -> Result<(), DatabaseError> {
        if rewritten.is_empty() || !object.sends() {
            return Ok(());
        }
        outbox::add(self.sql, &object.object, local_key, self.now_ms)
    }

    /// The stamp to keep of what is told. Products write the second of a change: of a
    /// record that is read within that second, or by their clock about then, it is not
    /// sure that nothing comes after with the same stamp. It is kept a little older, so
    /// that the next comparison reads it again.
    fn stamp_of(&self, object: &ObjectPlan, told: &Told<'_>) -> i64 {
        let stamp = stamp_ms(object, told.fields).unwrap_or(0);
        let is_read = matches!(told.from, Source::Reading { .. });
        if is_read && stamp > 0 && self.now_ms - stamp < RECENT_MS {
            stamp - EARLY_MS
        } else {
            stamp
        }
    }

    /// The id within the fields of a record.
    fn id_of(&self, object: &str, fields: &Fields) -> Option<String> {
        rows::text_of(fields, &self.plan.object(object)?.id_field)
    }

    fn answer(
        &mut self,
        object: &str,
        org_id: Option<&String>,
        ticket: Option<i64>,
    ) -> Result<(), DatabaseError> {
        match (org_id, ticket) {
            (Some(org_id), Some(ticket)) => unread::answered(self.sql, object, org_id, ticket),
            _ => Ok(()),
        }
    }
}

/// When the org says that it last changed the record, in milliseconds since 1970.
fn stamp_ms(object: &ObjectPlan, fields: &Fields) -> Option<i64> {
    let mut stamps = object
        .stamp_fields
        .iter()
        .filter_map(|field| rows::text_of(fields, field));
    stamps.find_map(|text| kind::milliseconds(&text))
}
