//! Both sides change the same: who wins, and what is kept of it.

use lockgate_sync::{Database, DatabaseError, Resolution, Value, fields_to_json};

use crate::org::{Org, fields};
use crate::place::{Place, on_every_database};

on_every_database!(
    a_policy_decides_the_fields_that_both_changed_and_no_others,
    the_newest_wins_where_it_should,
    a_conflict_that_a_plugin_decides_waits_and_is_not_sent,
    a_conflict_is_resolved_by_hand_for_either_side_or_a_value,
    equal_values_are_no_conflict,
    a_record_that_was_changed_here_and_deleted_there_is_decided_by_policy,
    a_record_that_was_deleted_here_and_changed_there_is_decided_by_policy,
);

fn policy(word: &str) -> String {
    format!(
        "[objects.Contact]\nkey_field = \"Sync_Key__c\"\n[objects.Account]\npolicy = \"{word}\"\n\
         key_field = \"Sync_Key__c\"\n[objects.Account.fields.AnnualRevenue]\npolicy = \"org\"\n"
    )
}

/// An account whose name both sides have changed; besides, its revenue here.
async fn conflict(place: &Place, word: &str) -> (Database, Org, String) {
    let (database, mut org) = (place.open(&policy(word)).await, Org::default());
    let id = org.create("Account", fields(&[("Name", "base")]), false);
    org.deliver(&database, 10).await;
    place.sql("UPDATE account SET name = 'ours', annual_revenue = 5");
    org.update("Account", &id, fields(&[("Name", "theirs")]), false);
    org.deliver(&database, 10).await;
    (database, org, id)
}

fn name(org: &Org, id: &str) -> Value {
    org.records[&("Account".to_owned(), id.to_owned())]["Name"].clone()
}

async fn a_policy_decides_the_fields_that_both_changed_and_no_others(place: Place) {
    for (word, row, sent) in [
        ("org", "theirs|5", r#"{"AnnualRevenue":5}"#),
        ("local", "ours|5", r#"{"AnnualRevenue":5,"Name":"ours"}"#),
    ] {
        let (database, mut org, _) = conflict(&place, word).await;
        assert_eq!(
            place.rows("SELECT name, annual_revenue FROM account"),
            [row]
        );
        let changes = org.send(&database).await;
        assert_eq!(fields_to_json(&changes[0].fields), sent);
        let conflicts = database.conflicts(0, 10).await.unwrap();
        let [conflict] = &conflicts[..] else {
            panic!("{conflicts:?}");
        };
        assert_eq!(conflict.field.as_deref(), Some("Name"));
        assert_eq!(
            [&conflict.base, &conflict.local, &conflict.incoming],
            [
                &Value::text("base"),
                &Value::text("ours"),
                &Value::text("theirs")
            ]
        );
        assert_eq!(
            (conflict.taken.as_str(), conflict.policy.as_str()),
            (word, word)
        );
        org.deliver(&database, 10).await;
        assert_eq!(org.send(&database).await, []);
        database.forget().await.unwrap();
        place.sql("DROP TABLE contact; DROP TABLE account");
    }
}

async fn the_newest_wins_where_it_should(place: Place) {
    // The org of these tests lives in 2023.
    let (database, mut org, id) = conflict(&place, "newest").await;
    assert_eq!(place.one("SELECT name FROM account"), "ours");
    org.send(&database).await;
    org.deliver(&database, 10).await;
    place.sql("UPDATE account SET name = 'ours again'");
    org.update(
        "Account",
        &id,
        fields(&[("Name", "from the future")]),
        false,
    );
    org.events.last_mut().unwrap().committed_ms = 4_000_000_000_000;
    org.deliver(&database, 10).await;
    assert_eq!(place.one("SELECT name FROM account"), "from the future");
}

async fn a_conflict_that_a_plugin_decides_waits_and_is_not_sent(place: Place) {
    let (database, mut org, id) = conflict(&place, "plugin").await;
    assert_eq!(place.one("SELECT name FROM account"), "ours");
    let sent = org.send(&database).await;
    assert_eq!(fields_to_json(&sent[0].fields), r#"{"AnnualRevenue":5}"#);
    let outgoing = database.outgoing(10).await.unwrap();
    assert_eq!((outgoing.changes.len(), outgoing.waiting), (0, 1));
    // The org goes on: there is still one question.
    org.update("Account", &id, fields(&[("Name", "theirs now")]), false);
    org.deliver(&database, 10).await;
    let conflicts = database.conflicts(0, 10).await.unwrap();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].incoming, Value::text("theirs now"));
    assert_eq!(database.status().await.unwrap().undecided, 1);
    let both = Resolution::Value(Value::text("both"));
    database.resolve(conflicts[0].number, both).await.unwrap();
    org.send(&database).await;
    assert_eq!(name(&org, &id), Value::text("both"));
    assert_eq!(place.one("SELECT name FROM account"), "both");
}

async fn a_conflict_is_resolved_by_hand_for_either_side_or_a_value(place: Place) {
    let (database, mut org, id) = conflict(&place, "org").await;
    let number = database.conflicts(0, 10).await.unwrap()[0].number;
    let long = Resolution::Value(Value::text("x".repeat(81)));
    let error = database.resolve(number, long).await.unwrap_err();
    assert!(error.to_string().contains("has 81 characters"), "{error}");
    database.resolve(number, Resolution::Local).await.unwrap();
    org.send(&database).await;
    assert_eq!(name(&org, &id), Value::text("ours"));
    assert_eq!(database.conflicts(0, 10).await.unwrap(), []);
    let again = database.resolve(number, Resolution::Org).await.unwrap_err();
    assert!(matches!(again, DatabaseError::NoSuch { .. }), "{again}");
}

async fn equal_values_are_no_conflict(place: Place) {
    let (database, mut org) = (place.open(&policy("org")).await, Org::default());
    let id = org.create("Account", fields(&[("Name", "base")]), false);
    org.deliver(&database, 10).await;
    place.sql("UPDATE account SET name = 'same'");
    org.update("Account", &id, fields(&[("Name", "same")]), false);
    org.deliver(&database, 10).await;
    assert_eq!(org.send(&database).await, []);
    assert_eq!(database.conflicts(0, 10).await.unwrap(), []);
}

async fn a_record_that_was_changed_here_and_deleted_there_is_decided_by_policy(place: Place) {
    for (word, stays) in [("org", false), ("local", true), ("plugin", true)] {
        let (database, mut org, id) = conflict(&place, word).await;
        place.sql("UPDATE account SET annual_revenue = 6");
        org.delete("Account", &id, false);
        org.deliver(&database, 10).await;
        let found = database.conflicts(0, 10).await.unwrap();
        let last = found.last().unwrap();
        assert_eq!(
            (&last.field, &last.incoming),
            (&None, &Value::text("deleted"))
        );
        for conflict in &found {
            let _ = database.resolve(conflict.number, Resolution::Local).await;
        }
        org.send(&database).await;
        org.deliver(&database, 10).await;
        assert_eq!(
            place.rows("SELECT annual_revenue FROM account").len(),
            usize::from(stays)
        );
        assert_eq!(org.records.len(), usize::from(stays), "{word}");
        if stays {
            // Another record, since that one is gone.
            assert_ne!(place.one("SELECT id FROM account"), id);
        }
        assert_eq!(org.send(&database).await, []);
        database.forget().await.unwrap();
        place.sql("DROP TABLE contact; DROP TABLE account");
    }
}

async fn a_record_that_was_deleted_here_and_changed_there_is_decided_by_policy(place: Place) {
    for (word, stays) in [("org", true), ("local", false), ("plugin", true)] {
        let (database, mut org, id) = conflict(&place, word).await;
        for conflict in database.conflicts(0, 10).await.unwrap() {
            database
                .resolve(conflict.number, Resolution::Org)
                .await
                .unwrap();
        }
        org.send(&database).await;
        org.deliver(&database, 10).await;
        place.sql("DELETE FROM account");
        org.update("Account", &id, fields(&[("Name", "alive")]), false);
        org.deliver(&database, 10).await;
        let found = database.conflicts(0, 10).await.unwrap();
        assert_eq!(
            found.last().unwrap().local,
            Value::text("deleted"),
            "{word}"
        );
        org.send(&database).await;
        org.deliver(&database, 10).await;
        let rows = place.rows("SELECT id, name, annual_revenue FROM account");
        assert_eq!(
            rows,
            Vec::from_iter(stays.then(|| format!("{id}|alive|5"))),
            "{word}"
        );
        assert_eq!(org.records.len(), usize::from(stays));
        assert_eq!(org.send(&database).await, []);
        database.forget().await.unwrap();
        place.sql("DROP TABLE contact; DROP TABLE account");
    }
}
