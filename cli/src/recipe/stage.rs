//! What a recipe works with: an org, a mailing list, and a host that is connected to
//! both with the real connectors.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use dev_org::{Config, Control, DevOrg};
use lockgate::{
    Connection, Flow, Host, LoginTo, NewConnection, Outcome, QueryOptions, RecordResult, Records,
    WriteOptions,
};
use mailing_list::MailingList;
use serde_json::{Map, Value as Json};
use tempfile::TempDir;

use crate::{packages, session};

/// Whose connections a recipe makes.
const TENANT: &str = "recipe";

/// What the org has beyond the demo's fields: one that every real org has.
const SCHEMA: &str = r#"
[[extend]]
object = "Contact"
fields = [{ name = "HasOptedOutOfEmail", label = "Email Opt Out", type = "boolean" }]
"#;

/// The most records that a query of a recipe gives.
const MAX_RECORDS: usize = 10_000;

/// A record.
pub(super) type Record = Map<String, Json>;

/// Everything that is running.
pub(super) struct Stage {
    pub(super) org: DevOrg,
    pub(super) control: Control,
    pub(super) service: MailingList,
    pub(super) host: Host,
    pub(super) crm: Connection,
    pub(super) list: Connection,
    /// Where what is made is put.
    pub(super) folder: PathBuf,
    // The host's data, and the folder unless it is kept; gone at the end.
    _temporary: TempDir,
}

impl Stage {
    /// Starts all of it, with so many records in the org.
    pub(super) async fn set(records: usize, keep: Option<&Path>) -> Result<Self> {
        let temporary = tempfile::tempdir().context("cannot make a directory for the recipe")?;
        let folder = match keep {
            Some(folder) => folder.to_owned(),
            None => temporary.path().join("kept"),
        };
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the directory {}", folder.display()))?;
        let config = Config {
            records,
            schema: Some(format!("{}{SCHEMA}", dev_org::schema::DEMO)),
            ..Config::default()
        };
        let (client, secret) = (config.client_id.clone(), config.client_secret.clone());
        let org = DevOrg::start(config)
            .await
            .context("cannot start the dev org")?;
        let config = mailing_list::Config::default();
        let service = MailingList::start(config.clone())
            .await
            .context("cannot start the mailing list")?;
        let host = session::open_in(&temporary.path().join("data")).await?;
        let crm = connect(&host, "crm", "salesforce", org.url(), [&client, &secret]).await?;
        let secret = [&config.client_id, &config.client_secret];
        let list = connect(&host, "list", "mailing-list", service.url(), secret).await?;
        Ok(Self {
            control: org.control(),
            org,
            service,
            host,
            crm,
            list,
            folder,
            _temporary: temporary,
        })
    }

    /// Stops what runs, without cutting off answers on their way.
    pub(super) async fn stop(self) {
        self.org.stop().await;
        self.service.stop().await;
    }

    /// Writes a file into the folder.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let file = self.folder.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }

    /// All records of a query in the org.
    pub(super) async fn query(&self, soql: &str) -> Result<Vec<Record>> {
        query(&self.crm, soql).await
    }

    /// Creates one record in the org, and gives its id.
    pub(super) async fn create(&self, object: &str, record: Json) -> Result<String> {
        let records = Records::from_items(&[record])?;
        let results = self
            .crm
            .create(object, &records, WriteOptions::default())
            .await?;
        written(object, &results)?
            .pop()
            .context("a creation gave no id")
    }

    /// Changes one record in the org.
    pub(super) async fn update(&self, object: &str, record: Json) -> Result<()> {
        let records = Records::from_items(&[record])?;
        let results = self
            .crm
            .update(object, &records, WriteOptions::default())
            .await?;
        written(object, &results).map(|_| ())
    }
}

/// All records of a query.
pub(super) async fn query(connection: &Connection, text: &str) -> Result<Vec<Record>> {
    let pages = connection.query(text, QueryOptions::default()).await?;
    Ok(pages.collect(MAX_RECORDS).await?.to_vec()?)
}

/// The ids of records that were all written; a failure if one was not.
pub(super) fn written(object: &str, results: &[RecordResult]) -> Result<Vec<String>> {
    let id = |result: &RecordResult| match &result.outcome {
        Outcome::Failed { problems } => {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            bail!("{object}: {}", problems.join("; "))
        }
        _ => result.id.clone().context("a written record has no id"),
    };
    results.iter().map(id).collect()
}

/// A field that holds a text.
pub(super) fn text<'a>(record: &'a Record, field: &str) -> Option<&'a str> {
    record.get(field).and_then(Json::as_str)
}

/// The id of a record.
pub(super) fn id(record: &Record) -> Result<&str> {
    text(record, "Id")
        .or_else(|| text(record, "id"))
        .context("a record without an id")
}

async fn connect(
    host: &Host,
    name: &str,
    connector: &str,
    origin: String,
    [client_id, client_secret]: [&String; 2],
) -> Result<Connection> {
    let package = packages::built_in(connector).context("a built-in package is missing")??;
    host.load(&package, package.asked_grants()).await?;
    let login = LoginTo::Local { origin };
    let new = NewConnection::new(TENANT, name, connector, login, client_id.as_str())
        .flow(Flow::ClientCredentials)
        .client_secret(client_secret.as_str());
    let connection = host.add_connection(new).await?;
    host.authorize_client(TENANT, name).await?;
    Ok(connection)
}
