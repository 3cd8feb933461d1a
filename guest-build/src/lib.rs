//! Builds guest crates into component packages.
//!
//! A *guest crate* is a Rust library with a `cdylib` target and a
//! `package.toml` beside its `Cargo.toml`. It is compiled for
//! `wasm32-unknown-unknown`, so that it imports nothing but what its world
//! names, and the module is encoded into a component. A *package directory*
//! then holds two files: `component.wasm` and `package.toml`.
//!
//! Build scripts, `cargo xtask` and the command `lockgate package build` all
//! go through here, so that there is one way to build a guest.
//!
//! ```no_run
//! use std::path::Path;
//!
//! # fn main() -> anyhow::Result<()> {
//! let options = guest_build::Options::default();
//! let guest = guest_build::build(Path::new("plugins/lead-scorer"), &options)?;
//! guest.write_package(Path::new("target/packages/lead-scorer"))?;
//! # Ok(())
//! # }
//! ```

mod nested;
#[cfg(feature = "components")]
mod package;
#[cfg(feature = "components")]
mod script;
#[cfg(feature = "components")]
mod sources;

use std::path::{Path, PathBuf};

#[cfg(feature = "components")]
use anyhow::Context as _;
use anyhow::{Result, bail};

pub use nested::target_above;
#[cfg(feature = "components")]
pub use package::{COMPONENT_FILE, MANIFEST_FILE, read_manifest, write_package};
#[cfg(feature = "components")]
pub use script::{PackageDirectory, build_script, build_script_in};

/// The target that guests are compiled for.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// How to build. The defaults suit a crate outside of this workspace.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The target directory of the nested cargo. By default `guests` in the
    /// target directory of the crate's workspace: one of its own, because an
    /// outer cargo that runs us holds the lock of the usual one.
    pub target_directory: Option<PathBuf>,
    /// The profile. By default `guest` if the crate's workspace defines it, else
    /// `release`.
    pub profile: Option<String>,
    /// Fail rather than change the workspace's `Cargo.lock`.
    pub locked: bool,
}

/// A guest that was built.
#[cfg(feature = "components")]
#[derive(Clone, Debug)]
pub struct Guest {
    /// The crate's name.
    pub name: String,
    /// The component.
    pub component: Vec<u8>,
    /// The text of `package.toml`.
    pub manifest: String,
    /// All files that went into it.
    pub sources: Vec<PathBuf>,
    /// The target directory of the crate's workspace.
    pub workspace_target: PathBuf,
}

/// Compiles the guest crate in `directory` and makes no component of it: a
/// `build` with the same options has little left to do then.
///
/// # Errors
/// As `build`, but for the package and the component.
pub fn compile(directory: &Path, options: &Options) -> Result<PathBuf> {
    check_target()?;
    nested::compile(&nested::find_member(directory)?, options)
}

/// Builds the guest crate in `directory`.
///
/// # Errors
/// If the target is not installed (the text says what to run), if the crate has
/// no `package.toml` or is no `cdylib`, if cargo fails (its whole output is in
/// the text), or if the module is no component.
#[cfg(feature = "components")]
pub fn build(directory: &Path, options: &Options) -> Result<Guest> {
    check_target()?;
    let directory = std::path::absolute(directory)
        .with_context(|| format!("cannot find the directory {}", directory.display()))?;
    if !directory.join("Cargo.toml").is_file() {
        bail!(
            "{} is not a guest crate: it has no Cargo.toml",
            directory.display()
        );
    }
    let manifest = package::read_manifest(&directory)?;
    let member = nested::find_member(&directory)?;
    let built = nested::compile(&member, options)?;
    let module = std::fs::read(&built)
        .with_context(|| format!("cannot read the compiled module {}", built.display()))?;
    let component =
        package::encode(&module).with_context(|| format!("encoding the guest {}", member.name))?;
    let sources = sources::of(&built, &member, &directory);
    Ok(Guest {
        name: member.name,
        component,
        manifest,
        sources,
        workspace_target: member.target_directory,
    })
}

/// Checks that the compiler can build for [`TARGET`].
///
/// # Errors
/// If it cannot; the text says what to run.
pub fn check_target() -> Result<()> {
    if is_target_installed()? {
        Ok(())
    } else {
        bail!("the compile target of guests is not installed; run: rustup target add {TARGET}")
    }
}

/// Whether the compiler has the standard library for [`TARGET`].
///
/// # Errors
/// If the compiler cannot be run.
pub fn is_target_installed() -> Result<bool> {
    nested::has_target(TARGET)
}
