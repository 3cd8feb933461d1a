//! Authorizations under way: single use, and not for ever.

use super::*;
use crate::store::Authorization;

pub(super) const CASES: &[Case] = &[
    case!(an_authorization_is_given_back_once),
    case!(many_takers_at_a_time_get_an_authorization_once),
    case!(an_expired_authorization_is_not_given_and_not_kept),
    case!(a_purge_removes_the_expired_and_no_others),
    case!(a_digest_is_used_for_one_authorization_only),
];

fn authorization(expires_at_ms: u64) -> Authorization {
    Authorization {
        key: key("a", "one"),
        sealed_verifier: vec![0, 255, 7],
        redirect_uri: "https://app.example.com/callback?x=1".to_owned(),
        expires_at_ms,
    }
}

async fn an_authorization_is_given_back_once(place: Place) {
    let store = with_connections(&place, &[("a", "one")]).await;
    let put = authorization(1_000);
    store.put_authorization([1; 32], &put).await.unwrap();
    assert_eq!(store.take_authorization([2; 32], 5).await.unwrap(), None);
    assert_eq!(
        store.take_authorization([1; 32], 999).await.unwrap(),
        Some(put)
    );
    assert_eq!(store.take_authorization([1; 32], 5).await.unwrap(), None);
}

async fn many_takers_at_a_time_get_an_authorization_once(place: Place) {
    let stores = [
        with_connections(&place, &[("a", "one")]).await,
        place.open().await,
    ];
    stores[0]
        .put_authorization([1; 32], &authorization(1_000))
        .await
        .unwrap();
    let takers: Vec<_> = (0..64)
        .map(|number| {
            let store = Arc::clone(&stores[number % 2]);
            tokio::spawn(async move { store.take_authorization([1; 32], 5).await.unwrap() })
        })
        .collect();
    let mut taken = 0;
    for taker in takers {
        taken += usize::from(taker.await.unwrap().is_some());
    }
    assert_eq!(taken, 1);
}

async fn an_expired_authorization_is_not_given_and_not_kept(place: Place) {
    let store = with_connections(&place, &[("a", "one")]).await;
    store
        .put_authorization([1; 32], &authorization(1_000))
        .await
        .unwrap();
    assert_eq!(
        store.take_authorization([1; 32], 1_000).await.unwrap(),
        None
    );
    // A clock set back does not bring it to life.
    assert_eq!(store.take_authorization([1; 32], 5).await.unwrap(), None);
}

async fn a_purge_removes_the_expired_and_no_others(place: Place) {
    let store = with_connections(&place, &[("a", "one")]).await;
    for number in 1..=4u8 {
        let put = authorization(u64::from(number) * 100);
        store.put_authorization([number; 32], &put).await.unwrap();
    }
    assert_eq!(store.purge_authorizations(200).await.unwrap(), 2);
    assert_eq!(store.purge_authorizations(200).await.unwrap(), 0);
    assert!(
        store
            .take_authorization([2; 32], 0)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        store
            .take_authorization([3; 32], 0)
            .await
            .unwrap()
            .is_some()
    );
}

async fn a_digest_is_used_for_one_authorization_only(place: Place) {
    let store = with_connections(&place, &[("a", "one")]).await;
    store
        .put_authorization([1; 32], &authorization(1_000))
        .await
        .unwrap();
    let again = store
        .put_authorization([1; 32], &authorization(2_000))
        .await;
    assert!(conflict(again).is_some());
    let kept = store.take_authorization([1; 32], 5).await.unwrap();
    assert_eq!(kept, Some(authorization(1_000)));
}
