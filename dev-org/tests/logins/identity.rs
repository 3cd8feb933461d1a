//! Who a session is, and what it may use.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dev_org::Config;
use serde_json::{Value, json};

use super::client::{Login, parameter, text};
use super::support::read;

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
