//! Python into a component: CPython with the plugin's modules, started once and kept
//! as it is then. What it would import of WASI is replaced by functions that trap.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::tool;
use crate::exit::advised;
use crate::output;

/// The plugin's module, in `src`.
const MODULE: &str = "plugin";

const INSTALL: &str = "install Python 3.10 or later with its module venv, for instance with \
                       `apt-get install python3 python3-venv` or `brew install python`";

/// Builds the plugin in `directory` into the file `component`.
pub(super) fn build(directory: &Path, component: &Path) -> Result<()> {
    let source = directory.join("src").join(format!("{MODULE}.py"));
    if !source.is_file() {
        return Err(advised(
            format!("there is no {}", source.display()),
            "the plugin's classes are in that module; it may import others beside it",
        ));
    }
    // Absolute, because the program and what it is told are found from `directory`.
    let home = std::path::absolute(directory.join(".venv"))?;
    install(directory, &home)?;
    let componentize = program(&home, "componentize-py");
    if !componentize.is_file() {
        return Err(advised(
            "componentize-py is not among the plugin's packages",
            "add it to requirements.txt with its exact version",
        ));
    }
    let mut command = Command::new(componentize);
    command
        .current_dir(directory)
        // Where it looks for what the plugin imports, besides `src`.
        .env("VIRTUAL_ENV", &home)
        // Its own stack says nothing about the plugin's mistakes.
        .env("RUST_BACKTRACE", "0")
        .args(["--quiet", "--wit-path", "wit", "--world", "transform"])
        .args(["componentize", "--stub-wasi", "--python-path", "src"])
        .arg("--output")
        .arg(std::path::absolute(component)?)
        .arg(MODULE);
    tool::run(&mut command, INSTALL)
}

/// Makes the environment `home` with what `requirements.txt` names, unless it is
/// there.
fn install(directory: &Path, home: &Path) -> Result<()> {
    let wanted = tool::read(&directory.join("requirements.txt"))?;
    let note = home.join("lockgate-requirements");
    if tool::is_noted(&note, &wanted) {
        return Ok(());
    }
    output::tell("installing the plugin's packages with pip into .venv");
    let mut venv = Command::new(if cfg!(windows) { "python" } else { "python3" });
    venv.args(["-m", "venv", "--clear"]).arg(home);
    tool::run(&mut venv, INSTALL)?;
    let mut pip = Command::new(program(home, "python"));
    pip.current_dir(directory)
        .args(["-m", "pip", "install", "--quiet"])
        .args(["--disable-pip-version-check", "-r", "requirements.txt"]);
    tool::run(&mut pip, INSTALL)?;
    Ok(std::fs::write(note, wanted)?)
}

/// A program of an environment.
fn program(home: &Path, name: &str) -> PathBuf {
    match cfg!(windows) {
        true => home.join("Scripts").join(format!("{name}.exe")),
        false => home.join("bin").join(name),
    }
}
