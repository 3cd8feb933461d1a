//! A client that logs in, one method for each step.

use dev_org::{Config, DevOrg};
use reqwest::Client;
use serde_json::Value;
use url::Url;

use super::support::{client, read};

pub(crate) const CALLBACK: &str = "http://localhost:1717/callback";

pub(crate) struct Login {
    pub(crate) org: DevOrg,
    pub(crate) http: Client,
    pub(crate) base: String,
}

impl Login {
    pub(crate) async fn start(config: Config) -> Self {
        let org = DevOrg::start(config).await.unwrap();
        Self {
            http: client(),
            base: org.url(),
            org,
        }
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let url = format!("{}{path}", self.base);
        read(self.http.post(url).form(form).send().await.unwrap()).await
    }

    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> (u16, Value) {
        let mut form = form.to_vec();
        form.push(("client_id", "dev-org-client"));
        form.push(("client_secret", "dev-org-secret"));
        self.post("/services/oauth2/token", &form).await
    }

    /// Clicks through the pages and answers with the address at the end.
    pub(crate) async fn authorize(&self, extra: &[(&str, &str)], decision: &str) -> Url {
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

    pub(crate) async fn exchange(&self, code: &str, extra: &[(&str, &str)]) -> (u16, Value) {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
        ];
        form.extend(extra);
        self.token(&form).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> (u16, Value) {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)])
            .await
    }

    pub(crate) async fn log_in(&self) -> Value {
        let back = self.authorize(&[], "allow").await;
        let (status, answer) = self.exchange(&parameter(&back, "code"), &[]).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    pub(crate) async fn limits(&self, token: &str) -> u16 {
        let url = format!("{}/services/data/v60.0/limits", self.base);
        let response = self.http.get(url).bearer_auth(token).send().await.unwrap();
        response.status().as_u16()
    }
}

pub(crate) fn location(response: &reqwest::Response) -> Url {
    let location = response.headers()["location"].to_str().unwrap();
    Url::parse(location).unwrap()
}

pub(crate) fn ticket(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"ticket\" value=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

pub(crate) fn parameter(url: &Url, name: &str) -> String {
    let found = url.query_pairs().find(|(key, _)| key == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {url}"))
        .1
        .into_owned()
}

pub(crate) fn text<'a>(answer: &'a Value, key: &str) -> &'a str {
    answer[key]
        .as_str()
        .unwrap_or_else(|| panic!("no {key} in {answer}"))
}

pub(crate) fn error(answer: (u16, Value)) -> (u16, String, String) {
    let (status, body) = answer;
    let (code, description) = (text(&body, "error"), text(&body, "error_description"));
    (status, code.to_owned(), description.to_owned())
}
