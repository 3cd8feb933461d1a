//! Where a connector is tested: a host of its own, whose data are gone with it, and
//! connections to a product that is played.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use lockgate::manifest::{AuthManifest, VendorManifest, World};
use lockgate::{Connection, Error, Flow, Host, HostBuilder, LoginTo, NewConnection, Package};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::args::Common;
use crate::exit::advised;
use crate::{packages, session};

/// Whose connections they are.
const TENANT: &str = "golden";

/// The secret of the app that they are of. No product but the one that is played knows it.
pub(super) const CLIENT_SECRET: &str = "golden-secret";

/// A host with the connector.
pub(super) struct Stand {
    pub(super) host: Host,
    connector: String,
    vendor: Box<VendorManifest>,
    /// Connections so far: each bears its number.
    n_connections: AtomicUsize,
    _data: TempDir,
}

impl Stand {
    /// A host that counts instructions, with the package loaded.
    pub(super) async fn new(
        common: &Common,
        package: &Package,
        vendor: &VendorManifest,
    ) -> Result<Self> {
        if !vendor.auth.client_credentials {
            return Err(advised(
                "the connector's manifest takes no client credentials, by which a test logs in",
                "if the product has that grant, say `client_credentials = true` in [vendor.auth]",
            ));
        }
        let data = tempfile::tempdir()?;
        let counting = HostBuilder::count_instructions;
        let host = session::open_trusting(common, data.path(), counting).await?;
        packages::load(&host, package, World::Connector).await?;
        Ok(Self {
            host,
            connector: package.name().to_owned(),
            vendor: Box::new(vendor.clone()),
            n_connections: AtomicUsize::new(0),
            _data: data,
        })
    }

    pub(super) fn auth(&self) -> &AuthManifest {
        &self.vendor.auth
    }

    pub(super) fn vendor(&self) -> &VendorManifest {
        &self.vendor
    }

    /// A connection to a product that is played; the inner error if its settings are
    /// refused.
    pub(super) async fn connect(
        &self,
        origin: &str,
        settings: &Json,
    ) -> Result<Result<Connection, Error>> {
        let number = self.n_connections.fetch_add(1, Ordering::Relaxed);
        let name = &format!("golden-{number}");
        let login = LoginTo::Local {
            origin: origin.to_owned(),
        };
        let new = NewConnection::new(TENANT, name, &self.connector, login, "golden-client")
            .flow(Flow::ClientCredentials)
            .client_secret(CLIENT_SECRET)
            .settings(settings.clone());
        match self.host.add_connection(new).await {
            Ok(connection) => {
                self.host.authorize_client(TENANT, name).await?;
                Ok(Ok(connection))
            }
            Err(error) => Ok(Err(error)),
        }
    }
}
