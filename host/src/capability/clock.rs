//! Interface `clock`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wasmtime::component::Accessor;

use crate::bindings::contract::clock as wit;
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
        Ok(now_ms())
    }

    fn monotonic_ms(&mut self) -> wasmtime::Result<u64> {
        self.meter.host_call()?;
        Ok(self.meter.elapsed_ms())
    }
}

impl wit::HostWithStore<ConnectorState> for ConnectorHost {
    async fn wait(
        accessor: &Accessor<ConnectorState, Self>,
        duration_ms: u32,
    ) -> wasmtime::Result<()> {
        accessor.with(|mut access| access.get().meter.host_call())?;
        let pause = Duration::from_millis(duration_ms.min(MAX_WAIT_MS).into());
        tokio::time::sleep(pause).await;
        Ok(())
    }
}
