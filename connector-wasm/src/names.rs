//! Names and ids, checked before they become part of a path, a query or a body.
//!
//! Nothing else of a request's path comes from outside, so a path cannot be
//! made to point elsewhere.

use crate::bindings::exports::lockgate::connector::records::{Advice, Error, Problem};
use crate::fault::{problem, refused};

/// No API name is longer: 40 characters, a namespace of 15, suffixes.
const MAX_NAME_BYTES: usize = 80;

/// Letters, digits and `_`, starting with a letter: `Account`,
/// `ns__Invoice__c`.
fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Checks the name of an object.
pub(crate) fn object(name: &str) -> Result<(), Error> {
    if is_name(name) {
        return Ok(());
    }
    Err(refused(
        Advice::FixSchema,
        "INVALID_TYPE",
        "an object's API name has letters, digits and _ only, and starts with a letter",
    ))
}

/// Whether bulk jobs can write the object: not if its records carry files, which
/// have no place in CSV.
pub(crate) fn is_bulk_object(name: &str) -> bool {
    const WITH_FILES: [&str; 5] = [
        "Attachment",
        "ContentNote",
        "ContentVersion",
        "Document",
        "StaticResource",
    ];
    !WITH_FILES
        .iter()
        .any(|with| with.eq_ignore_ascii_case(name))
}

/// Checks the name of a field, or of a field reached through relationships
/// (`Account.Owner.Name`).
pub(crate) fn field(name: &str) -> Result<(), Error> {
    if name.split('.').count() <= 6 && name.split('.').all(is_name) {
        return Ok(());
    }
    Err(refused(
        Advice::FixSchema,
        "INVALID_FIELD",
        "a field's API name has letters, digits and _ only, and starts with a letter",
    ))
}

/// Checks the name of a field that stands in a path, where relationships cannot.
pub(crate) fn key_field(name: &str) -> Result<(), Error> {
    field(if is_name(name) { name } else { "" })
}

/// The three characters that make an id of 15 safe where case is lost.
///
/// For each five characters, the upper-case ones are the bits of a number, the
/// first the lowest.
fn checksum(id: &str) -> impl Iterator<Item = char> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    id.as_bytes().chunks(5).take(3).filter_map(|five| {
        let bits = five.iter().enumerate().fold(0_usize, |bits, (at, byte)| {
            bits | usize::from(byte.is_ascii_uppercase()) << at
        });
        DIGITS.chars().nth(bits)
    })
}

/// The 18 characters of an id that has 15 or 18, if its checksum is right.
pub(crate) fn id(text: &str) -> Result<String, Problem> {
    let malformed = |message: &str| problem(Advice::FixRecord, "MALFORMED_ID", message);
    if !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(malformed("an id has letters and digits only"));
    }
    let Some(short) = text.get(..15) else {
        return Err(malformed("an id has 15 or 18 characters"));
    };
    let mut long = short.to_owned();
    long.extend(checksum(short));
    match text.len() {
        15 => Ok(long),
        18 if text.eq_ignore_ascii_case(&long) && text.starts_with(short) => Ok(long),
        18 => Err(malformed(
            "the last three characters of this id do not fit the first fifteen",
        )),
        _ => Err(malformed("an id has 15 or 18 characters")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_15_characters_becomes_the_one_of_18() {
        for (short, suffix) in [
            ("0015J000004TNtz", "QAG"),
            ("001dM00003kRs59", "QAC"),
            ("003dM00001wBXYD", "QA4"),
            ("005dM00000aYaE3", "QAK"),
            ("00DdM00000vfgTu", "UAI"),
            ("0017e00001W4GYR", "AA3"),
        ] {
            let long = format!("{short}{suffix}");
            assert_eq!(id(short), Ok(long.clone()));
            assert_eq!(id(&long), Ok(long));
        }
    }

    #[test]
    fn an_id_with_a_wrong_checksum_or_length_is_refused() {
        for bad in [
            "",
            "0015J000004TNtzQAC",
            "0015J000004TNt",
            "0015J000004TNtzQA",
            "0015J000004TNtz/..",
            "001/../../limits",
            "0015J000004TNtzQAGx",
            "ü015J000004TNtz",
        ] {
            assert_eq!(id(bad).unwrap_err().code, "MALFORMED_ID", "{bad}");
        }
    }

    #[test]
    fn names_that_could_change_a_path_are_refused() {
        for good in ["Account", "ns__Invoice__c", "Invoice__ChangeEvent", "A1"] {
            assert!(object(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "Account/x",
            "../limits",
            "Account?x",
            "1A",
            "Ac count",
            "Äccount",
            "_a",
        ] {
            assert!(object(bad).is_err(), "{bad}");
        }
        assert!(field("Account.Owner.Name").is_ok());
        assert!(field("Account..Name").is_err());
        assert!(field("Name,Id").is_err());
        assert!(key_field("Ext__c").is_ok());
        assert!(key_field("Account.Ext__c").is_err());
    }
}
