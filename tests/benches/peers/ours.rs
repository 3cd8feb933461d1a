//! Lockgate as a client: an app that embeds the host, with the connector in its
//! sandbox.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use lockgate::{
    Connection, Flow, LoginTo, NewConnection, Operation, QueryOptions, Records, RowResult,
    WriteOptions,
};
use lockgate_tests::packages::package;
use lockgate_tests::sandbox::TestHost;
use serde_json::json;

use crate::client::{say, wait};
use crate::contact::{Outcome, Row, SOQL, Shown, contacts, templates};
use crate::native;

/// Records that are given to the connector at a time: ten collections of 200.
const BATCH: u64 = 2_000;

/// The way of the task: left to itself the connector would take Bulk for a
/// million rows.
fn queried(way: &str) -> QueryOptions {
    QueryOptions {
        way: Some(way.to_owned()),
        ..QueryOptions::default()
    }
}

/// The same for writes.
fn written(way: &str) -> WriteOptions {
    WriteOptions {
        way: Some(way.to_owned()),
        ..WriteOptions::default()
    }
}

/// A host with one connection.
pub(crate) struct Session {
    connection: Connection,
    // The last call's count is stored when it goes.
    _host: TestHost,
}

impl Session {
    /// Loads the connector, whose code was compiled by an earlier start as in any app
    /// that has run before, and logs in by client credentials.
    pub(crate) async fn open(origin: &str) -> Result<Self> {
        let host = TestHost::new().await;
        host.load(&package("salesforce")).await;
        let login = LoginTo::Local {
            origin: origin.to_owned(),
        };
        let mut new = NewConnection::new("acme", "crm", "salesforce", login, "dev-org-client")
            .client_secret("dev-org-secret")
            .flow(Flow::ClientCredentials);
        new.settings = json!({ "api_version": "60.0" });
        let connection = host.add_connection(new).await?;
        host.authorize_client("acme", "crm").await?;
        let warm = connection.query("SELECT Id FROM Contact LIMIT 1", QueryOptions::default());
        warm.await?.collect(1).await?;
        Ok(Self {
            connection,
            _host: host,
        })
    }

    /// The connection.
    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Reads one field of all contacts, into a typed struct.
    pub(crate) async fn read_all(&self, way: &str) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut pages = self.connection.query(SOQL, queried(way)).await?;
        while let Some(page) = pages.next_page().await? {
            let rows: Vec<Row<'_>> = page.records.to_vec()?;
            outcome.read(&rows);
        }
        Ok(outcome)
    }

    /// Says all contacts.
    pub(crate) async fn list_all(&self, way: &str) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut pages = self.connection.query(SOQL, queried(way)).await?;
        while let Some(page) = pages.next_page().await? {
            let rows: Vec<Shown> = page.records.to_vec()?;
            outcome.rows += rows.len() as u64;
            let lines: Vec<String> = rows.iter().map(Shown::line).collect();
            say(&lines.join("\n"))?;
        }
        Ok(outcome)
    }

    /// Creates contacts, and learns what became of each.
    pub(crate) async fn write_all(&self, way: &str, rows: u64) -> Result<Outcome> {
        let templates = templates()?;
        let mut outcome = Outcome::default();
        let mut count = |results: &[RowResult]| {
            let written = results.iter().filter(|row| row.result.is_ok());
            outcome.rows += written.count() as u64;
        };
        let create = Operation::Create;
        let mut writer = self
            .connection
            .write("Contact", create, written(way))
            .await?;
        let mut from = 0;
        while from < rows {
            let to = (from + BATCH).min(rows);
            let records = Records::from_items(&contacts(&templates, from..to))?;
            count(&writer.push(&records).await?);
            from = to;
        }
        while let Some(results) = writer.finish().await? {
            count(&results);
        }
        Ok(outcome)
    }

    /// Gets one contact again and again.
    pub(crate) async fn get_all(&self, rows: u64) -> Result<Outcome> {
        let ids = [self.some_id().await?];
        let mut outcome = Outcome::default();
        for _ in 0..rows {
            let record = self.connection.get("Contact", &ids, &[]).await?;
            outcome.rows += u64::from(!record.is_empty());
        }
        Ok(outcome)
    }

    /// Gets one contact again and again, in turns with a bare client, and says
    /// how long each took: `gets OURS BARE` in nanoseconds. In one process, so
    /// that whatever disturbs the machine disturbs both.
    pub(crate) async fn time_gets(&self, url: &str, rows: u64) -> Result<()> {
        let bare = native::Session::open(url).await?;
        let id = self.some_id().await?;
        let path = native::path_of_contact(&id);
        let ids = [id];
        let mut lines = Vec::new();
        for _ in 0..rows {
            let start = Instant::now();
            let ours = self.connection.get("Contact", &ids, &[]).await?;
            let middle = Instant::now();
            let theirs = bare.get(&path).await?;
            let end = Instant::now();
            let same = ours.strip_prefix(b"[").and_then(|o| o.strip_suffix(b"]"));
            ensure!(same == Some(&theirs[..]), "the two got different records");
            let (ours, theirs) = (middle - start, end - middle);
            lines.push(format!("gets {} {}", ours.as_nanos(), theirs.as_nanos()));
        }
        say(&lines.join("\n"))?;
        say(&format!("done {rows} 0"))?;
        wait()
    }

    async fn some_id(&self) -> Result<String> {
        let soql = "SELECT Id FROM Contact LIMIT 1";
        let pages = self.connection.query(soql, QueryOptions::default()).await?;
        let rows: Vec<serde_json::Value> = pages.collect(1).await?.to_vec()?;
        let id = rows.first().and_then(|row| row.pointer("/Id")?.as_str());
        Ok(id.context("the org has no contacts")?.to_owned())
    }
}
