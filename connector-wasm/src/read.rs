//! Reading records by id, in the order of the ids.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::{Advice, Error, Problem};
use crate::describe::{Access, Age, described, explain, is_about_fields};
use crate::fault::{Effect, Fault, problem, unexpected};
use crate::host::{Host, Method};
use crate::names;
use crate::wire::{self, Members, push_texts};

/// Salesforce's bound of ids in one request with a body.
const MAX_IDS: usize = 2_000;
/// Fewer ids when many fields are asked for, so that an answer stays at some ten
/// megabytes: ids times fields.
const MAX_CELLS: usize = 200_000;
/// But at least so many at a time.
const MIN_IDS: usize = 200;

/// What tells whose record it is.
#[derive(Deserialize)]
struct Marked {
    #[serde(default)]
    attributes: Option<Attributes>,
    #[serde(default, rename = "Id")]
    id: Option<String>,
}

#[derive(Deserialize)]
struct Attributes {
    #[serde(default)]
    url: Option<String>,
}

/// Reads records; `null` stands for one that is not there.
pub(crate) async fn get<H: Host>(
    api: &Api<H>,
    object: &str,
    ids: &[String],
    fields: &[String],
) -> Result<Vec<u8>, Error> {
    names::object(object)?;
    for field in fields {
        names::field(field)?;
    }
    let ids: Vec<String> = ids
        .iter()
        .map(|id| names::id(id))
        .collect::<Result<_, _>>()
        .map_err(Error::Refused)?;
    match (ids.as_slice(), fields) {
        ([], _) => Ok(b"[]".to_vec()),
        ([only], []) => all_of_one(api, object, only).await,
        (ids, []) => {
            let all = all_fields(api, object, Age::Recent).await?;
            match many(api, object, ids, &all).await {
                // The description that was kept may be older than the refusal,
                // whose explanation has asked for another one.
                Err(Error::Refused(refusal)) if is_about_fields(&refusal) => {
                    let now = all_fields(api, object, Age::Recent).await?;
                    if now == all {
                        return Err(Error::Refused(refusal));
                    }
                    many(api, object, ids, &now).await
                }
                records => records,
            }
        }
        (ids, fields) => many(api, object, ids, fields).await,
    }
}

/// The names of all fields that the user may read.
async fn all_fields<H: Host>(api: &Api<H>, object: &str, age: Age) -> Result<Vec<String>, Error> {
    let (description, _) = described(api, object, age).await?;
    let names = description.fields.into_iter().map(|field| field.name);
    Ok(names.collect())
}

/// One record by its own route, which gives all that the user may read.
async fn all_of_one<H: Host>(api: &Api<H>, object: &str, id: &str) -> Result<Vec<u8>, Error> {
    let path = format!("/sobjects/{object}/{id}");
    let answer = api.send(Ask::new(Method::Get, path, Kind::Read)).await?;
    if answer.status == 200 {
        let record: &RawValue = wire::read(&answer.body).ok_or_else(|| unexpected("a record"))?;
        return Ok(format!("[{}]", record.get()).into_bytes());
    }
    let fault = Fault::read(answer.status, &answer.body);
    match (answer.status, fault.code()) {
        (404, "ENTITY_IS_DELETED") => Ok(b"[null]".to_vec()),
        (404, "NOT_FOUND") => {
            // The same answer stands for a missing record and a missing object.
            described(api, object, Age::Recent).await?;
            Ok(b"[null]".to_vec())
        }
        _ => Err(fault.error(Some(object), Effect::Read)),
    }
}

/// Records with the given fields, as few requests as possible.
async fn many<H: Host>(
    api: &Api<H>,
    object: &str,
    ids: &[String],
    fields: &[String],
) -> Result<Vec<u8>, Error> {
    let at_once = (MAX_CELLS / fields.len().max(1)).clamp(MIN_IDS, MAX_IDS);
    let mut out = vec![b'['];
    for ids in ids.chunks(at_once) {
        // In the body, since a long list of fields would be too long for an
        // address.
        let mut body = b"{\"ids\":".to_vec();
        push_texts(&mut body, ids);
        body.extend_from_slice(b",\"fields\":");
        push_texts(&mut body, fields);
        body.push(b'}');
        let path = format!("/composite/sobjects/{object}");
        let ask = Ask::new(Method::Post, path, Kind::Read).body(body);
        let answer = match api.fetch(ask, Some(object)).await {
            Err(Error::Refused(refusal)) => {
                return Err(Error::Refused(
                    explained(api, object, fields, refusal).await,
                ));
            }
            answer => answer?,
        };
        let records: Vec<&RawValue> =
            wire::read(&answer).ok_or_else(|| unexpected("an array of records"))?;
        push_in_order(&mut out, object, ids, fields, &records)?;
    }
    out.push(b']');
    Ok(out)
}

/// A refusal because of fields, with what the description says of them.
async fn explained<H: Host>(
    api: &Api<H>,
    object: &str,
    fields: &[String],
    mut refusal: Problem,
) -> Problem {
    if is_about_fields(&refusal)
        && let Ok((description, _)) = described(api, object, Age::Anew).await
    {
        let touched = fields.iter().map(String::as_str);
        explain(&mut refusal, &description, touched, Access::Read);
    }
    refusal
}

/// Appends one value for each id, whatever the order in which they came.
fn push_in_order(
    out: &mut Vec<u8>,
    object: &str,
    ids: &[String],
    fields: &[String],
    records: &[&RawValue],
) -> Result<(), Error> {
    let mut found: Vec<(String, &RawValue)> = Vec::with_capacity(records.len());
    for record in records.iter().filter(|record| record.get() != "null") {
        let id = id_of(record).ok_or_else(|| unexpected("records that tell their ids"))?;
        if found.is_empty() {
            complain_of_missing(object, fields, record)?;
        }
        found.push((id, record));
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    for id in ids {
        if out.last() != Some(&b'[') {
            out.push(b',');
        }
        let at = found.binary_search_by(|(found, _)| found.cmp(id));
        let record = at.ok().and_then(|at| found.get(at));
        let text = record.map_or("null", |(_, record)| record.get());
        out.extend_from_slice(text.as_bytes());
    }
    Ok(())
}

/// A field that was asked for and is not in the answer is hidden: said, so that
/// nobody takes it for empty.
fn complain_of_missing(object: &str, fields: &[String], record: &RawValue) -> Result<(), Error> {
    let Some(members) = Members::of(record) else {
        return Err(unexpected("records that are objects"));
    };
    let missing: Vec<String> = fields
        .iter()
        .filter(|field| {
            members
                .get(field.split('.').next().unwrap_or_default())
                .is_none()
        })
        .cloned()
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut hidden = problem(
        Advice::FixSchema,
        "INVALID_FIELD",
        &format!(
            "{} did not come with the records: most likely field-level security hides it from \
             the connected user",
            missing.join(", ")
        ),
    );
    hidden.object = Some(object.to_owned());
    hidden.fields = missing;
    Err(Error::Refused(hidden))
}

/// The id of a record: its address has it even if `Id` was not asked for.
fn id_of(record: &RawValue) -> Option<String> {
    let marked: Marked = serde_json::from_str(record.get()).ok()?;
    let from_url = marked
        .attributes
        .and_then(|attributes| attributes.url)
        .and_then(|url| names::id(url.rsplit('/').next()?).ok());
    from_url.or_else(|| marked.id.and_then(|id| names::id(&id).ok()))
}

#[cfg(test)]
mod tests;
