//! Waiting for calls in the place of the app: a query, a write or a subscription
//! that meets a budget that is used up keeps its place, and goes on when calls are there.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::capability::quota::QuotaAccess;
use crate::error::{Error, GuestCall};
use crate::ledger::{Priority, QuotaError, Turn};

/// How queries, writes and subscriptions wait when the budget of calls is used up, see
/// [`Connection::with_quota_wait`](crate::Connection::with_quota_wait).
#[derive(Clone)]
pub struct QuotaWait {
    longest: Duration,
    told: Arc<dyn Fn(&Parking) + Send + Sync>,
}

/// What becomes of a query, a write or a subscription that waits for calls.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Parking {
    /// It waits. Told again when the expected end has changed by a minute or more.
    Parked {
        /// Which package and which call.
        call: GuestCall,
        /// The priority at which it waits.
        priority: Priority,
        /// When it is expected to go on. An estimate: it may be sooner or later.
        until: SystemTime,
    },
    /// It goes on.
    Resumed {
        /// Which package and which call.
        call: GuestCall,
    },
}

impl QuotaWait {
    /// Waits if calls are expected within this time, and at most so long at a
    /// time: a job may wait several times.
    #[must_use]
    pub fn up_to(longest: Duration) -> Self {
        Self {
            longest,
            told: Arc::new(|_| {}),
        }
    }

    /// Calls this whenever a wait begins, changes or ends. It must not block.
    #[must_use]
    pub fn telling(self, told: impl Fn(&Parking) + Send + Sync + 'static) -> Self {
        Self {
            told: Arc::new(told),
            ..self
        }
    }

    /// Waits after a call that failed, if it failed for want of calls. The place
    /// among those who wait is kept for the next try, which is to follow at once.
    ///
    /// # Errors
    /// Gives the error back if there is nothing to wait for, or not in time.
    pub(crate) async fn park(
        &self,
        error: Error,
        quota: &QuotaAccess,
        connection: &str,
    ) -> Result<(), Error> {
        let Error::OverQuota {
            call,
            budget,
            retry_after,
        } = error
        else {
            return Err(error);
        };
        let told = |wait: Duration| {
            tracing::info!(
                connection,
                %call,
                priority = %quota.priority(),
                wait_s = wait.as_secs(),
                "parked until calls are expected to be free"
            );
            (self.told)(&Parking::Parked {
                call: call.clone(),
                priority: quota.priority(),
                until: SystemTime::now() + wait,
            });
        };
        let waited = match quota.turn() {
            Some(turn) => turn.wait(self.longest, told).await.map(|()| Some(turn)),
            // The ledger has calls, so it is another of the product's budgets.
            None => pause(self.longest, retry_after, told).await,
        };
        match waited {
            Ok(turn) => {
                tracing::info!(connection, %call, "goes on after it was parked");
                (self.told)(&Parking::Resumed { call });
                quota.take_turn(turn);
                Ok(())
            }
            Err(error) => Err(Error::OverQuota {
                call,
                budget,
                retry_after: error.wait().unwrap_or(retry_after),
            }),
        }
    }
}

async fn pause(
    longest: Duration,
    wait: Duration,
    told: impl Fn(Duration),
) -> Result<Option<Turn>, QuotaError> {
    if wait > longest {
        return Err(QuotaError::Exhausted { wait });
    }
    told(wait);
    tokio::time::sleep(wait).await;
    Ok(None)
}

impl fmt::Debug for QuotaWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuotaWait")
            .field("longest", &self.longest)
            .finish_non_exhaustive()
    }
}
