//! What an app keeps of a connection: sealed as the tokens are, read again after a
//! restart, and erased with the connection.

use zeroize::Zeroizing;

use super::{Connection, no_connection};
use crate::error::Error;

/// What names in the store begin with, so that no app reaches the host's own secrets.
const APP: &str = "app:";

/// The longest name of something kept, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// The most bytes that are kept under one name.
const MAX_BYTES: usize = 1024 * 1024;

/// Something that was kept, and which state of it this is.
#[derive(Clone)]
pub struct Kept {
    /// The bytes, wiped from memory when they are dropped.
    pub bytes: Zeroizing<Vec<u8>>,
    /// Grows with every change.
    pub version: u64,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The bytes may be a secret.
        f.debug_struct("Kept")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Keeps bytes of the app's own under a name: settings with secrets in them, for
    /// instance. They are sealed with the master key, never seen by a guest, and
    /// erased with the connection. At most 1 MiB; names have 1 to 64 bytes.
    ///
    /// `expected` is the version that was read, `None` if there was nothing: so no
    /// change of somebody else is written over unseen. Gives the new version.
    ///
    /// # Errors
    /// [`Error::Store`] with [`StoreError::Conflict`] if somebody else was faster: read
    /// again. [`Error::Input`] for a name or a size that is not allowed, and
    /// [`Error::NoConnection`].
    ///
    /// [`StoreError::Conflict`]: crate::store::StoreError::Conflict
    pub async fn keep(
        &self,
        name: &str,
        bytes: &[u8],
        expected: Option<u64>,
    ) -> Result<u64, Error> {
        if bytes.len() > MAX_BYTES {
            let length = bytes.len();
            return Err(Error::Input(format!(
                "{length} bytes are more than the {MAX_BYTES} that are kept under one name"
            )));
        }
        let stored = stored_name(name)?;
        let sealed = self
            .host
            .sealer
            .seal_next(&self.key, &stored, expected, bytes)?;
        let put = self
            .host
            .store
            .put_secret(&self.key, &stored, expected, &sealed);
        put.await.map_err(no_connection)?;
        Ok(sealed.version)
    }

    /// What is kept under a name; `None` if nothing is.
    ///
    /// # Errors
    /// [`Error::Key`] if it cannot be unsealed, otherwise as [`Self::keep`].
    pub async fn kept(&self, name: &str) -> Result<Option<Kept>, Error> {
        let stored = stored_name(name)?;
        let sealed = self.host.store.secret(&self.key, &stored).await;
        let Some(sealed) = sealed.map_err(no_connection)? else {
            return Ok(None);
        };
        let version = sealed.version;
        let sealer = &self.host.sealer;
        let bytes = sealer.open(&self.key, &stored, version, &sealed.bytes)?;
        Ok(Some(Kept { bytes, version }))
    }

    /// Throws away what is kept under a name, and says whether there was something.
    ///
    /// # Errors
    /// As [`Self::keep`].
    pub async fn discard(&self, name: &str) -> Result<bool, Error> {
        let name = stored_name(name)?;
        let removed = self.host.store.delete_secret(&self.key, &name);
        removed.await.map_err(no_connection)
    }
}

fn stored_name(name: &str) -> Result<String, Error> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(Error::Input(format!(
            "a name of {} bytes: what is kept has a name of 1 to {MAX_NAME_BYTES} bytes",
            name.len()
        )));
    }
    Ok(format!("{APP}{name}"))
}
