//! Who waits for calls, in the order in which they are served: by priority, and
//! within one by who came first. No clock, no lock, no I/O.

use std::collections::BTreeMap;

use super::Priority;

/// How long somebody who was to come back keeps the place, in milliseconds: as
/// long as a woken task may take on a busy machine. After that, whoever waits
/// behind is served as if nobody stood there, so that a task that nobody polls
/// any more holds up nobody.
const GRACE_MS: u64 = 60_000;

/// Where somebody stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) priority: Priority,
    number: u64,
}

impl Place {
    /// Behind all who wait at this priority: where those stand who do not wait.
    pub(super) const fn last(priority: Priority) -> Self {
        Self {
            priority,
            number: u64::MAX,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    calls: u64,
    /// Comes back by then.
    until_ms: u64,
}

/// Those who wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: BTreeMap<Place, Waiting>,
    last_number: u64,
}

impl Queue {
    /// A place behind all others of this priority. It counts once it was kept.
    pub(super) const fn join(&mut self, priority: Priority) -> Place {
        self.last_number += 1;
        Place {
            priority,
            number: self.last_number,
        }
    }

    /// Says that whoever stands there wants so many calls, and comes back for
    /// them by `until_ms`.
    pub(super) fn keep(&mut self, place: Place, calls: u64, until_ms: u64) {
        self.waiting.insert(place, Waiting { calls, until_ms });
    }

    pub(super) fn leave(&mut self, place: Place) {
        self.waiting.remove(&place);
    }

    /// How many calls those want who are served before this place.
    pub(super) fn ahead(&self, place: Place, now_ms: u64) -> u64 {
        self.waiting
            .range(..place)
            .filter(|(_, waiting)| now_ms <= waiting.until_ms.saturating_add(GRACE_MS))
            .map(|(_, waiting)| waiting.calls)
            .fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_priority_is_served_first_and_then_who_came_first() {
        let mut queue = Queue::default();
        let backfill = queue.join(Priority::Backfill);
        let first = queue.join(Priority::Sync);
        let second = queue.join(Priority::Sync);
        for (place, calls) in [(backfill, 1), (first, 10), (second, 100)] {
            queue.keep(place, calls, 1_000);
        }
        let ahead = |place| queue.ahead(place, 1_000);
        assert_eq!((ahead(first), ahead(second), ahead(backfill)), (0, 10, 110));
        assert_eq!(ahead(Place::last(Priority::Interactive)), 0);
        assert_eq!(ahead(Place::last(Priority::Sync)), 110);
        assert_eq!(ahead(Place::last(Priority::Backfill)), 111);
        queue.leave(first);
        assert_eq!(queue.ahead(backfill, 1_000), 100);
    }

    #[test]
    fn who_does_not_come_back_in_time_holds_up_nobody() {
        let mut queue = Queue::default();
        let place = queue.join(Priority::Interactive);
        queue.keep(place, 7, 1_000);
        let behind = Place::last(Priority::Interactive);
        assert_eq!(queue.ahead(behind, 1_000 + GRACE_MS), 7);
        assert_eq!(queue.ahead(behind, 1_001 + GRACE_MS), 0);
        queue.keep(place, 7, 1_001 + GRACE_MS);
        assert_eq!(queue.ahead(behind, 1_001 + GRACE_MS), 7);
    }
}
