//! Connections: kept as given, ordered, erased without a trace.

use super::*;
use crate::store::{Authorization, LedgerBucket, TOKENS};

pub(super) const CASES: &[Case] = &[
    case!(a_connection_is_given_back_as_it_was_inserted),
    case!(inserting_a_connection_twice_is_refused_and_changes_nothing),
    case!(an_update_changes_what_the_operator_decides_and_nothing_of_tokens_or_grants),
    case!(grants_are_given_and_refused_in_one_step_whoever_else_does_so_meanwhile),
    case!(what_is_settled_is_given_to_connections_of_which_nothing_was_decided_alone),
    case!(connections_come_ordered_by_tenant_and_name_and_for_one_tenant_only_its_own),
    case!(erasing_a_connection_erases_everything_of_it_and_nothing_else),
    case!(a_connection_made_again_under_an_erased_key_inherits_nothing),
    case!(erasing_a_tenant_erases_all_its_connections_and_tells_their_number),
    case!(whatever_is_asked_of_a_missing_connection_it_is_not_found),
    case!(many_inserts_of_one_key_at_a_time_have_one_winner),
    case!(the_first_key_check_stays_whoever_comes_later),
    case!(everything_is_still_there_when_the_store_is_opened_again),
    case!(what_one_open_store_writes_another_reads_at_once),
];

async fn a_connection_is_given_back_as_it_was_inserted(place: Place) {
    let store = place.open().await;
    let full = record("acme", "main");
    store.insert_connection(&full).await.unwrap();
    assert_eq!(store.connection(&full.key).await.unwrap(), full);

    let mut bare = record("acme", "bare");
    (bare.origin, bare.identity) = (None, None);
    (bare.redirect_uri, bare.username) = (None, None);
    (bare.scopes, bare.local_origins) = (Vec::new(), Vec::new());
    bare.state = ConnectionState::Pending;
    bare.flow = Flow::AuthorizationCode;
    bare.settings = serde_json::json!({});
    bare.reserve = Reserve::default();
    bare.grants = None;
    store.insert_connection(&bare).await.unwrap();
    assert_eq!(store.connection(&bare.key).await.unwrap(), bare);
}

async fn inserting_a_connection_twice_is_refused_and_changes_nothing(place: Place) {
    let store = with_connections(&place, &[("acme", "main")]).await;
    let mut other = record("acme", "main");
    other.client_id = "other".to_owned();
    let result = store.insert_connection(&other).await;
    assert!(matches!(result, Err(StoreError::Exists(key)) if key == other.key));
    let kept = store.connection(&other.key).await.unwrap();
    assert_eq!(kept, record("acme", "main"));
}

async fn an_update_changes_what_the_operator_decides_and_nothing_of_tokens_or_grants(place: Place) {
    let store = with_connections(&place, &[("acme", "main")]).await;
    let before = record("acme", "main");
    let update = ConnectionRecord {
        package: "other-connector".to_owned(),
        login_origin: "https://other.example.com".to_owned(),
        origin: None,
        identity: None,
        flow: Flow::ClientCredentials,
        client_id: "other".to_owned(),
        redirect_uri: None,
        scopes: Vec::new(),
        username: None,
        state: ConnectionState::Ready,
        settings: serde_json::json!({"other": true}),
        local_origins: Vec::new(),
        reserve: Reserve::default(),
        grants: None,
        created_ms: 1,
        updated_ms: 2,
        key: before.key.clone(),
    };
    store.update_connection(&update).await.unwrap();
    let after = store.connection(&before.key).await.unwrap();
    let expected = ConnectionRecord {
        origin: before.origin,
        identity: before.identity,
        state: before.state,
        grants: before.grants,
        created_ms: before.created_ms,
        ..update
    };
    assert_eq!(after, expected);
}

async fn grants_are_given_and_refused_in_one_step_whoever_else_does_so_meanwhile(place: Place) {
    let store = with_connections(&place, &[("acme", "main"), ("acme", "other")]).await;
    let key_main = key("acme", "main");
    let change = |give: &[Grant], refuse: &[Grant]| GrantChange {
        give: give.iter().copied().collect(),
        refuse: refuse.iter().copied().collect(),
        before: Grants::from(Grant::ALL),
    };
    let changes = [
        change(&[Grant::Quota], &[]),
        change(&[Grant::Stream], &[]),
        change(&[], &[Grant::Http]),
        change(&[Grant::Storage], &[]),
    ];
    let changed = futures_util::future::join_all(
        changes
            .iter()
            .map(|change| store.change_grants(&key_main, change, 1_800_000_000_000)),
    );
    let mut versions = Vec::new();
    for record in changed.await {
        versions.push(record.unwrap().grants.unwrap().version);
    }
    versions.sort_unstable();
    assert_eq!(versions, [2, 3, 4, 5]);
    let kept = store.connection(&key_main).await.unwrap();
    let grants = kept.grants.unwrap();
    let given = Grants::from([Grant::Storage, Grant::Quota, Grant::Stream]);
    assert_eq!(
        (grants.given, grants.refused),
        (given, Grants::from([Grant::Http]))
    );
    assert_eq!(kept.updated_ms, 1_800_000_000_000);
    let other = store.connection(&key("acme", "other")).await.unwrap();
    assert_eq!(other, record("acme", "other"));
    // One that is older had what there was before.
    let mut old = record("acme", "old");
    old.grants = None;
    store.insert_connection(&old).await.unwrap();
    let refusal = change(&[], &[Grant::Stream]);
    let changed = store.change_grants(&old.key, &refusal, 7).await;
    let grants = changed.unwrap().grants.unwrap();
    let given = Grants::from([Grant::Http, Grant::Storage, Grant::Quota]);
    assert_eq!(
        (grants.given, grants.refused),
        (given, Grants::from([Grant::Stream]))
    );
}

async fn what_is_settled_is_given_to_connections_of_which_nothing_was_decided_alone(place: Place) {
    let store = with_connections(&place, &[("acme", "decided")]).await;
    let mut old = record("acme", "old");
    old.grants = None;
    let mut of_another = record("acme", "of-another");
    (of_another.grants, of_another.package) = (None, "another".to_owned());
    store.insert_connection(&old).await.unwrap();
    store.insert_connection(&of_another).await.unwrap();
    let asked = Grants::from([Grant::Http, Grant::Storage]);
    let package = old.package.as_str();
    assert_eq!(store.settle_grants(package, &asked).await.unwrap(), 1);
    let more = Grants::from(Grant::ALL);
    assert_eq!(store.settle_grants(package, &more).await.unwrap(), 0);
    let settled = store.connection(&old.key).await.unwrap();
    old.grants = Some(ConnectionGrants::decided(&asked, &asked));
    assert_eq!(settled, old);
    let decided = store.connection(&key("acme", "decided")).await.unwrap();
    assert_eq!(decided, record("acme", "decided"));
    let of_another = store.connection(&of_another.key).await.unwrap();
    assert_eq!(of_another.grants, None);
}

async fn connections_come_ordered_by_tenant_and_name_and_for_one_tenant_only_its_own(place: Place) {
    let keys = [
        ("b", "2"),
        ("a", "z"),
        ("B", "1"),
        ("b", "10"),
        ("a.b", "1"),
    ];
    let store = with_connections(&place, &keys).await;
    let names = |records: Vec<ConnectionRecord>| -> Vec<String> {
        records
            .iter()
            .map(|record| record.key.to_string())
            .collect()
    };
    let all = names(store.connections(None).await.unwrap());
    assert_eq!(all, ["B/1", "a/z", "a.b/1", "b/10", "b/2"]);
    let of_b = names(store.connections(Some("b")).await.unwrap());
    assert_eq!(of_b, ["b/10", "b/2"]);
    assert!(store.connections(Some("c")).await.unwrap().is_empty());
}

/// Gives a connection one of everything.
async fn fill(store: &dyn Store, tenant: &str, name: &str) {
    let key = key(tenant, name);
    for secret in [TOKENS, "client-secret"] {
        let sealed = sealed(7, b"sealed");
        store.put_secret(&key, secret, None, &sealed).await.unwrap();
    }
    let authorization = Authorization {
        key: key.clone(),
        sealed_verifier: vec![1],
        redirect_uri: "https://app.example.com".to_owned(),
        expires_at_ms: u64::MAX >> 1,
    };
    store
        .put_authorization(digest(&key), &authorization)
        .await
        .unwrap();
    let scope = scope(tenant, name, "package");
    store
        .value_put(&scope, "cursor", b"1", 1_000)
        .await
        .unwrap();
    let calls = [LedgerBucket {
        start_ms: 5,
        calls: 3,
    }];
    store.ledger_add(&key, &calls, None).await.unwrap();
}

fn digest(key: &ConnectionKey) -> [u8; 32] {
    let mut digest = [0; 32];
    for (to, from) in digest.iter_mut().zip(key.to_string().bytes()) {
        *to = from;
    }
    digest
}

/// How much of what [`fill`] gave is there.
async fn found(store: &dyn Store, tenant: &str, name: &str) -> usize {
    let key = key(tenant, name);
    let scope = scope(tenant, name, "package");
    let mut found = 0;
    for secret in [TOKENS, "client-secret"] {
        found += usize::from(store.secret(&key, secret).await.unwrap().is_some());
    }
    found += store
        .value_list(&scope, "", None, 10)
        .await
        .unwrap()
        .keys
        .len();
    found += store.ledger(&key, 0).await.unwrap().0.len();
    found
        + usize::from(
            store
                .take_authorization(digest(&key), 0)
                .await
                .unwrap()
                .is_some(),
        )
}

async fn erasing_a_connection_erases_everything_of_it_and_nothing_else(place: Place) {
    let store = with_connections(&place, &[("a", "one"), ("a", "two"), ("b", "one")]).await;
    for (tenant, name) in [("a", "one"), ("a", "two"), ("b", "one")] {
        fill(&*store, tenant, name).await;
    }
    store.erase_connection(&key("a", "one")).await.unwrap();
    assert!(is_not_found(store.connection(&key("a", "one")).await));
    assert!(is_not_found(store.secret(&key("a", "one"), TOKENS).await));
    let taken = store.take_authorization(digest(&key("a", "one")), 0).await;
    assert_eq!(taken.unwrap(), None);
    assert_eq!(found(&*store, "a", "two").await, 5);
    assert_eq!(found(&*store, "b", "one").await, 5);
}

async fn a_connection_made_again_under_an_erased_key_inherits_nothing(place: Place) {
    let store = with_connections(&place, &[("a", "one")]).await;
    fill(&*store, "a", "one").await;
    let values = scope("a", "one", "package");
    let old = store.value_get(&values, "cursor").await.unwrap().unwrap();
    store.erase_connection(&key("a", "one")).await.unwrap();
    store.insert_connection(&record("a", "one")).await.unwrap();
    assert_eq!(found(&*store, "a", "one").await, 0);
    // A write prepared before does not fit either.
    store
        .value_put(&values, "cursor", b"new", 1_000)
        .await
        .unwrap();
    let result = store
        .value_compare_and_swap(&values, "cursor", Some(old.version), b"old", 1_000)
        .await;
    assert!(conflict(result).is_some());
}

async fn erasing_a_tenant_erases_all_its_connections_and_tells_their_number(place: Place) {
    let store = with_connections(&place, &[("a", "one"), ("a", "two"), ("b", "one")]).await;
    fill(&*store, "a", "two").await;
    fill(&*store, "b", "one").await;
    assert_eq!(store.erase_tenant("a").await.unwrap(), 2);
    assert_eq!(store.erase_tenant("a").await.unwrap(), 0);
    let left = store.connections(None).await.unwrap();
    assert_eq!(left, [record("b", "one")]);
    assert_eq!(found(&*store, "b", "one").await, 5);
}

async fn whatever_is_asked_of_a_missing_connection_it_is_not_found(place: Place) {
    let store = with_connections(&place, &[("acme", "other")]).await;
    let key = key("acme", "main");
    let scope = scope("acme", "main", "package");
    let update = crate::store::TokenUpdate {
        expected: None,
        sealed: sealed(1, b""),
        origin: None,
        identity: None,
        state: ConnectionState::Ready,
        at_ms: 1,
    };
    let authorization = Authorization {
        key: key.clone(),
        sealed_verifier: Vec::new(),
        redirect_uri: String::new(),
        expires_at_ms: 1,
    };
    assert!(is_not_found(store.connection(&key).await));
    assert!(is_not_found(
        store.update_connection(&record("acme", "main")).await
    ));
    let change = GrantChange::default();
    assert!(is_not_found(store.change_grants(&key, &change, 1).await));
    assert!(is_not_found(store.erase_connection(&key).await));
    assert!(is_not_found(
        store.put_secret(&key, "s", None, &sealed(1, b"")).await
    ));
    assert!(is_not_found(store.secret(&key, "s").await));
    assert!(is_not_found(store.delete_secret(&key, "s").await));
    assert!(is_not_found(store.save_tokens(&key, &update).await));
    assert!(is_not_found(
        store
            .set_state(&key, None, &ConnectionState::Ready, 1)
            .await
    ));
    assert!(is_not_found(
        store.put_authorization([0; 32], &authorization).await
    ));
    assert!(is_not_found(store.value_get(&scope, "k").await));
    assert!(is_not_found(store.value_put(&scope, "k", b"", 1_000).await));
    let swap = store.value_compare_and_swap(&scope, "k", None, b"", 1_000);
    assert!(is_not_found(swap.await));
    assert!(is_not_found(store.value_delete(&scope, "k").await));
    assert!(is_not_found(store.value_list(&scope, "", None, 1).await));
    assert!(is_not_found(store.ledger_add(&key, &[], None).await));
    assert!(is_not_found(store.ledger(&key, 0).await));
    assert!(is_not_found(store.ledger_prune(&key, 0).await));
}

async fn many_inserts_of_one_key_at_a_time_have_one_winner(place: Place) {
    let store = place.open().await;
    let inserts: Vec<_> = (0..32)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.insert_connection(&record("a", "one")).await.is_ok() })
        })
        .collect();
    let mut winners = 0;
    for insert in inserts {
        winners += usize::from(insert.await.unwrap());
    }
    assert_eq!(winners, 1);
}

async fn the_first_key_check_stays_whoever_comes_later(place: Place) {
    let store = place.open().await;
    assert_eq!(store.key_check(b"first").await.unwrap(), b"first");
    assert_eq!(store.key_check(b"second").await.unwrap(), b"first");
    drop(store);
    let store = place.open().await;
    assert_eq!(store.key_check(b"third").await.unwrap(), b"first");
}

async fn everything_is_still_there_when_the_store_is_opened_again(place: Place) {
    let store = with_connections(&place, &[("a", "one")]).await;
    fill(&*store, "a", "one").await;
    drop(store);
    let store = place.open().await;
    assert_eq!(found(&*store, "a", "one").await, 5);
    let kept = store.connection(&key("a", "one")).await.unwrap();
    assert_eq!(kept, record("a", "one"));
}

async fn what_one_open_store_writes_another_reads_at_once(place: Place) {
    let (one, other) = (place.open().await, place.open().await);
    for round in 0..20 {
        let name = format!("c{round}");
        one.insert_connection(&record("a", &name)).await.unwrap();
        other.connection(&key("a", &name)).await.unwrap();
        other.erase_connection(&key("a", &name)).await.unwrap();
        assert!(is_not_found(one.connection(&key("a", &name)).await));
    }
}
