//! The other side: what runs in the process that compiles.

use std::io::{self, BufRead, Read as _, Write};
use std::process::ExitCode;

use wasmtime::OutOfMemory;

use super::wire::{Answer, Request};
use crate::engine;

/// The longest line of a request, in bytes. Ours has some 200.
const MAX_LINE_BYTES: u64 = 4 * 1024;

/// The longest refusal that is handed on, in bytes.
const MAX_REASON_BYTES: usize = 64 * 1024;

/// Compiles one package for a host, which has started this process as its
/// [`Compiler`](crate::Compiler): all that such a program has to do.
///
/// Reads the task from standard input, limits this process to what it says, compiles, and
/// writes the outcome to standard output. To be called first in `main`, before threads
/// are started or files are opened: the limits hold for all of the process, and it can
/// open no more files. Blocks until it is done.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     lockgate::compile_helper()
/// }
/// ```
#[must_use]
pub fn compile_helper() -> ExitCode {
    match serve(&mut io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told that this failed.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(input: &mut impl BufRead, output: &mut impl Write) -> io::Result<()> {
    let mut line = Vec::new();
    input
        .by_ref()
        .take(MAX_LINE_BYTES)
        .read_until(b'\n', &mut line)?;
    let request = Request::parse(&line)
        .map_err(|error| io::Error::other(format!("this is no task of a host: {error}")))?;
    // Before a byte of the package is read.
    confine(&request)?;
    let (line, code) = answer(&request, input)?.into_parts();
    output.write_all(&line)?;
    output.write_all(&code)?;
    output.flush()
}

fn answer(request: &Request, input: &mut impl BufRead) -> io::Result<Answer> {
    let engine = engine::compiler(request.settings).map_err(io::Error::other)?;
    if engine::fingerprint(&engine) != request.engine {
        return Ok(Answer::OtherEngine(env!("CARGO_PKG_VERSION").to_owned()));
    }
    let mut component = Vec::with_capacity(request.component_bytes);
    input.read_to_end(&mut component)?;
    if component.len() != request.component_bytes {
        return Err(io::Error::other("the host has gone"));
    }
    Ok(match engine.precompile_component(&component) {
        Ok(code) => Answer::Code(code.into()),
        Err(error) if error.is::<OutOfMemory>() => Answer::OutOfMemory,
        Err(error) => {
            let mut reason = format!("{error:#}");
            reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
            Answer::Refused(reason)
        }
    })
}

/// Limits this process, for good.
#[cfg(unix)]
fn confine(request: &Request) -> io::Result<()> {
    use rustix::process::Resource;
    // A crash leaves no image of memory, nothing is written to a file, and none is opened
    // beside the three streams.
    limit(Resource::Core, 0, 0)?;
    limit(Resource::Fsize, 0, 0)?;
    limit(Resource::Nofile, 3, 3)?;
    // What may be written to, rather than all address space: of that engines and threads
    // reserve much and use little.
    limit(Resource::Data, request.memory_bytes, request.memory_bytes)?;
    // The first limit ends it with a signal that says so; the second cannot be ignored.
    limit(
        Resource::Cpu,
        request.cpu_seconds,
        request.cpu_seconds.saturating_add(1),
    )
}

#[cfg(unix)]
fn limit(resource: rustix::process::Resource, soft: u64, hard: u64) -> io::Result<()> {
    use rustix::process::{Rlimit, getrlimit, setrlimit};
    // Whoever has started the host may have set a lower one.
    let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let rlimit = Rlimit {
        current: Some(soft.min(most)),
        maximum: Some(hard.min(most)),
    };
    setrlimit(resource, rlimit)
        .map_err(|error| io::Error::other(format!("cannot limit this process: {error}")))
}

/// The host's clock is all there is.
#[cfg(not(unix))]
fn confine(_: &Request) -> io::Result<()> {
    Ok(())
}
