//! A client of bulk jobs, one method for each request.

use serde_json::{Value, json};

use super::support::{Session, read, start_with_schema};

/// Accounts, contacts and leads with an external id.
const SCHEMA: &str = r#"
[[extend]]
object = "Account"
fields = [
    { name = "Key__c", label = "Key", type = "string", length = 40, external_id = true },
    { name = "Flag__c", label = "Flag", type = "boolean" },
    { name = "Founded__c", label = "Founded", type = "date" },
]

[[extend]]
object = "Contact"
fields = [{ name = "Key__c", label = "Key", type = "string", length = 40, external_id = true, unique = true }]

[[duplicate]]
object = "Contact"
name = "Same_Email"
match = ["Email"]
action = "alert"
"#;

/// An org with external ids.
pub(crate) async fn start() -> Session {
    start_with_schema(SCHEMA).await
}

/// A finished job with its results.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) id: String,
    pub(crate) job: Value,
    pub(crate) successful: Vec<Vec<String>>,
    pub(crate) failed: Vec<Vec<String>>,
    pub(crate) unprocessed: String,
}

impl Done {
    pub(crate) fn state(&self) -> &str {
        self.job["state"].as_str().unwrap()
    }

    pub(crate) fn error(&self) -> &str {
        self.job["errorMessage"].as_str().unwrap_or_default()
    }

    /// `sf__Error` of the failed row with a text in some column.
    pub(crate) fn error_of(&self, value: &str) -> &str {
        let row = self
            .failed
            .iter()
            .find(|row| row.iter().skip(2).any(|cell| cell == value));
        &row.unwrap_or_else(|| panic!("no row with {value} in {:?}", self.failed))[1]
    }

    /// `sf__Id` of the row with a text in some column.
    pub(crate) fn id_of(&self, value: &str) -> &str {
        let row = self
            .successful
            .iter()
            .find(|row| row.iter().skip(2).any(|cell| cell == value));
        &row.unwrap_or_else(|| panic!("no row with {value} in {self:?}"))[0]
    }
}

/// The cells of quoted CSV without line ends inside; the header is left out.
pub(crate) fn rows(text: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| {
        let inner = line
            .strip_prefix('"')
            .and_then(|line| line.strip_suffix('"'));
        let inner = inner.unwrap_or(line);
        inner.split("\",\"").map(str::to_owned).collect()
    };
    text.lines().skip(1).map(cells).collect()
}

impl Session {
    /// Creates a job and gives its JSON.
    pub(crate) async fn new_job(&self, kind: &str, body: &Value) -> Value {
        let path = format!("/jobs/{kind}");
        let (status, job) = read(self.send("POST", &path, body).await).await;
        assert_eq!(status, 200, "{job}");
        job
    }

    pub(crate) async fn put(&self, id: &str, csv: impl Into<reqwest::Body>) -> (u16, Value) {
        let request = self
            .request("PUT", &format!("/jobs/ingest/{id}/batches"))
            .header("content-type", "text/csv")
            .body(csv);
        read(request.send().await.unwrap()).await
    }

    pub(crate) async fn set_state(&self, kind: &str, id: &str, state: &str) -> (u16, Value) {
        let path = format!("/jobs/{kind}/{id}");
        read(self.send("PATCH", &path, &json!({ "state": state })).await).await
    }

    pub(crate) async fn job(&self, kind: &str, id: &str) -> Value {
        let (status, job) = read(self.get(&format!("/jobs/{kind}/{id}")).await).await;
        assert_eq!(status, 200, "{job}");
        job
    }

    pub(crate) async fn result(&self, id: &str, which: &str) -> String {
        let response = self.get(&format!("/jobs/ingest/{id}/{which}")).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        assert_eq!(status, 200, "{text}");
        text
    }

    /// Starts a job with its data; gives its id.
    pub(crate) async fn begin(&self, job: Value, csv: &str) -> String {
        let job = self.new_job("ingest", &job).await;
        let id = job["id"].as_str().unwrap().to_owned();
        assert_eq!(self.put(&id, csv.to_owned()).await.0, 201);
        assert_eq!(self.set_state("ingest", &id, "UploadComplete").await.0, 200);
        id
    }

    /// Runs a job to its end.
    pub(crate) async fn load(&self, job: Value, csv: &str) -> Done {
        let id = self.begin(job, csv).await;
        self.control.bulk().settled().await;
        self.done(id).await
    }

    pub(crate) async fn done(&self, id: String) -> Done {
        Done {
            job: self.job("ingest", &id).await,
            successful: rows(&self.result(&id, "successfulResults/").await),
            failed: rows(&self.result(&id, "failedResults/").await),
            unprocessed: self.result(&id, "unprocessedrecords/").await,
            id,
        }
    }
}

/// `operation` on `object`.
pub(crate) fn new(operation: &str, object: &str) -> Value {
    json!({ "operation": operation, "object": object })
}

/// The names of an object's members, in their order.
pub(crate) fn keys(object: &Value) -> Vec<&str> {
    let members = object.as_object().unwrap();
    members.keys().map(String::as_str).collect()
}
