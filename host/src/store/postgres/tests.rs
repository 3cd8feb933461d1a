//! The suite for every backend, and what only a server can get wrong.

use std::cell::RefCell;
use std::sync::Arc;

use test_postgres::Server;
use tokio_postgres::NoTls;

use super::*;
use crate::store::conformance::{self, Place};

async fn opened(address: &str) -> Arc<dyn Store> {
    Arc::new(PostgresStore::open(address).await.unwrap())
}

fn record() -> ConnectionRecord {
    conformance::record("acme", "main")
}

/// A session beside the store's.
async fn session(address: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(address, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_store_on_postgresql_keeps_every_promise_of_a_store() {
    let Some(server) = Server::start() else {
        return;
    };
    // Stores stay open until the end, so that they keep few connections busy.
    let addresses = RefCell::new(Vec::new());
    conformance::run(|| {
        let address = server.database();
        addresses.borrow_mut().push(address.clone());
        Place(Arc::new(move || {
            let address = address.clone();
            Box::pin(async move { opened(&address).await })
        }))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hosts_that_start_at_a_time_make_the_tables_once_and_share_what_is_in_them() {
    let Some(server) = Server::start() else {
        return;
    };
    let address = server.database();
    let starts = (0..6).map(|_| {
        let address = address.clone();
        tokio::spawn(async move { opened(&address).await })
    });
    let stores: Vec<_> = futures_util::future::join_all(starts).await;
    let stores: Vec<_> = stores.into_iter().map(Result::unwrap).collect();
    stores[0].insert_connection(&record()).await.unwrap();
    for store in &stores {
        assert_eq!(store.connections(None).await.unwrap(), [record()]);
    }
}

#[tokio::test]
async fn tables_of_a_newer_version_are_refused_and_left_alone() {
    let Some(server) = Server::start() else {
        return;
    };
    let address = server.database();
    opened(&address)
        .await
        .insert_connection(&record())
        .await
        .unwrap();
    let session = session(&address).await;
    let newer = "UPDATE lockgate_schema SET version = version + 1";
    session.batch_execute(newer).await.unwrap();
    let error = PostgresStore::open(&address).await.unwrap_err();
    assert!(matches!(error, StoreError::Newer { .. }), "{error}");
    let count = session.query_one("SELECT count(*) FROM connections", &[]);
    assert_eq!(count.await.unwrap().get::<_, i64>(0), 1);
}

#[tokio::test]
async fn a_connection_that_broke_is_told_once_and_the_next_call_has_another() {
    let Some(server) = Server::start() else {
        return;
    };
    let address = server.database();
    let store = opened(&address).await;
    store.insert_connection(&record()).await.unwrap();
    let session = session(&address).await;
    let end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE application_name = 'lockgate'";
    let ended = session.query(end_all, &[]).await.unwrap();
    assert!(!ended.is_empty());
    // The pool looks at a connection before it gives it out again.
    let found = store.connections(None).await;
    match found {
        Ok(found) => assert_eq!(found, [record()]),
        Err(error) => assert!(error.is_passing(), "{error}"),
    }
    assert_eq!(store.connections(None).await.unwrap(), [record()]);
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_told_without_its_password() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let address = format!("postgres://me:hunter2@127.0.0.1:{port}/mine?sslmode=disable");
    let error = PostgresStore::open(&address).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
    assert!(error.is_passing());
    let shown = format!("{error} {error:?}");
    assert!(shown.contains(&format!("127.0.0.1:{port}/mine")), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");

    for wrong in ["", "postgres://", "mysql://me@host/db", "sqlite:file"] {
        let error = PostgresStore::open(wrong).await.unwrap_err();
        assert!(matches!(error, StoreError::BadAddress), "{wrong}: {error}");
    }
}

#[tokio::test]
async fn who_waits_too_long_for_a_held_connection_is_told_to_try_again() {
    let Some(server) = Server::start() else {
        return;
    };
    let address = server.database();
    let store = opened(&address).await;
    store.insert_connection(&record()).await.unwrap();
    let mut other = session(&address).await;
    let holding = other.transaction().await.unwrap();
    let hold = "SELECT 1 FROM connections FOR UPDATE";
    holding.query(hold, &[]).await.unwrap();
    // Reads wait for nobody.
    assert!(store.secret(&record().key, "x").await.unwrap().is_none());
    let sealed = Sealed {
        version: 1,
        bytes: vec![1],
    };
    let error = store.put_secret(&record().key, "x", None, &sealed).await;
    assert!(matches!(error, Err(StoreError::Busy)), "{error:?}");
    holding.rollback().await.unwrap();
    store
        .put_secret(&record().key, "x", None, &sealed)
        .await
        .unwrap();
}
