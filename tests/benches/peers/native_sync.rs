//! The sync of the native client: what one would write in Rust for one object, with
//! reqwest, tonic, apache-avro and rusqlite. No merge, no conflicts, no resumption.

use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use csv::StringRecord;
use futures_util::stream;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use rusqlite::{Connection, params};
use serde_json::json;
use tokio::sync::mpsc;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Streaming};

use crate::contact::{COLLECTION, Outcome};
use crate::eventbus::pub_sub_client::PubSubClient;
use crate::eventbus::{FetchRequest, FetchResponse, ReplayPreset, SchemaRequest};
use crate::native::Session;
use crate::table::Place;

const TOPIC: &str = "/data/ContactChangeEvent";

/// As many events as one request may ask for.
const WANTED: i32 = 100;

/// Fields with their columns.
const COLUMNS: [(&str, &str); 9] = [
    ("FirstName", "first_name"),
    ("LastName", "last_name"),
    ("Email", "email"),
    ("Title", "title"),
    ("Department", "department"),
    ("Phone", "phone"),
    ("MailingStreet", "mailing_street"),
    ("MailingCity", "mailing_city"),
    ("MailingCountry", "mailing_country"),
];

const TABLES: &str = "
PRAGMA journal_mode = WAL;
CREATE TABLE contact (
  id TEXT PRIMARY KEY, first_name TEXT, last_name TEXT, email TEXT, title TEXT,
  department TEXT, phone TEXT, mailing_street TEXT, mailing_city TEXT, mailing_country TEXT
);
CREATE TABLE outbox (id TEXT PRIMARY KEY)";

/// What a program changes is to be sent.
const CAPTURE: &str = "
CREATE TRIGGER capture AFTER UPDATE ON contact BEGIN
  INSERT OR IGNORE INTO outbox VALUES (new.id);
END";

const INSERT: &str = "INSERT INTO contact (id, first_name, last_name, email, title, department, \
                      phone, mailing_street, mailing_city, mailing_country) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

/// A session with a table.
pub(crate) struct Synced {
    session: Session,
    place: Place,
    sql: Connection,
}

/// A subscription that is open.
pub(crate) struct Subscription {
    client: PubSubClient<Channel>,
    metadata: Vec<(&'static str, String)>,
    requests: mpsc::UnboundedSender<FetchRequest>,
    answers: Streaming<FetchResponse>,
}

impl Synced {
    pub(crate) async fn open(url: &str) -> Result<Self> {
        let (session, place) = (Session::open(url).await?, Place::new()?);
        let sql = place.open()?;
        sql.execute_batch(TABLES)?;
        Ok(Self {
            session,
            place,
            sql,
        })
    }

    /// Loads all contacts by a job.
    pub(crate) async fn load(&mut self) -> Result<Outcome> {
        let sql = &mut self.sql;
        self.session
            .each_result(|body| {
                let mut reader = csv::Reader::from_reader(&body[..]);
                let header = reader.headers()?.clone();
                let names = std::iter::once("Id").chain(COLUMNS.map(|(field, _)| field));
                let places: Vec<usize> = names
                    .map(|name| header.iter().position(|known| known == name))
                    .collect::<Option<_>>()
                    .context("a field is missing")?;
                let tx = sql.transaction()?;
                let mut insert = tx.prepare_cached(INSERT)?;
                let mut row = StringRecord::new();
                while reader.read_record(&mut row)? {
                    for (at, place) in places.iter().enumerate() {
                        let value = row.get(*place).filter(|value| !value.is_empty());
                        insert.raw_bind_parameter(at + 1, value)?;
                    }
                    insert.raw_execute()?;
                }
                drop(insert);
                Ok(tx.commit()?)
            })
            .await?;
        self.place.outcome()
    }

    /// Listens to changes from now on.
    pub(crate) async fn subscribe(&self, url: &str) -> Result<Subscription> {
        self.place.note_lags()?;
        let channel = Channel::from_shared(url.to_owned())?.connect().await?;
        let identity = self.session.get("/services/oauth2/userinfo").await?;
        let identity: serde_json::Value = serde_json::from_slice(&identity)?;
        let tenant = identity
            .pointer("/organization_id")
            .and_then(|id| id.as_str());
        let metadata = vec![
            ("accesstoken", self.session.token().to_owned()),
            ("instanceurl", url.to_owned()),
            ("tenantid", tenant.context("no organization")?.to_owned()),
        ];
        let (requests, receiver) = mpsc::unbounded_channel();
        requests.send(wanted())?;
        let said = stream::unfold(receiver, |mut receiver| async {
            Some((receiver.recv().await?, receiver))
        });
        let mut client = PubSubClient::new(channel);
        let answers = client.subscribe(with(&metadata, said)?).await?.into_inner();
        Ok(Subscription {
            client,
            metadata,
            requests,
            answers,
        })
    }

    /// Takes in so many changes, and says what they took.
    pub(crate) async fn receive(
        &mut self,
        mut from: Subscription,
        rows: u64,
    ) -> Result<(Outcome, [f64; 2])> {
        let mut schemas: HashMap<String, Schema> = HashMap::new();
        let mut seen = 0;
        while seen < rows {
            let answer = from.answers.message().await?.context("the stream ended")?;
            let tx = self.sql.transaction()?;
            for event in answer
                .events
                .iter()
                .filter_map(|event| event.event.as_ref())
            {
                if !schemas.contains_key(&event.schema_id) {
                    let schema = from.schema(&event.schema_id).await?;
                    schemas.insert(event.schema_id.clone(), schema);
                }
                let schema = schemas.get(&event.schema_id).context("no schema")?;
                let reader = GenericDatumReader::builder(schema).build()?;
                let value = reader.read_value(&mut &event.payload[..])?;
                seen += apply(&tx, value)?;
            }
            tx.commit()?;
            if answer.pending_num_requested == 0 {
                from.requests.send(wanted())?;
            }
        }
        let outcome = Outcome { rows, length: 0 };
        Ok((outcome, self.place.lags_ms()?))
    }

    /// Notes from now on what a program changes.
    pub(crate) fn capture(&self) -> Result<()> {
        Ok(self.sql.execute_batch(CAPTURE)?)
    }

    /// Sends a change of each row.
    pub(crate) async fn send(&mut self, rows: u64) -> Result<Outcome> {
        self.place.change_all()?;
        let mut sent = 0;
        while sent < rows {
            let changed = self.changed()?;
            let records: Vec<_> = changed
                .iter()
                .map(|(id, phone)| {
                    json!({ "attributes": { "type": "Contact" }, "Id": id, "Phone": phone })
                })
                .collect();
            let body = json!({ "allOrNone": false, "records": records }).to_string();
            let path = "/services/data/v60.0/composite/sobjects";
            let request = self.session.request(Method::PATCH, path).body(body);
            let request = request.header(CONTENT_TYPE, "application/json");
            let answer = request.send().await?.error_for_status()?.bytes().await?;
            let results: Vec<serde_json::Value> = serde_json::from_slice(&answer)?;
            let tx = self.sql.transaction()?;
            for (result, (id, _)) in results.iter().zip(&changed) {
                let is_done = result
                    .pointer("/success")
                    .and_then(serde_json::Value::as_bool);
                ensure!(is_done == Some(true), "a change was refused");
                tx.prepare_cached("DELETE FROM outbox WHERE id = ?1")?
                    .execute([id])?;
                sent += 1;
            }
            tx.commit()?;
        }
        Ok(Outcome {
            rows: sent,
            length: 0,
        })
    }

    fn changed(&self) -> Result<Vec<(String, String)>> {
        let mut changed = self.sql.prepare_cached(
            "SELECT contact.id, phone FROM outbox JOIN contact ON contact.id = outbox.id LIMIT ?1",
        )?;
        let rows = changed.query_map([i64::try_from(COLLECTION)?], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Subscription {
    async fn schema(&mut self, id: &str) -> Result<Schema> {
        let wanted = SchemaRequest {
            schema_id: id.to_owned(),
        };
        let answer = self
            .client
            .get_schema(with(&self.metadata, wanted)?)
            .await?;
        Ok(Schema::parse_str(&answer.into_inner().schema_json)?)
    }
}

/// Applies the fields that an event has values of to its records.
fn apply(tx: &Connection, event: Avro) -> Result<u64> {
    let Avro::Record(fields) = event else {
        anyhow::bail!("an event is no record");
    };
    let mut ids = Vec::new();
    let mut values = Vec::new();
    for (name, value) in fields {
        let column = COLUMNS.iter().find(|(field, _)| *field == name);
        match (column, plain(value)) {
            (Some((_, column)), Avro::String(text)) => values.push((column, text)),
            (None, Avro::Record(header)) if name == "ChangeEventHeader" => ids = ids_of(header),
            _ => {}
        }
    }
    for id in &ids {
        for (column, text) in &values {
            let update = format!("UPDATE contact SET {column} = ?2 WHERE id = ?1");
            tx.prepare_cached(&update)?.execute(params![id, text])?;
        }
    }
    Ok(ids.len() as u64)
}

fn ids_of(header: Vec<(String, Avro)>) -> Vec<String> {
    let mut ids = Vec::new();
    for (name, value) in header {
        if let ("recordIds", Avro::Array(values)) = (name.as_str(), plain(value)) {
            ids.extend(values.into_iter().filter_map(|value| match value {
                Avro::String(id) => Some(id),
                _ => None,
            }));
        }
    }
    ids
}

fn plain(value: Avro) -> Avro {
    match value {
        Avro::Union(_, inner) => *inner,
        other => other,
    }
}

fn wanted() -> FetchRequest {
    FetchRequest {
        topic_name: TOPIC.to_owned(),
        replay_preset: ReplayPreset::Latest.into(),
        num_requested: WANTED,
        ..FetchRequest::default()
    }
}

fn with<T>(metadata: &[(&'static str, String)], message: T) -> Result<Request<T>> {
    let mut request = Request::new(message);
    for (name, value) in metadata {
        let value = MetadataValue::try_from(value)?;
        request.metadata_mut().insert(*name, value);
    }
    Ok(request)
}
