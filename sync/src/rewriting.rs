//! What plugins are given to look at, and what becomes of what they changed on the
//! way to the org.

use std::collections::BTreeMap;

use crate::echo;
use crate::error::DatabaseError;
use crate::merge;
use crate::numbers;
use crate::plan::Plan;
use crate::rows;
use crate::sql::Sql;
use crate::value::{Fields, Value};

/// What plugins made of a row that is about to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rewrite {
    /// The number of the send.
    pub(crate) send: i64,
    /// The object.
    pub(crate) object: String,
    /// The row.
    pub(crate) local_key: String,
    /// What the row had where the plugins wanted something else.
    pub(crate) before: Fields,
    /// What they wanted: the same fields.
    pub(crate) after: Fields,
}

/// What both sides last agreed on about records that are known, by their ids.
pub(crate) fn agreed(
    sql: &mut dyn Sql,
    object: &str,
    org_ids: &[String],
) -> Result<BTreeMap<String, Fields>, DatabaseError> {
    let mut agreed = BTreeMap::new();
    for org_id in org_ids {
        let known = rows::by_id(sql, object, org_id)?;
        if let Some(known) = known.filter(|known| known.gone_ms.is_none()) {
            agreed.insert(org_id.clone(), known.base);
        }
    }
    Ok(agreed)
}

/// Rows as they are, by their keys, with the ids of their records.
pub(crate) fn rows(
    sql: &mut dyn Sql,
    plan: &Plan,
    object: &str,
    local_keys: &[String],
) -> Result<BTreeMap<String, Fields>, DatabaseError> {
    let mut found = BTreeMap::new();
    let Some(object) = plan.object(object) else {
        return Ok(found);
    };
    for local_key in local_keys {
        if let Some(mut row) = rows::read(sql, object, local_key)? {
            if let Some(id) = row.id {
                row.fields.insert(object.id_field.clone(), Value::Text(id));
            }
            found.insert(local_key.clone(), row.fields);
        }
    }
    Ok(found)
}

/// Writes what plugins want into rows, unless a program was faster, and adds it to
/// what is remembered of the sends: it goes out with them.
pub(crate) fn rewrite(
    sql: &mut dyn Sql,
    plan: &Plan,
    rewrites: &[Rewrite],
) -> Result<(), DatabaseError> {
    numbers::next(sql)?;
    for rewrite in rewrites {
        let Some(object) = plan.object(&rewrite.object) else {
            continue;
        };
        let (name, local_key) = (&rewrite.object, &rewrite.local_key);
        let sent = echo::list(sql, name, local_key)?;
        let Some(mut sent) = sent.into_iter().find(|sent| sent.send == rewrite.send) else {
            continue;
        };
        let base = rows::by_key(sql, name, local_key)?.map(|known| known.base);
        let base = base.unwrap_or_default();
        for (field, value) in &rewrite.after {
            if sent.fields.insert(field.clone(), value.clone()).is_none() {
                let before = merge::of(&base, field).clone();
                sent.bases.insert(field.clone(), before);
            }
        }
        echo::replace(sql, &sent)?;
        let Some(row) = rows::read(sql, object, local_key)? else {
            continue;
        };
        let mut written = rewrite.after.clone();
        written
            .retain(|field, _| merge::of(&row.fields, field) == merge::of(&rewrite.before, field));
        rows::write(sql, object, local_key, &written)?;
    }
    Ok(())
}
