//! What comes from the org, in the words of the contract's `events` and of queries.

use std::collections::BTreeMap;

use crate::value::Fields;

/// What is applied in one transaction: all of it, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// In the org's order.
    pub items: Vec<Incoming>,
    /// What plugins made of items, by their places in `items`: values that their rows
    /// are to have in place of the org's.
    pub rewritten: BTreeMap<usize, Fields>,
    /// Where to go on after this batch: the name of the source and what it gave.
    pub checkpoint: Option<(String, Vec<u8>)>,
    /// How far the load of an object is now.
    pub progress: Option<(String, Progress)>,
}

/// Something that the org says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// Records changed, and how.
    Change(Change),
    /// Records changed, and nobody says how. They must be read.
    Stale(Stale),
    /// A record as it was read.
    Record(Record),
    /// A record that was read again and is not there, or that a reconciliation did
    /// not find.
    Gone(Gone),
    /// A record that was turned away on its way here, by a plugin for instance.
    Rejected(Rejected),
    /// A record that a plugin has no use for. Its row, if there is one, stays as it is.
    LeftOut(LeftOut),
}

/// Records changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The same for the same change however often it comes.
    pub id: String,
    /// The object.
    pub object: String,
    /// The org's ids of the records.
    pub record_ids: Vec<String>,
    /// What happened.
    pub kind: ChangeKind,
    /// The fields that changed, with their values after it.
    pub fields: Fields,
    /// When it was committed in the org, in milliseconds since 1970.
    pub committed_ms: i64,
    /// It came through the connection itself: it may be an echo.
    pub own: bool,
}

/// What happened to records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// They are new.
    Created,
    /// Some of their fields have other values.
    Updated,
    /// They are gone.
    Deleted,
    /// They were deleted, and are there again.
    Undeleted,
}

/// Records of which only this is known: something happened to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// As with a change.
    pub id: String,
    /// The object.
    pub object: String,
    /// The org's ids; none if all records of the object must be read anew.
    pub record_ids: Vec<String>,
    /// When, in milliseconds since 1970.
    pub committed_ms: i64,
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The object.
    pub object: String,
    /// All fields that were asked for, among them the id and, so that old and new
    /// can be told apart, the one that says when the record was last changed.
    pub fields: Fields,
    /// The ticket that it was read again for. A load and a reconciliation have none.
    pub ticket: Option<i64>,
}

/// A record that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// The object.
    pub object: String,
    /// The org's id.
    pub org_id: String,
    /// The ticket that it was looked for with.
    pub ticket: Option<i64>,
}

/// A record that was turned away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The object.
    pub object: String,
    /// The org's id, if the record says it.
    pub org_id: Option<String>,
    /// Why, for people.
    pub reason: String,
    /// The record as it came.
    pub fields: Fields,
    /// The ticket that it was read again for.
    pub ticket: Option<i64>,
}

/// A record that is not wanted here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The object.
    pub object: String,
    /// The org's id.
    pub org_id: String,
    /// The ticket that it was read again for.
    pub ticket: Option<i64>,
}

/// How far an object is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "phase", rename_all = "kebab-case")]
pub enum Progress {
    /// Its records are loaded for the first time.
    Loading {
        /// Where to go on, in the words of whoever loads.
        place: String,
        /// Records that have come by now.
        records: u64,
    },
    /// It is loaded, and lives by events.
    Live,
}

/// What applying a batch has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Applied {
    /// Rows that are new.
    pub inserted: u64,
    /// Rows that were changed.
    pub updated: u64,
    /// Rows that are gone.
    pub deleted: u64,
    /// Conflicts that were found.
    pub conflicts: u64,
    /// Changes that had been applied before.
    pub repeated: u64,
    /// Echoes that told nothing new.
    pub echoed: u64,
    /// Records that must be read.
    pub unread: u64,
    /// Records that became dead letters.
    pub rejected: u64,
}

impl std::ops::AddAssign for Applied {
    fn add_assign(&mut self, more: Self) {
        self.inserted += more.inserted;
        self.updated += more.updated;
        self.deleted += more.deleted;
        self.conflicts += more.conflicts;
        self.repeated += more.repeated;
        self.echoed += more.echoed;
        self.unread += more.unread;
        self.rejected += more.rejected;
    }
}
