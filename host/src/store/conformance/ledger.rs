//! Ledgers: added up over all who add, the newest word of the product kept.

use super::*;
use crate::store::{LedgerBucket, LedgerObservation};

pub(super) const CASES: &[Case] = &[
    case!(calls_of_the_same_bucket_add_up_over_all_who_add),
    case!(buckets_are_loaded_from_a_moment_on_the_oldest_first),
    case!(only_a_newer_observation_replaces_what_is_kept),
    case!(a_prune_removes_what_is_older_and_only_of_this_connection),
];

fn bucket(start_ms: u64, calls: u64) -> LedgerBucket {
    LedgerBucket { start_ms, calls }
}

async fn calls_of_the_same_bucket_add_up_over_all_who_add(place: Place) {
    let stores = [
        with_connections(&place, &[("a", "one")]).await,
        place.open().await,
    ];
    let adds: Vec<_> = (0..40)
        .map(|number| {
            let store = Arc::clone(&stores[number % 2]);
            tokio::spawn(async move {
                let calls = [bucket(300, 1), bucket(600, 2)];
                store
                    .ledger_add(&key("a", "one"), &calls, None)
                    .await
                    .unwrap();
            })
        })
        .collect();
    for add in adds {
        add.await.unwrap();
    }
    let (buckets, observed) = stores[0].ledger(&key("a", "one"), 0).await.unwrap();
    assert_eq!(buckets, [bucket(300, 40), bucket(600, 80)]);
    assert_eq!(observed, None);
}

async fn buckets_are_loaded_from_a_moment_on_the_oldest_first(place: Place) {
    let store = with_connections(&place, &[("a", "one"), ("a", "two")]).await;
    let calls = [bucket(900, 3), bucket(300, 1), bucket(600, 2)];
    store
        .ledger_add(&key("a", "one"), &calls, None)
        .await
        .unwrap();
    let (buckets, _) = store.ledger(&key("a", "one"), 600).await.unwrap();
    assert_eq!(buckets, [bucket(600, 2), bucket(900, 3)]);
    let (others, _) = store.ledger(&key("a", "two"), 0).await.unwrap();
    assert_eq!(others, []);
}

async fn only_a_newer_observation_replaces_what_is_kept(place: Place) {
    let store = with_connections(&place, &[("a", "one")]).await;
    let at = |at_ms, used| LedgerObservation {
        used,
        limit: 100_000,
        at_ms,
    };
    let key = key("a", "one");
    for (observed, kept) in [
        (at(10, 1), at(10, 1)),
        (at(30, 2), at(30, 2)),
        (at(20, 3), at(30, 2)),
        (at(30, 4), at(30, 4)),
    ] {
        store.ledger_add(&key, &[], Some(&observed)).await.unwrap();
        assert_eq!(store.ledger(&key, 0).await.unwrap().1, Some(kept));
    }
}

async fn a_prune_removes_what_is_older_and_only_of_this_connection(place: Place) {
    let store = with_connections(&place, &[("a", "one"), ("a", "two")]).await;
    for name in ["one", "two"] {
        let calls = [bucket(300, 1), bucket(600, 2)];
        store
            .ledger_add(&key("a", name), &calls, None)
            .await
            .unwrap();
    }
    let pruned = store.ledger_prune(&key("a", "one"), 600).await.unwrap();
    assert_eq!(pruned, 1);
    let (left, _) = store.ledger(&key("a", "one"), 0).await.unwrap();
    assert_eq!(left, [bucket(600, 2)]);
    assert_eq!(store.ledger(&key("a", "two"), 0).await.unwrap().0.len(), 2);
}
