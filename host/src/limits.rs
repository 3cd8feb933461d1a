//! What a call may use: the defaults, what a package may ask for, and the
//! ceiling that the host sets.
//!
//! A package asks in its manifest; the host gives the smaller of what is asked
//! and its ceiling, so that no package can lift a limit by itself.

use std::time::Duration;

use serde::Deserialize;

/// The limits of one call, of one page of a long answer, or of one delivery of a
/// subscription.
///
/// Each says what a package gets that asks for nothing ([`Self::default`]), and
/// the most that one gets unless the embedder sets another ceiling
/// ([`Self::ceiling`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of the instance, in bytes. Default 64 MiB, ceiling 256 MiB.
    /// Lives as long as the instance: a new page does not give it back.
    pub memory_bytes: u64,
    /// Elements of all its tables together. Default 10,000, ceiling 100,000.
    pub table_elements: u64,
    /// Component-model handles alive at a time (resources, streams, futures).
    /// Default and ceiling 1,000: no package can ask for more.
    pub handles: u32,
    /// Bytes that the guest may make the host copy in one host call. Default
    /// 40 MiB, ceiling 64 MiB: no package can ask for more than the default.
    pub host_call_bytes: u64,
    /// Host calls of any kind. Default 10,000, ceiling 100,000.
    pub host_calls: u64,
    /// CPU time: how long the guest has a core, work of the host on its behalf
    /// included. Looked at every 5 ms while it runs. Default 2 s, ceiling 30 s.
    pub cpu: Duration,
    /// Wall-clock time from its first turn on a core, waiting included. Default 150 s,
    /// ceiling 900 s. A delivery of
    /// a subscription has two minutes more, in which there may be nothing to tell.
    pub wall: Duration,
    /// Requests in all. Default 100, ceiling 1,000.
    pub http_requests: u32,
    /// Requests under way at a time; more wait for their turn. Default 8,
    /// ceiling 32.
    pub http_in_flight: u32,
    /// Exchanges of the interface `stream` open at a time; more are denied.
    /// Default 4, ceiling 32. Each has a connection of its own.
    pub exchanges: u32,
    /// One request body, in bytes. Default 32 MiB, ceiling 128 MiB.
    pub request_bytes: u64,
    /// One answer body once decompressed, in bytes. Default 32 MiB, ceiling
    /// 128 MiB.
    pub response_bytes: u64,
    /// One body that goes as a stream, up or down, in bytes. Below the limit of a
    /// whole body it changes nothing. Default 0, ceiling 4 GiB: it costs no
    /// memory, only the time that the transfer takes.
    pub stream_bytes: u64,
    /// Log text, in bytes. Default 64 KiB, ceiling 1 MiB.
    pub log_bytes: u64,
    /// One stored value, in bytes. Default and ceiling 64 KiB: no package can ask
    /// for more.
    pub storage_value_bytes: u64,
    /// All stored values of a package for one connection, in bytes, over all
    /// calls. Default 64 MiB, ceiling 1 GiB.
    pub storage_total_bytes: u64,
}

const MIB: u64 = 1024 * 1024;

impl Default for Limits {
    /// Sized so that a batch of 2,000 records of 5 KiB passes with room to
    /// spare, and that a guest gone wild costs at most 2 s of one core.
    fn default() -> Self {
        Self {
            memory_bytes: 64 * MIB,
            table_elements: 10_000,
            handles: 1_000,
            host_call_bytes: 40 * MIB,
            host_calls: 10_000,
            cpu: Duration::from_secs(2),
            wall: Duration::from_secs(150),
            http_requests: 100,
            http_in_flight: 8,
            exchanges: 4,
            request_bytes: 32 * MIB,
            response_bytes: 32 * MIB,
            stream_bytes: 0,
            log_bytes: 64 * 1024,
            storage_value_bytes: 64 * 1024,
            storage_total_bytes: 64 * MIB,
        }
    }
}

impl Limits {
    /// The most that any package gets unless the embedder sets another ceiling.
    #[must_use]
    pub fn ceiling() -> Self {
        Self {
            memory_bytes: 256 * MIB,
            table_elements: 100_000,
            handles: 1_000,
            host_call_bytes: 64 * MIB,
            host_calls: 100_000,
            cpu: Duration::from_secs(30),
            wall: Duration::from_secs(900),
            http_requests: 1_000,
            http_in_flight: 32,
            exchanges: 32,
            request_bytes: 128 * MIB,
            response_bytes: 128 * MIB,
            stream_bytes: 4 * 1024 * MIB,
            log_bytes: MIB,
            storage_value_bytes: 64 * 1024,
            storage_total_bytes: 1024 * MIB,
        }
    }

    /// The limits of a package: what it asks for, or the default, and never
    /// more than `self`, the ceiling.
    #[must_use]
    pub fn granted(&self, asked: &AskedLimits) -> Self {
        let default = Self::default();
        let mib =
            |asked: Option<u64>, default: u64| asked.map_or(default, |n| n.saturating_mul(MIB));
        let ms =
            |asked: Option<u64>, default: Duration| asked.map_or(default, Duration::from_millis);
        Self {
            memory_bytes: mib(asked.memory_mib, default.memory_bytes).min(self.memory_bytes),
            table_elements: default
                .table_elements
                .max(asked.table_elements.unwrap_or(0))
                .min(self.table_elements),
            handles: default.handles.min(self.handles),
            host_call_bytes: default.host_call_bytes.min(self.host_call_bytes),
            host_calls: asked
                .host_calls
                .unwrap_or(default.host_calls)
                .min(self.host_calls),
            cpu: ms(asked.cpu_ms, default.cpu).min(self.cpu),
            wall: ms(asked.wall_ms, default.wall).min(self.wall),
            http_requests: asked
                .http_requests
                .unwrap_or(default.http_requests)
                .min(self.http_requests),
            http_in_flight: asked
                .http_in_flight
                .unwrap_or(default.http_in_flight)
                .min(self.http_in_flight),
            exchanges: asked
                .exchanges
                .unwrap_or(default.exchanges)
                .min(self.exchanges),
            request_bytes: mib(asked.request_mib, default.request_bytes).min(self.request_bytes),
            response_bytes: mib(asked.response_mib, default.response_bytes)
                .min(self.response_bytes),
            stream_bytes: mib(asked.stream_mib, default.stream_bytes).min(self.stream_bytes),
            log_bytes: asked
                .log_kib
                .map_or(default.log_bytes, |n| n.saturating_mul(1024))
                .min(self.log_bytes),
            storage_value_bytes: default.storage_value_bytes.min(self.storage_value_bytes),
            storage_total_bytes: mib(asked.storage_mib, default.storage_total_bytes)
                .min(self.storage_total_bytes),
        }
    }
}

/// The `[limits]` of a manifest: what a package asks for where the defaults do
/// not fit. [`Limits`] has the defaults, and the ceilings that cut what is asked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedLimits {
    /// Linear memory, in MiB.
    pub memory_mib: Option<u64>,
    /// Elements of all tables together. Less than the default changes nothing.
    pub table_elements: Option<u64>,
    /// Host calls of any kind, for a call or a page.
    pub host_calls: Option<u64>,
    /// CPU time for a call or a page, in milliseconds.
    pub cpu_ms: Option<u64>,
    /// Wall-clock time for a call or a page, in milliseconds.
    pub wall_ms: Option<u64>,
    /// Requests for a call or a page.
    pub http_requests: Option<u32>,
    /// Requests under way at a time; more wait for their turn.
    pub http_in_flight: Option<u32>,
    /// Exchanges of the interface `stream` open at a time.
    pub exchanges: Option<u32>,
    /// One request body, in MiB.
    pub request_mib: Option<u64>,
    /// One answer body once decompressed, in MiB.
    pub response_mib: Option<u64>,
    /// One body that goes as a stream, up or down, in MiB.
    pub stream_mib: Option<u64>,
    /// Log text for a call or a page, in KiB.
    pub log_kib: Option<u64>,
    /// All stored values for one connection, in MiB.
    pub storage_mib: Option<u64>,
}

impl AskedLimits {
    /// Names of limits that are asked to be nothing: with them no call could
    /// ever end well, and some would only hang. Too little memory tells itself.
    pub(crate) fn zeros(&self) -> impl Iterator<Item = &'static str> {
        let small = |limit: Option<u32>| limit.map(u64::from);
        [
            ("host_calls", self.host_calls),
            ("cpu_ms", self.cpu_ms),
            ("wall_ms", self.wall_ms),
            ("http_requests", small(self.http_requests)),
            ("http_in_flight", small(self.http_in_flight)),
            ("exchanges", small(self.exchanges)),
            ("response_mib", self.response_mib),
        ]
        .into_iter()
        .filter_map(|(name, asked)| (asked == Some(0)).then_some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_gets_what_it_asks_for_but_never_more_than_the_ceiling() {
        let ceiling = Limits::ceiling();
        let asked = AskedLimits {
            memory_mib: Some(100_000),
            cpu_ms: Some(50),
            ..AskedLimits::default()
        };
        let limits = ceiling.granted(&asked);
        assert_eq!(limits.memory_bytes, ceiling.memory_bytes);
        assert_eq!(limits.cpu, Duration::from_millis(50));
        assert_eq!(limits.log_bytes, Limits::default().log_bytes);
    }
}
