//! Up to 200 records in one request, each with its own result. With
//! `allOrNone` one refusal undoes all of them.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::call::{Answer, Call};
use super::rows;
use crate::fault::Fault;
use crate::http::answer;
use crate::org::Org;

/// Most records in one request.
const MOST: usize = 200;

/// Most records read by one request with a body.
const MOST_READ: usize = 2000;

/// Most runs of records of one type.
const MOST_CHUNKS: usize = 10;

/// The body of a write.
#[derive(Debug, Deserialize)]
struct Written {
    #[serde(rename = "allOrNone", default)]
    all_or_none: bool,
    records: Vec<Map<String, Value>>,
}

/// What came of one record.
type Outcome = Result<Saved, Fault>;

/// A record that was written.
struct Saved {
    id: String,
    /// Set by an upsert.
    created: Option<bool>,
    /// Set by the publication of a platform event.
    enqueued: Option<Value>,
}

/// `POST /composite/sobjects`
pub(super) fn create(call: &Call) -> Answer {
    let options = call.write_options();
    write(call, |org, record| {
        let object = type_of(&record, None)?;
        let id = org.create(&call.who, &object, &record, &options)?;
        Ok(Saved {
            id: id.to_string(),
            created: None,
            enqueued: rows::enqueued(org, &object, &id),
        })
    })
}

/// `PATCH /composite/sobjects`
pub(super) fn update(call: &Call) -> Answer {
    let options = call.write_options();
    write(call, |org, mut record| {
        let object = type_of(&record, Some("Id"))?;
        let id = take(&mut record, "Id")
            .and_then(|id| id.as_str().map(str::to_owned))
            .ok_or_else(|| {
                Fault::bad_request("MISSING_ARGUMENT", "Id not specified in an update call")
            })?;
        org.update(&call.who, &object, &id, &record, &options)?;
        Ok(Saved {
            id: crate::id::normalize(&id).unwrap_or(id),
            created: None,
            enqueued: None,
        })
    })
}

/// `PATCH /composite/sobjects/Account/My_Key__c`
pub(super) fn upsert(call: &Call, object: &str, field: &str) -> Answer {
    let options = call.write_options();
    {
        // Wrong for one is wrong for all: the whole request is refused.
        let org = call.org();
        org.find_by_external_id(&call.who, object, field, "")
            .or_else(|fault| {
                if fault.status == 404 {
                    Err(fault)
                } else {
                    Ok(Vec::new())
                }
            })?;
    }
    write(call, |org, mut record| {
        let kind = type_of(&record, Some(field))?;
        if !kind.eq_ignore_ascii_case(object) {
            return Err(Fault::bad_request(
                "INVALID_TYPE",
                format!("The records of one upsert have to be of type {object}, not {kind}"),
            ));
        }
        let key = take(&mut record, field).unwrap_or(Value::Null);
        let text = match &key {
            Value::Null => None,
            Value::String(text) if text.is_empty() => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        let Some(text) = text else {
            // Without a key there is nothing to match: an id is given by the
            // org, every other key is the client's to bring.
            if !field.eq_ignore_ascii_case("Id") {
                return Err(Fault::bad_request(
                    "MISSING_ARGUMENT",
                    format!("{field} not specified"),
                )
                .on(field));
            }
            let id = org.create(&call.who, object, &record, &options)?;
            return Ok(Saved {
                id: id.to_string(),
                created: Some(true),
                enqueued: None,
            });
        };
        let done = org.upsert(&call.who, object, field, &text, &record, &options);
        let done = done.map_err(|mut fault| {
            if fault.status == 300 {
                fault.extra = None;
            }
            fault
        })?;
        Ok(Saved {
            id: done.id.to_string(),
            created: Some(done.created),
            enqueued: None,
        })
    })
}

/// `DELETE /composite/sobjects?ids=a,b&allOrNone=false`
pub(super) fn delete(call: &Call) -> Answer {
    let ids = call
        .list("ids")
        .ok_or_else(|| Fault::bad_request("MISSING_ARGUMENT", "The ids parameter is missing"))?;
    check_count(ids.len())?;
    let outcomes = run(call, call.flag("allOrNone"), ids, |org, id| {
        let object = org
            .schema
            .object_of_id(&id)
            .map(|object| object.name.clone())
            .ok_or_else(|| Fault::bad_request("MALFORMED_ID", format!("malformed id {id}")))?;
        org.delete(&call.who, &object, &id)?;
        Ok(Saved {
            id: crate::id::normalize(&id).unwrap_or(id),
            created: None,
            enqueued: None,
        })
    });
    Ok(answer::json(200, &outcomes))
}

/// `GET` and `POST /composite/sobjects/Account` with ids and fields.
pub(super) fn read(call: &Call, object: &str) -> Answer {
    #[derive(Deserialize)]
    struct Wanted {
        ids: Vec<String>,
        fields: Vec<String>,
    }
    let (wanted, most) = if call.method == "POST" {
        (call.json::<Wanted>()?, MOST_READ)
    } else {
        let list = |name: &str| {
            call.list(name).ok_or_else(|| {
                Fault::bad_request(
                    "MISSING_ARGUMENT",
                    format!("The {name} parameter is missing"),
                )
            })
        };
        let (ids, fields) = (list("ids")?, list("fields")?);
        (Wanted { ids, fields }, MOST_READ)
    };
    if wanted.ids.len() > most {
        return Err(too_many(most));
    }
    let org = call.org();
    let version = call.version.name();
    let mut records = Vec::with_capacity(wanted.ids.len());
    for id in &wanted.ids {
        let read = org.read(&call.who, object, id, Some(&wanted.fields), &version);
        records.push(match read {
            Ok(record) => record,
            // A record that is not there is null in its place.
            Err(fault) if fault.status == 404 && org.schema.object(object).is_some() => Value::Null,
            Err(fault) => return Err(fault),
        });
    }
    Ok(answer::json(200, &Value::Array(records)))
}

/// Runs a write over the records of the body.
fn write(call: &Call, one: impl FnMut(&mut Org, Map<String, Value>) -> Outcome) -> Answer {
    let body: Written = call.json()?;
    check_count(body.records.len())?;
    check_chunks(&body.records)?;
    Ok(answer::json(
        200,
        &run(call, body.all_or_none, body.records, one),
    ))
}

fn run<T>(
    call: &Call,
    all_or_none: bool,
    items: Vec<T>,
    mut one: impl FnMut(&mut Org, T) -> Outcome,
) -> Value {
    let mut org = call.org_mut();
    if all_or_none {
        org.begin();
    }
    let mut outcomes: Vec<Outcome> = items.into_iter().map(|item| one(&mut org, item)).collect();
    if all_or_none {
        if outcomes.iter().all(Result::is_ok) {
            org.commit();
        } else {
            org.rollback();
            for outcome in &mut outcomes {
                if outcome.is_ok() {
                    *outcome = Err(rolled_back());
                }
            }
        }
    }
    outcomes.iter().map(result).collect()
}

/// One entry of the answer.
fn result(outcome: &Outcome) -> Value {
    match outcome {
        Ok(saved) => {
            let errors: Vec<&Value> = saved.enqueued.iter().collect();
            let mut entry = json!({ "id": saved.id, "success": true, "errors": errors });
            if let (Some(created), Some(entry)) = (saved.created, entry.as_object_mut()) {
                entry.insert("created".to_owned(), json!(created));
            }
            entry
        }
        Err(fault) => json!({ "success": false, "errors": [fault.to_collection_json()] }),
    }
}

fn rolled_back() -> Fault {
    Fault::bad_request(
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "Record rolled back because not all records were valid and the request was using AllOrNone header",
    )
}

/// The type in a record's `attributes`, which have to come before all fields:
/// the reader has to know the type before it sees the first of them. Only the
/// key that names the record may stand in front, where jsforce puts it.
fn type_of(record: &Map<String, Value>, key: Option<&str>) -> Result<String, Fault> {
    record
        .iter()
        .find(|(name, _)| !key.is_some_and(|key| key.eq_ignore_ascii_case(name)))
        .filter(|(name, _)| *name == "attributes")
        .and_then(|(_, attributes)| attributes.get("type")?.as_str())
        .map(str::to_owned)
        .ok_or_else(|| {
            Fault::bad_request(
                "JSON_PARSER_ERROR",
                "Nested object for polymorphic foreign key must have an attributes field before any other fields.",
            )
        })
}

/// Takes a field out of a record whatever the case of its name.
fn take(record: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let key = record
        .keys()
        .find(|key| key.eq_ignore_ascii_case(name))?
        .clone();
    // Not `remove`, which would move the last key into the gap.
    record.shift_remove(&key)
}

fn check_count(count: usize) -> Result<(), Fault> {
    if count > MOST {
        return Err(too_many(MOST));
    }
    Ok(())
}

fn too_many(most: usize) -> Fault {
    Fault::bad_request(
        "EXCEEDED_ID_LIMIT",
        format!("record limit reached. cannot submit more than {most} records into this call"),
    )
}

/// A chunk is a run of records of the same type.
fn check_chunks(records: &[Map<String, Value>]) -> Result<(), Fault> {
    let kind = |record: &Map<String, Value>| {
        let kind = record.get("attributes")?.get("type")?.as_str()?;
        Some(kind.to_ascii_lowercase())
    };
    let mut chunks = 0;
    let mut last = None;
    for record in records {
        let this = kind(record);
        if chunks == 0 || this != last {
            chunks += 1;
            last = this;
        }
    }
    if chunks > MOST_CHUNKS {
        return Err(Fault::bad_request(
            "LIMIT_EXCEEDED",
            "Cannot have more than 10 chunks in a single operation. Please rearrange the data to reduce chunking.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn attributes_have_to_come_first_but_for_the_key() {
        let keyed = record(r#"{"id":"001","attributes":{"type":"Account"},"Name":"A"}"#);
        assert_eq!(type_of(&keyed, Some("Id")), Ok("Account".to_owned()));
        assert!(type_of(&keyed, None).is_err());
        let good = record(r#"{"attributes":{"type":"Account"},"Name":"A"}"#);
        assert_eq!(type_of(&good, None), Ok("Account".to_owned()));
        let late = record(r#"{"Name":"A","attributes":{"type":"Account"}}"#);
        for key in [None, Some("Id")] {
            assert_eq!(type_of(&late, key).unwrap_err().code, "JSON_PARSER_ERROR");
        }
    }

    #[test]
    fn eleven_changes_of_type_are_one_too_many() {
        let of = |kind: &str| record(&format!(r#"{{"attributes":{{"type":"{kind}"}}}}"#));
        let ten: Vec<_> = (0..10)
            .map(|turn| of(if turn % 2 == 0 { "Account" } else { "Contact" }))
            .collect();
        assert!(check_chunks(&ten).is_ok());
        let mut eleven = ten;
        eleven.push(of("Account"));
        assert!(check_chunks(&eleven).is_err());
    }
}
