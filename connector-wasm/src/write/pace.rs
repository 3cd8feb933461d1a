//! How many requests of a write are under way at a time: as many as the setting
//! allows, fewer while the org shows that it is too much, and more again when it
//! no longer does.

use std::cell::Cell;

/// Halved on each sign of resistance, and one more after each round that went
/// well.
#[derive(Debug)]
pub(super) struct Pace {
    most: usize,
    limit: Cell<usize>,
    /// Requests that went well since the limit changed.
    n_good: Cell<usize>,
    /// Counts up with each halving.
    epoch: Cell<u32>,
}

impl Pace {
    /// Begins at the most, which is at least 1.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            limit: Cell::new(most.max(1)),
            n_good: Cell::new(0),
            epoch: Cell::new(0),
        }
    }

    /// How many requests may be under way.
    pub(super) const fn limit(&self) -> usize {
        self.limit.get()
    }

    /// What a request that is sent now remembers for its answer.
    pub(super) const fn epoch(&self) -> u32 {
        self.epoch.get()
    }

    /// Whether fewer can be under way than when a request was sent.
    pub(super) const fn can_slow(&self, sent_in: u32) -> bool {
        self.limit.get() > 1 || sent_in != self.epoch.get()
    }

    /// A request was carried out.
    pub(super) fn went_well(&self) {
        let n_good = self.n_good.get() + 1;
        if n_good < self.limit.get() {
            self.n_good.set(n_good);
            return;
        }
        self.n_good.set(0);
        self.limit.set((self.limit.get() + 1).min(self.most));
    }

    /// The org met a lock, or said that it is too much. Requests that were sent
    /// before the last halving say nothing new.
    pub(super) fn met_resistance(&self, sent_in: u32) {
        if sent_in != self.epoch.get() {
            return;
        }
        self.epoch.set(sent_in.wrapping_add(1));
        self.n_good.set(0);
        self.limit.set((self.limit.get() / 2).max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_halves_once_for_what_was_under_way_and_grows_by_one_a_round() {
        let pace = Pace::new(8);
        let sent = pace.epoch();
        for _ in 0..8 {
            pace.met_resistance(sent);
        }
        assert_eq!(pace.limit(), 4);
        for _ in 0..4 {
            pace.met_resistance(pace.epoch());
        }
        assert_eq!(pace.limit(), 1);
        pace.went_well();
        assert_eq!(pace.limit(), 2);
        pace.went_well();
        assert_eq!(pace.limit(), 2);
        pace.went_well();
        assert_eq!(pace.limit(), 3);
        for _ in 0..100 {
            pace.went_well();
        }
        assert_eq!(pace.limit(), 8);
        assert_eq!(Pace::new(0).limit(), 1);
    }
}
