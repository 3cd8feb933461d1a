//! The service as any HTTP client sees it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests: what fails ends them"
)]

use std::sync::Arc;

use mailing_list::{Config, MailingList};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

struct Session {
    list: MailingList,
    http: Client,
    token: String,
}

fn client() -> Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let client = Client::builder().tls_backend_preconfigured(tls);
    client.no_proxy().build().unwrap()
}

async fn token(http: &Client, list: &MailingList, secret: &str, grant: &str) -> Response {
    let form = [
        ("grant_type", grant),
        ("client_id", "mailing-list-client"),
        ("client_secret", secret),
    ];
    let request = http.post(format!("{}/oauth/token", list.url())).form(&form);
    request.send().await.unwrap()
}

async fn start() -> Session {
    let list = MailingList::start(Config::default()).await.unwrap();
    let http = client();
    let answer = token(&http, &list, "mailing-list-secret", "client_credentials").await;
    let answer: Value = answer.json().await.unwrap();
    Session {
        token: answer["access_token"].as_str().unwrap().to_owned(),
        list,
        http,
    }
}

impl Session {
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}{path}", self.list.url());
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.bytes().await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask(Method::GET, path, None).await
    }
}

#[tokio::test]
async fn a_token_is_for_who_knows_the_secret() {
    let Session { list, http, .. } = start().await;
    let wrong = token(&http, &list, "guessed", "client_credentials").await;
    assert_eq!(wrong.status(), 401);
    let other = token(&http, &list, "mailing-list-secret", "password").await;
    assert_eq!(other.status(), 400);
    let bare = http.get(format!("{}/v1/members", list.url())).send().await;
    let bare = bare.unwrap();
    assert_eq!(bare.status(), 401);
    assert!(bare.text().await.unwrap().contains("token_expired"));
}

#[tokio::test]
async fn a_member_is_added_read_changed_found_and_removed() {
    let session = start().await;
    let ann = json!({"email": "ann@example.com", "tags": ["vip"]});
    let (status, made) = session
        .ask(Method::POST, "/v1/members", Some(ann.clone()))
        .await;
    assert_eq!((status, &made["status"]), (201, &json!("subscribed")));
    let (status, again) = session.ask(Method::POST, "/v1/members", Some(ann)).await;
    assert_eq!((status, &again["error"]["id"]), (409, &made["id"]));
    let path = format!("/v1/members/{}", made["id"].as_str().unwrap());
    let change = Some(json!({"first_name": "Ann"}));
    let (status, changed) = session.ask(Method::PATCH, &path, change).await;
    assert_eq!((status, &changed["first_name"]), (200, &json!("Ann")));
    assert!(changed["updated_at"].as_str() > made["updated_at"].as_str());
    assert_eq!(session.get(&path).await.1, changed);
    let search = Some(json!({"email": ["ANN@example.com", "bo@example.com"]}));
    let (_, found) = session
        .ask(Method::POST, "/v1/members/search", search)
        .await;
    assert_eq!(found["members"], json!([changed]));
    let (status, _) = session.ask(Method::DELETE, &path, None).await;
    assert_eq!(status, 204);
    assert_eq!(session.get(&path).await.0, 404);
}

#[tokio::test]
async fn lists_come_in_pages_and_may_be_filtered() {
    let session = start().await;
    let members: Vec<Value> = (0..5)
        .map(|n| json!({"email": format!("{n}@example.com"), "tags": if n == 3 { vec!["vip"] } else { vec![] }}))
        .collect();
    let batch = json!({"action": "create", "members": members});
    session
        .ask(Method::POST, "/v1/members/batch", Some(batch))
        .await;
    let (_, page) = session.get("/v1/members?limit=2").await;
    assert_eq!(page["members"].as_array().unwrap().len(), 2);
    let next = page["next"].as_str().unwrap();
    let (_, rest) = session.get(&format!("/v1/members?after={next}")).await;
    assert_eq!(rest["members"].as_array().unwrap().len(), 3);
    assert_eq!(rest["next"], Value::Null);
    let (_, vip) = session.get("/v1/members?tag=vip&status=subscribed").await;
    assert_eq!(vip["members"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn who_waits_for_a_change_is_told_when_one_happens() {
    let session = start().await;
    let (_, begun) = session.get("/v1/changes").await;
    let path = format!(
        "/v1/changes?wait_ms=30000&after={}",
        begun["cursor"].as_str().unwrap()
    );
    let (told, made) = tokio::join!(session.get(&path), async {
        let ann = json!({"email": "ann@example.com"});
        session.list.create(ann.as_object().unwrap()).unwrap()
    });
    let change = &told.1["changes"][0];
    assert_eq!(
        (&change["kind"], &change["own"]),
        (&json!("created"), &json!(false))
    );
    assert_eq!(change["fields"]["created_at"], made["created_at"]);
    assert_eq!(session.get("/v1/changes?after=1-1").await.0, 410);
    assert_eq!(session.get("/v1/changes?from=tomorrow").await.0, 400);
}

#[tokio::test]
async fn calls_are_counted_and_what_goes_beyond_is_refused_with_a_pause() {
    let session = start().await;
    session.list.limit_calls(1);
    session.get("/v1/members").await;
    let url = format!("{}/v1/members", session.list.url());
    let request = session.http.get(url).bearer_auth(&session.token);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["x-rate-limit"], "calls=1/1");
    let pause: u64 = answer.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=3_600).contains(&pause), "{pause}");
}

#[tokio::test]
async fn what_waits_is_answered_when_the_service_stops() {
    let session = start().await;
    let (_, begun) = session.get("/v1/changes").await;
    let path = format!(
        "{}/v1/changes?wait_ms=30000&after={}",
        session.list.url(),
        begun["cursor"].as_str().unwrap()
    );
    let waiting = session.http.get(path).bearer_auth(&session.token).send();
    let waiting = tokio::spawn(waiting);
    // It has been asked once its call is counted.
    let calls = session.list.call_counter();
    while calls() < 2 {
        tokio::task::yield_now().await;
    }
    session.list.stop().await;
    let answer: Value = waiting.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(answer["changes"], json!([]));
}
