//! Builds, demos, tests and checks of this repository: `cargo xtask NAME`.
//!
//! For what takes more than one command, and no more than that: everything
//! here can be done by hand with what it prints.

mod check;
mod command;
mod engines;
mod fuzz;
mod peers;
mod servers;
mod setup;

use std::process::ExitCode;
use std::thread::JoinHandle;

use anyhow::{Result, bail};

use command::{Step, say};

/// What there is to run.
const USAGE: &str = "usage: cargo xtask NAME

  setup          adds the compile target of guests, and a PostgreSQL server for
                 the tests where apt-get may install one
  demo [ARGS]    setup, then runs `lockgate demo ARGS`
  test [--long]  setup, then all tests; --long adds those that take minutes, and
                 `fuzz` (further arguments go to cargo test)
  crash          kills the host that has a sync at work, again and again, and
                 audits both sides; --cycles N (100), --seed N
  authoring      plugins in JavaScript and Python from nothing to a call, with what
                 they are built with from the registries; needs Node and Python
  fuzz [TARGET]… looks for bytes that break what is read from strangers, led by the
                 code that they reach; --seconds N (60) for each; needs a C++ compiler
  check          format, the contract, lints, documentation, dependencies
  wit-check      whether components that are compiled still fit the contract, and
                 whether its version says so
  peers          Salesforce clients that we did not write, against the dev org
  bench-peers    what those clients cost beside ours; --rows N, --task NAME,
                 --rounds N
  bench-engines  what transforms cost beside native Rust, Extism, QuickJS and LuaJIT;
                 --rounds N, --connections N
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    match run(&task, rest) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(task: &str, arguments: Vec<String>) -> Result<ExitCode> {
    match task {
        "setup" => {
            without_arguments(task, &arguments)?;
            setup::run()?;
            servers::install();
        }
        "demo" => return demo(arguments),
        "test" => test(arguments)?,
        "crash" => crash(&arguments)?,
        "authoring" => without_arguments(task, &arguments).and_then(|()| authoring())?,
        "check" => without_arguments(task, &arguments).and_then(|()| check::run())?,
        "fuzz" => fuzz::run(arguments)?,
        "wit-check" => without_arguments(task, &arguments).and_then(|()| check::contract())?,
        "peers" => without_arguments(task, &arguments).and_then(|()| peers::run())?,
        "bench-peers" => peers::bench(arguments)?,
        "bench-engines" => engines::bench(arguments)?,
        "" | "help" | "-h" | "--help" => command::show(USAGE),
        other => bail!("there is no task `{other}`\n\n{USAGE}"),
    }
    Ok(ExitCode::SUCCESS)
}

fn without_arguments(task: &str, arguments: &[String]) -> Result<()> {
    match arguments.first() {
        Some(argument) => bail!("{task} takes no arguments, and got `{argument}`"),
        None => Ok(()),
    }
}

/// The demo's exit code is ours.
fn demo(arguments: Vec<String>) -> Result<ExitCode> {
    setup::run()?;
    let connector = compile_connector()?;
    // Built with all that the tests are, of which one small one comes along: else
    // cargo gives the crates that both share other features, and `cargo xtask test`
    // compiles wasmtime once more.
    let built = Step::cargo(["build", "--locked", "--workspace"])
        .quiet_in_a_pipe()
        .arguments(["--bin", "lockgate", "--test", "routes"])
        .run();
    // The build has waited for it, or failed without it.
    let _ = connector.join();
    built?;
    Step::new(command::built("debug", "lockgate")?)
        .arguments(["demo"])
        .arguments(arguments)
        .exit_code()
}

/// Compiles the largest guest beside everything else: it keeps one core busy for
/// minutes, and cargo would come to it when nothing else is left. What goes wrong
/// with it is told by the build that needs it.
fn compile_connector() -> Result<JoinHandle<()>> {
    let directory = command::root()?.join("connector-wasm");
    let options = guest_build::Options {
        target_directory: Some(command::target()?.join("guests")),
        locked: true,
        ..guest_build::Options::default()
    };
    Ok(std::thread::spawn(move || {
        let _ = guest_build::compile(&directory, &options);
    }))
}

fn crash(arguments: &[String]) -> Result<()> {
    setup::run()?;
    let mut step = Step::cargo(["test", "--workspace", "--locked", "--test", "crash"])
        .arguments(["--", "--nocapture"])
        .variable("LOCKGATE_CRASH_CYCLES", "100");
    for pair in arguments.chunks(2) {
        step = match pair {
            [name, number] if name == "--cycles" => step.variable("LOCKGATE_CRASH_CYCLES", number),
            [name, number] if name == "--seed" => step.variable("LOCKGATE_CRASH_SEED", number),
            _ => bail!(
                "crash takes --cycles N and --seed N, and got `{}`",
                pair.join(" ")
            ),
        };
    }
    step.announced().run()
}

/// The tests of `lockgate plugin` that ordinary runs leave out.
fn authoring() -> Result<()> {
    setup::run()?;
    Step::cargo(["test", "--workspace", "--locked", "--test", "authoring"])
        .arguments(["--", "--ignored"])
        .announced()
        .run()
}

fn test(mut arguments: Vec<String>) -> Result<()> {
    setup::run()?;
    servers::install();
    let is_long = arguments.iter().any(|argument| argument == "--long");
    arguments.retain(|argument| argument != "--long");
    let mut step = Step::cargo(["test", "--workspace", "--locked"]).arguments(arguments);
    if is_long {
        step = step
            .variable("LOCKGATE_LONG", "1")
            .variable("PROPTEST_CASES", "10000");
    }
    step.announced().run()?;
    if is_long {
        fuzz::run(Vec::new())
    } else {
        Ok(())
    }
}
