//! Which files went into a guest: read from the dependency file that cargo
//! writes beside the module, so that an outer build runs again when, and only
//! when, one of them changes.

use std::path::{Path, PathBuf};

use crate::nested::Member;
use crate::package::MANIFEST_FILE;

/// The files that `module` was made of, and the manifests that shaped it.
pub(crate) fn of(module: &Path, member: &Member, directory: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(module.with_extension("d")).unwrap_or_default();
    let mut files: Vec<PathBuf> = dependencies(&text)
        .into_iter()
        .map(|file| member.workspace_root.join(file))
        .collect();
    files.push(directory.join("Cargo.toml"));
    files.push(directory.join(MANIFEST_FILE));
    files.push(member.workspace_root.join("Cargo.toml"));
    files.push(member.workspace_root.join("Cargo.lock"));
    files.retain(|file| file.exists());
    files.sort();
    files.dedup();
    files
}

/// The right-hand sides of a Makefile's rules. A space in a name is written as
/// `\ `.
fn dependencies(text: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in text.lines() {
        let Some((_, names)) = line.split_once(": ") else {
            continue;
        };
        let mut name = String::new();
        let mut characters = names.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\\' if characters.peek() == Some(&' ') => {
                    characters.next();
                    name.push(' ');
                }
                ' ' => files.push(PathBuf::from(std::mem::take(&mut name))),
                other => name.push(other),
            }
        }
        files.push(PathBuf::from(name));
    }
    files.retain(|file| !file.as_os_str().is_empty());
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_spaces_are_read_from_a_dependency_file() {
        let text = "/t/a.wasm: /my\\ home/src/lib.rs /w/wit/world.wit\n\n/w/empty:\n";
        assert_eq!(
            dependencies(text),
            [
                PathBuf::from("/my home/src/lib.rs"),
                PathBuf::from("/w/wit/world.wit")
            ]
        );
    }
}
