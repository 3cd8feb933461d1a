//! The records while somebody may write them. Letting go of them ends a
//! transaction: what it did is told to the event bus and to outbound messages while
//! the lock still keeps the order of commits.

use std::ops::{Deref, DerefMut};
use std::sync::RwLockWriteGuard;

use crate::events::{Bus, Origin};
use crate::org::Org;
use crate::outbound::Outbound;

/// The records, locked for writing.
pub(crate) struct OrgMut<'a> {
    org: RwLockWriteGuard<'a, Org>,
    /// Nothing for a part of a larger transaction, which tells at its own end.
    tells: Option<(&'a Bus, &'a Outbound, Origin)>,
}

impl<'a> OrgMut<'a> {
    /// A transaction of its own.
    pub(crate) fn telling(
        org: RwLockWriteGuard<'a, Org>,
        bus: &'a Bus,
        outbound: &'a Outbound,
        origin: Origin,
    ) -> Self {
        Self {
            org,
            tells: Some((bus, outbound, origin)),
        }
    }

    /// A part of the transaction that has the records.
    pub(crate) fn within(org: RwLockWriteGuard<'a, Org>) -> Self {
        Self { org, tells: None }
    }
}

impl Deref for OrgMut<'_> {
    type Target = Org;

    fn deref(&self) -> &Org {
        &self.org
    }
}

impl DerefMut for OrgMut<'_> {
    fn deref_mut(&mut self) -> &mut Org {
        &mut self.org
    }
}

impl Drop for OrgMut<'_> {
    fn drop(&mut self) {
        let Some((bus, outbound, origin)) = &self.tells else {
            return;
        };
        let done = self.org.take_done();
        if !done.is_empty() {
            outbound.told(&self.org, &done);
            bus.commit(&self.org, done, origin);
        }
    }
}
