//! What survives in the store, and what does not need to.

use super::*;
use crate::store::{SqliteStore, conformance};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
const START_MS: u64 = 1_800_000_012_345;

fn manifest() -> QuotaManifest {
    QuotaManifest {
        header: "limit-info".to_owned(),
        entry: "api-usage".to_owned(),
        window_s: 86_400,
        free_paths: Vec::new(),
    }
}

fn key() -> ConnectionKey {
    ConnectionKey::new("acme", "main").unwrap()
}

async fn store(dir: &tempfile::TempDir) -> Arc<dyn Store> {
    let store = SqliteStore::open(dir.path()).await.unwrap();
    let record = conformance::record("acme", "main");
    store.insert_connection(&record).await.unwrap();
    Arc::new(store)
}

fn at(ms: u64) -> Clock {
    Clock::new(move || ms)
}

async fn opened(ledgers: &Ledgers) -> Quota {
    ledgers
        .quota(&key(), &manifest(), Reserve::default())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_flushed_ledger_is_the_same_after_a_restart() {
    let temp = tempfile::tempdir().unwrap();
    let store = store(&temp).await;
    let ledgers = Ledgers::start(Arc::clone(&store), at(START_MS));
    let quota = opened(&ledgers).await;
    quota.observe("api-usage=1000/15000");
    quota.try_take(30).unwrap();
    ledgers.flush().await.unwrap();
    drop(ledgers);
    let ledgers = Ledgers::start(Arc::clone(&store), at(START_MS + 1_000));
    assert_eq!(opened(&ledgers).await.status(), quota.status());
    let late = Ledgers::start(store, at(START_MS + 2 * DAY_MS));
    let status = opened(&late).await.status();
    assert_eq!((status.limit, status.used), (Some(15_000), 0));
}

#[tokio::test]
async fn calls_of_several_processes_add_up() {
    let temp = tempfile::tempdir().unwrap();
    let store = store(&temp).await;
    for _ in 0..3 {
        let ledgers = Ledgers::start(Arc::clone(&store), at(START_MS));
        opened(&ledgers).await.try_take(5).unwrap();
        ledgers.flush().await.unwrap();
    }
    let ledgers = Ledgers::start(store, at(START_MS));
    assert_eq!(opened(&ledgers).await.status().used, 15);
}

#[tokio::test]
async fn everybody_gets_the_same_budget_however_many_ask_at_once() {
    let temp = tempfile::tempdir().unwrap();
    let ledgers = Arc::new(Ledgers::start(store(&temp).await, at(START_MS)));
    let askers: Vec<_> = (0..20)
        .map(|_| {
            let ledgers = Arc::clone(&ledgers);
            tokio::spawn(async move { opened(&ledgers).await.try_take(1).unwrap() })
        })
        .collect();
    for asker in askers {
        asker.await.unwrap();
    }
    assert_eq!(opened(&ledgers).await.status().used, 20);
}

/// Reads until the store holds so many calls. With tokio's time paused a timer
/// fires as soon as nothing else is to be done.
async fn stored(store: &dyn Store, calls: u64) {
    loop {
        let (buckets, _) = store.ledger(&key(), 0).await.unwrap();
        if buckets.iter().map(|bucket| bucket.calls).sum::<u64>() == calls {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn calls_are_stored_by_themselves() {
    let temp = tempfile::tempdir().unwrap();
    let store = store(&temp).await;
    let ledgers = Ledgers::start(Arc::clone(&store), at(START_MS));
    let quota = opened(&ledgers).await;
    quota.try_take(1).unwrap();
    stored(&*store, 1).await;
    quota.try_take(50).unwrap();
    stored(&*store, 51).await;
}

#[tokio::test]
async fn an_erased_connection_is_forgotten_and_disturbs_nobody() {
    let temp = tempfile::tempdir().unwrap();
    let store = store(&temp).await;
    let ledgers = Ledgers::start(Arc::clone(&store), at(START_MS));
    let quota = opened(&ledgers).await;
    quota.try_take(5).unwrap();
    store.erase_connection(&key()).await.unwrap();
    ledgers.flush().await.unwrap();
    assert!(ledgers.shared.ledgers().is_empty());
    let again = ledgers.quota(&key(), &manifest(), Reserve::default()).await;
    assert!(matches!(again, Err(StoreError::NotFound(_))));
    ledgers.forget(&key());
    ledgers.forget_tenant("acme");
}

#[tokio::test]
async fn what_has_left_the_window_is_pruned_from_the_store() {
    let temp = tempfile::tempdir().unwrap();
    let store = store(&temp).await;
    for day in [0, 3] {
        let ledgers = Ledgers::start(Arc::clone(&store), at(START_MS + day * DAY_MS));
        opened(&ledgers).await.try_take(1).unwrap();
        ledgers.flush().await.unwrap();
    }
    assert_eq!(store.ledger(&key(), 0).await.unwrap().0.len(), 1);
}
