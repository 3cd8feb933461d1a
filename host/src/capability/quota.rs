//! Interface `quota`, and what `http` spends: one call's view of the
//! connection's ledger.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wasmtime::component::{Accessor, Resource};

use crate::bindings::contract::quota as wit;
use crate::grant::Grant;
use crate::ledger::{Budget, Priority, Quota, QuotaError, Reservation as Held, Turn};
use crate::state::{ConnectorHost, ConnectorState};

/// The budget as one call sees it: the ledger, and what this call has set aside.
#[derive(Clone, Debug)]
pub(crate) struct QuotaAccess {
    /// None if the product does not count calls.
    quota: Option<Quota>,
    held: Arc<Mutex<Vec<Arc<Mutex<Set>>>>>,
    waiting: Arc<Mutex<Waiting>>,
}

/// What a call that found the budget used up has to do with those who wait.
#[derive(Debug, Default)]
struct Waiting {
    /// How many calls the last refusal was about.
    refused: Option<u32>,
    /// The place that was waited for.
    turn: Option<Turn>,
}

/// The resource `reservation`.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Reservation(Arc<Mutex<Set>>);

/// Calls set aside, until they are given back. Of a product that does not count
/// there is nothing to hold.
#[derive(Debug)]
enum Set {
    Aside(Held),
    Uncounted(u32),
    Returned,
}

impl Set {
    fn spend(&mut self) -> bool {
        match self {
            Self::Aside(held) => held.spend().is_ok(),
            Self::Uncounted(0) | Self::Returned => false,
            Self::Uncounted(left) => {
                *left -= 1;
                true
            }
        }
    }

    const fn remaining(&self) -> u32 {
        match self {
            Self::Aside(held) => held.remaining(),
            Self::Uncounted(left) => *left,
            Self::Returned => 0,
        }
    }

    fn give_back(&mut self) -> u32 {
        match std::mem::replace(self, Self::Returned) {
            Self::Aside(held) => held.commit(),
            Self::Uncounted(left) => left,
            Self::Returned => 0,
        }
    }
}

impl QuotaAccess {
    pub(crate) fn new(quota: Option<Quota>) -> Self {
        Self {
            quota,
            held: Arc::default(),
            waiting: Arc::default(),
        }
    }

    /// Where the budget stands for this call.
    pub(crate) fn status(&self) -> Budget {
        self.quota.as_ref().map_or(UNCOUNTED, Quota::status)
    }

    pub(crate) fn priority(&self) -> Priority {
        self.quota.as_ref().map(Quota::priority).unwrap_or_default()
    }

    /// Begins a new call: what the ledger refused to the last one is forgotten.
    pub(crate) fn rearm(&self) {
        self.waiting().refused = None;
    }

    /// A place among those who wait for what the ledger refused last; `None` if it
    /// refused nothing.
    pub(crate) fn turn(&self) -> Option<Turn> {
        let calls = self.waiting().refused?;
        self.quota.as_ref().map(|quota| quota.turn(calls))
    }

    /// Makes the next call from a place that was waited for.
    pub(crate) fn take_turn(&self, turn: Option<Turn>) {
        self.waiting().turn = turn;
    }

    /// The call from that place has ended.
    pub(crate) fn give_up_turn(&self) {
        self.waiting().turn = None;
    }

    /// Asks the ledger, from the place that was waited for if there is one.
    fn ask<T>(
        &self,
        calls: u32,
        in_turn: impl Fn(&Turn) -> Result<T, QuotaError>,
        otherwise: impl Fn(&Quota) -> Result<T, QuotaError>,
    ) -> Option<Result<T, QuotaError>> {
        let quota = self.quota.as_ref()?;
        let mut waiting = self.waiting();
        let outcome = match &waiting.turn {
            Some(turn) => in_turn(turn),
            None => otherwise(quota),
        };
        waiting.refused = outcome.is_err().then_some(calls);
        let has_waited = |turn: &Turn| turn.calls() <= calls;
        if outcome.is_ok() && waiting.turn.as_ref().is_some_and(has_waited) {
            // What was waited for is here.
            waiting.turn = None;
        }
        Some(outcome)
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one call: from the oldest open reservation, or from the budget.
    /// Otherwise says after how many milliseconds to try again.
    pub(crate) fn take(&self) -> Result<(), u64> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for reservation in held.iter() {
            if reservation
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .spend()
            {
                return Ok(());
            }
        }
        drop(held);
        self.ask(1, |turn| turn.try_take(1), |quota| quota.try_take(1))
            .unwrap_or(Ok(()))
            .map_err(|error| wait_ms(&error))
    }

    /// Sets calls aside, waiting at most `longest` for them.
    async fn reserve(&self, calls: u32, longest: Duration) -> Result<Set, QuotaError> {
        let asked = self.ask(
            calls,
            |turn| turn.try_reserve(calls),
            |quota| quota.try_reserve(calls),
        );
        match (asked, &self.quota) {
            (Some(Err(_)), Some(quota)) if !longest.is_zero() => {
                let held = quota.reserve(calls, longest).await;
                self.waiting().refused = held.is_err().then_some(calls);
                held.map(Set::Aside)
            }
            (Some(outcome), _) => outcome.map(Set::Aside),
            (None, _) => Ok(Set::Uncounted(calls)),
        }
    }

    /// What the product's answer said of the budget.
    pub(crate) fn observe(&self, header: &str) {
        if let Some(quota) = &self.quota
            && !quota.observe(header)
        {
            tracing::debug!(header, "the product's count of calls could not be read");
        }
    }

    /// The product says that the window's budget is used up: park, and say for
    /// how many milliseconds.
    pub(crate) fn exhausted(&self) -> u64 {
        self.waiting().refused = Some(1);
        self.quota
            .as_ref()
            .map_or(UNKNOWN_PAUSE_MS, |quota| ms(quota.exhausted()))
    }

    /// The product says that too much is under way: back off, and say for how
    /// many milliseconds.
    pub(crate) fn too_many_at_once(&self) -> u64 {
        self.waiting().refused = Some(1);
        self.quota
            .as_ref()
            .map_or(UNKNOWN_PAUSE_MS, |quota| ms(quota.too_many_at_once()))
    }

    fn keep(&self, reservation: Set) -> Reservation {
        let reservation = Arc::new(Mutex::new(reservation));
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.push(Arc::clone(&reservation));
        Reservation(reservation)
    }

    fn release(&self, reservation: &Reservation) -> u32 {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|other| !Arc::ptr_eq(other, &reservation.0));
        reservation
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .give_back()
    }
}

/// How long to pause when a product that does not say how it counts asks for it.
const UNKNOWN_PAUSE_MS: u64 = 60_000;

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn wait_ms(error: &QuotaError) -> u64 {
    error.wait().map_or(UNKNOWN_PAUSE_MS, ms)
}

/// A budget without a limit, for products that do not count.
pub(crate) const UNCOUNTED: Budget = Budget {
    limit: None,
    used: 0,
    kept: None,
    available: None,
    window_ms: 0,
};

impl wit::Host for ConnectorState {
    fn status(&mut self) -> wasmtime::Result<wit::Budget> {
        self.enter(Grant::Quota)?;
        let budget = self.quota.status();
        Ok(wit::Budget {
            limit: budget.limit,
            used: budget.used,
            available: budget.available,
            window_ms: budget.window_ms,
        })
    }
}

impl wit::HostWithStore<ConnectorState> for ConnectorHost {
    async fn reserve(
        accessor: &Accessor<ConnectorState, Self>,
        calls: u32,
        max_wait_ms: u32,
    ) -> wasmtime::Result<Result<Resource<Reservation>, wit::Error>> {
        let quota = accessor.with(|mut access| {
            let state = access.get();
            state.enter(Grant::Quota)?;
            wasmtime::error::Ok(state.quota.clone())
        })?;
        let wait = Duration::from_millis(max_wait_ms.into());
        match quota.reserve(calls, wait).await {
            Ok(reservation) => {
                let reservation = quota.keep(reservation);
                let resource = accessor.with(|mut access| access.get().table.push(reservation))?;
                Ok(Ok(resource))
            }
            Err(QuotaError::TooMany { most }) => Ok(Err(wit::Error::TooMany(most))),
            Err(error) => Ok(Err(wit::Error::Exhausted(wait_ms(&error)))),
        }
    }
}

impl wit::HostReservation for ConnectorState {
    fn remaining(&mut self, this: Resource<Reservation>) -> wasmtime::Result<u32> {
        self.enter(Grant::Quota)?;
        let reservation = self.table.get(&this)?;
        Ok(reservation
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remaining())
    }

    fn commit(&mut self, this: Resource<Reservation>) -> wasmtime::Result<u32> {
        self.enter(Grant::Quota)?;
        let reservation = self.table.delete(this)?;
        Ok(self.quota.release(&reservation))
    }

    fn drop(&mut self, this: Resource<Reservation>) -> wasmtime::Result<()> {
        let reservation = self.table.delete(this)?;
        self.quota.release(&reservation);
        Ok(())
    }
}
