//! Connections that wait: a version gets the calls of a connection once somebody has
//! decided on all that it asks for. Until then they stay where they are.

use std::sync::Arc;

use super::Versioned;
use super::versions::Versions;
use crate::grant::Grants;
use crate::grant::live::Live;
use crate::store::ConnectionKey;

/// What a connection was not granted of what a version asks for, where there is no
/// other version that it could stay on.
pub(super) struct Missing<L> {
    pub(super) loaded: Arc<L>,
    pub(super) grants: Grants,
}

impl<L: Versioned> Versions<L> {
    /// The version that a connection's calls are to go to.
    pub(super) fn wanted(&self, connection: &ConnectionKey) -> Arc<L> {
        let candidate = self.candidate.as_ref();
        let candidate = candidate.filter(|candidate| candidate.reaches(connection));
        let candidate = candidate.map(|candidate| &candidate.loaded);
        let pinned = self.pins.get(connection);
        Arc::clone(pinned.or(candidate).unwrap_or(&self.trusted))
    }

    /// The wanted version, or the newest that was trusted before and that asks for
    /// nothing that is still to be decided.
    pub(super) fn allowed(&self, wanted: &Arc<L>, connection: &Live) -> Result<Arc<L>, Missing<L>> {
        let grants = connection.grants();
        let is_granted = |loaded: &&Arc<L>| grants.missing(loaded.wants()).is_empty();
        if is_granted(&wanted) {
            return Ok(Arc::clone(wanted));
        }
        let known = std::iter::once(&self.trusted).chain(&self.before);
        match known.chain(&self.earlier).find(is_granted) {
            Some(stays) => {
                // Others have left it, and it was told to end.
                stays.service().revive();
                Ok(Arc::clone(stays))
            }
            None => Err(Missing {
                loaded: Arc::clone(wanted),
                grants: grants.missing(wanted.wants()),
            }),
        }
    }

    /// What calls that begin now are asked to be granted: those that go to the trusted
    /// version, and those that go to one on trial for all.
    pub(super) fn asked(&self) -> Grants {
        let candidate = self.candidate.as_ref();
        let candidate = candidate.filter(|candidate| candidate.takes_all());
        let candidate = candidate.into_iter().flat_map(|it| it.loaded.wants());
        self.trusted
            .wants()
            .iter()
            .chain(candidate)
            .copied()
            .collect()
    }

    /// Keeps a version that was trusted, as long as the one that is now asks for more.
    /// Of those that ask for the same the newest is enough.
    pub(super) fn keep(&mut self, older: Arc<L>) {
        self.earlier.retain(|kept| kept.wants() != older.wants());
        self.earlier.insert(0, older);
        let wants = self.trusted.wants();
        self.earlier.retain(|kept| !wants.is_subset(kept.wants()));
    }
}
