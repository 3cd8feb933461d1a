//! Logins as a client sees them: every grant, its answer, and its errors.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use dev_org::{App, Config, DevOrg, SigningKey, VerifyingKey};
use reqwest::Client;
use ring::{digest, hmac};
use serde_json::{Value, json};
use support::{client, login, read, start};
use url::Url;

const CALLBACK: &str = "http://localhost:1717/callback";

struct Login {
    org: DevOrg,
    http: Client,
    base: String,
}

impl Login {
    async fn start(config: Config) -> Self {
        let org = DevOrg::start(config).await.unwrap();
        Self {
            http: client(),
            base: org.url(),
            org,
        }
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let url = format!("{}{path}", self.base);
        read(self.http.post(url).form(form).send().await.unwrap()).await
    }

    async fn token(&self, form: &[(&str, &str)]) -> (u16, Value) {
        let mut form = form.to_vec();
        form.push(("client_id", "dev-org-client"));
        form.push(("client_secret", "dev-org-secret"));
        self.post("/services/oauth2/token", &form).await
    }

    /// Clicks through the pages and answers with the address at the end.
    async fn authorize(&self, extra: &[(&str, &str)], decision: &str) -> Url {
        let mut query = vec![
            ("response_type", "code"),
            ("client_id", "dev-org-client"),
            ("redirect_uri", CALLBACK),
            ("state", "a state"),
        ];
        query.extend(extra);
        let url = format!("{}/services/oauth2/authorize", self.base);
        let page = self.http.get(url).query(&query).send().await.unwrap();
        if page.status() == 302 {
            return location(&page);
        }
        let ticket = ticket(&page.text().await.unwrap());
        let url = format!("{}/services/oauth2/authorize/login", self.base);
        let form = [
            ("ticket", ticket.as_str()),
            ("username", "admin@example.com"),
            ("password", "dev-org-password"),
        ];
        let page = self.http.post(url).form(&form).send().await.unwrap();
        let page = page.text().await.unwrap();
        assert!(page.contains("value=\"allow\""), "{page}");
        let url = format!("{}/services/oauth2/authorize/approve", self.base);
        let form = [("ticket", ticket.as_str()), ("decision", decision)];
        let sent_back = self.http.post(url).form(&form).send().await.unwrap();
        location(&sent_back)
    }

    async fn exchange(&self, code: &str, extra: &[(&str, &str)]) -> (u16, Value) {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
        ];
        form.extend(extra);
        self.token(&form).await
    }

    async fn refresh(&self, token: &str) -> (u16, Value) {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)])
            .await
    }

    async fn log_in(&self) -> Value {
        let back = self.authorize(&[], "allow").await;
        let (status, answer) = self.exchange(&parameter(&back, "code"), &[]).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    async fn limits(&self, token: &str) -> u16 {
        let url = format!("{}/services/data/v60.0/limits", self.base);
        let response = self.http.get(url).bearer_auth(token).send().await.unwrap();
        response.status().as_u16()
    }
}

fn location(response: &reqwest::Response) -> Url {
    let location = response.headers()["location"].to_str().unwrap();
    Url::parse(location).unwrap()
}

fn ticket(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"ticket\" value=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

fn parameter(url: &Url, name: &str) -> String {
    let found = url.query_pairs().find(|(key, _)| key == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {url}"))
        .1
        .into_owned()
}

fn text<'a>(answer: &'a Value, key: &str) -> &'a str {
    answer[key]
        .as_str()
        .unwrap_or_else(|| panic!("no {key} in {answer}"))
}

fn error(answer: (u16, Value)) -> (u16, String, String) {
    let (status, body) = answer;
    let (code, description) = (text(&body, "error"), text(&body, "error_description"));
    (status, code.to_owned(), description.to_owned())
}

#[tokio::test]
async fn a_code_is_exchanged_for_tokens_that_work() {
    let login = Login::start(Config::default()).await;
    let back = login
        .authorize(&[("scope", "api refresh_token id")], "allow")
        .await;
    assert_eq!(parameter(&back, "state"), "a state");
    assert!(back.as_str().contains("%3D"), "{back}");
    let code = parameter(&back, "code");
    let (status, answer) = login.exchange(&code, &[]).await;
    assert_eq!(status, 200);
    assert_eq!(text(&answer, "token_type"), "Bearer");
    assert_eq!(text(&answer, "instance_url"), login.base);
    assert_eq!(text(&answer, "scope"), "api refresh_token id");
    assert!(answer.get("expires_in").is_none() && answer.get("id_token").is_none());
    assert!(text(&answer, "issued_at").parse::<i64>().is_ok());
    let access = text(&answer, "access_token");
    assert_eq!(access.split_once('!').unwrap().0.len(), 15);
    assert_eq!(login.limits(access).await, 200);

    let key = hmac::Key::new(hmac::HMAC_SHA256, b"dev-org-secret");
    let signed = format!("{}{}", text(&answer, "id"), text(&answer, "issued_at"));
    let signature = STANDARD.decode(text(&answer, "signature")).unwrap();
    hmac::verify(&key, signed.as_bytes(), &signature).unwrap();

    assert_eq!(
        error(login.exchange(&code, &[]).await),
        (
            400,
            "invalid_grant".into(),
            "expired authorization code".into()
        )
    );
}

#[tokio::test]
async fn a_code_is_too_old_after_15_minutes() {
    let login = Login::start(Config::default()).await;
    let back = login.authorize(&[], "allow").await;
    login.org.control().set_clock_offset_ms(15 * 60 * 1000);
    let answer = login.exchange(&parameter(&back, "code"), &[]).await;
    assert_eq!(error(answer).2, "expired authorization code");
}

#[tokio::test]
async fn a_person_who_says_no_is_sent_back_with_access_denied() {
    let login = Login::start(Config::default()).await;
    let back = login.authorize(&[], "deny").await;
    assert_eq!(parameter(&back, "error"), "access_denied");
    assert_eq!(parameter(&back, "state"), "a state");
}

#[tokio::test]
async fn the_verifier_has_to_fit_the_challenge() {
    let login = Login::start(Config::default()).await;
    let verifier = "v".repeat(64);
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
    let ask = [
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    let code = async || parameter(&login.authorize(&ask, "allow").await, "code");

    let (status, _) = login
        .exchange(&code().await, &[("code_verifier", &verifier)])
        .await;
    assert_eq!(status, 200);
    let wrong = login
        .exchange(&code().await, &[("code_verifier", "wrong")])
        .await;
    assert_eq!(error(wrong).1, "invalid_request");
    let absent = login.exchange(&code().await, &[]).await;
    assert_eq!(error(absent).1, "invalid_grant");
}

#[tokio::test]
async fn plain_challenges_and_foreign_scopes_are_sent_back_as_errors() {
    let login = Login::start(Config::default()).await;
    let plain = [
        ("code_challenge", "abc"),
        ("code_challenge_method", "plain"),
    ];
    let back = login.authorize(&plain, "allow").await;
    assert_eq!(parameter(&back, "error"), "invalid_request");
    let back = login.authorize(&[("scope", "api wave_api")], "allow").await;
    assert_eq!(parameter(&back, "error"), "invalid_scope");
}

#[tokio::test]
async fn an_unknown_app_or_address_is_shown_and_never_redirected() {
    let login = Login::start(Config::default()).await;
    let ask = async |client_id: &str, redirect_uri: &str| {
        let url = format!("{}/services/oauth2/authorize", login.base);
        let query = [
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", redirect_uri),
        ];
        let page = login.http.get(url).query(&query).send().await.unwrap();
        assert_eq!(page.status(), 400);
        page.text().await.unwrap()
    };
    assert!(ask("nobody", CALLBACK).await.contains("invalid_client_id"));
    let page = ask("dev-org-client", "https://elsewhere.example/").await;
    assert!(page.contains("redirect_uri_mismatch"));
}

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

#[tokio::test]
async fn an_id_token_comes_with_openid_and_its_key_is_published() {
    let login = Login::start(Config::default()).await;
    let back = login
        .authorize(&[("scope", "openid api"), ("nonce", "n1")], "allow")
        .await;
    let (_, answer) = login.exchange(&parameter(&back, "code"), &[]).await;
    let token = text(&answer, "id_token").to_owned();
    let claims = token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!(claims["sub"], answer["id"]);
    assert_eq!(claims["nonce"], "n1");

    let keys = format!("{}/id/keys", login.base);
    let (_, keys) = read(login.http.get(keys).send().await.unwrap()).await;
    let number = |name: &str| {
        URL_SAFE_NO_PAD
            .decode(text(&keys["keys"][0], name))
            .unwrap()
    };
    let public = ring::signature::RsaPublicKeyComponents {
        n: number("n"),
        e: number("e"),
    };
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    public
        .verify(
            &ring::signature::RSA_PKCS1_2048_8192_SHA256,
            signed.as_bytes(),
            &signature,
        )
        .unwrap();
}

#[tokio::test]
async fn introspection_tells_the_owner_whether_a_token_lives() {
    let login = Login::start(Config::default()).await;
    let answer = login.log_in().await;
    let ask = async |token: &str| {
        let form = [
            ("token", token),
            ("client_id", "dev-org-client"),
            ("client_secret", "dev-org-secret"),
        ];
        login.post("/services/oauth2/introspect", &form).await.1
    };
    let alive = ask(text(&answer, "access_token")).await;
    assert_eq!(alive["active"], true);
    assert_eq!(alive["username"], "admin@example.com");
    assert!(alive["exp"].as_i64() > alive["iat"].as_i64());
    login.org.control().expire_sessions();
    let dead = ask(text(&answer, "access_token")).await;
    assert_eq!(dead, json!({ "active": false }));
}

#[tokio::test]
async fn discovery_points_at_this_server() {
    let login = Login::start(Config::default()).await;
    let url = format!("{}/.well-known/openid-configuration", login.base);
    let (_, found) = read(login.http.get(url).send().await.unwrap()).await;
    assert_eq!(found["issuer"], login.base.as_str());
    let token = format!("{}/services/oauth2/token", login.base);
    assert_eq!(found["token_endpoint"], token.as_str());
}

#[tokio::test]
async fn a_session_without_the_api_scope_cannot_use_the_api() {
    let login = Login::start(Config::default()).await;
    let back = login.authorize(&[("scope", "id")], "allow").await;
    let (_, answer) = login.exchange(&parameter(&back, "code"), &[]).await;
    let url = format!("{}/services/data/v60.0/limits", login.base);
    let token = text(&answer, "access_token");
    let (status, body) = read(login.http.get(url).bearer_auth(token).send().await.unwrap()).await;
    assert_eq!(status, 401);
    assert_eq!(
        body[0]["message"],
        "This session is not valid for use with the REST API"
    );
}
