//! An org with events, and what the tests of them share.

use dev_org::Config;
use reqwest::Response;
use serde_json::{Value, json};

use super::support::{Session, read, start_with};

/// A platform event, and a custom object with changes of its own.
pub(crate) const SCHEMA: &str = r#"
[[object]]
name = "Low_Ink__e"
label = "Low Ink"
plural = "Low Ink"
fields = [
    { name = "Printer_Model__c", label = "Printer Model", type = "string", length = 40, required = true },
    { name = "Ink_Percentage__c", label = "Ink Percentage", type = "double" },
]

[[object]]
name = "Invoice__c"
label = "Invoice"
plural = "Invoices"
owned = true
fields = [{ name = "Name", label = "Number", type = "string", length = 80, name_field = true }]
"#;

/// A started org.
pub(crate) async fn start() -> Session {
    start_with(config()).await
}

/// What it is started with.
pub(crate) fn config() -> Config {
    let mut config = Config {
        schema: Some(SCHEMA.to_owned()),
        ..Config::default()
    };
    config.change_events.push("Invoice__c".to_owned());
    config
}

impl Session {
    pub(crate) async fn change(&self, object: &str, id: &str, body: Value) {
        let path = format!("/sobjects/{object}/{id}");
        let (status, body) = read(self.send("PATCH", &path, &body).await).await;
        assert_eq!(status, 204, "{body}");
    }

    pub(crate) async fn remove(&self, object: &str, id: &str) {
        let path = format!("/sobjects/{object}/{id}");
        let response = self.request("DELETE", &path).send().await.unwrap();
        assert_eq!(response.status(), 204);
    }

    /// A request that says who the caller is.
    pub(crate) async fn send_as(
        &self,
        client: &str,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Response {
        self.request(method, path)
            .header("Sforce-Call-Options", format!("client={client}"))
            .json(body)
            .send()
            .await
            .unwrap()
    }

    /// The events of a channel that are kept, oldest first.
    pub(crate) fn kept(&self, channel: &str) -> Vec<Value> {
        self.control.events().kept(channel).unwrap()
    }

    /// The change events of an object that are kept, without their schemas.
    pub(crate) fn changes(&self, object: &str) -> Vec<Value> {
        let kept = self.kept(&format!("/data/{object}ChangeEvent"));
        kept.into_iter()
            .map(|mut event| event["payload"].take())
            .collect()
    }

    /// The headers of all change events that are kept.
    pub(crate) fn headers(&self) -> Vec<Value> {
        let kept = self.kept("/data/ChangeEvents");
        kept.into_iter()
            .map(|mut event| event["payload"]["ChangeEventHeader"].take())
            .collect()
    }
}

/// Type and object of a header, and how many records it is about.
pub(crate) fn brief(header: &Value) -> (String, String, usize) {
    let text = |name: &str| header[name].as_str().unwrap().to_owned();
    let ids = header["recordIds"].as_array().unwrap().len();
    (text("changeType"), text("entityName"), ids)
}

/// As `brief` gives it.
pub(crate) fn of(kind: &str, object: &str, records: usize) -> (String, String, usize) {
    (kind.to_owned(), object.to_owned(), records)
}

/// Contacts of these names, as Collections take them.
pub(crate) fn contacts(names: &[&str], all_or_none: bool) -> Value {
    let records: Vec<Value> = names
        .iter()
        .map(|name| json!({ "attributes": { "type": "Contact" }, "LastName": name }))
        .collect();
    json!({ "allOrNone": all_or_none, "records": records })
}
