//! `cargo xtask fuzz`: looks for bytes that break a promise, led by the code that they
//! reach.
//!
//! libFuzzer needs no more than a C++ compiler and flags that every rustc takes. What
//! it is built with goes into a target directory of its own.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::command::{Step, root, say, target};

/// How a crate is built so that it tells which of its code runs, as cargo-fuzz does it.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// The workspace of the targets.
pub(crate) const MANIFEST: &str = "fuzz/Cargo.toml";

/// How long each target is looked at if nobody says.
const SECONDS: u32 = 60;

/// Runs the targets that are named, or all: `[TARGET]… [--seconds N]`.
pub(crate) fn run(arguments: Vec<String>) -> Result<()> {
    let seeds = root()?.join("fuzz/seeds");
    let known = names(&seeds)?;
    let (wanted, seconds) = read(arguments, &known)?;
    let machine = host_triple()?;
    let directory = target()?.join("fuzz");
    Step::cargo(["build", "--release", "--target", &machine])
        .arguments(["--manifest-path", MANIFEST, "--target-dir"])
        .arguments([&directory])
        .variable("RUSTFLAGS", FLAGS)
        .announced()
        .run()
        .context(
            "the targets were not built; libFuzzer, among them, needs a C++ compiler (`c++`)",
        )?;
    let program = directory.join(machine).join("release/lockgate-fuzz");
    for name in &wanted {
        let found = directory.join("found").join(name);
        let reached = directory.join("reached").join(name);
        for made in [&found, &reached] {
            fs::create_dir_all(made)?;
        }
        say(&format!("{name}: {seconds} s"));
        Step::new(&program)
            .arguments([&reached, &seeds.join(name)])
            .arguments([
                format!("-artifact_prefix={}/", found.display()),
                format!("-max_total_time={seconds}"),
                "-max_len=4096".to_owned(),
                "-timeout=10".to_owned(),
                "-verbosity=0".to_owned(),
                "-print_final_stats=1".to_owned(),
            ])
            .variable("LOCKGATE_FUZZ_TARGET", name)
            .run()
            .with_context(|| {
                format!(
                    "the bytes that break `{name}` are in {}: mend what they break, and add \
                     them to fuzz/seeds/{name}",
                    found.display()
                )
            })?;
    }
    Ok(())
}

/// Each folder of examples is a target.
fn names(seeds: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(seeds).context("fuzz/seeds")?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn read(arguments: Vec<String>, known: &[String]) -> Result<(Vec<String>, u32)> {
    let (mut wanted, mut seconds) = (Vec::new(), SECONDS);
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        if argument == "--seconds" {
            let number = arguments.next().unwrap_or_default();
            seconds = number
                .parse()
                .with_context(|| format!("--seconds takes a number, and got `{number}`"))?;
        } else if known.contains(&argument) {
            wanted.push(argument);
        } else {
            bail!(
                "there is no target `{argument}`; there are {}",
                known.join(", ")
            );
        }
    }
    if wanted.is_empty() {
        wanted = known.to_vec();
    }
    Ok((wanted, seconds))
}

/// The machine that we run on, in the compiler's words: flags that are given with a
/// target do not reach build scripts and macros.
fn host_triple() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let (_, text) = Step::new(rustc).arguments(["-vV"]).output()?;
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    line.map(str::to_owned)
        .context("`rustc -vV` names no host: is a Rust toolchain there?")
}
