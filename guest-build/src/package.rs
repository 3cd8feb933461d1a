//! The package directory: encoding the component and laying out its files.

use std::path::Path;

use anyhow::{Context, Result, bail};
use wit_component::ComponentEncoder;

use crate::Guest;

/// The component's file in a package directory.
pub const COMPONENT_FILE: &str = "component.wasm";

/// The manifest's file in a guest crate and in a package directory.
pub const MANIFEST_FILE: &str = "package.toml";

/// The file with a signature, which whoever signs puts beside them.
const SIGNATURE_FILE: &str = "package.sig";

impl Guest {
    /// Writes the package directory, as [`write_package`] does.
    ///
    /// # Errors
    /// As [`write_package`].
    pub fn write_package(&self, directory: &Path) -> Result<()> {
        write_package(directory, &self.component, &self.manifest)
    }
}

/// Writes a package directory, made if it is missing: a component, whatever built
/// it, and the text of its manifest.
///
/// Files that already hold the same bytes are left alone, so that nothing that
/// watches them is woken.
///
/// # Errors
/// If the directory holds anything that is not of a package, or if a file cannot
/// be written.
pub fn write_package(directory: &Path, component: &[u8], manifest: &str) -> Result<()> {
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot make the directory {}", directory.display()))?;
    refuse_strangers(directory)?;
    write_if_changed(&directory.join(COMPONENT_FILE), component)?;
    write_if_changed(&directory.join(MANIFEST_FILE), manifest.as_bytes())
}

/// Makes a component of a core module, and checks it.
pub(crate) fn encode(module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default()
        .validate(true)
        .module(module)?
        .encode()
}

/// Reads the `package.toml` of what is built into a package.
///
/// Its rules are the host's to check. Here only that it is TOML and that it
/// names the component as this builds it.
///
/// # Errors
/// If there is none, or if it is not so.
pub fn read_manifest(directory: &Path) -> Result<String> {
    let path = directory.join(MANIFEST_FILE);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("a package needs the manifest {}", path.display()))?;
    let manifest: toml::Table =
        toml::from_str(&text).with_context(|| format!("cannot read {}", path.display()))?;
    let component = manifest
        .get("package")
        .and_then(|package| package.get("component"))
        .and_then(toml::Value::as_str);
    match component {
        Some(name) if name != COMPONENT_FILE => bail!(
            "{}: package.component is `{name}`, but what is built here is called {COMPONENT_FILE}",
            path.display()
        ),
        _ => Ok(text),
    }
}

/// A package is exactly its files; a directory with others is most likely not
/// the one that was meant.
fn refuse_strangers(directory: &Path) -> Result<()> {
    let entries = std::fs::read_dir(directory)
        .with_context(|| format!("cannot list the directory {}", directory.display()))?;
    for entry in entries {
        let name = entry?.file_name();
        let known = [COMPONENT_FILE, MANIFEST_FILE, SIGNATURE_FILE];
        if !known.iter().any(|known| name == *known) {
            bail!(
                "{} holds `{}`, which is not of a package: give an empty directory",
                directory.display(),
                name.to_string_lossy()
            );
        }
    }
    Ok(())
}

fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|current| current == bytes) {
        return Ok(());
    }
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_with_other_files_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("thesis.txt"), "mine").unwrap();
        let guest = Guest {
            name: "a".to_owned(),
            component: vec![0],
            manifest: String::new(),
            sources: Vec::new(),
            workspace_target: Default::default(),
        };
        let error = guest.write_package(directory.path()).unwrap_err();
        assert!(error.to_string().contains("thesis.txt"), "{error}");
        assert!(!directory.path().join(COMPONENT_FILE).exists());
    }

    #[test]
    fn a_manifest_that_names_another_component_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let text = "[package]\nname = 'a'\ncomponent = 'other.wasm'\n";
        std::fs::write(directory.path().join(MANIFEST_FILE), text).unwrap();
        let error = read_manifest(directory.path()).unwrap_err();
        assert!(error.to_string().contains("other.wasm"), "{error}");
    }

    #[test]
    fn a_module_without_a_world_is_no_component() {
        let empty_module = b"\0asm\x01\0\0\0";
        assert!(encode(&empty_module[..4]).is_err());
    }
}
