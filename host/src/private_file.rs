//! What only its owner may read: the data directory, the master key and the store.

use std::io::{self, Write as _};
use std::path::Path;

use cap_std::fs::{Dir, File, Metadata, OpenOptions};

/// Makes a directory for its owner only, unless it exists, and those above it.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)
}

/// Makes the file `name` with these contents and mode 0600, unless it exists.
///
/// It appears under its name complete and durable, or not at all, so that
/// processes which start at a time agree on one. And it is closed before it
/// appears: on unix, closing a file drops every lock that the process has on
/// it, and the store's locks must not go that way.
pub(crate) fn make(dir: &Dir, name: &str, contents: &[u8]) -> io::Result<()> {
    let draft = format!(
        "{name}.{:016x}.new",
        getrandom::u64().map_err(io::Error::other)?
    );
    let made = create_new(dir, &draft)
        .and_then(|mut file| {
            file.write_all(contents)?;
            file.sync_all()
        })
        // A link fails if the name is taken, where a rename would replace the
        // file of whoever was faster.
        .and_then(|()| match dir.hard_link(&draft, dir, name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        });
    // Nobody uses what is left of a draft, and it may hold a key.
    let _ = dir.remove_file(&draft);
    made?;
    sync_dir(dir)
}

/// Writes the file `name` anew with mode 0600: whoever opens it has the old contents
/// or the new ones, whole.
pub(crate) fn replace(dir: &Dir, name: &str, contents: &[u8]) -> io::Result<()> {
    let draft = format!(
        "{name}.{:016x}.new",
        getrandom::u64().map_err(io::Error::other)?
    );
    let written = create_new(dir, &draft)
        .and_then(|mut file| {
            file.write_all(contents)?;
            file.sync_all()
        })
        .and_then(|()| dir.rename(&draft, dir, name));
    if written.is_err() {
        // Nobody uses what is left of a draft, and it may hold a key.
        let _ = dir.remove_file(&draft);
    }
    written?;
    sync_dir(dir)
}

/// The mode is given at creation, so there is no moment at which others could
/// open the file.
fn create_new(dir: &Dir, name: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use cap_std::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    dir.open_with(name, &options)
}

/// Makes the new name durable. Opened anew, because a `Dir` may be a handle
/// that only serves as a place.
#[cfg(unix)]
fn sync_dir(dir: &Dir) -> io::Result<()> {
    dir.open(".")?.sync_all()
}

/// Other systems do not open directories for this.
#[cfg(not(unix))]
fn sync_dir(_dir: &Dir) -> io::Result<()> {
    Ok(())
}

/// The permission bits, if anybody but the owner has any. Always `None` where
/// the system has no such bits.
#[cfg_attr(
    not(unix),
    expect(unused_variables, reason = "only unix has permission bits")
)]
pub(crate) fn open_to_others(metadata: &Metadata) -> Option<u32> {
    #[cfg(unix)]
    {
        use cap_std::fs::PermissionsExt as _;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Some(mode);
        }
    }
    None
}
