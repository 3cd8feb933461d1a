//! The two engines of a host, and the thread that makes their clocks tick.
//!
//! The *connector* engine has component-model async on: one instance overlaps
//! its requests. The *transform* engine has it off: calls are cheaper and less
//! of wasmtime is reachable. An engine is made once per host and shared by all
//! packages, so that compiled code, memory slots and the ticker are shared too.

use std::time::Duration;

use tokio::sync::Semaphore;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
};

use crate::error::Error;
use crate::limits::Limits;

/// How often a running guest looks up: the grain of CPU limits and of fairness
/// between guests on one thread. Shorter costs guests time, longer lets a
/// spinning guest hold a worker thread.
pub(crate) const EPOCH_TICK: Duration = Duration::from_millis(5);

/// Stack of a guest. Rust guests stay under 64 KiB; interpreters need more.
const WASM_STACK_BYTES: usize = 512 * 1024;

/// Stack of the fiber that a guest runs on: its own and that of the host calls
/// above it.
const FIBER_STACK_BYTES: usize = WASM_STACK_BYTES + 512 * 1024;

/// Instances alive at a time in one engine. More calls wait for their turn.
const POOLED_INSTANCES: u32 = 256;

/// Core instances and tables of one component. An encoded Rust guest has four
/// core instances and two tables; adapters add a few.
pub(crate) const CORE_INSTANCES: u32 = 20;
pub(crate) const TABLES: u32 = 8;

/// Written memory of a slot that stays resident between calls, so that the common
/// call touches no page tables. 256 slots keep at most 128 MiB.
const KEEP_RESIDENT_BYTES: usize = 512 * 1024;

/// An engine and the right to be one of its live instances.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) engine: Engine,
    pub(crate) slots: std::sync::Arc<Semaphore>,
}

/// Whether guests of an engine may be async.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Concurrency {
    On,
    Off,
}

impl Sandbox {
    /// Makes an engine with pooled instances, or, where the machine has not
    /// enough address space for the pool, with instances made on demand.
    pub(crate) fn new(concurrency: Concurrency, ceiling: &Limits) -> Result<Self, Error> {
        let mut config = config(concurrency);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(ceiling)));
        let engine = match Engine::new(&config) {
            Ok(engine) => engine,
            Err(error) => {
                tracing::warn!(%error, "no room for pooled instances: calls will start slower");
                config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
                Engine::new(&config).map_err(|error| Error::Engine(error.to_string()))?
            }
        };
        start_ticker(&engine)?;
        Ok(Self {
            engine,
            slots: std::sync::Arc::new(Semaphore::new(POOLED_INSTANCES as usize)),
        })
    }
}

fn config(concurrency: Concurrency) -> Config {
    let mut config = Config::new();
    let asynchronous = concurrency == Concurrency::On;
    config
        .wasm_component_model(true)
        .wasm_component_model_async(asynchronous)
        .concurrency_support(asynchronous)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        .cranelift_opt_level(OptLevel::Speed)
        .memory_init_cow(true)
        // Registering unwind tables can be quadratic in the number of loaded
        // modules, and a host that swaps versions loads many.
        .native_unwind_info(false)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(8));
    config
}

fn pool(ceiling: &Limits) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    let memory = usize::try_from(ceiling.memory_bytes).unwrap_or(usize::MAX);
    let elements = usize::try_from(ceiling.table_elements).unwrap_or(usize::MAX);
    pool.total_component_instances(POOLED_INSTANCES)
        .total_core_instances(POOLED_INSTANCES * CORE_INSTANCES)
        .total_memories(POOLED_INSTANCES)
        .total_tables(POOLED_INSTANCES * TABLES)
        .total_stacks(POOLED_INSTANCES * 2)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(1)
        .max_tables_per_component(TABLES)
        .max_tables_per_module(TABLES)
        .max_memory_size(memory)
        .table_elements(elements)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        // Where the kernel can tell which pages were written, only these are
        // reset.
        .pagemap_scan(Enabled::Auto)
        .async_stack_keep_resident(64 * 1024)
        .table_keep_resident(8 * 1024);
    pool
}

/// One thread per engine, which ends with it. A timer task would stand still
/// exactly when it is needed: while a guest holds the worker thread.
fn start_ticker(engine: &Engine) -> Result<(), Error> {
    let engine = engine.weak();
    std::thread::Builder::new()
        .name("lockgate-epoch".to_owned())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(EPOCH_TICK);
            }
        })
        .map(drop)
        .map_err(|error| Error::Engine(format!("cannot start the epoch thread: {error}")))
}
