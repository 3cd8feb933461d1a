//! Merging what the org says into a row: behind shields, against the base, and with
//! what was done here meanwhile.

use std::collections::BTreeMap;

use super::{Source, Told, Work, stamp_ms};
use crate::conflicts::{self, Kept};
use crate::echo::{self, Sent, State};
use crate::error::DatabaseError;
use crate::mapping::Policy;
use crate::merge::{self, Taken};
use crate::outbox::{self, Look};
use crate::plan::ObjectPlan;
use crate::rows::{self, Known};
use crate::value::{Fields, fields_to_json};

impl Work<'_> {
    /// Merges what is told into a row that is known.
    pub(super) fn merge(
        &mut self,
        object: &ObjectPlan,
        mut known: Known,
        told: &Told<'_>,
    ) -> Result<(), DatabaseError> {
        let before = known.clone();
        let mut fields = rows::canonical(object, told.fields);
        let mut look = outbox::look(self.sql, object, &known.local_key)?;
        let is_captured = look.is_captured();
        if let Some(local) = look.local.as_mut().filter(|_| is_captured) {
            rows::name_by_id(self.sql, object, &known.local_key, local)?;
        }
        let echo = self.lift_and_shield(object, &known, told, &mut fields)?;
        let stamp = stamp_ms(object, told.fields).unwrap_or(0);
        let is_older = match told.from {
            Source::Event { .. } => told.at_ms < known.stamp_ms,
            Source::Reading { ticket } => ticket.is_none() && stamp < known.stamp_ms,
        };
        if is_older {
            return Ok(());
        }
        known.stamp_ms = known.stamp_ms.max(self.stamp_of(object, told));
        for (field, value) in echo.iter().flat_map(|echo| &echo.fields) {
            if fields.contains_key(field) {
                known.base.insert(field.clone(), value.clone());
            }
        }
        let is_new = fields
            .iter()
            .any(|(field, value)| merge::of(&known.base, field) != value);
        let Some(local) = &look.local else {
            let is_theirs = echo.is_none() && self.is_somebodys(object, &before, &fields)?;
            return self.merge_into_deleted(object, known, fields, is_theirs, &look, told.at_ms);
        };
        let changed = match is_captured {
            true => outbox::changed_ms(self.sql, &object.object, &known.local_key)?,
            false => BTreeMap::new(),
        };
        // Where nothing goes out, what differs from the base is a plugin's.
        let ours = match object.sends() {
            true => &local.fields,
            false => &known.base,
        };
        let mut merged = merge::merge(
            &known.base,
            ours,
            &fields,
            |field| {
                object
                    .column(field)
                    .map_or(object.policy, |column| column.policy)
            },
            |field| outbox::of(&changed, field) > told.at_ms,
        );
        let mut now = local.fields.clone();
        now.extend(merged.write.clone());
        // A plugin that never comes to rest must not make echoes of its own echoes.
        if echo.is_none() || is_new {
            let rewritten = self.rewritten(object, &now, &merged.base);
            self.send_rewritten(object, &known.local_key, &rewritten)?;
            merged.write.extend(rewritten.clone());
            now.extend(rewritten);
        }
        rows::write(self.sql, object, &known.local_key, &merged.write)?;
        known.base = merged.base;
        for conflict in merged.conflicts {
            let kept = Kept::of_field(object, &known, conflict);
            conflicts::put(self.sql, &kept, self.now_ms)?;
            self.done.conflicts += 1;
        }
        if echo.is_some() && !is_captured && !merge::pending(&now, &known.base).is_empty() {
            outbox::add(self.sql, &object.object, &known.local_key, self.now_ms)?;
        }
        if known != before {
            rows::keep(self.sql, &object.object, &known)?;
        }
        if !merged.write.is_empty() {
            self.done.updated += 1;
        } else if echo.is_some() {
            self.done.echoed += 1;
        }
        Ok(())
    }

    /// Forgets the send that this tells of, and takes from `fields` what later ones
    /// shield; see `echo.rs`. Gives that send.
    fn lift_and_shield(
        &mut self,
        object: &ObjectPlan,
        known: &Known,
        told: &Told<'_>,
        fields: &mut Fields,
    ) -> Result<Option<Sent>, DatabaseError> {
        let sent = echo::list(self.sql, &object.object, &known.local_key)?;
        let (echo, truth_after) = match told.from {
            Source::Event { own: true } => (echo::told_by(&sent, fields).cloned(), None),
            Source::Event { own: false } => (None, None),
            Source::Reading { ticket } => (None, ticket),
        };
        if let Some(echo) = echo.as_ref().filter(|echo| echo.state == State::UnderWay) {
            echo::set_state(self.sql, echo.send, State::Told)?;
        }
        // Events come in order: a send that one passes over is told of no more.
        let last_told = echo.as_ref().map(|echo| echo.send);
        let mut is_doubtful = false;
        for other in &sent {
            let is_past = last_told.is_some_and(|last| other.send <= last)
                || truth_after.is_some_and(|ticket| other.send < ticket);
            match other.state {
                State::Done | State::Lost if is_past => echo::forget(self.sql, other.send)?,
                State::Done => is_doubtful |= shield(other, known, fields),
                State::Lost | State::UnderWay | State::Told => (),
            }
        }
        // An echo is as old as its send: what shields comes yet.
        if let (true, None, Some(org_id)) = (is_doubtful, &echo, &known.org_id) {
            self.mark_unread(object, org_id, told.at_ms)?;
        }
        Ok(echo)
    }

    /// Whether somebody has changed a record in the org since both sides agreed. What
    /// the org writes by itself is nobody's change, and neither is what it has added to
    /// a creation of ours.
    fn is_somebodys(
        &mut self,
        object: &ObjectPlan,
        known: &Known,
        fields: &Fields,
    ) -> Result<bool, DatabaseError> {
        if !known.base.is_empty() {
            return Ok(object.differs(fields, &known.base));
        }
        let sent = echo::list(self.sql, &object.object, &known.local_key)?;
        Ok(sent.iter().any(|sent| {
            let mut told = fields.clone();
            told.retain(|field, _| sent.fields.contains_key(field));
            object.differs(&told, &sent.fields)
        }))
    }

    /// The row was deleted here, and nobody has told the org yet.
    fn merge_into_deleted(
        &mut self,
        object: &ObjectPlan,
        mut known: Known,
        fields: Fields,
        is_theirs: bool,
        look: &Look,
        at_ms: i64,
    ) -> Result<(), DatabaseError> {
        let changed = outbox::changed_ms(self.sql, &object.object, &known.local_key)?;
        let taken = match object.policy {
            // A deletion can be repeated, a change that is lost cannot.
            Policy::Plugin => Taken::Org,
            policy => Taken::by(policy, outbox::of(&changed, "") > at_ms),
        };
        let told = fields_to_json(&fields);
        known.base.extend(fields);
        if is_theirs {
            let kept = Kept::of_record(object, &known, "deleted", &told, taken);
            conflicts::put(self.sql, &kept, self.now_ms)?;
            self.done.conflicts += 1;
            if taken == Taken::Org {
                let org_id = known.org_id.clone().unwrap_or_default();
                rows::insert(self.sql, object, &known.local_key, &org_id, &known.base)?;
                outbox::remove(self.sql, &object.object, &known.local_key, look)?;
                echo::lose(self.sql, &object.object, &known.local_key)?;
                self.done.inserted += 1;
            }
        }
        rows::keep(self.sql, &object.object, &known)
    }
}

/// Takes from `fields` what a send shields; true if one of them was told with
/// another value than is agreed.
fn shield(sent: &Sent, known: &Known, fields: &mut Fields) -> bool {
    let mut differs = false;
    for field in sent.fields.keys() {
        if let Some(value) = fields.remove(field) {
            differs |= merge::of(&known.base, field) != &value;
        }
    }
    differs
}
