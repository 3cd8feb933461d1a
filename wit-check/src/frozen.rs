//! The frozen copies: what `wit/frozen/versions.toml` says of them, and whether they are
//! as they were frozen.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use semver::Version;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// What is said of the copies, in the folder that holds them.
const FILE: &str = "versions.toml";

/// What is said of one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Frozen {
    sha256: String,
    /// Interfaces that have changed since, and that the host converts.
    pub(crate) converted: Vec<String>,
}

/// All that were published, and what is wrong with their copies.
pub(crate) fn read(folder: &Path) -> Result<(BTreeMap<Version, Frozen>, Vec<String>)> {
    let file = folder.join(FILE);
    let text =
        std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let all: BTreeMap<Version, Frozen> =
        toml::from_str(&text).with_context(|| format!("reading {}", file.display()))?;
    let mut problems = Vec::new();
    for (version, frozen) in &all {
        let digest = digest(&folder.join(version.to_string()))?;
        if digest != frozen.sha256 {
            problems.push(format!(
                "frozen/{version} is not as it was frozen: `git checkout` it. If it has just been \
                 frozen, {FILE} lacks its sha256 = \"{digest}\""
            ));
        }
    }
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_known = name.parse().is_ok_and(|version| all.contains_key(&version));
        if name != FILE && !is_known {
            problems.push(format!(
                "frozen/{name} is not in {FILE}: add it, or remove it"
            ));
        }
    }
    Ok((all, problems))
}

/// The SHA-256 of a folder's files with their names, in hexadecimal.
fn digest(folder: &Path) -> Result<String> {
    let reading = || format!("reading {}", folder.display());
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        let text = std::fs::read_to_string(entry.path()).with_context(reading)?;
        // As they are in the repository, whatever a checkout makes of line ends.
        files.insert(entry.file_name(), text.replace("\r\n", "\n"));
    }
    let mut hasher = Sha256::new();
    for (name, text) in files {
        for part in [name.to_string_lossy().as_bytes(), text.as_bytes()] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    let digest = hasher.finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
