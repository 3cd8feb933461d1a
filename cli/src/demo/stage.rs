//! What the steps of the demo share: an org, a host, a connection, and what has
//! been made so far.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use dev_org::{Config, Control, DevOrg};
use lockgate::manifest::World;
use lockgate::{Connection, Flow, Host, LoginTo, NewConnection};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::browser::Browser;
use super::report::{ObjectReport, PluginReport, Refusal};
use crate::authorize::{self, Visitor};
use crate::{packages, session};

/// Whose connection the demo makes, and its name.
pub(super) const TENANT: &str = "demo";
pub(super) const NAME: &str = "crm";

/// What the demo shows at work.
const PACKAGES: [&str; 3] = ["salesforce", "contact-normalizer", "lead-scorer"];

/// Records that the org starts with, so that queries have pages.
const SEEDED: usize = 1_000;

/// Everything that is running.
pub(super) struct Stage {
    pub(super) org: DevOrg,
    pub(super) control: Control,
    pub(super) host: Host,
    pub(super) connection: Option<Connection>,
    /// Ids of the records that the demo made, by object.
    pub(super) ids: BTreeMap<&'static str, Vec<String>>,
    pub(super) objects: Vec<(&'static str, ObjectReport)>,
    pub(super) plugins: Vec<PluginReport>,
    pub(super) refusals: Vec<Refusal>,
    /// Records that the demo makes of each object.
    pub(super) n_records: usize,
    config: Config,
    // The host's data; gone at the end.
    _data: TempDir,
}

impl Stage {
    /// Starts the org and the host.
    pub(super) async fn set(n_records: usize) -> Result<Self> {
        let config = Config {
            records: SEEDED,
            schema: Some(dev_org::schema::DEMO.to_owned()),
            ..Config::default()
        };
        let org = DevOrg::start(config.clone())
            .await
            .context("cannot start the dev org")?;
        let data = tempfile::tempdir().context("cannot make a directory for the host's data")?;
        let host = session::open_in(data.path()).await?;
        Ok(Self {
            control: org.control(),
            org,
            host,
            connection: None,
            ids: BTreeMap::new(),
            objects: Vec::new(),
            plugins: Vec::new(),
            refusals: Vec::new(),
            n_records,
            config,
            _data: data,
        })
    }

    /// What the org says of itself.
    pub(super) fn org_in_words(&self) -> String {
        format!(
            "{}, {SEEDED} records, {} edition",
            self.org.url(),
            self.edition()
        )
    }

    fn edition(&self) -> String {
        format!("{:?}", self.config.edition).to_lowercase()
    }

    /// Loads the connector and both plugins.
    pub(super) async fn load(&mut self) -> Result<String> {
        let mut loaded = Vec::new();
        for name in PACKAGES {
            let package = packages::built_in(name).context("a built-in package is missing")??;
            self.host.load(&package, package.asked_grants()).await?;
            let granted: Vec<String> = package
                .asked_grants()
                .iter()
                .map(ToString::to_string)
                .collect();
            loaded.push(match package.world() {
                World::Connector => format!("{name} with {}", granted.join(", ")),
                World::Transform => format!("{name} with nothing"),
            });
        }
        Ok(loaded.join("; "))
    }

    /// Connects by the authorization code flow.
    pub(super) async fn connect(&mut self) -> Result<String> {
        // The port is free again at once, and nobody else on loopback waits for it.
        let port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
        let new = NewConnection::new(
            TENANT,
            NAME,
            "salesforce",
            LoginTo::Local {
                origin: self.org.url(),
            },
            self.config.client_id.as_str(),
        )
        .flow(Flow::AuthorizationCode)
        .client_secret(self.config.client_secret.as_str())
        .redirect_uri(format!("http://127.0.0.1:{port}/callback"));
        let connection = self.host.add_connection(new).await?;
        let visitor = Visitor::Program(Browser::new(dev_org::org::ADMIN, &self.config.password));
        let connected = authorize::with_person(&self.host, TENANT, NAME, &visitor).await?;
        self.connection = Some(connection);
        let who = connected.identity.unwrap_or_else(|| "somebody".to_owned());
        Ok(format!(
            "{TENANT}/{NAME} as {} ({who})",
            dev_org::org::ADMIN
        ))
    }

    pub(super) fn connection(&self) -> Result<Connection> {
        self.connection
            .clone()
            .context("there is no connection yet")
    }

    /// The ids of an object's records that the demo made.
    pub(super) fn ids(&self, object: &str) -> Result<Vec<String>> {
        self.ids
            .get(object)
            .cloned()
            .with_context(|| format!("no {object} was made"))
    }

    /// The report of an object.
    pub(super) fn object(&mut self, name: &'static str) -> &mut ObjectReport {
        let at = match self.objects.iter().position(|(object, _)| *object == name) {
            Some(at) => at,
            None => {
                self.objects.push((name, ObjectReport::default()));
                self.objects.len() - 1
            }
        };
        #[expect(
            clippy::indexing_slicing,
            reason = "the place was found or made just now"
        )]
        &mut self.objects[at].1
    }
}
