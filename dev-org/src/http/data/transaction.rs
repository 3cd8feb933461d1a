//! Several pieces of work that see one another's changes and that nobody else
//! sees half done. The records are taken out of the shared place for as long
//! as it lasts, so every piece can lock them as it does alone.

use std::sync::{Arc, PoisonError, RwLock};

use super::call::Call;
use crate::locked::OrgMut;
use crate::org::Org;

/// The records while one request has them for itself.
pub(super) type Held = Arc<RwLock<Org>>;

/// Gives the records back when the work is over, also when it panics.
struct Hold<'a> {
    place: OrgMut<'a>,
    held: Held,
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *self.place, &mut *held);
    }
}

/// Runs work on the records alone, and keeps its changes only when it says so.
pub(super) fn alone<T>(call: &Call, work: impl FnOnce(&Held) -> (bool, T)) -> T {
    let mut place = call.shared.org_mut_as(call.origin());
    let org = std::mem::replace(&mut *place, Org::nowhere());
    let hold = Hold {
        place,
        held: Arc::new(RwLock::new(org)),
    };
    let lock = || hold.held.write().unwrap_or_else(PoisonError::into_inner);
    lock().begin();
    let (keep, result) = work(&hold.held);
    if keep {
        lock().commit();
    } else {
        lock().rollback();
    }
    result
}
