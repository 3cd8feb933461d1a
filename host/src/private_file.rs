//! Files that only their owner may read: the master key and the store.

use std::io;

use cap_std::fs::{Dir, File, Metadata, OpenOptions};

/// Creates a file of mode 0600 for reading and writing; an error if it exists.
/// The mode is given at creation, so there is no moment at which others could
/// open it.
pub(crate) fn create_new(dir: &Dir, name: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    {
        use cap_std::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    dir.open_with(name, &options)
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
