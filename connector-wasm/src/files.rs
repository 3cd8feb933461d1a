//! Files: contents of fields, down and up as streams.
//!
//! Down is the field's own route. Up is a body of two parts, the record and its
//! file, so that the file travels as it is instead of a third longer in base64,
//! and nobody ever holds it.

mod clash;
mod frame;

use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::{
    Advice, Error, Outcome, Problem, RecordResult,
};
use crate::body::{KeyedBy, Row, read_rows};
use crate::describe::{Age, described};
use crate::fault::{Effect, Fault, problem, refused};
use crate::host::{Host, Lost, Method, Opened};
use crate::names;
use crate::wire::{self, RowResult};
use crate::write::told;

pub(crate) use clash::Clash;
pub(crate) use frame::Frame;

/// The largest file of an object, in bytes, as Salesforce documents it for bodies
/// of parts.
const MAX_VERSION_BYTES: u64 = 2 * 1024 * 1024 * 1024;
const MAX_FILE_BYTES: u64 = 500 * 1024 * 1024;

/// A content on its way down.
#[derive(Debug)]
pub(crate) struct Content<D> {
    /// In bytes, if the org has said so.
    pub(crate) length: Option<u64>,
    pub(crate) body: D,
}

/// Opens the content of a field.
pub(crate) async fn download<H: Host>(
    api: &Api<H>,
    object: &str,
    id: &str,
    field: &str,
) -> Result<Content<H::Down>, Error> {
    names::object(object)?;
    names::key_field(field)?;
    let id = names::id(id).map_err(Error::Refused)?;
    let path = format!("/sobjects/{object}/{id}/{field}");
    match api.open(Ask::new(Method::Get, path, Kind::File)).await? {
        Opened::Content { length, body, .. } => Ok(Content { length, body }),
        Opened::Refused(answer) => {
            let fault = Fault::read(answer.status, &answer.body);
            if fault.code() == "NOT_FOUND" {
                return Err(missing(api, object, field).await);
            }
            Err(fault.error(Some(object), Effect::Read))
        }
    }
}

/// What a missing content means: one answer stands for a missing record, field
/// and object.
async fn missing<H: Host>(api: &Api<H>, object: &str, field: &str) -> Error {
    let description = match described(api, object, Age::Anew).await {
        Ok((description, _)) => description,
        Err(error) => return error,
    };
    let with_files: Vec<&str> = description
        .fields
        .iter()
        .filter(|field| field.kind == "base64")
        .map(|field| field.name.as_str())
        .collect();
    let has_field = with_files
        .iter()
        .any(|name| name.eq_ignore_ascii_case(field));
    let mut problem = if has_field {
        problem(
            Advice::Refetch,
            "NOT_FOUND",
            "there is no record with this id, or the connected user cannot see it",
        )
    } else {
        wrong_field(object, field, &with_files)
    };
    problem.object = Some(object.to_owned());
    Error::Refused(problem)
}

fn wrong_field(object: &str, field: &str, with_files: &[&str]) -> Problem {
    let known = match with_files {
        [] => "has no field with a file that the connected user may read".to_owned(),
        names => format!("has files in {}", names.join(", ")),
    };
    let mut wrong = problem(
        Advice::FixSchema,
        "INVALID_FIELD",
        &format!("{field} holds no file: {object} {known}"),
    );
    wrong.object = Some(object.to_owned());
    wrong.fields.push(field.to_owned());
    wrong
}

/// Creates or changes a record with a file in one of its fields.
pub(crate) async fn upload<H: Host>(
    api: &Api<H>,
    object: &str,
    fields: &[u8],
    field: &str,
    content: H::Up,
    length: Option<u64>,
) -> Result<RecordResult, Error> {
    names::object(object)?;
    names::key_field(field)?;
    check_place(object, field)?;
    check_length(object, length)?;
    let records = [b"[", fields, b"]"].concat();
    let row = only_row(&records)?;
    if row.fields().any(|name| name.eq_ignore_ascii_case(field)) {
        return Err(refused(
            Advice::FixRecord,
            "INVALID_FIELD",
            &format!("the record holds {field} already, which is what the content is for"),
        ));
    }
    let (method, path) = match row.id_text() {
        Some(id) => (Method::Patch, format!("/sobjects/{object}/{id}")),
        None => (Method::Post, format!("/sobjects/{object}")),
    };
    let frame = Frame::new(api.host.now_ms(), object, &row.alone(), field);
    let ask = Ask::new(method, path, Kind::Parts);
    let answer = match api.send_file(ask, frame, content, length).await? {
        Ok(answer) => answer,
        Err(Clash) => {
            return Err(refused(
                Advice::Retry,
                "BOUNDARY_CLASH",
                "the content holds the line that was to end it; nothing was written, and the next \
                 try uses another",
            ));
        }
    };
    let id = row.id_text().map(str::to_owned);
    match answer.status {
        200 | 201 => wire::read::<RowResult>(&answer.body)
            .map(|result| told(result.id, Outcome::Created))
            .ok_or(Error::UnknownOutcome),
        204 => Ok(told(id, Outcome::Updated)),
        status => {
            let fault = Fault::read(status, &answer.body);
            match fault.problems(Some(object)) {
                Some(problems) => Ok(told(id, Outcome::Failed(problems))),
                None => Err(fault.error(Some(object), Effect::Write)),
            }
        }
    }
}

/// The record, whose id says whether it is changed or created.
fn only_row(records: &[u8]) -> Result<Row<'_>, Error> {
    let mut rows = read_rows(records, KeyedBy::Field("Id"))?;
    match (rows.pop(), rows.is_empty()) {
        (Some(row), true) => row.map_err(Error::Refused),
        _ => Err(refused(
            Advice::FixRecord,
            "JSON_PARSER_ERROR",
            "a file goes with one record, a JSON object",
        )),
    }
}

/// Refuses fields of well-known objects that take no file in parts.
fn check_place(object: &str, field: &str) -> Result<(), Error> {
    let is = |name: &str| object.eq_ignore_ascii_case(name);
    if is("ContentNote") {
        return Err(refused(
            Advice::FixRecord,
            "INVALID_FIELD",
            "a note has no file: create it as a record, with its HTML in base64 in Content",
        ));
    }
    let expected = match () {
        () if is("ContentVersion") => "VersionData",
        () if is("Attachment") || is("Document") => "Body",
        () => return Ok(()),
    };
    if field.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(Error::Refused(wrong_field(object, field, &[expected])))
}

fn check_length(object: &str, length: Option<u64>) -> Result<(), Error> {
    let most = match object.eq_ignore_ascii_case("ContentVersion") {
        true => MAX_VERSION_BYTES,
        false => MAX_FILE_BYTES,
    };
    match length {
        Some(length) if length > most => Err(too_large(&format!(
            "the file has {length} bytes, and Salesforce takes at most {most} of {object}"
        ))),
        _ => Ok(()),
    }
}

pub(crate) fn too_large(message: &str) -> Error {
    refused(Advice::FixRecord, "FILE_SIZE_LIMIT_EXCEEDED", message)
}

/// How a content ended, in the contract's words.
pub(crate) fn ending(ended: Result<(), crate::host::HttpError>) -> Result<(), Error> {
    match ended {
        Ok(()) => Ok(()),
        Err(crate::host::HttpError::TooLarge(bytes)) => Err(too_large(&format!(
            "the file is larger than {bytes} bytes, the package's limit for streams"
        ))),
        Err(error) => Err(crate::api::without_answer(&Lost::Body(error), Effect::Read)),
    }
}

#[cfg(test)]
mod tests;
