//! The files that a plugin is made of: which they are, and whether they are still
//! those that the last build was made of.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

/// Folders that hold what tools have made. So do all whose names begin with a dot.
const MADE: [&str; 3] = ["target", "node_modules", "__pycache__"];

/// Folders whose files say how a plugin is tested, not how it is built.
const TESTS: &str = super::golden::FOLDER;

/// Whether a file below a plugin's directory was written by a person.
pub(super) fn is_written(relative: &Path) -> bool {
    relative.components().all(|component| {
        let name = component.as_os_str().to_string_lossy();
        !name.starts_with('.') && !MADE.contains(&&*name)
    })
}

/// The component of a plugin: as it was built from the same files before, or built
/// now into the file that `build` is given.
pub(super) fn built_once(
    directory: &Path,
    build: impl FnOnce(&Path) -> Result<()>,
) -> Result<Vec<u8>> {
    let target = directory.join("target");
    std::fs::create_dir_all(&target)
        .with_context(|| format!("cannot make the directory {}", target.display()))?;
    let component = target.join("component.wasm");
    let stamp = target.join("component.sources");
    let sources = digest(directory)?;
    let is_fresh = std::fs::read_to_string(&stamp).is_ok_and(|built| built == sources);
    if !is_fresh || !component.is_file() {
        // A build that fails half-way must not look like one that went well.
        let _ = std::fs::remove_file(&stamp);
        build(&component)?;
        std::fs::write(&stamp, sources)
            .with_context(|| format!("cannot write {}", stamp.display()))?;
    }
    std::fs::read(&component).with_context(|| format!("cannot read {}", component.display()))
}

/// The SHA-256 over names and contents of all files that a build may read.
fn digest(directory: &Path) -> Result<String> {
    let mut files = Vec::new();
    collect(directory, Path::new(""), &mut files)?;
    files.sort();
    let mut digest = Sha256::new();
    for file in files {
        let content = std::fs::read(directory.join(&file))
            .with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.to_string_lossy();
        for part in [name.as_bytes(), &content] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
    }
    let digest = digest.finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn collect(directory: &Path, below: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let folder = directory.join(below);
    let entries = std::fs::read_dir(&folder)
        .with_context(|| format!("cannot list the directory {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let file = below.join(entry.file_name());
        // Not what a link leads to: it could be anything, and without an end.
        let kind = entry.file_type()?;
        if !is_written(&file) || file == Path::new(TESTS) {
            continue;
        }
        if kind.is_dir() {
            collect(directory, &file, files)?;
        } else if kind.is_file() {
            files.push(file);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_built_again_when_and_only_when_a_source_has_changed() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = directory.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        let builds = std::cell::Cell::new(0);
        let build = || {
            built_once(directory.path(), |component| {
                builds.set(builds.get() + 1);
                Ok(std::fs::write(component, b"wasm")?)
            })
            .unwrap()
        };
        write("src/plugin.js", "1");
        assert_eq!(build(), b"wasm");
        build();
        write("golden/one/input.json", "[]");
        write("node_modules/x/index.js", "2");
        build();
        assert_eq!(builds.get(), 1);
        write("src/plugin.js", "2");
        build();
        write("src/other.js", "");
        build();
        assert_eq!(builds.get(), 3);
    }

    #[test]
    fn a_build_that_failed_is_done_again() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("plugin.py"), "").unwrap();
        let failed = built_once(directory.path(), |component| {
            std::fs::write(component, b"half")?;
            anyhow::bail!("no")
        });
        assert!(failed.is_err());
        let built = built_once(directory.path(), |component| {
            Ok(std::fs::write(component, b"whole")?)
        });
        assert_eq!(built.unwrap(), b"whole");
    }
}
