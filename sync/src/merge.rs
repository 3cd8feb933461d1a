//! The merge of one record: what both sides last agreed on, what the row has now,
//! and what the org says now. Nothing here knows a database.
//!
//! Field by field there are four cases. Only one side has moved away from the base:
//! its value stands. Both have, to the same value: that stands, and there is
//! nothing left to send. Both have, to different ones: a conflict, which the
//! field's policy decides and which is kept for people to see. Fields that the org
//! says nothing of are not touched.
//!
//! What is to be sent is never kept as a list: it is what the row has and the base
//! does not, see [`pending`]. So no crash can leave list and row in disagreement.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::mapping::Policy;
use crate::value::{Fields, Value};

/// What becomes of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// What is to be written into the row: only what it does not have already.
    pub write: Fields,
    /// What both sides agree on now.
    pub base: Fields,
    /// Where both sides had moved, each its own way.
    pub conflicts: Vec<FieldConflict>,
}

/// A field that both sides changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldConflict {
    /// The field's API name.
    pub field: String,
    /// What both had before.
    pub base: Value,
    /// What the row had.
    pub local: Value,
    /// What the org has.
    pub incoming: Value,
    /// By which policy it was decided.
    pub policy: Policy,
    /// Who won.
    pub taken: Taken,
}

/// Who won a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Taken {
    /// The org.
    Org,
    /// The table.
    Local,
    /// Nobody yet: both keep what they have.
    Undecided,
}

impl Taken {
    /// Who wins under a policy.
    #[must_use]
    pub const fn by(policy: Policy, is_local_newer: bool) -> Self {
        match policy {
            Policy::Org => Self::Org,
            Policy::Local => Self::Local,
            Policy::Newest if is_local_newer => Self::Local,
            Policy::Newest => Self::Org,
            Policy::Plugin => Self::Undecided,
        }
    }

    /// The word for it, as it is kept.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Org => "org",
            Self::Local => "local",
            Self::Undecided => "undecided",
        }
    }
}

/// The value of a field; what is not there is null.
#[must_use]
pub fn of<'a>(fields: &'a Fields, field: &str) -> &'a Value {
    fields.get(field).unwrap_or(&Value::Null)
}

/// What the row has and the base does not: what is to be sent.
#[must_use]
pub fn pending(local: &Fields, base: &Fields) -> Fields {
    let changed = local
        .iter()
        .filter(|(field, value)| of(base, field) != *value);
    changed
        .map(|(field, value)| (field.clone(), value.clone()))
        .collect()
}

/// Merges what the org says into a row.
///
/// `incoming` has the fields of which the org says something; `is_local_newer`
/// tells of a field whether the row was changed after the org was.
#[must_use]
pub fn merge(
    base: &Fields,
    local: &Fields,
    incoming: &Fields,
    policy: impl Fn(&str) -> Policy,
    is_local_newer: impl Fn(&str) -> bool,
) -> Merged {
    let mut merged = Merged {
        base: base.clone(),
        ..Merged::default()
    };
    for (field, theirs) in incoming {
        let (before, ours) = (of(base, field), of(local, field));
        merged.base.insert(field.clone(), theirs.clone());
        let wins = if ours == theirs || before == theirs {
            // Agreed, or the org has not moved: an echo, or another field's change.
            Taken::Local
        } else if ours == before {
            Taken::Org
        } else {
            let policy = policy(field);
            let taken = Taken::by(policy, is_local_newer(field));
            merged.conflicts.push(FieldConflict {
                field: field.clone(),
                base: before.clone(),
                local: ours.clone(),
                incoming: theirs.clone(),
                policy,
                taken,
            });
            taken
        };
        if wins == Taken::Org {
            merged.write.insert(field.clone(), theirs.clone());
        }
    }
    merged
}
