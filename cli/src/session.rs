//! Opens the host on the data directory, and a connection with its connector.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use lockgate::store::{PostgresStore, StoreError};
use lockgate::{Connection, Error, Host, HostBuilder};

use crate::args::{Common, Owner, Target};
use crate::exit::{advised, with_causes};
use crate::{packages, place, roots, trust};

/// What requests say in `User-Agent`.
const USER_AGENT: &str = concat!("lockgate/", env!("CARGO_PKG_VERSION"));

/// The host on the data directory, with one more root to trust.
pub(crate) async fn open(common: &Common, root: Option<Vec<u8>>) -> Result<Host> {
    open_with(common, root, |builder| builder).await
}

/// The host on the data directory, as it counts the instructions of transforms.
pub(crate) async fn counting(common: &Common) -> Result<Host> {
    open_with(common, None, HostBuilder::count_instructions).await
}

/// The same with further options.
pub(crate) async fn open_with(
    common: &Common,
    root: Option<Vec<u8>>,
    options: impl FnOnce(HostBuilder) -> HostBuilder,
) -> Result<Host> {
    let data_dir = place::data_dir(common)?;
    let mut builder = Host::builder().data_dir(&data_dir).user_agent(USER_AGENT);
    if let Some(key) = place::master_key(common)? {
        builder = builder.master_key(key);
    }
    if let Some(address) = place::store(common) {
        builder = builder.store(PostgresStore::open(address).await.map_err(Error::Store)?);
    }
    if let Some(root) = root {
        builder = builder.trust_root(root);
    }
    let built = options(trust::trusting(common, builder)?).build().await;
    built.map_err(|error| match error {
        Error::DataDir { .. }
        | Error::Store(StoreError::Io { .. } | StoreError::Backend { .. })
            if place::store(common).is_none() =>
        {
            let directory = data_dir.display();
            let advice = format!(
                "see that {directory} is a directory which you may read and write, or name \
                 another one with --data-dir"
            );
            advised(with_causes(&error), advice)
        }
        error => error.into(),
    })
}

/// A host that keeps nothing: for work that needs no connection. The directory
/// must live as long as the host.
pub(crate) async fn open_in(directory: &Path) -> Result<Host> {
    let builder = Host::builder().data_dir(directory).user_agent(USER_AGENT);
    Ok(builder.build().await?)
}

/// The same for a package that the data directory has signed, with further options.
pub(crate) async fn open_trusting(
    common: &Common,
    directory: &Path,
    options: impl FnOnce(HostBuilder) -> HostBuilder,
) -> Result<Host> {
    let builder = Host::builder().data_dir(directory).user_agent(USER_AGENT);
    Ok(options(trust::trusting(common, builder)?).build().await?)
}

/// The host whose connection this command calls, if it does.
static CALLING: Mutex<Option<Host>> = Mutex::new(None);

/// The host and a connection, ready to call.
pub(crate) async fn connect(common: &Common, target: &Target) -> Result<(Host, Connection)> {
    let host = of(common, target).await?;
    *calling() = Some(host.clone());
    let connection = host
        .connection(&target.owner.tenant, &target.connection)
        .await?;
    load_connector(&host, &connection, &target.owner).await?;
    Ok((host, connection))
}

/// Stores how many calls the command has made: a host does so within a second, and most
/// commands end before.
pub(crate) async fn keep_count() {
    let Some(host) = calling().take() else {
        return;
    };
    if let Err(error) = host.flush().await {
        tracing::warn!(%error, "the count of API calls was not stored");
    }
}

fn calling() -> MutexGuard<'static, Option<Host>> {
    CALLING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The host as a connection needs it, with nothing loaded.
pub(crate) async fn of(common: &Common, target: &Target) -> Result<Host> {
    let host = open(common, None).await?;
    trusting(common, host, &target.owner.tenant, &target.connection).await
}

/// The host itself, or another one that trusts the root of this connection as well.
pub(crate) async fn trusting(
    common: &Common,
    host: Host,
    tenant: &str,
    name: &str,
) -> Result<Host> {
    match roots::of(&host, tenant, name).await? {
        None => Ok(host),
        root => open(common, root).await,
    }
}

/// Loads the connector that a connection was created with.
pub(crate) async fn load_connector(
    host: &Host,
    connection: &Connection,
    owner: &Owner,
) -> Result<()> {
    let record = connection.record().await?;
    packages::load_connector(host, &record.package, owner.package.as_deref()).await
}
