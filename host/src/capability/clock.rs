//! Interface `clock`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wasmtime::component::Accessor;

use crate::bindings::contract::clock as wit;
use crate::rehearsal::Rehearsal;
use crate::state::{ConnectorHost, ConnectorState};

/// The longest single wait. The contract promises it.
const MAX_WAIT_MS: u32 = 60_000;

/// Milliseconds since 1970, by the machine's clock.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}

impl wit::Host for ConnectorState {
    fn now_ms(&mut self) -> wasmtime::Result<u64> {
        self.meter.host_call()?;
        let rehearsed = self.rehearsal.as_ref().and_then(Rehearsal::now_ms);
        Ok(rehearsed.unwrap_or_else(now_ms))
    }

    fn monotonic_ms(&mut self) -> wasmtime::Result<u64> {
        self.meter.host_call()?;
        let rehearsed = self.rehearsal.as_ref().and_then(Rehearsal::passed_ms);
        Ok(rehearsed.unwrap_or_else(|| self.meter.elapsed_ms()))
    }
}

impl wit::HostWithStore<ConnectorState> for ConnectorHost {
    async fn wait(
        accessor: &Accessor<ConnectorState, Self>,
        duration_ms: u32,
    ) -> wasmtime::Result<()> {
        let pause_ms = u64::from(duration_ms.min(MAX_WAIT_MS));
        let (http, rehearsal) = accessor.with(|mut access| {
            let state = access.get();
            state.meter.host_call()?;
            wasmtime::error::Ok((state.http.clone(), state.rehearsal.clone()))
        })?;
        let rehearsed = rehearsal.and_then(|rehearsal| Some((rehearsal.passed_ms()?, rehearsal)));
        let Some((passed_ms, rehearsal)) = rehearsed else {
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            return Ok(());
        };
        // What the guest begins beside the wait is under way first. A wait that bounds a
        // request is not over before its answer.
        tokio::task::yield_now().await;
        http.idle().await;
        rehearsal.pass_to(passed_ms.saturating_add(pause_ms));
        Ok(())
    }
}
