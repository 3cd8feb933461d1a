//! What a job may be about: the objects that the Bulk API takes, the fields it
//! can find records by, and the rights that some operations need.

use crate::fault::Fault;
use crate::org::{Operation, Org};
use crate::user::User;

/// Objects that the Bulk API has never taken.
const UNSUPPORTED: [&str; 5] = [
    "Attachment",
    "LeadStatus",
    "OrderStatus",
    "RecentlyViewed",
    "TaskStatus",
];

/// Refuses an object that bulk jobs cannot work on.
pub(super) fn check_supported(object: &str) -> Result<(), Fault> {
    if UNSUPPORTED
        .iter()
        .any(|name| name.eq_ignore_ascii_case(object))
    {
        return Err(Fault::bad_request(
            "INVALIDENTITY",
            format!("Entity '{object}' is not supported by the Bulk API."),
        ));
    }
    Ok(())
}

/// Checks what a new job is about, and gives the object's name as the schema
/// spells it.
pub(crate) fn check_target(
    org: &Org,
    who: &User,
    object: &str,
    operation: Operation,
    key: Option<&str>,
) -> Result<String, Fault> {
    check_supported(object)?;
    let found = org
        .schema
        .object(object)
        .filter(|object| who.object_permissions(&object.name).read)
        .ok_or_else(|| {
            let message = format!("Unable to find object: {object}");
            Fault::bad_request("INVALIDENTITY", message)
        })?;
    if operation == Operation::HardDelete && !who.bulk_hard_delete {
        return Err(Fault::bad_request(
            "FEATURENOTENABLED",
            "hardDelete needs the permission Bulk API Hard Delete",
        ));
    }
    if operation != Operation::Upsert {
        return Ok(found.name.clone());
    }
    let key = key.ok_or_else(|| {
        Fault::bad_request("INVALIDJOB", "externalIdFieldName is required for upsert")
    })?;
    let is_key = org
        .find_by_external_id(who, &found.name, key, "")
        .map_or_else(|fault| fault.status != 404, |_| true);
    if !is_key {
        return Err(Fault::bad_request(
            "INVALIDJOB",
            format!(
                "Field name provided, {key} does not match an External ID, Salesforce Id, or \
                 indexed field for {}",
                found.name
            ),
        ));
    }
    Ok(found.name.clone())
}
