//! TLS roots of connections to orgs on this machine or in the own network, kept with
//! their connections.
//!
//! Each is trusted for its own connection only: a root that somebody made for a
//! test must not vouch for the production org of another connection.

use std::path::Path;

use anyhow::Result;
use lockgate::{Connection, Error, Host};

use crate::exit::usage;
use crate::input::unreadable;

/// The name under which a root is kept.
const KEPT: &str = "root";

/// The largest certificate file, in bytes. One certificate has about 2 KiB.
const MAX_BYTES: u64 = 256 * 1024;

/// Reads a certificate that the person named.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>> {
    let failed = |error| unreadable(file, &error);
    let length = std::fs::metadata(file).map_err(failed)?.len();
    if length > MAX_BYTES {
        return Err(usage(format!(
            "{} has {length} bytes, which is no certificate",
            file.display()
        )));
    }
    std::fs::read(file).map_err(failed)
}

/// The root of a connection, if it has one, and if there is such a connection.
pub(crate) async fn of(host: &Host, tenant: &str, name: &str) -> Result<Option<Vec<u8>>> {
    let connection = match host.connection(tenant, name).await {
        Err(Error::NoConnection { .. }) => return Ok(None),
        other => other?,
    };
    let kept = connection.kept(KEPT).await?;
    Ok(kept.map(|kept| kept.bytes.to_vec()))
}

/// Keeps the root of a connection that has none.
pub(crate) async fn keep(connection: &Connection, certificate: &[u8]) -> Result<()> {
    connection.keep(KEPT, certificate, None).await?;
    Ok(())
}
