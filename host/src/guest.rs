//! Runs guest code and sorts what comes of it: an answer, a limit that was
//! exceeded, a crash, a host fault. Each is told apart here and nowhere else,
//! and logged once.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::coop;
use tracing::Instrument as _;
use wasmtime::{Store, Trap};

use crate::capability::log::Speaker;
use crate::engine::{Presence, Sandbox};
use crate::error::{Blame, Error, GuestCall};
use crate::grant::Grants;
use crate::grant::live::NotGiven;
use crate::meter::{Exceeded, Limit, Metered, Ran, arm};
use crate::patience::Patience;
use crate::rollout::{Ended, Hold, Service};
use crate::shares::{Claim, Held};

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

/// What wasmtime's "unreachable" means: how guests of every language give up.
const GAVE_UP_TEXT: &str = "it panicked, threw what nothing caught, or gave an answer that is \
                            none of the contract's";

/// With as much memory as this, a guest takes a turn to be dropped: giving much memory
/// back takes milliseconds, and a tenant that fills its memory again and again must not
/// have a core for that beside its turns.
const LARGE_BYTES: u64 = 4 * 1024 * 1024;

/// A guest in its sandbox, and its place in the queues of its tenant.
pub(crate) struct Guest<T: Metered> {
    /// There until it is dropped.
    body: Option<Body<T>>,
    pub(crate) wall: Duration,
    speaker: Arc<Speaker>,
    hold: Hold,
    turns: Claim,
    ran: Arc<Ran>,
    /// How long it waited for its instance.
    waited: Duration,
}

/// A store with its place in the pool. Both go together, so that a call never waits for
/// a place whose instance is already gone.
struct Body<T: 'static> {
    store: Store<T>,
    _instance: Held,
    _presence: Presence,
}

impl<T: Metered> Guest<T> {
    /// Waits for an instance and makes an armed store around the state.
    pub(crate) async fn new(
        sandbox: &Sandbox,
        state: T,
        service: &Arc<Service>,
        speaker: &Arc<Speaker>,
    ) -> Result<Self, Error> {
        let tenant = speaker.tenant();
        let (instance, waited) = place(sandbox, tenant).await?;
        // Before the deadline is set, so that it counts what the guest uses.
        let presence = sandbox.enter();
        let mut store = Store::new(&sandbox.engine, state);
        arm(&mut store);
        if sandbox.settings.is_counting {
            store
                .set_fuel(u64::MAX)
                .map_err(|error| Error::Engine(error.to_string()))?;
        }
        let meter = store.data_mut().meter();
        let (wall, ran) = (meter.limits().wall, meter.ran());
        Ok(Self {
            body: Some(Body {
                store,
                _instance: instance,
                _presence: presence,
            }),
            wall,
            speaker: Arc::clone(speaker),
            hold: service.hold(&speaker.connection),
            turns: sandbox.turns.claim(tenant),
            ran,
            waited,
        })
    }

    /// What lives beside the guest.
    pub(crate) fn state(&self) -> &T {
        alive(self.body.as_ref()).store.data()
    }

    /// The same, to change it.
    pub(crate) fn state_mut(&mut self) -> &mut T {
        alive(self.body.as_mut()).store.data_mut()
    }

    /// Instructions since the instance was made; `None` where they are not counted.
    pub(crate) fn instructions(&self) -> Option<u64> {
        let left = alive(self.body.as_ref()).store.get_fuel().ok()?;
        Some(u64::MAX - left)
    }

    /// Runs `work` on the store in turns and under the wall clock, which counts from
    /// the first turn, and gives its answer or the reason why there is none.
    ///
    /// After an error the guest must be dropped: what state it is in is unknown.
    pub(crate) async fn run<R, W>(&mut self, call: &'static str, work: W) -> Result<R, Error>
    where
        W: AsyncFnOnce(&mut Store<T>) -> wasmtime::Result<R>,
    {
        let patience = Patience::new(self.wall);
        self.run_within(&patience, call, work).await
    }

    /// The same under a clock that the work itself may begin anew.
    pub(crate) async fn run_within<R, W>(
        &mut self,
        patience: &Patience,
        call: &'static str,
        work: W,
    ) -> Result<R, Error>
    where
        W: AsyncFnOnce(&mut Store<T>) -> wasmtime::Result<R>,
    {
        let speaker = Arc::clone(&self.speaker);
        let span = tracing::debug_span!(
            "call",
            package = speaker.package,
            version = speaker.version,
            connection = speaker.connection,
            call
        );
        let mut begun = Instant::now();
        let store = &mut alive(self.body.as_mut()).store;
        let (turns, ran) = (&mut self.turns, &*self.ran);
        // In a box, or the types of futures would nest deeper in the apps that await
        // calls than the compiler goes.
        let work = Box::pin(async {
            // A short call never waits otherwise: an app that makes one after the other
            // must not keep its thread from all else.
            coop::consume_budget().await;
            let first = turns.get().await;
            patience.begin();
            begun = Instant::now();
            patience.of(in_turns(first, turns, ran, work(store))).await
        });
        let work = work.instrument(span);
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
        if error.blame() == Blame::Caller {
            // It is told what to do, as with any other mistake of its own.
            tracing::info!(
                package = speaker.package, version = speaker.version,
                connection = speaker.connection, call, %error, "a call was refused"
            );
        } else {
            tracing::warn!(
                package = speaker.package, version = speaker.version,
                connection = speaker.connection, call, blame = ?error.blame(), %error,
                "a call was stopped"
            );
        }
        Err(error)
    }

    fn count(&mut self, call: &'static str, took: Duration, ended: Ended) {
        if PREPARATIONS.contains(&call) {
            self.hold.fault(ended);
        } else {
            let queued = self.waited + self.turns.waited();
            let used = self.state_mut().meter().used(queued);
            self.hold.call(took, used, ended);
        }
    }

    /// Counts a failure of the version that showed after a call.
    pub(crate) fn fault(&self) {
        self.hold.fault(Ended::Failed);
    }

    fn sort(&mut self, guest: GuestCall, error: &wasmtime::Error) -> Error {
        let meter = self.state_mut().meter();
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
        let reason = match trap {
            // All that is left of a guest's own last words: of an exception that nobody
            // caught, or an answer that its bindings cannot put into the contract's types.
            Some(Trap::UnreachableCodeReached) => format!("{text}: {GAVE_UP_TEXT}"),
            _ => text,
        };
        Error::Crashed { guest, reason }
    }
}

impl<T: Metered> Drop for Guest<T> {
    fn drop(&mut self) {
        let Some(mut body) = self.body.take() else {
            return;
        };
        let is_large = body.store.data_mut().meter().memory_bytes() >= LARGE_BYTES;
        // Outside of a runtime there are no other guests either.
        let Some(runtime) = Handle::try_current().ok().filter(|_| is_large) else {
            return;
        };
        let mut turns = self.turns.another();
        runtime.spawn(async move {
            let _turn = turns.get().await;
            drop(body);
        });
    }
}

impl<T: Metered> std::fmt::Debug for Guest<T> {
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

/// The body of a guest that is not dropped yet.
#[expect(
    clippy::expect_used,
    reason = "a guest has one until it is dropped, and nobody can ask for it then"
)]
fn alive<B>(body: Option<B>) -> B {
    body.expect("a guest that is alive has a body")
}

/// A place among the instances of an engine, if a tenant gets one in time, and how long
/// that took.
async fn place(sandbox: &Sandbox, tenant: &str) -> Result<(Held, Duration), Error> {
    let shares = &sandbox.shares;
    let busy = |limit| Error::Busy {
        tenant: tenant.to_owned(),
        limit,
    };
    let mut claim = sandbox.instances.claim(tenant);
    let waiting = claim.before();
    if waiting >= shares.waiting_of_one.max(1) {
        return Err(busy(format!("{waiting} calls of it wait already")));
    }
    let place = tokio::time::timeout(shares.wait, claim.get()).await;
    let place = place.map_err(|_| {
        let (wait, most) = (shares.wait.as_secs_f64(), shares.instances_of_one);
        busy(format!(
            "no instance came free within {wait} s, of {most} that it may have at a time"
        ))
    })?;
    Ok((place, claim.waited()))
}

/// Goes on with `work` only while it has a turn. It has one for each step between two
/// waits, so that whatever it waits for, it holds no core meanwhile.
async fn in_turns<F: Future>(first: Held, turns: &mut Claim, ran: &Ran, work: F) -> F::Output {
    let mut work = pin!(work);
    let mut first = Some(first);
    poll_fn(|context| {
        let mut turn = match first.take() {
            Some(turn) => turn,
            None => ready!(turns.poll(context)),
        };
        ran.begin();
        let outcome: Poll<F::Output> = work.as_mut().poll(context);
        turn.took(ran.end());
        outcome
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::engine::Sandboxes;
    use crate::limits::Limits;
    use crate::meter::Meter;
    use crate::shares::Shares;

    struct State(Meter);

    impl Metered for State {
        fn meter(&mut self) -> &mut Meter {
            &mut self.0
        }
    }

    fn speaker() -> Arc<Speaker> {
        Arc::new(Speaker {
            package: "scorer".to_owned(),
            version: "1.0.0".to_owned(),
            connection: "acme/crm".to_owned(),
        })
    }

    /// A guest that is all the work that a host has, and its sandbox.
    async fn guest(shares: Shares) -> (Sandboxes, Guest<State>) {
        let sandboxes = Sandboxes::new(&Limits::ceiling(), false, shares).unwrap();
        let state = State(Meter::new(Limits::ceiling()));
        let service = Service::new();
        let speaker = speaker();
        let guest = Guest::new(&sandboxes.transforms, state, &service, &speaker);
        let guest = guest.await.unwrap();
        (sandboxes, guest)
    }

    #[tokio::test(start_paused = true)]
    async fn the_wall_clock_of_a_call_begins_with_its_first_turn() {
        let shares = Shares {
            running: 1,
            ..Shares::default()
        };
        let (sandboxes, mut guest) = guest(shares).await;
        let wall = guest.wall;
        let mut other = sandboxes.connectors.turns.claim("globex");
        let turn = other.get().await;
        let call = guest.run("apply", async |_| {
            tokio::time::sleep(wall / 2).await;
            Ok(())
        });
        let mut call = std::pin::pin!(call);
        let mut is_waiting = async || tokio::time::timeout(2 * wall, &mut call).await.is_err();
        assert!(is_waiting().await);
        drop(turn);
        assert!(!is_waiting().await);
    }

    #[tokio::test]
    async fn short_calls_one_after_the_other_leave_their_thread_to_other_tasks_as_well() {
        let (_sandboxes, mut guest) = guest(Shares::default()).await;
        let other = tokio::spawn(async {});
        for _ in 0..1_000 {
            guest.run("apply", async |_| Ok(())).await.unwrap();
        }
        assert!(other.is_finished());
    }

    #[tokio::test]
    async fn a_machine_that_has_nothing_left_for_an_instance_is_not_the_fault_of_the_guest() {
        let (_sandboxes, mut guest) = guest(Shares::default()).await;
        let no_room = io::Error::from_raw_os_error(28);
        let ended = guest
            .run::<(), _>("start", async |_| Err(no_room.into()))
            .await
            .unwrap_err();
        assert_eq!(ended.blame(), Blame::Host);
        assert!(
            ended.to_string().contains("failed during scorer"),
            "{ended}"
        );
    }
}
