//! Plugins in the way of a sync: what they change goes to both sides, what they turn
//! away is kept with the reason, and none of them holds up the others.

use lockgate_sync::{Database, DatabaseError, Target};
use lockgate_tests::org::{create, get, query};
use serde_json::json;

use crate::pair::Pair;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_plugin_changes_is_in_the_table_and_in_the_org_whichever_side_it_came_from() {
    let pair = Pair::new(0).await;
    let untidy = json!({"LastName": "DOE", "Email": " Ada@Example.com ", "MailingCountry": "Germany", "Phone": "030 1234567"});
    let id = create(&pair.crm, "Contact", untidy).await;
    create(&pair.crm, "Account", json!({"Name": "  OF NO CONCERN "})).await;
    let settings = json!({"default_country": "DE"});
    let normalizer = pair.plugin("contact-normalizer", settings).await;
    let running = Pair::run_engine(pair.engine_with(vec![normalizer]).await);
    pair.equal(&running).await;
    let contact = &get(&pair.crm, "Contact", &[&id], &["LastName", "Phone"]).await[0];
    assert_eq!(contact["LastName"], "Doe");
    assert_eq!(contact["Phone"], "+49301234567");

    let sql = pair.sql();
    sql.execute_batch("INSERT INTO contact (last_name, email) VALUES ('MEYER', 'EVA@Example.com')")
        .unwrap();
    pair.equal(&running).await;
    let eva = query(
        &pair.crm,
        "SELECT LastName FROM Contact WHERE Email = 'eva@example.com'",
    )
    .await;
    assert_eq!(eva[0]["LastName"], "Meyer");

    // Only the field that changed is told, and the plugin sees all of them.
    pair.site.control.events().subscribed(2).await;
    sql.execute_batch("UPDATE contact SET phone = '(030) 7654321' WHERE last_name = 'Doe'")
        .unwrap();
    pair.equal(&running).await;
    let contact = &get(&pair.crm, "Contact", &[&id], &["Phone"]).await[0];
    assert_eq!(contact["Phone"], "+49307654321");
    let status = running.engine.database().status().await.unwrap();
    assert_eq!(status.letters_in + status.letters_out, 0);
    assert_eq!(
        status.decided + status.undecided,
        0,
        "a plugin is no conflict"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_plugin_turns_away_is_a_dead_letter_until_it_is_put_right() {
    let pair = Pair::new(0).await;
    let wrong = json!({"LastName": "There", "Phone": "none"});
    let id = create(&pair.crm, "Contact", wrong).await;
    let settings = json!({"invalid_phone": "reject"});
    let normalizer = pair.plugin("contact-normalizer", settings).await;
    let engine = pair.engine_with(vec![normalizer]).await;
    let sql = pair.sql();
    sql.execute_batch("INSERT INTO contact (last_name, phone) VALUES ('Here', 'none')")
        .unwrap();
    engine.run_once().await.unwrap();
    let letters = engine.database().letters(0, 10).await.unwrap();
    let mut directions: Vec<&str> = letters.iter().map(|letter| &*letter.direction).collect();
    directions.sort_unstable();
    assert_eq!(directions, ["in", "out"], "{letters:?}");
    for letter in &letters {
        assert!(
            letter.reason.starts_with("contact-normalizer: ") && letter.reason.contains("Phone"),
            "{letter:?}"
        );
    }
    let [_, (org, table)] = pair.sides().await;
    assert_eq!(
        (org.len(), table.len()),
        (1, 1),
        "neither is on the other side"
    );

    sql.execute_batch("UPDATE contact SET phone = '+4930123456'")
        .unwrap();
    let rows = lockgate_tests::org::records(&json!([{"Id": id, "Phone": "+4930654321"}]));
    pair.crm
        .update("Contact", &rows, Default::default())
        .await
        .unwrap();
    for letter in letters {
        if letter.direction == "in" {
            engine.database().send_again(letter.number).await.unwrap();
        }
    }
    engine.run_once().await.unwrap();
    assert!(pair.is_equal().await);
    assert!(engine.database().letters(0, 10).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_crashes_on_every_record_leaves_a_dead_letter_of_each_and_the_sync_alive() {
    let pair = Pair::new(0).await;
    for name in ["A", "B", "C"] {
        create(&pair.crm, "Account", json!({"Name": name})).await;
    }
    let hostile = pair
        .plugin("hostile-transform", json!({"do": "panic"}))
        .await;
    let engine = pair.engine_with(vec![hostile]).await;
    engine.run_once().await.unwrap();
    let letters = engine.database().letters(0, 10).await.unwrap();
    assert_eq!(letters.len(), 3);
    assert!(
        letters[0].reason.contains("hostile-transform"),
        "{letters:?}"
    );
    let [(_, accounts), _] = pair.sides().await;
    assert!(accounts.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_decides_a_conflict_with_a_value_that_neither_side_had() {
    let mapping = "[objects.Account]\nkey_field = \"External_Id__c\"\n\
                   fields.Rating.policy = \"plugin\"";
    let pair = Pair::mapped(mapping).await;
    let settings = json!({
        "score_field": "points",
        "rules": [{"when": {"field": "org", "operator": "equals", "value": "Warm"}, "points": 80}],
        "rating": {"field": "value", "steps": [{"at_least": 70, "value": "Hot"}], "otherwise": "Cold"},
        "drop_when": {"field": "local", "operator": "equals", "value": "Hot"},
    });
    let decider = pair.plugin("lead-scorer", settings).await;
    let mut ids = Vec::new();
    for name in ["Decided", "Left"] {
        ids.push(create(&pair.crm, "Account", json!({"Name": name})).await);
    }
    pair.engine().await.run_once().await.unwrap();
    let theirs = json!([{"Id": ids[0], "Rating": "Warm"}, {"Id": ids[1], "Rating": "Warm"}]);
    let rows = lockgate_tests::org::records(&theirs);
    pair.crm
        .update("Account", &rows, Default::default())
        .await
        .unwrap();
    let sql = pair.sql();
    sql.execute(
        "UPDATE account SET rating = 'Cold' WHERE id = ?1",
        [&ids[0]],
    )
    .unwrap();
    sql.execute("UPDATE account SET rating = 'Hot' WHERE id = ?1", [&ids[1]])
        .unwrap();
    let engine = pair.engine_that_decides(decider).await;
    engine.run_once().await.unwrap();
    let read = get(&pair.crm, "Account", &[&ids[0], &ids[1]], &["Rating"]).await;
    let here: Vec<String> = ids
        .iter()
        .map(|id| {
            let query = "SELECT rating FROM account WHERE id = ?1";
            sql.query_row(query, [id], |row| row.get(0)).unwrap()
        })
        .collect();
    assert_eq!((&read[0]["Rating"], &*here[0]), (&json!("Hot"), "Hot"));
    // What the plugin leaves out is a person's to decide: both keep what they have.
    assert_eq!((&read[1]["Rating"], &*here[1]), (&json!("Warm"), "Hot"));
    assert_eq!(engine.database().status().await.unwrap().undecided, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_says_what_a_run_would_change_and_changes_nothing() {
    let pair = Pair::new(0).await;
    let engine = pair.engine().await;
    let id = create(&pair.crm, "Account", json!({"Name": "Both"})).await;
    engine.run_once().await.unwrap();
    create(&pair.crm, "Account", json!({"Name": "There"})).await;
    let sql = pair.sql();
    sql.execute_batch("INSERT INTO account (name) VALUES ('Here')")
        .unwrap();
    sql.execute("UPDATE account SET phone = '1' WHERE id = ?1", [&id])
        .unwrap();
    for _ in 0..2 {
        let preview = engine.preview().await.unwrap();
        assert_eq!(preview.incoming["Account"].inserted, 1);
        assert_eq!(preview.incoming["Account"].deleted, 0);
        let words: Vec<_> = preview
            .outgoing
            .iter()
            .map(|change| change.operation)
            .collect();
        assert_eq!(words.len(), 2, "{preview:?}");
    }
    assert_eq!(query(&pair.crm, "SELECT Id FROM Account").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_engine_on_a_database_is_refused_and_looking_at_it_is_not() {
    let pair = Pair::new(0).await;
    let running = pair.run().await;
    pair.equal(&running).await;
    let second = pair.engine().await;
    let error = second.run_once().await.unwrap_err();
    assert!(
        error.to_string().contains("another engine of this sync"),
        "{error}"
    );
    let target = Target::sqlite(pair.file());
    let looking = Database::attach(&target).await.unwrap();
    assert_eq!(looking.plan().objects.len(), 2);
    looking.compare_all().await.unwrap();
    assert!(matches!(looking.forget().await, Err(DatabaseError::Taken)));
}
