//! Off-boarding.

use super::*;
use crate::store::StoreError;
use crate::transport::loopback;

fn is_gone(error: &AuthError) -> bool {
    matches!(error, AuthError::Store(error) if matches!(**error, StoreError::NotFound(_)))
}

#[tokio::test]
async fn both_tokens_are_revoked_the_refresh_token_first_and_everything_is_erased() {
    let world = World::authorised().await;
    let revocation = world.sessions.disconnect(&key()).await.unwrap();
    assert!(matches!(revocation, Revocation::Revoked), "{revocation:?}");
    let requests = world.server.requests();
    let revoked: Vec<_> = requests
        .iter()
        .filter(|seen| seen.target == "/oauth/revoke")
        .map(|seen| seen.field("token").unwrap())
        .collect();
    assert_eq!(revoked, ["5Aep-refresh-token-1", "00D!access-token-1"]);
    assert!(is_gone(&world.sessions.access(&key()).await.unwrap_err()));
    assert!(world.store.secret(&key(), TOKENS).await.is_err());
    assert!(is_gone(
        &world.sessions.disconnect(&key()).await.unwrap_err()
    ));
}

#[tokio::test]
async fn a_connection_is_erased_though_its_tokens_cannot_be_revoked() {
    let world = World::authorised().await;
    world.server.next(|_| loopback::reply(503, &[], b""));
    let revocation = world.sessions.disconnect(&key()).await.unwrap();
    assert!(
        matches!(revocation, Revocation::Failed(_)),
        "{revocation:?}"
    );
    assert!(is_gone(&world.sessions.access(&key()).await.unwrap_err()));
}

#[tokio::test]
async fn tokens_that_are_dead_already_count_as_revoked() {
    let world = World::authorised().await;
    world.server.next_error("invalid_token", "token not found");
    let revocation = world.sessions.disconnect(&key()).await.unwrap();
    assert!(matches!(revocation, Revocation::Revoked), "{revocation:?}");
}

#[tokio::test]
async fn what_cannot_be_revoked_is_said() {
    let world = World::new(Flow::AuthorizationCode).await;
    let revocation = world.sessions.disconnect(&key()).await.unwrap();
    assert!(matches!(revocation, Revocation::NothingToRevoke));

    let mut manifest = manifest();
    manifest.revoke_path = None;
    let world = World::with(Flow::AuthorizationCode, manifest).await;
    world.authorise().await.unwrap();
    let revocation = world.sessions.disconnect(&key()).await.unwrap();
    assert!(matches!(revocation, Revocation::NotOffered));
}

#[tokio::test]
async fn a_refresh_under_way_is_awaited_and_its_tokens_are_revoked() {
    let world = World::authorised().await;
    let old = world.sessions.access(&key()).await.unwrap();
    let release = world.server.hold_next();
    let renewing = {
        let (sessions, stale) = (world.sessions.clone(), old.generation);
        tokio::spawn(async move { sessions.renew(&key(), stale).await })
    };
    while world.server.token_requests() < 2 {
        tokio::task::yield_now().await;
    }
    let disconnecting = {
        let sessions = world.sessions.clone();
        tokio::spawn(async move { sessions.disconnect(&key()).await })
    };
    tokio::task::yield_now().await;
    release.send(()).unwrap();
    disconnecting.await.unwrap().unwrap();
    // Whoever was first, it had a token or was told that there is none.
    drop(renewing.await.unwrap());
    let requests = world.server.requests();
    let revoked = |token: &str| {
        requests
            .iter()
            .any(|seen| seen.field("token").as_deref() == Some(token))
    };
    assert!(revoked("5Aep-refresh-token-2") && revoked("00D!access-token-2"));
}

#[tokio::test]
async fn tokens_for_a_connection_that_another_process_erased_meanwhile_are_given_back() {
    let world = World::authorised().await;
    let old = world.sessions.access(&key()).await.unwrap();
    let release = world.server.hold_next();
    let renewing = {
        let (sessions, stale) = (world.sessions.clone(), old.generation);
        tokio::spawn(async move { sessions.renew(&key(), stale).await })
    };
    while world.server.token_requests() < 2 {
        tokio::task::yield_now().await;
    }
    world.store.erase_connection(&key()).await.unwrap();
    release.send(()).unwrap();
    assert!(is_gone(&renewing.await.unwrap().unwrap_err()));
    let last = world.server.requests().pop().unwrap();
    assert_eq!(last.target, "/oauth/revoke");
    assert_eq!(last.field("token").as_deref(), Some("00D!access-token-2"));
}

#[tokio::test]
async fn a_tenant_goes_with_all_its_connections() {
    let world = World::authorised().await;
    let mut second = world.record().await;
    second.key = ConnectionKey::new("acme", "second").unwrap();
    world.store.insert_connection(&second).await.unwrap();
    second.key = ConnectionKey::new("other", "main").unwrap();
    world.store.insert_connection(&second).await.unwrap();
    let outcomes = world.sessions.disconnect_tenant("acme").await.unwrap();
    assert_eq!(outcomes.len(), 2);
    let left = world.store.connections(None).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].key.tenant(), "other");
}
