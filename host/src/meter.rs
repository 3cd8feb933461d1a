//! Counts what a guest uses against its limits while it runs.
//!
//! One meter lives in each store. What goes over a limit is stopped by a trap
//! that carries an [`Exceeded`], so that the caller learns which limit it was.

use std::fmt;
use std::time::{Duration, Instant};

use wasmtime::{ResourceLimiter, StoreContextMut, UpdateDeadline};

use crate::engine::{CORE_INSTANCES, EPOCH_TICK, MEMORIES, TABLES};
use crate::limits::Limits;

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
    cpu_ticks: u32,
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

impl Meter {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            cpu_ticks: 0,
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
        self.cpu_ticks = 0;
        self.earlier_host_calls += self.host_calls;
        self.host_calls = 0;
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
        };
        Exceeded { limit, allowed }
    }

    /// Called by wasmtime at most once a tick, and only while the guest runs:
    /// waiting for the network costs no CPU budget. A guest that wakes up often
    /// for moments is charged a whole tick each time one has passed.
    fn tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        self.cpu_ticks += 1;
        if EPOCH_TICK * self.cpu_ticks > self.limits.cpu {
            return Err(self.exceeded(Limit::Cpu).into());
        }
        // Yield, so that other tasks of this thread get their turn.
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
