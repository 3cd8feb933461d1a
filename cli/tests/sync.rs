//! Syncs from the command line: set up, run once, looked after, and at work in the
//! host that stays.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::path::PathBuf;

use rusqlite::Connection as Sqlite;
use serde_json::{Value as Json, json};
use support::running::{PATIENCE, Running};
use support::{Bench, command, lockgate};
use test_postgres::Server;

fn file(bench: &Bench) -> PathBuf {
    bench.data.path().join("crm.db")
}

fn sql(bench: &Bench) -> Sqlite {
    let sql = Sqlite::open(file(bench)).unwrap();
    sql.busy_timeout(PATIENCE).unwrap();
    sql
}

fn count(bench: &Bench, from: &str) -> i64 {
    let text = format!("SELECT count(*) FROM {from}");
    sql(bench).query_row(&text, [], |row| row.get(0)).unwrap()
}

/// An org with the sync `crm` of accounts and contacts.
async fn synced(more: &[&str]) -> Bench {
    let bench = Bench::connected().await;
    let to = format!("sqlite:{}", file(&bench).display());
    let mut create = vec!["sync", "create", "crm", "--object", "Account,Contact"];
    create.extend(["--to", &to, "--key-field", "External_Id__c"]);
    create.extend(more);
    let created = bench.lockgate(&create).ended(0);
    assert!(
        created.out.contains("default/crm is set up"),
        "{created:#?}"
    );
    assert!(created.err.contains("lockgate run"), "{created:#?}");
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_is_previewed_set_up_run_once_and_removed() {
    let bench = Bench::connected().await;
    let to = format!("sqlite:{}", file(&bench).display());
    let create = ["sync", "create", "crm", "--object", "Contact", "--to", &to];
    let preview = bench
        .lockgate(&[&create[..], &["--dry-run"]].concat())
        .ended(0);
    assert!(preview.out.contains("CREATE TABLE contact"), "{preview:#?}");
    assert!(!file(&bench).exists(), "a preview makes nothing");

    let created = bench.lockgate(&create).ended(0);
    assert!(created.err.contains("without a key field"), "{created:#?}");
    bench.lockgate(&create).ended(1);
    let nowhere = ["--to", "sqlite:/nonexistent/crm.db", "--name", "other"];
    let nowhere = bench.lockgate(&[&create[..5], &nowhere].concat()).ended(2);
    assert!(
        nowhere.err.contains("no directory /nonexistent"),
        "{nowhere:#?}"
    );
    let preview = bench.lockgate(&["sync", "run-once", "crm", "--dry-run", "--output", "json"]);
    let contacts = preview.ended(0).json()["incoming"]["Contact"]["inserted"]
        .as_i64()
        .unwrap();
    assert_eq!(count(&bench, "contact"), 0);
    let run = bench.lockgate(&["sync", "run-once", "crm"]).ended(0);
    assert!(
        run.out.contains(&format!("{contacts} rows inserted")),
        "{run:#?}"
    );
    assert_eq!(count(&bench, "contact"), contacts);

    let listed = bench
        .lockgate(&["sync", "list", "--output", "json"])
        .ended(0)
        .json();
    assert_eq!(listed[0]["name"], "crm");
    assert_eq!(listed[0]["objects"], json!(["Contact"]));
    let status = bench.lockgate(&["sync", "status"]).ended(0);
    assert!(status.out.contains("not running"), "{status:#?}");
    let removed = bench.lockgate(&["sync", "remove", "crm"]).ended(0);
    assert!(removed.out.contains("its rows stay"), "{removed:#?}");
    assert_eq!(count(&bench, "contact"), contacts);
    let gone = bench.lockgate(&["sync", "status", "crm"]).ended(1);
    assert!(gone.err.contains("lockgate sync list"), "{gone:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_field_that_no_object_has_is_added_only_when_the_operator_says_so() {
    let bench = Bench::connected().await;
    let to = format!("sqlite:{}", file(&bench).display());
    let create = ["sync", "create", "crm", "--object", "Account,Contact"];
    let keyed = ["--to", &to, "--key-field", "Lockgate_Key__c"];
    let create = [&create[..], &keyed[..]].concat();
    let refused = bench.lockgate(&create).ended(1);
    assert!(refused.err.contains("--add-key-field"), "{refused:#?}");

    let add = [&create[..], &["--add-key-field"]].concat();
    let created = bench.lockgate(&add).ended(0);
    for object in ["Account", "Contact"] {
        let added = format!("added Lockgate_Key__c to {object}");
        assert!(created.err.contains(&added), "{created:#?}");
    }
    assert!(
        created.out.contains("key in Lockgate_Key__c"),
        "{created:#?}"
    );
    bench.lockgate(&["sync", "run-once", "crm"]).ended(0);
    let insert = "INSERT INTO contact (last_name) VALUES ('Keyed')";
    sql(&bench).execute(insert, []).unwrap();
    bench.lockgate(&["sync", "run-once", "crm"]).ended(0);
    let query = "SELECT Lockgate_Key__c FROM Contact WHERE LastName = 'Keyed'";
    let found = bench.lockgate(&["query", "crm", query, "--output", "json"]);
    let key = found.ended(0).json()[0]["Lockgate_Key__c"].clone();
    assert!(key.as_str().is_some_and(|key| key.len() >= 32), "{key}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_syncs_share_a_database_and_one_that_ends_leaves_the_other() {
    let bench = Bench::connected().await;
    bench
        .create("my-books", &["--flow", "client-credentials"])
        .ended(0);
    let to = format!("sqlite:{}", file(&bench).display());
    let create = |connection: &str, more: &[&str]| {
        let base = ["sync", "create", connection, "--to", &to];
        bench.lockgate(&[&base[..], more].concat())
    };
    create("crm", &["--object", "Contact"]).ended(0);
    create("my-books", &["--object", "Account"]).ended(0);
    let taken = create("my-books", &["--object", "Contact", "--name", "third"]).ended(2);
    assert!(taken.err.contains("the sync `crm`"), "{taken:#?}");
    let alike = create("crm", &["--object", "Lead", "--name", "my_books"]).ended(1);
    assert!(alike.err.contains("default/my-books"), "{alike:#?}");
    for sync in ["crm", "my-books"] {
        bench.lockgate(&["sync", "run-once", sync]).ended(0);
    }
    let rows = count(&bench, "lockgate_my_books_rows");
    assert_eq!(count(&bench, "account"), rows);
    assert!(rows > 0);
    bench.lockgate(&["sync", "remove", "my-books"]).ended(0);
    assert_eq!(count(&bench, "account"), rows);
    sql(&bench)
        .execute_batch("INSERT INTO contact (last_name) VALUES ('Last')")
        .unwrap();
    bench.lockgate(&["sync", "run-once", "crm"]).ended(0);
    let sent = "contact WHERE last_name = 'Last' AND id IS NOT NULL";
    assert_eq!(count(&bench, sent), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_postgresql_is_kept_equal_as_a_file_is() {
    let Some(server) = Server::start() else {
        return;
    };
    let (bench, to) = (Bench::connected().await, server.database());
    let on = |arguments: &[&str]| {
        let mut command = command(bench.data.path());
        command.env("LOCKGATE_SYNC_TO", &to).args(arguments);
        tokio::task::block_in_place(|| support::run(command, "")).ended(0)
    };
    let (client, connection) = tokio_postgres::connect(&to, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    on(&[
        "sync",
        "create",
        "crm",
        "--object",
        "Account,Contact",
        "--key-field",
        "External_Id__c",
    ]);
    on(&["sync", "run-once", "crm"]);
    let count = client.query_one("SELECT count(*) FROM contact", &[]).await;
    assert!(count.unwrap().get::<_, i64>(0) > 0);
    let insert = "INSERT INTO account (name) VALUES ('Ours'); \
                  UPDATE contact SET first_name = 'Changed' \
                  WHERE id = (SELECT min(id) FROM contact)";
    client.batch_execute(insert).await.unwrap();
    on(&["sync", "run-once", "crm"]);
    for soql in [
        "SELECT Id FROM Account WHERE Name = 'Ours'",
        "SELECT Id FROM Contact WHERE FirstName = 'Changed'",
    ] {
        let found = on(&["query", "crm", soql, "--output", "json"]).json();
        assert_eq!(found.as_array().map(Vec::len), Some(1), "{soql}: {found}");
    }
    let shown = on(&["sync", "status", "crm"]);
    assert!(shown.out.contains("live"), "{shown:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_over_is_listed_with_its_reason_and_sent_again_once_mended() {
    let bench = synced(&["--plugin", "contact-normalizer"]).await;
    sql(&bench)
        .execute_batch("INSERT INTO contact (last_name, email) VALUES ('NEW', 'no address')")
        .unwrap();
    let run = bench.lockgate(&["sync", "run-once", "crm"]).ended(5);
    assert!(run.err.contains("lockgate sync letters crm"), "{run:#?}");
    let letters = bench
        .lockgate(&["sync", "letters", "crm", "--output", "json"])
        .ended(0)
        .json();
    let letters = letters.as_array().unwrap();
    assert_eq!(letters.len(), 1);
    assert!(
        letters[0]["reason"].as_str().unwrap().contains("Email"),
        "{letters:?}"
    );
    assert!(
        letters[0]["content"].as_str().unwrap().contains("New"),
        "the plugin saw it"
    );
    sql(&bench)
        .execute_batch("UPDATE contact SET email = 'new@example.com' WHERE last_name = 'New'")
        .unwrap();
    bench
        .lockgate(&["sync", "letters", "crm", "--again", "all"])
        .ended(0);
    bench.lockgate(&["sync", "run-once", "crm"]).ended(0);
    let query = "SELECT LastName FROM Contact WHERE Email = 'new@example.com'";
    let found = bench
        .lockgate(&["query", "crm", query, "--output", "json"])
        .ended(0)
        .json();
    assert_eq!(found[0]["LastName"], "New");
    let nonsense = bench
        .lockgate(&["sync", "letters", "crm", "--again", "x"])
        .ended(2);
    assert!(nonsense.err.contains("`all`"), "{nonsense:#?}");
    bench
        .lockgate(&["sync", "letters", "crm", "--again", "4711"])
        .ended(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_listed_with_both_values_and_decided_by_hand() {
    let bench = synced(&[]).await;
    bench.lockgate(&["sync", "run-once", "crm"]).ended(0);
    let id: String = sql(&bench)
        .query_row("SELECT id FROM contact LIMIT 1", [], |row| row.get(0))
        .unwrap();
    let theirs = json!({"Id": id, "LastName": "Theirs"}).to_string();
    bench
        .lockgate(&["record", "update", "crm", "Contact", &theirs])
        .ended(0);
    sql(&bench)
        .execute("UPDATE contact SET last_name = 'Ours' WHERE id = ?1", [&id])
        .unwrap();
    bench.lockgate(&["sync", "run-once", "crm"]).ended(0);
    let conflicts = bench
        .lockgate(&["sync", "conflicts", "crm", "--output", "json"])
        .ended(0)
        .json();
    let conflict = &conflicts[0];
    assert_eq!(conflict["field"], "LastName");
    assert_eq!(
        (&conflict["local"], &conflict["incoming"]),
        (&json!("Ours"), &json!("Theirs"))
    );
    let number = conflict["number"].to_string();
    bench
        .lockgate(&["sync", "conflicts", "crm", "--resolve", &number])
        .ended(2);
    let resolve = [
        "sync",
        "conflicts",
        "crm",
        "--resolve",
        &number,
        "--take",
        "local",
    ];
    bench.lockgate(&resolve).ended(0);
    bench.lockgate(&["sync", "run-once", "crm"]).ended(0);
    let query = format!("SELECT LastName FROM Contact WHERE Id = '{id}'");
    let found = bench
        .lockgate(&["query", "crm", &query, "--output", "json"])
        .ended(0)
        .json();
    assert_eq!(found[0]["LastName"], "Ours");
    let rest = bench
        .lockgate(&["sync", "conflicts", "crm", "--output", "json"])
        .ended(0)
        .json();
    assert_eq!(rest, json!([]));
}

/// Waits until a status is as it should be.
fn until(bench: &Bench, what: &str, is_so: impl Fn(&Json) -> bool) -> Json {
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        let status = bench
            .lockgate(&["sync", "status", "crm", "--output", "json"])
            .ended(0)
            .json();
        if is_so(&status) {
            return status;
        }
        assert!(std::time::Instant::now() < end, "never {what}: {status:#}");
    }
}

fn is_live(status: &Json) -> bool {
    let objects = &status["status"]["objects"];
    status["state"] == "running"
        && ["Account", "Contact"]
            .iter()
            .all(|object| objects[object]["progress"]["phase"] == "live")
        && status["status"]["pending"] == 0
        && status["status"]["unread"] == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_that_stays_keeps_both_sides_equal_and_does_what_other_commands_say() {
    let bench = synced(&[]).await;
    let running = Running::start(&bench);
    tokio::task::block_in_place(|| {
        until(&bench, "loaded", is_live);
        assert!(count(&bench, "contact") > 0);
        let mode = std::fs::metadata(bench.data.path().join("run.sock")).unwrap();
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777,
            0o600
        );

        // Only one has a data directory, and nobody else has the database.
        let second = bench.lockgate(&["run"]).ended(1);
        assert!(second.err.contains("another `lockgate run`"), "{second:#?}");
        let once = bench.lockgate(&["sync", "run-once", "crm"]).ended(6);
        assert!(
            once.err.contains("another engine of this sync works"),
            "{once:#?}"
        );
        let reset = bench.lockgate(&["sync", "reset", "crm"]).ended(1);
        assert!(reset.err.contains("lockgate sync pause crm"), "{reset:#?}");

        // Both ways.
        bench
            .lockgate(&["record", "create", "crm", "Account", r#"{"Name":"There"}"#])
            .ended(0);
        sql(&bench)
            .execute_batch("INSERT INTO account (name) VALUES ('Here')")
            .unwrap();
        until(&bench, "equal", |status| {
            is_live(status)
                && count(
                    &bench,
                    "account WHERE name IN ('There', 'Here') AND id IS NOT NULL",
                ) == 2
        });

        // A pause is a pause.
        bench.lockgate(&["sync", "pause", "crm"]).ended(0);
        bench
            .lockgate(&[
                "record",
                "create",
                "crm",
                "Account",
                r#"{"Name":"Meanwhile"}"#,
            ])
            .ended(0);
        let status = until(&bench, "paused", |status| status["state"] == "paused");
        assert_eq!(status["live"], Json::Null);
        bench.lockgate(&["sync", "reset", "crm"]).ended(0);
        bench.lockgate(&["sync", "start", "crm"]).ended(0);
        until(&bench, "caught up", |status| {
            is_live(status) && count(&bench, "account WHERE name = 'Meanwhile'") == 1
        });
        bench.lockgate(&["sync", "reconcile", "crm"]).ended(0);
        until(&bench, "compared", is_live);
        running.stop();
    });
    assert!(!bench.data.path().join("run.sock").exists());
    let status = bench.lockgate(&["sync", "status", "crm"]).ended(0);
    assert!(status.out.contains("not running"), "{status:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_the_budget_is_told_with_the_calls_that_it_takes_and_their_prospect() {
    let bench = synced(&[]).await;
    let _running = Running::start(&bench);
    tokio::task::block_in_place(|| {
        until(&bench, "loaded", is_live);
        bench.control.set_quota_used(14_999);
        let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 500)
                    INSERT INTO account (name) SELECT 'Late ' || i FROM n";
        sql(&bench).execute_batch(rows).unwrap();
        let waits = until(&bench, "waiting for calls", |status| {
            let budget = &status["live"]["budget"];
            budget["available"] == 0 && budget["to_do"].as_u64() >= Some(2)
        });
        // The others who used the budget up are taken to go on.
        assert!(waits["live"]["budget"]["done_in_s"].is_null(), "{waits:#}");
        assert!(waits["status"]["pending"].as_u64() > Some(0), "{waits:#}");
        let shown = bench.lockgate(&["sync", "status", "crm"]).ended(0);
        assert!(shown.out.contains("what waits takes about"), "{shown:#?}");
        assert!(shown.out.contains("others leave too little"), "{shown:#?}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_fails_says_why_and_goes_on_when_it_is_mended() {
    let bench = synced(&[]).await;
    sql(&bench).execute_batch("DROP TABLE contact").unwrap();
    let running = Running::start(&bench);
    tokio::task::block_in_place(|| {
        let line = running.hear("default/crm: ");
        assert!(
            line.contains("contact") && line.contains("tries again"),
            "{line}"
        );
        let failing = until(&bench, "failing", |status| status["state"] == "failing");
        let problem = failing["live"]["problem"].as_str().unwrap();
        assert!(problem.contains("reset the sync"), "{failing}");
        bench.lockgate(&["sync", "pause", "crm"]).ended(0);
        bench.lockgate(&["sync", "reset", "crm"]).ended(0);
        bench.lockgate(&["sync", "start", "crm"]).ended(0);
        until(&bench, "mended", is_live);
        running.stop();
    });
}

#[test]
fn a_password_in_an_address_is_never_shown() {
    let to = "postgres://app:hunter2@127.0.0.1:1/none";
    let run = lockgate(&["sync", "create", "crm", "--object", "Contact", "--to", to]);
    assert_ne!(run.code, 0);
    assert!(
        !run.err.contains("hunter2") && !run.out.contains("hunter2"),
        "{run:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn top_tells_what_the_host_at_work_has_done() {
    let bench = synced(&[]).await;
    let none = bench.lockgate(&["top"]).ended(1);
    assert!(none.err.contains("`lockgate run`"), "{none:#?}");
    let running = Running::start(&bench);
    let calls = loop {
        let top = bench.lockgate(&["top", "--output", "json"]).ended(0).json();
        let calls = top["calls"].as_array().unwrap().clone();
        let has_loaded = |calls: &Json| calls["figures"]["bytes_in"].as_u64() > Some(10_000);
        if calls.iter().any(has_loaded) {
            break calls;
        }
    };
    assert_eq!(
        (&calls[0]["package"], &calls[0]["version"]),
        (&json!("salesforce"), &json!("0.1.0"))
    );
    assert_eq!(calls[0]["connection"], "default/crm");
    assert!(
        calls[0]["figures"]["requests"].as_u64() > Some(0),
        "{calls:#?}"
    );
    // In a pipe it looks once, and writes nothing but lines.
    let top = bench.lockgate(&["top"]).ended(0);
    assert!(
        top.out.contains("salesforce 0.1.0  default/crm"),
        "{top:#?}"
    );
    assert!(!top.out.contains('\u{1b}'), "{top:#?}");
    running.stop();
}
