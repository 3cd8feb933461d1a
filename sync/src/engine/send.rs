//! What programs changed in the tables, on its way to the org: creations by the
//! rows' keys, so that none is made twice; updates and deletions after a look at
//! whether somebody else was faster.

use std::collections::BTreeMap;

use lockgate::{Advice, Operation, Outcome, Problem, RecordResult, Records, WriteOptions};

use super::load::{fields, text};
use super::pace::Pace;
use super::{Engine, SyncError};
use crate::apply::EARLY_MS;
use crate::incoming::{Batch, Incoming, Record};
use crate::kind::milliseconds;
use crate::outgoing::{OutgoingChange, SendOperation};
use crate::plan::ObjectPlan;
use crate::settle::{SendOutcome, Settlement};
use crate::value::{Value, fields_to_json};

/// Changes that are asked for at a time.
const SENT_AT_A_TIME: usize = 2_000;

/// Records that are looked at, or looked for, in one call.
const LOOKED_AT: usize = 200;

impl Engine {
    /// Sends what there is to send, again and again.
    pub(super) async fn send(&self, pace: &Pace<'_>) -> Result<(), SyncError> {
        self.send_all().await?;
        pace.went_well();
        tokio::time::sleep(self.options.look_every).await;
        Ok(())
    }

    /// Sends until nothing that can be sent is left.
    pub(super) async fn send_all(&self) -> Result<(), SyncError> {
        while self.database.has_outgoing().await? {
            let outgoing = self.database.outgoing(SENT_AT_A_TIME).await?;
            let done = self.send_changes(outgoing.changes).await?;
            if done == 0 {
                // The rest waits for something that is not ours to do.
                break;
            }
        }
        Ok(())
    }

    /// Sends changes in their order, and gives how many are done with.
    async fn send_changes(&self, changes: Vec<OutgoingChange>) -> Result<u64, SyncError> {
        let mut done = 0;
        for group in changes.chunk_by(|a, b| a.object == b.object && a.operation == b.operation) {
            let Some((object, operation)) = group.first().and_then(|first| {
                Some((self.database.plan().object(&first.object)?, first.operation))
            }) else {
                continue;
            };
            let mut sent = Sent::default();
            let group = self.prepare(object, group, &mut sent).await?;
            let outcome = match operation {
                SendOperation::Create => self.create(object, &group, &mut sent).await,
                SendOperation::Update => self.update(object, &group, &mut sent).await,
                SendOperation::Delete => self.delete(object, &group, &mut sent).await,
            };
            // What is known is kept, whatever else went wrong.
            let settled = self.database.settle(sent.settlements).await?;
            self.activity
                .send_modify(|activity| activity.sent += settled);
            done += settled.done + settled.refused;
            outcome?;
        }
        Ok(done)
    }

    async fn create(
        &self,
        object: &ObjectPlan,
        group: &[OutgoingChange],
        sent: &mut Sent,
    ) -> Result<(), SyncError> {
        let operation = match &object.key_field {
            Some(field) => Operation::Upsert(field.clone()),
            None => Operation::Create,
        };
        let records = group.iter().map(|change| fields_to_json(&change.fields));
        let changes: Vec<&OutgoingChange> = group.iter().collect();
        let records = records.collect::<Vec<_>>();
        self.write(object, operation, &changes, &records, sent)
            .await
    }

    async fn update(
        &self,
        object: &ObjectPlan,
        group: &[OutgoingChange],
        sent: &mut Sent,
    ) -> Result<(), SyncError> {
        let changes = self.still_as_known(object, group, sent).await?;
        let records = changes.iter().map(|change| {
            let mut record = change.fields.clone();
            let org_id = change.org_id.as_deref().unwrap_or_default();
            record.insert(object.id_field.clone(), Value::text(org_id));
            fields_to_json(&record)
        });
        let records = records.collect::<Vec<_>>();
        let written = self
            .write(object, Operation::Update, &changes, &records, sent)
            .await;
        self.settle_suspects(object, sent).await?;
        written
    }

    /// Settles changes of which the org says that something is gone: the record itself,
    /// between the look and the write, or another one that it refers to.
    async fn settle_suspects(&self, object: &ObjectPlan, sent: &mut Sent) -> Result<(), SyncError> {
        let suspects = std::mem::take(&mut sent.suspects);
        for suspects in suspects.chunks(LOOKED_AT) {
            let ids: Vec<String> = suspects
                .iter()
                .filter_map(|(change, _)| change.org_id.clone())
                .collect();
            let records = self.read(object, &ids).await?;
            for ((change, reason), record) in suspects.iter().zip(records) {
                let outcome = match record {
                    None => SendOutcome::Gone,
                    Some(_) => SendOutcome::Refused(reason.clone()),
                };
                sent.settle(change, outcome);
            }
        }
        Ok(())
    }

    async fn delete(
        &self,
        object: &ObjectPlan,
        group: &[OutgoingChange],
        sent: &mut Sent,
    ) -> Result<(), SyncError> {
        let (with_id, without): (Vec<_>, Vec<_>) = group
            .iter()
            .cloned()
            .partition(|change| change.org_id.is_some());
        let found = self.find_by_key(object, without, sent).await?;
        let with_id = self.still_as_known(object, &with_id, sent).await?;
        let changes: Vec<&OutgoingChange> = with_id.into_iter().chain(&found).collect();
        self.write(object, Operation::Delete, &changes, &[], sent)
            .await
    }

    /// Looks whether records are as they are known here. One that somebody else has
    /// changed since is taken in first, so that the merge decides what is still to be
    /// sent; between the look and the write somebody can still be faster.
    async fn still_as_known<'c>(
        &self,
        object: &ObjectPlan,
        group: &'c [OutgoingChange],
        sent: &mut Sent,
    ) -> Result<Vec<&'c OutgoingChange>, SyncError> {
        let Some(stamp) = object.stamp_field() else {
            return Ok(group.iter().collect());
        };
        let mut as_known = Vec::with_capacity(group.len());
        for changes in group.chunks(LOOKED_AT) {
            let ids: Vec<String> = changes
                .iter()
                .filter_map(|change| change.org_id.clone())
                .collect();
            let records = self.read(object, &ids).await?;
            let agreed = self.database.agreed(&object.object, ids).await?;
            let mut newer = Batch::default();
            for (change, record) in changes.iter().zip(records) {
                let Some(fields) = record else {
                    sent.settle(
                        change,
                        match change.operation {
                            SendOperation::Delete => SendOutcome::Deleted,
                            _ => SendOutcome::Gone,
                        },
                    );
                    continue;
                };
                let stamp_ms = text(&fields, stamp).and_then(|text| milliseconds(&text));
                let base = change.org_id.as_ref().and_then(|id| agreed.get(id));
                // A stamp has the second, in which more than one change has room.
                if stamp_ms.unwrap_or(0) > change.stamp_ms + EARLY_MS
                    || base.is_some_and(|base| object.differs(&fields, base))
                {
                    newer.items.push(Incoming::Record(Record {
                        object: object.object.clone(),
                        fields,
                        ticket: None,
                    }));
                    sent.settle(change, SendOutcome::Later);
                } else {
                    as_known.push(change);
                }
            }
            if !newer.items.is_empty() {
                self.apply(newer).await?;
            }
        }
        Ok(as_known)
    }

    /// Finds records whose creation was cut off, by the rows' keys.
    async fn find_by_key(
        &self,
        object: &ObjectPlan,
        mut changes: Vec<OutgoingChange>,
        sent: &mut Sent,
    ) -> Result<Vec<OutgoingChange>, SyncError> {
        let Some(field) = &object.key_field else {
            return Ok(changes);
        };
        for changes in changes.chunks_mut(LOOKED_AT) {
            let keys = changes
                .iter()
                .map(|change| change.local_key.clone())
                .collect();
            let ids = self.ids_by_key(object, field, keys).await?;
            for change in changes {
                change.org_id = ids.get(&change.local_key).cloned();
                if change.org_id.is_none() {
                    sent.settle(change, SendOutcome::Deleted);
                }
            }
        }
        changes.retain(|change| change.org_id.is_some());
        Ok(changes)
    }

    async fn ids_by_key(
        &self,
        object: &ObjectPlan,
        field: &str,
        keys: Vec<String>,
    ) -> Result<BTreeMap<String, String>, SyncError> {
        let options = lockgate::ScanOptions {
            fields: vec![field.to_owned()],
            matching: Some((field.to_owned(), keys)),
            ..lockgate::ScanOptions::default()
        };
        let mut pages = self.connection.scan(&object.object, options).await?;
        let mut ids = BTreeMap::new();
        while let Some(page) = pages.next_page().await? {
            for row in page.records.rows()? {
                let fields = fields(object, row.get().as_bytes())?;
                if let (Some(key), Some(id)) =
                    (text(&fields, field), text(&fields, &object.id_field))
                {
                    ids.insert(key, id);
                }
            }
        }
        Ok(ids)
    }

    /// Writes records, and settles what is known of each. Deletions need none but the
    /// ids of the changes.
    async fn write(
        &self,
        object: &ObjectPlan,
        operation: Operation,
        changes: &[&OutgoingChange],
        records: &[String],
        sent: &mut Sent,
    ) -> Result<(), SyncError> {
        if changes.is_empty() {
            return Ok(());
        }
        let deletes = matches!(operation, Operation::Delete);
        let json = format!("[{}]", records.join(","));
        let mut settle = |row: u64, result: &RecordResult| {
            let at = usize::try_from(row).ok();
            if let Some(change) = at.and_then(|at| changes.get(at)) {
                match outcome(change, result) {
                    SendOutcome::Refused(reason) if is_about_gone(change, result) => {
                        sent.suspects.push(((*change).clone(), reason));
                    }
                    outcome => sent.settle(change, outcome),
                }
            }
        };
        let written = async {
            let options = WriteOptions::default();
            let mut writer = self
                .connection
                .write(&object.object, operation, options)
                .await?;
            let known = if deletes {
                let ids: Vec<String> = changes
                    .iter()
                    .filter_map(|change| change.org_id.clone())
                    .collect();
                writer.push_ids(&ids).await?
            } else {
                writer.push(&Records::from_json(json)?).await?
            };
            known
                .iter()
                .for_each(|known| settle(known.row, &known.result));
            while let Some(known) = writer.finish().await? {
                known
                    .iter()
                    .for_each(|known| settle(known.row, &known.result));
            }
            Ok::<(), lockgate::Error>(())
        };
        let Err(error) = written.await else {
            return Ok(());
        };
        // Who has no result yet.
        let rest = match &error {
            lockgate::Error::UnknownOutcome { .. } => SendOutcome::InDoubt,
            lockgate::Error::Refused { problem, .. } if !problem.advice.is_retryable() => {
                SendOutcome::Refused(problem.to_string())
            }
            error if error.is_retryable() => SendOutcome::Later,
            _ => return Err(error.into()),
        };
        let is_refused = matches!(rest, SendOutcome::Refused(_));
        for change in changes {
            sent.settle(change, rest.clone());
        }
        if is_refused {
            return Ok(());
        }
        Err(error.into())
    }
}

/// What is known of changes that were sent. The first that is said of one holds.
#[derive(Default)]
pub(super) struct Sent {
    settlements: Vec<Settlement>,
    settled: std::collections::BTreeSet<i64>,
    /// Changes whose record may be gone, with the org's words.
    suspects: Vec<(OutgoingChange, String)>,
}

impl Sent {
    pub(super) fn settle(&mut self, change: &OutgoingChange, outcome: SendOutcome) {
        let send = change.send;
        if self.settled.insert(send) {
            self.settlements.push(Settlement { send, outcome });
        }
    }
}

fn outcome(change: &OutgoingChange, result: &RecordResult) -> SendOutcome {
    match &result.outcome {
        Outcome::Created | Outcome::Updated => match result.id.clone().or(change.org_id.clone()) {
            Some(id) => SendOutcome::Written(id),
            None => SendOutcome::InDoubt,
        },
        Outcome::Deleted => SendOutcome::Deleted,
        // No write of ours is a dry run.
        Outcome::Checked => SendOutcome::Later,
        Outcome::Failed { problems } => failed(change, problems),
    }
}

/// Whether a refusal may mean that the record that was to be changed is gone.
fn is_about_gone(change: &OutgoingChange, result: &RecordResult) -> bool {
    let Outcome::Failed { problems } = &result.outcome else {
        return false;
    };
    let mut problems = problems.iter();
    change.operation == SendOperation::Update
        && problems.any(|problem| problem.advice == Advice::Refetch)
}

fn failed(change: &OutgoingChange, problems: &[Problem]) -> SendOutcome {
    let has = |advice: Advice| problems.iter().any(|problem| problem.advice == advice);
    if has(Advice::CheckOutcome) {
        return SendOutcome::InDoubt;
    }
    if problems.iter().all(|problem| problem.advice.is_retryable()) {
        return SendOutcome::Later;
    }
    if has(Advice::Refetch) && change.operation == SendOperation::Delete {
        return SendOutcome::Deleted;
    }
    let texts: Vec<String> = problems.iter().map(Problem::to_string).collect();
    SendOutcome::Refused(texts.join("; "))
}
