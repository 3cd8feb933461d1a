//! `cargo xtask setup`: what a fresh machine lacks beyond a Rust toolchain.

use std::path::Path;

use anyhow::{Result, bail};

use crate::command::{Step, say};

/// The target that guests are compiled for.
pub(crate) const GUEST_TARGET: &str = "wasm32-unknown-unknown";

/// Adds the compile target of guests if it is missing.
pub(crate) fn run() -> Result<()> {
    if is_installed()? {
        return Ok(());
    }
    say(&format!(
        "adding the compile target {GUEST_TARGET} with rustup"
    ));
    let added = Step::new("rustup")
        .arguments(["target", "add", GUEST_TARGET])
        .run();
    if added.is_ok() && is_installed()? {
        return Ok(());
    }
    bail!(
        "guests cannot be compiled without the target {GUEST_TARGET}; run:\n\n    \
         rustup target add {GUEST_TARGET}"
    )
}

fn is_installed() -> Result<bool> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let step = Step::new(rustc).arguments(["--print", "target-libdir", "--target", GUEST_TARGET]);
    let (is_known, libraries) = step.output()?;
    let has_any =
        std::fs::read_dir(Path::new(&libraries)).is_ok_and(|mut files| files.next().is_some());
    Ok(is_known && has_any)
}
