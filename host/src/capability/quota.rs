//! Interface `quota`, and what `http` spends: one call's view of the
//! connection's ledger.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wasmtime::component::{Accessor, Resource};

use crate::bindings::contract::quota as wit;
use crate::ledger::{Budget, Quota, QuotaError, Reservation as Held};
use crate::state::{ConnectorHost, ConnectorState};

/// The budget as one call sees it: the ledger, and what this call has set aside.
#[derive(Clone, Debug)]
pub(crate) struct QuotaAccess {
    /// None if the product does not count calls.
    quota: Option<Quota>,
    held: Arc<Mutex<Vec<Arc<Mutex<Set>>>>>,
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
        }
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
        match &self.quota {
            Some(quota) => quota.try_take(1).map_err(|error| wait_ms(&error)),
            None => Ok(()),
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
        self.quota
            .as_ref()
            .map_or(UNKNOWN_PAUSE_MS, |quota| ms(quota.exhausted()))
    }

    /// The product says that too much is under way: back off, and say for how
    /// many milliseconds.
    pub(crate) fn too_many_at_once(&self) -> u64 {
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
    available: None,
    window_ms: 0,
};

impl wit::Host for ConnectorState {
    fn status(&mut self) -> wasmtime::Result<wit::Budget> {
        self.meter.host_call()?;
        let budget = self.quota.quota.as_ref().map_or(UNCOUNTED, Quota::status);
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
            state.meter.host_call()?;
            wasmtime::error::Ok(state.quota.clone())
        })?;
        let wait = Duration::from_millis(max_wait_ms.into());
        let set = match &quota.quota {
            Some(ledger) => ledger.reserve(calls, wait).await.map(Set::Aside),
            None => Ok(Set::Uncounted(calls)),
        };
        match set {
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
        self.meter.host_call()?;
        let reservation = self.table.get(&this)?;
        Ok(reservation
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remaining())
    }

    fn commit(&mut self, this: Resource<Reservation>) -> wasmtime::Result<u32> {
        self.meter.host_call()?;
        let reservation = self.table.delete(this)?;
        Ok(self.quota.release(&reservation))
    }

    fn drop(&mut self, this: Resource<Reservation>) -> wasmtime::Result<()> {
        let reservation = self.table.delete(this)?;
        self.quota.release(&reservation);
        Ok(())
    }
}
