//! Single records: by id, by external id, and what hangs on them.

use axum::response::Response;
use hyper::header::{self, HeaderValue};
use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::conditional;
use crate::fault::Fault;
use crate::http::answer;
use crate::org::Org;
use crate::schema::Object;

/// From this version on an upsert that updates has a body.
const UPSERT_BODY_SINCE: u16 = 46;

/// `POST /sobjects/Account`
pub(super) fn create(call: &Call, object: &str) -> Answer {
    let (body, options) = call.record()?;
    let mut org = call.org_mut();
    let id = org.create(&call.who, object, &body, &options)?;
    let name = canonical(&org, object);
    let enqueued = enqueued(&org, &name, &id);
    drop(org);
    if let Some(enqueued) = enqueued {
        let body = json!({ "id": &*id, "success": true, "errors": [enqueued] });
        return Ok(answer::json(201, &body));
    }
    Ok(with_location(call, &name, &id, saved(201, &id, None)))
}

/// `GET /sobjects/Account/001...`
pub(super) fn read(call: &Call, object: &str, id: &str) -> Answer {
    let fields = call.list("fields");
    let org = call.org();
    let record = org.read(
        &call.who,
        object,
        id,
        fields.as_deref(),
        &call.version.name(),
    )?;
    let modified = conditional::modified_ms(&org, id);
    drop(org);
    let text = record.to_string();
    // Only accounts have an ETag; every record says when it was changed.
    let is_account = object.eq_ignore_ascii_case("Account");
    let tag = is_account.then(|| conditional::etag(text.as_bytes()));
    conditional::answer(call, text.into_bytes(), tag.as_deref(), modified)
}

/// `PATCH /sobjects/Account/001...`
pub(super) fn update(call: &Call, object: &str, id: &str) -> Answer {
    let (body, options) = call.record()?;
    let mut org = call.org_mut();
    let current = || {
        org.read(&call.who, object, id, None, &call.version.name())
            .map(|record| conditional::etag(record.to_string().as_bytes()))
    };
    let has_tag = object.eq_ignore_ascii_case("Account");
    // What was checked exactly is not checked again by its date.
    if !(has_tag && conditional::check_tag(call, current)?) {
        conditional::check_date(call, conditional::modified_ms(&org, id))?;
    }
    org.update(&call.who, object, id, &body, &options)?;
    Ok(answer::empty(204))
}

/// `DELETE /sobjects/Account/001...`
pub(super) fn delete(call: &Call, object: &str, id: &str) -> Answer {
    call.org_mut().delete(&call.who, object, id)?;
    Ok(answer::empty(204))
}

/// `GET /sobjects/Contact/Email/a@example.com`
pub(super) fn read_external(call: &Call, object: &str, field: &str, value: &str) -> Answer {
    let id = the_one(call, object, field, value)?;
    read(call, object, &id)
}

/// `DELETE /sobjects/Contact/Email/a@example.com`
pub(super) fn delete_external(call: &Call, object: &str, field: &str, value: &str) -> Answer {
    let id = the_one(call, object, field, value)?;
    delete(call, object, &id)
}

/// `PATCH /sobjects/Contact/Email/a@example.com`
pub(super) fn upsert(call: &Call, object: &str, field: &str, value: &str) -> Answer {
    let (body, options) = call.record()?;
    let mut org = call.org_mut();
    let done = org.upsert(&call.who, object, field, value, &body, &options);
    let name = canonical(&org, object);
    drop(org);
    let done = done.map_err(|fault| with_addresses(call, &name, fault))?;
    if !done.created && !call.version.is_at_least(UPSERT_BODY_SINCE) {
        return Ok(answer::empty(204));
    }
    let status = if done.created { 201 } else { 200 };
    let response = saved(status, &done.id, Some(done.created));
    Ok(with_location(call, &name, &done.id, response))
}

/// The one record with this value.
fn the_one(call: &Call, object: &str, field: &str, value: &str) -> Result<String, Fault> {
    let org = call.org();
    let found = org.find_by_external_id(&call.who, object, field, value)?;
    match found.as_slice() {
        [one] => Ok(one.to_string()),
        [] => Err(Fault::not_there()),
        many => {
            let mut fault = Fault::new(300, "MULTIPLE_CHOICES", "several records have this value");
            let ids: Vec<&str> = many.iter().map(|id| &**id).collect();
            fault.extra = Some(Box::new(("ids", json!(ids))));
            Err(with_addresses(call, &canonical(&org, object), fault))
        }
    }
}

/// Turns the ids of an ambiguous key into addresses.
fn with_addresses(call: &Call, object: &str, mut fault: Fault) -> Fault {
    if fault.status == 300
        && let Some((_, Value::Array(ids))) = fault.extra.as_deref_mut()
    {
        for id in ids {
            if let Some(text) = id.as_str() {
                *id = json!(format!("{}/sobjects/{object}/{text}", call.version.path()));
            }
        }
    }
    fault
}

/// An object's name as the schema spells it, for addresses.
fn canonical(org: &Org, object: &str) -> String {
    org.schema
        .object(object)
        .map_or_else(|| object.to_owned(), |object| object.name.clone())
}

/// What the answer to a published platform event has in its errors, though all
/// is well: that the event is on its way, and its id there.
pub(super) fn enqueued(org: &Org, object: &str, id: &str) -> Option<Value> {
    let is_event = org.schema.object(object).is_some_and(Object::is_event);
    is_event.then(|| {
        json!({
            "statusCode": "OPERATION_ENQUEUED",
            "message": org.event_uuid(id),
            "fields": [],
        })
    })
}

fn saved(status: u16, id: &str, created: Option<bool>) -> Response {
    let mut body = json!({ "id": id, "success": true, "errors": [] });
    if let (Some(created), Some(body)) = (created, body.as_object_mut()) {
        body.insert("created".to_owned(), json!(created));
    }
    answer::json(status, &body)
}

fn with_location(call: &Call, object: &str, id: &str, mut response: Response) -> Response {
    let location = format!("{}/sobjects/{object}/{id}", call.version.path());
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
