//! References to rows whose records may not be in the org yet.
//!
//! A row names another one by the org's id or, before there is one, by its key. A
//! child waits until its parent has an id; rows that wait for one another in a
//! circle would wait for ever, so one of them goes without the reference, which
//! follows as a change.

use std::collections::BTreeSet;

use crate::error::DatabaseError;
use crate::plan::{ColumnPlan, ObjectPlan, Plan};
use crate::rows;
use crate::sql::Sql;
use crate::value::Fields;
use crate::value::Value;

/// Rows that are followed to find a circle. Longer ones wait for a person.
const FOLLOWED: usize = 64;

/// The length of an id of the org, with and without its check characters.
const ID_LENGTHS: [usize; 2] = [15, 18];

/// Whether the records that a row refers to are there.
pub(super) enum Parent {
    /// All of them; the fields name them by their ids.
    There,
    /// Not all; they will be.
    Awaited,
    /// A reference leads nowhere: why, for people.
    Unknown(String),
}

/// A row.
type Place = (String, String);

/// Puts the org's ids into the references among these fields.
pub(super) fn resolve(
    sql: &mut dyn Sql,
    plan: &Plan,
    object: &ObjectPlan,
    local_key: &str,
    fields: &mut Fields,
) -> Result<Parent, DatabaseError> {
    let references = object
        .columns
        .iter()
        .filter(|column| !column.references.is_empty());
    let mut in_circle = Vec::new();
    for column in references {
        let Some(text) = rows::text_of(fields, &column.field) else {
            continue;
        };
        match target(sql, plan, column, &text)? {
            Target::Id(id) => {
                fields.insert(column.field.clone(), Value::Text(id));
            }
            Target::Row(place) => {
                let this = (object.object.clone(), local_key.to_owned());
                if column.nillable && leads_back(sql, plan, place, &this)? {
                    in_circle.push(column.field.clone());
                } else {
                    return Ok(Parent::Awaited);
                }
            }
            Target::Nothing => {
                return Ok(Parent::Unknown(format!(
                    "{}.{}: `{text}` is neither an id of the org nor the key of a row of {}",
                    object.object,
                    column.field,
                    column.references.join(" or ")
                )));
            }
        }
    }
    for field in in_circle {
        fields.remove(&field);
    }
    Ok(Parent::There)
}

/// Where a reference leads.
enum Target {
    /// To a record.
    Id(String),
    /// To a row without one.
    Row(Place),
    /// Nowhere.
    Nothing,
}

fn target(
    sql: &mut dyn Sql,
    plan: &Plan,
    column: &ColumnPlan,
    text: &str,
) -> Result<Target, DatabaseError> {
    for name in &column.references {
        let Some(parent) = plan.object(name) else {
            continue;
        };
        if rows::read(sql, parent, text)?.is_some() {
            return Ok(Target::Row((name.clone(), text.to_owned())));
        }
    }
    let is_id =
        ID_LENGTHS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    Ok(if is_id {
        Target::Id(text.to_owned())
    } else {
        Target::Nothing
    })
}

/// Whether rows without a record lead from `from` to `to`.
fn leads_back(
    sql: &mut dyn Sql,
    plan: &Plan,
    from: Place,
    to: &Place,
) -> Result<bool, DatabaseError> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(place) = next.pop() {
        if place == *to {
            return Ok(true);
        }
        if seen.len() == FOLLOWED || !seen.insert(place.clone()) {
            continue;
        }
        let Some(object) = plan.object(&place.0) else {
            continue;
        };
        let Some(local) = rows::read(sql, object, &place.1)? else {
            continue;
        };
        for column in &object.columns {
            let text = rows::text_of(&local.fields, &column.field);
            let Some(text) = text.filter(|_| !column.references.is_empty()) else {
                continue;
            };
            if let Target::Row(place) = target(sql, plan, column, &text)? {
                next.push(place);
            }
        }
    }
    Ok(false)
}
