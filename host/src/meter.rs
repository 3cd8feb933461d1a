//! Counts what a guest uses against its limits while it runs.
//!
//! One meter lives in each store. What goes over a limit is stopped by a trap
//! that carries an [`Exceeded`], so that the caller learns which limit it was.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wasmtime::{ResourceLimiter, StoreContextMut, UpdateDeadline};

use crate::engine::{CORE_INSTANCES, EPOCH_TICK, MEMORIES, TABLES};
use crate::limits::Limits;
use crate::rollout::Used;

/// A limit of the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// CPU time of a call or a page.
    Cpu,
    /// Wall-clock time of a call or a page.
    Wall,
    /// Linear memory.
    Memory,
    /// Elements of tables.
    Table,
    /// The call stack.
    Stack,
    /// Live component-model handles.
    Handles,
    /// Bytes handed to the host in one host call.
    HostCallBytes,
    /// Host calls of any kind.
    HostCalls,
    /// Log text.
    Log,
    /// Requests, which are denied beyond it: a call that gave up because of that.
    HttpRequests,
}

impl Limit {
    /// How a manifest asks for more of it in `[limits]`; `None` where it cannot.
    #[must_use]
    pub const fn manifest_key(self) -> Option<&'static str> {
        match self {
            Self::Cpu => Some("cpu_ms"),
            Self::Wall => Some("wall_ms"),
            Self::Memory => Some("memory_mib"),
            Self::Table => Some("table_elements"),
            Self::HostCalls => Some("host_calls"),
            Self::Log => Some("log_kib"),
            Self::HttpRequests => Some("http_requests"),
            Self::Stack | Self::Handles | Self::HostCallBytes => None,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "CPU time",
            Self::Wall => "wall-clock time",
            Self::Memory => "memory",
            Self::Table => "table size",
            Self::Stack => "call stack",
            Self::Handles => "live handles",
            Self::HostCallBytes => "bytes handed over at once",
            Self::HostCalls => "host calls",
            Self::Log => "log text",
            Self::HttpRequests => "requests of a call",
        })
    }
}

/// The trap of a guest that went over a limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("over the limit of {limit}: {allowed}")]
pub(crate) struct Exceeded {
    pub(crate) limit: Limit,
    /// The limit with its unit, for people.
    pub(crate) allowed: String,
}

impl Exceeded {
    /// What took longer than this.
    pub(crate) fn wall(limit: Duration) -> Self {
        Self {
            limit: Limit::Wall,
            allowed: format!("{} ms", limit.as_millis()),
        }
    }
}

/// What a guest has used so far.
#[derive(Debug)]
pub(crate) struct Meter {
    limits: Limits,
    ran: Arc<Ran>,
    traffic: Arc<Traffic>,
    /// What it ran before the last [`Self::rearm`].
    ran_before: Duration,
    host_calls: u64,
    /// Those before the last [`Self::rearm`].
    earlier_host_calls: u64,
    memory_bytes: u64,
    table_elements: u64,
    /// The growth that was refused last. A guest usually traps right after, and
    /// this is why.
    refused_growth: Option<Limit>,
    started: Instant,
}

/// For how long a guest ran, and the host on its behalf: the time in which it had a core.
#[derive(Debug)]
pub(crate) struct Ran {
    origin: Instant,
    /// All of its turns that are over, in nanoseconds.
    turns_ns: AtomicU64,
    /// When the one began that is under way, in nanoseconds from the origin.
    since_ns: AtomicU64,
}

impl Ran {
    fn new() -> Self {
        Self {
            origin: Instant::now(),
            turns_ns: AtomicU64::new(0),
            since_ns: AtomicU64::new(0),
        }
    }

    /// A turn begins.
    pub(crate) fn begin(&self) {
        self.since_ns.store(self.now_ns(), Ordering::Relaxed);
    }

    /// It is over; gives how long it was.
    pub(crate) fn end(&self) -> Duration {
        let turn = self.turn();
        let turn_ns = u64::try_from(turn.as_nanos()).unwrap_or(u64::MAX);
        self.turns_ns.fetch_add(turn_ns, Ordering::Relaxed);
        turn
    }

    /// All turns that are over.
    pub(crate) fn turns(&self) -> Duration {
        Duration::from_nanos(self.turns_ns.load(Ordering::Relaxed))
    }

    /// The turn that is under way, up to now.
    fn turn(&self) -> Duration {
        let since_ns = self.since_ns.load(Ordering::Relaxed);
        Duration::from_nanos(self.now_ns().saturating_sub(since_ns))
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// What goes between a guest and the world, apart from other calls of the host.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    requests: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl Traffic {
    /// One more request, or exchange.
    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// So many bytes came in.
    pub(crate) fn came(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// So many bytes went out.
    pub(crate) fn went(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Meter {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            ran: Arc::new(Ran::new()),
            traffic: Arc::default(),
            ran_before: Duration::ZERO,
            host_calls: 0,
            earlier_host_calls: 0,
            memory_bytes: 0,
            table_elements: 0,
            refused_growth: None,
            started: Instant::now(),
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Begins a new page: time and host calls count afresh, memory goes on.
    pub(crate) fn rearm(&mut self) {
        self.ran_before = self.ran.turns();
        self.earlier_host_calls += self.host_calls;
        self.host_calls = 0;
    }

    /// What goes out and comes in.
    pub(crate) fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }

    /// What was used in all, with what its guest has waited for.
    pub(crate) fn used(&self, queued: Duration) -> Used {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Used {
            memory_bytes: self.memory_bytes,
            cpu: self.ran.turns(),
            queued,
            host_calls: self.all_host_calls(),
            requests: of(&self.traffic.requests),
            bytes_in: of(&self.traffic.bytes_in),
            bytes_out: of(&self.traffic.bytes_out),
        }
    }

    /// For how long it ran.
    pub(crate) fn ran(&self) -> Arc<Ran> {
        Arc::clone(&self.ran)
    }

    /// Linear memory of the instance: as much as it ever had, since none is given back.
    pub(crate) const fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// Host calls since the instance was made.
    pub(crate) const fn all_host_calls(&self) -> u64 {
        self.earlier_host_calls + self.host_calls
    }

    /// Milliseconds since the call began.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Counts one host call.
    pub(crate) fn host_call(&mut self) -> wasmtime::Result<()> {
        self.host_calls += 1;
        if self.host_calls > self.limits.host_calls {
            return Err(self.exceeded(Limit::HostCalls).into());
        }
        Ok(())
    }

    /// Why a trap happened, if a refused growth explains it.
    pub(crate) fn explanation(&self) -> Option<Exceeded> {
        self.refused_growth.map(|limit| self.exceeded(limit))
    }

    /// Names a limit with its value.
    pub(crate) fn exceeded(&self, limit: Limit) -> Exceeded {
        let limits = &self.limits;
        let allowed = match limit {
            Limit::Cpu => format!("{} ms", limits.cpu.as_millis()),
            Limit::Wall => return Exceeded::wall(limits.wall),
            Limit::Memory => format!("{} MiB", limits.memory_bytes / (1024 * 1024)),
            Limit::Table => format!("{} elements", limits.table_elements),
            Limit::Stack => "512 KiB".to_owned(),
            Limit::Handles => format!("{} handles", limits.handles),
            Limit::HostCallBytes => format!("{} MiB", limits.host_call_bytes / (1024 * 1024)),
            Limit::HostCalls => format!("{} host calls", limits.host_calls),
            Limit::Log => format!("{} KiB", limits.log_bytes / 1024),
            Limit::HttpRequests => limits.http_requests.to_string(),
        };
        Exceeded { limit, allowed }
    }

    /// Called by wasmtime at most once a tick, and only while the guest runs:
    /// waiting for the network, or for a turn, costs no CPU budget.
    fn tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        let turn = self.ran.turn();
        if self.ran.turns() + turn > self.ran_before + self.limits.cpu {
            return Err(self.exceeded(Limit::Cpu).into());
        }
        // The tick that ends while a guest waits is not of the turn that follows.
        if turn < EPOCH_TICK / 2 {
            return Ok(UpdateDeadline::Continue(1));
        }
        // Gives the turn back, to other guests and to other tasks of this thread.
        Ok(UpdateDeadline::Yield(1))
    }
}

/// State with a meter in it.
pub(crate) trait Metered: Send + 'static {
    fn meter(&mut self) -> &mut Meter;
}

/// Puts a store under its meter.
pub(crate) fn arm<T: Metered>(store: &mut wasmtime::Store<T>) {
    let (host_call_bytes, handles) = {
        let limits = store.data_mut().meter().limits();
        (limits.host_call_bytes, limits.handles)
    };
    store.limiter(|state| state.meter() as &mut dyn ResourceLimiter);
    store.set_hostcall_fuel(usize::try_from(host_call_bytes).unwrap_or(usize::MAX));
    store.set_max_component_handles(handles as usize);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut context: StoreContextMut<'_, T>| {
        context.data_mut().meter().tick()
    });
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let grown = desired.saturating_sub(current) as u64;
        let total = self.memory_bytes.saturating_add(grown);
        if total > self.limits.memory_bytes {
            self.refused_growth = Some(Limit::Memory);
            return Ok(false);
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let grown = desired.saturating_sub(current) as u64;
        let total = self.table_elements.saturating_add(grown);
        if total > self.limits.table_elements {
            self.refused_growth = Some(Limit::Table);
            return Ok(false);
        }
        self.table_elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }
}
