//! What the golden folder of a connector calls, `call.json`, and making the call.

use anyhow::Result;
use futures_util::TryStreamExt as _;
use lockgate::{Connection, QueryOptions, Records, ScanOptions, WriteOptions};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::golden::{self, Outcome};

/// What is called; `do` says which.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Operation {
    Objects,
    Describe {
        object: String,
    },
    Get {
        object: String,
        ids: Vec<String>,
        #[serde(default)]
        fields: Vec<String>,
    },
    Query {
        text: String,
    },
    Scan {
        object: String,
        #[serde(default)]
        fields: Vec<String>,
        #[serde(default)]
        after: Option<String>,
    },
    Create {
        object: String,
        records: Vec<Json>,
    },
    Update {
        object: String,
        records: Vec<Json>,
    },
    Upsert {
        object: String,
        key: String,
        records: Vec<Json>,
    },
    Delete {
        object: String,
        ids: Vec<String>,
    },
    Action {
        name: String,
        input: Json,
    },
}

impl Operation {
    /// Makes the call as an app would.
    pub(super) async fn run(&self, connection: &Connection) -> Result<Outcome> {
        let options = WriteOptions::default;
        let records = match self {
            Self::Query { text } => {
                all(connection.query(text, QueryOptions::default()).await?).await?
            }
            Self::Scan {
                object,
                fields,
                after,
            } => {
                all(connection
                    .scan(object, scan(fields, after.as_ref()))
                    .await?)
                .await?
            }
            Self::Create { object, records } => {
                let records = Records::from_items(records)?;
                each(&connection.create(object, &records, options()).await?)?
            }
            Self::Update { object, records } => {
                let records = Records::from_items(records)?;
                each(&connection.update(object, &records, options()).await?)?
            }
            Self::Upsert {
                object,
                key,
                records,
            } => {
                let records = Records::from_items(records)?;
                let upserted = connection.upsert(object, key, &records, options());
                each(&upserted.await?)?
            }
            Self::Delete { object, ids } => {
                each(&connection.delete(object, ids, options()).await?)?
            }
            Self::Objects | Self::Describe { .. } | Self::Get { .. } | Self::Action { .. } => {
                self.answer(connection).await?
            }
        };
        Ok(Outcome::Done {
            records,
            verdicts: None,
        })
    }

    /// The answer of a call that has one and no more.
    pub(super) async fn answer(&self, connection: &Connection) -> Result<Vec<String>> {
        match self {
            Self::Objects => each(&connection.objects().await?),
            Self::Describe { object } => each(&[connection.describe(object).await?]),
            Self::Get {
                object,
                ids,
                fields,
            } => {
                let found = connection.get(object, ids, fields).await?;
                Ok(golden::texts(std::str::from_utf8(&found)?)?)
            }
            Self::Action { name, input } => each(&[connection.invoke(name, input).await?]),
            // Pages and results come one after the other.
            _ => Ok(Vec::new()),
        }
    }
}

/// How a scan is made.
pub(super) fn scan(fields: &[String], after: Option<&String>) -> ScanOptions {
    ScanOptions {
        fields: fields.to_vec(),
        after: after.cloned(),
        ..ScanOptions::default()
    }
}

/// The records of all pages.
async fn all(mut pages: lockgate::Pages) -> Result<Vec<String>> {
    let mut records = Vec::new();
    while let Some(page) = pages.try_next().await? {
        records.extend(rows(&page.records)?);
    }
    Ok(records)
}

/// Each record as its own text.
pub(super) fn rows(records: &Records) -> Result<Vec<String>, lockgate::Error> {
    let rows = records.rows()?;
    Ok(rows
        .into_iter()
        .map(RawValue::get)
        .map(str::to_owned)
        .collect())
}

fn each<T: Serialize>(values: &[T]) -> Result<Vec<String>> {
    let texts = values.iter().map(serde_json::to_string);
    Ok(texts.collect::<Result<_, _>>()?)
}
