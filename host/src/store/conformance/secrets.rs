//! Secrets: compare-and-swap, and tokens together with their connection.

use super::*;
use crate::store::{TOKENS, TokenUpdate};

pub(super) const CASES: &[Case] = &[
    case!(a_secret_is_given_back_with_its_version),
    case!(all_secrets_are_listed_by_connection_and_name),
    case!(a_key_check_is_replaced_only_if_it_is_the_one_that_was_read),
    case!(a_secret_is_written_only_over_the_version_that_was_read),
    case!(a_version_that_does_not_grow_is_refused),
    case!(a_removed_secret_is_gone_and_can_be_written_anew),
    case!(secrets_of_the_same_name_do_not_meet_across_connections),
    case!(many_swaps_at_a_time_have_exactly_one_winner),
    case!(many_writers_that_read_again_after_a_conflict_all_get_through),
    case!(tokens_and_what_came_with_them_are_written_together),
    case!(outrun_tokens_change_nothing_of_the_connection),
    case!(a_state_is_set_only_while_the_tokens_are_those_that_it_is_about),
];

async fn a_secret_is_given_back_with_its_version(place: Place) {
    let store = with_connections(&place, &[("a", "one")]).await;
    let key = key("a", "one");
    assert_eq!(store.secret(&key, "s").await.unwrap(), None);
    let bytes: Vec<u8> = (0..=255).collect();
    let first = sealed(1 << 46, &bytes);
    store.put_secret(&key, "s", None, &first).await.unwrap();
    assert_eq!(store.secret(&key, "s").await.unwrap(), Some(first));
    assert_eq!(store.secret(&key, "S").await.unwrap(), None);
}

async fn all_secrets_are_listed_by_connection_and_name(place: Place) {
    let store = with_connections(&place, &[("b", "one"), ("a", "two"), ("a", "one")]).await;
    assert!(store.secret_names().await.unwrap().is_empty());
    for (tenant, name, secret) in [
        ("b", "one", "s"),
        ("a", "two", "t"),
        ("a", "two", "s"),
        ("a", "one", "s"),
    ] {
        let key = key(tenant, name);
        store
            .put_secret(&key, secret, None, &sealed(1, b"x"))
            .await
            .unwrap();
    }
    let listed = store.secret_names().await.unwrap();
    let listed: Vec<String> = listed
        .iter()
        .map(|(key, name)| format!("{key} {name}"))
        .collect();
    assert_eq!(listed, ["a/one s", "a/two s", "a/two t", "b/one s"]);
}

async fn a_key_check_is_replaced_only_if_it_is_the_one_that_was_read(place: Place) {
    let store = place.open().await;
    assert_eq!(store.key_check(b"old").await.unwrap(), b"old");
    assert_eq!(
        conflict(store.replace_key_check(b"other", b"new").await),
        Some(0)
    );
    store.replace_key_check(b"old", b"new").await.unwrap();
    assert_eq!(store.key_check(b"fresh").await.unwrap(), b"new");
}

async fn a_secret_is_written_only_over_the_version_that_was_read(place: Place) {
    let store = with_connections(&place, &[("a", "one")]).await;
    let key = key("a", "one");
    let too_early = store.put_secret(&key, "s", Some(1), &sealed(2, b"2")).await;
    assert_eq!(conflict(too_early), Some(0));
    store
        .put_secret(&key, "s", None, &sealed(5, b"5"))
        .await
        .unwrap();
    let unseen = store.put_secret(&key, "s", None, &sealed(6, b"6")).await;
    assert_eq!(conflict(unseen), Some(5));
    let outrun = store.put_secret(&key, "s", Some(4), &sealed(6, b"6")).await;
    assert_eq!(conflict(outrun), Some(5));
    store
        .put_secret(&key, "s", Some(5), &sealed(6, b"6"))
        .await
        .unwrap();
    let kept = store.secret(&key, "s").await.unwrap();
    assert_eq!(kept, Some(sealed(6, b"6")));
}

async fn a_version_that_does_not_grow_is_refused(place: Place) {
    let store = with_connections(&place, &[("a", "one")]).await;
    let key = key("a", "one");
    let zero = store.put_secret(&key, "s", None, &sealed(0, b"")).await;
    assert!(matches!(zero, Err(StoreError::BadVersion { .. })));
    store
        .put_secret(&key, "s", None, &sealed(5, b"5"))
        .await
        .unwrap();
    for version in [1, 4, 5] {
        let result = store
            .put_secret(&key, "s", Some(5), &sealed(version, b""))
            .await;
        assert!(matches!(
            result,
            Err(StoreError::BadVersion { given, expected: 5 }) if given == version
        ));
    }
}

async fn a_removed_secret_is_gone_and_can_be_written_anew(place: Place) {
    let store = with_connections(&place, &[("a", "one")]).await;
    let key = key("a", "one");
    assert!(!store.delete_secret(&key, "s").await.unwrap());
    store
        .put_secret(&key, "s", None, &sealed(5, b"5"))
        .await
        .unwrap();
    assert!(store.delete_secret(&key, "s").await.unwrap());
    assert_eq!(store.secret(&key, "s").await.unwrap(), None);
    store
        .put_secret(&key, "s", None, &sealed(9, b"9"))
        .await
        .unwrap();
}

async fn secrets_of_the_same_name_do_not_meet_across_connections(place: Place) {
    let keys = [("a", "one"), ("a", "two"), ("b", "one")];
    let store = with_connections(&place, &keys).await;
    for (number, (tenant, name)) in keys.into_iter().enumerate() {
        let secret = sealed(1, &[number as u8]);
        store
            .put_secret(&key(tenant, name), "s", None, &secret)
            .await
            .unwrap();
    }
    for (number, (tenant, name)) in keys.into_iter().enumerate() {
        let kept = store.secret(&key(tenant, name), "s").await.unwrap();
        assert_eq!(kept, Some(sealed(1, &[number as u8])));
    }
}

async fn many_swaps_at_a_time_have_exactly_one_winner(place: Place) {
    let stores = [
        with_connections(&place, &[("a", "one")]).await,
        place.open().await,
    ];
    let first = sealed(1, b"first");
    stores[0]
        .put_secret(&key("a", "one"), TOKENS, None, &first)
        .await
        .unwrap();
    let swaps: Vec<_> = (0..64u8)
        .map(|number| {
            let store = Arc::clone(&stores[usize::from(number % 2)]);
            tokio::spawn(async move {
                let next = sealed(2, &[number]);
                let result = store
                    .put_secret(&key("a", "one"), TOKENS, Some(1), &next)
                    .await;
                result.is_ok().then_some(number)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for swap in swaps {
        winners.extend(swap.await.unwrap());
    }
    let kept = stores[1].secret(&key("a", "one"), TOKENS).await.unwrap();
    assert_eq!(winners.len(), 1);
    assert_eq!(kept, Some(sealed(2, &winners)));
}

async fn many_writers_that_read_again_after_a_conflict_all_get_through(place: Place) {
    let store = with_connections(&place, &[("a", "one")]).await;
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                loop {
                    let key = key("a", "one");
                    let seen = store.secret(&key, "count").await.unwrap();
                    let (version, count) =
                        seen.map_or((None, 0), |s| (Some(s.version), s.bytes[0]));
                    let next = sealed(version.unwrap_or(0) + 1, &[count + 1]);
                    if store
                        .put_secret(&key, "count", version, &next)
                        .await
                        .is_ok()
                    {
                        return;
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let kept = store.secret(&key("a", "one"), "count").await.unwrap();
    assert_eq!(kept, Some(sealed(8, &[8])));
}

fn token_update(expected: Option<u64>, version: u64) -> TokenUpdate {
    TokenUpdate {
        expected,
        sealed: sealed(version, b"tokens"),
        origin: Some("https://new.example.com".to_owned()),
        identity: None,
        state: ConnectionState::Ready,
        at_ms: 1_800_000_000_000,
    }
}

async fn tokens_and_what_came_with_them_are_written_together(place: Place) {
    let store = with_connections(&place, &[("a", "one"), ("a", "two")]).await;
    let key_one = key("a", "one");
    store
        .save_tokens(&key_one, &token_update(None, 3))
        .await
        .unwrap();
    let kept = store.secret(&key_one, TOKENS).await.unwrap();
    assert_eq!(kept, Some(sealed(3, b"tokens")));
    let expected = ConnectionRecord {
        origin: Some("https://new.example.com".to_owned()),
        identity: None,
        state: ConnectionState::Ready,
        updated_ms: 1_800_000_000_000,
        ..record("a", "one")
    };
    assert_eq!(store.connection(&key_one).await.unwrap(), expected);
    let other = store.connection(&key("a", "two")).await.unwrap();
    assert_eq!(other, record("a", "two"));
}

async fn outrun_tokens_change_nothing_of_the_connection(place: Place) {
    let store = with_connections(&place, &[("a", "one")]).await;
    let key = key("a", "one");
    store
        .put_secret(&key, TOKENS, None, &sealed(8, b"theirs"))
        .await
        .unwrap();
    let result = store.save_tokens(&key, &token_update(Some(7), 9)).await;
    assert_eq!(conflict(result), Some(8));
    assert_eq!(store.connection(&key).await.unwrap(), record("a", "one"));
    let kept = store.secret(&key, TOKENS).await.unwrap();
    assert_eq!(kept, Some(sealed(8, b"theirs")));
}

async fn a_state_is_set_only_while_the_tokens_are_those_that_it_is_about(place: Place) {
    let store = with_connections(&place, &[("a", "one")]).await;
    let key = key("a", "one");
    store
        .save_tokens(&key, &token_update(None, 3))
        .await
        .unwrap();
    store
        .save_tokens(&key, &token_update(Some(3), 4))
        .await
        .unwrap();
    let dead = ConnectionState::NeedsReconnect {
        reason: "the refresh token is dead".to_owned(),
    };
    let late = store.set_state(&key, Some(3), &dead, 9).await;
    assert_eq!(conflict(late), Some(4));
    let state = store.connection(&key).await.unwrap().state;
    assert_eq!(state, ConnectionState::Ready);
    store.set_state(&key, Some(4), &dead, 9).await.unwrap();
    let after = store.connection(&key).await.unwrap();
    assert_eq!((after.state, after.updated_ms), (dead, 9));
}
