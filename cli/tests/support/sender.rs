//! Who sends signed webhooks to `lockgate run --listen`.

use std::time::SystemTime;

use lockgate::webhook::{Secret, sign};
use lockgate_tests::org::browser;
use serde_json::Value as Json;

use super::Bench;

/// Sets up a webhook that comes in, and gives its path and its secret.
pub(crate) fn created(bench: &Bench, arguments: &[&str]) -> (String, Option<Secret>) {
    let mut create = vec!["webhook", "receive", "create", "crm", "--output", "json"];
    create.extend(arguments);
    let told = bench.lockgate(&create).ended(0).json();
    let text = |name: &str| told.get(name).and_then(Json::as_str);
    let path = text("url").unwrap().strip_prefix("http://127.0.0.1:8723");
    let secret = text("secret").map(|secret| secret.parse().unwrap());
    (path.unwrap().to_owned(), secret)
}

/// Sends a body, and gives the status of the answer.
pub(crate) async fn submit(url: &str, secret: &Secret, id: &str, body: &Json) -> u16 {
    let status = try_to_submit(url, secret, id, SystemTime::now(), body).await;
    status.unwrap()
}

/// The same, signed at this time; `None` if no answer comes.
pub(crate) async fn try_to_submit(
    url: &str,
    secret: &Secret,
    id: &str,
    at: SystemTime,
    body: &Json,
) -> Option<u16> {
    let body = body.to_string();
    let secrets = std::slice::from_ref(secret);
    let signed = sign(secrets, id, at, body.as_bytes()).unwrap();
    let mut request = browser().post(url).body(body);
    for (name, value) in signed.headers() {
        request = request.header(name, value);
    }
    let answer = request.send().await.ok()?;
    Some(answer.status().as_u16())
}
