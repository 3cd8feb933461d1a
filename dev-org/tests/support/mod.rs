//! What the tests of the org's HTTP face share: a started org, a client, and
//! a logged-in session.

#![allow(dead_code, reason = "every test file uses its own part of this")]

use std::sync::Arc;

use dev_org::{Config, Control, DevOrg};
use reqwest::{Client, RequestBuilder, Response};
use rustls::RootCertStore;
use serde_json::Value;

/// A started org and a session on it.
pub(crate) struct Session {
    pub(crate) org: DevOrg,
    pub(crate) control: Control,
    pub(crate) http: Client,
    pub(crate) base: String,
    pub(crate) token: String,
}

/// A client that follows no redirects.
pub(crate) fn client() -> Client {
    client_trusting(RootCertStore::empty())
}

/// A client that trusts these CAs and brings its own crypto provider.
pub(crate) fn client_trusting(roots: RootCertStore) -> Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .gzip(false)
        .build()
        .unwrap()
}

/// Starts an org with the usual settings.
pub(crate) async fn start() -> Session {
    start_with(Config::default()).await
}

/// Starts an org and logs in by client credentials.
pub(crate) async fn start_with(config: Config) -> Session {
    let org = DevOrg::start(config).await.unwrap();
    let http = client();
    let base = org.url();
    let answer = login(&http, &base).await;
    let token = answer["access_token"].as_str().unwrap().to_owned();
    let control = org.control();
    control.clear_requests();
    Session {
        org,
        control,
        http,
        base,
        token,
    }
}

/// Starts an org with additions to its schema.
pub(crate) async fn start_with_schema(schema: &str) -> Session {
    start_with(Config {
        schema: Some(schema.to_owned()),
        ..Config::default()
    })
    .await
}

/// One token request of the client credentials grant.
pub(crate) async fn login(http: &Client, base: &str) -> Value {
    http.post(format!("{base}/services/oauth2/token"))
        .form(&[
            ("grant_type", "client_credentials"),
            ("client_id", "dev-org-client"),
            ("client_secret", "dev-org-secret"),
        ])
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

impl Session {
    /// A request below `/services/data/v60.0` with the session.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let url = format!("{}/services/data/v60.0{path}", self.base);
        self.http
            .request(method.parse().unwrap(), url)
            .bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request("GET", path).send().await.unwrap()
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: &Value) -> Response {
        self.request(method, path).json(body).send().await.unwrap()
    }

    /// Creates a record, which may be refused.
    pub(crate) async fn make(&self, object: &str, body: Value) -> (u16, Value) {
        let path = format!("/sobjects/{object}");
        read(self.send("POST", &path, &body).await).await
    }

    /// Creates a record; gives its id.
    pub(crate) async fn made(&self, object: &str, body: Value) -> String {
        let (status, body) = self.make(object, body).await;
        assert_eq!(status, 201, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    /// Reads a record.
    pub(crate) async fn record(&self, object: &str, id: &str) -> Value {
        let (status, body) = read(self.get(&format!("/sobjects/{object}/{id}")).await).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// The records of a query.
    pub(crate) async fn select(&self, text: &str) -> Vec<Value> {
        let request = self.request("GET", "/query").query(&[("q", text)]);
        let (status, body) = read(request.send().await.unwrap()).await;
        assert_eq!(status, 200, "{body}");
        body["records"].as_array().unwrap().clone()
    }
}

/// Status and JSON body.
pub(crate) async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let body = response.bytes().await.unwrap();
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body).unwrap()
    };
    (status, body)
}

/// The code of an error.
pub(crate) fn code(body: &Value) -> &str {
    body[0]["errorCode"]
        .as_str()
        .unwrap_or_else(|| panic!("no code in {body}"))
}
