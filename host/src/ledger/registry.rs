//! All budgets of a host: loaded from the store at first use, written back soon
//! after a change.
//!
//! A crash forgets at most the calls of the last second or the last 100 calls,
//! whichever is less, and those made while the last write was under way. The
//! product's own count, in its next answer, corrects that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::quota::{Signals, window_ms};
use super::window::Window;
use super::{Clock, Quota, Reserve};
use crate::manifest::QuotaManifest;
use crate::store::{ConnectionKey, Store, StoreError};

/// How long a change may wait to be stored.
const WRITE_DELAY: Duration = Duration::from_secs(1);

/// How many ledgers are kept in memory even if nobody uses them. Each takes some
/// 20 KiB at most; one that was let go is loaded again when it is needed.
const IDLE_LEDGERS: usize = 1_024;

/// The budgets of all connections of a host.
#[derive(Debug)]
pub struct Ledgers {
    shared: Arc<Shared>,
    writer: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    store: Arc<dyn Store>,
    clock: Clock,
    signals: Arc<Signals>,
    ledgers: Mutex<HashMap<ConnectionKey, Entry>>,
    /// One write-back at a time, so that a flush waits for what is under way.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Entry {
    quota: Quota,
    /// What was in the store before this moment has been pruned.
    pruned_ms: u64,
}

impl Ledgers {
    /// Begins with none, and starts the task that writes them back. Must be
    /// called on a tokio runtime.
    #[must_use]
    pub fn start(store: Arc<dyn Store>, clock: Clock) -> Self {
        let shared = Arc::new(Shared {
            store,
            clock,
            signals: Arc::default(),
            ledgers: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        });
        let for_writer = Arc::clone(&shared);
        let writer = tokio::spawn(async move {
            let signals = Arc::clone(&for_writer.signals);
            loop {
                signals.soon.notified().await;
                tokio::select! {
                    () = tokio::time::sleep(WRITE_DELAY) => {}
                    () = signals.now.notified() => {}
                }
                // What failed was put back and is tried again within a second.
                if let Err(error) = for_writer.flush().await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "a ledger of calls was not stored"
                    );
                    tokio::time::sleep(WRITE_DELAY).await;
                }
            }
        });
        Self { shared, writer }
    }

    /// The budget of a connection, with this reserve from now on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such connection, or whatever else
    /// keeps the store from being read.
    pub async fn quota(
        &self,
        key: &ConnectionKey,
        manifest: &QuotaManifest,
        reserve: Reserve,
    ) -> Result<Quota, StoreError> {
        if let Some(entry) = self.shared.ledgers().get(key) {
            entry.quota.set_reserve(reserve);
            return Ok(entry.quota.clone());
        }
        let now_ms = self.shared.clock.now_ms();
        let window_ms = window_ms(manifest);
        let oldest_ms = Window::new(window_ms).oldest_ms(now_ms);
        let (buckets, reported) = self.shared.store.ledger(key, oldest_ms).await?;
        let loaded = Quota::of(
            manifest,
            Window::restored(window_ms, &buckets, reported, now_ms),
            reserve,
            self.shared.clock.clone(),
            Arc::clone(&self.shared.signals),
        );
        // Whoever loaded it at the same time and was faster has the one.
        let mut ledgers = self.shared.ledgers();
        let entry = ledgers.entry(key.clone()).or_insert(Entry {
            quota: loaded,
            pruned_ms: 0,
        });
        Ok(entry.quota.clone())
    }

    /// Changes what is kept back of a budget that is in use.
    pub fn set_reserve(&self, key: &ConnectionKey, reserve: Reserve) {
        if let Some(entry) = self.shared.ledgers().get(key) {
            entry.quota.set_reserve(reserve);
        }
    }

    /// Stores all that is not stored yet. To be called before a host ends.
    ///
    /// # Errors
    /// The first of what went wrong; the others were still tried.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.shared.flush().await
    }

    /// Forgets the budget of a connection that is erased, without storing it.
    pub fn forget(&self, key: &ConnectionKey) {
        self.shared.ledgers().remove(key);
    }

    /// Forgets the budgets of all connections of a tenant.
    pub fn forget_tenant(&self, tenant: &str) {
        self.shared
            .ledgers()
            .retain(|key, _| key.tenant() != tenant);
    }
}

impl Drop for Ledgers {
    fn drop(&mut self) {
        self.writer.abort();
    }
}

impl Shared {
    async fn flush(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.writing.lock().await;
        let quotas: Vec<_> = self
            .ledgers()
            .iter()
            .map(|(key, entry)| (key.clone(), entry.quota.clone()))
            .collect();
        let mut first_error = None;
        for (key, quota) in quotas {
            if let Err(error) = self.save(&key, &quota).await {
                first_error.get_or_insert(error);
            }
        }
        let mut ledgers = self.ledgers();
        if ledgers.len() > IDLE_LEDGERS {
            ledgers.retain(|_, entry| !entry.quota.is_idle());
        }
        first_error.map_or(Ok(()), Err)
    }

    async fn save(&self, key: &ConnectionKey, quota: &Quota) -> Result<(), StoreError> {
        let unsaved = quota.take_unsaved();
        if unsaved.is_empty() {
            return Ok(());
        }
        let report = unsaved.report.as_ref();
        match self.store.ledger_add(key, &unsaved.calls, report).await {
            Ok(()) => self.prune(key, quota).await,
            // Erased in the meantime: nothing is left to be counted.
            Err(StoreError::NotFound(_)) => {
                self.ledgers().remove(key);
                Ok(())
            }
            Err(error) => {
                quota.put_back(&unsaved);
                Err(error)
            }
        }
    }

    /// Removes what no longer counts, once in a window.
    async fn prune(&self, key: &ConnectionKey, quota: &Quota) -> Result<(), StoreError> {
        let oldest_ms = quota.oldest_ms();
        let window_ms = quota.status().window_ms;
        let due = match self.ledgers().get_mut(key) {
            Some(entry) if oldest_ms.saturating_sub(entry.pruned_ms) >= window_ms => {
                entry.pruned_ms = oldest_ms;
                true
            }
            _ => false,
        };
        if due {
            self.store.ledger_prune(key, oldest_ms).await?;
        }
        Ok(())
    }

    fn ledgers(&self) -> MutexGuard<'_, HashMap<ConnectionKey, Entry>> {
        self.ledgers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
