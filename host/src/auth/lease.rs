//! One refresh at a time among all processes that share a store.
//!
//! Two uses of one refresh token look like theft to products that rotate them,
//! and may end every session of the user. So a process takes a lease before it
//! refreshes: a secret of the connection, written by compare-and-swap. A process
//! that dies leaves a lease that soon runs out.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{interval, sleep};

use super::error::AuthError;
use super::flight::Outcome;
use super::sessions::Sessions;
use crate::store::{ConnectionKey, StoreError};

/// The name of the stored secret that is the lease.
const LEASE: &str = "refresh-lease";

/// How long a lease is good without a word from its holder: what others wait if
/// it dies.
const LEASE_MS: u64 = 6_000;

/// How often the holder extends it.
const BEAT: Duration = Duration::from_secs(2);

/// How often the others look.
const POLL: Duration = Duration::from_millis(50);

/// The lease of a connection, held by us.
pub(super) struct Lease {
    version: u64,
}

impl Sessions {
    /// Tries to take the lease; `None` if another process holds it.
    pub(super) async fn try_lease(&self, key: &ConnectionKey) -> Result<Option<Lease>, AuthError> {
        let sealed = self.store().secret(key, LEASE).await?;
        let current = sealed.as_ref().map(|sealed| sealed.version);
        if let Some(sealed) = sealed {
            let sealer = &self.inner.config.sealer;
            let bytes = sealer.open(key, LEASE, sealed.version, &sealed.bytes)?;
            let now_ms = self.now_ms();
            // One that claims to last longer than any does was written by a
            // clock that is ahead: it must not lock everybody out.
            if read(&bytes).is_some_and(|(holder, until_ms)| {
                holder != self.inner.holder
                    && until_ms > now_ms
                    && until_ms <= now_ms.saturating_add(LEASE_MS)
            }) {
                return Ok(None);
            }
        }
        self.write_lease(key, current, LEASE_MS).await
    }

    /// Waits a moment for whoever holds the lease.
    pub(super) async fn lease_pause(&self) {
        sleep(POLL).await;
    }

    /// Does the work under the lease, extending it for as long as it takes, and
    /// gives it back.
    pub(super) async fn under_lease(
        &self,
        key: &ConnectionKey,
        mut lease: Lease,
        mut work: BoxFuture<'_, Outcome>,
    ) -> Outcome {
        let mut beat = interval(BEAT);
        beat.tick().await;
        let output = loop {
            tokio::select! {
                biased;
                output = &mut work => break output,
                _ = beat.tick() => {
                    // If it cannot be extended, the swap on save still guards
                    // what is kept.
                    if let Ok(Some(longer)) =
                        self.write_lease(key, Some(lease.version), LEASE_MS).await
                    {
                        lease = longer;
                    }
                }
            }
        };
        // One that cannot be given back runs out.
        drop(self.write_lease(key, Some(lease.version), 0).await);
        output
    }

    async fn write_lease(
        &self,
        key: &ConnectionKey,
        current: Option<u64>,
        lifetime_ms: u64,
    ) -> Result<Option<Lease>, AuthError> {
        let until_ms = self.now_ms().saturating_add(lifetime_ms);
        let bytes = write(self.inner.holder, until_ms);
        let sealer = &self.inner.config.sealer;
        let sealed = sealer.seal_next(key, LEASE, current, &bytes)?;
        match self.store().put_secret(key, LEASE, current, &sealed).await {
            Ok(()) => Ok(Some(Lease {
                version: sealed.version,
            })),
            Err(StoreError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn write(holder: u64, until_ms: u64) -> Vec<u8> {
    [holder.to_be_bytes(), until_ms.to_be_bytes()].concat()
}

fn read(bytes: &[u8]) -> Option<(u64, u64)> {
    let (holder, rest) = bytes.split_first_chunk::<8>()?;
    let (until_ms, _) = rest.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*holder), u64::from_be_bytes(*until_ms)))
}
