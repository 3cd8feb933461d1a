//! TLS roots of connections to orgs on this machine or in the own network, kept
//! beside the store.
//!
//! Each is trusted for its own connection only: a root that somebody made for a
//! test must not vouch for the production org of another connection.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::exit::usage;

/// The directory in the data directory.
const DIRECTORY: &str = "local-roots";

/// The largest certificate file, in bytes. One certificate has about 2 KiB.
const MAX_BYTES: u64 = 256 * 1024;

/// Reads a certificate that the person named.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>> {
    let doing = || format!("cannot read the certificate {}", file.display());
    let length = std::fs::metadata(file).with_context(doing)?.len();
    if length > MAX_BYTES {
        return Err(usage(format!(
            "{} has {length} bytes, which is no certificate",
            file.display()
        )));
    }
    std::fs::read(file).with_context(doing)
}

/// The root of a connection, if it has one.
pub(crate) fn of(data_dir: &Path, tenant: &str, name: &str) -> Result<Option<Vec<u8>>> {
    let path = path(data_dir, tenant, name);
    match std::fs::read(&path) {
        Ok(certificate) => Ok(Some(certificate)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Keeps the root of a connection.
pub(crate) fn keep(data_dir: &Path, tenant: &str, name: &str, certificate: &[u8]) -> Result<()> {
    let path = path(data_dir, tenant, name);
    let doing = || format!("cannot write {}", path.display());
    std::fs::create_dir_all(data_dir.join(DIRECTORY)).with_context(doing)?;
    std::fs::write(&path, certificate).with_context(doing)
}

/// Forgets the root of a connection, if it has one.
pub(crate) fn forget(data_dir: &Path, tenant: &str, name: &str) -> Result<()> {
    let path = path(data_dir, tenant, name);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Neither name can hold a separator of paths or an `@`: so two connections
/// never share a file, and none lies outside of the directory. Names that the
/// host would refuse never get here with a file of theirs.
fn path(data_dir: &Path, tenant: &str, name: &str) -> PathBuf {
    let plain = |text: &str| -> String {
        let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        text.chars().filter(is_plain).collect()
    };
    data_dir
        .join(DIRECTORY)
        .join(format!("{}@{}.pem", plain(tenant), plain(name)))
}
