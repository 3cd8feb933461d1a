//! Builds one guest crate into a package directory:
//! `cargo run -p guest-build --example package -- CRATE-DIRECTORY PACKAGE-DIRECTORY`.

use std::path::Path;

use anyhow::{Context, Result};

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let (source, package) = arguments
        .next()
        .zip(arguments.next())
        .context("give the crate's directory and the package's directory")?;
    let guest = guest_build::build(Path::new(&source), &guest_build::Options::default())?;
    guest.write_package(Path::new(&package))
}
