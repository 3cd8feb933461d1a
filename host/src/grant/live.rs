//! What a connection was given, as all its calls in this process see it: one that is
//! taken back is denied at the next call of the host, and one that is given opens.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::{ConnectionGrants, Grant, Grants};
use crate::store::{ConnectionKey, ConnectionRecord};

/// For how long a call that lasts relies on what it has read: somebody on another
/// machine may have changed it. Who changes it in this process tells it at once.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// The live grants of connections that were called since the host began.
#[derive(Debug, Default)]
pub(crate) struct LiveGrants(Mutex<BTreeMap<ConnectionKey, Arc<Live>>>);

/// What one connection was given.
#[derive(Debug)]
pub(crate) struct Live {
    key: ConnectionKey,
    known: watch::Sender<Known>,
}

#[derive(Debug)]
pub(crate) struct Known {
    /// Of another connection of the same name it is another one.
    created_ms: u64,
    grants: ConnectionGrants,
    read_at: Instant,
}

/// A call of the host that the connection was not given: ends the call of the guest.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the grant `{grant}` is not given to {connection}")]
pub(crate) struct NotGiven {
    pub(crate) connection: ConnectionKey,
    pub(crate) grant: Grant,
}

impl LiveGrants {
    /// Those of a connection, with what was just read of it.
    pub(crate) fn of(&self, record: &ConnectionRecord, grants: &ConnectionGrants) -> Arc<Live> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let live = all.entry(record.key.clone()).or_insert_with(|| {
            let (key, grants) = (record.key.clone(), grants.clone());
            Arc::new(Live::new(key, record.created_ms, grants))
        });
        live.learn(record.created_ms, grants);
        Arc::clone(live)
    }

    /// Forgets a connection that was removed.
    pub(crate) fn forget(&self, key: &ConnectionKey) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(key);
    }

    /// Forgets those of a tenant that was removed.
    pub(crate) fn forget_tenant(&self, tenant: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|key, _| key.tenant() != tenant);
    }
}

impl Live {
    pub(crate) fn new(key: ConnectionKey, created_ms: u64, grants: ConnectionGrants) -> Self {
        let known = Known {
            created_ms,
            grants,
            read_at: Instant::now(),
        };
        Self {
            key,
            known: watch::Sender::new(known),
        }
    }

    /// For an instance that reaches nothing of the connection: there is nothing to deny.
    pub(crate) fn of_nothing(key: ConnectionKey) -> Self {
        let all = Grants::from(Grant::ALL);
        Self::new(key, 0, ConnectionGrants::decided(&all, &all))
    }

    pub(crate) const fn key(&self) -> &ConnectionKey {
        &self.key
    }

    /// What was decided, as far as it is known here.
    pub(crate) fn grants(&self) -> ConnectionGrants {
        self.known.borrow().grants.clone()
    }

    /// Whether the connector may do this.
    pub(crate) fn check(&self, grant: Grant) -> Result<(), NotGiven> {
        match self.known.borrow().grants.given.contains(&grant) {
            true => Ok(()),
            false => Err(NotGiven {
                connection: self.key.clone(),
                grant,
            }),
        }
    }

    /// Comes once a grant is not, or no longer, given.
    pub(crate) async fn taken(&self, grant: Grant) {
        let mut known = self.known.subscribe();
        let is_taken = |known: &Known| !known.grants.given.contains(&grant);
        // The sender lives as long as this.
        let _ = known.wait_for(is_taken).await;
    }

    /// Hears of changes.
    pub(crate) fn changes(&self) -> watch::Receiver<Known> {
        self.known.subscribe()
    }

    /// Whether it is time to read it again.
    pub(crate) fn is_stale(&self) -> bool {
        self.known.borrow().read_at.elapsed() > TRUSTED_FOR
    }

    /// Takes over what was read, unless something newer is known.
    pub(crate) fn learn(&self, created_ms: u64, grants: &ConnectionGrants) {
        self.known.send_if_modified(|known| {
            known.read_at = Instant::now();
            let is_newer = created_ms != known.created_ms || grants.version > known.grants.version;
            if is_newer {
                known.created_ms = created_ms;
                known.grants.clone_from(grants);
            }
            is_newer
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::GrantChange;

    fn live(grants: &ConnectionGrants) -> Live {
        let key = ConnectionKey::new("acme", "crm").unwrap();
        Live::new(key, 1, grants.clone())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_older_changes_nothing_and_another_connection_of_the_name_does() {
        let asked = Grants::from([Grant::Http]);
        let given = ConnectionGrants::decided(&asked, &asked);
        let live = live(&given);
        live.check(Grant::Http).unwrap();
        let taken = given.clone().changed(&GrantChange {
            refuse: asked.clone(),
            ..GrantChange::default()
        });
        let mut changes = live.changes();
        live.learn(1, &taken);
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        let denied = live.check(Grant::Http).unwrap_err().to_string();
        assert!(
            denied.contains("`http`") && denied.contains("acme/crm"),
            "{denied}"
        );
        // Somebody had read it before it was taken.
        live.learn(1, &given);
        assert!(live.check(Grant::Http).is_err());
        assert!(!changes.has_changed().unwrap());
        live.learn(2, &given);
        live.check(Grant::Http).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_read_is_relied_on_for_a_second() {
        let live = live(&ConnectionGrants::default());
        assert!(!live.is_stale());
        tokio::time::advance(TRUSTED_FOR * 2).await;
        assert!(live.is_stale());
        live.learn(1, &ConnectionGrants::default());
        assert!(!live.is_stale());
    }
}
