//! `cargo xtask check`: all that is asked of a change besides its tests.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::command::{Step, root, say, target};
use crate::setup::{self, GUEST_TARGET};
use crate::{engines, fuzz};

/// The release of cargo-deny that `deny.toml` was written for.
const CARGO_DENY: &str = "0.20.2";

/// Folders that hold guests: each of them, or each folder in them, that has a
/// `package.toml`.
const GUEST_FOLDERS: [&str; 4] = ["connector-wasm", "mailing-list", "plugins", "tests/guests"];

/// Checks everything, and stops at the first thing that is wrong.
pub(crate) fn run() -> Result<()> {
    setup::run()?;
    Step::cargo(["fmt", "--all", "--check"]).announced().run()?;
    // Workspaces of their own, which are built only to be run.
    for manifest in [fuzz::MANIFEST, engines::MANIFEST] {
        Step::cargo(["fmt", "--all", "--check", "--manifest-path", manifest])
            .announced()
            .run()?;
    }
    contract()?;
    Step::cargo([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ])
    .announced()
    .run()?;
    // What is compiled for the sandbox only is not seen by the lints above.
    for guest in guests()? {
        Step::cargo([
            "clippy",
            "--lib",
            "--locked",
            "--target",
            GUEST_TARGET,
            "--manifest-path",
        ])
        .arguments([guest.into_os_string()])
        .arguments(["--", "-D", "warnings"])
        .announced()
        .run()?;
    }
    Step::cargo(["doc", "--workspace", "--no-deps", "--locked"])
        .variable("RUSTDOCFLAGS", "-D warnings")
        .announced()
        .run()?;
    dependencies()
}

/// Holds the contract against what was published of it.
pub(crate) fn contract() -> Result<()> {
    Step::cargo(["run", "--locked", "--quiet", "--package", "wit-check"])
        .announced()
        .run()
}

/// The manifests of all guest crates, relative to the repository.
fn guests() -> Result<Vec<PathBuf>> {
    let root = root()?;
    let mut manifests = Vec::new();
    for folder in GUEST_FOLDERS.map(PathBuf::from) {
        let inner = std::fs::read_dir(root.join(&folder))
            .with_context(|| format!("cannot list {}", folder.display()))?
            .filter_map(Result::ok)
            .map(|entry| folder.join(entry.file_name()));
        let all = inner.chain([folder.clone()]);
        manifests.extend(
            all.filter(|guest| root.join(guest).join("package.toml").is_file())
                .map(|guest| guest.join("Cargo.toml")),
        );
    }
    manifests.sort();
    Ok(manifests)
}

fn dependencies() -> Result<()> {
    let deny = cargo_deny()?;
    let step = || Step::new(&deny).arguments(["--log-level", "warn"]);
    step()
        .arguments([
            "--locked",
            "check",
            "--hide-inclusion-graph",
            "bans",
            "licenses",
            "sources",
        ])
        .announced()
        .run()?;
    // The database lies on another host. A machine without a way there can
    // check all but this.
    let (is_fetched, _) = step().arguments(["fetch", "db"]).output()?;
    if is_fetched {
        step()
            .arguments(["--locked", "check", "--disable-fetch", "advisories"])
            .announced()
            .run()
    } else {
        say("SKIPPED: advisories, because the RustSec database cannot be reached from here");
        Ok(())
    }
}

/// cargo-deny, installed into the target directory if it is not there.
fn cargo_deny() -> Result<PathBuf> {
    let tools = target()?
        .join("tools")
        .join(format!("cargo-deny-{CARGO_DENY}"));
    let program = tools
        .join("bin/cargo-deny")
        .with_extension(std::env::consts::EXE_EXTENSION);
    if !Path::new(&program).is_file() {
        say(&format!(
            "installing cargo-deny {CARGO_DENY}; this takes a minute or two, once"
        ));
        // Unoptimised it is built in a quarter of the time, and checks in seconds.
        Step::cargo(["install", "cargo-deny", "--locked", "--version", CARGO_DENY])
            .quiet_in_a_pipe()
            .arguments(["--debug", "--root"])
            .arguments([tools.into_os_string()])
            .run()?;
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_are_found_by_their_manifest() {
        let guests = guests().unwrap();
        assert!(guests.contains(&PathBuf::from("plugins/lead-scorer/Cargo.toml")));
        assert!(!guests.contains(&PathBuf::from("plugins/record-batch/Cargo.toml")));
    }
}
