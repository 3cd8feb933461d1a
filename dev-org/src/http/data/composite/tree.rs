//! `POST /composite/tree/Account`: records with their children inside, created
//! all or none, level by level.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::fault::Fault;
use crate::http::answer;
use crate::http::data::call::{Answer, Call};
use crate::org::Org;
use crate::schema::Object;

/// Most records in one request.
const MOST: usize = 200;
/// Most types among them.
const MOST_TYPES: usize = 5;
/// Most levels, that of the roots included.
const MOST_LEVELS: usize = 5;

#[derive(Debug, Deserialize)]
struct Tree {
    records: Vec<Map<String, Value>>,
}

/// A record of the tree without its children.
#[derive(Debug)]
struct Node {
    object: String,
    reference: String,
    fields: Map<String, Value>,
    level: usize,
    parent: Parent,
}

/// The parent's place in the list of records, and the field that names it.
type Parent = Option<(usize, String)>;

/// Records of one level with the children still inside.
type Level = Vec<(Map<String, Value>, Parent)>;

/// Creates the records.
pub(in crate::http::data) fn run(call: &Call, object: &str) -> Answer {
    let body: Tree = call.json()?;
    let options = call.write_options();
    let mut org = call.org_mut();
    let nodes = nodes(&org, object, body.records)?;
    let repeated = repeated(&nodes);
    if !repeated.is_empty() {
        let fault = Fault::bad_request(
            "INVALID_INPUT",
            "Duplicate ReferenceId provided in the request.",
        );
        let all = repeated
            .into_iter()
            .map(|reference| failure(reference, &fault));
        return Ok(failed(all.collect()));
    }
    org.begin();
    let mut ids: Vec<String> = Vec::with_capacity(nodes.len());
    let mut failures = Vec::new();
    let mut failed_level = usize::MAX;
    for node in &nodes {
        // Below a level that failed there are no parents.
        if node.level > failed_level {
            break;
        }
        let mut fields = node.fields.clone();
        if let Some((parent, field)) = &node.parent
            && let Some(id) = ids.get(*parent)
        {
            fields.insert(field.clone(), json!(id));
        }
        match org.create(&call.who, &node.object, &fields, &options) {
            Ok(id) => ids.push(id.to_string()),
            Err(fault) => {
                failures.push(failure(&node.reference, &fault));
                failed_level = node.level;
                ids.push(String::new());
            }
        }
    }
    if !failures.is_empty() {
        org.rollback();
        return Ok(failed(failures));
    }
    org.commit();
    let results: Vec<Value> = nodes
        .iter()
        .zip(ids)
        .map(|(node, id)| json!({ "referenceId": node.reference, "id": id }))
        .collect();
    let answer = json!({ "hasErrors": false, "results": results });
    Ok(answer::json(201, &answer))
}

fn failure(reference: &str, fault: &Fault) -> Value {
    json!({ "referenceId": reference, "errors": [fault.to_collection_json()] })
}

fn failed(results: Vec<Value>) -> axum::response::Response {
    answer::json(400, &json!({ "hasErrors": true, "results": results }))
}

/// The reference ids that come twice, once for each time.
fn repeated(nodes: &[Node]) -> Vec<&str> {
    let mut times: HashMap<&str, usize> = HashMap::new();
    for node in nodes {
        *times.entry(&node.reference).or_default() += 1;
    }
    let all = nodes.iter().map(|node| node.reference.as_str());
    all.filter(|name| times.get(name).is_some_and(|times| *times > 1))
        .collect()
}

/// The records of all levels, parents before children.
fn nodes(org: &Org, root: &str, records: Vec<Map<String, Value>>) -> Result<Vec<Node>, Fault> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut level: Level = records.into_iter().map(|record| (record, None)).collect();
    let mut types = HashSet::new();
    for number in 1.. {
        if level.is_empty() {
            break;
        }
        if number > MOST_LEVELS {
            return Err(exceeded(&format!("{MOST_LEVELS} levels")));
        }
        let mut below = Level::new();
        for (record, parent) in level {
            let (kind, reference) = attributes(&record)?;
            if parent.is_none() && !kind.eq_ignore_ascii_case(root) {
                return Err(Fault::bad_request(
                    "INVALID_INPUT",
                    format!("The root records have to be of type {root}, not {kind}."),
                ));
            }
            let object = org.schema.object(kind).ok_or_else(|| {
                Fault::bad_request(
                    "INVALID_TYPE",
                    format!("sObject type '{kind}' is not supported."),
                )
            })?;
            types.insert(object.index);
            let reference = reference.to_owned();
            let fields = split(object, record, nodes.len(), &mut below);
            nodes.push(Node {
                object: object.name.clone(),
                reference,
                fields,
                level: number,
                parent,
            });
            if nodes.len() > MOST {
                return Err(exceeded(&format!("{MOST} records")));
            }
        }
        level = below;
    }
    if types.len() > MOST_TYPES {
        return Err(exceeded(&format!("{MOST_TYPES} types of records")));
    }
    Ok(nodes)
}

/// Takes the children out of a record: they are under the names of child
/// relationships, in `records`.
fn split(
    object: &Object,
    record: Map<String, Value>,
    place: usize,
    below: &mut Level,
) -> Map<String, Value> {
    let mut fields = Map::new();
    for (key, value) in record {
        let children = object.child(&key).zip(value.get("records"));
        let Some((child, Value::Array(children))) = children else {
            fields.insert(key, value);
            continue;
        };
        for one in children {
            if let Value::Object(one) = one {
                below.push((one.clone(), Some((place, child.field.clone()))));
            }
        }
    }
    fields
}

/// Type and reference id, which have to come before all fields.
fn attributes(record: &Map<String, Value>) -> Result<(&str, &str), Fault> {
    let first = record.iter().next().filter(|(key, _)| *key == "attributes");
    let attributes = first.map(|(_, attributes)| attributes).ok_or_else(|| {
        Fault::bad_request(
            "JSON_PARSER_ERROR",
            "Nested object for polymorphic foreign key must have an attributes field before any other fields.",
        )
    })?;
    let text = |name: &str| {
        attributes.get(name).and_then(Value::as_str).ok_or_else(|| {
            Fault::bad_request(
                "INVALID_INPUT",
                format!("Include a {name} in the attributes of every record."),
            )
        })
    };
    Ok((text("type")?, text("referenceId")?))
}

fn exceeded(what: &str) -> Fault {
    Fault::bad_request(
        "LIMIT_EXCEEDED",
        format!("The tree request exceeds the limit of {what}."),
    )
}
