//! What people use instead: Extism with the same Rust code, and QuickJS and LuaJIT with
//! the same rules as scripts. Each is fed JSON text and gives JSON text, and is set up
//! as its documentation has it for code that may not run for ever, where it can be.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use bytes::Bytes;
use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};
use mlua::{Function as LuaFunction, Lua};
use rquickjs::{CatchResultExt as _, Context, Function, Module, Persistent, Runtime};

use crate::job::Job;
use crate::{Options, work};

/// How long any of them may take for a batch: as long as ours by default.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Jobs with this batch.
pub fn jobs(options: &Options, batch: &[u8]) -> Result<Vec<Job>> {
    let compiled = compile(options)?;
    Ok(vec![
        extism_warm(&compiled, EXTISM_WARM, "score", batch.to_vec())?,
        extism_warm(&compiled, EXTISM_ECHO, "echo", batch.to_vec())?,
        extism_fresh(compiled, batch.to_vec()),
        quickjs(batch)?,
        luajit(batch)?,
    ])
}

/// With a timeout, so epochs are on as they are with us; and with the memory that ours
/// may have. It caches compiled code by itself.
fn compile(options: &Options) -> Result<CompiledPlugin> {
    let wasm = fs::read(&options.extism).context("cannot read the module for Extism")?;
    let manifest = Manifest::new([Wasm::data(wasm)])
        .with_config_key("settings", work::RULES)
        .with_memory_max(1024)
        .with_timeout(TIMEOUT);
    PluginBuilder::new(manifest).with_wasi(false).compile()
}

const EXTISM: &str = "1.30.0, wasmtime 43";

/// The row that ours is held against.
pub const EXTISM_WARM: &str = "Extism, warm";

/// The row of Extism's own work.
pub const EXTISM_ECHO: &str = "Extism, a guest that echoes";

/// One plugin for all batches, of which this function is called.
fn extism_warm(
    compiled: &CompiledPlugin,
    engine: &'static str,
    function: &'static str,
    batch: Vec<u8>,
) -> Result<Job> {
    let mut plugin = Plugin::new_from_compiled(compiled)?;
    Ok(Job {
        engine,
        version: EXTISM.to_owned(),
        run: Box::new(move || {
            let records: Vec<u8> = plugin.call(function, batch.as_slice())?;
            Ok(records.into())
        }),
    })
}

fn extism_fresh(compiled: CompiledPlugin, batch: Vec<u8>) -> Job {
    Job {
        engine: "Extism, fresh",
        version: EXTISM.to_owned(),
        run: Box::new(move || {
            let mut plugin = Plugin::new_from_compiled(&compiled)?;
            let records: Vec<u8> = plugin.call("score", batch.as_slice())?;
            Ok(records.into())
        }),
    }
}

/// `JSON.parse` and `JSON.stringify` are QuickJS's own. A deadline is looked at where
/// the engine asks for it.
fn quickjs(batch: &[u8]) -> Result<Job> {
    let script = Script::new()?;
    let text = std::str::from_utf8(batch)?.to_owned();
    Ok(Job {
        engine: "rquickjs",
        version: "0.14.0, QuickJS-NG".to_owned(),
        run: Box::new(move || script.apply(&text).map(Bytes::from)),
    })
}

/// The rules in a runtime of their own.
struct Script {
    /// Dropped before the runtime that it is of.
    apply: Persistent<Function<'static>>,
    context: Context,
    deadline: Arc<Mutex<Instant>>,
}

impl Script {
    fn new() -> Result<Self> {
        let runtime = Runtime::new()?;
        runtime.set_memory_limit(64 * 1024 * 1024);
        let deadline = Arc::new(Mutex::new(Instant::now() + TIMEOUT));
        let asked = Arc::clone(&deadline);
        runtime.set_interrupt_handler(Some(Box::new(move || {
            asked
                .lock()
                .is_ok_and(|deadline| Instant::now() > *deadline)
        })));
        let context = Context::full(&runtime)?;
        let apply = context.with(|context| -> Result<_> {
            let source = format!(
                "{}\nexport const apply = (text) => JSON.stringify(score(JSON.parse(text)));",
                include_str!("../guests/rules.js")
            );
            let module = Module::declare(context.clone(), "rules", source);
            let evaluated = module.and_then(|module| {
                let (module, evaluated) = module.eval()?;
                evaluated.finish::<()>()?;
                module.get::<_, Function<'_>>("apply")
            });
            let apply = evaluated.catch(&context);
            let apply = apply.map_err(|error| anyhow!("the rules: {error}"))?;
            Ok(Persistent::save(&context, apply))
        })?;
        Ok(Self {
            apply,
            context,
            deadline,
        })
    }

    fn apply(&self, text: &str) -> Result<String> {
        if let Ok(mut deadline) = self.deadline.lock() {
            *deadline = Instant::now() + TIMEOUT;
        }
        self.context.with(|context| -> Result<_> {
            let apply = self.apply.clone().restore(&context)?;
            let given: rquickjs::Result<String> = apply.call((text,));
            let given = given.catch(&context);
            given.map_err(|error| anyhow!("{error}"))
        })
    }
}

/// JSON becomes Lua's tables, and they JSON again, by way of mlua's serde. What LuaJIT
/// has compiled cannot be interrupted, so there is no deadline.
fn luajit(batch: &[u8]) -> Result<Job> {
    let lua = Lua::new();
    let rules = lua.load(include_str!("../guests/rules.lua"));
    let score: LuaFunction = rules.eval().map_err(lua_error)?;
    let batch = batch.to_vec();
    Ok(Job {
        engine: "mlua",
        version: "0.12.2, LuaJIT".to_owned(),
        run: Box::new(move || {
            let mut json = serde_json::Deserializer::from_slice(&batch);
            let records = serde_transcode::transcode(&mut json, mlua::serde::Serializer::new(&lua));
            let records = records.map_err(lua_error)?;
            score.call::<()>(&records).map_err(lua_error)?;
            Ok(serde_json::to_vec(&records)?.into())
        }),
    })
}

/// Errors of Lua may hold what belongs to one thread.
fn lua_error(error: mlua::Error) -> anyhow::Error {
    anyhow!("{error}")
}
