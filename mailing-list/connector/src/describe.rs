//! What there is: one object, `Member`, and its fields. The service describes itself
//! nowhere, so this table does.

use crate::bindings::exports::lockgate::connector::records::{
    Advice, Error, Field, ObjectDescription, ObjectSummary,
};
use crate::fault::{of_field, refused};

/// The one object.
pub(crate) const MEMBER: &str = "Member";

/// The field with the service's own id.
pub(crate) const ID: &str = "id";

/// The field with several texts, which a record has as one: `a;b`.
pub(crate) const TAGS: &str = "tags";

/// The values of `status`.
pub(crate) const STATUSES: [&str; 2] = ["subscribed", "unsubscribed"];

/// Fields by which an upsert finds a member.
pub(crate) const KEYS: [&str; 3] = [ID, "email", "external_key"];

/// Who sets a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Service,
    Client,
}

/// Name, label, kind, longest text in characters, who sets it.
type Row = (&'static str, &'static str, &'static str, u32, By);

const FIELDS: [Row; 9] = [
    (ID, "Member ID", "id", 13, By::Service),
    ("email", "E-mail address", "email", 254, By::Client),
    ("first_name", "First name", "string", 80, By::Client),
    ("last_name", "Last name", "string", 80, By::Client),
    ("status", "Status", "picklist", 12, By::Client),
    (TAGS, "Tags", "multipicklist", 839, By::Client),
    (
        "external_key",
        "Key of another system",
        "string",
        64,
        By::Client,
    ),
    ("created_at", "Created at", "datetime", 0, By::Service),
    ("updated_at", "Updated at", "datetime", 0, By::Service),
];

/// Refuses every object but the one.
pub(crate) fn check_object(object: &str) -> Result<(), Error> {
    if object == MEMBER {
        return Ok(());
    }
    Err(refused(
        Advice::FixSchema,
        "unknown_object",
        "the mailing list has one object, Member",
    ))
}

/// Refuses names that are no field's.
pub(crate) fn check_fields(names: &[String]) -> Result<(), Error> {
    let has = |name: &String| FIELDS.iter().any(|row| row.0 == name);
    match names.iter().find(|name| !has(name)) {
        None => Ok(()),
        Some(name) => Err(Error::Refused(of_field(
            Advice::FixSchema,
            "unknown_field",
            name,
            "members have no such field",
        ))),
    }
}

/// The object, briefly.
pub(crate) fn summary() -> ObjectSummary {
    ObjectSummary {
        name: MEMBER.to_owned(),
        label: MEMBER.to_owned(),
        custom: false,
        createable: true,
        updateable: true,
        deletable: true,
        queryable: true,
    }
}

/// The object with its fields.
pub(crate) fn member() -> ObjectDescription {
    ObjectDescription {
        summary: summary(),
        fields: FIELDS.into_iter().map(field).collect(),
        children: Vec::new(),
        stamp_fields: vec!["updated_at".to_owned()],
    }
}

/// One field by its name, if there is one.
pub(crate) fn field_named(name: &str) -> Option<Field> {
    FIELDS.into_iter().find(|row| row.0 == name).map(field)
}

fn field((name, label, kind, max_length, by): Row) -> Field {
    let is_key = KEYS.contains(&name);
    let is_status = name == "status";
    Field {
        name: name.to_owned(),
        label: label.to_owned(),
        kind: kind.to_owned(),
        max_length,
        required: name == "email",
        nillable: by == By::Client && name != "email" && !is_status,
        createable: by == By::Client,
        updateable: by == By::Client,
        custom: false,
        unique: is_key,
        external_id: is_key && by == By::Client,
        references: Vec::new(),
        picklist: match is_status {
            true => STATUSES.map(str::to_owned).to_vec(),
            false => Vec::new(),
        },
        restricted: is_status,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_has_one_id_one_required_field_and_two_keys() {
        let fields = member().fields;
        let names = |fits: fn(&Field) -> bool| -> Vec<String> {
            let fields = fields.iter().filter(|field| fits(field));
            fields.map(|field| field.name.clone()).collect()
        };
        assert_eq!(names(|field| field.kind == "id"), ["id"]);
        assert_eq!(names(|field| field.required), ["email"]);
        assert_eq!(names(|field| field.external_id), ["email", "external_key"]);
        assert_eq!(
            names(|field| !field.createable),
            ["id", "created_at", "updated_at"]
        );
    }
}
