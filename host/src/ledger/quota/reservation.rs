//! Calls set aside.

use super::{Quota, QuotaError};

/// Calls set aside. What is unspent returns to the budget when it is dropped.
#[derive(Debug)]
pub struct Reservation {
    pub(super) quota: Quota,
    pub(super) remaining: u32,
}

impl Reservation {
    /// How many are still unspent.
    #[must_use]
    pub const fn remaining(&self) -> u32 {
        self.remaining
    }

    /// Spends one call that is sent now.
    ///
    /// # Errors
    /// [`QuotaError::TooMany`] if none is left; the other two if the product has
    /// asked for a pause, see [`Quota::ready`], or others have used up meanwhile
    /// all that we may use.
    pub fn spend(&mut self) -> Result<(), QuotaError> {
        let left = self
            .remaining
            .checked_sub(1)
            .ok_or(QuotaError::TooMany { most: 0 })?;
        let mut state = self.quota.state();
        let now_ms = self.quota.shared.clock.now_ms();
        state.admit_reserved(now_ms)?;
        state.reserved = state.reserved.saturating_sub(1);
        self.quota.count(&mut state, now_ms, 1);
        self.remaining = left;
        Ok(())
    }

    /// Ends the reservation, and gives the number of calls that return to the
    /// budget. What was sent stays counted.
    pub fn commit(mut self) -> u32 {
        self.give_back()
    }

    fn give_back(&mut self) -> u32 {
        let returned = std::mem::take(&mut self.remaining);
        if returned > 0 {
            let mut state = self.quota.state();
            state.reserved = state.reserved.saturating_sub(u64::from(returned));
            drop(state);
            self.quota.shared.freed.notify_waiters();
        }
        returned
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.give_back();
    }
}
