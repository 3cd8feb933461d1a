//! For build scripts: builds guests of this workspace into the script's output
//! directory, and tells cargo when to run the script again.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{Options, build, target_above};

/// A package that a build script laid out.
#[derive(Clone, Debug)]
pub struct PackageDirectory {
    /// The guest crate's name.
    pub name: String,
    /// The directory with `component.wasm` and `package.toml`.
    pub directory: PathBuf,
}

/// Builds the guest crates in `directories` (relative to the crate whose build
/// script this is) and lays out each as `$OUT_DIR/packages/NAME`.
///
/// Writes cargo's `rerun-if-changed` lines to standard output: call this from a
/// `build.rs` only.
///
/// # Errors
/// What [`build`] and [`crate::Guest::write_package`] tell.
pub fn build_script<P: AsRef<Path>>(
    directories: impl IntoIterator<Item = P>,
) -> Result<Vec<PackageDirectory>> {
    let out = std::env::var_os("OUT_DIR").context("OUT_DIR is not set: no build script")?;
    build_script_in(&Path::new(&out).join("packages"), directories)
}

/// As [`build_script`], with the packages laid out below `into`.
///
/// # Errors
/// What [`build`] and [`crate::Guest::write_package`] tell.
pub fn build_script_in<P: AsRef<Path>>(
    into: &Path,
    directories: impl IntoIterator<Item = P>,
) -> Result<Vec<PackageDirectory>> {
    let options = Options {
        target_directory: target_above(into).map(|target| target.join("guests")),
        profile: None,
        locked: true,
    };
    let mut packages = Vec::new();
    let mut lines = String::new();
    for directory in directories {
        let guest = build(directory.as_ref(), &options)?;
        let package = into.join(&guest.name);
        guest.write_package(&package)?;
        for file in &guest.sources {
            lines.push_str(&format!("cargo:rerun-if-changed={}\n", file.display()));
        }
        packages.push(PackageDirectory {
            name: guest.name,
            directory: package,
        });
    }
    lines.push_str("cargo:rerun-if-env-changed=CARGO_TARGET_DIR\n");
    std::io::stdout().write_all(lines.as_bytes())?;
    Ok(packages)
}
