//! `/tooling/sobjects/CustomField`: an administrator's program adds a field of text.

use hyper::header;
use serde::Deserialize;
use serde_json::json;

use super::call::{Answer, Call};
use crate::fault::Fault;
use crate::http::answer;
use crate::org::access::NewField;

/// Whose profile lets them change the data model.
const MAY_CUSTOMIZE: &str = "System Administrator";

/// The longest text field.
const MAX_LENGTH: u32 = 255;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CustomField {
    /// `Contact.External_Id__c`
    full_name: String,
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    r#type: String,
    label: String,
    length: Option<u32>,
    #[serde(default)]
    external_id: bool,
    #[serde(default)]
    unique: bool,
    #[serde(default)]
    case_sensitive: bool,
}

/// `POST /tooling/sobjects/CustomField`
pub(super) fn add_field(call: &Call) -> Answer {
    if call.who.profile != MAY_CUSTOMIZE {
        let message = "entity type cannot be inserted: Custom Field Definition";
        return Err(Fault::bad_request(
            "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
            message,
        ));
    }
    let wrong = |message: String| Fault::bad_request("FIELD_INTEGRITY_EXCEPTION", message);
    let field: CustomField = serde_json::from_slice(&call.body)
        .map_err(|error| Fault::bad_request("JSON_PARSER_ERROR", error.to_string()))?;
    let Some((object, name)) = field.full_name.split_once('.') else {
        return Err(wrong(format!("Invalid fullname: {}", field.full_name)));
    };
    let is_name = name.strip_suffix("__c").is_some_and(|base| {
        base.starts_with(|first: char| first.is_ascii_alphabetic())
            && base.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !base.contains("__")
            && !base.ends_with('_')
            && base.len() <= 40
    });
    if !is_name {
        return Err(wrong(format!("Invalid fullname: {}", field.full_name)));
    }
    let metadata = &field.metadata;
    if metadata.r#type != "Text" {
        return Err(wrong(format!(
            "this org adds fields of Text, not of {}",
            metadata.r#type
        )));
    }
    let length = metadata
        .length
        .filter(|length| (1..=MAX_LENGTH).contains(length));
    let Some(length) = length else {
        let message = format!(
            "Can not specify 'length' for a CustomField of type Text beyond 1 to {MAX_LENGTH}"
        );
        return Err(wrong(message));
    };
    let new = NewField {
        object,
        name,
        label: &metadata.label,
        length,
        external_id: metadata.external_id,
        unique: metadata.unique,
        case_sensitive: metadata.case_sensitive,
    };
    let id = call.org_mut().add_field(&new)?;
    let body = json!({ "id": &*id, "success": true, "errors": [], "warnings": [], "infos": [] });
    let mut response = answer::json(201, &body);
    let place = format!("{}/tooling/sobjects/CustomField/{id}", call.version.path());
    if let Ok(place) = place.parse() {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}
