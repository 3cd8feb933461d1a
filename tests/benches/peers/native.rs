//! A client as one would write it in Rust without Lockgate: reqwest and serde.

use std::ops::Range;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::client::say;
use crate::contact::{
    Attributes, COLLECTION, Contact, Outcome, Row, SOQL, Shown, contacts, templates,
};

/// A client that is logged in.
pub(crate) struct Session {
    client: reqwest::Client,
    origin: String,
    token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    done: bool,
    next_records_url: Option<String>,
    records: Vec<T>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Collection<'a> {
    all_or_none: bool,
    records: Vec<Contact<'a>>,
}

/// What became of a record: what every client gives its caller.
#[derive(Deserialize)]
struct SaveResult {
    id: Option<String>,
    success: bool,
    errors: Vec<SaveError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SaveError {
    status_code: String,
    message: String,
}

impl SaveResult {
    /// Counts a record, or says what is wrong with it.
    fn written(self) -> Result<u64> {
        if let Some(error) = self.errors.first() {
            bail!("{}: {}", error.status_code, error.message);
        }
        Ok(u64::from(self.success && self.id.is_some()))
    }
}

impl Session {
    /// Logs in by client credentials.
    pub(crate) async fn open(origin: &str) -> Result<Self> {
        let client = client()?;
        let body = "grant_type=client_credentials&client_id=dev-org-client\
                    &client_secret=dev-org-secret";
        let url = format!("{origin}/services/oauth2/token");
        let kind = "application/x-www-form-urlencoded";
        let request = client.post(url).header(CONTENT_TYPE, kind).body(body);
        let answer = request.send().await?.error_for_status()?.bytes().await?;
        let answer: Json = serde_json::from_slice(&answer)?;
        let token = answer.pointer("/access_token").and_then(Json::as_str);
        Ok(Self {
            client,
            origin: origin.to_owned(),
            token: token.context("an answer without a token")?.to_owned(),
        })
    }

    /// What it is logged in with.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Sets the telephone of these contacts to now, in milliseconds since 1970, and to
    /// another part of the millisecond each: what changes alike in a transaction is one
    /// event.
    pub(crate) async fn touch(&self, ids: &[String]) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let record = |(n, id): (usize, &String)| json!({ "attributes": { "type": "Contact" }, "Id": id, "Phone": format!("{now}.{n:03}") });
        let records: Vec<Json> = ids.iter().enumerate().map(record).collect();
        let body = json!({ "allOrNone": false, "records": records }).to_string();
        let path = "/services/data/v60.0/composite/sobjects";
        let request = self.request(Method::PATCH, path).body(body);
        let request = request.header(CONTENT_TYPE, "application/json");
        let answer = request.send().await?.error_for_status()?.bytes().await?;
        let results: Vec<SaveResult> = serde_json::from_slice(&answer)?;
        for result in results {
            result.written()?;
        }
        Ok(())
    }

    /// The ids of all contacts of a small org.
    pub(crate) async fn ids(&self) -> Result<Vec<String>> {
        let body = self.get(&path_of("SELECT Id FROM Contact")).await?;
        let page: Page<Json> = serde_json::from_slice(&body)?;
        let ids = page.records.iter().map(|record| {
            let id = record.get("Id").and_then(Json::as_str);
            Ok(id.context("a record without an id")?.to_owned())
        });
        ids.collect()
    }

    /// A request of this session.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.origin);
        self.client.request(method, url).bearer_auth(&self.token)
    }

    /// The body of an answer to a GET.
    pub(crate) async fn get(&self, path: &str) -> Result<Bytes> {
        let request = self.request(Method::GET, path);
        Ok(request.send().await?.error_for_status()?.bytes().await?)
    }

    /// Reads one field of all contacts, into a typed struct.
    pub(crate) async fn read_all(&self) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut path = query_path();
        loop {
            let body = self.get(&path).await?;
            let page: Page<Row<'_>> = serde_json::from_slice(&body)?;
            outcome.read(&page.records);
            match page.next_records_url {
                Some(next) if !page.done => path = next,
                _ => return Ok(outcome),
            }
        }
    }

    /// The same by way of an untyped tree.
    pub(crate) async fn read_values(&self) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut path = query_path();
        loop {
            let body = self.get(&path).await?;
            let page: Page<Json> = serde_json::from_slice(&body)?;
            for record in &page.records {
                let email = record.get("Email").and_then(Json::as_str);
                outcome.rows += 1;
                outcome.length += email.context("no e-mail address")?.len() as u64;
            }
            match page.next_records_url {
                Some(next) if !page.done => path = next,
                _ => return Ok(outcome),
            }
        }
    }

    /// Says all contacts.
    pub(crate) async fn list_all(&self) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut path = query_path();
        loop {
            let page: Page<Shown> = serde_json::from_slice(&self.get(&path).await?)?;
            outcome.rows += page.records.len() as u64;
            let lines: Vec<String> = page.records.iter().map(Shown::line).collect();
            say(&lines.join("\n"))?;
            match page.next_records_url {
                Some(next) if !page.done => path = next,
                _ => return Ok(outcome),
            }
        }
    }

    /// Creates contacts by Collections.
    pub(crate) async fn write_all(&self, numbers: Range<u64>) -> Result<Outcome> {
        let templates = templates()?;
        let path = "/services/data/v60.0/composite/sobjects";
        let mut outcome = Outcome::default();
        let mut from = numbers.start;
        while from < numbers.end {
            let to = (from + COLLECTION).min(numbers.end);
            let mut records = contacts(&templates, from..to);
            for record in &mut records {
                record.attributes = Some(Attributes { r#type: "Contact" });
            }
            let body = serde_json::to_vec(&Collection {
                all_or_none: false,
                records,
            })?;
            let request = self.request(Method::POST, path).body(body);
            let request = request.header(CONTENT_TYPE, "application/json");
            let answer = request.send().await?.error_for_status()?.bytes().await?;
            let results: Vec<SaveResult> = serde_json::from_slice(&answer)?;
            for result in results {
                outcome.rows += result.written()?;
            }
            from = to;
        }
        Ok(outcome)
    }

    /// Gets one contact again and again.
    pub(crate) async fn get_all(&self, rows: u64) -> Result<Outcome> {
        let body = self.get(&path_of("SELECT Id FROM Contact LIMIT 1")).await?;
        let page: Page<Json> = serde_json::from_slice(&body)?;
        let first = page.records.first().and_then(|record| record.get("Id"));
        let id = first.and_then(Json::as_str).context("no contacts")?;
        let path = path_of_contact(id);
        let mut outcome = Outcome::default();
        for _ in 0..rows {
            outcome.rows += u64::from(!self.get(&path).await?.is_empty());
        }
        Ok(outcome)
    }

    /// The contacts of an org that was empty, as they stand there, in the order
    /// of their names and without what the org makes up.
    pub(crate) async fn stored(&self) -> Result<Vec<Bytes>> {
        let soql = "SELECT LastName, FirstName, Email, Title, Department, Phone, MailingStreet, \
                    MailingCity, MailingState, MailingCountry, LeadSource FROM Contact \
                    ORDER BY LastName";
        let mut path = path_of(soql);
        let mut rows = Vec::new();
        loop {
            let page: Page<Json> = serde_json::from_slice(&self.get(&path).await?)?;
            for mut record in page.records {
                let members = record.as_object_mut().context("a record is an object")?;
                ensure!(members.remove("attributes").is_some(), "no attributes");
                rows.push(serde_json::to_vec(&record)?.into());
            }
            match page.next_records_url {
                Some(next) if !page.done => path = next,
                _ => return Ok(rows),
            }
        }
    }

    /// API calls that the org has counted.
    pub(crate) async fn calls(&self) -> Result<u64> {
        let quota: Json = serde_json::from_slice(&self.get("/__control/quota").await?)?;
        let used = quota.pointer("/used").and_then(Json::as_u64);
        used.context("the org does not say its calls")
    }

    /// Events that the org has delivered today.
    pub(crate) async fn delivered(&self) -> Result<u64> {
        let events: Json = serde_json::from_slice(&self.get("/__control/events").await?)?;
        let used = events.pointer("/deliveries/used").and_then(Json::as_u64);
        used.context("the org does not say its deliveries")
    }
}

/// Where a contact is.
pub(crate) fn path_of_contact(id: &str) -> String {
    format!("/services/data/v60.0/sobjects/Contact/{id}")
}

fn query_path() -> String {
    path_of(SOQL)
}

fn path_of(soql: &str) -> String {
    let soql = soql.replace(' ', "+").replace(',', "%2C");
    format!("/services/data/v60.0/query?q={soql}")
}

/// As one would set it up: answers may be gzip, and come from nowhere else.
fn client() -> Result<reqwest::Client> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls);
    Ok(builder.no_proxy().gzip(true).build()?)
}
