//! Where things are: the data directory, and the master key.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use lockgate::store::FILE_NAME as STORE_FILE;
use lockgate::{MASTER_KEY_FILE, MasterKey};

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
        Some(directory) if directory.is_file() => Err(usage(format!(
            "{} is a file: give a directory with --data-dir, which is made if it is not there",
            directory.display()
        ))),
        Some(directory) => Ok(directory.clone()),
        None => users_own().ok_or_else(|| {
            usage("there is no home directory to keep data in: give one with --data-dir")
        }),
    }
}

/// The address of the database that keeps what the data directory would; `None` if
/// that does.
pub(crate) fn store(common: &Common) -> Option<&str> {
    common
        .store
        .as_deref()
        .filter(|address| !address.is_empty())
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

/// Where the master key comes from.
pub(crate) enum KeyPlace {
    /// A file: as given, or the data directory's own.
    File(KeyFile),
    /// The environment variable of this name.
    Variable(&'static str),
}

/// A key file in its directory.
pub(crate) struct KeyFile {
    pub(crate) dir: Dir,
    pub(crate) name: String,
    /// As people see it.
    pub(crate) shown: String,
}

/// Where the master key comes from. The data directory must be there if it is its own.
pub(crate) fn key(common: &Common) -> Result<KeyPlace> {
    if let Some(file) = &common.master_key_file {
        return Ok(KeyPlace::File(key_file(file)?));
    }
    if std::env::var_os(MASTER_KEY).is_some_and(|value| !value.is_empty()) {
        return Ok(KeyPlace::Variable(MASTER_KEY));
    }
    Ok(KeyPlace::File(key_file(
        &data_dir(common)?.join(MASTER_KEY_FILE),
    )?))
}

/// Whether there is a master key already, rather than one to be made.
pub(crate) fn has_key(common: &Common) -> Result<bool> {
    let is_given = common.master_key_file.is_some()
        || std::env::var_os(MASTER_KEY).is_some_and(|value| !value.is_empty());
    Ok(is_given || data_dir(common)?.join(MASTER_KEY_FILE).exists())
}

/// The master key, wherever it comes from.
pub(crate) fn read_key(common: &Common) -> Result<MasterKey> {
    let key = match key(common)? {
        KeyPlace::File(file) if has_data(common)? => {
            MasterKey::from_kept_file(&file.dir, &file.name)
        }
        KeyPlace::File(file) => MasterKey::from_file(&file.dir, &file.name),
        KeyPlace::Variable(name) => match std::env::var(name) {
            Ok(value) => {
                let key = MasterKey::from_variable(name, &value);
                return key.map_err(|error| usage(error.to_string()));
            }
            Err(_) => return Err(usage(format!("{name} is not 32 bytes in base64"))),
        },
    };
    Ok(key.map_err(lockgate::Error::Key)?)
}

/// Whether the data directory holds data that some key has sealed.
fn has_data(common: &Common) -> Result<bool> {
    Ok(store(common).is_none() && data_dir(common)?.join(STORE_FILE).exists())
}

/// The master key, unless it is the data directory's own.
pub(crate) fn master_key(common: &Common) -> Result<Option<MasterKey>> {
    let is_own = common.master_key_file.is_none()
        && std::env::var_os(MASTER_KEY).is_none_or(|value| value.is_empty());
    match is_own {
        true => Ok(None),
        false => read_key(common).map(Some),
    }
}

fn key_file(file: &Path) -> Result<KeyFile> {
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
    Ok(KeyFile {
        dir,
        name: name.to_owned(),
        shown: file.display().to_string(),
    })
}
