//! The two engines of a host, and the clock of both.
//!
//! The *connector* engine has component-model async on: one instance overlaps
//! its requests. The *transform* engine has it off: calls are cheaper and less
//! of wasmtime is reachable. An engine is made once per host and shared by all
//! packages, so that compiled code, memory slots and the ticker are shared too.

mod ticker;

use std::hash::{Hash as _, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
};

use crate::error::Error;
use crate::limits::Limits;
use crate::manifest::World;
use crate::shares::{self, Shares, Supply, TenantStatus};
use ticker::Ticker;
pub(crate) use ticker::{EPOCH_TICK, Presence};

/// Stack of a guest. Rust guests stay under 64 KiB; interpreters need more.
const WASM_STACK_BYTES: usize = 512 * 1024;

/// Stack of the fiber that a guest runs on: its own and that of the host calls
/// above it.
const FIBER_STACK_BYTES: usize = WASM_STACK_BYTES + 512 * 1024;

/// Instances alive at a time in one engine. More calls wait for their turn.
pub(crate) const POOLED_INSTANCES: u32 = 256;

/// Core instances and tables of one component. An encoded Rust guest has four
/// core instances and two tables. One of Python has 38, since each library of the
/// interpreter is linked as an instance of its own. More of them cost no memory.
pub(crate) const CORE_INSTANCES: u32 = 64;
pub(crate) const TABLES: u32 = 8;

/// Memories of one connector, and of one transform. A guest of QuickJS has three:
/// its own, and two empty ones in what stands in for WASI. Each takes a slot of
/// 4 GiB of address space, used or not, so there are as few as will do.
const CONNECTOR_MEMORIES: u32 = 1;
pub(crate) const MEMORIES: u32 = 3;

/// Written memory of a slot that stays resident between calls, so that the common
/// call touches no page tables. 256 slots keep at most 128 MiB; the further memories
/// of a transform are there, but hardly ever written.
const KEEP_RESIDENT_BYTES: usize = 512 * 1024;

/// An engine and what its guests share: instances, and turns on the cores, which are
/// those of both engines.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) engine: Engine,
    pub(crate) instances: Arc<Supply>,
    pub(crate) turns: Arc<Supply>,
    pub(crate) shares: Arc<Shares>,
    pub(crate) settings: CodeSettings,
    clock: Arc<Ticker>,
}

/// Whether guests of an engine may be async.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Concurrency {
    On,
    Off,
}

/// The settings of an engine that are in the code which is compiled for it. Those of the
/// pool are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeSettings {
    pub(crate) concurrency: Concurrency,
    /// Whether instructions of guests are counted, which makes their code slower.
    pub(crate) is_counting: bool,
}

/// The engines of a host, with one clock.
#[derive(Debug)]
pub(crate) struct Sandboxes {
    pub(crate) connectors: Arc<Sandbox>,
    pub(crate) transforms: Arc<Sandbox>,
}

impl Sandboxes {
    /// `is_counting` says whether instructions of guests are counted.
    pub(crate) fn new(ceiling: &Limits, is_counting: bool, shares: Shares) -> Result<Self, Error> {
        let settings = |concurrency| CodeSettings {
            concurrency,
            is_counting,
        };
        let (on, off) = (settings(Concurrency::On), settings(Concurrency::Off));
        let (connectors, transforms) = (engine(on, ceiling)?, engine(off, ceiling)?);
        let epochs = [connectors.weak(), transforms.weak()];
        let turns = shares.turns();
        let given = Arc::clone(&turns);
        let clock = Ticker::start(move || {
            for engine in epochs.iter().filter_map(wasmtime::EngineWeak::upgrade) {
                engine.increment_epoch();
            }
            given.tick();
        })?;
        let shares = Arc::new(shares);
        let sandbox = |engine, settings| {
            Arc::new(Sandbox {
                engine,
                settings,
                instances: shares.instances(),
                turns: Arc::clone(&turns),
                shares: Arc::clone(&shares),
                clock: Arc::clone(&clock),
            })
        };
        Ok(Self {
            connectors: sandbox(connectors, on),
            transforms: sandbox(transforms, off),
        })
    }

    /// The one that packages of a world run in.
    pub(crate) const fn of(&self, world: World) -> &Arc<Sandbox> {
        match world {
            World::Connector => &self.connectors,
            World::Transform => &self.transforms,
        }
    }

    /// What each tenant has at the moment.
    pub(crate) fn tenants(&self) -> Vec<TenantStatus> {
        let instances = [&*self.connectors.instances, &*self.transforms.instances];
        shares::status(&self.connectors.turns, &instances)
    }

    /// Sets a tenant's weight.
    pub(crate) fn weigh(&self, tenant: &str, weight: u32) {
        let (connectors, transforms) = (&self.connectors, &self.transforms);
        let all = [
            &connectors.turns,
            &connectors.instances,
            &transforms.instances,
        ];
        all.into_iter()
            .for_each(|supply| supply.weigh(tenant, weight));
    }
}

impl Sandbox {
    /// Keeps the clock going for a guest.
    pub(crate) fn enter(&self) -> Presence {
        self.clock.enter()
    }
}

/// Makes an engine with pooled instances, or, where the machine has not enough
/// address space for the pool, with instances made on demand.
fn engine(settings: CodeSettings, ceiling: &Limits) -> Result<Engine, Error> {
    let mut config = config(settings);
    let memories = match settings.concurrency {
        Concurrency::On => CONNECTOR_MEMORIES,
        Concurrency::Off => MEMORIES,
    };
    let pool = pool(ceiling, memories);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).or_else(|error| {
        tracing::warn!(%error, "no room for pooled instances: calls will start slower");
        config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
        Engine::new(&config).map_err(|error| Error::Engine(error.to_string()))
    })
}

/// An engine whose code runs in those of hosts with these settings, and that runs none
/// itself: it has no pool.
pub(crate) fn compiler(settings: CodeSettings) -> Result<Engine, Error> {
    Engine::new(&config(settings)).map_err(|error| Error::Engine(error.to_string()))
}

/// Stands for all that code must fit which is compiled for an engine: the version of
/// wasmtime, the machine, the settings. SHA-256, in hexadecimal.
pub(crate) fn fingerprint(engine: &Engine) -> String {
    let mut hasher = Sha256Hasher(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let digest = hasher.0.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes what is hashed whole, rather than 64 bits of it.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

fn config(settings: CodeSettings) -> Config {
    let mut config = Config::new();
    let asynchronous = settings.concurrency == Concurrency::On;
    config
        .consume_fuel(settings.is_counting)
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

/// A pool whose instances have so many memories at most.
fn pool(ceiling: &Limits, memories: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    let memory = usize::try_from(ceiling.memory_bytes).unwrap_or(usize::MAX);
    let elements = usize::try_from(ceiling.table_elements).unwrap_or(usize::MAX);
    pool.total_component_instances(POOLED_INSTANCES)
        .total_core_instances(POOLED_INSTANCES * CORE_INSTANCES)
        .total_memories(POOLED_INSTANCES * memories)
        .total_tables(POOLED_INSTANCES * TABLES)
        .total_stacks(POOLED_INSTANCES * 2)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(memories)
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
