//! The golden folders of a connector: a call, `call.json`, and what the product says to
//! its requests, `exchanges.json`; perhaps with `settings.json`.

use anyhow::Result;
use futures_util::TryStreamExt as _;
use lockgate::manifest::AuthManifest;
use lockgate::{
    Connection, Flow, Host, LoginTo, NewConnection, QueryOptions, Records, ScanOptions,
    WriteOptions,
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::exchanges::{Exchange, Product};
use super::golden::{self, Folder, Outcome};

/// The file with the call.
const FILE: &str = "call.json";

/// What is called; `do` says which.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
enum Operation {
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

/// What became of a call.
pub(super) struct Called {
    pub(super) came: Result<Outcome>,
    /// Requests to the product.
    pub(super) requests: usize,
    /// How they differ from `exchanges.json`; empty if they do not.
    pub(super) strange: Vec<String>,
}

/// A call with what it meets.
pub(super) struct Call {
    operation: Operation,
    exchanges: Vec<Exchange>,
    settings: Json,
}

impl Call {
    pub(super) fn of(folder: &Folder) -> Result<Self> {
        let operation = folder.json(FILE)?;
        Ok(Self {
            operation: operation.ok_or_else(|| folder.wrong(FILE, "there is no such file"))?,
            exchanges: folder.json("exchanges.json")?.unwrap_or_default(),
            settings: folder.json("settings.json")?.unwrap_or_default(),
        })
    }

    /// Makes the call on a connection of its own, which bears this name.
    pub(super) async fn run(
        self,
        host: &Host,
        connector: &str,
        auth: &AuthManifest,
        name: &str,
    ) -> Result<Called> {
        let product = Product::start(auth, self.exchanges).await?;
        let origin = product.origin().to_owned();
        let new = NewConnection::new(
            "golden",
            name,
            connector,
            LoginTo::Local { origin },
            "golden-client",
        )
        .flow(Flow::ClientCredentials)
        .client_secret("golden-secret")
        .settings(self.settings);
        let came = match host.add_connection(new).await {
            Ok(connection) => {
                host.authorize_client("golden", name).await?;
                self.operation.run(&connection).await
            }
            // Settings that are refused are what came of it.
            Err(error) => Err(error.into()),
        };
        Ok(Called {
            came,
            requests: product.asked(),
            strange: product.difference(),
        })
    }
}

impl Operation {
    async fn run(self, connection: &Connection) -> Result<Outcome> {
        let options = WriteOptions::default;
        let records = match self {
            Self::Objects => each(&connection.objects().await?)?,
            Self::Describe { object } => each(&[connection.describe(&object).await?])?,
            Self::Get {
                object,
                ids,
                fields,
            } => {
                let found = connection.get(&object, &ids, &fields).await?;
                golden::texts(std::str::from_utf8(&found)?)?
            }
            Self::Query { text } => {
                all(connection.query(&text, QueryOptions::default()).await?).await?
            }
            Self::Scan {
                object,
                fields,
                after,
            } => {
                let options = ScanOptions {
                    fields,
                    after,
                    ..ScanOptions::default()
                };
                all(connection.scan(&object, options).await?).await?
            }
            Self::Create { object, records } => {
                let records = Records::from_items(&records)?;
                each(&connection.create(&object, &records, options()).await?)?
            }
            Self::Update { object, records } => {
                let records = Records::from_items(&records)?;
                each(&connection.update(&object, &records, options()).await?)?
            }
            Self::Upsert {
                object,
                key,
                records,
            } => {
                let records = Records::from_items(&records)?;
                let upserted = connection.upsert(&object, &key, &records, options());
                each(&upserted.await?)?
            }
            Self::Delete { object, ids } => {
                each(&connection.delete(&object, &ids, options()).await?)?
            }
            Self::Action { name, input } => each(&[connection.invoke(&name, &input).await?])?,
        };
        Ok(Outcome::Done {
            records,
            verdicts: None,
        })
    }
}

/// The records of all pages.
async fn all(mut pages: lockgate::Pages) -> Result<Vec<String>> {
    let mut records = Vec::new();
    while let Some(page) = pages.try_next().await? {
        let rows = page.records.rows()?;
        records.extend(rows.into_iter().map(RawValue::get).map(str::to_owned));
    }
    Ok(records)
}

fn each<T: Serialize>(values: &[T]) -> Result<Vec<String>> {
    let texts = values.iter().map(serde_json::to_string);
    Ok(texts.collect::<Result<_, _>>()?)
}
