//! Parents, polymorphic parents, TYPEOF and children.

use serde_json::json;

use super::small;

#[test]
fn a_parent_is_a_record_within_the_record() {
    let small = small();
    let (ada, acme) = (small.id("ada"), small.id("acme"));
    assert_eq!(
        small.json("SELECT Account.Name, Id, account.owner.lastname, Account.Id FROM Contact WHERE Email = 'ada@example.com'"),
        format!(
            r#"[{{"attributes":{{"type":"Contact","url":"/services/data/v60.0/sobjects/Contact/{ada}"}},"Account":{{"attributes":{{"type":"Account","url":"/services/data/v60.0/sobjects/Account/{acme}"}},"Name":"Acme","Owner":{{"attributes":{{"type":"User","url":"/services/data/v60.0/sobjects/User/{owner}"}},"LastName":"{last}"}},"Id":"{acme}"}},"Id":"{ada}"}}]"#,
            owner = small.who.id,
            last = small.who.name.split(' ').next_back().unwrap(),
        )
    );
}

#[test]
fn a_missing_parent_is_null_all_the_way() {
    let small = small();
    let cy = &small.records("SELECT Account.Owner.Name FROM Contact WHERE LastName = 'Young'")[0];
    assert!(cy["Account"].is_null());
    assert_eq!(small.accounts("Parent.Parent.Name = 'Acme'"), ["cargo"]);
    assert_eq!(small.accounts("Parent.Name != 'Acme'"), ["Acme", "cargo"]);
}

#[test]
fn a_custom_relationship_is_followed_both_ways() {
    let small = small();
    let names = small.records("SELECT Account__r.Name FROM Invoice__c LIMIT 1");
    assert_eq!(names[0]["Account__r"]["Name"], "Acme");
    let acme = &small.records(
        "SELECT (SELECT Amount__c FROM Invoices__r WHERE Amount__c > 10 ORDER BY Amount__c DESC LIMIT 1) FROM Account WHERE Name = 'Acme'",
    )[0];
    assert_eq!(acme["Invoices__r"]["totalSize"], 1);
    assert_eq!(acme["Invoices__r"]["records"][0]["Amount__c"], 30.0);
}

#[test]
fn a_polymorphic_parent_has_the_fields_of_a_name() {
    let small = small();
    let tasks = small.records(
        "SELECT Subject, Who.Name, Who.Type, What.Name, What.Type, What.Id FROM Task ORDER BY Id",
    );
    let ada = small.id("ada");
    assert_eq!(
        tasks[0]["Who"],
        json!({
            "attributes": {"type": "Name", "url": format!("/services/data/v60.0/sobjects/Contact/{ada}")},
            "Name": "Ada Lovelace", "Type": "Contact",
        })
    );
    assert_eq!(tasks[1]["What"]["Type"], "Opportunity");
    assert_eq!(tasks[1]["What"]["Name"], "Big deal");
    assert!(tasks[1]["Who"].is_null() && tasks[2]["What"].is_null());
    let about_deals = small.column("SELECT Subject FROM Task WHERE What.Type = 'Opportunity'");
    assert_eq!(about_deals, ["Email"]);
    assert_eq!(
        small.column("SELECT Subject FROM Task WHERE Who.Name LIKE 'ada%'"),
        ["Call"]
    );
}

#[test]
fn typeof_takes_other_fields_from_other_objects() {
    let small = small();
    let tasks = small.records(
        "SELECT TYPEOF What WHEN Account THEN NumberOfEmployees, Owner.Name ELSE Name END FROM Task ORDER BY Id",
    );
    assert_eq!(tasks[0]["What"]["attributes"]["type"], "Account");
    assert_eq!(tasks[0]["What"]["NumberOfEmployees"], 100);
    assert_eq!(tasks[0]["What"]["Owner"]["Name"], small.who.name.as_str());
    assert_eq!(tasks[1]["What"]["Name"], "Big deal");
    assert!(tasks[2]["What"].is_null());
}

#[test]
fn children_are_an_answer_within_the_record_or_null() {
    let small = small();
    let accounts =
        small.records("SELECT Name, (SELECT Id, LastName FROM Contacts) FROM Account ORDER BY Id");
    let people = &accounts[0]["Contacts"];
    assert_eq!(people["totalSize"], 2);
    assert_eq!(people["done"], true);
    assert_eq!(people["records"][0]["attributes"]["type"], "Contact");
    assert_eq!(people["records"][1]["LastName"], "Stone");
    assert!(accounts[1]["Contacts"].is_null());
}

#[test]
fn the_parents_name_may_stand_before_the_child_relationship() {
    let small = small();
    let accounts = small.records("SELECT (SELECT Id FROM Account.Contacts) FROM Account LIMIT 1");
    assert_eq!(accounts[0]["Contacts"]["totalSize"], 2);
    let accounts =
        small.records("SELECT (SELECT Id, Account.Name FROM a.Contacts) FROM Account a LIMIT 1");
    assert_eq!(
        accounts[0]["Contacts"]["records"][0]["Account"]["Name"],
        "Acme"
    );
}

#[test]
fn children_of_children_nest() {
    let small = small();
    let accounts = small.records(
        "SELECT (SELECT Name, (SELECT Subject FROM Tasks) FROM Contacts) FROM Account LIMIT 1",
    );
    let ada = &accounts[0]["Contacts"]["records"][0];
    assert_eq!(ada["Tasks"]["records"][0]["Subject"], "Call");
}
