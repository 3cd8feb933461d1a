//! Logins without a person: client credentials and signed assertions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dev_org::{App, Config, SigningKey, VerifyingKey};
use serde_json::{Value, json};

use super::client::{Login, error, text};
use super::support::{login, read, start};

#[tokio::test]
async fn client_credentials_run_as_the_configured_user_without_a_refresh_token() {
    let session = start().await;
    let answer = login(&session.http, &session.base).await;
    assert!(answer.get("refresh_token").is_none());
    let userinfo = format!("{}/services/oauth2/userinfo", session.base);
    let response = session
        .http
        .get(userinfo)
        .bearer_auth(&session.token)
        .send()
        .await
        .unwrap();
    assert!(!response.headers().contains_key("sforce-limit-info"));
    let (status, user) = read(response).await;
    assert_eq!(status, 200);
    assert_eq!(user["preferred_username"], "admin@example.com");
    assert_eq!(user["sub"], answer["id"]);
    let identity = session
        .http
        .get(text(&answer, "id"))
        .bearer_auth(&session.token)
        .send()
        .await
        .unwrap();
    let (_, identity) = read(identity).await;
    assert_eq!(identity["username"], "admin@example.com");
}

#[tokio::test]
async fn an_app_without_a_user_cannot_use_client_credentials() {
    let login = Login::start(Config {
        apps: vec![App::new("lonely", "secret")],
        ..Config::default()
    })
    .await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "lonely"),
        ("client_secret", "secret"),
    ];
    let answer = error(login.post("/services/oauth2/token", &form).await);
    assert_eq!(answer.2, "no client credentials user enabled");
}

#[tokio::test]
async fn the_token_endpoint_names_what_is_wrong_with_the_client() {
    let login = Login::start(Config::default()).await;
    let ask = async |id: &str, secret: &str, grant: &str| {
        let form = [
            ("grant_type", grant),
            ("client_id", id),
            ("client_secret", secret),
        ];
        let (status, code, description) = error(login.post("/services/oauth2/token", &form).await);
        assert_eq!(status, 400);
        (code, description)
    };
    let says = |code: &str, description: &str| (code.to_owned(), description.to_owned());
    assert_eq!(
        ask("nobody", "x", "client_credentials").await,
        says("invalid_client_id", "client identifier invalid")
    );
    assert_eq!(
        ask("dev-org-client", "wrong", "client_credentials").await,
        says("invalid_client", "invalid client credentials")
    );
    assert_eq!(
        ask("dev-org-client", "dev-org-secret", "device").await,
        says("unsupported_grant_type", "grant type not supported")
    );
}

#[tokio::test]
async fn a_signed_assertion_logs_its_subject_in() {
    let key = SigningKey::generate().unwrap();
    let app = App {
        keys: vec![VerifyingKey::from_pem(&key.public_pem()).unwrap()],
        ..App::new("jwt-app", "jwt-secret")
    };
    let login = Login::start(Config {
        apps: vec![app],
        ..Config::default()
    })
    .await;
    let assert = async |claims: Value| {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(json!({ "alg": "RS256" })), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).unwrap());
        let assertion = format!("{signed}.{signature}");
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.as_str()),
        ];
        login.post("/services/oauth2/token", &form).await
    };
    let now = login.org.control().now_ms() / 1000;
    let good = json!({
        "iss": "jwt-app",
        "sub": "admin@example.com",
        "aud": "https://login.salesforce.com",
        "exp": now + 180,
    });
    let (status, answer) = assert(good.clone()).await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer.get("refresh_token").is_none());
    assert_eq!(login.limits(text(&answer, "access_token")).await, 200);

    let with = |key: &str, value: Value| {
        let mut claims = good.clone();
        claims[key] = value;
        claims
    };
    let bad = error(assert(with("aud", json!("https://elsewhere.example"))).await);
    assert_eq!(bad.2, "Audience validation failed");
    let bad = error(assert(with("sub", json!("nobody@example.com"))).await);
    assert_eq!(bad.2, "user hasn't approved this consumer");
    let bad = error(assert(with("iss", json!("nobody"))).await);
    assert_eq!(bad.1, "invalid_client_id");
    let bad = error(assert(with("exp", json!(now - 3600))).await);
    assert_eq!(bad.1, "invalid_grant");
}
