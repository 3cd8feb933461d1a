//! What is made of the token endpoint's answers.

use secrecy::ExposeSecret;

use super::*;
use crate::transport::loopback::{self, Step};

/// The outcome of a refresh that gets this answer.
async fn refresh(prepare: impl FnOnce(&TokenServer)) -> (World, AuthError) {
    let world = World::authorised().await;
    let old = world.sessions.access(&key()).await.unwrap();
    prepare(&world.server);
    let error = world
        .sessions
        .renew(&key(), old.generation)
        .await
        .unwrap_err();
    assert_eq!(world.stored_version().await, old.generation, "{error}");
    (world, error)
}

#[tokio::test]
async fn an_api_origin_that_is_not_allowed_is_refused_on_every_answer() {
    for evil in [
        "https://evil.example.net",
        "http://127.0.0.1:1",
        "https://x.example.com",
        "https://user@x.example.com",
        "not a url",
        "",
    ] {
        let (world, error) = refresh(|server| {
            server.next_changed(json!({ "instance_url": evil }));
        })
        .await;
        assert!(
            matches!(error, AuthError::BadAnswer { .. }),
            "{evil}: {error}"
        );
        let start = world.begin().await;
        world.server.next_changed(json!({ "instance_url": evil }));
        let callback = Callback {
            state: Some(start.state),
            code: Some(SecretString::from("code-code")),
            ..Callback::default()
        };
        let error = world
            .sessions
            .finish_authorization(&callback, None)
            .await
            .unwrap_err();
        assert!(
            matches!(error, AuthError::BadAnswer { .. }),
            "{evil}: {error}"
        );
    }
}

#[tokio::test]
async fn a_public_connection_takes_origins_by_the_manifests_patterns() {
    let world = World::authorised().await;
    let mut record = world.record().await;
    record.local_origins.clear();
    record.login_origin = "https://login.example.com".to_owned();
    let auth = manifest();
    let place = super::super::login::Place::of(&auth, &record).unwrap();
    for good in ["https://acme.my.example.com", "https://NA1.example.com/"] {
        assert!(place.api_origin(&auth, good).is_ok(), "{good}");
    }
    for evil in [
        "http://acme.my.example.com",
        "https://acme.my.example.com:8443",
        "https://acme.my.example.com/path",
        "https://acme.my.example.com.evil.net",
        "https://evilexample.com",
        "https://example.com",
        "https://127.0.0.1",
        "https://acme.my.example.com@evil.net",
    ] {
        assert!(place.api_origin(&auth, evil).is_err(), "{evil}");
    }
    record.login_origin = "https://login.evil.net".to_owned();
    assert!(super::super::login::Place::of(&auth, &record).is_err());
}

#[tokio::test]
async fn a_changed_or_missing_signature_is_refused() {
    for changes in [
        json!({ "id": "https://login.example.com/id/other/admin" }),
        json!({ "issued_at": "1" }),
        json!({ "signature": "AAAA" }),
        json!({ "signature": null }),
        json!({ "issued_at": null }),
    ] {
        let (_, error) = refresh(|server| server.next_changed(changes.clone())).await;
        assert!(
            error.to_string().contains("signature"),
            "{changes}: {error}"
        );
    }
}

#[tokio::test]
async fn a_time_of_issue_may_be_a_number_and_an_expiry_may_be_missing() {
    let world = World::authorised().await;
    let old = world.sessions.access(&key()).await.unwrap();
    world
        .server
        .next_changed(json!({ "issued_at": NOW_MS, "expires_in": 0 }));
    let new = world.sessions.renew(&key(), old.generation).await.unwrap();
    assert_eq!(new.token.expose_secret(), "00D!access-token-2");
}

#[tokio::test]
async fn an_answer_that_lacks_or_bends_something_is_not_used() {
    for changes in [
        json!({ "access_token": null }),
        json!({ "access_token": "" }),
        json!({ "access_token": "two words" }),
        json!({ "access_token": "line\r\nbreak: header" }),
        json!({ "access_token": "x".repeat(20_000) }),
        json!({ "access_token": 5 }),
        json!({ "refresh_token": "tab\tbed" }),
        json!({ "token_type": "mac" }),
        json!({ "instance_url": null }),
        json!({ "instance_url": 7 }),
    ] {
        let (world, error) = refresh(|server| server.next_changed(changes.clone())).await;
        assert!(
            matches!(error, AuthError::BadAnswer { .. }),
            "{changes}: {error}"
        );
        assert_eq!(world.record().await.state, ConnectionState::Ready);
    }
}

#[tokio::test]
async fn pages_faults_and_overload_pass_and_are_tried_later() {
    let answers: [fn() -> Vec<Step>; 7] = [
        || loopback::json(500, r#"{"error":"invalid_grant"}"#),
        || loopback::json(503, "{}"),
        || {
            loopback::reply(
                502,
                &[("content-type", "text/html")],
                b"<html>bad gateway</html>",
            )
        },
        || {
            loopback::reply(
                200,
                &[("content-type", "text/html")],
                b"<html>maintenance</html>",
            )
        },
        || {
            loopback::reply(
                403,
                &[("content-type", "text/html")],
                b"<html>firewall</html>",
            )
        },
        || loopback::reply(200, &[], b""),
        || loopback::reply(429, &[("retry-after", "30")], b"{}"),
    ];
    for answer in answers {
        let (world, error) = refresh(|server| server.next(move |_| answer())).await;
        assert!(matches!(error, AuthError::Unavailable { .. }), "{error}");
        assert_eq!(world.record().await.state, ConnectionState::Ready);
        assert_eq!(world.server.token_requests(), 2, "it is not hammered");
    }
    let (_, error) = refresh(|server| {
        server.next(|_| loopback::reply(429, &[("retry-after", "30")], b"{}"));
    })
    .await;
    assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read() {
    let (_, error) = refresh(|server| {
        server.next_changed(json!({ "extra": "x".repeat(70_000) }));
    })
    .await;
    assert!(matches!(error, AuthError::BadAnswer { .. }), "{error}");
}

#[tokio::test]
async fn the_error_table_tells_dead_grants_settings_and_passing_faults_apart() {
    for (code, description, expected) in [
        (
            "invalid_grant",
            "expired access/refresh token",
            "reconnected",
        ),
        ("inactive_user", "", "reconnected"),
        ("invalid_grant", "Login Rate Exceeded", "try again"),
        (
            "invalid_client",
            "invalid client credentials",
            "client secret",
        ),
        (
            "invalid_client_id",
            "client identifier invalid",
            "client secret",
        ),
        ("unsupported_grant_type", "", "flow"),
        ("invalid_scope", "", "scopes"),
        ("redirect_uri_mismatch", "", "redirect URI"),
        ("invalid_request", "missing parameter", "settings"),
        ("something_new", "", "settings"),
        ("server_error", "", "try again"),
        ("temporarily_unavailable", "", "try again"),
    ] {
        let (world, error) = refresh(|server| server.next_error(code, description)).await;
        let shown = error.to_string();
        assert!(shown.contains(expected), "{code}: {shown}");
        assert!(shown.contains(code) || code == "inactive_user", "{shown}");
        let dead = matches!(
            world.record().await.state,
            ConnectionState::NeedsReconnect { .. }
        );
        assert_eq!(dead, expected == "reconnected", "{code}");
    }
}

#[tokio::test]
async fn secrets_that_a_refusal_quotes_are_taken_out() {
    let (_, error) = refresh(|server| {
        server.next(|seen| {
            let quoted = format!(
                "{} {}",
                seen.field("refresh_token").unwrap(),
                seen.field("client_secret").unwrap()
            );
            let body = json!({ "error": "invalid_client", "error_description": quoted });
            loopback::json(401, &body.to_string())
        });
    })
    .await;
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("[redacted] [redacted]"), "{shown}");
    assert!(
        !shown.contains(SECRET) && !shown.contains("5Aep"),
        "{shown}"
    );
}

#[tokio::test]
async fn tokens_of_the_login_host_that_a_refusal_quotes_are_taken_out() {
    // The one is named in the answer, of the other nobody here knows.
    let (named, old) = (
        "00D!access-token-9",
        "00DLg00001yuJ72!AQEAQHh3k2VJ.nY7kzXo3pT_0dC1m8Wq5uR9sB4",
    );
    for (status, code) in [(400, "invalid_grant"), (401, "invalid_client")] {
        let body = json!({
            "error": code,
            "error_description": format!("{named} and {old} are over"),
            "access_token": named,
        });
        let (_, error) = refresh(|server| server.next_json(status, body)).await;
        let shown = format!("{error} {error:?}");
        assert!(
            shown.contains("[redacted] and [redacted] are over"),
            "{shown}"
        );
        assert!(!shown.contains(named) && !shown.contains(old), "{shown}");
    }
}

#[tokio::test]
async fn a_redirect_of_the_token_endpoint_is_not_followed() {
    let (world, error) = refresh(|server| {
        server.next(|_| loopback::reply(307, &[("location", "/elsewhere")], b""));
    })
    .await;
    assert!(matches!(error, AuthError::Refused(_)), "{error}");
    assert_eq!(world.server.requests().len(), 2);
}

#[tokio::test]
async fn secrets_are_sent_to_no_host_that_the_manifest_does_not_allow() {
    let world = World::authorised().await;
    let old = world.sessions.access(&key()).await.unwrap();
    // As if the record had been made under a laxer manifest, or was edited.
    world
        .change(|record| record.local_origins = vec!["http://127.0.0.1:1".to_owned()])
        .await;
    let error = world
        .sessions
        .renew(&key(), old.generation)
        .await
        .unwrap_err();
    assert!(matches!(error, AuthError::BadLogin(_)), "{error}");
    assert_eq!(world.server.requests().len(), 1);
}
