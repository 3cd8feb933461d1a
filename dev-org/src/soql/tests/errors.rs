//! What is refused, with which code and words.

use super::small;

#[test]
fn an_unknown_field_is_shown_with_a_caret() {
    assert_eq!(
        small()
            .refused("SELECT Id, Foo FROM Account")
            .to_rest_json()
            .to_string(),
        r#"[{"message":"\nSELECT Id, Foo FROM Account\n           ^\nERROR at Row:1:Column:12\nNo such column 'Foo' on entity 'Account'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names.","errorCode":"INVALID_FIELD"}]"#
    );
}

#[test]
fn an_unknown_object_is_shown_with_a_caret() {
    let fault = small().refused("SELECT Id FROM XYZZY");
    assert_eq!(fault.code, "INVALID_TYPE");
    assert_eq!(
        fault.message,
        "\nSELECT Id FROM XYZZY\n               ^\nERROR at Row:1:Column:16\nsObject type 'XYZZY' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names."
    );
}

#[test]
fn unknown_relationships_are_told_from_unknown_fields() {
    let small = small();
    let starts = |text: &str| {
        let (code, message) = small.complaint(text);
        (code, message.split(". ").next().unwrap().to_owned())
    };
    assert_eq!(
        starts("SELECT Boss.Name FROM Contact"),
        (
            "INVALID_FIELD",
            "Didn't understand relationship 'Boss' in field path".to_owned()
        )
    );
    assert_eq!(
        starts("SELECT Account.Boss FROM Contact"),
        (
            "INVALID_FIELD",
            "No such column 'Boss' on entity 'Account'".to_owned()
        )
    );
    assert_eq!(
        starts("SELECT Who.Amount FROM Task"),
        (
            "INVALID_FIELD",
            "No such column 'Amount' on entity 'Name'".to_owned()
        )
    );
    assert_eq!(
        starts("SELECT (SELECT Id FROM Foos) FROM Account"),
        (
            "INVALID_TYPE",
            "Didn't understand relationship 'Foos' in FROM part of query call".to_owned()
        )
    );
    assert_eq!(
        starts("SELECT (SELECT Foo FROM Contacts) FROM Account"),
        (
            "INVALID_FIELD",
            "No such column 'Foo' on entity 'Contact'".to_owned()
        )
    );
    assert_eq!(
        starts("SELECT Id FROM Account ORDER BY Foo"),
        (
            "INVALID_FIELD",
            "No such column 'Foo' on entity 'Account'".to_owned()
        )
    );
}

#[test]
fn a_path_of_more_than_five_levels_is_refused() {
    let small = small();
    assert!(
        small
            .answer("SELECT Parent.Parent.Parent.Parent.Parent.Name FROM Account")
            .is_ok()
    );
    let text = "SELECT Parent.Parent.Parent.Parent.Parent.Parent.Name FROM Account";
    assert_eq!(small.refused(text).code, "INVALID_FIELD");
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_at_its_field() {
    let small = small();
    assert_eq!(
        small
            .refused("SELECT Id, Name FROM Account WHERE Name = 3999")
            .message,
        "\nSELECT Id, Name FROM Account WHERE Name = 3999\n                                   ^\nERROR at Row:1:Column:36\nvalue of filter criterion for field 'Name' must be of type string and should be enclosed in quotes"
    );
    for (condition, complaint) in [
        (
            "NumberOfEmployees = '5'",
            "value of filter criterion for field 'NumberOfEmployees' must be of type int and should not be enclosed in quotes",
        ),
        (
            "CreatedDate > 2026-05-01",
            "value of filter criterion for field 'CreatedDate' must be of type dateTime and should not be enclosed in quotes",
        ),
        (
            "CreatedDate > '2026-05-01T00:00:00Z'",
            "value of filter criterion for field 'CreatedDate' must be of type dateTime and should not be enclosed in quotes",
        ),
        (
            "IsDeleted = 'true'",
            "value of filter criterion for field 'IsDeleted' must be of type boolean and should not be enclosed in quotes",
        ),
        (
            "Name INCLUDES ('a')",
            "includes or excludes operator only valid on multipicklist field",
        ),
        ("NumberOfEmployees LIKE '5'", "invalid operator"),
        ("IsDeleted > true", "invalid operator"),
        (
            "Description = 'x'",
            "field 'Description' can not be filtered in a query call",
        ),
        (
            "BillingAddress = 'x'",
            "Address fields can only be filtered using Distance expressions",
        ),
    ] {
        let text = format!("SELECT Id FROM Account WHERE {condition}");
        assert_eq!(
            small.complaint(&text),
            ("INVALID_FIELD", complaint.to_owned()),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_id_cannot_filter_an_id() {
    let small = small();
    let code = "INVALID_QUERY_FILTER_OPERATOR";
    assert_eq!(
        small.complaint("SELECT Id FROM Account WHERE Id = 'abc'"),
        (code, "invalid ID field: abc".to_owned())
    );
    assert_eq!(
        small.complaint("SELECT Id FROM Account WHERE ParentId LIKE '001%'"),
        (code, "invalid operator on id field".to_owned())
    );
}

#[test]
fn long_text_can_be_neither_sorted_nor_grouped() {
    let small = small();
    assert_eq!(
        small.complaint("SELECT Id FROM Account ORDER BY Description"),
        (
            "MALFORMED_QUERY",
            "field 'Description' can not be sorted in a query call".to_owned()
        )
    );
    assert_eq!(
        small.complaint("SELECT Description FROM Account GROUP BY Description"),
        (
            "MALFORMED_QUERY",
            "field 'Description' can not be grouped in a query call".to_owned()
        )
    );
}

#[test]
fn semi_joins_have_their_rules() {
    let small = small();
    for (condition, complaint) in [
        (
            "Name = 'a' OR Id IN (SELECT AccountId FROM Contact)",
            "Semi join sub-selects are not allowed with the 'OR' operator",
        ),
        (
            "Id IN (SELECT ParentId FROM Account)",
            "The inner and outer selects should not be on the same object type",
        ),
        (
            "Name IN (SELECT AccountId FROM Contact)",
            "The left operand field in the where expression for outer query should be an id field, cannot use: 'Name'",
        ),
        (
            "Id IN (SELECT OwnerId FROM Contact)",
            "The selected field 'OwnerId' in the subquery and the left operand field in the where expression in the outer query 'Id' should point to the same object type",
        ),
        (
            "Id IN (SELECT AccountId FROM Contact WHERE Id IN (SELECT WhoId FROM Task))",
            "Nesting of semi join sub-selects is not supported",
        ),
    ] {
        let text = format!("SELECT Id FROM Account WHERE {condition}");
        assert_eq!(
            small.complaint(&text),
            ("MALFORMED_QUERY", complaint.to_owned()),
            "{text}"
        );
    }
}

#[test]
fn only_aggregates_have_aliases_and_no_field_comes_twice() {
    let small = small();
    assert_eq!(
        small.complaint("SELECT Id Name FROM Account"),
        (
            "MALFORMED_QUERY",
            "only aggregate expressions use field aliasing".to_owned()
        )
    );
    for text in [
        "SELECT Name, name FROM Account",
        "SELECT Account.Name, Account.Name FROM Contact",
        "SELECT Who.Name, Who.Name FROM Task",
    ] {
        assert_eq!(
            small.complaint(text),
            ("INVALID_FIELD", "duplicate field selected: Name".to_owned()),
            "{text}"
        );
    }
}

#[test]
fn more_than_55_relationships_to_parents_are_refused() {
    let small = small();
    // The same way twice counts once, and so does what leads there.
    let mut paths = vec![String::new()];
    let mut fields = Vec::new();
    while fields.len() < 56 {
        let mut longer = Vec::new();
        for path in &paths {
            for step in ["CreatedBy", "LastModifiedBy"] {
                longer.push(format!("{path}{step}."));
            }
        }
        fields.extend(longer.iter().map(|path| format!("{path}Id")));
        paths = longer;
    }
    let few = fields[..55].join(", ");
    small.records(&format!("SELECT {few}, createdby.Name FROM Account"));
    let many = fields[..56].join(", ");
    let (code, message) = small.complaint(&format!("SELECT {many} FROM Account"));
    assert_eq!(code, "MALFORMED_QUERY");
    assert!(message.contains("at most 55"), "{message}");
    let last = &fields[55];
    let (code, _) = small.complaint(&format!("SELECT {few} FROM Account ORDER BY {last}"));
    assert_eq!(code, "MALFORMED_QUERY");
}

#[test]
fn links_of_files_are_found_from_one_of_their_ends_only() {
    let small = small();
    let acme = small.id("acme");
    let links = "SELECT Id FROM ContentDocumentLink";
    for narrow in [
        format!("{links} WHERE LinkedEntityId = '{acme}'"),
        format!("{links} l WHERE l.LinkedEntityId IN ('{acme}') AND ContentDocument.Title != 'x'"),
        format!("{links} WHERE ContentDocumentId IN (SELECT Id FROM ContentDocument)"),
        "SELECT (SELECT Id FROM ContentDocumentLinks) FROM Account".to_owned(),
    ] {
        small.records(&narrow);
    }
    for wide in [
        links.to_owned(),
        format!("{links} WHERE LinkedEntityId != '{acme}'"),
        format!("{links} WHERE LinkedEntityId = null"),
        format!("{links} WHERE LinkedEntityId = '{acme}' OR ShareType = 'V'"),
    ] {
        let (code, message) = small.complaint(&wide);
        assert_eq!(code, "MALFORMED_QUERY", "{wide}");
        assert!(
            message.starts_with("Implementation restriction"),
            "{wide}: {message}"
        );
    }
    let inner = "SELECT Id FROM ContentDocument WHERE Id IN (SELECT ContentDocumentId FROM \
                 ContentDocumentLink WHERE LinkedEntityId = '001000000000001AAA')";
    let (_, message) = small.complaint(inner);
    assert!(message.contains("semi join"), "{message}");
}
