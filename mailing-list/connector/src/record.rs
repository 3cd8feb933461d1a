//! Members as the service has them, and records as the contract has them: the same but
//! for tags, which are a list there and one text here (`a;b`), as products have picks.

use serde_json::Value;

use crate::bindings::exports::lockgate::connector::records::{Advice, Problem};
use crate::describe::{ID, TAGS, field_named};
use crate::fault::of_field;
use crate::wire::Fields;

/// What stands between two tags of a record.
const SEPARATOR: char = ';';

/// A record of these fields of a member, all of them if none is named. The id is always
/// there.
pub(crate) fn from_member(mut member: Fields, wanted: &[String]) -> Fields {
    if let Some(tags) = member.get_mut(TAGS) {
        *tags = joined(tags);
    }
    if wanted.is_empty() {
        return member;
    }
    let id = ID.to_owned();
    let names = [&id].into_iter().chain(wanted);
    let told = names.filter_map(|name| Some((name.clone(), member.get(name)?.clone())));
    told.collect()
}

fn joined(tags: &Value) -> Value {
    let tags: Vec<&str> = tags
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    match tags.is_empty() {
        true => Value::Null,
        false => tags.join(&SEPARATOR.to_string()).into(),
    }
}

/// What is to be done with a record, as far as that matters to what it has to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use<'a> {
    Create,
    Update,
    Upsert(&'a str),
}

/// The member of a record, or all that is wrong with it as far as that shows without
/// the service.
pub(crate) fn to_member(record: Fields, purpose: Use<'_>) -> Result<Fields, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut member = Fields::new();
    for (name, value) in record {
        // The product's own word for what a record is; ours have none.
        if name == "attributes" {
            continue;
        }
        let is_key = name == ID && purpose != Use::Create;
        match checked(&name, value, is_key) {
            Ok(value) => {
                member.insert(name, value);
            }
            Err(wrong) => problems.push(wrong),
        }
    }
    let needed = match purpose {
        Use::Create => "email",
        Use::Update => ID,
        Use::Upsert(key) => key,
    };
    let is_given = member
        .get(needed)
        .and_then(Value::as_str)
        .is_some_and(|text| !text.is_empty());
    if !is_given && problems.is_empty() {
        problems.push(of_field(
            Advice::FixRecord,
            "required",
            needed,
            "it has to be given",
        ));
    }
    if problems.is_empty() {
        Ok(member)
    } else {
        Err(problems)
    }
}

/// The value of a field as the service takes it.
fn checked(name: &str, value: Value, is_key: bool) -> Result<Value, Problem> {
    let wrong = |code: &str, message: &str| Err(of_field(Advice::FixRecord, code, name, message));
    let Some(field) = field_named(name) else {
        let message = "members have no such field";
        return Err(of_field(Advice::FixSchema, "unknown_field", name, message));
    };
    if !field.createable && !is_key {
        let message = "the service sets this field itself";
        return Err(of_field(Advice::FixSchema, "read_only", name, message));
    }
    let text = match value {
        Value::Null if field.nillable => return Ok(Value::Null),
        Value::String(text) => text,
        _ => return wrong("invalid_type", "it is no text"),
    };
    let length = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    if length > field.max_length {
        return wrong(
            "too_long",
            &format!("it is longer than {} characters", field.max_length),
        );
    }
    if field.restricted && !field.picklist.contains(&text) {
        return wrong(
            "invalid_value",
            &format!("it is none of {}", field.picklist.join(", ")),
        );
    }
    if field.kind == "email" && !text.contains('@') {
        return wrong("invalid_email", "it is no e-mail address");
    }
    if name == TAGS {
        let tags = text
            .split(SEPARATOR)
            .map(str::trim)
            .filter(|tag| !tag.is_empty());
        return Ok(tags.map(Value::from).collect());
    }
    Ok(Value::String(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(json: Value) -> Fields {
        json.as_object().unwrap().clone()
    }

    #[test]
    fn tags_are_one_text_here_and_a_list_there() {
        let member = json!({"id": "m1", "email": "a@example.com", "tags": ["new", "vip"]});
        let record = from_member(fields(member), &["tags".to_owned()]);
        assert_eq!(
            Value::Object(record),
            json!({"id": "m1", "tags": "new;vip"})
        );
        let none = from_member(fields(json!({"id": "m1", "tags": []})), &[]);
        assert_eq!(none[TAGS], Value::Null);
        let record = json!({"id": "m1", "tags": "vip; new;"});
        let member = to_member(fields(record), Use::Update).unwrap();
        assert_eq!(member[TAGS], json!(["vip", "new"]));
    }

    #[test]
    fn what_is_wrong_with_a_record_is_told_all_at_once() {
        let record = json!({
            "attributes": {"type": "Member"},
            "shoe_size": 44,
            "updated_at": "2030-01-01T00:00:00Z",
            "first_name": 7,
            "last_name": "x".repeat(81),
            "status": "perhaps",
            "email": "no address",
        });
        let problems = to_member(fields(record), Use::Create).unwrap_err();
        let codes: Vec<&str> = problems
            .iter()
            .map(|problem| problem.code.as_str())
            .collect();
        let expected = [
            "unknown_field",
            "read_only",
            "invalid_type",
            "too_long",
            "invalid_value",
            "invalid_email",
        ];
        assert_eq!(codes, expected);
    }

    #[test]
    fn a_record_has_what_finds_it() {
        let needed = |record: Value, purpose| match to_member(fields(record), purpose) {
            Ok(_) => None,
            Err(problems) => Some(problems[0].fields[0].clone()),
        };
        assert_eq!(needed(json!({}), Use::Create).as_deref(), Some("email"));
        assert_eq!(
            needed(json!({"first_name": "A"}), Use::Update).as_deref(),
            Some("id")
        );
        let keyed = json!({"email": "a@example.com", "external_key": null});
        let key = Use::Upsert("external_key");
        assert_eq!(needed(keyed, key).as_deref(), Some("external_key"));
        assert_eq!(
            needed(json!({"email": "a@example.com"}), Use::Upsert("email")),
            None
        );
        let create = json!({"id": "m1", "email": "a@example.com"});
        assert_eq!(needed(create, Use::Create).as_deref(), Some("id"));
    }
}
