//! What the writes of a transaction have done, for those who listen to changes.
//! It is kept while the records are locked and handed over when they are let
//! go: listeners see transactions whole, and never one that was undone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::Org;
use super::draft::Draft;
use crate::id::Id;
use crate::schema::{ID_COLUMN, Object};
use crate::table::Row;
use crate::user::User;
use crate::value::Value;

/// One thing that was done.
#[derive(Clone, Debug)]
pub(crate) enum Done {
    /// A record is new, different, deleted or back.
    Changed {
        /// The object's place in the schema.
        object: usize,
        /// Nothing for a new record.
        before: Option<Row>,
        after: Row,
    },
    /// A platform event was published.
    Published { object: usize, event: Row },
}

/// What was done since the records were locked.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    /// The objects whose changes are listened to, and by whom.
    listened: HashMap<Listener, HashSet<usize>>,
    done: Vec<Done>,
}

/// Who listens to changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Listener {
    /// Change events.
    Events,
    /// Outbound messages.
    Messages,
}

impl Outbox {
    fn is_listened_to(&self, object: usize) -> bool {
        self.listened
            .values()
            .any(|objects| objects.contains(&object))
    }

    /// How much has been done; `undo_to` takes it.
    pub(super) fn len(&self) -> usize {
        self.done.len()
    }

    /// Forgets what was done after `length`.
    pub(super) fn undo_to(&mut self, length: usize) {
        self.done.truncate(length);
    }

    pub(super) fn changed(&mut self, object: usize, before: Option<Row>, after: &Row) {
        if self.is_listened_to(object) {
            self.done.push(Done::Changed {
                object,
                before,
                after: after.clone(),
            });
        }
    }

    /// A change that follows from another write becomes part of the record's
    /// last change since `from`, if there is one.
    pub(super) fn followed(&mut self, from: usize, object: usize, before: Row, row: &Row) {
        if !self.is_listened_to(object) {
            return;
        }
        let since = self.done.iter_mut().skip(from).rev();
        let earlier = since.into_iter().find_map(|done| match done {
            Done::Changed {
                object: of, after, ..
            } if *of == object && after.id() == row.id() => Some(after),
            _ => None,
        });
        match earlier {
            Some(after) => *after = row.clone(),
            None => self.changed(object, Some(before), row),
        }
    }
}

impl Org {
    /// From now on keeps for a listener what happens to the records of these
    /// objects, by their places in the schema.
    pub(crate) fn listen_to(&mut self, listener: Listener, objects: HashSet<usize>) {
        self.outbox.listened.insert(listener, objects);
    }

    /// Hands over what was done since the last time.
    pub(crate) fn take_done(&mut self) -> Vec<Done> {
        std::mem::take(&mut self.outbox.done)
    }

    /// The id that a published platform event has for its subscribers. It is not
    /// its record id, which nobody can ask for; a publisher gets both.
    pub(crate) fn event_uuid(&self, id: &str) -> String {
        let mut digest = Sha256::new();
        digest.update(self.event_salt);
        digest.update(id);
        let digest: [u8; 32] = digest.finalize().into();
        crate::random::uuid(digest.first_chunk().unwrap_or(&[0; 16]))
    }

    /// Publishes a platform event that was checked as any record is.
    pub(super) fn publish(&mut self, who: &User, draft: &mut Draft<'_>) -> Id {
        let object: &Object = draft.object;
        let prefix = object.key_prefix.as_deref().unwrap_or("e00");
        let id = match self.tables.get_mut(object.index) {
            Some(table) => table.take_id(prefix),
            None => Arc::from(""),
        };
        draft.put(ID_COLUMN, Value::Text(Arc::clone(&id)));
        draft.set("EventUuid", Value::text(self.event_uuid(&id)));
        if let Some(column) = object.system.created_date {
            draft.put(column, Value::DateTime(self.now_ms()));
        }
        if let Some(column) = object.system.created_by_id {
            draft.put(column, Value::Text(Arc::clone(&who.id)));
        }
        self.outbox.done.push(Done::Published {
            object: object.index,
            event: Row::new(std::mem::take(&mut draft.values)),
        });
        id
    }
}
