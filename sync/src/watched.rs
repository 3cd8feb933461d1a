//! What other programs may not do to a table, for every database alike.
//!
//! It is refused where it is done, as a database refuses to write a generated
//! column: a program that believes it has changed something must not find it
//! undone a minute later.

use crate::mapping::Direction;
use crate::plan::{ID_COLUMN, KEY_COLUMN, ObjectPlan};

/// Something that may not be done.
pub(crate) struct Rule {
    /// What the program is told.
    pub(crate) sentence: String,
    /// When it breaks the rule; `None` if always.
    pub(crate) broken_when: Option<When>,
}

/// A condition on the old and the new row.
pub(crate) enum When {
    /// This column is given a value.
    Given(String),
    /// This column is changed.
    Changed(String),
    /// This column is changed in a row that has an id of the org.
    ChangedAfterCreation(String),
}

impl When {
    /// The condition, with the database's word for `differs from`.
    pub(crate) fn sql(&self, differs: &str) -> String {
        match self {
            Self::Given(column) => format!("NEW.{column} IS NOT NULL"),
            Self::Changed(column) => format!("NEW.{column} {differs} OLD.{column}"),
            Self::ChangedAfterCreation(column) => {
                format!("OLD.{ID_COLUMN} IS NOT NULL AND NEW.{column} {differs} OLD.{column}")
            }
        }
    }
}

fn always(sentence: String) -> Vec<Rule> {
    vec![Rule {
        sentence,
        broken_when: None,
    }]
}

/// Why nothing at all may be written, if so.
fn read_only(object: &ObjectPlan) -> Option<Vec<Rule>> {
    (object.direction == Direction::In).then(|| {
        always(format!(
            "{} is written by the sync only: its direction is `in`",
            object.table
        ))
    })
}

fn id_rule(object: &ObjectPlan, when: When) -> Rule {
    Rule {
        sentence: format!(
            "{}.{ID_COLUMN} is the id in the org, which the sync fills in",
            object.table
        ),
        broken_when: Some(when),
    }
}

pub(crate) fn insert_rules(object: &ObjectPlan) -> Vec<Rule> {
    if let Some(rules) = read_only(object) {
        return rules;
    }
    if !object.createable {
        return always(format!(
            "rows of {} cannot be inserted: the user of the connection may not create {}",
            object.table, object.object
        ));
    }
    let told = object.columns.iter().filter(|column| !column.is_writable());
    let told = told.map(|column| Rule {
        sentence: format!(
            "{}.{} is told by the org ({}.{}) and cannot be written",
            object.table, column.column, object.object, column.field
        ),
        broken_when: Some(When::Given(column.column.clone())),
    });
    let id = id_rule(object, When::Given(ID_COLUMN.to_owned()));
    [id].into_iter().chain(told).collect()
}

pub(crate) fn update_rules(object: &ObjectPlan) -> Vec<Rule> {
    if let Some(rules) = read_only(object) {
        return rules;
    }
    let key = Rule {
        sentence: format!(
            "{}.{KEY_COLUMN} is what the row is known by and never changes",
            object.table
        ),
        broken_when: Some(When::Changed(KEY_COLUMN.to_owned())),
    };
    let fixed = object.columns.iter().filter(|column| !column.updateable);
    let fixed = fixed.map(|column| {
        let (what, when) = if column.createable {
            (
                "cannot be changed once the record is in the org",
                When::ChangedAfterCreation(column.column.clone()),
            )
        } else {
            (
                "is told by the org and cannot be written",
                When::Changed(column.column.clone()),
            )
        };
        Rule {
            sentence: format!(
                "{}.{} ({}.{}) {what}",
                object.table, column.column, object.object, column.field
            ),
            broken_when: Some(when),
        }
    });
    let id = id_rule(object, When::Changed(ID_COLUMN.to_owned()));
    [key, id].into_iter().chain(fixed).collect()
}

pub(crate) fn delete_rules(object: &ObjectPlan) -> Vec<Rule> {
    if let Some(rules) = read_only(object) {
        return rules;
    }
    if object.deletable {
        return Vec::new();
    }
    always(format!(
        "rows of {} cannot be deleted: the user of the connection may not delete {}",
        object.table, object.object
    ))
}
