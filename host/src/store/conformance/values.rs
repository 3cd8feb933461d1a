//! What packages store: versions, shares, listings, and walls between scopes.

use super::*;
use crate::store::{MAX_LISTED_KEYS, VALUE_OVERHEAD_BYTES, Value};

/// Enough for any case that is not about the share.
const AMPLE: u64 = 1 << 30;

pub(super) const CASES: &[Case] = &[
    case!(a_value_is_given_back_with_the_version_of_its_write),
    case!(versions_grow_with_every_write_also_over_a_removal_and_a_reopening),
    case!(a_swap_needs_the_version_that_is_there),
    case!(many_swaps_of_a_value_at_a_time_have_exactly_one_winner),
    case!(no_scope_sees_or_touches_what_another_holds),
    case!(a_share_holds_keys_bytes_and_overhead_to_the_last_byte),
    case!(what_is_removed_or_made_smaller_gives_its_room_back),
    case!(many_writes_at_a_time_never_overfill_a_share),
    case!(each_scope_has_a_share_of_its_own),
    case!(keys_are_listed_in_byte_order_page_by_page),
    case!(a_listing_keeps_to_its_prefix_whatever_the_cursor),
    case!(a_page_is_never_longer_than_the_most_that_is_listed),
    case!(a_listing_goes_on_where_it_was_when_its_last_key_is_gone),
];

async fn one(place: &Place) -> (Arc<dyn Store>, Scope) {
    let store = with_connections(place, &[("a", "one")]).await;
    (store, scope("a", "one", "package"))
}

async fn a_value_is_given_back_with_the_version_of_its_write(place: Place) {
    let (store, scope) = one(&place).await;
    assert_eq!(store.value_get(&scope, "k").await.unwrap(), None);
    for bytes in [Vec::new(), vec![0, 255], vec![7; 64 * 1024]] {
        let version = store.value_put(&scope, "k", &bytes, AMPLE).await.unwrap();
        let kept = store.value_get(&scope, "k").await.unwrap();
        assert_eq!(kept, Some(Value { version, bytes }));
    }
    assert!(store.value_delete(&scope, "k").await.unwrap());
    assert!(!store.value_delete(&scope, "k").await.unwrap());
    assert_eq!(store.value_get(&scope, "k").await.unwrap(), None);
}

async fn versions_grow_with_every_write_also_over_a_removal_and_a_reopening(place: Place) {
    let (mut store, scope) = one(&place).await;
    let mut last = 0;
    for round in 0..9 {
        let version = store.value_put(&scope, "k", b"v", AMPLE).await.unwrap();
        assert!(version > last, "{version} after {last}");
        last = version;
        match round % 3 {
            0 => assert!(store.value_delete(&scope, "k").await.unwrap()),
            1 => store = place.open().await,
            _ => {}
        }
    }
}

async fn a_swap_needs_the_version_that_is_there(place: Place) {
    let (store, scope) = one(&place).await;
    let swap = |expected, bytes: &'static [u8]| {
        let (store, scope) = (Arc::clone(&store), scope.clone());
        async move {
            store
                .value_compare_and_swap(&scope, "k", expected, bytes, AMPLE)
                .await
        }
    };
    assert_eq!(conflict(swap(Some(1), b"x").await), Some(0));
    let first = swap(None, b"first").await.unwrap();
    assert!(first > 0, "0 stands for no value");
    assert_eq!(conflict(swap(None, b"x").await), Some(first));
    let second = swap(Some(first), b"second").await.unwrap();
    assert_eq!(conflict(swap(Some(first), b"x").await), Some(second));
    store.value_delete(&scope, "k").await.unwrap();
    assert_eq!(conflict(swap(Some(second), b"x").await), Some(0));
    assert!(swap(None, b"third").await.unwrap() > second);
}

async fn many_swaps_of_a_value_at_a_time_have_exactly_one_winner(place: Place) {
    let (store, scope) = one(&place).await;
    let other = place.open().await;
    for expected in [None, Some(())] {
        let seen = store.value_get(&scope, "k").await.unwrap();
        let expected = expected.and(seen).map(|value| value.version);
        let swaps: Vec<_> = (0..64)
            .map(|number: u8| {
                let stores = [&store, &other];
                let store = Arc::clone(stores[usize::from(number % 2)]);
                let scope = scope.clone();
                tokio::spawn(async move {
                    store
                        .value_compare_and_swap(&scope, "k", expected, &[number], AMPLE)
                        .await
                        .is_ok()
                })
            })
            .collect();
        let mut winners = 0;
        for swap in swaps {
            winners += usize::from(swap.await.unwrap());
        }
        assert_eq!(winners, 1);
    }
}

async fn no_scope_sees_or_touches_what_another_holds(place: Place) {
    let keys = [("a", "one"), ("a", "two"), ("b", "one")];
    let store = with_connections(&place, &keys).await;
    let scopes: Vec<_> = keys
        .iter()
        .flat_map(|(tenant, name)| ["p", "q"].map(|package| scope(tenant, name, package)))
        .collect();
    for (number, scope) in scopes.iter().enumerate() {
        store
            .value_put(scope, "k", &[number as u8], AMPLE)
            .await
            .unwrap();
    }
    store.value_delete(&scopes[0], "k").await.unwrap();
    assert_eq!(store.value_get(&scopes[0], "k").await.unwrap(), None);
    for (number, scope) in scopes.iter().enumerate().skip(1) {
        let kept = store.value_get(scope, "k").await.unwrap().unwrap();
        assert_eq!(kept.bytes, [number as u8]);
        let listed = store.value_list(scope, "", None, 100).await.unwrap();
        assert_eq!(listed.keys, ["k"]);
    }
}

async fn a_share_holds_keys_bytes_and_overhead_to_the_last_byte(place: Place) {
    let (store, scope) = one(&place).await;
    let limit = 2 * (2 + VALUE_OVERHEAD_BYTES) + 10;
    store.value_put(&scope, "k1", &[0; 4], limit).await.unwrap();
    let over = store.value_put(&scope, "k2", &[0; 7], limit).await;
    assert!(matches!(over, Err(StoreError::Full { limit: told }) if told == limit));
    assert_eq!(store.value_get(&scope, "k2").await.unwrap(), None);
    store.value_put(&scope, "k2", &[0; 6], limit).await.unwrap();
    let swap = store
        .value_compare_and_swap(&scope, "k3", None, b"", limit)
        .await;
    assert!(matches!(swap, Err(StoreError::Full { .. })));
    // A refused write changes nothing, its version included.
    let kept = store.value_get(&scope, "k1").await.unwrap().unwrap();
    let over = store.value_put(&scope, "k1", &[0; 5], limit).await;
    assert!(matches!(over, Err(StoreError::Full { .. })));
    assert_eq!(store.value_get(&scope, "k1").await.unwrap(), Some(kept));
}

async fn what_is_removed_or_made_smaller_gives_its_room_back(place: Place) {
    let (store, scope) = one(&place).await;
    let limit = 1 + VALUE_OVERHEAD_BYTES + 100;
    for round in 0..50u8 {
        store
            .value_put(&scope, "k", &[round; 100], limit)
            .await
            .unwrap();
        store
            .value_put(&scope, "k", &[round; 10], limit)
            .await
            .unwrap();
        store.value_delete(&scope, "k").await.unwrap();
    }
    store
        .value_put(&scope, "k", &[1; 100], limit)
        .await
        .unwrap();
    // A share that was made smaller still lets values shrink.
    store.value_put(&scope, "k", &[1; 99], 10).await.unwrap();
    let grown = store.value_put(&scope, "k", &[1; 100], 10).await;
    assert!(matches!(grown, Err(StoreError::Full { limit: 10 })));
}

async fn many_writes_at_a_time_never_overfill_a_share(place: Place) {
    let (store, scope) = one(&place).await;
    let limit = 10 * (3 + VALUE_OVERHEAD_BYTES + 50);
    let writes: Vec<_> = (100..140)
        .map(|number| {
            let (store, scope) = (Arc::clone(&store), scope.clone());
            tokio::spawn(async move {
                let key = number.to_string();
                store.value_put(&scope, &key, &[1; 50], limit).await.is_ok()
            })
        })
        .collect();
    let mut written = 0;
    for write in writes {
        written += usize::from(write.await.unwrap());
    }
    let listed = store.value_list(&scope, "", None, 100).await.unwrap();
    assert_eq!((written, listed.keys.len()), (10, 10));
}

async fn each_scope_has_a_share_of_its_own(place: Place) {
    let store = with_connections(&place, &[("a", "one"), ("a", "two")]).await;
    let limit = 1 + VALUE_OVERHEAD_BYTES + 10;
    for scope in [
        scope("a", "one", "p"),
        scope("a", "one", "q"),
        scope("a", "two", "p"),
    ] {
        store.value_put(&scope, "k", &[1; 10], limit).await.unwrap();
        let full = store.value_put(&scope, "l", b"", limit).await;
        assert!(matches!(full, Err(StoreError::Full { .. })));
    }
}

/// All keys of a prefix, in pages of `limit`.
async fn pages(store: &dyn Store, scope: &Scope, prefix: &str, limit: u32) -> Vec<Vec<String>> {
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = store
            .value_list(scope, prefix, after.as_deref(), limit)
            .await
            .unwrap();
        pages.push(page.keys);
        after = page.next;
        if after.is_none() {
            return pages;
        }
    }
}

async fn keys_are_listed_in_byte_order_page_by_page(place: Place) {
    let (store, scope) = one(&place).await;
    let ordered = [
        "-",
        "A",
        "Z",
        "_",
        "a",
        "a-",
        "a/",
        "a/b",
        "aa",
        "\u{e9}",
        "\u{1f512}",
    ];
    for key in ordered.iter().rev() {
        store.value_put(&scope, key, b"v", AMPLE).await.unwrap();
    }
    for limit in [1, 2, 3, 10, 11, 12, u32::MAX] {
        let pages = pages(&*store, &scope, "", limit).await;
        assert_eq!(pages.concat(), ordered, "limit {limit}");
        assert!(pages.iter().all(|page| page.len() <= limit as usize));
        // No page is empty only because the one before was exactly full.
        assert!(pages.iter().all(|page| !page.is_empty()), "limit {limit}");
    }
    let none = store.value_list(&scope, "", None, 0).await.unwrap();
    assert!(none.keys.is_empty());
}

async fn a_listing_keeps_to_its_prefix_whatever_the_cursor(place: Place) {
    let (store, scope) = one(&place).await;
    for key in ["a", "b", "b%", "b.1", "b.2", "b_", "bb", "c"] {
        store.value_put(&scope, key, b"v", AMPLE).await.unwrap();
    }
    assert_eq!(
        pages(&*store, &scope, "b.", 1).await.concat(),
        ["b.1", "b.2"]
    );
    assert_eq!(pages(&*store, &scope, "b_", 9).await.concat(), ["b_"]);
    assert_eq!(pages(&*store, &scope, "b%", 9).await.concat(), ["b%"]);
    assert_eq!(pages(&*store, &scope, "d", 9).await.concat(), [""; 0]);
    for (after, expected) in [
        ("a", &["b.1", "b.2"][..]),
        ("b.1", &["b.2"]),
        ("b.15", &["b.2"]),
        ("b.2", &[]),
        ("c", &[]),
    ] {
        let page = store
            .value_list(&scope, "b.", Some(after), 9)
            .await
            .unwrap();
        assert_eq!(page.keys, expected, "after {after}");
    }
}

async fn a_page_is_never_longer_than_the_most_that_is_listed(place: Place) {
    let (store, scope) = one(&place).await;
    for number in 0..=MAX_LISTED_KEYS {
        let key = format!("{number:05}");
        store.value_put(&scope, &key, b"", AMPLE).await.unwrap();
    }
    let pages = pages(&*store, &scope, "", u32::MAX).await;
    let lengths: Vec<_> = pages.iter().map(Vec::len).collect();
    assert_eq!(lengths, [MAX_LISTED_KEYS as usize, 1]);
}

async fn a_listing_goes_on_where_it_was_when_its_last_key_is_gone(place: Place) {
    let (store, scope) = one(&place).await;
    for key in ["a", "b", "c"] {
        store.value_put(&scope, key, b"", AMPLE).await.unwrap();
    }
    let first = store.value_list(&scope, "", None, 2).await.unwrap();
    assert_eq!(first.next.as_deref(), Some("b"));
    store.value_delete(&scope, "b").await.unwrap();
    let rest = store.value_list(&scope, "", Some("b"), 2).await.unwrap();
    assert_eq!((rest.keys, rest.next), (vec!["c".to_owned()], None));
}
