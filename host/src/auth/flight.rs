//! One renewal at a time for each connection, for whoever wants its outcome.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use super::access::Access;
use super::error::AuthError;
use super::sessions::{Entry, Sessions};
use super::{PAUSE_AFTER_FAILURE, PAUSE_AFTER_MISTAKE};
use crate::store::{ConnectionKey, StoreError};

/// What becomes of asking for access.
pub(super) type Outcome = Result<Arc<Access>, AuthError>;

/// A renewal under way.
pub(super) type Flight = watch::Receiver<Option<Outcome>>;

/// How often a caller waits for a flight that turns out to have begun before its
/// token became stale. Two are enough; a third is for good measure.
const MAX_FLIGHTS: usize = 3;

impl Sessions {
    /// Waits for the flight under way, or starts one, unless what is in memory
    /// will do.
    pub(super) async fn fly(&self, key: &ConnectionKey, stale: Option<u64>) -> Outcome {
        let mut outcome = Err(StoreError::NotFound(key.clone()).into());
        for _ in 0..MAX_FLIGHTS {
            let entry = self.entry(key);
            if Self::is_closing(&entry) {
                return Err(StoreError::NotFound(key.clone()).into());
            }
            let flight = {
                let mut state = entry.lock();
                let mut replaces = stale;
                if let Some(current) = &state.current
                    && stale != Some(current.generation)
                {
                    if !self.has_expired(current) {
                        return Ok(Arc::clone(current));
                    }
                    replaces = Some(current.generation);
                }
                match (&state.pause, &state.flight) {
                    (_, Some(flight)) => flight.clone(),
                    (Some((until, error)), None) if Instant::now() < *until => {
                        return Err(error.clone());
                    }
                    _ => {
                        let flight = self.start(key, &entry, state.forgotten, replaces);
                        state.flight = Some(flight.clone());
                        flight
                    }
                }
            };
            outcome = self.land(flight).await;
            match &outcome {
                Ok(access) if stale == Some(access.generation) => {}
                _ => break,
            }
        }
        if let Err(AuthError::Store(error)) = &outcome
            && matches!(**error, StoreError::NotFound(_))
        {
            let entry = self.entry(key);
            self.remove_entry(key, &entry);
        }
        outcome
    }

    fn has_expired(&self, access: &Access) -> bool {
        access
            .expires_at_ms
            .is_some_and(|expires_at_ms| expires_at_ms <= self.now_ms())
    }

    async fn land(&self, mut flight: Flight) -> Outcome {
        match flight.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(interrupted())),
            Err(_) => Err(interrupted()),
        }
    }

    /// Renews in a task of its own, so that nobody's leaving can tear a rotated
    /// token away before it is kept.
    fn start(
        &self,
        key: &ConnectionKey,
        entry: &Arc<Entry>,
        forgotten: u64,
        stale: Option<u64>,
    ) -> Flight {
        let (sender, flight) = watch::channel(None);
        let landing = Landing {
            entry: Arc::clone(entry),
            forgotten,
        };
        let (sessions, key) = (self.clone(), key.clone());
        tokio::spawn(async move {
            let outcome = sessions.renew_now(&key, &landing.entry, stale).await;
            landing.record(&outcome, stale);
            // The entry is told before the waiters: who comes now finds the
            // outcome there, or starts afresh.
            drop(landing);
            sender.send_replace(Some(outcome));
        });
        flight
    }

    /// Waits until no renewal is under way.
    pub(super) async fn settle(&self, entry: &Entry) {
        let flight = entry.lock().flight.clone();
        if let Some(flight) = flight {
            // Whatever its outcome is, it is over.
            drop(self.land(flight).await);
        }
    }
}

/// Ends a flight in its entry, also if the renewal panics.
struct Landing {
    entry: Arc<Entry>,
    forgotten: u64,
}

impl Landing {
    fn record(&self, outcome: &Outcome, stale: Option<u64>) {
        let mut state = self.entry.lock();
        if state.forgotten != self.forgotten {
            return;
        }
        match outcome {
            Ok(access) => {
                state.pause = None;
                // Somebody who reconnected meanwhile has put newer ones there.
                if state
                    .current
                    .as_ref()
                    .is_none_or(|current| Some(current.generation) == stale)
                {
                    state.current = Some(Arc::clone(access));
                }
            }
            Err(error) => {
                if error.needs_person() {
                    state.current = None;
                }
                state.pause = pause_after(error).map(|until| (until, error.clone()));
            }
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.entry.lock().flight = None;
    }
}

/// Until when a failure is given again without another request. What the store
/// says is asked afresh each time: that costs no request.
fn pause_after(error: &AuthError) -> Option<Instant> {
    let pause = match error {
        AuthError::Unavailable { retry_after, .. } => (*retry_after).max(PAUSE_AFTER_FAILURE),
        AuthError::Misconfigured { .. } | AuthError::BadAnswer { .. } | AuthError::Refused(_) => {
            PAUSE_AFTER_MISTAKE
        }
        _ => return None,
    };
    Some(Instant::now() + pause)
}

fn interrupted() -> AuthError {
    AuthError::Unavailable {
        host: "the host itself".to_owned(),
        cause: "the renewal was interrupted".to_owned(),
        retry_after: PAUSE_AFTER_FAILURE,
    }
}
