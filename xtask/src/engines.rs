//! `cargo xtask bench-engines`: what transforms cost beside native Rust, Extism, QuickJS
//! and LuaJIT. Builds what the bench needs and runs it; `tests/benches/engines` measures.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::command::{Step, built, root, say, target};
use crate::setup;

/// The bench, a workspace of its own.
pub(crate) const MANIFEST: &str = "tests/benches/engines/Cargo.toml";

/// Packages of the main workspace, by folder.
const PACKAGES: [(&str, &str); 3] = [
    ("lead-scorer", "plugins/lead-scorer"),
    ("contact-normalizer", "plugins/contact-normalizer"),
    ("salesforce", "connector-wasm"),
];

/// Builds all that is compared, and compares it; the arguments are the bench's own:
/// `--rounds N`, `--connections N`.
///
/// # Errors
/// When something cannot be built, or an engine gives other records than the others.
pub(crate) fn bench(arguments: Vec<String>) -> Result<()> {
    setup::run()?;
    let folder = target()?.join("bench-engines");
    fs::create_dir_all(&folder)?;
    let bench = Bench {
        lockgate: lockgate()?,
        packages: folder.join("packages"),
        folder,
        engines: target()?.join("engines"),
    };
    for (name, source) in PACKAGES {
        bench.build("package", &root()?.join(source), name)?;
    }
    let echo = root()?.join("tests/benches/engines/echo");
    bench.build("package", &echo, "echo")?;
    let guests = root()?.join("tests/benches/engines/guests");
    bench.interpreted(
        "js",
        "Node",
        &["node", "npm"],
        &guests,
        &["plugin.js", "rules.js"],
    )?;
    bench.interpreted("python", "Python", &["python3"], &guests, &["plugin.py"])?;
    let options = guest_build::Options {
        target_directory: Some(bench.engines.join("guests")),
        locked: true,
        ..guest_build::Options::default()
    };
    let scorer = root()?.join("tests/benches/engines/extism-scorer");
    let extism = guest_build::compile(&scorer, &options)?;
    Step::cargo(["run", "--release", "--manifest-path", MANIFEST])
        .arguments(["--target-dir".as_ref(), bench.engines.as_os_str()])
        .arguments([
            "--".as_ref(),
            "--packages".as_ref(),
            bench.packages.as_os_str(),
        ])
        .arguments(["--extism".as_ref(), extism.as_os_str()])
        .arguments(["--lockgate".as_ref(), bench.lockgate.as_os_str()])
        .arguments([
            "--output".as_ref(),
            target()?.join("bench/engines.json").as_os_str(),
        ])
        .arguments(arguments)
        .run()
}

/// The command, optimised: with one of the other benches, so that what they are made
/// of is built once for all of them.
fn lockgate() -> Result<PathBuf> {
    Step::cargo(["build", "--release", "--locked", "--workspace"])
        .arguments(["--bin", "lockgate", "--bench", "peers"])
        .announced()
        .run()?;
    built("release", "lockgate")
}

/// Where what is compared is built.
struct Bench {
    lockgate: PathBuf,
    folder: PathBuf,
    packages: PathBuf,
    engines: PathBuf,
}

impl Bench {
    /// Builds a package with `lockgate package build` or `lockgate plugin build`.
    fn build(&self, noun: &'static str, source: &Path, name: &str) -> Result<()> {
        let mut step = self.step().arguments([noun, "build"]);
        if source.starts_with(root()?.join("tests/benches/engines")) {
            // Else its target directory would be among the sources.
            step = step.variable("CARGO_TARGET_DIR", &self.engines);
        }
        step.arguments([source, "--into".as_ref(), &self.packages.join(name)])
            .run()
    }

    /// Builds a guest in an interpreted language: what `lockgate plugin new` makes, with
    /// our sources in it. Where its tools are missing its row is left out.
    fn interpreted(
        &self,
        language: &'static str,
        called: &str,
        tools: &[&str],
        sources: &Path,
        files: &[&str],
    ) -> Result<()> {
        let name = format!("lead-{language}");
        if let Some(tool) = tools.iter().find(|tool| !is_there(tool)) {
            say(&format!(
                "SKIPPED: the guest in {called}, since there is no `{tool}` here"
            ));
            let package = self.packages.join(name);
            // One of an earlier run may be of other sources.
            return match package.exists() {
                true => Ok(fs::remove_dir_all(package)?),
                false => Ok(()),
            };
        }
        let directory = self.folder.join(&name);
        if !directory.exists() {
            self.step()
                .arguments(["plugin", "new", &name, "--lang", language, "--into"])
                .arguments([&directory])
                .run()?;
        }
        for file in files {
            fs::copy(sources.join(file), directory.join("src").join(file))
                .with_context(|| format!("cannot copy {file}"))?;
        }
        self.build("plugin", &directory, &name)
    }

    /// The command with a data directory of its own.
    fn step(&self) -> Step {
        Step::new(&self.lockgate).variable("LOCKGATE_DATA_DIR", self.folder.join("data"))
    }
}

/// Whether a program is in the path.
fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| {
        let file = directory.join(OsStr::new(program));
        file.with_extension(std::env::consts::EXE_EXTENSION)
            .is_file()
    })
}
