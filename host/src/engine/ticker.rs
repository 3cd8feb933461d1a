//! The clock of guests: one thread for both engines, which makes their epochs go
//! on while guests are there and sleeps while none are, so that an idle host
//! costs no CPU.
//!
//! A timer task of the async runtime would stand still exactly when the clock is
//! needed: while a guest holds the worker thread.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::Error;

/// How often a running guest looks up: the grain of CPU limits and of fairness
/// between guests on one thread. Shorter costs guests time, longer lets a
/// spinning guest hold a worker thread.
pub(crate) const EPOCH_TICK: Duration = Duration::from_millis(5);

/// For how many ticks the clock goes on without guests. Waking the thread costs
/// more than many ticks, and one call is often followed by the next.
const IDLE_TICKS: u32 = 100;

/// A clock that goes while somebody is present. Its thread ends with it.
#[derive(Debug)]
pub(crate) struct Ticker(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    present: usize,
    is_asleep: bool,
    is_over: bool,
}

/// Keeps a clock going as long as it lives.
#[derive(Debug)]
pub(crate) struct Presence(Arc<Ticker>);

impl Ticker {
    /// Starts the thread, which calls `tick` again and again.
    pub(crate) fn start(tick: impl Fn() + Send + 'static) -> Result<Arc<Self>, Error> {
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("lockgate-epoch".to_owned())
            .spawn(move || {
                let mut idle_ticks = 0;
                while seen.goes_on(&mut idle_ticks) {
                    tick();
                    std::thread::sleep(EPOCH_TICK);
                }
            })
            .map_err(|error| Error::Engine(format!("cannot start the epoch thread: {error}")))?;
        Ok(Arc::new(Self(shared)))
    }

    /// Somebody is there from now on.
    pub(crate) fn enter(self: &Arc<Self>) -> Presence {
        let mut state = self.0.lock();
        state.present += 1;
        if state.is_asleep {
            self.0.changed.notify_all();
        }
        Presence(Arc::clone(self))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.changed.notify_all();
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.0.lock().present -= 1;
    }
}

impl Shared {
    /// Whether there is another tick, once somebody is there to hear it.
    fn goes_on(&self, idle_ticks: &mut u32) -> bool {
        let mut state = self.lock();
        *idle_ticks = if state.present > 0 {
            0
        } else {
            *idle_ticks + 1
        };
        while state.present == 0 && *idle_ticks > IDLE_TICKS && !state.is_over {
            state.is_asleep = true;
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.is_asleep = false;
        }
        !state.is_over
    }

    /// Never held for long; a panic of another holder leaves a number that is
    /// right.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A ticker whose ticks are heard one by one.
    fn heard() -> (Arc<Ticker>, mpsc::Receiver<()>) {
        let (ticks, heard) = mpsc::sync_channel(0);
        // Nobody hears the last ones.
        let ticker = Ticker::start(move || {
            let _ = ticks.send(());
        });
        (ticker.unwrap(), heard)
    }

    /// Hears ticks until the thread sleeps, and gives their number.
    fn until_asleep(ticker: &Ticker, heard: &mpsc::Receiver<()>) -> u32 {
        let mut n = 0;
        while !ticker.0.lock().is_asleep {
            n += u32::from(heard.recv_timeout(EPOCH_TICK).is_ok());
        }
        n
    }

    #[test]
    fn the_clock_sleeps_a_while_after_the_last_guest_and_wakes_for_the_next() {
        let (ticker, heard) = heard();
        let first = ticker.enter();
        let second = ticker.enter();
        drop(first);
        for _ in 0..=IDLE_TICKS {
            heard.recv().unwrap();
        }
        assert!(!ticker.0.lock().is_asleep, "a guest is there");
        drop(second);
        assert!(until_asleep(&ticker, &heard) <= IDLE_TICKS + 1);
        assert!(heard.try_recv().is_err());
        let _third = ticker.enter();
        heard.recv().unwrap();
    }

    #[test]
    fn the_thread_ends_with_the_last_who_needs_it_awake_or_asleep() {
        let (ticker, heard) = heard();
        let guest = ticker.enter();
        drop(ticker);
        heard.recv().unwrap();
        drop(guest);
        while heard.recv().is_ok() {}

        let (ticker, heard) = self::heard();
        until_asleep(&ticker, &heard);
        drop(ticker);
        assert!(heard.recv().is_err());
    }
}
