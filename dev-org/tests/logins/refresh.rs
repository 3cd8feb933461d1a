//! Refresh tokens: their use, rotation and end.

use dev_org::Config;
use serde_json::Value;

use super::client::{Login, error, text};

#[tokio::test]
async fn a_refresh_without_rotation_keeps_its_refresh_token() {
    let login = Login::start(Config::default()).await;
    let first = login.log_in().await;
    let refresh = text(&first, "refresh_token");
    for _ in 0..2 {
        let (status, answer) = login.refresh(refresh).await;
        assert_eq!(status, 200);
        assert!(answer.get("refresh_token").is_none());
        assert_eq!(login.limits(text(&answer, "access_token")).await, 200);
    }
}

#[tokio::test]
async fn with_rotation_a_used_refresh_token_ends_the_whole_family() {
    let login = Login::start(Config {
        rotate_refresh_tokens: true,
        ..Config::default()
    })
    .await;
    let first = login.log_in().await;
    let (status, second) = login.refresh(text(&first, "refresh_token")).await;
    assert_eq!(status, 200);
    assert_eq!(login.limits(text(&second, "access_token")).await, 200);
    let expired = (
        400,
        "invalid_grant".to_owned(),
        "expired access/refresh token".to_owned(),
    );
    let reused = login.refresh(text(&first, "refresh_token")).await;
    assert_eq!(error(reused), expired);
    let newest = login.refresh(text(&second, "refresh_token")).await;
    assert_eq!(error(newest), expired);
    assert_eq!(login.limits(text(&second, "access_token")).await, 401);
}

#[tokio::test]
async fn a_killed_refresh_token_answers_as_an_expired_one() {
    let login = Login::start(Config::default()).await;
    let first = login.log_in().await;
    let refresh = text(&first, "refresh_token");
    assert!(login.org.control().kill_refresh_token(refresh));
    assert_eq!(login.limits(text(&first, "access_token")).await, 200);
    let answer = error(login.refresh(refresh).await);
    assert_eq!(answer.2, "expired access/refresh token");
}

#[tokio::test]
async fn revoking_a_refresh_token_ends_its_sessions() {
    let login = Login::start(Config::default()).await;
    let first = login.log_in().await;
    let refresh = text(&first, "refresh_token");
    let (status, body) = login
        .post("/services/oauth2/revoke", &[("token", refresh)])
        .await;
    assert_eq!((status, body), (200, Value::Null));
    assert_eq!(login.limits(text(&first, "access_token")).await, 401);
    let again = login
        .post("/services/oauth2/revoke", &[("token", refresh)])
        .await;
    assert_eq!(error(again).1, "invalid_token");
}
