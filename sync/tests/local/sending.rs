//! What is sent, in which order, and what remains when it was.

use lockgate_sync::{SendOperation, SendOutcome, Settled, Settlement, Value, fields_to_json};

use crate::org::{Org, fields};
use crate::place::{KEYED, Place, on_every_database};

on_every_database!(
    what_was_done_to_a_row_in_many_steps_is_one_change,
    a_child_waits_for_the_id_of_its_parent_and_then_has_it,
    rows_that_wait_for_one_another_in_a_circle_go_all_the_same,
    only_what_was_sent_is_settled_and_not_what_was_changed_meanwhile,
    a_creation_whose_answer_was_lost_is_sent_again_with_its_key,
    a_row_deleted_while_its_creation_was_under_way_is_deleted_by_its_key,
    what_was_changed_and_changed_back_is_not_sent,
    what_was_changed_back_after_a_send_that_may_have_arrived_is_sent,
    deletions_go_last_and_children_before_parents,
    a_row_of_the_same_key_as_one_that_went_is_another_record,
    nothing_is_sent_without_a_reason,
);

async fn what_was_done_to_a_row_in_many_steps_is_one_change(place: Place) {
    let database = place.open(KEYED).await;
    place.sql("INSERT INTO contact (local_key, last_name) VALUES ('a', 'Doe'), ('b', 'Roe')");
    place.sql("UPDATE contact SET email = 'doe@example.com' WHERE local_key = 'a'");
    place.sql("DELETE FROM contact WHERE local_key = 'b'");
    let outgoing = database.outgoing(10).await.unwrap();
    let [change] = &outgoing.changes[..] else {
        panic!("{outgoing:?}");
    };
    assert_eq!(change.operation, SendOperation::Create);
    assert_eq!(
        fields_to_json(&change.fields),
        r#"{"Email":"doe@example.com","LastName":"Doe","Sync_Key__c":"a"}"#
    );
    assert_eq!(change.key, Some(("Sync_Key__c".into(), "a".into())));
}

async fn a_child_waits_for_the_id_of_its_parent_and_then_has_it(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    // The child first: what counts is who refers to whom.
    place.sql("INSERT INTO contact (local_key, last_name, account_id) VALUES ('c', 'Doe', 'a')");
    place.sql("INSERT INTO account (local_key, name) VALUES ('a', 'Acme')");
    let first = org.send(&database).await;
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].object, "Account");
    let id = place.one("SELECT id FROM account");
    assert_eq!(place.one("SELECT account_id FROM contact"), id);
    let second = org.send(&database).await;
    assert_eq!(second[0].fields["AccountId"], Value::text(&id));
    assert_eq!(org.send(&database).await, []);
    assert_eq!(database.status().await.unwrap().pending, 0);
}

async fn rows_that_wait_for_one_another_in_a_circle_go_all_the_same(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    place.sql(
        "INSERT INTO account (local_key, name, parent_id) \
         VALUES ('a', 'A', 'b'), ('b', 'B', 'a'), ('c', 'C', 'c')",
    );
    for _ in 0..3 {
        org.send(&database).await;
    }
    let ids = place.rows("SELECT local_key, id FROM account ORDER BY local_key");
    let id = |at: usize| Value::text(ids[at].split_once('|').unwrap().1);
    let parent = |at: usize| {
        let Value::Text(id) = id(at) else { panic!() };
        org.records[&("Account".to_owned(), id)]["ParentId"].clone()
    };
    assert_eq!([parent(0), parent(1), parent(2)], [id(1), id(0), id(2)]);
    assert_eq!(database.status().await.unwrap().pending, 0);
}

async fn only_what_was_sent_is_settled_and_not_what_was_changed_meanwhile(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    place.sql("INSERT INTO account (local_key, name, annual_revenue) VALUES ('a', 'Acme', 5)");
    let outgoing = database.outgoing(10).await.unwrap();
    place.sql("UPDATE account SET annual_revenue = 7 WHERE local_key = 'a'");
    let settlement = Settlement {
        send: outgoing.changes[0].send,
        outcome: org.receive(&outgoing.changes[0]),
    };
    database.settle(vec![settlement.clone()]).await.unwrap();
    let next = database.outgoing(10).await.unwrap();
    assert_eq!(next.changes[0].operation, SendOperation::Update);
    assert_eq!(
        fields_to_json(&next.changes[0].fields),
        r#"{"AnnualRevenue":7}"#
    );
    // A send is settled once.
    let again = database.settle(vec![settlement]).await.unwrap();
    assert_eq!((again.done, again.unknown), (0, 1));
}

async fn a_creation_whose_answer_was_lost_is_sent_again_with_its_key(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    place.sql("INSERT INTO account (name) VALUES ('Acme')");
    let outgoing = database.outgoing(10).await.unwrap();
    org.receive(&outgoing.changes[0]);
    drop(database);
    let database = place.open(KEYED).await;
    let sent = org.send(&database).await;
    assert_eq!(sent[0].key, outgoing.changes[0].key);
    assert_eq!(org.records.len(), 1);
    org.deliver(&database, 100).await;
    assert_eq!(org.send(&database).await, []);
    assert_eq!(place.rows("SELECT name FROM account"), ["Acme"]);

    // Or the event tells of it before anybody asks again.
    place.sql("INSERT INTO account (name) VALUES ('Globex')");
    let outgoing = database.outgoing(10).await.unwrap();
    org.receive(&outgoing.changes[0]);
    org.deliver(&database, 100).await;
    assert_eq!(org.send(&database).await, []);
    assert_eq!(
        place.one("SELECT count(*) FROM account WHERE id IS NOT NULL"),
        "2"
    );
    assert_eq!(org.records.len(), 2);
}

async fn a_row_deleted_while_its_creation_was_under_way_is_deleted_by_its_key(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    place.sql("INSERT INTO account (local_key, name) VALUES ('a', 'Acme')");
    let outgoing = database.outgoing(10).await.unwrap();
    org.receive(&outgoing.changes[0]);
    place.sql("DELETE FROM account");
    let sent = org.send(&database).await;
    assert_eq!(
        (sent[0].operation, &sent[0].org_id),
        (SendOperation::Delete, &None)
    );
    assert_eq!(org.records.len(), 0);
    org.deliver(&database, 100).await;
    assert_eq!(org.read_again(&database).await, 0);
    assert_eq!(place.one("SELECT count(*) FROM account"), "0");
    assert_eq!(org.send(&database).await, []);
}

async fn what_was_changed_and_changed_back_is_not_sent(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    org.create("Account", fields(&[("Name", "Acme")]), false);
    org.deliver(&database, 10).await;
    place.sql("UPDATE account SET name = 'Other'");
    place.sql("UPDATE account SET name = 'Acme'");
    assert_eq!(org.send(&database).await, []);
    assert_eq!(database.status().await.unwrap().pending, 0);
}

async fn what_was_changed_back_after_a_send_that_may_have_arrived_is_sent(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    let id = org.create("Account", fields(&[("Name", "Acme")]), false);
    org.deliver(&database, 10).await;
    place.sql("UPDATE account SET name = 'Other'");
    let outgoing = database.outgoing(10).await.unwrap();
    org.receive(&outgoing.changes[0]);
    place.sql("UPDATE account SET name = 'Acme'");
    assert_eq!(org.send(&database).await.len(), 1);
    let record = &org.records[&("Account".to_owned(), id)];
    assert_eq!(record["Name"], Value::text("Acme"));
    org.deliver(&database, 10).await;
    assert_eq!(place.rows("SELECT name FROM account"), ["Acme"]);
    assert_eq!(org.send(&database).await, []);
}

async fn deletions_go_last_and_children_before_parents(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    place.sql("INSERT INTO account (local_key, name) VALUES ('a', 'Acme')");
    org.send(&database).await;
    place.sql("INSERT INTO contact (last_name, account_id) SELECT 'Doe', id FROM account");
    org.send(&database).await;
    place
        .sql("DELETE FROM account; DELETE FROM contact; INSERT INTO account (name) VALUES ('New')");
    let sent = org.send(&database).await;
    let order: Vec<_> = sent
        .iter()
        .map(|change| (change.operation, change.object.as_str()))
        .collect();
    assert_eq!(
        order,
        [
            (SendOperation::Create, "Account"),
            (SendOperation::Delete, "Contact"),
            (SendOperation::Delete, "Account")
        ]
    );
    org.deliver(&database, 100).await;
    assert_eq!(org.send(&database).await, []);
    assert_eq!(place.rows("SELECT name FROM account"), ["New"]);
}

async fn a_row_of_the_same_key_as_one_that_went_is_another_record(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    place.sql("INSERT INTO account (local_key, name) VALUES ('a', 'Acme')");
    org.send(&database).await;
    place.sql("DELETE FROM account");
    org.send(&database).await;
    place.sql("INSERT INTO account (local_key, name) VALUES ('a', 'Anew')");
    let sent = org.send(&database).await;
    assert_eq!(sent[0].operation, SendOperation::Create);
    org.deliver(&database, 100).await;
    assert_eq!(place.rows("SELECT name FROM account"), ["Anew"]);
    assert_eq!(org.records.len(), 1);
}

async fn nothing_is_sent_without_a_reason(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    assert!(!database.has_outgoing().await.unwrap());
    place.sql("INSERT INTO account (name) VALUES ('Acme')");
    assert!(database.has_outgoing().await.unwrap());
    let outgoing = database.outgoing(10).await.unwrap();
    let settle = |outcome| {
        let send = outgoing.changes[0].send;
        database.settle(vec![Settlement { send, outcome }])
    };
    let settled = settle(SendOutcome::InDoubt).await.unwrap();
    assert_eq!(settled.later, 1);
    let settled = settle(SendOutcome::Later).await.unwrap();
    assert_eq!(
        settled,
        Settled {
            later: 1,
            ..Settled::default()
        }
    );
    assert_eq!(org.send(&database).await.len(), 1);
    for _ in 0..3 {
        org.deliver(&database, 100).await;
        assert_eq!(org.send(&database).await, []);
    }
    assert!(!database.has_outgoing().await.unwrap());
    assert_eq!(org.read_again(&database).await, 0);
    assert_eq!(org.received, 1);
}
