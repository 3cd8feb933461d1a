//! Logins without OAuth: a username and a password by SOAP.

use dev_org::Config;

use super::client::Login;
use super::support::read;

impl Login {
    async fn soap(&self, version: &str, header: &str, body: &str) -> (u16, String) {
        let envelope = format!(
            r#"<se:Envelope xmlns:se="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com"><se:Header>{header}</se:Header><se:Body>{body}</se:Body></se:Envelope>"#
        );
        let url = format!("{}/services/Soap/u/{version}", self.base);
        let request = self.http.post(url).header("content-type", "text/xml");
        let response = request.body(envelope).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn soap_login(&self, version: &str, password: &str) -> (u16, String) {
        let body = format!(
            "<login><username>admin@example.com</username><password>{password}</password></login>"
        );
        self.soap(version, "", &body).await
    }
}

fn part<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("<{name}>")).unwrap();
    rest.split_once(&format!("</{name}>")).unwrap().0
}

#[tokio::test]
async fn a_password_opens_a_session_by_soap_that_rest_takes_until_its_logout() {
    let login = Login::start(Config::default()).await;
    let (status, answer) = login.soap_login("60.0", "dev-org-password").await;
    assert_eq!(status, 200, "{answer}");
    let (token, organization) = (part(&answer, "sessionId"), part(&answer, "organizationId"));
    let address = format!("{}/services/Soap/u/60.0/{organization}", login.base);
    assert_eq!(part(&answer, "serverUrl"), address);
    assert_eq!(part(&answer, "userName"), "admin@example.com");
    let url = format!("{}/services/data/v60.0/limits", login.base);
    let ask = async || {
        let request = login.http.get(&url).bearer_auth(token);
        read(request.send().await.unwrap()).await.0
    };
    assert_eq!(ask().await, 200);
    let session = format!("<SessionHeader><sessionId>{token}</sessionId></SessionHeader>");
    let (status, answer) = login.soap("60.0", &session, "<logout/>").await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(ask().await, 401);
}

#[tokio::test]
async fn a_wrong_password_is_a_login_fault_and_newer_versions_have_no_login() {
    let login = Login::start(Config::default()).await;
    let (status, answer) = login.soap_login("60.0", "wrong").await;
    assert_eq!(status, 500);
    assert_eq!(part(&answer, "faultcode"), "sf:INVALID_LOGIN");
    assert_eq!(part(&answer, "sf:exceptionCode"), "INVALID_LOGIN");
    let (status, answer) = login.soap_login("65.0", "dev-org-password").await;
    assert_eq!(status, 500);
    assert_eq!(part(&answer, "faultcode"), "sf:UNSUPPORTED_API_VERSION");
}
