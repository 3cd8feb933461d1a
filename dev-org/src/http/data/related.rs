//! What hangs on a record: its blobs, the record that a lookup leads to, and
//! the records whose lookups lead to it.

use axum::body::Body;

use super::call::{Answer, Call};
use super::{query, rows};
use crate::fault::Fault;
use crate::http::answer;
use crate::http::body::FILE;
use crate::org::Org;

/// What a name below a record leads to.
enum Part {
    /// The record at the other end of a lookup.
    Parent { object: String, id: String },
    /// Records that point here: the statement that finds them.
    Children(String),
    /// A field, which may be a blob.
    Field,
}

/// `GET /sobjects/Account/001.../Contacts`
pub(super) fn read(call: &Call, object: &str, id: &str, part: &str) -> Answer {
    match find(call, object, id, part)? {
        Part::Parent { object, id } => rows::read(call, &object, &id),
        Part::Children(statement) => query::run(call, &statement, false),
        Part::Field => {
            let bytes = call.org().blob(&call.who, object, id, part)?;
            Ok(answer::with_type(200, FILE, Body::from(bytes)))
        }
    }
}

/// `PATCH /sobjects/Contact/003.../Account`
pub(super) fn update(call: &Call, object: &str, id: &str, part: &str) -> Answer {
    let (object, id) = parent(call, object, id, part)?;
    rows::update(call, &object, &id)
}

/// `DELETE /sobjects/Contact/003.../Account`
pub(super) fn delete(call: &Call, object: &str, id: &str, part: &str) -> Answer {
    let (object, id) = parent(call, object, id, part)?;
    rows::delete(call, &object, &id)
}

/// Only a relationship to one record can be written through.
fn parent(call: &Call, object: &str, id: &str, part: &str) -> Result<(String, String), Fault> {
    match find(call, object, id, part)? {
        Part::Parent { object, id } => Ok((object, id)),
        Part::Children(_) | Part::Field => Err(Fault::new(
            405,
            "METHOD_NOT_ALLOWED",
            format!(
                "HTTP Method '{}' not allowed. Allowed are HEAD,GET",
                call.method
            ),
        )),
    }
}

fn find(call: &Call, object: &str, id: &str, part: &str) -> Result<Part, Fault> {
    let org = call.org();
    let Some(found) = org.schema.object(object) else {
        return Err(Fault::not_there());
    };
    if let Some((column, _)) = found.relationship(part) {
        let row = org.table(found).get(id).filter(|row| !row.is_deleted());
        let parent = row.and_then(|row| row.get(column).as_str());
        let target = parent.and_then(|parent| Some((org.row(parent)?.0.name.clone(), parent)));
        return match target {
            Some((object, id)) => Ok(Part::Parent {
                object,
                id: id.to_owned(),
            }),
            None => Err(Fault::not_there()),
        };
    }
    if found.child(part).is_none() {
        return Ok(Part::Field);
    }
    // Says so when the record itself is not there.
    let only_id = ["Id".to_owned()];
    org.read(&call.who, object, id, Some(&only_id), &call.version.name())?;
    children(call, &org, object, id, part).map(Part::Children)
}

fn children(call: &Call, org: &Org, object: &str, id: &str, part: &str) -> Result<String, Fault> {
    let missing = Fault::not_there;
    let found = org.schema.object(object).ok_or_else(missing)?;
    let child = found.child(part).ok_or_else(missing)?;
    let kind = org.schema.object(&child.object).ok_or_else(missing)?;
    let fields = call.list("fields").unwrap_or_else(|| {
        let columns = org.visible_columns(&call.who, kind);
        let names = columns.filter_map(|column| Some(kind.fields.get(column)?.name.clone()));
        names.collect()
    });
    let id = crate::id::normalize(id).ok_or_else(missing)?;
    Ok(format!(
        "SELECT {} FROM {} WHERE {} = '{id}'",
        fields.join(","),
        kind.name,
        child.field
    ))
}
