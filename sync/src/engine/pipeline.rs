//! Plugins in the way of records: each batch goes through them in their boxes, when
//! it comes from the org and before it goes there.
//!
//! A plugin always sees whole records, also where only a field has changed. What it
//! changes is written into the row and, where the sync goes both ways, sent; so what
//! it makes of its own work must be the same again.

use std::collections::{BTreeMap, BTreeSet};

use lockgate::{Blame, Error, Records, Transform};

use super::load::{fields, text};
use super::send::Sent;
use super::{Engine, SyncError};
use crate::incoming::{Batch, Change, ChangeKind, Incoming, LeftOut, Rejected, Stale};
use crate::merge;
use crate::outgoing::{OutgoingChange, SendOperation};
use crate::plan::ObjectPlan;
use crate::rewriting::Rewrite;
use crate::settle::SendOutcome;
use crate::value::{Fields, Value, fields_to_json};

/// Records in one batch of a plugin.
const BATCH: usize = 1_000;

/// What became of a record on its way through the plugins.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Passed {
    /// The record as the last one left it.
    Kept(Fields),
    /// One has no use for it: which.
    LeftOut(String),
    /// One turned it away: why, for people.
    Rejected(String),
}

/// A record on its way in.
struct Arriving {
    /// Its place in the batch.
    at: usize,
    object: String,
    org_id: String,
    /// All that is known of it.
    whole: Fields,
}

impl Engine {
    /// Sends what came from the org through the plugins.
    pub(super) async fn through_plugins(&self, batch: Batch) -> Result<Batch, SyncError> {
        if self.options.plugins.is_empty() {
            return Ok(batch);
        }
        let mut batch = batch;
        batch.items = batch.items.into_iter().map(each_by_itself).collect();
        let arriving = self.arriving(&batch).await?;
        let objects: BTreeSet<&String> = arriving.iter().map(|one| &one.object).collect();
        let mut outcomes = BTreeMap::new();
        for name in objects {
            let Some(object) = self.database.plan().object(name) else {
                continue;
            };
            let ours: Vec<&Arriving> = arriving.iter().filter(|one| &one.object == name).collect();
            let records = ours.iter().map(|one| one.whole.clone()).collect();
            for (one, passed) in ours.iter().zip(self.pass(object, records).await?) {
                outcomes.insert(one.at, (*one, passed));
            }
        }
        for (at, item) in batch.items.iter_mut().enumerate() {
            let Some((one, passed)) = outcomes.remove(&at) else {
                continue;
            };
            let ticket = match &*item {
                Incoming::Record(record) => record.ticket,
                _ => None,
            };
            match passed {
                Passed::Kept(after) => {
                    let changed = merge::pending(&after, &one.whole);
                    if !changed.is_empty() {
                        batch.rewritten.insert(at, changed);
                    }
                }
                Passed::LeftOut(_) => {
                    *item = Incoming::LeftOut(LeftOut {
                        object: one.object.clone(),
                        org_id: one.org_id.clone(),
                        ticket,
                    });
                }
                Passed::Rejected(reason) => {
                    *item = Incoming::Rejected(Rejected {
                        object: one.object.clone(),
                        org_id: Some(one.org_id.clone()),
                        reason,
                        fields: one.whole.clone(),
                        ticket,
                    });
                }
            }
        }
        Ok(batch)
    }

    /// The records of a batch as wholes: what only tells of some fields is laid over
    /// what was known before. Nothing of those of which that is not enough.
    async fn arriving(&self, batch: &Batch) -> Result<Vec<Arriving>, SyncError> {
        let mut known = self.known_before(batch).await?;
        let mut arriving = Vec::new();
        for (at, item) in batch.items.iter().enumerate() {
            let (object, told, id) = match item {
                Incoming::Record(record) => {
                    let Some(object) = self.database.plan().object(&record.object) else {
                        continue;
                    };
                    let id = text(&record.fields, &object.id_field);
                    (object, &record.fields, id)
                }
                Incoming::Change(change) if change.kind != ChangeKind::Deleted => {
                    let Some(object) = self.database.plan().object(&change.object) else {
                        continue;
                    };
                    (object, &change.fields, change.record_ids.first().cloned())
                }
                _ => continue,
            };
            let Some(org_id) = id else {
                continue;
            };
            let place = (object.object.clone(), org_id.clone());
            let is_whole =
                !matches!(item, Incoming::Change(change) if change.kind == ChangeKind::Updated);
            let mut whole = match known.remove(&place) {
                Some(before) if !is_whole => before,
                None if !is_whole => continue,
                _ => Fields::new(),
            };
            whole.extend(told.clone());
            whole.insert(object.id_field.clone(), Value::text(&org_id));
            known.insert(place, whole.clone());
            arriving.push(Arriving {
                at,
                object: object.object.clone(),
                org_id,
                whole,
            });
        }
        Ok(arriving)
    }

    /// What both sides agreed on about records of which a batch tells in part.
    async fn known_before(
        &self,
        batch: &Batch,
    ) -> Result<BTreeMap<(String, String), Fields>, SyncError> {
        let mut wanted: BTreeMap<&String, Vec<String>> = BTreeMap::new();
        for item in &batch.items {
            if let Incoming::Change(change) = item
                && change.kind == ChangeKind::Updated
            {
                let ids = wanted.entry(&change.object).or_default();
                ids.extend(change.record_ids.iter().cloned());
            }
        }
        let mut known = BTreeMap::new();
        for (object, ids) in wanted {
            for (id, fields) in self.database.agreed(object, ids).await? {
                known.insert((object.clone(), id), fields);
            }
        }
        Ok(known)
    }

    /// Sends rows that are about to go out through the plugins. What they want
    /// otherwise goes out, and into the row; what they turn away is settled.
    pub(super) async fn prepare(
        &self,
        object: &ObjectPlan,
        group: &[OutgoingChange],
        sent: &mut Sent,
    ) -> Result<Vec<OutgoingChange>, SyncError> {
        let deletes = |change: &OutgoingChange| change.operation == SendOperation::Delete;
        if self.options.plugins.is_empty() || group.iter().any(deletes) {
            return Ok(group.to_vec());
        }
        let keys = group.iter().map(|change| change.local_key.clone());
        let mut rows = self.database.rows(&object.object, keys.collect()).await?;
        let whole = group.iter().map(|change| {
            let mut row = rows.remove(&change.local_key).unwrap_or_default();
            row.extend(change.fields.clone());
            row
        });
        let before: Vec<Fields> = whole.collect();
        let passed = self.pass(object, before.clone()).await?;
        let (mut prepared, mut rewrites) = (Vec::with_capacity(group.len()), Vec::new());
        for ((change, before), passed) in group.iter().zip(before).zip(passed) {
            let mut change = change.clone();
            match passed {
                Passed::Kept(after) => {
                    let after = wanted(object, change.operation, merge::pending(&after, &before));
                    if !after.is_empty() {
                        change.fields.extend(after.clone());
                        rewrites.push(Rewrite {
                            send: change.send,
                            object: object.object.clone(),
                            local_key: change.local_key.clone(),
                            before,
                            after,
                        });
                    }
                    prepared.push(change);
                }
                Passed::LeftOut(plugin) => {
                    let reason = format!("the plugin {plugin} leaves it out");
                    sent.settle(&change, SendOutcome::Refused(reason));
                }
                Passed::Rejected(reason) => sent.settle(&change, SendOutcome::Refused(reason)),
            }
        }
        if !rewrites.is_empty() {
            self.database.rewrite(rewrites).await?;
        }
        Ok(prepared)
    }

    /// Sends records through all plugins, one after the other.
    async fn pass(
        &self,
        object: &ObjectPlan,
        records: Vec<Fields>,
    ) -> Result<Vec<Passed>, SyncError> {
        let mut all: Vec<Passed> = records.into_iter().map(Passed::Kept).collect();
        for plugin in &self.options.plugins {
            for batch in all.chunks_mut(BATCH) {
                pass_one(plugin, object, batch).await?;
            }
        }
        Ok(all)
    }
}

/// A change of many records has a whole of each, which is read rather than guessed.
fn each_by_itself(item: Incoming) -> Incoming {
    match item {
        Incoming::Change(change) if is_of_many(&change) => Incoming::Stale(Stale {
            id: change.id,
            object: change.object,
            record_ids: change.record_ids,
            committed_ms: change.committed_ms,
        }),
        other => other,
    }
}

fn is_of_many(change: &Change) -> bool {
    change.kind != ChangeKind::Deleted && change.record_ids.len() > 1
}

/// What of a plugin's changes can go out.
fn wanted(object: &ObjectPlan, operation: SendOperation, mut fields: Fields) -> Fields {
    fields.retain(|field, _| {
        object.column(field).is_some_and(|column| match operation {
            SendOperation::Create => column.createable,
            _ => column.updateable,
        })
    });
    fields
}

/// Sends what is left of a batch through one plugin. If the plugin fails, the record
/// that it fails on is looked for, so that one does not hold up all others.
async fn pass_one(
    plugin: &Transform,
    object: &ObjectPlan,
    batch: &mut [Passed],
) -> Result<(), SyncError> {
    let mut parts: Vec<Vec<(usize, Fields)>> = vec![
        batch
            .iter()
            .enumerate()
            .filter_map(|(at, passed)| match passed {
                Passed::Kept(record) => Some((at, record.clone())),
                _ => None,
            })
            .collect(),
    ];
    while let Some(mut part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        let records = part.iter().map(|(_, record)| fields_to_json(record));
        let json = format!("[{}]", records.collect::<Vec<_>>().join(","));
        let transformed = plugin
            .apply(&object.object, &Records::from_json(json)?)
            .await;
        let transformed = match transformed {
            Ok(transformed) => transformed,
            // It leaves such records as they are.
            Err(Error::UnknownObject { .. }) => return Ok(()),
            Err(error) if part.len() > 1 && is_about_records(&error) => {
                let later = part.split_off(part.len() / 2);
                parts.extend([later, part]);
                continue;
            }
            Err(error) if is_about_records(&error) => {
                for (at, _) in &part {
                    set(batch, *at, Passed::Rejected(error.to_string()));
                }
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let mut left: BTreeMap<usize, Passed> = transformed
            .dropped
            .iter()
            .map(|at| (*at, Passed::LeftOut(plugin.name().to_owned())))
            .collect();
        for rejected in &transformed.rejected {
            let reason = format!("{}: {}", plugin.name(), rejected.reason);
            left.insert(rejected.at, Passed::Rejected(reason));
        }
        let mut kept = transformed.records.rows()?.into_iter();
        for (place, (at, _)) in part.iter().enumerate() {
            if let Some(passed) = left.remove(&place) {
                set(batch, *at, passed);
            } else if let Some(row) = kept.next() {
                let record = fields(object, row.get().as_bytes())?;
                set(batch, *at, Passed::Kept(record));
            }
        }
    }
    Ok(())
}

/// Whether fewer records may do what more did not.
fn is_about_records(error: &Error) -> bool {
    error.blame() == Blame::Guest || matches!(error, Error::Input(_))
}

fn set(batch: &mut [Passed], at: usize, passed: Passed) {
    if let Some(place) = batch.get_mut(at) {
        *place = passed;
    }
}
