//! A started dev org and a host with a connection to it.

use std::sync::Arc;

use dev_org::{Config, Control, DevOrg};
use lockgate::{
    Connection, Error, Flow, HostBuilder, LoginTo, NewConnection, Page, Pages, Problem,
    RecordResult, Records,
};
use serde_json::Value as Json;

use crate::packages::package;
use crate::sandbox::TestHost;

/// The tenant of the connection that [`Site::start`] makes.
pub const TENANT: &str = "acme";

/// The name of that connection.
pub const NAME: &str = "crm";

/// Where the person is sent back to. Nobody listens there: the tests read it
/// from the redirect.
pub const CALLBACK: &str = "http://localhost:1717/callback";

/// An org with the demo's custom fields and objects, as most tests want it.
pub fn demo_org() -> Config {
    Config {
        schema: Some(dev_org::schema::DEMO.to_owned()),
        ..Config::default()
    }
}

/// An org, a host, and the connector loaded into it.
#[derive(Debug)]
pub struct Site {
    /// The host.
    pub host: TestHost,
    /// The org.
    pub org: DevOrg,
    /// What steers the org.
    pub control: Control,
}

impl Site {
    /// The demo org with a connection by client credentials.
    pub async fn start() -> Self {
        Self::with(demo_org()).await
    }

    /// An org with a connection by client credentials.
    pub async fn with(config: Config) -> Self {
        let site = Self::unconnected(config).await;
        site.connect(TENANT, NAME).await;
        site.control.clear_requests();
        site
    }

    /// An org and a host that does not know it.
    pub async fn unconnected(config: Config) -> Self {
        Self::unconnected_with(config, |builder| builder).await
    }

    /// The same, with further options of the host.
    pub async fn unconnected_with(
        config: Config,
        options: impl FnOnce(HostBuilder) -> HostBuilder,
    ) -> Self {
        let org = DevOrg::start(config).await.unwrap();
        let host = TestHost::with(options).await;
        host.load(&package("salesforce")).await;
        Self {
            control: org.control(),
            host,
            org,
        }
    }

    /// A connection to the org that is still to be added, by client credentials.
    pub fn by_client(&self, tenant: &str, name: &str) -> NewConnection {
        self.by_person(tenant, name).flow(Flow::ClientCredentials)
    }

    /// The same by the authorization code flow.
    pub fn by_person(&self, tenant: &str, name: &str) -> NewConnection {
        let login = LoginTo::Local {
            origin: self.org.url(),
        };
        NewConnection::new(tenant, name, "salesforce", login, "dev-org-client")
            .client_secret("dev-org-secret")
            .redirect_uri(CALLBACK)
    }

    /// Adds and authorises a connection by client credentials.
    pub async fn connect(&self, tenant: &str, name: &str) -> Connection {
        let connection = self
            .host
            .add_connection(self.by_client(tenant, name))
            .await
            .unwrap();
        self.host.authorize_client(tenant, name).await.unwrap();
        connection
    }

    /// Adds a connection and authorises it as a person does.
    pub async fn connect_by_person(&self, tenant: &str, name: &str) -> Connection {
        let connection = self
            .host
            .add_connection(self.by_person(tenant, name))
            .await
            .unwrap();
        self.log_in(tenant, name).await;
        connection
    }

    /// Goes once through the authorization code flow.
    pub async fn log_in(&self, tenant: &str, name: &str) -> lockgate::Connected {
        let hints = lockgate::AuthorizationHints::default();
        let start = self
            .host
            .begin_authorization(tenant, name, &hints)
            .await
            .unwrap();
        let query = approve(start.url.as_str()).await;
        let callback = lockgate::Callback::from_query(&query);
        self.host.finish_authorization(&callback).await.unwrap()
    }

    /// A second host on the same data directory, as another process has it.
    pub async fn another_host(&self) -> lockgate::Host {
        let host = lockgate::Host::builder()
            .data_dir(self.host.data_dir())
            .allow_unsigned();
        let host = host.build().await.unwrap();
        let package = package("salesforce");
        host.load(&package, package.asked_grants()).await.unwrap();
        host
    }

    /// The connection of [`Self::start`].
    pub async fn crm(&self) -> Connection {
        self.host.connection(TENANT, NAME).await.unwrap()
    }

    /// How many requests with this method and this part of a path reached the
    /// org since its log was cleared.
    pub fn count(&self, method: &str, path: &str) -> usize {
        let requests = self.control.requests();
        requests
            .iter()
            .filter(|r| r.method == method && r.path.contains(path))
            .count()
    }
}

/// Plays the person: opens the page, logs in, approves; gives the query with
/// which the browser is sent back.
pub async fn approve(url: &str) -> String {
    approve_as(url, "admin@example.com").await
}

/// The same as a certain user of the org.
pub async fn approve_as(url: &str, username: &str) -> String {
    let http = browser();
    let page = http.get(url).send().await.unwrap();
    let status = page.status();
    let location = page.headers().get("location").cloned();
    let page = page.text().await.unwrap();
    let Some((_, rest)) = page.split_once("name=\"ticket\" value=\"") else {
        panic!("no login page but {status}, {location:?}: {page}");
    };
    let ticket = rest.split_once('"').unwrap().0;
    let base = url.split_once('?').unwrap().0;
    let form = [
        ("ticket", ticket),
        ("username", username),
        ("password", "dev-org-password"),
    ];
    let page = post_form(&http, &format!("{base}/login"), &form).await;
    let page = page.text().await.unwrap();
    assert!(page.contains("value=\"allow\""), "{page}");
    let form = [("ticket", ticket), ("decision", "allow")];
    let back = post_form(&http, &format!("{base}/approve"), &form).await;
    let address = back.headers()["location"].to_str().unwrap().to_owned();
    assert!(address.starts_with(CALLBACK), "{address}");
    address.split_once('?').unwrap().1.to_owned()
}

/// Sends a form as a browser does.
pub async fn post_form(
    http: &reqwest::Client,
    url: &str,
    form: &[(&str, &str)],
) -> reqwest::Response {
    // A query is written like a form.
    let mut written = reqwest::Url::parse("http://localhost/").unwrap();
    written.query_pairs_mut().extend_pairs(form);
    let request = http
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded");
    request
        .body(written.query().unwrap().to_owned())
        .send()
        .await
        .unwrap()
}

/// A client that is no part of Lockgate and follows no redirect.
pub fn browser() -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

/// Records from a JSON array.
pub fn records(rows: &Json) -> Records {
    Records::from_json(rows.to_string()).unwrap()
}

/// The ids of records that were all written.
pub fn ids(results: &[RecordResult]) -> Vec<String> {
    let id = |result: &RecordResult| {
        assert!(result.is_ok(), "{result:?}");
        result.id.clone().unwrap()
    };
    results.iter().map(id).collect()
}

/// Creates one record and gives its id.
pub async fn create(crm: &Connection, object: &str, record: Json) -> String {
    let rows = records(&Json::Array(vec![record]));
    let results = crm.create(object, &rows, Default::default()).await.unwrap();
    ids(&results).remove(0)
}

/// Reads records by id.
pub async fn get(crm: &Connection, object: &str, ids: &[&str], fields: &[&str]) -> Vec<Json> {
    let owned = |texts: &[&str]| {
        texts
            .iter()
            .map(|&text| text.to_owned())
            .collect::<Vec<_>>()
    };
    let bytes = crm.get(object, &owned(ids), &owned(fields)).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// All pages of an answer.
pub async fn all_pages(mut pages: Pages) -> Vec<Page> {
    let mut all = Vec::new();
    while let Some(page) = pages.next_page().await.unwrap() {
        all.push(page);
    }
    all
}

/// All rows of a query.
pub async fn query(crm: &Connection, soql: &str) -> Vec<Json> {
    let pages = crm.query(soql, Default::default()).await.unwrap();
    pages.collect(100_000).await.unwrap().to_vec().unwrap()
}

/// Does an action, and gives what it cost of the budget as well.
pub async fn counted(site: &Site, crm: &Connection, action: &str, input: &Json) -> (Json, u64) {
    let before = site.control.quota().used;
    let output = crm.invoke(action, input).await.unwrap();
    (output, site.control.quota().used - before)
}

/// Why the connector refuses an action.
pub async fn refused(crm: &Connection, action: &str, input: &Json) -> Box<Problem> {
    match crm.invoke(action, input).await.unwrap_err() {
        Error::Refused { problem, .. } => problem,
        error => panic!("{error:?}"),
    }
}
