//! What became of what was sent. One transaction keeps the org's id, moves the base
//! to what was written, and removes what was sent and nothing else: what was
//! changed meanwhile waits for the next time.

use serde::{Deserialize, Serialize};

use crate::apply;
use crate::echo::{self, Sent, State};
use crate::error::DatabaseError;
use crate::letters;
use crate::mapping::Direction;
use crate::merge;
use crate::numbers;
use crate::outbox;
use crate::plan::{ObjectPlan, Plan};
use crate::rows::{self, Known};
use crate::sql::Sql;
use crate::unread;
use crate::value::fields_to_json;

/// What became of a change that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The number of the send.
    pub send: i64,
    /// What became of it.
    pub outcome: SendOutcome,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// The record was created or changed; its id.
    Written(String),
    /// The record was deleted, or there is none that could be.
    Deleted,
    /// The record that was to be changed is gone.
    Gone,
    /// The org will not take it as it is: why, for people. It becomes a dead letter.
    Refused(String),
    /// Nothing was changed, and it may be sent again.
    Later,
    /// Nobody knows. It is sent again, and found by its key if it is there.
    InDoubt,
}

/// What settling has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Records that were created, changed or deleted.
    pub done: u64,
    /// Records that became dead letters.
    pub refused: u64,
    /// Records that wait to be sent again.
    pub later: u64,
    /// Sends that nobody knows of: settled already, or asked for anew since.
    pub unknown: u64,
}

impl std::ops::AddAssign for Settled {
    fn add_assign(&mut self, more: Self) {
        self.done += more.done;
        self.refused += more.refused;
        self.later += more.later;
        self.unknown += more.unknown;
    }
}

/// Settles sends, each by its number; what is not named stays as it is.
pub(crate) fn settle(
    sql: &mut dyn Sql,
    plan: &Plan,
    settlements: &[Settlement],
    now_ms: i64,
) -> Result<Settled, DatabaseError> {
    numbers::next(sql)?;
    let mut settled = Settled::default();
    for settlement in settlements {
        let Some(found) = find(sql, plan, settlement.send)? else {
            settled.unknown += 1;
            continue;
        };
        match &settlement.outcome {
            SendOutcome::Written(org_id) => {
                written(sql, plan, &found, org_id, now_ms)?;
                settled.done += 1;
            }
            SendOutcome::Deleted => {
                deleted(sql, &found, now_ms)?;
                settled.done += 1;
            }
            SendOutcome::Gone => {
                echo::forget(sql, settlement.send)?;
                outbox::unmark(sql, settlement.send)?;
                apply::gone(sql, plan, found.object, found.known, now_ms)?;
                settled.done += 1;
            }
            SendOutcome::Refused(reason) => {
                refused(sql, &found, reason, now_ms)?;
                settled.refused += 1;
            }
            SendOutcome::Later => {
                echo::forget(sql, settlement.send)?;
                outbox::unmark(sql, settlement.send)?;
                settled.later += 1;
            }
            // It stays under way, so that its creation is not forgotten.
            SendOutcome::InDoubt => settled.later += 1,
        }
    }
    Ok(settled)
}

/// A send with its row.
struct Found<'a> {
    object: &'a ObjectPlan,
    known: Known,
    sent: Sent,
}

fn find<'a>(
    sql: &mut dyn Sql,
    plan: &'a Plan,
    send: i64,
) -> Result<Option<Found<'a>>, DatabaseError> {
    let rows = sql.rows(
        "SELECT object, local_key FROM ~sent WHERE send = ?1 AND state IN ('under-way', 'told')",
        &[send.into()],
    )?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let (name, local_key) = (row.text(0)?, row.text(1)?);
    let known = rows::by_key(sql, &name, &local_key)?;
    let all = echo::list(sql, &name, &local_key)?;
    let sent = all.into_iter().find(|sent| sent.send == send);
    let (Some(object), Some(sent)) = (plan.object(&name), sent) else {
        return Ok(None);
    };
    Ok(Some(Found {
        object,
        known: known.unwrap_or_else(|| Known::fresh(local_key, None)),
        sent,
    }))
}

fn written(
    sql: &mut dyn Sql,
    plan: &Plan,
    found: &Found<'_>,
    org_id: &str,
    now_ms: i64,
) -> Result<(), DatabaseError> {
    let Found {
        object,
        known,
        sent,
    } = found;
    let mut known = known.clone();
    let mut look = outbox::look(sql, object, &known.local_key)?;
    if known.org_id.is_none() {
        take_id(sql, plan, object, &mut known, org_id)?;
        look = outbox::look(sql, object, &known.local_key)?;
    }
    let mut is_doubtful = false;
    for (field, value) in &sent.fields {
        let now = merge::of(&known.base, field);
        if now == merge::of(&sent.bases, field) || now == value {
            known.base.insert(field.clone(), value.clone());
        } else {
            // Somebody else wrote it to the org meanwhile, before us or after us.
            is_doubtful = true;
        }
    }
    match sent.state {
        State::Told => echo::forget(sql, sent.send)?,
        State::UnderWay | State::Lost | State::Done => {
            echo::set_state(sql, sent.send, State::Done)?
        }
    }
    if !object.takes() {
        // Nobody will tell of it.
        echo::forget(sql, sent.send)?;
    }
    rows::keep(sql, &object.object, &known)?;
    if is_doubtful {
        unread::mark(sql, &object.object, org_id, now_ms)?;
    }
    outbox::remove_sent(sql, sent.send)?;
    letters::remove_of(sql, &object.object, &known.local_key)?;
    if let Some(local) = &mut look.local {
        rows::undo_unwritable(sql, object, &known, local)?;
        // Fields that could not go with a creation.
        if !merge::pending(&local.fields, &known.base).is_empty() {
            outbox::add(sql, &object.object, &known.local_key, now_ms)?;
        }
    }
    Ok(())
}

/// Gives a row the id of its record. If an event came first and nothing told that it
/// was of this row, the row that was made of it goes again.
fn take_id(
    sql: &mut dyn Sql,
    plan: &Plan,
    object: &ObjectPlan,
    known: &mut Known,
    org_id: &str,
) -> Result<(), DatabaseError> {
    if let Some(other) = rows::by_id(sql, &object.object, org_id)? {
        let look = outbox::look(sql, object, &other.local_key)?;
        rows::delete(sql, object, &other.local_key)?;
        outbox::remove(sql, &object.object, &other.local_key, &look)?;
        rows::forget(sql, &object.object, &other.local_key)?;
        known.base = other.base;
        known.stamp_ms = other.stamp_ms;
    }
    known.org_id = Some(org_id.to_owned());
    rows::keep(sql, &object.object, known)?;
    rows::write_id(sql, object, &known.local_key, Some(org_id))?;
    rows::fill_in_id(sql, plan, object, &known.local_key, org_id)
}

fn deleted(sql: &mut dyn Sql, found: &Found<'_>, now_ms: i64) -> Result<(), DatabaseError> {
    let Found {
        object,
        known,
        sent,
    } = found;
    outbox::remove_sent(sql, sent.send)?;
    echo::forget_all(sql, &object.object, &known.local_key)?;
    letters::remove_of(sql, &object.object, &known.local_key)?;
    let mut known = known.clone();
    let Some(org_id) = &known.org_id else {
        // It was found by its key, or was never there.
        return rows::forget(sql, &object.object, &known.local_key);
    };
    // By the org's clock, not ours: whatever is read with a newer stamp is there again.
    let gone_ms = if known.stamp_ms > 0 {
        known.stamp_ms + apply::EARLY_MS
    } else {
        now_ms
    };
    if rows::read(sql, object, &known.local_key)?.is_some() {
        // Inserted again meanwhile, or brought back by a change in the org that came
        // before the deletion did: it lives on as another record.
        rows::write_id(sql, object, &known.local_key, None)?;
        let fresh = Known::fresh(known.local_key.clone(), None);
        rows::keep(sql, &object.object, &fresh)?;
        rows::keep_gone(sql, &object.object, org_id, gone_ms, now_ms)?;
        return outbox::add(sql, &object.object, &known.local_key, now_ms);
    }
    known.go(gone_ms, now_ms);
    rows::keep(sql, &object.object, &known)
}

fn refused(
    sql: &mut dyn Sql,
    found: &Found<'_>,
    reason: &str,
    now_ms: i64,
) -> Result<(), DatabaseError> {
    let Found {
        object,
        known,
        sent,
    } = found;
    let letter = letters::New {
        direction: Direction::Out,
        object: &object.object,
        local_key: Some(&known.local_key),
        org_id: known.org_id.as_deref(),
        reason,
        content: &fields_to_json(&sent.fields),
    };
    letters::put(sql, &letter, now_ms)?;
    outbox::remove_sent(sql, sent.send)?;
    echo::forget(sql, sent.send)
}
