//! Salesforce's error codes and what each asks of the caller.

use crate::bindings::exports::lockgate::connector::records::Advice;

/// What an error concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// This request or record.
    Record,
    /// Whatever is asked next as well.
    Call,
}

/// What to do, and about what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) advice: Advice,
    pub(crate) scope: Scope,
}

/// Texts of a refused session that no refresh can mend: the app or the user may
/// not use the API at all.
const BARRED_SESSIONS: [&str; 2] = [
    "Connected app is not attached to Agent",
    "This session is not valid for use with the REST API",
];

/// Judges an error by its code, by its message where one code has two
/// meanings, and by the status where the code is unknown.
pub(crate) fn verdict(code: &str, message: &str, status: u16) -> Verdict {
    let call = |advice| Verdict {
        advice,
        scope: Scope::Call,
    };
    let record = |advice| Verdict {
        advice,
        scope: Scope::Record,
    };
    match code {
        "INVALID_SESSION_ID" | "INVALID_AUTH_HEADER" | "INVALID_AUTH_HEADER_FORMAT" => {
            if BARRED_SESSIONS.iter().any(|text| message.contains(text)) {
                call(Advice::AskPermission)
            } else {
                call(Advice::Reconnect)
            }
        }
        // The day's budget and too many long requests at a time share a code.
        "REQUEST_LIMIT_EXCEEDED" if message.contains("Concurrent") => call(Advice::Retry),
        "REQUEST_LIMIT_EXCEEDED" => call(Advice::WaitForQuota),
        "LIMIT_EXCEEDED" | "EXCEEDED_QUOTA" | "STORAGE_LIMIT_EXCEEDED" => {
            record(Advice::WaitForQuota)
        }

        "SERVER_UNAVAILABLE" | "REQUEST_RUNNING_TOO_LONG" | "UNKNOWN_EXCEPTION" => {
            call(Advice::Retry)
        }
        // Retried as it is, a query that ran too long does so again: the message
        // must reach the caller.
        "UNABLE_TO_LOCK_ROW" | "QUERY_TIMEOUT" => record(Advice::Retry),

        "API_DISABLED_FOR_ORG" | "API_CURRENTLY_DISABLED" | "TXN_SECURITY_METERING_ERROR" => {
            call(Advice::AskPermission)
        }
        "INSUFFICIENT_ACCESS"
        | "INSUFFICIENT_ACCESS_OR_READONLY"
        | "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"
        | "OPERATION_NOT_ALLOWED"
        // Locked by an approval process, not by another writer.
        | "ENTITY_IS_LOCKED"
        | "FUNCTIONALITY_NOT_ENABLED"
        // The Bulk API's word for a missing permission.
        | "FEATURENOTENABLED" => record(Advice::AskPermission),

        "INVALID_QUERY_LOCATOR"
        | "ENTITY_IS_DELETED"
        | "NOT_FOUND"
        | "INVALID_CROSS_REFERENCE_KEY"
        | "DELETE_FAILED" => record(Advice::Refetch),

        "INVALID_FIELD"
        | "INVALID_TYPE"
        | "INVALID_FIELD_FOR_INSERT_UPDATE"
        | "UNSUPPORTED_API_VERSION" => record(Advice::FixSchema),

        "DUPLICATES_DETECTED" | "DUPLICATE_VALUE" | "DUPLICATE_EXTERNAL_ID" => {
            record(Advice::ResolveDuplicate)
        }

        "ALL_OR_NONE_OPERATION_ROLLED_BACK" | "PROCESSING_HALTED" => record(Advice::RolledBack),

        "EXCEEDED_ID_LIMIT"
        | "INVALID_REPLICATION_DATE"
        | "REQUIRED_FIELD_MISSING"
        | "FIELD_CUSTOM_VALIDATION_EXCEPTION"
        | "STRING_TOO_LONG"
        | "INVALID_EMAIL_ADDRESS"
        | "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
        | "MALFORMED_ID"
        | "MALFORMED_QUERY"
        | "MALFORMED_SEARCH"
        | "MISSING_ARGUMENT"
        | "JSON_PARSER_ERROR"
        | "NUMBER_OUTSIDE_VALID_RANGE"
        | "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
        | "CANNOT_EXECUTE_FLOW_TRIGGER"
        | "FAILED_ACTIVATION"
        | "CANNOT_UPDATE_CONVERTED_LEAD"
        | "STANDARD_PRICE_NOT_DEFINED"
        | "FIELD_INTEGRITY_EXCEPTION" => record(Advice::FixRecord),

        _ => by_status(status),
    }
}

/// For codes that are not in the table, of which new releases bring some.
const fn by_status(status: u16) -> Verdict {
    let (advice, scope) = match status {
        401 => (Advice::Reconnect, Scope::Call),
        403 => (Advice::AskPermission, Scope::Record),
        404 | 405 | 410 | 415 => (Advice::FixSchema, Scope::Record),
        409 | 412 => (Advice::Refetch, Scope::Record),
        // 406 and 420 come empty from the edge, 421 when it routed wrongly.
        406 | 408 | 420 | 421 | 429 | 500..=599 => (Advice::Retry, Scope::Call),
        _ => (Advice::FixRecord, Scope::Record),
    };
    Verdict { advice, scope }
}

/// What a message names.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) object: Option<String>,
    pub(super) fields: Vec<String>,
}

/// The object and the fields that the message of a schema error names, where
/// the error itself names none.
pub(super) fn named_in(code: &str, message: &str) -> Named {
    match code {
        // No such column 'Foo__c' on entity 'Account'. … on sobject of type Account
        "INVALID_FIELD" => Named {
            object: quoted_after(message, " on entity '")
                .or_else(|| word_after(message, " on sobject of type ")),
            fields: quoted_after(message, "No such column '")
                .into_iter()
                .collect(),
        },
        // sObject type 'Foo' is not supported.
        "INVALID_TYPE" => Named {
            object: quoted_after(message, "sObject type '"),
            fields: Vec::new(),
        },
        // Unable to create/update fields: Foo__c, Bar__c. Please check …
        "INVALID_FIELD_FOR_INSERT_UPDATE" => {
            let list = message
                .split_once("fields: ")
                .map(|(_, rest)| rest.split('.').next().unwrap_or_default());
            Named {
                object: None,
                fields: list
                    .into_iter()
                    .flat_map(|list| list.split(", "))
                    .filter(|name| crate::names::field(name).is_ok())
                    .map(str::to_owned)
                    .collect(),
            }
        }
        _ => Named::default(),
    }
}

fn quoted_after(message: &str, start: &str) -> Option<String> {
    let (_, rest) = message.split_once(start)?;
    let (name, _) = rest.split_once('\'')?;
    crate::names::field(name).is_ok().then(|| name.to_owned())
}

fn word_after(message: &str, start: &str) -> Option<String> {
    let (_, rest) = message.split_once(start)?;
    let end = rest
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(rest.len());
    let name = rest.get(..end)?;
    crate::names::object(name).is_ok().then(|| name.to_owned())
}
