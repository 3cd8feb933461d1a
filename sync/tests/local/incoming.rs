//! What comes from the org: once, whole, and never mistaken for something new.

use lockgate_sync::{
    Batch, ChangeKind, Gone, Incoming, Progress, Record, Rejected, Settlement, Stale, Value,
};

use crate::org::{Org, batch, fields};
use crate::place::{KEYED, Place, on_every_database};

on_every_database!(
    a_batch_that_comes_twice_is_applied_once_and_its_checkpoint_is_kept_with_it,
    an_echo_changes_nothing_and_what_a_flow_changed_besides_is_taken,
    a_late_echo_does_not_undo_what_was_written_after_it,
    an_echo_is_no_conflict_with_what_was_written_since_it_was_sent,
    an_echo_that_never_comes_does_not_hide_later_changes,
    a_record_that_is_not_known_is_read_rather_than_guessed,
    an_old_reading_does_not_undo_a_newer_event,
    what_is_kept_against_late_events_goes_after_a_week,
    a_reading_from_before_a_write_does_not_undo_it,
    what_is_deleted_stays_so_whatever_comes_late_until_it_is_undeleted,
    a_record_that_could_not_be_seen_is_there_again_when_it_changes,
    an_object_that_must_be_read_anew_stays_marked_until_it_was,
    an_event_before_the_answer_to_a_creation_makes_no_second_row,
    the_progress_of_a_load_is_kept_with_its_records,
    records_that_are_known_are_listed_in_the_order_of_their_ids,
);

async fn a_batch_that_comes_twice_is_applied_once_and_its_checkpoint_is_kept_with_it(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    let id = org.create("Account", fields(&[("Name", "Acme")]), false);
    org.deliver(&database, 10).await;
    assert_eq!(database.checkpoint("events").await.unwrap().unwrap(), b"1");
    org.update("Account", &id, fields(&[("Name", "B")]), false);
    org.update("Account", &id, fields(&[("Name", "C")]), false);
    org.deliver(&database, 10).await;
    org.delivered = 0;
    org.deliver(&database, 2).await;
    assert_eq!(place.rows("SELECT name FROM account"), ["C"]);
    assert_eq!(database.checkpoint("events").await.unwrap().unwrap(), b"2");
    assert_eq!(database.checkpoint("other").await.unwrap(), None);
}

async fn an_echo_changes_nothing_and_what_a_flow_changed_besides_is_taken(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    org.flow = Some(("FirstName", "Flow"));
    place.sql("INSERT INTO contact (last_name) VALUES ('Doe')");
    org.send(&database).await;
    org.deliver(&database, 10).await;
    assert_eq!(
        place.rows("SELECT first_name, last_name FROM contact"),
        ["Flow|Doe"]
    );
    // It rewrites what is sent as well.
    place.sql("UPDATE contact SET first_name = 'Jane', last_name = 'Roe'");
    org.send(&database).await;
    org.deliver(&database, 10).await;
    assert_eq!(
        place.rows("SELECT first_name, last_name FROM contact"),
        ["Flow|Roe"]
    );
    assert_eq!(org.send(&database).await, []);
    assert_eq!(org.read_again(&database).await, 0);
    let status = database.status().await.unwrap();
    assert_eq!((status.decided, status.undecided), (0, 0));
}

async fn a_late_echo_does_not_undo_what_was_written_after_it(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    place.sql("INSERT INTO account (local_key, name) VALUES ('a', 'one')");
    org.send(&database).await;
    for name in ["two", "three"] {
        place.sql(&format!("UPDATE account SET name = '{name}'"));
        org.send(&database).await;
    }
    for _ in 0..3 {
        org.deliver(&database, 1).await;
        assert_eq!(place.rows("SELECT name FROM account"), ["three"]);
    }
    assert_eq!(org.send(&database).await, []);
    assert_eq!(org.read_again(&database).await, 0);
}

async fn an_echo_is_no_conflict_with_what_was_written_since_it_was_sent(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    place.sql("INSERT INTO account (local_key, name) VALUES ('a', 'one')");
    // Sent, and written to again before anybody answers.
    let outgoing = database.outgoing(10).await.unwrap();
    let outcome = org.receive(&outgoing.changes[0]);
    place.sql("UPDATE account SET name = 'two'");
    org.deliver(&database, 10).await;
    let send = outgoing.changes[0].send;
    database
        .settle(vec![Settlement { send, outcome }])
        .await
        .unwrap();
    assert_eq!(place.rows("SELECT name FROM account"), ["two"]);
    // Or nobody answers at all, and it is asked for again.
    let outgoing = database.outgoing(10).await.unwrap();
    org.receive(&outgoing.changes[0]);
    place.sql("UPDATE account SET name = 'three'");
    org.send(&database).await;
    org.deliver(&database, 1).await;
    place.sql("UPDATE account SET name = 'four'");
    org.deliver(&database, 1).await;
    assert_eq!(place.rows("SELECT name FROM account"), ["four"]);
    assert_eq!(org.send(&database).await.len(), 1);
    org.deliver(&database, 10).await;
    org.read_again(&database).await;
    assert_eq!(org.send(&database).await, []);
    assert_eq!(place.rows("SELECT name FROM account"), ["four"]);
    assert_eq!(database.conflicts(0, 10).await.unwrap(), []);
}

async fn an_echo_that_never_comes_does_not_hide_later_changes(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    place.sql("INSERT INTO account (local_key, name) VALUES ('a', 'one')");
    org.send(&database).await;
    org.delivered = 1;
    let id = place.one("SELECT id FROM account");
    org.update("Account", &id, fields(&[("Name", "theirs")]), false);
    org.deliver(&database, 10).await;
    // It may be from before what was sent. The org knows.
    assert_eq!(org.read_again(&database).await, 1);
    assert_eq!(place.rows("SELECT name FROM account"), ["theirs"]);
    org.update("Account", &id, fields(&[("Name", "again")]), false);
    org.deliver(&database, 10).await;
    assert_eq!(place.rows("SELECT name FROM account"), ["again"]);
    assert_eq!(org.read_again(&database).await, 0);
}

async fn a_record_that_is_not_known_is_read_rather_than_guessed(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    let id = org.create("Account", fields(&[("Name", "Acme")]), false);
    org.update("Account", &id, fields(&[("AnnualRevenue", "5")]), false);
    org.delivered = 1;
    org.deliver(&database, 10).await;
    assert_eq!(place.one("SELECT count(*) FROM account"), "0");
    let unread = database.unread(10).await.unwrap();
    assert_eq!(unread[0].org_id.as_ref(), Some(&id));
    // Something happens after it was asked for: that reading does not answer it.
    org.update("Account", &id, fields(&[("Name", "B")]), false);
    let old = org.read("Account", &id, Some(unread[0].ticket));
    org.update("Account", "none", fields(&[]), false);
    let stale = Stale {
        id: "gap".into(),
        object: "Account".into(),
        record_ids: vec![id.clone()],
        committed_ms: 1_700_000_009_000,
    };
    database.apply(batch(Incoming::Stale(stale))).await.unwrap();
    database.apply(batch(old)).await.unwrap();
    assert_eq!(org.read_again(&database).await, 1);
    assert_eq!(org.read_again(&database).await, 0);
    assert_eq!(
        place.rows("SELECT name, id FROM account"),
        [format!("B|{id}")]
    );
}

async fn an_old_reading_does_not_undo_a_newer_event(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    let id = org.create("Account", fields(&[("Name", "old")]), false);
    let old = org.read("Account", &id, None);
    org.update("Account", &id, fields(&[("Name", "new")]), false);
    org.deliver(&database, 10).await;
    database.apply(batch(old.clone())).await.unwrap();
    assert_eq!(place.rows("SELECT name FROM account"), ["new"]);

    org.delete("Account", &id, false);
    org.deliver(&database, 10).await;
    database.apply(batch(old)).await.unwrap();
    assert_eq!(place.one("SELECT count(*) FROM account"), "0");
}

async fn what_is_kept_against_late_events_goes_after_a_week(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    place.sql("INSERT INTO account (name) VALUES ('Acme')");
    org.send(&database).await;
    let other = org.create("Account", fields(&[("Name", "B")]), false);
    org.delete("Account", &other, false);
    org.delivered = 1;
    org.deliver(&database, 10).await;
    let kept = |place: &Place| {
        ["inbox", "sent", "rows WHERE gone_ms IS NOT NULL"]
            .map(|table| place.one(&format!("SELECT count(*) FROM lockgate_{table}")))
    };
    assert_eq!(kept(&place), ["2", "1", "1"]);
    let week = 7 * 24 * 60 * 60 * 1000 + 1_000;
    place.sql(&format!(
        "UPDATE lockgate_inbox SET seen_ms = seen_ms - {week}"
    ));
    place.sql(&format!(
        "UPDATE lockgate_sent SET sent_ms = sent_ms - {week}"
    ));
    place.sql(&format!(
        "UPDATE lockgate_rows SET gone_seen_ms = gone_seen_ms - {week}"
    ));
    org.deliver(&database, 10).await;
    assert_eq!(kept(&place), ["0", "0", "0"]);
    assert_eq!(place.one("SELECT count(*) FROM account"), "1");
}

async fn a_reading_from_before_a_write_does_not_undo_it(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    let id = org.create("Account", fields(&[("Name", "old")]), false);
    org.deliver(&database, 10).await;
    let old = org.read("Account", &id, None);
    place.sql("UPDATE account SET name = 'ours'");
    org.send(&database).await;
    database.apply(batch(old)).await.unwrap();
    assert_eq!(place.rows("SELECT name FROM account"), ["ours"]);
    org.deliver(&database, 10).await;
    org.read_again(&database).await;
    assert_eq!(place.rows("SELECT name FROM account"), ["ours"]);
    assert_eq!(org.send(&database).await, []);
}

async fn what_is_deleted_stays_so_whatever_comes_late_until_it_is_undeleted(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    place.sql("INSERT INTO account (local_key, name) VALUES ('a', 'Acme')");
    org.send(&database).await;
    let id = place.one("SELECT id FROM account");
    place.sql("UPDATE account SET name = 'B'");
    org.send(&database).await;
    place.sql("DELETE FROM account");
    org.send(&database).await;
    for _ in 0..3 {
        org.deliver(&database, 1).await;
        assert_eq!(place.one("SELECT count(*) FROM account"), "0");
    }
    assert_eq!(org.read_again(&database).await, 0);
    org.create("Account", fields(&[("Name", "back")]), false);
    let mut back = org.events.pop().unwrap();
    (back.kind, back.record_ids) = (ChangeKind::Undeleted, vec![id.clone()]);
    database.apply(batch(Incoming::Change(back))).await.unwrap();
    assert_eq!(
        place.rows("SELECT local_key, id, name FROM account"),
        [format!("a|{id}|back")]
    );
    assert_eq!(org.send(&database).await, []);
}

async fn a_record_that_could_not_be_seen_is_there_again_when_it_changes(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    let id = org.create("Account", fields(&[("Name", "Acme")]), false);
    org.deliver(&database, 10).await;
    // A reconciliation does not find it: somebody has taken it from the user.
    let gone = Gone {
        object: "Account".into(),
        org_id: id.clone(),
        ticket: None,
    };
    let done = database.apply(batch(Incoming::Gone(gone))).await.unwrap();
    assert_eq!(done.deleted, 1);
    assert_eq!(place.one("SELECT count(*) FROM account"), "0");
    assert_eq!(org.send(&database).await, []);
    org.update("Account", &id, fields(&[("AnnualRevenue", "5")]), false);
    org.deliver(&database, 10).await;
    assert_eq!(org.read_again(&database).await, 1);
    assert_eq!(
        place.rows("SELECT name, annual_revenue FROM account"),
        ["Acme|5"]
    );
}

async fn an_object_that_must_be_read_anew_stays_marked_until_it_was(place: Place) {
    let database = place.open(KEYED).await;
    let mut stale = Stale {
        id: "overflow".into(),
        object: "Account".into(),
        record_ids: Vec::new(),
        committed_ms: 5,
    };
    let item = Incoming::Stale(stale.clone());
    database.apply(batch(item.clone())).await.unwrap();
    assert_eq!(database.apply(batch(item)).await.unwrap().repeated, 1);
    let first = database.unread(10).await.unwrap();
    assert_eq!((first.len(), &first[0].org_id), (1, &None));
    stale.id = "another".into();
    database.apply(batch(Incoming::Stale(stale))).await.unwrap();
    database
        .object_was_read("Account", first[0].ticket)
        .await
        .unwrap();
    let second = database.unread(10).await.unwrap();
    assert_eq!(second.len(), 1);
    database
        .object_was_read("Account", second[0].ticket)
        .await
        .unwrap();
    assert_eq!(database.unread(10).await.unwrap(), []);
}

async fn an_event_before_the_answer_to_a_creation_makes_no_second_row(place: Place) {
    // With a key field, and without one.
    for (mapping, table) in [(KEYED, "account"), ("", "contact")] {
        let (database, mut org) = (place.open(mapping).await, Org::default());
        let column = if table == "account" {
            "name"
        } else {
            "last_name"
        };
        if mapping.is_empty() {
            place.sql("DELETE FROM account");
        }
        place.sql(&format!("INSERT INTO {table} ({column}) VALUES ('Acme')"));
        let outgoing = database.outgoing(10).await.unwrap();
        let mine = outgoing
            .changes
            .iter()
            .find(|change| change.org_id.is_none());
        let mine = mine.unwrap();
        let outcome = org.receive(mine);
        org.deliver(&database, 10).await;
        let send = mine.send;
        database
            .settle(vec![Settlement { send, outcome }])
            .await
            .unwrap();
        assert_eq!(
            place.rows(&format!("SELECT {column} FROM {table}")),
            ["Acme"]
        );
        assert_ne!(place.one(&format!("SELECT id FROM {table}")), "-");
        database.forget().await.unwrap();
        place.sql("DROP TABLE contact; DROP TABLE account");
    }
}

async fn the_progress_of_a_load_is_kept_with_its_records(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    assert_eq!(database.progress("Account").await.unwrap(), None);
    let id = org.create("Account", fields(&[("Name", "Acme")]), false);
    let progress = Progress::Loading {
        place: "job 7, row 1".into(),
        records: 1,
    };
    let loaded = Batch {
        items: vec![org.read("Account", &id, None)],
        progress: Some(("Account".into(), progress.clone())),
        ..Batch::default()
    };
    assert_eq!(database.apply(loaded).await.unwrap().inserted, 1);
    assert_eq!(
        database.progress("Account").await.unwrap(),
        Some(progress.clone())
    );
    let status = database.status().await.unwrap();
    assert_eq!(status.objects["Account"].progress, Some(progress));
    assert_eq!(status.objects["Account"].rows, 1);
    // A record without an id is told, and does not stop the others.
    let nameless = Record {
        object: "Account".into(),
        fields: fields(&[("Name", "?")]),
        ticket: None,
    };
    let rejected = Rejected {
        object: "Account".into(),
        org_id: Some("1".into()),
        reason: "no".into(),
        fields: fields(&[]),
        ticket: None,
    };
    let items = vec![Incoming::Record(nameless), Incoming::Rejected(rejected)];
    let done = database
        .apply(Batch {
            items,
            ..Batch::default()
        })
        .await
        .unwrap();
    assert_eq!(done.rejected, 2);
}

async fn records_that_are_known_are_listed_in_the_order_of_their_ids(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    for name in ["b", "A", "a", "B"] {
        let mut event = {
            org.create("Account", fields(&[("Name", name)]), false);
            org.events.pop().unwrap()
        };
        (event.id, event.record_ids) = (name.into(), vec![name.into()]);
        database
            .apply(batch(Incoming::Change(event)))
            .await
            .unwrap();
    }
    let page = database.known_records("Account", "", 3).await.unwrap();
    let ids: Vec<_> = page.iter().map(|record| record.org_id.as_str()).collect();
    assert_eq!(ids, ["A", "B", "a"]);
    assert_eq!(page[0].stamp_ms, 1_700_000_000_000);
    let rest = database.known_records("Account", "a", 3).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!(Value::text("b"), Value::text(&rest[0].org_id));
}
