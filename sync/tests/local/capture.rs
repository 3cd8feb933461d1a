//! What other programs do to the tables: captured, or refused with a sentence.

use crate::org::{Org, fields};
use crate::place::{KEYED, Place, on_every_database};

on_every_database!(
    changes_are_captured_in_the_order_of_their_transaction_and_not_if_it_is_undone,
    an_update_says_which_fields_changed_and_one_that_changes_nothing_is_none,
    what_the_sync_writes_is_not_captured_and_what_others_write_is,
    what_the_org_tells_cannot_be_written_and_the_refusal_names_the_column,
    values_that_are_fixed_on_creation_can_be_changed_until_then,
    a_table_of_the_direction_in_takes_no_writes,
    values_of_every_kind_go_out_and_come_back_as_they_were,
);

async fn changes_are_captured_in_the_order_of_their_transaction_and_not_if_it_is_undone(
    place: Place,
) {
    let _database = place.open(KEYED).await;
    place.sql(
        "BEGIN; INSERT INTO account (local_key, name) VALUES ('a', 'A'); \
         INSERT INTO contact (local_key, last_name) VALUES ('c', 'C'); \
         UPDATE account SET name = 'AA' WHERE local_key = 'a'; \
         DELETE FROM contact WHERE local_key = 'c'; COMMIT",
    );
    place.sql("BEGIN; INSERT INTO account (name) VALUES ('never'); ROLLBACK");
    assert_eq!(
        place.rows("SELECT object, local_key, op FROM lockgate_outbox ORDER BY seq"),
        [
            "Account|a|insert",
            "Contact|c|insert",
            "Account|a|update",
            "Contact|c|delete"
        ]
    );
}

async fn an_update_says_which_fields_changed_and_one_that_changes_nothing_is_none(place: Place) {
    let _database = place.open(KEYED).await;
    place.sql("INSERT INTO contact (local_key, last_name) VALUES ('c', 'Doe')");
    place.sql("UPDATE contact SET last_name = 'Doe', email = NULL");
    place.sql("UPDATE contact SET last_name = 'Roe', email = 'x', first_name = NULL");
    assert_eq!(
        place.rows("SELECT op, fields FROM lockgate_outbox ORDER BY seq"),
        ["insert|", "update|LastName,Email,"]
    );
    let captured: i64 = place
        .one("SELECT max(captured_ms) FROM lockgate_outbox")
        .parse()
        .unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let apart = i64::try_from(now.unwrap().as_millis()).unwrap() - captured;
    assert!((0..600_000).contains(&apart), "{apart} ms ago");
}

async fn what_the_sync_writes_is_not_captured_and_what_others_write_is(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    let id = org.create("Account", fields(&[("Name", "Acme")]), false);
    org.deliver(&database, 10).await;
    org.update("Account", &id, fields(&[("Name", "Acme Ltd")]), false);
    org.deliver(&database, 10).await;
    assert_eq!(place.rows("SELECT name FROM account"), ["Acme Ltd"]);
    assert_eq!(place.one("SELECT count(*) FROM lockgate_outbox"), "0");
    place.sql("UPDATE account SET name = 'Other'");
    assert_eq!(place.one("SELECT count(*) FROM lockgate_outbox"), "1");
    assert_eq!(place.one("SELECT id FROM account"), id);
}

async fn what_the_org_tells_cannot_be_written_and_the_refusal_names_the_column(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    org.create("Account", fields(&[("Name", "Acme")]), false);
    org.deliver(&database, 10).await;
    for (sql, told) in [
        (
            "UPDATE account SET system_modstamp = '2030-01-01T00:00:00Z'",
            "account.system_modstamp (Account.SystemModstamp) is told by the org",
        ),
        (
            "INSERT INTO account (name, system_modstamp) VALUES ('x', '2030-01-01T00:00:00Z')",
            "account.system_modstamp is told by the org",
        ),
        (
            "INSERT INTO account (name, id) VALUES ('x', '001')",
            "account.id is the id in the org",
        ),
        (
            "UPDATE account SET id = NULL",
            "account.id is the id in the org",
        ),
        (
            "UPDATE account SET local_key = 'x'",
            "account.local_key is what the row is known by",
        ),
    ] {
        let error = place.try_sql(sql).unwrap_err();
        assert!(error.contains(told), "{sql}: {error}");
    }
    // A program that writes whole rows as it has read them is not in the wrong.
    place.sql("UPDATE account SET name = 'Other', id = id, system_modstamp = system_modstamp");
}

async fn values_that_are_fixed_on_creation_can_be_changed_until_then(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    place.sql("INSERT INTO account (local_key, name, currency) VALUES ('a', 'Acme', 'EUR')");
    place.sql("UPDATE account SET currency = 'CHF'");
    let outgoing = database.outgoing(10).await.unwrap();
    // In the moment between sending and the answer nobody can tell; it is undone.
    place.sql("UPDATE account SET currency = 'USD'");
    let settlement = lockgate_sync::Settlement {
        send: outgoing.changes[0].send,
        outcome: org.receive(&outgoing.changes[0]),
    };
    database.settle(vec![settlement]).await.unwrap();
    assert_eq!(place.one("SELECT currency FROM account"), "CHF");
    let error = place
        .try_sql("UPDATE account SET currency = 'USD'")
        .unwrap_err();
    assert!(
        error.contains("cannot be changed once the record is in the org"),
        "{error}"
    );
    assert_eq!(org.send(&database).await, []);
}

async fn a_table_of_the_direction_in_takes_no_writes(place: Place) {
    let mapping = "[objects.Account]\ndirection = \"in\"";
    let (database, mut org) = (place.open(mapping).await, Org::default());
    org.create("Account", fields(&[("Name", "Acme")]), false);
    org.deliver(&database, 10).await;
    for sql in [
        "INSERT INTO account (name) VALUES ('x')",
        "UPDATE account SET name = 'x'",
        "DELETE FROM account",
    ] {
        let error = place.try_sql(sql).unwrap_err();
        assert!(error.contains("its direction is `in`"), "{sql}: {error}");
    }
    assert_eq!(place.rows("SELECT name FROM account"), ["Acme"]);
}

async fn values_of_every_kind_go_out_and_come_back_as_they_were(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    place.sql(
        "INSERT INTO contact (local_key, last_name, birthdate, do_not_call, score) \
         VALUES ('a', 'Doe', '2000-02-29', TRUE, 0.1), ('b', 'ß''\"', NULL, FALSE, 12.50)",
    );
    place.sql(
        "INSERT INTO account (local_key, name, founded) VALUES ('x', 'A', '2030-01-31 23:59:59')",
    );
    place.sql("UPDATE account SET annual_revenue = '1234567890123456.78'");
    let sent = org.send(&database).await;
    let json: Vec<_> = sent
        .iter()
        .map(|change| lockgate_sync::fields_to_json(&change.fields))
        .collect();
    assert_eq!(
        json,
        [
            r#"{"AnnualRevenue":1234567890123456.78,"Founded__c":"2030-01-31T23:59:59.000Z","Name":"A","Sync_Key__c":"x"}"#,
            r#"{"Birthdate":"2000-02-29","DoNotCall":true,"LastName":"Doe","Score__c":0.1,"Sync_Key__c":"a"}"#,
            r#"{"DoNotCall":false,"LastName":"ß'\"","Score__c":12.5,"Sync_Key__c":"b"}"#,
        ]
    );
    org.deliver(&database, 100).await;
    assert_eq!(org.send(&database).await, []);
    assert_eq!(place.one("SELECT count(*) FROM lockgate_conflicts"), "0");
    // As a query of the org gives them.
    let id = org.create(
        "Account",
        fields(&[("Name", "B"), ("AnnualRevenue", "99999999999999.99")]),
        false,
    );
    org.update(
        "Account",
        &id,
        fields(&[("Founded__c", "2030-01-31T23:59:59.120+0000")]),
        false,
    );
    org.deliver(&database, 100).await;
    place.sql("UPDATE account SET name = 'C' WHERE name = 'B'");
    let sent = org.send(&database).await;
    assert_eq!(
        lockgate_sync::fields_to_json(&sent[0].fields),
        r#"{"Name":"C"}"#
    );
    assert_eq!(
        place.one("SELECT count(*) FROM account WHERE annual_revenue > 99999999999999"),
        "2"
    );
}
