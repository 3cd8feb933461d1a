//! Runs guest code and sorts what comes of it: an answer, a limit that was
//! exceeded, a crash, a host fault. Each is told apart here and nowhere else,
//! and logged once.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{Store, Trap};

use crate::capability::log::Speaker;
use crate::engine::{Presence, Sandbox};
use crate::error::{Blame, Error, GuestCall};
use crate::grant::Grants;
use crate::grant::live::NotGiven;
use crate::meter::{Exceeded, Limit, Metered, arm};
use crate::patience::Patience;
use crate::rollout::{Ended, Hold, Service};

/// Calls that come before what somebody asked for. Only their failures count.
const PREPARATIONS: [&str; 2] = ["start", "configure"];

/// wasmtime's words for a guest that hands over more than it may; the type is
/// not public.
const HOST_CALL_FUEL_TEXT: &str = "too much data is being copied";

/// wasmtime's words for a guest with too many handles; there is no type.
const HANDLES_TEXT: &str = "handle limit exceeded";

/// How errors of the operating system end, those of `std` and of `rustix` alike:
/// the host has no memory or no files left for an instance.
const SYSTEM_TEXT: &str = "(os error ";

/// How long a call waits for an instance of the pool. Longer than any healthy
/// queue; an app that keeps all instances to itself learns of it.
const SLOT_WAIT: Duration = Duration::from_secs(30);

/// A store with its place in the pool. Both go together, so that a call never
/// waits for a slot whose instance is already gone.
pub(crate) struct Guest<T: 'static> {
    pub(crate) store: Store<T>,
    pub(crate) wall: Duration,
    hold: Hold,
    _slot: tokio::sync::OwnedSemaphorePermit,
    _presence: Presence,
}

impl<T: Metered> Guest<T> {
    /// Waits for a slot and makes an armed store around the state.
    pub(crate) async fn new(
        sandbox: &Sandbox,
        state: T,
        service: &Arc<Service>,
    ) -> Result<Self, Error> {
        let slots = Arc::clone(&sandbox.slots);
        let slot = timed(SLOT_WAIT, slots.acquire_owned())
            .await
            .ok_or(Error::Busy)?
            .map_err(|_| Error::Engine("the engine was shut down".to_owned()))?;
        // Before the deadline is set, so that it counts what the guest uses.
        let presence = sandbox.enter();
        let mut store = Store::new(&sandbox.engine, state);
        arm(&mut store);
        if sandbox.is_counting {
            store
                .set_fuel(u64::MAX)
                .map_err(|error| Error::Engine(error.to_string()))?;
        }
        let wall = store.data_mut().meter().limits().wall;
        Ok(Self {
            store,
            wall,
            hold: service.hold(),
            _slot: slot,
            _presence: presence,
        })
    }

    /// Instructions since the instance was made; `None` where they are not counted.
    pub(crate) fn instructions(&self) -> Option<u64> {
        let left = self.store.get_fuel().ok()?;
        Some(u64::MAX - left)
    }

    /// Runs `work` on the store under the wall clock, and gives its answer or
    /// the reason why there is none.
    ///
    /// After an error the guest must be dropped: what state it is in is unknown.
    pub(crate) async fn run<R, W>(
        &mut self,
        speaker: &Speaker,
        call: &'static str,
        work: W,
    ) -> Result<R, Error>
    where
        W: AsyncFnOnce(&mut Store<T>) -> wasmtime::Result<R>,
    {
        let patience = Patience::new(self.wall);
        self.run_within(&patience, speaker, call, work).await
    }

    /// The same under a clock that the work itself may begin anew.
    pub(crate) async fn run_within<R, W>(
        &mut self,
        patience: &Patience,
        speaker: &Speaker,
        call: &'static str,
        work: W,
    ) -> Result<R, Error>
    where
        W: AsyncFnOnce(&mut Store<T>) -> wasmtime::Result<R>,
    {
        let begun = Instant::now();
        let work = patience.of(work(&mut self.store));
        let outcome = tokio::select! {
            // What is done is done, whatever else is over.
            biased;
            outcome = work => Some(outcome),
            () = self.hold.over() => None,
        };
        let took = begun.elapsed();
        let guest = GuestCall {
            package: speaker.package.clone(),
            version: speaker.version.clone(),
            call,
        };
        let error = match outcome {
            Some(Some(Ok(answer))) => {
                self.count(call, took, Ended::Well);
                return Ok(answer);
            }
            Some(Some(Err(error))) => self.sort(guest, &error),
            Some(None) => self.sort(guest, &Exceeded::wall(patience.limit()).into()),
            None => Error::Drained(guest),
        };
        let ended = match error.blame() {
            Blame::Guest => Ended::Stopped,
            _ => Ended::Well,
        };
        self.count(call, took, ended);
        tracing::warn!(
            package = speaker.package, version = speaker.version,
            connection = speaker.connection, call, blame = ?error.blame(), %error,
            "a call was stopped"
        );
        Err(error)
    }

    fn count(&mut self, call: &'static str, took: Duration, ended: Ended) {
        if PREPARATIONS.contains(&call) {
            self.hold.fault(ended);
        } else {
            let memory_bytes = self.store.data_mut().meter().memory_bytes();
            self.hold.call(took, memory_bytes, ended);
        }
    }

    /// Counts a failure of the version that showed after a call.
    pub(crate) fn fault(&self) {
        self.hold.fault(Ended::Failed);
    }

    fn sort(&mut self, guest: GuestCall, error: &wasmtime::Error) -> Error {
        let meter = self.store.data_mut().meter();
        let over = |exceeded: Exceeded, guest| Error::LimitExceeded {
            guest,
            limit: exceeded.limit,
            allowed: exceeded.allowed,
        };
        if let Some(exceeded) = error.downcast_ref::<Exceeded>() {
            return over(exceeded.clone(), guest);
        }
        if let Some(NotGiven { connection, grant }) = error.downcast_ref() {
            return Error::NotGranted {
                connection: connection.to_string(),
                package: guest.package,
                version: guest.version,
                grants: Grants::from([*grant]),
            };
        }
        if let Some(CallerFault(what)) = error.downcast_ref() {
            return Error::Input(what.clone());
        }
        if let Some(fault) = error.downcast_ref::<HostFault>() {
            return Error::HostFailed {
                guest,
                reason: fault.0.clone(),
            };
        }
        let text = error.root_cause().to_string();
        let trap = error.downcast_ref::<Trap>();
        if trap == Some(&Trap::StackOverflow) {
            return over(meter.exceeded(Limit::Stack), guest);
        }
        if text.contains(HOST_CALL_FUEL_TEXT) {
            return over(meter.exceeded(Limit::HostCallBytes), guest);
        }
        if text.contains(HANDLES_TEXT) {
            return over(meter.exceeded(Limit::Handles), guest);
        }
        if text.contains(SYSTEM_TEXT) {
            return Error::HostFailed {
                guest,
                reason: text,
            };
        }
        // A guest whose allocation was refused aborts with a plain trap; the
        // refusal right before it is the reason.
        if let Some(exceeded) = meter.explanation() {
            return over(exceeded, guest);
        }
        Error::Crashed {
            guest,
            reason: text,
        }
    }
}

impl<T> std::fmt::Debug for Guest<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guest").finish_non_exhaustive()
    }
}

/// The host's own fault inside a host call: ends the call, and is told apart
/// from the guest's faults.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct HostFault(pub(crate) String);

/// The caller's fault inside a host call: what it gives is not what it promised.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct CallerFault(pub(crate) String);

async fn timed<F: Future>(wall: Duration, work: F) -> Option<F::Output> {
    tokio::time::timeout(wall, work).await.ok()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::engine::Sandboxes;
    use crate::limits::Limits;
    use crate::meter::Meter;

    struct State(Meter);

    impl Metered for State {
        fn meter(&mut self) -> &mut Meter {
            &mut self.0
        }
    }

    #[tokio::test]
    async fn a_machine_that_has_nothing_left_for_an_instance_is_not_the_fault_of_the_guest() {
        let sandboxes = Sandboxes::new(&Limits::ceiling(), false).unwrap();
        let state = State(Meter::new(Limits::ceiling()));
        let mut guest = Guest::new(&sandboxes.transforms, state, &Service::new())
            .await
            .unwrap();
        let speaker = Speaker {
            package: "scorer".to_owned(),
            version: "1.0.0".to_owned(),
            connection: "-".to_owned(),
        };
        let no_room = io::Error::from_raw_os_error(28);
        let ended = guest
            .run::<(), _>(&speaker, "start", async |_| Err(no_room.into()))
            .await
            .unwrap_err();
        assert_eq!(ended.blame(), Blame::Host);
        assert!(
            ended.to_string().contains("failed during scorer"),
            "{ended}"
        );
    }
}
