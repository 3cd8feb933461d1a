//! What these tests ask the org for.

use serde_json::{Value, json};

use super::support::{Session, read, start_with_schema};

pub(crate) const KEYED: &str = r#"
[[extend]]
object = "Account"
fields = [
    { name = "Key__c", label = "Key", type = "string", length = 40, external_id = true },
]
"#;

pub(crate) async fn keyed() -> Session {
    start_with_schema(KEYED).await
}

impl Session {
    pub(crate) async fn query(&self, text: &str) -> Value {
        let (status, body) = self.ask(text).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    pub(crate) async fn ask(&self, text: &str) -> (u16, Value) {
        let request = self.request("GET", "/query").query(&[("q", text)]);
        read(request.send().await.unwrap()).await
    }

    pub(crate) async fn accounts(&self, count: usize) {
        for start in (0..count).step_by(200) {
            let records: Vec<Value> = (start..count.min(start + 200))
                .map(|at| json!({ "attributes": { "type": "Account" }, "Name": format!("A {at:05}") }))
                .collect();
            let body = json!({ "allOrNone": true, "records": records });
            let (status, body) = read(self.send("POST", "/composite/sobjects", &body).await).await;
            assert_eq!(status, 200, "{body}");
        }
    }
}
