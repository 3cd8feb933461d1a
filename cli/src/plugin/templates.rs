//! The files that a new plugin begins with, as the binary carries them.
//!
//! The same small transform in each language, with the same golden folders, so that
//! the three can be compared; a small connector in Rust; and with each the contract,
//! so that it builds anywhere.

use super::language::Language;

/// The name that stands in the templates for the plugin's.
const PLACEHOLDER: &str = "plugin-name";

/// Files with their places in the plugin's directory.
type Files = &'static [(&'static str, &'static str)];

macro_rules! files {
    ($folder:literal: $($name:literal $(as $place:literal)?),+ $(,)?) => {
        &[$((
            files!(@place $name $(as $place)?),
            include_str!(concat!("../../templates/", $folder, "/", $name)),
        )),+]
    };
    (@place $name:literal as $place:literal) => { $place };
    (@place $name:literal) => { $name };
}

macro_rules! contract {
    ($($name:literal),+ $(,)?) => {
        &[$((
            concat!("wit/", $name),
            include_str!(concat!("../../../wit/", $name)),
        )),+]
    };
}

const BATCHES: Files = files!("transform":
    "golden/one-form/input.json",
    "golden/one-form/expected.json",
    "golden/drops-and-rejects/settings.json",
    "golden/drops-and-rejects/input.json",
    "golden/drops-and-rejects/expected.json",
    "golden/drops-and-rejects/verdicts.txt",
    "golden/refuses-settings/settings.json",
    "golden/refuses-settings/input.json",
    "golden/refuses-settings/error.txt",
);

const CONTRACT: Files = contract![
    "batches.wit",
    "clock.wit",
    "events.wit",
    "hooks.wit",
    "http.wit",
    "log.wit",
    "migration.wit",
    "outgoing.wit",
    "quota.wit",
    "records.wit",
    "storage.wit",
    "stream.wit",
    "tables.wit",
    "world.wit",
];

const RUST: Files = files!("rust-transform":
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "package.toml",
    "src/lib.rs",
);

const RUST_CONNECTOR: Files = files!("rust-connector":
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "package.toml",
    "src/api.rs",
    "src/lib.rs",
    "src/notes.rs",
    "golden/two-pages/call.json",
    "golden/two-pages/exchanges.json",
    "golden/two-pages/expected.json",
    "golden/expired-token/call.json",
    "golden/expired-token/exchanges.json",
    "golden/expired-token/expected.json",
    "golden/not-there/call.json",
    "golden/not-there/exchanges.json",
    "golden/not-there/expected.json",
    "golden/malformed-answer/call.json",
    "golden/malformed-answer/exchanges.json",
    "golden/malformed-answer/error.txt",
);

const IGNORED: Files = files!("transform": "gitignore" as ".gitignore");

const JAVASCRIPT: Files = files!("js-transform":
    "README.md",
    "package.json",
    "package-lock.json",
    "package.toml",
    "src/plugin.js",
    "src/utf8.js",
);

const PYTHON: Files = files!("python-transform":
    "README.md",
    "package.toml",
    "requirements.txt",
    "src/plugin.py",
);

/// The files of a new transform, with its name in them.
pub(super) fn transform(language: Language, name: &str) -> Vec<(&'static str, String)> {
    let own = match language {
        Language::Rust => RUST,
        Language::JavaScript => JAVASCRIPT,
        Language::Python => PYTHON,
    };
    named(&[own, BATCHES, IGNORED, CONTRACT], name)
}

/// The files of a new connector in Rust, with its name in them.
pub(super) fn connector(name: &str) -> Vec<(&'static str, String)> {
    named(&[RUST_CONNECTOR, IGNORED, CONTRACT], name)
}

fn named(files: &[Files], name: &str) -> Vec<(&'static str, String)> {
    let all = files.iter().copied().flatten();
    all.map(|(place, text)| (*place, text.replace(PLACEHOLDER, name)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_carries_the_whole_contract() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");
        let mut there: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".wit"))
            .map(|name| format!("wit/{name}"))
            .collect();
        there.sort();
        let carried: Vec<_> = CONTRACT.iter().map(|(place, _)| *place).collect();
        assert_eq!(carried, there);
    }

    #[test]
    fn a_new_plugin_bears_its_own_name_everywhere() {
        for files in [
            transform(Language::Rust, "tidy-mail"),
            transform(Language::JavaScript, "tidy-mail"),
            transform(Language::Python, "tidy-mail"),
            connector("tidy-mail"),
        ] {
            assert!(files.iter().all(|(_, text)| !text.contains(PLACEHOLDER)));
            let manifest = files.iter().find(|(place, _)| *place == "package.toml");
            let manifest = lockgate::manifest::Manifest::parse(&manifest.unwrap().1).unwrap();
            assert_eq!(manifest.package.name, "tidy-mail");
            assert_eq!(
                manifest.package.contract,
                lockgate::manifest::CONTRACT_VERSION
            );
        }
    }
}
