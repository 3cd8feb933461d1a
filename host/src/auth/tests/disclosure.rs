//! No secret in what is shown, logged or stored in the clear.

use secrecy::ExposeSecret;

use super::*;

const SECRETS: [&str; 5] = [
    SECRET,
    "00D!access-token-1",
    "5Aep-refresh-token-1",
    "the-code-from-the-product",
    "00D!access-token-2",
];

#[tokio::test]
async fn no_public_type_shows_a_secret() {
    let world = World::new(Flow::AuthorizationCode).await;
    let start = world.begin().await;
    let callback = Callback {
        state: Some(start.state.clone()),
        code: Some(SecretString::from("the-code-from-the-product")),
        error_description: None,
        ..Callback::default()
    };
    let connected = world
        .sessions
        .finish_authorization(&callback, None)
        .await
        .unwrap();
    let access = world.sessions.access(&key()).await.unwrap();
    world.server.kill_grant();
    let error = world
        .sessions
        .renew(&key(), access.generation)
        .await
        .unwrap_err();
    let shown = format!(
        "{start:?} {callback:?} {connected:?} {access:?} {:?} {:?} {error} {error:?} {:?} {:?}",
        access.header, access.redactor, world.sessions, world.store,
    );
    for secret in SECRETS.into_iter().chain([start.state.as_str()]) {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}

#[tokio::test]
async fn no_secret_lies_in_the_data_directory_in_the_clear() {
    let world = World::authorised().await;
    let start = world.begin().await;
    let access = world.sessions.access(&key()).await.unwrap();
    world
        .sessions
        .renew(&key(), access.generation)
        .await
        .unwrap();
    let bytes = all_bytes(world.dir.path());
    assert!(bytes.len() > 1_000);
    for secret in SECRETS.into_iter().chain([start.state.as_str()]) {
        let found = bytes
            .windows(secret.len())
            .any(|window| window == secret.as_bytes());
        assert!(!found, "{secret}");
    }
}

#[tokio::test]
async fn the_redactor_of_an_access_knows_all_secrets_of_its_connection() {
    let world = World::authorised().await;
    let access = world.sessions.access(&key()).await.unwrap();
    let echo = format!(
        "{} 5Aep-refresh-token-1 {SECRET}",
        access.token.expose_secret()
    );
    let redacted = access.redactor.text(&echo);
    assert_eq!(redacted.content, "[redacted] [redacted] [redacted]");
    assert_eq!(redacted.removed, 3);
}
