//! `--store`: what is kept lies in a database that several machines share.

mod support;

use std::path::Path;

use support::{Bench, command, run};
use test_postgres::Server;

/// The variable that names the store, as a machine's service would have it set.
const STORE: &str = "LOCKGATE_STORE";

/// A run of the command on a machine that uses the store.
fn on(data: &Path, store: &str, arguments: &[impl AsRef<std::ffi::OsStr>]) -> support::Run {
    let mut command = command(data);
    command.env(STORE, store).args(arguments);
    run(command, "")
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_with_one_store_and_one_master_key_share_connections_and_budgets() {
    let Some(server) = Server::start() else {
        return;
    };
    let (bench, store) = (Bench::start().await, server.database());
    let first = bench.data.path();
    let creating = bench.creating("crm", &["--flow", "client-credentials"]);
    on(first, &store, &creating).ended(0);
    assert!(!first.join("lockgate.db").exists(), "it is in the database");

    // Another machine: without the key it cannot read what is sealed.
    let other = tempfile::tempdir().unwrap();
    let query = ["query", "crm", "SELECT Id FROM Account LIMIT 1"];
    let refused = on(other.path(), &store, &query);
    assert_ne!(refused.code, 0, "{refused:#?}");
    assert!(refused.err.contains("give the right key"), "{refused:#?}");
    let key = "master.key";
    std::fs::copy(first.join(key), other.path().join(key)).unwrap();
    on(other.path(), &store, &query).ended(0);

    let limits = on(first, &store, &["limits", "crm", "--output", "json"]).ended(0);
    let used = &limits.json()["budget"]["used"];
    assert!(used.as_u64() >= Some(1), "calls of the other: {limits:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_gone_is_a_passing_fault_that_names_the_place_and_no_password() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let data = tempfile::tempdir().unwrap();
    let store = format!("postgres://me:hunter2@127.0.0.1:{port}/mine?sslmode=disable");
    let gone = on(data.path(), &store, &["connection", "list"]).ended(6);
    assert!(
        gone.err.contains(&format!("127.0.0.1:{port}/mine")),
        "{gone:#?}"
    );
    assert!(!gone.err.contains("hunter2"), "{gone:#?}");

    let wrong = on(data.path(), "mysql://me@host/db", &["connection", "list"]).ended(2);
    assert!(wrong.err.contains("postgres://"), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_store_in_a_database_is_the_databases_own_business() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("backup");
    let arguments = ["backup", file.to_str().unwrap()];
    let refused = on(data.path(), "postgres://me@127.0.0.1/mine", &arguments).ended(2);
    assert!(refused.err.contains("pg_dump"), "{refused:#?}");
    assert!(!file.exists());
}
