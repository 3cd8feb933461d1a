//! The way of a person: begin, come back, finish.

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::*;

fn callback(state: &str) -> Callback {
    Callback {
        state: Some(state.to_owned()),
        code: Some(SecretString::from("the-code==")),
        ..Callback::default()
    }
}

#[tokio::test]
async fn an_authorization_asks_with_pkce_and_proves_it_when_it_comes_back() {
    let world = World::new(Flow::AuthorizationCode).await;
    world
        .change(|record| record.scopes = vec!["api".to_owned(), "data".to_owned()])
        .await;
    let hints = AuthorizationHints {
        login_hint: Some("ann@example.com".to_owned()),
        prompt: Some("login".to_owned()),
    };
    let start = world
        .sessions
        .begin_authorization(&key(), &hints)
        .await
        .unwrap();
    let asked: HashMap<_, _> = start.url.query_pairs().into_owned().collect();
    assert_eq!(start.url.path(), "/oauth/authorize");
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "client-id"),
        ("redirect_uri", "https://app.example.org/back?from=crm"),
        ("scope", "api data"),
        ("state", start.state.as_str()),
        ("code_challenge_method", "S256"),
        ("login_hint", "ann@example.com"),
        ("prompt", "login"),
    ] {
        assert_eq!(asked.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!asked.contains_key("client_secret"));

    let connected = world
        .sessions
        .finish_authorization(&callback(&start.state), Some(&key()))
        .await
        .unwrap();
    assert_eq!(
        connected.identity.as_deref(),
        Some("https://login.example.com/id/org/user")
    );
    assert_eq!(connected.previous_identity, None);

    let seen = &world.server.requests()[0];
    for (name, value) in [
        ("grant_type", "authorization_code"),
        ("code", "the-code=="),
        ("client_id", "client-id"),
        ("client_secret", SECRET),
        ("redirect_uri", "https://app.example.org/back?from=crm"),
    ] {
        assert_eq!(seen.field(name).as_deref(), Some(value), "{name}");
    }
    let verifier = seen.field("code_verifier").unwrap();
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    assert_eq!(asked["code_challenge"], challenge);

    let record = world.record().await;
    assert_eq!(record.state, ConnectionState::Ready);
    assert_eq!(record.origin, Some(world.server.origin()));
    let access = world.sessions.access(&key()).await.unwrap();
    assert_eq!(access.token.expose_secret(), "00D!access-token-1");
    assert_eq!(world.server.requests().len(), 1);
}

#[tokio::test]
async fn a_state_is_good_once() {
    let world = World::new(Flow::AuthorizationCode).await;
    let start = world.begin().await;
    world
        .sessions
        .finish_authorization(&callback(&start.state), None)
        .await
        .unwrap();
    let error = world
        .sessions
        .finish_authorization(&callback(&start.state), None)
        .await
        .unwrap_err();
    assert!(matches!(error, AuthError::UnknownState), "{error}");
    assert_eq!(world.server.requests().len(), 1);
}

#[tokio::test]
async fn a_state_is_good_for_ten_minutes_and_in_any_process() {
    let world = World::new(Flow::AuthorizationCode).await;
    let start = world.begin().await;
    world.pass(599_000);
    let other = world.other_process().await;
    other
        .finish_authorization(&callback(&start.state), None)
        .await
        .unwrap();

    let start = world.begin().await;
    world.pass(600_001);
    let error = world
        .sessions
        .finish_authorization(&callback(&start.state), None)
        .await
        .unwrap_err();
    assert!(matches!(error, AuthError::ExpiredState), "{error}");
    assert!(error.to_string().contains("begin it again"));
}

#[tokio::test]
async fn a_callback_that_is_not_ours_is_refused_and_nothing_is_sent() {
    let world = World::new(Flow::AuthorizationCode).await;
    let finish = async |callback: Callback| {
        world
            .sessions
            .finish_authorization(&callback, None)
            .await
            .unwrap_err()
    };
    assert!(matches!(
        finish(Callback::default()).await,
        AuthError::MissingState
    ));
    assert!(matches!(
        finish(callback("")).await,
        AuthError::MissingState
    ));
    assert!(matches!(
        finish(callback("made-up")).await,
        AuthError::UnknownState
    ));

    let without_code = Callback {
        code: None,
        ..callback(&world.begin().await.state)
    };
    assert!(matches!(finish(without_code).await, AuthError::MissingCode));

    let other_issuer = Callback {
        iss: Some("https://login.evil.example.net".to_owned()),
        ..callback(&world.begin().await.state)
    };
    assert!(matches!(finish(other_issuer).await, AuthError::OtherIssuer));

    let start = world.begin().await;
    let other = ConnectionKey::new("other", "main").unwrap();
    let error = world
        .sessions
        .finish_authorization(&callback(&start.state), Some(&other))
        .await
        .unwrap_err();
    assert!(matches!(error, AuthError::OtherConnection { .. }));
    assert_eq!(world.server.requests().len(), 0);
    assert_eq!(world.record().await.state, ConnectionState::Pending);
}

#[tokio::test]
async fn the_login_host_as_issuer_is_accepted() {
    let world = World::new(Flow::AuthorizationCode).await;
    let callback = Callback {
        iss: Some(world.server.origin()),
        ..callback(&world.begin().await.state)
    };
    world
        .sessions
        .finish_authorization(&callback, None)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_declined_authorization_says_what_to_do_and_uses_the_state_up() {
    let world = World::new(Flow::AuthorizationCode).await;
    for (code, hint) in [
        ("access_denied", "administrator"),
        ("invalid_scope", "scopes"),
        ("OAUTH_APP_BLOCKED", "settings of the app"),
    ] {
        let start = world.begin().await;
        let callback = Callback {
            state: Some(start.state.clone()),
            error: Some(code.to_owned()),
            error_description: Some("end-user denied\r\nauthorization".to_owned()),
            ..Callback::default()
        };
        let error = world
            .sessions
            .finish_authorization(&callback, None)
            .await
            .unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains(code) && shown.contains(hint), "{shown}");
        assert!(!shown.contains('\n'), "{shown}");
        let error = world
            .sessions
            .finish_authorization(&callback, None)
            .await
            .unwrap_err();
        assert!(matches!(error, AuthError::UnknownState));
    }
    assert_eq!(world.server.requests().len(), 0);
}

#[tokio::test]
async fn a_refused_code_leaves_the_tokens_from_before_alone() {
    let world = World::authorised().await;
    let before = world.stored_version().await;
    let start = world.begin().await;
    world
        .server
        .next_error("invalid_grant", "expired authorization code");
    let error = world
        .sessions
        .finish_authorization(&callback(&start.state), None)
        .await
        .unwrap_err();
    assert!(matches!(error, AuthError::Declined { .. }), "{error}");
    assert_eq!(world.stored_version().await, before);
    assert_eq!(world.record().await.state, ConnectionState::Ready);
}

#[tokio::test]
async fn reconnecting_as_somebody_else_is_told() {
    let world = World::authorised().await;
    world.server.next_changed(json!({ "id": "https://login.example.com/id/other/user", "signature": sign("https://login.example.com/id/other/user") }));
    let connected = world.authorise().await.unwrap();
    assert_ne!(connected.identity, connected.previous_identity);
    assert!(connected.previous_identity.is_some());
}

fn sign(id: &str) -> String {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{id}{NOW_MS}").as_bytes());
    base64::prelude::BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

#[tokio::test]
async fn what_is_wrong_with_a_connection_is_told_before_anybody_is_sent_away() {
    let world = World::new(Flow::AuthorizationCode).await;
    let begin = async || {
        let hints = AuthorizationHints::default();
        world
            .sessions
            .begin_authorization(&key(), &hints)
            .await
            .unwrap_err()
            .to_string()
    };
    world
        .change(|record| record.scopes = vec!["everything".to_owned()])
        .await;
    assert!(begin().await.contains("everything"));
    world
        .change(|record| record.redirect_uri = Some("https://a.example/#frag".to_owned()))
        .await;
    assert!(begin().await.contains("redirect URI"));
    world.change(|record| record.redirect_uri = None).await;
    assert!(begin().await.contains("redirect URI"));
    world.change(|record| record.local_origins.clear()).await;
    assert!(
        begin().await.contains("login"),
        "a public connection cannot log in at loopback"
    );
    world
        .change(|record| record.package = "gone".to_owned())
        .await;
    assert!(begin().await.contains("`gone` is not loaded"));
}

#[test]
fn a_callback_is_read_from_its_query() {
    let callback = Callback::from_query("code=a%3D%3D&state=s&state=t&iss=https%3A%2F%2Fx");
    assert_eq!(callback.code.unwrap().expose_secret(), "a==");
    assert_eq!(callback.state.as_deref(), Some("s"));
    assert_eq!(callback.iss.as_deref(), Some("https://x"));
    assert_eq!(callback.error, None);
}
