//! What a SELECT list answers.

use serde_json::json;

use super::small;

#[test]
fn a_record_has_its_attributes_first_and_its_fields_in_the_order_selected() {
    let small = small();
    let acme = small.id("acme");
    assert_eq!(
        small.json("SELECT name, ID, annualrevenue, NumberOfEmployees, Fax, IsDeleted FROM account WHERE Name = 'Acme'"),
        format!(
            r#"[{{"attributes":{{"type":"Account","url":"/services/data/v60.0/sobjects/Account/{acme}"}},"Name":"Acme","Id":"{acme}","AnnualRevenue":1000000.0,"NumberOfEmployees":100,"Fax":null,"IsDeleted":false}}]"#
        )
    );
}

#[test]
fn dates_and_instants_have_their_wire_forms() {
    let small = small();
    let deal =
        &small.records("SELECT CloseDate, CreatedDate FROM Opportunity WHERE Name = 'Big deal'")[0];
    assert_eq!(deal["CloseDate"], "2026-05-20");
    assert_eq!(deal["CreatedDate"], "2026-05-16T12:00:00.000+0000");
}

#[test]
fn an_address_is_an_object_of_its_parts_or_null() {
    let small = small();
    let addresses = small.column("SELECT BillingAddress FROM Account ORDER BY Id");
    assert_eq!(
        addresses[0].to_string(),
        r#"{"city":"Berlin","country":null,"geocodeAccuracy":null,"latitude":null,"longitude":null,"postalCode":null,"state":null,"street":null}"#
    );
    assert!(addresses[1].is_null());
}

#[test]
fn fields_stand_for_all_that_there_are() {
    let small = small();
    let all = &small.records("SELECT FIELDS(ALL) FROM Account LIMIT 1")[0];
    assert_eq!(all["Name"], "Acme");
    assert_eq!(all["External_Id__c"], "a-1");
    let standard = &small.records("SELECT FIELDS(STANDARD) FROM Account")[0];
    assert!(standard.get("Name").is_some() && standard.get("External_Id__c").is_none());
    let custom = &small.records("SELECT Id, FIELDS(CUSTOM) FROM Account LIMIT 200")[0];
    assert_eq!(custom.as_object().unwrap().len(), 3);
    let pinned = format!(
        "SELECT FIELDS(ALL) FROM Account WHERE Id = '{}'",
        small.id("bolt")
    );
    assert_eq!(small.records(&pinned).len(), 1);
}

#[test]
fn fields_without_a_limit_repeated_or_empty_are_refused() {
    let small = small();
    let limit = (
        "MALFORMED_QUERY",
        "The SOQL FIELDS function must have a LIMIT of at most 200".to_owned(),
    );
    assert_eq!(small.complaint("SELECT FIELDS(ALL) FROM Account"), limit);
    assert_eq!(
        small.complaint("SELECT FIELDS(CUSTOM) FROM Account LIMIT 201"),
        limit
    );
    let fault = small.refused("SELECT Id, FIELDS(ALL) FROM Account LIMIT 200");
    assert_eq!(
        (fault.code, fault.message.as_str()),
        ("INVALID_FIELD", "duplicate field selected: Id")
    );
    let fault = small.refused("SELECT FIELDS(CUSTOM) FROM User LIMIT 200");
    assert_eq!(
        (fault.code, fault.message.as_str()),
        (
            "MALFORMED_QUERY",
            "'FIELDS(...)' expansion function must result in at least one field being selected."
        )
    );
}

#[test]
fn format_and_label_show_values_as_people_see_them() {
    let small = small();
    let deal = &small.records(
        "SELECT Amount, FORMAT(Amount) shown, FORMAT(CloseDate) day, toLabel(StageName), \
         convertCurrency(Amount) local FROM Opportunity WHERE Name = 'Big deal'",
    )[0];
    assert_eq!(deal["Amount"], 500.0);
    assert_eq!(deal["shown"], "$500.00");
    assert_eq!(deal["day"], "5/20/2026");
    assert_eq!(deal["StageName"], "Prospecting");
    assert_eq!(deal["local"], 500.0);
}

#[test]
fn an_alias_of_the_object_and_its_own_name_may_stand_before_fields() {
    let small = small();
    for text in [
        "SELECT a.Name, a.Parent.Name FROM Account a WHERE a.Parent.Name = 'Acme'",
        "SELECT Account.Name, Account.Parent.Name FROM Account WHERE Account.Parent.Name = 'Acme'",
        "SELECT a.Name, p.Name FROM Account a, a.Parent p WHERE p.Name = 'Acme'",
    ] {
        let record = &small.records(text)[0];
        assert_eq!(
            (&record["Name"], &record["Parent"]["Name"]),
            (&json!("Bolt"), &json!("Acme")),
            "{text}"
        );
    }
}

#[test]
fn count_answers_a_number_and_no_records() {
    let small = small();
    for (text, total) in [
        ("SELECT COUNT() FROM Contact", 3),
        ("SELECT COUNT() FROM Contact WHERE AccountId = null", 1),
        ("SELECT COUNT() FROM Contact LIMIT 2", 2),
    ] {
        assert_eq!(small.answer(text).unwrap().total(), total, "{text}");
        assert_eq!(small.json(text), "[]");
    }
}
