//! `lockgate plugin new`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use serde_json::json;

use super::language::Language;
use super::templates;
use crate::args::Shape;
use crate::exit::{Status, advised, usage};
use crate::output;

const EXAMPLES: &str = "\
Examples:
  lockgate plugin new tidy-mail --lang rust
  lockgate plugin new tidy-mail --lang js --into plugins/tidy-mail
  lockgate plugin new tidy-mail --lang python
  lockgate plugin new my-product --lang rust --kind connector";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The plugin's name: 1 to 64 of a-z, 0-9 and -, starting with a letter
    name: String,
    /// What it is written in
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    lang: Language,
    /// What it is
    #[arg(long, value_enum, value_name = "KIND", default_value_t)]
    kind: Kind,
    /// Its directory; by default one of its name
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Changes, drops or rejects records, and can do nothing else
    #[default]
    Transform,
    /// Speaks to a product; in Rust only
    Connector,
}

/// Writes the files, and says which command comes next.
pub(super) fn run(args: &Args) -> Result<Status> {
    let directory = args
        .into
        .clone()
        .unwrap_or_else(|| PathBuf::from(&args.name));
    let (files, what) = match (args.kind, args.lang) {
        (Kind::Transform, lang) => (templates::transform(lang, &args.name), "transform"),
        (Kind::Connector, Language::Rust) => (templates::connector(&args.name), "connector"),
        (Kind::Connector, lang) => {
            return Err(advised(
                format!("a connector cannot be written in {} yet", lang.name()),
                "write it with --lang rust; in JavaScript and Python there are transforms",
            ));
        }
    };
    check_name(&files)?;
    refuse_others(&directory)?;
    for (place, text) in &files {
        write(&directory.join(place), text)?;
    }
    let place = directory.display();
    if args.shape.is_json() {
        let files: Vec<_> = files.iter().map(|(place, _)| place).collect();
        output::json(&json!({ "directory": directory, "files": files }))?;
    } else {
        output::line(&format!(
            "{place} is a {what} in {} that works.\n\n\
             Next:\n  lockgate plugin test {place}\n  lockgate plugin dev {place}\n\n\
             {place}/README.md has the rest.",
            args.lang.name()
        ))?;
    }
    Ok(Status::Done)
}

/// The manifest has the rules for names.
fn check_name(files: &[(&str, String)]) -> Result<()> {
    let manifest = files
        .iter()
        .find(|(place, _)| *place == lockgate::MANIFEST_FILE);
    let problems = manifest
        .and_then(|(_, text)| lockgate::manifest::Manifest::parse(text).err())
        .unwrap_or_default();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(usage(problems.join("; "))),
    }
}

/// Nothing of anybody's is overwritten.
fn refuse_others(directory: &Path) -> Result<()> {
    let is_empty = match std::fs::read_dir(directory) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if is_empty {
        return Ok(());
    }
    Err(usage(format!(
        "{} is there and not an empty directory: choose another one with --into",
        directory.display()
    )))
}

fn write(file: &Path, text: &str) -> Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(file, text))
        .with_context(|| format!("cannot write {}", file.display()))
}
