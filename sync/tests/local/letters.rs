//! Dead letters: what could not be, and how it goes again.

use lockgate_sync::{DatabaseError, Incoming, SendOutcome, Settlement};

use crate::org::{Org, batch, fields};
use crate::place::{KEYED, Place, on_every_database};

on_every_database!(
    what_the_org_refuses_is_a_letter_until_it_was_mended,
    what_the_org_could_never_take_is_not_sent,
    a_record_that_breaks_a_rule_of_the_table_does_not_stop_the_others,
    a_rule_that_is_checked_at_the_end_stops_no_batch_either,
    a_letter_that_does_not_exist_is_told,
);

async fn what_the_org_refuses_is_a_letter_until_it_was_mended(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    place.sql("INSERT INTO account (local_key, name) VALUES ('a', 'Acme')");
    for _ in 0..2 {
        let outgoing = database.outgoing(10).await.unwrap();
        let refused = Settlement {
            send: outgoing.changes[0].send,
            outcome: SendOutcome::Refused("REQUIRED_FIELD_MISSING".into()),
        };
        database.settle(vec![refused]).await.unwrap();
        assert_eq!(org.send(&database).await, []);
        let letters = database.letters(0, 10).await.unwrap();
        assert_eq!(letters.len(), 1);
        assert_eq!(letters[0].reason, "REQUIRED_FIELD_MISSING");
        assert_eq!(letters[0].content, r#"{"Name":"Acme"}"#);
        database.send_again(letters[0].number).await.unwrap();
    }
    assert_eq!(org.send(&database).await.len(), 1);

    // Or somebody mends the row, and that is enough.
    place.sql("UPDATE account SET annual_revenue = 1");
    let outgoing = database.outgoing(10).await.unwrap();
    let refused = Settlement {
        send: outgoing.changes[0].send,
        outcome: SendOutcome::Refused("no".into()),
    };
    database.settle(vec![refused]).await.unwrap();
    place.sql("UPDATE account SET name = 'Other'");
    let sent = org.send(&database).await;
    assert_eq!(sent[0].fields.len(), 2, "with what was refused before");
    assert_eq!(database.letters(0, 10).await.unwrap(), []);
}

async fn what_the_org_could_never_take_is_not_sent(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    place.sql("INSERT INTO contact (last_name, account_id) VALUES ('Doe', 'nobody')");
    let outgoing = database.outgoing(10).await.unwrap();
    assert_eq!((outgoing.changes.len(), outgoing.refused), (0, 1));
    let letters = database.letters(0, 10).await.unwrap();
    assert_eq!(
        letters[0].reason,
        "Contact.AccountId: `nobody` is neither an id of the org nor the key of a row of Account"
    );
    place.sql("UPDATE contact SET account_id = NULL");
    assert_eq!(org.send(&database).await.len(), 1);
}

async fn a_record_that_breaks_a_rule_of_the_table_does_not_stop_the_others(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    place.sql("CREATE UNIQUE INDEX one_name ON account (name)");
    for name in ["A", "A", "B"] {
        org.create("Account", fields(&[("Name", name)]), false);
    }
    org.deliver(&database, 10).await;
    assert_eq!(
        place.rows("SELECT name FROM account ORDER BY name"),
        ["A", "B"]
    );
    assert_eq!(database.checkpoint("events").await.unwrap().unwrap(), b"3");
    let letters = database.letters(0, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert!(
        letters[0]
            .reason
            .starts_with("the database refused the row"),
        "{letters:?}"
    );
    // Once the rule is gone it is read again.
    place.sql("DROP INDEX one_name");
    database.send_again(letters[0].number).await.unwrap();
    assert_eq!(org.read_again(&database).await, 1);
    assert_eq!(place.one("SELECT count(*) FROM account"), "3");
}

async fn a_rule_that_is_checked_at_the_end_stops_no_batch_either(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    place.sql(place.either(
        // SQLite checks foreign keys only for those who ask for it.
        "SELECT 1",
        "ALTER TABLE contact ADD CONSTRAINT has_account FOREIGN KEY (account_id) \
         REFERENCES account (id) DEFERRABLE INITIALLY DEFERRED",
    ));
    let lost = fields(&[("LastName", "Doe"), ("AccountId", "001000000000000000")]);
    org.create("Contact", lost, false);
    org.create("Account", fields(&[("Name", "Acme")]), false);
    org.deliver(&database, 10).await;
    assert_eq!(place.rows("SELECT name FROM account"), ["Acme"]);
    let letters = database.letters(0, 10).await.unwrap();
    assert_eq!(letters.len(), place.either(0, 1), "{letters:?}");
}

async fn a_letter_that_does_not_exist_is_told(place: Place) {
    let database = place.open(KEYED).await;
    for result in [database.send_again(7).await, database.throw_away(7).await] {
        let error = result.unwrap_err();
        assert!(
            matches!(error, DatabaseError::NoSuch { number: 7, .. }),
            "{error}"
        );
    }
    let rejected = lockgate_sync::Rejected {
        object: "Account".into(),
        org_id: None,
        reason: "the plugin said no".into(),
        fields: fields(&[("Name", "x")]),
        ticket: None,
    };
    database
        .apply(batch(Incoming::Rejected(rejected)))
        .await
        .unwrap();
    let number = database.letters(0, 10).await.unwrap()[0].number;
    let error = database.send_again(number).await.unwrap_err();
    assert!(
        error.to_string().contains("neither a row nor a record"),
        "{error}"
    );
    database.throw_away(number).await.unwrap();
    assert_eq!(database.letters(0, 10).await.unwrap(), []);
}
