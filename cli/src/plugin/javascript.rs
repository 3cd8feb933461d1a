//! JavaScript into a component: QuickJS with the plugin's modules, started once and
//! kept as it is then. What it would import of WASI is replaced by functions that trap.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde::Deserialize;

use super::tool;
use crate::exit::advised;
use crate::output;

/// The package that makes components, below `node_modules`.
const COMPONENTIZE: &str = "componentize-qjs/bin/componentize-qjs";

/// The module that is built, in the plugin's directory.
const ENTRY: &str = "target/entry.js";

const INSTALL: &str = "install Node 18 or later with npm, for instance with \
                       `apt-get install nodejs npm` or `brew install node`";

/// What is read of `package.json`.
#[derive(Deserialize)]
struct Package {
    main: String,
}

/// Builds the plugin in `directory` into the file `component`.
pub(super) fn build(directory: &Path, component: &Path) -> Result<()> {
    let text = tool::read(&directory.join("package.json"))?;
    let package: Package = serde_json::from_str(&text).map_err(|error| {
        advised(
            format!("package.json cannot be used: {error}"),
            "name the plugin's module there, for instance \"main\": \"src/plugin.js\"",
        )
    })?;
    install(directory)?;
    let componentize = Path::new("node_modules").join(COMPONENTIZE);
    if !directory.join(&componentize).is_file() {
        return Err(advised(
            "componentize-qjs is not among the plugin's packages",
            "add it with `npm install --save-dev --save-exact componentize-qjs`",
        ));
    }
    std::fs::write(directory.join(ENTRY), entry(&package.main)?)?;
    // Relative names are the plugin's own, wherever the command was called.
    let mut node = Command::new("node");
    node.current_dir(directory)
        .arg(componentize)
        .args(["--wit", "wit", "--world", "transform"])
        .args(["--js", ENTRY])
        .args(["--sync", "--stub-wasi", "--output"])
        .arg(std::path::absolute(component)?);
    tool::run(&mut node, INSTALL)
}

/// A module that hands on what the plugin's exports. It runs once while it is built, so
/// what is missing is told then, and is no crash of the first batch.
fn entry(main: &str) -> Result<String> {
    let main = serde_json::to_string(&format!("../{main}"))?;
    Ok(format!(
        r#"import * as plugin from {main};

const missing = ["describe", "configure", "apply"].filter(
  (name) => typeof plugin.batches?.[name] !== "function",
);
if (missing.length > 0) {{
  throw new Error(`the plugin exports no batches with ${{missing.join(", ")}}: see wit/batches.wit`);
}}
export const batches = plugin.batches;
"#
    ))
}

/// Installs what `package-lock.json` names, unless that is there.
fn install(directory: &Path) -> Result<()> {
    let wanted = || -> Result<String> {
        let lock = std::fs::read_to_string(directory.join("package-lock.json"));
        let package = tool::read(&directory.join("package.json"))?;
        Ok(format!("{package}{}", lock.unwrap_or_default()))
    };
    let note = directory.join("node_modules").join(".lockgate");
    if tool::is_noted(&note, &wanted()?) {
        return Ok(());
    }
    let how = match directory.join("package-lock.json").is_file() {
        true => "ci",
        false => "install",
    };
    output::tell(&format!("installing the plugin's packages with npm {how}"));
    // On Windows npm is a script, which only the shell finds.
    let mut npm = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    npm.current_dir(directory)
        .args([how, "--no-audit", "--no-fund", "--ignore-scripts"]);
    tool::run(&mut npm, INSTALL)?;
    Ok(std::fs::write(note, wanted()?)?)
}
