//! Flows without a person: client credentials and signed assertions.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::super::assertion::read_key;
use super::*;

/// Made for these tests; nobody trusts it.
const KEY: &str = include_str!("assertion_key.pem");

#[tokio::test]
async fn client_credentials_get_a_token_when_one_is_needed_and_a_new_one_when_it_ends() {
    let world = World::new(Flow::ClientCredentials).await;
    let first = world.sessions.access(&key()).await.unwrap();
    let second = world
        .sessions
        .renew(&key(), first.generation)
        .await
        .unwrap();
    assert_eq!(second.token.expose_secret(), "00D!access-token-2");
    assert_eq!(world.record().await.state, ConnectionState::Ready);
    let requests = world.server.requests();
    assert_eq!(requests.len(), 2);
    for seen in requests {
        assert_eq!(
            seen.field("grant_type").as_deref(),
            Some("client_credentials")
        );
        assert_eq!(seen.field("client_id").as_deref(), Some("client-id"));
        assert_eq!(seen.field("client_secret").as_deref(), Some(SECRET));
        assert_eq!(seen.field("refresh_token"), None);
    }
}

#[tokio::test]
async fn an_assertion_says_who_for_whom_to_whom_and_until_when() {
    let world = World::new(Flow::JwtBearer).await;
    let pem = SecretString::from(KEY);
    world.sessions.put_private_key(&key(), &pem).await.unwrap();
    // Products do not sign answers to assertions.
    world
        .server
        .next_changed(json!({ "signature": null, "issued_at": null }));
    let access = world.sessions.access(&key()).await.unwrap();
    assert_eq!(access.token.expose_secret(), "00D!access-token-1");

    let seen = &world.server.requests()[0];
    let grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    assert_eq!(seen.field("grant_type").as_deref(), Some(grant_type));
    assert_eq!(seen.field("client_secret"), None);
    let assertion = seen.field("assertion").unwrap();
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let (head, claims) = signed.split_once('.').unwrap();
    let json = |part| -> Value {
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(json(head)["alg"], "RS256");
    assert_eq!(
        json(claims),
        json!({
            "iss": "client-id",
            "sub": "robot@example.com",
            "aud": world.server.origin(),
            "exp": NOW_MS / 1000 + 180,
        })
    );
    let pair = read_key(&pem).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key())
        .verify(
            signed.as_bytes(),
            &BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap(),
        )
        .unwrap();
}

#[tokio::test]
async fn what_a_flow_lacks_is_named_and_nothing_is_sent() {
    let world = World::new(Flow::JwtBearer).await;
    let error = world.sessions.access(&key()).await.unwrap_err();
    assert!(error.to_string().contains("private key"), "{error}");
    world.change(|record| record.username = None).await;
    let error = world.sessions.access(&key()).await.unwrap_err();
    assert!(error.to_string().contains("user name"), "{error}");
    for bad in [
        "",
        "no pem",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ] {
        let pem = SecretString::from(bad);
        let error = world
            .sessions
            .put_private_key(&key(), &pem)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("private key"), "{error}");
    }
    let mut manifest = manifest();
    manifest.client_credentials = false;
    let world = World::with(Flow::ClientCredentials, manifest).await;
    let error = world.sessions.access(&key()).await.unwrap_err();
    assert!(error.to_string().contains("client credentials"), "{error}");
    assert_eq!(world.server.requests().len(), 0);
}

#[tokio::test]
async fn a_refused_client_waits_until_somebody_has_mended_it_and_asks_again() {
    let world = World::new(Flow::JwtBearer).await;
    world
        .sessions
        .put_private_key(&key(), &SecretString::from(KEY))
        .await
        .unwrap();
    world
        .server
        .next_error("invalid_grant", "user hasn't approved this consumer");
    for _ in 0..3 {
        let error = world.sessions.access(&key()).await.unwrap_err();
        assert!(
            error.needs_person() && error.to_string().contains("approved"),
            "{error}"
        );
    }
    assert_eq!(world.server.token_requests(), 1);
    world
        .server
        .next_error("invalid_grant", "user hasn't approved this consumer");
    world.sessions.authorize_client(&key()).await.unwrap_err();
    world.sessions.authorize_client(&key()).await.unwrap();
    assert_eq!(world.server.token_requests(), 3);
    assert!(world.sessions.access(&key()).await.is_ok());
    assert_eq!(world.server.token_requests(), 3);
}

#[tokio::test]
async fn a_new_client_secret_ends_the_pause_after_a_refusal() {
    let world = World::new(Flow::ClientCredentials).await;
    world
        .server
        .next_error("invalid_client", "invalid client credentials");
    for _ in 0..3 {
        let error = world.sessions.access(&key()).await.unwrap_err();
        assert!(matches!(
            error,
            AuthError::Misconfigured {
                setting: Setting::Client,
                ..
            }
        ));
    }
    assert_eq!(world.server.token_requests(), 1);
    let secret = SecretString::from(SECRET);
    world
        .sessions
        .put_client_secret(&key(), &secret)
        .await
        .unwrap();
    world.sessions.access(&key()).await.unwrap();
}
