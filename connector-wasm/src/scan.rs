//! Scans: all records of an object in the order of their ids, without a word of
//! SOQL from the caller.

use std::fmt::Write as _;
use std::rc::Rc;

use crate::api::Api;
use crate::bindings::exports::lockgate::connector::records::{
    Advice, Error, Matching, QueryOptions, ScanOptions,
};
use crate::fault::refused;
use crate::host::Host;
use crate::names;
use crate::query::{self, Pages};
use crate::soql::Literal;

/// More fields than an object can have.
const MAX_FIELDS: usize = 800;

/// Values that fit into the address of a query, long ones too.
const MAX_VALUES: usize = 200;

/// Begins a scan.
pub(crate) async fn open<H: Host>(
    api: Rc<Api<H>>,
    object: &str,
    options: ScanOptions,
) -> Result<Pages<H>, Error> {
    let text = soql(object, &options)?;
    let options = QueryOptions {
        include_deleted: false,
        page_size: 0,
        way: options.way,
    };
    query::open(api, &text, options).await
}

fn soql(object: &str, options: &ScanOptions) -> Result<String, Error> {
    names::object(object)?;
    if options.fields.len() > MAX_FIELDS {
        return Err(too_many("fields", MAX_FIELDS));
    }
    let mut text = "SELECT Id".to_owned();
    for field in &options.fields {
        names::field(field)?;
        // Asked for once more it would be refused.
        if !field.eq_ignore_ascii_case("Id") {
            text.extend([", ", field]);
        }
    }
    text.extend([" FROM ", object]);
    let mut joint = " WHERE ";
    if let Some(after) = &options.after {
        let id = names::id(after).map_err(Error::Refused)?;
        let _ = write!(text, "{joint}Id > {}", Literal::text(&id));
        joint = " AND ";
    }
    if let Some(Matching { field, values }) = &options.matching {
        names::field(field)?;
        if values.is_empty() {
            return Err(refused(
                Advice::FixRecord,
                "MISSING_ARGUMENT",
                "a scan by the value of a field needs one value at least",
            ));
        }
        if values.len() > MAX_VALUES {
            return Err(too_many("values of a field", MAX_VALUES));
        }
        let values: Vec<String> = values
            .iter()
            .map(|value| Literal::text(value).to_string())
            .collect();
        let _ = write!(text, "{joint}{field} IN ({})", values.join(", "));
    }
    text.push_str(" ORDER BY Id");
    Ok(text)
}

fn too_many(what: &str, most: usize) -> Error {
    refused(
        Advice::FixRecord,
        "EXCEEDED_MAX_SIZE_REQUEST",
        &format!("a scan takes at most {most} {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(fields: &[&str]) -> ScanOptions {
        ScanOptions {
            fields: fields.iter().map(|&field| field.to_owned()).collect(),
            after: None,
            matching: None,
            way: None,
        }
    }

    #[test]
    fn a_scan_asks_for_each_field_once_in_the_order_of_ids() {
        assert_eq!(
            soql("Pump__c", &scan(&["Name", "id", "Owner.Name"])).unwrap(),
            "SELECT Id, Name, Owner.Name FROM Pump__c ORDER BY Id"
        );
        assert_eq!(
            soql("Account", &scan(&[])).unwrap(),
            "SELECT Id FROM Account ORDER BY Id"
        );
    }

    #[test]
    fn a_scan_goes_on_behind_an_id_and_finds_values_whatever_they_hold() {
        let options = ScanOptions {
            after: Some("003dM00001wBXYD".to_owned()),
            matching: Some(Matching {
                field: "Key__c".to_owned(),
                values: vec!["a".to_owned(), "O'Neil' OR Id != '".to_owned()],
            }),
            ..scan(&["Name"])
        };
        assert_eq!(
            soql("Contact", &options).unwrap(),
            r"SELECT Id, Name FROM Contact WHERE Id > '003dM00001wBXYDQA4' AND Key__c IN ('a', 'O\'Neil\' OR Id != \'') ORDER BY Id"
        );
    }

    #[test]
    fn what_is_no_name_no_id_or_too_much_is_refused() {
        let after = |id: &str| ScanOptions {
            after: Some(id.to_owned()),
            ..scan(&[])
        };
        let matching = |n: usize| ScanOptions {
            matching: Some(Matching {
                field: "Key__c".to_owned(),
                values: vec!["v".to_owned(); n],
            }),
            ..scan(&[])
        };
        for (object, options, code) in [
            ("Account WHERE", scan(&[]), "INVALID_TYPE"),
            ("Account", scan(&["Name FROM User --"]), "INVALID_FIELD"),
            ("Account", after("x' OR Id != '"), "MALFORMED_ID"),
            ("Account", matching(0), "MISSING_ARGUMENT"),
            ("Account", matching(201), "EXCEEDED_MAX_SIZE_REQUEST"),
            (
                "Account",
                scan(&["A__c"; MAX_FIELDS + 1]),
                "EXCEEDED_MAX_SIZE_REQUEST",
            ),
        ] {
            let error = soql(object, &options).unwrap_err();
            let Error::Refused(problem) = error else {
                panic!("{error:?}")
            };
            assert_eq!(problem.code, code);
        }
    }
}
