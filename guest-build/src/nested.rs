//! Cargo within cargo: what a nested run must be told and, more so, what it
//! must not inherit from the run around it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

use crate::{Options, TARGET};

/// A crate as cargo knows it.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) workspace_root: PathBuf,
    pub(crate) target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct MetadataPackage {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<MetadataTarget>,
}

#[derive(Deserialize)]
struct MetadataTarget {
    crate_types: Vec<String>,
}

/// One line of `--message-format=json`; other lines lack these members.
#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// Whether the compiler has the standard library for `target`.
pub(crate) fn has_target(target: &str) -> Result<bool> {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--print", "target-libdir", "--target", target]);
    let output = run(&mut rustc)?;
    let libdir = String::from_utf8_lossy(&output.stdout);
    let libdir = Path::new(libdir.trim());
    Ok(output.status.success()
        && std::fs::read_dir(libdir).is_ok_and(|mut entries| entries.next().is_some()))
}

/// The crate whose `Cargo.toml` lies in `directory`.
pub(crate) fn find_member(directory: &Path) -> Result<Member> {
    let manifest_path = directory.join("Cargo.toml");
    let mut cargo = cargo(directory);
    cargo.args(["metadata", "--no-deps", "--format-version", "1"]);
    cargo.arg("--manifest-path").arg(&manifest_path);
    let output = run(&mut cargo)?;
    if !output.status.success() {
        bail!("{}", failure(&cargo, &output));
    }
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("cannot read what cargo metadata says")?;
    let wanted = canonical(&manifest_path);
    let package = metadata
        .packages
        .into_iter()
        .find(|package| canonical(&package.manifest_path) == wanted)
        .ok_or_else(|| anyhow!("{} holds no crate", manifest_path.display()))?;
    let is_cdylib = |target: &MetadataTarget| target.crate_types.iter().any(|t| t == "cdylib");
    if !package.targets.iter().any(is_cdylib) {
        bail!(
            "{} is not a guest: its Cargo.toml needs [lib] crate-type = [\"cdylib\"]",
            package.name
        );
    }
    Ok(Member {
        name: package.name,
        manifest_path: package.manifest_path,
        workspace_root: metadata.workspace_root,
        target_directory: metadata.target_directory,
    })
}

/// Compiles a crate and gives the path of its module.
pub(crate) fn compile(member: &Member, options: &Options) -> Result<PathBuf> {
    let target_directory = options
        .target_directory
        .clone()
        .unwrap_or_else(|| member.target_directory.join("guests"));
    let profile = match &options.profile {
        Some(profile) => profile.clone(),
        None => default_profile(&member.workspace_root)?,
    };
    let mut cargo = cargo(&member.workspace_root);
    // `rustc`, not `build`: link-time optimisation is off for a library that is
    // an `rlib` as well as a `cdylib`, and here only the second is wanted.
    cargo.args(["rustc", "--lib", "--crate-type", "cdylib"]);
    cargo.args(["--target", TARGET, "--profile", &profile]);
    cargo.arg("--manifest-path").arg(&member.manifest_path);
    cargo.arg("--target-dir").arg(&target_directory);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    if options.locked {
        cargo.arg("--locked");
    }
    // Set even if empty: this beats RUSTFLAGS and the flags of any config file,
    // which are meant for the machine that builds and not for a sandbox.
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags());
    let output = run(&mut cargo)?;
    if !output.status.success() {
        let failure = failure(&cargo, &output);
        bail!("{}{failure}", contract_hint(&failure));
    }
    let wanted = canonical(&member.manifest_path);
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| message.reason == "compiler-artifact")
        .filter(|message| canonical(&message.manifest_path) == wanted)
        .flat_map(|message| message.filenames)
        .find(|file| file.extension().is_some_and(|ext| ext == "wasm"))
        .ok_or_else(|| anyhow!("cargo built {} but made no .wasm file of it", member.name))
}

/// A cargo that starts as if from a fresh shell.
fn cargo(directory: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(directory);
    cargo.env("CARGO_TERM_COLOR", "never");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_inherited_by_mistake) {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// Variables that tell the crate that is being built around us what it is, or
/// how the machine's own programs are to be compiled. `RUSTC` stays: it names
/// the same compiler. So does the job server, which shares the cores.
fn is_inherited_by_mistake(name: &str) -> bool {
    const EXACT: [&str; 20] = [
        "RUSTFLAGS",
        "RUSTDOCFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_LINKER",
        "CLIPPY_ARGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_ENCODED_RUSTDOCFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_BUILD_RUSTC_WRAPPER",
        "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
        "CARGO_PRIMARY_PACKAGE",
        "OUT_DIR",
        "TARGET",
        "HOST",
        "PROFILE",
        "OPT_LEVEL",
        "DEBUG",
        "NUM_JOBS",
    ];
    const PREFIXES: [&str; 6] = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_FEATURE_",
        "CARGO_CFG_",
        "CARGO_BIN_",
        "DEP_",
    ];
    EXACT.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// What the compiler is told of a guest.
///
/// Vectors: each engine that runs components has them, and they are what makes a
/// scan of text as fast in a guest as outside.
///
/// Paths: panic messages name source files. As they are they would carry the home
/// directory of whoever built the component, and no two machines would build the
/// same bytes.
fn flags() -> OsString {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let mut flags = OsString::from("-Ctarget-feature=+simd128");
    if let Some(home) = home {
        // Flags are told apart by this separator, so that paths may hold spaces.
        flags.push("\u{1f}--remap-path-prefix=");
        flags.push(home);
        flags.push("=cargo");
    }
    flags
}

/// `guest` if the workspace has that profile, else `release`.
fn default_profile(workspace_root: &Path) -> Result<String> {
    let path = workspace_root.join("Cargo.toml");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let manifest: toml::Table =
        toml::from_str(&text).with_context(|| format!("cannot read {}", path.display()))?;
    let has_guest = manifest
        .get("profile")
        .and_then(|profiles| profiles.get("guest"))
        .is_some();
    Ok(if has_guest { "guest" } else { "release" }.to_owned())
}

fn run(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null());
    command
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().to_string_lossy()))
}

/// The command and all that it wrote for people. Standard output is left out:
/// it is for machines in all commands here.
fn failure(command: &Command, output: &Output) -> String {
    let arguments: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
    format!(
        "cargo {} failed ({}):\n{}",
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end()
    )
}

/// What to do about a contract that `wit_bindgen::generate!` did not find, said
/// before cargo's many lines and not below them.
fn contract_hint(failure: &str) -> &'static str {
    // wit-bindgen's words; only here do they tell people what to do.
    if failure.contains("failed to read path for WIT") {
        "the contract is not where `generate!` looks for it: copy Lockgate's folder `wit` into \
         the crate, or mend the `path` of `generate!`\n"
    } else {
        ""
    }
}

fn canonical(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// The target directory of the cargo that has made a file or directory: the
/// outermost directory above it that cargo has tagged as a cache. Found so, and
/// not asked for, because `--target-dir` is not handed down, and there are three
/// more ways to name another one.
#[must_use]
pub fn target_above(made: &Path) -> Option<PathBuf> {
    made.ancestors()
        .filter(|directory| directory.join("CACHEDIR.TAG").is_file())
        .last()
        .map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nested_cargo_inherits_no_flags_and_no_wrapper() {
        for name in [
            "CARGO_ENCODED_RUSTFLAGS",
            "RUSTC_WORKSPACE_WRAPPER",
            "CARGO_FEATURE_DEFAULT",
            "OUT_DIR",
        ] {
            assert!(is_inherited_by_mistake(name), "{name}");
        }
        for name in ["RUSTC", "CARGO_HOME", "CARGO_MAKEFLAGS", "PATH"] {
            assert!(!is_inherited_by_mistake(name), "{name}");
        }
    }

    #[test]
    fn a_target_that_nobody_has_is_not_installed() {
        assert!(!has_target("wasm9000-unknown-nowhere").unwrap());
    }

    #[test]
    fn this_workspace_builds_guests_with_the_profile_guest() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        assert_eq!(default_profile(&root).unwrap(), "guest");
    }
}
