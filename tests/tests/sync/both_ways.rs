//! What goes from the org into the tables and from the tables into the org.

use dev_org::org::{ADMIN, WriteOptions};
use lockgate_tests::org::{create, get, query, records};
use serde_json::json;

use crate::pair::Pair;

async fn update(pair: &Pair, object: &str, record: serde_json::Value) {
    let rows = records(&json!([record]));
    let results = pair.crm.update(object, &rows, Default::default()).await;
    assert!(results.unwrap()[0].is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_org_has_is_loaded_and_what_changes_there_follows() {
    let pair = Pair::new(400).await;
    let running = pair.run().await;
    pair.equal(&running).await;
    let [(accounts, _), (contacts, _)] = pair.sides().await;
    assert!(!accounts.is_empty() && !contacts.is_empty());

    pair.site.control.events().subscribed(2).await;
    let id = create(
        &pair.crm,
        "Contact",
        json!({"LastName": "New", "Email": "new@example.com"}),
    )
    .await;
    let gone = contacts.keys().next().unwrap().clone();
    update(
        &pair,
        "Contact",
        json!({"Id": id, "Email": null, "FirstName": "Ann"}),
    )
    .await;
    pair.crm
        .delete("Contact", std::slice::from_ref(&gone), Default::default())
        .await
        .unwrap();
    pair.equal(&running).await;
    let [_, (_, rows)] = pair.sides().await;
    let names = [Some("Ann".to_owned()), Some("New".to_owned()), None, None];
    assert_eq!(rows[&id], names);
    assert!(!rows.contains_key(&gone));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_programs_write_into_the_tables_goes_to_the_org_parents_first() {
    let pair = Pair::new(0).await;
    let running = pair.run().await;
    pair.equal(&running).await;
    let sql = pair.sql();
    sql.execute_batch(
        "BEGIN;
         INSERT INTO account (name) VALUES ('Acme');
         INSERT INTO contact (first_name, last_name, account_id)
             VALUES ('Ada', 'Doe', (SELECT local_key FROM account));
         COMMIT;",
    )
    .unwrap();
    pair.equal(&running).await;
    let read = query(&pair.crm, "SELECT Id, Name, Account.Name FROM Contact").await;
    assert_eq!(read.len(), 1);
    assert_eq!(read[0]["Account"]["Name"], "Acme");

    sql.execute_batch("UPDATE contact SET email = 'ada@example.com', last_name = 'Roe';")
        .unwrap();
    pair.equal(&running).await;
    let id = read[0]["Id"].as_str().unwrap();
    let contact = &get(&pair.crm, "Contact", &[id], &["Name", "Email"]).await[0];
    assert_eq!(contact["Name"], "Ada Roe");
    assert_eq!(contact["Email"], "ada@example.com");

    sql.execute_batch("DELETE FROM contact;").unwrap();
    pair.equal(&running).await;
    assert!(query(&pair.crm, "SELECT Id FROM Contact").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_a_program_brings_back_is_a_record_again() {
    let pair = Pair::new(0).await;
    let running = pair.run().await;
    pair.equal(&running).await;
    let sql = pair.sql();
    let insert = "INSERT INTO account (local_key, name) VALUES ('0a', 'Acme'), ('0b', 'Bolt')";
    sql.execute_batch(insert).unwrap();
    pair.equal(&running).await;
    sql.execute_batch("CREATE TABLE kept AS SELECT * FROM account; DELETE FROM account")
        .unwrap();
    pair.equal(&running).await;
    assert!(query(&pair.crm, "SELECT Id FROM Account").await.is_empty());
    // Their ids are the org's: a program cannot say them.
    let with_ids = sql.execute_batch("INSERT INTO account SELECT * FROM kept");
    let refused = with_ids.unwrap_err().to_string();
    assert!(refused.contains("the id in the org"), "{refused}");
    let back = "INSERT INTO account (local_key, name) SELECT local_key, name FROM kept";
    sql.execute_batch(back).unwrap();
    pair.equal(&running).await;
    let back = query(&pair.crm, "SELECT Name FROM Account ORDER BY Name").await;
    let names: Vec<&str> = back.iter().filter_map(|row| row["Name"].as_str()).collect();
    assert_eq!(names, ["Acme", "Bolt"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_are_merged_in_the_org_are_one_row_with_the_rows_of_both() {
    let pair = Pair::new(0).await;
    let running = pair.run().await;
    pair.equal(&running).await;
    pair.sql()
        .execute_batch(
            "INSERT INTO account (local_key, name, phone) VALUES ('0a', 'Acme', NULL);
             INSERT INTO account (local_key, name, phone) VALUES ('0b', 'Acme Inc', '5');
             INSERT INTO contact (last_name, account_id) VALUES ('Roe', '0b')",
        )
        .unwrap();
    pair.equal(&running).await;
    let id = |name: &str| {
        let id = format!("SELECT id FROM account WHERE name = '{name}'");
        pair.sql().query_row(&id, [], |row| row.get::<_, String>(0))
    };
    let (winner, loser) = (id("Acme").unwrap(), id("Acme Inc").unwrap());
    let contact = "SELECT id FROM contact";
    let contact: String = pair.sql().query_row(contact, [], |row| row.get(0)).unwrap();
    // What a merge does, in one transaction.
    pair.site.control.org(|org| {
        let (who, options) = (org.user(ADMIN).unwrap(), WriteOptions::default());
        let phone = json!({ "Phone": "5" });
        let phone = phone.as_object().unwrap();
        org.update(&who, "Account", &winner, phone, &options)
            .unwrap();
        let parent = json!({ "AccountId": winner });
        let parent = parent.as_object().unwrap();
        org.update(&who, "Contact", &contact, parent, &options)
            .unwrap();
        org.delete(&who, "Account", &loser).unwrap();
    });
    pair.equal(&running).await;
    let merged = "SELECT account.name || account.phone FROM contact \
                  JOIN account ON account.id = contact.account_id";
    let merged: String = pair.sql().query_row(merged, [], |row| row.get(0)).unwrap();
    assert_eq!(merged, "Acme5");
    let count = "SELECT count(*) FROM account";
    let count: i64 = pair.sql().query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(count, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_org_refuses_becomes_a_dead_letter_with_its_words_and_holds_up_nothing() {
    let pair = Pair::new(0).await;
    let engine = pair.engine().await;
    pair.sql()
        .execute_batch(
            "INSERT INTO contact (last_name, email) VALUES ('Bad', 'no address');
             INSERT INTO contact (last_name, email) VALUES ('Good', 'good@example.com');",
        )
        .unwrap();
    engine.run_once().await.unwrap();
    let names = query(&pair.crm, "SELECT LastName FROM Contact").await;
    assert_eq!(names.len(), 1);
    assert_eq!(names[0]["LastName"], "Good");
    let letters = engine.database().letters(0, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    let reason = &letters[0].reason;
    assert!(
        reason.contains("INVALID_EMAIL_ADDRESS") && reason.contains("Email"),
        "{reason}"
    );

    // Put right and sent again.
    pair.sql()
        .execute_batch("UPDATE contact SET email = 'bad@example.com' WHERE last_name = 'Bad';")
        .unwrap();
    engine.run_once().await.unwrap();
    assert!(pair.is_equal().await);
    assert!(engine.database().letters(0, 10).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_makes_both_sides_equal_without_any_event() {
    let pair = Pair::new(300).await;
    let engine = pair.engine().await;
    engine.run_once().await.unwrap();
    assert!(pair.is_equal().await);

    let [_, (contacts, _)] = pair.sides().await;
    let ids: Vec<&String> = contacts.keys().collect();
    update(
        &pair,
        "Contact",
        json!({"Id": ids[0], "Email": "org@example.com"}),
    )
    .await;
    pair.crm
        .delete("Contact", &[ids[1].clone()], Default::default())
        .await
        .unwrap();
    create(&pair.crm, "Account", json!({"Name": "Only there"})).await;
    pair.sql()
        .execute(
            "UPDATE contact SET last_name = 'Here' WHERE id = ?1",
            [ids[2]],
        )
        .unwrap();
    pair.sql()
        .execute("INSERT INTO account (name) VALUES ('Only here')", [])
        .unwrap();
    engine.run_once().await.unwrap();
    let [(accounts, _), (contacts_now, _)] = pair.sides().await;
    assert!(pair.is_equal().await);
    assert_eq!(contacts_now.len(), contacts.len() - 1);
    for name in ["Only here", "Only there"] {
        assert!(
            accounts
                .values()
                .any(|values| values[0].as_deref() == Some(name))
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_by_the_syncs_own_client_is_no_echo_and_meets_the_policy() {
    let mapping = "[objects.Account]\nkey_field = \"External_Id__c\"\n\
                   fields.Phone.policy = \"local\"";
    let pair = Pair::mapped(mapping).await;
    let running = pair.run().await;
    pair.equal(&running).await;
    let sql = pair.sql();
    sql.execute_batch("INSERT INTO account (name, phone, fax) VALUES ('One', '0', '0')")
        .unwrap();
    pair.equal(&running).await;
    sql.execute_batch("UPDATE account SET phone = '1', fax = '1'")
        .unwrap();
    pair.equal(&running).await;
    drop(running);
    let id: String = sql
        .query_row("SELECT id FROM account", [], |row| row.get(0))
        .unwrap();
    for n in 1..=4 {
        let theirs = json!({"Id": id, "Phone": format!("org {n}"), "Fax": format!("org {n}")});
        update(&pair, "Account", theirs).await;
        let ours = "UPDATE account SET phone = ?1, fax = ?1";
        sql.execute(ours, [format!("local {n}")]).unwrap();
        let running = pair.run().await;
        pair.equal(&running).await;
        let read = &get(&pair.crm, "Account", &[&id], &["Phone", "Fax"]).await[0];
        assert_eq!(read["Phone"], format!("local {n}"), "round {n}");
        assert_eq!(read["Fax"], format!("org {n}"), "round {n}");
        let conflicts = running.engine.database().conflicts(0, 100).await.unwrap();
        assert_eq!(conflicts.len(), 2 * n, "round {n}: {conflicts:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_within_the_second_of_the_one_before_is_found_by_the_next_run() {
    let pair = Pair::new(0).await;
    let engine = pair.engine().await;
    for n in 0..4 {
        let id = create(
            &pair.crm,
            "Account",
            json!({"Name": format!("At once {n}")}),
        )
        .await;
        engine.run_once().await.unwrap();
        update(
            &pair,
            "Account",
            json!({"Id": id, "Phone": format!("+1 {n}")}),
        )
        .await;
        engine.run_once().await.unwrap();
        assert!(pair.is_equal().await, "round {n}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_somebody_who_was_faster_is_taken_in_and_not_written_over() {
    let pair = Pair::new(100).await;
    let engine = pair.engine().await;
    engine.run_once().await.unwrap();
    let [_, (contacts, _)] = pair.sides().await;
    let id = contacts.keys().next().unwrap();
    let record = json!({"Id": id, "LastName": "Theirs", "FirstName": "Theirs"});
    update(&pair, "Contact", record).await;
    pair.sql()
        .execute(
            "UPDATE contact SET last_name = 'Ours', email = 'ours@example.com' WHERE id = ?1",
            [id],
        )
        .unwrap();
    engine.run_once().await.unwrap();
    assert!(pair.is_equal().await);
    let [_, (contacts, _)] = pair.sides().await;
    let told = ["Theirs", "Theirs", "ours@example.com"].map(|text| Some(text.to_owned()));
    assert_eq!(contacts[id][..3], told);
    let conflicts = engine.database().conflicts(0, 10).await.unwrap();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].field.as_deref(), Some("LastName"));
}
