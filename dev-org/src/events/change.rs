//! What one transaction becomes on the bus: a change event for each record,
//! merged where many records changed alike, with Salesforce's header.

use std::sync::Arc;

use super::event::{Body, Event};
use super::layout::Layout;
use crate::id::Id;
use crate::table::Row;
use crate::user::User;
use crate::value::Value;

/// The record id of an overflow, which is about no record in particular.
const NO_RECORD: &str = "000000000000000AAA";

/// What happened to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeType {
    Create,
    Update,
    Delete,
    Undelete,
    GapCreate,
    GapUpdate,
    GapDelete,
    GapUndelete,
    GapOverflow,
}

impl ChangeType {
    /// The names of all in the order of the schema's enumeration, of which the
    /// last is never used.
    pub(crate) const NAMES: [&'static str; 10] = [
        "CREATE",
        "UPDATE",
        "DELETE",
        "UNDELETE",
        "GAP_CREATE",
        "GAP_UPDATE",
        "GAP_DELETE",
        "GAP_UNDELETE",
        "GAP_OVERFLOW",
        "SNAPSHOT",
    ];

    /// Its place among the names.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Create => 0,
            Self::Update => 1,
            Self::Delete => 2,
            Self::Undelete => 3,
            Self::GapCreate => 4,
            Self::GapUpdate => 5,
            Self::GapDelete => 6,
            Self::GapUndelete => 7,
            Self::GapOverflow => 8,
        }
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        let place = usize::try_from(self.number()).unwrap_or(0);
        Self::NAMES.get(place).copied().unwrap_or_default()
    }

    /// The gap that stands for a change whose event cannot be made.
    pub(crate) fn as_gap(self) -> Self {
        match self {
            Self::Create => Self::GapCreate,
            Self::Update => Self::GapUpdate,
            Self::Delete => Self::GapDelete,
            Self::Undelete => Self::GapUndelete,
            gap => gap,
        }
    }

    /// The type by name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [
            Self::Create,
            Self::Update,
            Self::Delete,
            Self::Undelete,
            Self::GapCreate,
            Self::GapUpdate,
            Self::GapDelete,
            Self::GapUndelete,
            Self::GapOverflow,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
    }
}

/// Who wrote, and by which of Salesforce's doors.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) user: Id,
    /// `com/salesforce/api/rest/60.0;client=acme`
    pub(crate) name: String,
}

impl Origin {
    /// A write by an API. `client` is what `Sforce-Call-Options` says.
    pub(crate) fn api(who: &User, api: &str, version: f64, client: Option<&str>) -> Self {
        let client = client.filter(|client| !client.is_empty());
        let client = client.map_or_else(String::new, |client| format!(";client={client}"));
        Self {
            user: Arc::clone(&who.id),
            name: format!("com/salesforce/api/{api}/{version:.1}{client}"),
        }
    }

    /// What a person does in the browser.
    pub(crate) fn browser(user: Id) -> Self {
        Self {
            user,
            name: "com/salesforce/api/soap/60.0;client=SfdcInternalAPI/".to_owned(),
        }
    }
}

/// What the changes of one transaction have in common.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) key: String,
    pub(crate) origin: Origin,
    /// In milliseconds, whole seconds as Salesforce gives them.
    pub(crate) commit_ms: i64,
    pub(crate) commit_number: i64,
}

/// One change event.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) kind: ChangeType,
    pub(crate) ids: Vec<Id>,
    pub(crate) transaction: Arc<Transaction>,
    /// Its place in the transaction, from 1.
    pub(crate) sequence: i32,
    /// The record afterwards; none of a gap or a delete.
    pub(crate) row: Option<Row>,
    /// The columns that an update changed.
    pub(crate) changed: Vec<usize>,
}

impl Change {
    /// The change from one state of a record to the next, when it is one.
    pub(crate) fn between(
        layout: &Layout,
        before: Option<&Row>,
        after: &Row,
        transaction: &Arc<Transaction>,
    ) -> Option<Self> {
        let was_there = before.map(|before| !before.is_deleted());
        let kind = match (was_there, !after.is_deleted()) {
            (None, _) => ChangeType::Create,
            (Some(true), false) => ChangeType::Delete,
            (Some(false), true) => ChangeType::Undelete,
            (Some(true), true) => ChangeType::Update,
            (Some(false), false) => return None,
        };
        let mut changed = Vec::new();
        if let (ChangeType::Update, Some(before)) = (kind, before) {
            // That it was modified is no change by itself, and part of every one.
            let columns = layout
                .columns()
                .filter(|column| Some(*column) != layout.last_modified);
            changed.extend(columns.filter(|column| before.get(*column) != after.get(*column)));
            if changed.is_empty() {
                return None;
            }
            changed.extend(layout.last_modified);
        }
        Some(Self {
            kind,
            ids: vec![after.shared_id()],
            transaction: Arc::clone(transaction),
            sequence: 0,
            row: (kind != ChangeType::Delete).then(|| after.clone()),
            changed,
        })
    }

    /// A change of which nothing is known but that it happened.
    pub(crate) fn gap(kind: ChangeType, ids: Vec<Id>, transaction: &Arc<Transaction>) -> Self {
        let ids = match kind {
            ChangeType::GapOverflow => vec![NO_RECORD.into()],
            _ => ids,
        };
        Self {
            kind: kind.as_gap(),
            ids,
            transaction: Arc::clone(transaction),
            sequence: 1,
            row: None,
            changed: Vec::new(),
        }
    }

    /// The same without what changed.
    pub(crate) fn into_gap(self) -> Self {
        let sequence = self.sequence;
        let gap = Self::gap(self.kind, self.ids, &self.transaction);
        Self { sequence, ..gap }
    }

    /// The value of a column, when the event tells of it.
    pub(crate) fn told(&self, column: usize) -> Option<&Value> {
        let row = self.row.as_ref()?;
        let is_told = self.kind != ChangeType::Update || self.changed.contains(&column);
        is_told.then(|| row.get(column))
    }

    /// Whether another change of the same transaction is the same one for more
    /// records. New records are never told together.
    fn is_like(&self, other: &Self, layout: &Layout) -> bool {
        self.kind == other.kind
            && match (&self.row, &other.row) {
                (None, None) => true,
                (Some(row), Some(theirs)) => {
                    self.kind == ChangeType::Update
                        && self.changed == other.changed
                        && self.changed.iter().all(|column| {
                            row.get(*column) == theirs.get(*column)
                                || Some(*column) == layout.last_modified
                        })
                }
                _ => false,
            }
    }
}

/// Puts a change behind those before it in its transaction: numbered, or
/// together with the last one when that says the same of other records.
pub(crate) fn append(events: &mut Vec<Event>, layout: &Arc<Layout>, mut change: Change) {
    if let Some(last) = events.last_mut()
        && Arc::ptr_eq(&last.layout, layout)
        && let Body::Change(last) = &mut last.body
        && last.is_like(&change, layout)
    {
        last.ids.append(&mut change.ids);
        return;
    }
    let last = events.iter().rev().find_map(|event| match &event.body {
        Body::Change(change) => Some(change.sequence),
        Body::Published(_) => None,
    });
    change.sequence = last.map_or(1, |last| last + 1);
    events.push(Event::new(
        crate::random::new_uuid(),
        layout,
        Body::Change(change),
    ));
}
