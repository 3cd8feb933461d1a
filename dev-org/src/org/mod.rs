//! The org's state and its one write path. Plain data: callers hold the lock.
//!
//! `write` creates, updates and upserts, `delete` deletes; both end in
//! `insert_row` and `replace_row` here, the only places that change rows.

pub(crate) mod access;
mod body;
mod check;
mod content;
mod convert;
mod deal;
mod delete;
mod derive;
mod describe;
mod draft;
mod duplicates;
mod extend;
mod external;
mod journal;
mod layout;
mod note;
mod order;
mod outbox;
mod person;
mod price;
mod read;
mod record_type;
mod replication;
mod seeded;
mod setup;
mod sheet;
#[cfg(test)]
mod tests;
mod validation;
mod write;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

pub use convert::{Conversion, Converted};
pub use describe::Urls;
pub(crate) use outbox::{Done, Listener};
pub use read::{record_url, write_field};
pub use replication::{DeletedRecord, DeletedRecords, UpdatedRecords};
pub use setup::{ADMIN, LEAD_OWNER};
pub(crate) use sheet::{Operation, Sheet};

use crate::clock::Clock;
use crate::fault::Fault;
use crate::id::Id;
use crate::schema::{Object, Schema};
use crate::table::{Row, Table};
use crate::user::User;
use crate::value::Value;

/// Serial numbers between the first ids of two objects. Objects that share a
/// key prefix (`LeadStatus`, `OpportunityStage`) thus never share an id.
const SERIALS_PER_OBJECT: u64 = 50_000_000;
/// The first serial number of all, large enough for ids to look lived-in.
const FIRST_SERIAL: u64 = 916_132_832;

/// A small Salesforce: schema, records, users and a clock.
#[derive(Clone, Debug)]
pub struct Org {
    /// The data model.
    pub schema: Arc<Schema>,
    tables: Vec<Table>,
    /// What an object of another schema gets: a table without rows.
    no_table: Table,
    /// By user name.
    users: BTreeMap<String, Arc<User>>,
    organization: Id,
    standard_pricebook: Id,
    /// Who gets the leads that the active assignment rule assigns.
    lead_assignee: Option<Id>,
    /// Fifteen-character ids of rows that a test has locked.
    locked: HashSet<String>,
    /// The time, when a test has stopped the clock.
    stopped_at: Option<i64>,
    /// The clock of the server around this, which a test may have moved.
    clock: Clock,
    journal: Option<journal::Journal>,
    outbox: outbox::Outbox,
    /// When the schema was last extended.
    extended_ms: Option<i64>,
    /// Makes the ids of platform events differ from those of other orgs.
    event_salt: [u8; 16],
}

/// How a write is to be done; the request's headers say.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// `Sforce-Duplicate-Rule-Header: allowSave=true`.
    pub allow_duplicates: bool,
    /// `Sforce-Duplicate-Rule-Header: includeRecordDetails=true`.
    pub include_record_details: bool,
    /// `Sforce-Auto-Assign`.
    pub auto_assign: AutoAssign,
    /// `updateOnly=true` of an upsert.
    pub update_only: bool,
    /// Contents that came beside the record, each with its field. The record has
    /// some base64 in their place.
    pub files: Vec<(String, bytes::Bytes)>,
}

/// What `Sforce-Auto-Assign` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AutoAssign {
    /// Nothing, which is as TRUE for a new lead.
    #[default]
    Unsaid,
    /// TRUE.
    On,
    /// FALSE.
    Off,
    /// The id of a rule.
    Rule(String),
}

/// What an upsert did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upserted {
    /// The record.
    pub id: Id,
    /// Whether it is new.
    pub created: bool,
}

impl Org {
    /// An org with this data model, its setup rows and an administrator.
    pub fn new(schema: Schema) -> Self {
        let tables = schema
            .objects()
            .zip(0..)
            .map(|(object, number)| Table::new(object, FIRST_SERIAL + number * SERIALS_PER_OBJECT))
            .collect();
        let mut org = Self {
            tables,
            event_salt: *crate::random::bytes(16).first_chunk().unwrap_or(&[0; 16]),
            ..Self::nowhere()
        };
        org.schema = Arc::new(schema);
        org.set_up();
        org
    }

    /// An org without objects, which keeps a place while the real one is taken
    /// out of it.
    pub(crate) fn nowhere() -> Self {
        Self {
            schema: Arc::default(),
            tables: Vec::new(),
            no_table: Table::without_columns(),
            users: BTreeMap::new(),
            organization: Arc::from(""),
            standard_pricebook: Arc::from(""),
            lead_assignee: None,
            locked: HashSet::new(),
            stopped_at: None,
            clock: Clock::default(),
            journal: None,
            outbox: outbox::Outbox::default(),
            extended_ms: None,
            event_salt: [0; 16],
        }
    }

    /// The rows of an object.
    pub fn table(&self, object: &Object) -> &Table {
        self.tables.get(object.index).unwrap_or(&self.no_table)
    }

    /// The rows of an object by name; no rows when there is no such object.
    pub fn table_of(&self, name: &str) -> &Table {
        self.schema
            .object(name)
            .map_or(&self.no_table, |object| self.table(object))
    }

    /// A live or deleted row by id, with its object.
    pub fn row(&self, id: &str) -> Option<(&Object, &Row)> {
        let prefix = crate::id::prefix(id);
        self.schema
            .objects()
            .filter(|object| object.key_prefix.as_deref() == Some(prefix))
            .find_map(|object| Some((object, self.table(object).get(id)?)))
    }

    /// The time of the org in milliseconds since the epoch.
    pub fn now_ms(&self) -> i64 {
        self.stopped_at.unwrap_or_else(|| self.clock.now_ms())
    }

    /// Reads the time off the server's clock from now on.
    pub(crate) fn follow(&mut self, clock: Clock) {
        self.clock = clock;
    }

    /// Stops the clock at a time, or lets it run again.
    pub fn set_now_ms(&mut self, now: Option<i64>) {
        self.stopped_at = now;
    }

    /// The time as records keep it: whole seconds.
    fn stamp(&self) -> Value {
        let now = self.now_ms();
        Value::DateTime(now - now.rem_euclid(1000))
    }

    /// The organization's id.
    pub fn organization_id(&self) -> Id {
        Arc::clone(&self.organization)
    }

    /// The standard price book's id.
    pub fn standard_pricebook_id(&self) -> Id {
        Arc::clone(&self.standard_pricebook)
    }

    /// A user by login name, without case.
    pub fn user(&self, username: &str) -> Option<Arc<User>> {
        self.users.get(&username.to_lowercase()).cloned()
    }

    /// A user by record id.
    pub fn user_by_id(&self, id: &str) -> Option<Arc<User>> {
        self.users
            .values()
            .find(|user| crate::id::same(&user.id, id))
            .cloned()
    }

    /// All users who can log in, by login name.
    pub fn users(&self) -> impl Iterator<Item = &Arc<User>> {
        self.users.values()
    }

    /// Changes a user's limits.
    pub fn change_user(&mut self, username: &str, change: impl FnOnce(&mut User)) {
        if let Some(user) = self.users.get_mut(&username.to_lowercase()) {
            change(Arc::make_mut(user));
        }
    }

    /// Locks a record as another transaction would: writes to it, and to its
    /// children that would lock it, fail with `UNABLE_TO_LOCK_ROW`.
    pub fn lock_row(&mut self, id: &str) {
        self.locked.insert(id.get(..15).unwrap_or(id).to_owned());
    }

    /// Lets go of a record that `lock_row` locked.
    pub fn unlock_row(&mut self, id: &str) {
        self.locked.remove(id.get(..15).unwrap_or(id));
    }

    /// Lets go of all locked records.
    pub fn unlock_all_rows(&mut self) {
        self.locked.clear();
    }

    fn check_not_locked(&self, id: &str) -> Result<(), Fault> {
        if !self.locked.is_empty() && self.locked.contains(id.get(..15).unwrap_or(id)) {
            return Err(Fault::bad_request(
                "UNABLE_TO_LOCK_ROW",
                format!("unable to obtain exclusive access to this record or 1 records: {id}"),
            ));
        }
        Ok(())
    }

    /// The object of a name that this user can see.
    fn visible_object<'a>(
        &self,
        schema: &'a Schema,
        who: &User,
        name: &str,
    ) -> Result<&'a Object, Fault> {
        schema
            .object(name)
            .filter(|object| who.object_permissions(&object.name).read)
            .ok_or_else(Fault::not_there)
    }

    /// Adds a row. With `put_row`, the one place where records change.
    fn insert_row(&mut self, object: &Object, row: Row) {
        if let Some(table) = self.tables.get_mut(object.index) {
            if let Some(journal) = &mut self.journal {
                journal.inserted(object.index);
            }
            self.outbox.changed(object.index, None, &row);
            table.push(row);
        }
    }

    /// Puts a changed row in its place.
    fn replace_row(&mut self, object: &Object, place: usize, row: Row) {
        if let Some(before) = self.put_row(object, place, row.clone()) {
            self.outbox.changed(object.index, Some(before), &row);
        }
    }

    /// As `replace_row` for a change that follows from the write of another
    /// record, or from a part of this one's own.
    fn follow_row(&mut self, object: &Object, place: usize, row: Row) {
        if let Some(before) = self.put_row(object, place, row.clone()) {
            let begun = self
                .journal
                .as_ref()
                .map_or(0, journal::Journal::done_before);
            self.outbox.followed(begun, object.index, before, &row);
        }
    }

    /// Changes a row and gives back what was there.
    fn put_row(&mut self, object: &Object, place: usize, row: Row) -> Option<Row> {
        let table = self.tables.get_mut(object.index)?;
        let before = table.row_at(place)?.clone();
        if let Some(journal) = &mut self.journal {
            journal.replaced(object.index, place, before.clone());
        }
        table.replace(place, row);
        Some(before)
    }
}
