//! Where things are: the data directory, and the master key.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use lockgate::MasterKey;

use crate::args::Common;
use crate::exit::usage;

/// The variable that holds the master key.
const MASTER_KEY: &str = "LOCKGATE_MASTER_KEY";

/// The data directory: as given, or this user's own.
pub(crate) fn data_dir(common: &Common) -> Result<PathBuf> {
    match &common.data_dir {
        Some(directory) if directory.as_os_str().is_empty() => Err(usage(
            "the data directory is empty: give one with --data-dir",
        )),
        Some(directory) => Ok(directory.clone()),
        None => users_own().ok_or_else(|| {
            usage("there is no home directory to keep data in: give one with --data-dir")
        }),
    }
}

/// The usual place of the platform for a program's data.
fn users_own() -> Option<PathBuf> {
    let set = |name: &str| {
        let value = std::env::var_os(name)?;
        let path = PathBuf::from(value);
        path.is_absolute().then_some(path)
    };
    let base = if cfg!(target_os = "windows") {
        set("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        set("HOME").map(|home| home.join("Library").join("Application Support"))
    } else {
        set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local").join("share")))
    };
    base.map(|base| base.join("lockgate"))
}

/// The master key, unless it is the data directory's own.
pub(crate) fn master_key(common: &Common) -> Result<Option<MasterKey>> {
    if let Some(file) = &common.master_key_file {
        return key_in(file).map(Some);
    }
    match std::env::var(MASTER_KEY) {
        Ok(value) if !value.is_empty() => {
            let key = MasterKey::from_variable(MASTER_KEY, &value).map_err(lockgate::Error::Key)?;
            Ok(Some(key))
        }
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(usage(format!("{MASTER_KEY} is not 32 bytes in base64")))
        }
        _ => Ok(None),
    }
}

fn key_in(file: &Path) -> Result<MasterKey> {
    let (Some(name), Some(parent)) = (
        file.file_name().and_then(|name| name.to_str()),
        file.parent(),
    ) else {
        return Err(usage(format!(
            "{} does not name a key file",
            file.display()
        )));
    };
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    let dir = Dir::open_ambient_dir(parent, ambient_authority())
        .with_context(|| format!("cannot open the directory {}", parent.display()))?;
    Ok(MasterKey::from_file(&dir, name).map_err(lockgate::Error::Key)?)
}
