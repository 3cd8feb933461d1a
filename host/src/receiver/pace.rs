//! How many requests a webhook may get in a second.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// How many seconds' worth of requests may come at a time, after some rest: products
/// send in bursts.
const BURST_S: u32 = 5;

/// A bucket of requests that fills by itself.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: u32,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    filled: Instant,
}

impl Pace {
    /// A full one.
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            per_second,
            bucket: Mutex::new(Bucket {
                left: f64::from(per_second.saturating_mul(BURST_S)),
                filled: Instant::now(),
            }),
        }
    }

    /// Takes a request out of the bucket, if there is one left.
    pub(super) fn allows(&self) -> bool {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let since = now.duration_since(bucket.filled).as_secs_f64();
        let most = f64::from(self.per_second.saturating_mul(BURST_S));
        bucket.left = (bucket.left + since * f64::from(self.per_second)).min(most);
        bucket.filled = now;
        let allows = bucket.left >= 1.0;
        if allows {
            bucket.left -= 1.0;
        }
        allows
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_let_in_and_then_so_many_in_a_second() {
        let pace = Pace::new(10);
        let let_in = |pace: &Pace| (0..100).filter(|_| pace.allows()).count();
        assert_eq!(let_in(&pace), 50);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(let_in(&pace), 10);
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(let_in(&pace), 50);
    }
}
