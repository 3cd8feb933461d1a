//! The same client for jobs of Bulk API 2.0: reqwest, serde, and the crate `csv`.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use csv::ByteRecord;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::json;

use crate::client::say;
use crate::contact::{LOOK_MS, Outcome, Row, SOQL, Shown, contacts, templates};
use crate::native::Session;

const JOBS: &str = "/services/data/v60.0/jobs";

/// What a job says of itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    id: String,
    state: String,
    #[serde(default)]
    number_records_failed: u64,
}

/// A row that was written.
#[derive(Deserialize)]
struct Saved<'a> {
    #[serde(rename = "sf__Id")]
    id: &'a str,
}

impl Session {
    /// Reads one field of all contacts by a job, into a typed struct.
    pub(crate) async fn read_bulk(&self) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        self.each_result(|body| {
            let mut reader = csv::Reader::from_reader(&body[..]);
            let names = reader.byte_headers()?.clone();
            let mut row = ByteRecord::new();
            while reader.read_byte_record(&mut row)? {
                outcome.read_one(&row.deserialize::<Row<'_>>(Some(&names))?);
            }
            Ok(())
        })
        .await?;
        Ok(outcome)
    }

    /// Says all contacts.
    pub(crate) async fn list_bulk(&self) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        self.each_result(|body| {
            let mut reader = csv::Reader::from_reader(&body[..]);
            let rows: Vec<Shown> = reader.deserialize().collect::<Result<_, _>>()?;
            outcome.rows += rows.len() as u64;
            let lines: Vec<String> = rows.iter().map(Shown::line).collect();
            say(&lines.join("\n"))
        })
        .await?;
        Ok(outcome)
    }

    /// Creates contacts by one job, and reads what became of each.
    pub(crate) async fn write_bulk(&self, rows: u64) -> Result<Outcome> {
        let templates = templates()?;
        let mut sheet = csv::Writer::from_writer(Vec::new());
        for contact in contacts(&templates, 0..rows) {
            sheet.serialize(contact)?;
        }
        let sheet = sheet.into_inner()?;
        let wanted = json!({ "object": "Contact", "operation": "insert", "contentType": "CSV" });
        let job = self.send(Method::POST, "/ingest", &wanted).await?;
        let path = format!("/ingest/{}", job.id);
        let request = self.request(Method::PUT, &format!("{JOBS}{path}/batches"));
        let request = request.header(CONTENT_TYPE, "text/csv").body(sheet);
        request.send().await?.error_for_status()?;
        let closed = json!({ "state": "UploadComplete" });
        self.send(Method::PATCH, &path, &closed).await?;
        let job = self.done(&path).await?;
        ensure!(job.number_records_failed == 0, "rows failed");
        let body = self.get(&format!("{JOBS}{path}/successfulResults")).await?;
        let mut outcome = Outcome::default();
        let mut reader = csv::Reader::from_reader(&body[..]);
        let names = reader.byte_headers()?.clone();
        let mut row = ByteRecord::new();
        while reader.read_byte_record(&mut row)? {
            let saved: Saved<'_> = row.deserialize(Some(&names))?;
            outcome.rows += u64::from(!saved.id.is_empty());
        }
        Ok(outcome)
    }

    /// Runs a query job, and hands on the CSV of its answers.
    pub(crate) async fn each_result(
        &self,
        mut each: impl FnMut(&Bytes) -> Result<()>,
    ) -> Result<()> {
        let wanted = json!({ "operation": "query", "query": SOQL });
        let job = self.send(Method::POST, "/query", &wanted).await?;
        let path = format!("/query/{}", job.id);
        self.done(&path).await?;
        let mut locator = None;
        loop {
            let mut results = format!("{JOBS}{path}/results");
            if let Some(locator) = locator {
                results = format!("{results}?locator={locator}");
            }
            let request = self.request(Method::GET, &results);
            let answer = request.send().await?.error_for_status()?;
            let next = answer.headers().get("sforce-locator");
            let next = next.context("no locator")?.to_str()?.to_owned();
            each(&answer.bytes().await?)?;
            if next == "null" {
                return Ok(());
            }
            locator = Some(next);
        }
    }

    /// Looks at a job until it is done.
    async fn done(&self, path: &str) -> Result<Job> {
        loop {
            let job: Job = serde_json::from_slice(&self.get(&format!("{JOBS}{path}")).await?)?;
            match job.state.as_str() {
                "JobComplete" => return Ok(job),
                "UploadComplete" | "InProgress" => {
                    tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
                }
                state => anyhow::bail!("a job is {state}"),
            }
        }
    }

    async fn send(&self, method: Method, path: &str, body: &serde_json::Value) -> Result<Job> {
        let request = self.request(method, &format!("{JOBS}{path}"));
        let request = request.header(CONTENT_TYPE, "application/json");
        let request = request.body(serde_json::to_vec(body)?);
        let answer = request.send().await?.error_for_status()?.bytes().await?;
        Ok(serde_json::from_slice(&answer)?)
    }
}
