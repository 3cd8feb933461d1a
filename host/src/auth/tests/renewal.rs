//! Refresh: once, in order, and never in a loop.

use futures_util::future::join_all;
use secrecy::ExposeSecret;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_callers_with_an_expired_token_cause_exactly_one_request() {
    let world = World::authorised().await;
    let old = world.sessions.access(&key()).await.unwrap();
    let callers = (0..100).map(|_| {
        let (sessions, stale) = (world.sessions.clone(), old.generation);
        tokio::spawn(async move { sessions.renew(&key(), stale).await })
    });
    for outcome in join_all(callers).await {
        let access = outcome.unwrap().unwrap();
        assert_eq!(access.token.expose_secret(), "00D!access-token-2");
    }
    assert_eq!(world.server.token_requests(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_processes_on_one_store_cause_exactly_one_request() {
    let world = World::authorised().await;
    let stale = world.stored_version().await;
    let processes = [
        world.sessions.clone(),
        world.other_process().await,
        world.other_process().await,
    ];
    let callers = processes.iter().flat_map(|sessions| {
        (0..30).map(|_| {
            let sessions = sessions.clone();
            tokio::spawn(async move { sessions.renew(&key(), stale).await })
        })
    });
    for outcome in join_all(callers).await {
        let access = outcome.unwrap().unwrap();
        assert_eq!(access.token.expose_secret(), "00D!access-token-2");
    }
    assert_eq!(world.server.token_requests(), 2);
}

#[tokio::test]
async fn access_comes_from_memory_and_after_a_restart_from_the_store() {
    let world = World::authorised().await;
    let first = world.sessions.access(&key()).await.unwrap();
    let again = world.sessions.access(&key()).await.unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    let restarted = world.other_process().await.access(&key()).await.unwrap();
    assert_eq!(restarted.generation, first.generation);
    assert_eq!(restarted.origin.as_str(), first.origin.as_str());
    assert_eq!(restarted.header.0, "authorization");
    assert_eq!(restarted.header.1, "Bearer 00D!access-token-1");
    assert!(restarted.header.1.is_sensitive());
    assert_eq!(world.server.token_requests(), 1);
}

#[tokio::test]
async fn what_another_process_has_renewed_is_used_without_a_request() {
    let world = World::authorised().await;
    let old = world.sessions.access(&key()).await.unwrap();
    let other = world.other_process().await;
    let theirs = other.renew(&key(), old.generation).await.unwrap();
    let ours = world.sessions.renew(&key(), old.generation).await.unwrap();
    assert_eq!(ours.generation, theirs.generation);
    assert_eq!(world.server.token_requests(), 2);
}

#[tokio::test]
async fn a_rotated_token_is_durable_before_it_is_handed_out() {
    let world = World::authorised().await;
    let old = world.sessions.access(&key()).await.unwrap();
    world.store.fail_saves(1);
    let error = world
        .sessions
        .renew(&key(), old.generation)
        .await
        .unwrap_err();
    assert!(matches!(error, AuthError::Store(_)), "{error}");
    assert_eq!(world.stored_version().await, old.generation);
    // The tokens are not lost: the next call writes them down, and asks nobody.
    let new = world.sessions.renew(&key(), old.generation).await.unwrap();
    assert_eq!(new.token.expose_secret(), "00D!access-token-2");
    assert_eq!(world.stored_version().await, new.generation);
    assert_eq!(world.server.token_requests(), 2);
    let next = world.sessions.renew(&key(), new.generation).await.unwrap();
    assert_eq!(next.token.expose_secret(), "00D!access-token-3");
}

#[tokio::test]
async fn a_refresh_is_finished_and_kept_though_its_caller_goes_away() {
    let world = World::authorised().await;
    let old = world.sessions.access(&key()).await.unwrap();
    let release = world.server.hold_next();
    {
        let key = key();
        let renewal = world.sessions.renew(&key, old.generation);
        let mut renewal = std::pin::pin!(renewal);
        while world.server.token_requests() < 2 {
            tokio::select! {
                biased;
                _ = &mut renewal => panic!("the answer is held back"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    release.send(()).unwrap();
    let new = world.sessions.renew(&key(), old.generation).await.unwrap();
    assert_eq!(new.token.expose_secret(), "00D!access-token-2");
    assert_eq!(world.stored_version().await, new.generation);
    assert_eq!(world.server.token_requests(), 2);
}

#[tokio::test]
async fn a_dead_grant_needs_a_person_and_nothing_is_sent_until_one_came() {
    let world = World::authorised().await;
    let old = world.sessions.access(&key()).await.unwrap();
    world.server.kill_grant();
    for _ in 0..3 {
        let error = world
            .sessions
            .renew(&key(), old.generation)
            .await
            .unwrap_err();
        assert!(error.needs_person(), "{error}");
        assert!(error.to_string().contains("expired access/refresh token"));
    }
    let error = world.sessions.access(&key()).await.unwrap_err();
    assert!(matches!(error, AuthError::NeedsReconnect { .. }));
    let error = world
        .other_process()
        .await
        .access(&key())
        .await
        .unwrap_err();
    assert!(matches!(error, AuthError::NeedsReconnect { .. }));
    assert_eq!(world.server.token_requests(), 2);
    assert!(matches!(
        world.record().await.state,
        ConnectionState::NeedsReconnect { reason } if reason.starts_with("invalid_grant")
    ));

    world.authorise().await.unwrap();
    assert_eq!(world.record().await.state, ConnectionState::Ready);
    assert!(world.sessions.access(&key()).await.is_ok());
}

#[tokio::test]
async fn a_refresh_that_was_never_carried_out_is_tried_once_more() {
    let world = World::authorised().await;
    let old = world.sessions.access(&key()).await.unwrap();
    world.server.drop_next_request();
    let new = world.sessions.renew(&key(), old.generation).await.unwrap();
    assert_eq!(new.token.expose_secret(), "00D!access-token-2");
    assert_eq!(world.server.token_requests(), 3);
}

#[tokio::test]
async fn a_lost_answer_with_a_rotated_token_ends_in_needs_reconnect_and_not_in_a_loop() {
    let world = World::authorised().await;
    let old = world.sessions.access(&key()).await.unwrap();
    world.server.lose_next_answer();
    let error = world
        .sessions
        .renew(&key(), old.generation)
        .await
        .unwrap_err();
    assert!(error.needs_person(), "{error}");
    assert!(error.to_string().contains("lost"), "{error}");
    world.sessions.access(&key()).await.unwrap_err();
    assert_eq!(world.server.token_requests(), 3);
}

#[tokio::test]
async fn after_a_lost_answer_the_store_is_asked_before_the_product() {
    let world = World::authorised().await;
    let old = world.sessions.access(&key()).await.unwrap();
    let other = world.other_process().await;
    // While our answer is held back, a person reconnects in another process.
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    world.server.next(|_| {
        vec![
            crate::transport::loopback::Step::Wait(Box::pin(async {
                let _ = released.await;
            })),
            crate::transport::loopback::Step::Close,
        ]
    });
    let sessions = world.sessions.clone();
    let stale = old.generation;
    let renewal = tokio::spawn(async move { sessions.renew(&key(), stale).await });
    while world.server.token_requests() < 2 {
        tokio::task::yield_now().await;
    }
    let start = other
        .begin_authorization(&key(), &AuthorizationHints::default())
        .await
        .unwrap();
    let callback = Callback {
        state: Some(start.state),
        code: Some(SecretString::from("another-code")),
        ..Callback::default()
    };
    other.finish_authorization(&callback, None).await.unwrap();
    release.send(()).unwrap();
    let new = renewal.await.unwrap().unwrap();
    assert_eq!(new.generation, world.stored_version().await);
    assert_eq!(world.server.token_requests(), 3, "no refresh was repeated");
}

#[tokio::test]
async fn an_answer_lost_twice_is_unavailable_for_now() {
    let world = World::authorised().await;
    let old = world.sessions.access(&key()).await.unwrap();
    world.server.drop_next_request();
    world.server.drop_next_request();
    let error = world
        .sessions
        .renew(&key(), old.generation)
        .await
        .unwrap_err();
    assert!(error.retry_after().is_some(), "{error}");
    assert_eq!(world.record().await.state, ConnectionState::Ready);
    assert_eq!(world.server.token_requests(), 3);
}

#[tokio::test]
async fn after_a_failure_callers_in_a_loop_send_nothing_for_a_while() {
    let world = World::authorised().await;
    let old = world.sessions.access(&key()).await.unwrap();
    world.server.next_json(503, json!({}));
    for _ in 0..20 {
        let error = world
            .sessions
            .renew(&key(), old.generation)
            .await
            .unwrap_err();
        assert!(matches!(error, AuthError::Unavailable { .. }), "{error}");
    }
    assert_eq!(world.server.token_requests(), 2);
    // A change of settings ends the pause at once.
    world.sessions.forget(&key());
    world.sessions.renew(&key(), old.generation).await.unwrap();
    assert_eq!(world.server.token_requests(), 3);
}

#[tokio::test]
async fn a_token_without_rotation_keeps_its_refresh_token() {
    let world = World::authorised().await;
    let mut access = world.sessions.access(&key()).await.unwrap();
    for _ in 0..3 {
        // The server goes on taking the token that it gave last.
        let good = world.server.requests().len();
        world.server.next_changed(json!({ "refresh_token": null }));
        access = world
            .sessions
            .renew(&key(), access.generation)
            .await
            .unwrap();
        let seen = &world.server.requests()[good];
        assert_eq!(
            seen.field("refresh_token").as_deref(),
            Some("5Aep-refresh-token-1")
        );
    }
}

#[tokio::test]
async fn a_token_that_says_when_it_ends_is_renewed_then_and_not_before() {
    let world = World::new(Flow::AuthorizationCode).await;
    world.server.next_changed(json!({ "expires_in": "3600" }));
    world.authorise().await.unwrap();
    world.pass(3_500_000);
    let first = world.sessions.access(&key()).await.unwrap();
    assert_eq!(first.token.expose_secret(), "00D!access-token-1");
    world.pass(80_000);
    let second = world.sessions.access(&key()).await.unwrap();
    assert_eq!(second.token.expose_secret(), "00D!access-token-2");
    assert_eq!(world.server.token_requests(), 2);
}

#[tokio::test]
async fn without_a_refresh_token_the_end_of_the_session_needs_a_person() {
    let world = World::new(Flow::AuthorizationCode).await;
    world.server.next_changed(json!({ "refresh_token": null }));
    world.authorise().await.unwrap();
    let access = world.sessions.access(&key()).await.unwrap();
    let error = world
        .sessions
        .renew(&key(), access.generation)
        .await
        .unwrap_err();
    assert!(
        error.needs_person() && error.to_string().contains("scope"),
        "{error}"
    );
    assert_eq!(world.server.token_requests(), 1);
}

#[tokio::test]
async fn the_lease_of_a_process_that_died_runs_out() {
    let world = World::authorised().await;
    let old = world.sessions.access(&key()).await.unwrap();
    let dead = world.other_process().await;
    assert!(dead.try_lease(&key()).await.unwrap().is_some());
    assert!(world.sessions.try_lease(&key()).await.unwrap().is_none());
    world.pass(6_001);
    world.sessions.renew(&key(), old.generation).await.unwrap();
    // And it is given back after the work.
    assert!(dead.try_lease(&key()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_connection_that_was_never_authorised_says_so_and_one_that_is_not_there_too() {
    let world = World::new(Flow::AuthorizationCode).await;
    let error = world.sessions.access(&key()).await.unwrap_err();
    assert!(matches!(error, AuthError::NotAuthorized { .. }), "{error}");
    let other = ConnectionKey::new("acme", "other").unwrap();
    let error = world.sessions.access(&other).await.unwrap_err();
    assert!(matches!(error, AuthError::Store(_)), "{error}");
    assert_eq!(world.server.requests().len(), 0);
}

#[tokio::test]
async fn older_tokens_that_somebody_puts_back_are_not_used_and_a_person_can_reconnect() {
    let world = World::authorised().await;
    let rows = |change: &str| {
        let store =
            rusqlite::Connection::open(world.dir.path().join(crate::store::FILE_NAME)).unwrap();
        store.execute_batch(change).unwrap();
    };
    rows("CREATE TABLE stolen AS SELECT * FROM secrets");
    let first = world.sessions.access(&key()).await.unwrap();
    let second = world
        .sessions
        .renew(&key(), first.generation)
        .await
        .unwrap();
    rows("DELETE FROM secrets; INSERT INTO secrets SELECT * FROM stolen");
    assert_eq!(world.stored_version().await, first.generation);
    for _ in 0..2 {
        let error = world.sessions.renew(&key(), second.generation).await;
        let AuthError::NeedsReconnect { reason, .. } = error.unwrap_err() else {
            panic!("not noticed");
        };
        assert!(reason.contains("older tokens were put back"), "{reason}");
    }
    assert_eq!(world.server.token_requests(), 2);
    world.authorise().await.unwrap();
    let third = world.sessions.access(&key()).await.unwrap();
    assert_eq!(third.token.expose_secret(), "00D!access-token-3");
    // From here on all is as before, with the next refresh.
    world
        .sessions
        .renew(&key(), third.generation)
        .await
        .unwrap();
}
