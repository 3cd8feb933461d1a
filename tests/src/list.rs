//! A started mailing list and a connection to it, on a host that a test has.

use lockgate::{Connection, Flow, LoginTo, NewConnection};
use mailing_list::{Config, MailingList};

use crate::packages::package;
use crate::sandbox::TestHost;

/// The name of the connection that [`join`] makes.
pub const LIST: &str = "list";

/// Starts a mailing list.
pub async fn start() -> MailingList {
    MailingList::start(Config::default()).await.unwrap()
}

/// A connection to it by client credentials.
pub async fn join(host: &TestHost, list: &MailingList, tenant: &str) -> Connection {
    host.load(&package("mailing-list")).await;
    let login = LoginTo::Local { origin: list.url() };
    let config = Config::default();
    let new = NewConnection::new(tenant, LIST, "mailing-list", login, config.client_id)
        .client_secret(config.client_secret.as_str())
        .flow(Flow::ClientCredentials);
    let connection = host.add_connection(new).await.unwrap();
    host.authorize_client(tenant, LIST).await.unwrap();
    connection
}
