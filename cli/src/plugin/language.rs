//! The languages that plugins are written in: which one a directory holds, and how
//! each becomes a component.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;

use super::{javascript, python, sources, tool};
use crate::exit::advised;

const INSTALL_RUST: &str = "install Rust from https://rustup.rs, then run \
                            `rustup target add wasm32-unknown-unknown`";

/// A language, told by the file that names what a plugin is built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Rust,
    #[value(name = "js")]
    JavaScript,
    Python,
}

/// What a plugin was built into.
pub(super) struct Built {
    pub(super) component: Vec<u8>,
    /// The text of its `package.toml`.
    pub(super) manifest: String,
}

impl Language {
    /// The language of the plugin in a directory, if there is one.
    pub(crate) fn of(directory: &Path) -> Option<Self> {
        let all = [Self::Rust, Self::JavaScript, Self::Python];
        all.into_iter()
            .find(|language| directory.join(language.file()).is_file())
    }

    const fn file(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::JavaScript => "package.json",
            Self::Python => "requirements.txt",
        }
    }

    /// Its name for people.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
        }
    }
}

/// Builds the plugin in a directory; installs what it is built with, too. Takes its
/// time: not on a thread that serves others.
pub(super) fn build(directory: &Path) -> Result<Built> {
    let Some(language) = Language::of(directory) else {
        return Err(advised(
            format!(
                "{} holds no plugin: there is no Cargo.toml, package.json or requirements.txt",
                directory.display()
            ),
            "begin one with `lockgate plugin new NAME --lang rust`, js or python",
        ));
    };
    if language == Language::Rust {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        tool::run(Command::new(cargo).arg("--version"), INSTALL_RUST)?;
        let guest = guest_build::build(directory, &guest_build::Options::default())?;
        return Ok(Built {
            component: guest.component,
            manifest: guest.manifest,
        });
    }
    let manifest = guest_build::read_manifest(directory)?;
    refuse_connector(&manifest, language)?;
    let component = sources::built_once(directory, |output| match language {
        Language::Python => python::build(directory, output),
        _ => javascript::build(directory, output),
    })?;
    Ok(Built {
        component,
        manifest,
    })
}

/// Connectors are async components, and only Rust makes these without WASI.
fn refuse_connector(manifest: &str, language: Language) -> Result<()> {
    let manifest = lockgate::manifest::Manifest::parse(manifest)
        .map_err(|problems| anyhow::anyhow!("package.toml: {}", problems.join("; ")))?;
    if manifest.package.world == lockgate::manifest::World::Connector {
        return Err(advised(
            format!("a connector cannot be written in {} yet", language.name()),
            "write it in Rust; in JavaScript and Python there are transforms",
        ));
    }
    Ok(())
}
