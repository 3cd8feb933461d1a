//! What a user may not see answers as what does not exist.

use super::Small;
use crate::user::ObjectPermissions;

#[test]
fn a_hidden_field_answers_as_an_unknown_one() {
    let small = Small::new().hiding("Account", "Phone");
    for text in [
        "SELECT Phone FROM Account",
        "SELECT Id FROM Account WHERE Phone = null",
        "SELECT Id FROM Account ORDER BY Phone",
        "SELECT COUNT(Phone) FROM Account",
        "SELECT Account.Phone FROM Contact",
    ] {
        let (code, message) = small.complaint(text);
        assert_eq!(code, "INVALID_FIELD", "{text}");
        assert!(
            message.starts_with("No such column 'Phone' on entity 'Account'."),
            "{text}"
        );
    }
    let all = &small.records("SELECT FIELDS(ALL) FROM Account LIMIT 1")[0];
    assert!(all.get("Phone").is_none() && all.get("Fax").is_some());
}

#[test]
fn a_hidden_reference_hides_its_relationship_both_ways() {
    let small = Small::new().hiding("Contact", "AccountId");
    let (code, message) = small.complaint("SELECT Account.Name FROM Contact");
    assert_eq!(code, "INVALID_FIELD");
    assert!(message.starts_with("Didn't understand relationship 'Account'"));
    let (code, _) = small.complaint("SELECT (SELECT Id FROM Contacts) FROM Account");
    assert_eq!(code, "INVALID_TYPE");
}

#[test]
fn an_unreadable_object_answers_as_an_unknown_one() {
    let mut small = Small::new();
    small
        .who
        .set_object_permissions("Invoice__c", ObjectPermissions::NONE);
    assert_eq!(
        small.complaint("SELECT Id FROM Invoice__c").0,
        "INVALID_TYPE"
    );
    let nested = "SELECT (SELECT Id FROM Invoices__r) FROM Account";
    assert_eq!(small.complaint(nested).0, "INVALID_TYPE");
}
