//! Logins of a person through the pages, with a code at the end.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use dev_org::Config;
use ring::{digest, hmac};

use super::client::{CALLBACK, Login, error, parameter, text};

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
