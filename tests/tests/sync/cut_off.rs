//! Syncs that were cut off, or missed what happened.

use lockgate_tests::org::{create, query};
use serde_json::json;

use crate::pair::Pair;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_while_no_sync_runs_is_caught_up_on_both_sides() {
    let pair = Pair::new(100).await;
    let running = pair.run().await;
    pair.equal(&running).await;
    create(&pair.crm, "Account", json!({"Name": "Before"})).await;
    pair.equal(&running).await;
    drop(running);

    create(&pair.crm, "Account", json!({"Name": "Meanwhile there"})).await;
    pair.sql()
        .execute("INSERT INTO account (name) VALUES ('Meanwhile here')", [])
        .unwrap();
    let running = pair.run().await;
    pair.equal(&running).await;
    let meanwhile = "SELECT Id FROM Account WHERE Name LIKE 'Meanwhile%'";
    assert_eq!(query(&pair.crm, meanwhile).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_the_org_no_longer_has_are_made_up_for_by_a_comparison() {
    let pair = Pair::new(100).await;
    let running = pair.run().await;
    pair.equal(&running).await;
    pair.site.control.events().subscribed(2).await;
    let id = create(&pair.crm, "Account", json!({"Name": "Known"})).await;
    pair.equal(&running).await;
    drop(running);

    create(&pair.crm, "Contact", json!({"LastName": "Missed"})).await;
    pair.crm
        .delete("Account", &[id], Default::default())
        .await
        .unwrap();
    pair.site.control.events().expire();
    let running = pair.run().await;
    pair.site.control.events().subscribed(2).await;
    // What wakes the subscription, so that it knows its new place.
    create(&pair.crm, "Account", json!({"Name": "Later"})).await;
    create(&pair.crm, "Contact", json!({"LastName": "Later"})).await;
    pair.equal(&running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_org_gives_no_more_events_of_is_found_by_a_comparison_and_told_as_waiting() {
    let pair = Pair::new(20).await;
    let running = pair.run().await;
    pair.equal(&running).await;
    pair.site.control.events().subscribed(2).await;
    assert!(running.engine.waits().is_empty());
    let switches = dev_org::EventSwitches {
        deliveries_max: Some(0),
        ..Default::default()
    };
    pair.site.control.events().set(&switches).unwrap();
    create(&pair.crm, "Account", json!({"Name": "Untold"})).await;
    pair.equal(&running).await;
    let waits = running.engine.waits();
    assert!(waits[0].starts_with("receive: "), "{waits:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_is_deleted_before_the_org_has_told_of_it_stays_deleted() {
    let pair = Pair::new(0).await;
    let sql = pair.sql();
    // Sent, and cut off before anybody heard of it.
    pair.engine().await.run_once().await.unwrap();
    sql.execute_batch("INSERT INTO account (name) VALUES ('Brief')")
        .unwrap();
    let key: String = sql
        .query_row("SELECT local_key FROM account", [], |row| row.get(0))
        .unwrap();
    let sent = pair.engine().await.database().outgoing(10).await.unwrap();
    assert_eq!(sent.changes.len(), 1);
    create(
        &pair.crm,
        "Account",
        json!({"Name": "Brief", "External_Id__c": key}),
    )
    .await;
    sql.execute_batch("DELETE FROM account").unwrap();
    let running = pair.run().await;
    pair.equal(&running).await;
    let [(org, table), _] = pair.sides().await;
    assert_eq!((org.len(), table.len()), (0, 0));
    let conflicts = running.engine.database().conflicts(0, 10).await.unwrap();
    assert!(conflicts.is_empty(), "{conflicts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engines_that_are_cut_off_again_and_again_lose_nothing_and_create_nothing_twice() {
    let pair = Pair::new(50).await;
    let sql = pair.sql();
    for round in 0..12 {
        let running = pair.run().await;
        let mut activity = running.engine.activity();
        if round == 0 {
            pair.equal(&running).await;
        }
        for n in 0..5 {
            let name = format!("Here {round}-{n}");
            sql.execute("INSERT INTO contact (last_name) VALUES (?1)", [&name])
                .unwrap();
            let record = json!({"LastName": format!("There {round}-{n}")});
            create(&pair.crm, "Contact", record).await;
            sql.execute(
                "UPDATE contact SET first_name = ?1 WHERE last_name LIKE 'There%'",
                [&name],
            )
            .unwrap();
        }
        // Cut off after some of the five that go to the org at least.
        let n_sent = round % 5;
        let cut = activity.wait_for(|activity| activity.sent.done >= n_sent);
        drop(cut.await.unwrap());
    }
    let running = pair.run().await;
    pair.equal(&running).await;
    let rows = query(
        &pair.crm,
        "SELECT LastName FROM Contact WHERE LastName LIKE '%ere %'",
    )
    .await;
    let mut names: Vec<&str> = rows
        .iter()
        .map(|row| row["LastName"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!((all, names.len()), (120, 120));
}
