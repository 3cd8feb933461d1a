//! Open-loop load: calls begin when they are due, whether or not those before have
//! ended, so that a pause shows in every call that it holds up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use lockgate::{Records, Transform};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// How often calls begin.
const TICK: Duration = Duration::from_millis(1);

/// The longest latency that is told apart, in microseconds.
const LONGEST_US: u64 = 60_000_000;

/// What calls came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) calls: u64,
    pub(super) failed: u64,
    latency_us: Histogram<u64>,
}

impl Outcome {
    /// How long such a share of calls took at most, in milliseconds.
    pub(super) fn quantile_ms(&self, quantile: f64) -> f64 {
        let us = self.latency_us.value_at_quantile(quantile);
        Duration::from_micros(us).as_secs_f64() * 1_000.0
    }
}

/// So many contacts as a batch.
pub(super) fn contacts(count: usize) -> Result<Records, lockgate::Error> {
    let contact = |n: usize| {
        json!({
            "FirstName": format!(" anna {n}"),
            "LastName": "MEIER ",
            "Email": format!("Anna.{n}@Example.COM"),
            "Phone": "+49 (30) 123 456",
            "MailingCountry": "germany",
        })
    };
    Records::from_items(&(0..count).map(contact).collect::<Vec<_>>())
}

/// Calls a transform `per_second` times a second for so long. A call counts from the
/// moment that it was due.
pub(super) async fn run(
    transform: &Transform,
    batch: &Records,
    per_second: u32,
    lasts: Duration,
) -> anyhow::Result<Outcome> {
    let failed = Arc::new(AtomicU64::new(0));
    let mut calls = JoinSet::new();
    let begun = Instant::now() + TICK;
    let mut ticks = interval_at(begun, TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut due_calls, mut outcome) = (0.0, Histogram::new_with_bounds(1, LONGEST_US, 3)?);
    let mut begun_calls = 0_u32;
    loop {
        let due = ticks.tick().await;
        if due.duration_since(begun) >= lasts {
            break;
        }
        due_calls += f64::from(per_second) * TICK.as_secs_f64();
        while f64::from(begun_calls) < due_calls {
            begun_calls += 1;
            let (transform, batch) = (transform.clone(), batch.clone());
            let failed = Arc::clone(&failed);
            calls.spawn(async move {
                if transform.apply("Contact", &batch).await.is_err() {
                    failed.fetch_add(1, Ordering::Relaxed);
                }
                due.elapsed()
            });
        }
        while let Some(ended) = calls.try_join_next() {
            record(&mut outcome, ended?);
        }
    }
    while let Some(ended) = calls.join_next().await {
        record(&mut outcome, ended?);
    }
    Ok(Outcome {
        calls: outcome.len(),
        failed: failed.load(Ordering::Relaxed),
        latency_us: outcome,
    })
}

fn record(latency_us: &mut Histogram<u64>, took: Duration) {
    latency_us.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
}
