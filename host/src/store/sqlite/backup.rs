//! A copy of the store as of one moment, and a store from such a copy. Secrets are
//! sealed in it as they are in the store, so it is of no use without the master key.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::{FILE_NAME, open};
use crate::private_file;
use crate::store::StoreError;

/// Copies the store of a data directory into a new file for its owner only, while
/// others may work with it. Blocks.
///
/// # Errors
/// [`StoreError::Io`] if the file is there already or cannot be written; as
/// [`super::SqliteStore::open`] if there is no sound store.
pub fn back_up(data_dir: &Path, file: &Path) -> Result<(), StoreError> {
    let store = data_dir.join(FILE_NAME);
    if !store.exists() {
        return Err(missing(&store));
    }
    let connection = open::open_to_read(&store)?;
    let io = |source| StoreError::Io {
        doing: "make the backup",
        path: file.display().to_string(),
        source,
    };
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    drop(options.open(file).map_err(io)?);
    let copied = connection
        .execute("VACUUM INTO ?1", [file.display().to_string()])
        .map_err(|source| StoreError::Backend {
            doing: "be copied",
            source: source.into(),
        })
        .and_then(|_| {
            File::open(file)
                .and_then(|file| file.sync_all())
                .map_err(io)
        });
    if copied.is_err() {
        // Half a backup is none.
        let _ = std::fs::remove_file(file);
    }
    copied
}

/// Makes the store of a data directory from a copy. Blocks.
///
/// # Errors
/// [`StoreError::Io`] if the data directory has a store already, which is left as it
/// is; [`StoreError::NotOurs`], [`StoreError::Newer`] and [`StoreError::Corrupt`] refuse
/// a file that is no sound copy.
pub fn restore(file: &Path, data_dir: &Path) -> Result<(), StoreError> {
    if !file.exists() {
        return Err(missing(file));
    }
    drop(open::open_to_read(file)?);
    let io = |source| StoreError::Io {
        doing: "restore to",
        path: data_dir.display().to_string(),
        source,
    };
    private_file::make_directory(data_dir).map_err(io)?;
    let dir = Dir::open_ambient_dir(data_dir, ambient_authority()).map_err(io)?;
    if dir.symlink_metadata(FILE_NAME).is_ok() {
        return Err(io(std::io::Error::new(
            ErrorKind::AlreadyExists,
            "there is a store already: move it away, or name another data directory",
        )));
    }
    let contents = std::fs::read(file).map_err(io)?;
    private_file::make(&dir, FILE_NAME, &contents).map_err(io)
}

fn missing(path: &Path) -> StoreError {
    StoreError::Io {
        doing: "read",
        path: path.display().to_string(),
        source: ErrorKind::NotFound.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::record;
    use crate::store::{NewItem, QueueKey, QueuePut, QueueState, SqliteStore, Store as _};

    #[tokio::test]
    async fn a_copy_of_a_store_at_work_becomes_a_store_with_all_that_was_in_it() {
        let temp = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(temp.path()).await.unwrap();
        store.insert_connection(&record("a", "one")).await.unwrap();
        let queue = QueueKey {
            connection: record("a", "one").key,
            name: "q".to_owned(),
        };
        let put = QueuePut {
            items: vec![NewItem {
                id: "x".to_owned(),
                bytes: b"to be done".to_vec(),
            }],
            checkpoint: Some(b"here".to_vec()),
            at_ms: 1,
            limit_bytes: 1_000,
        };
        store.queue_put(&queue, &put).await.unwrap();
        let file = temp.path().join("backup");
        back_up(temp.path(), &file).unwrap();
        store
            .insert_connection(&record("a", "later"))
            .await
            .unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert!(
            back_up(temp.path(), &file).is_err(),
            "nothing is overwritten"
        );

        let elsewhere = temp.path().join("new").join("deep");
        restore(&file, &elsewhere).unwrap();
        let restored = SqliteStore::open(&elsewhere).await.unwrap();
        let all = restored.connections(None).await.unwrap();
        assert_eq!(all, [record("a", "one")]);
        let checkpoint = restored.queue_checkpoint(&queue).await.unwrap();
        assert_eq!(checkpoint.as_deref(), Some(&b"here"[..]));
        let waiting = restored.queue_list(&queue, QueueState::Waiting, None, 9);
        assert_eq!(waiting.await.unwrap().items[0].bytes, b"to be done");
        assert!(restore(&file, &elsewhere).is_err(), "nor here");
        assert_eq!(restored.connections(None).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn what_is_no_sound_copy_is_refused_and_nothing_is_made_of_it() {
        let temp = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(temp.path()).await.unwrap();
        for n in 0..200 {
            let record = record("a", &format!("c{n}"));
            store.insert_connection(&record).await.unwrap();
        }
        let file = temp.path().join("backup");
        back_up(temp.path(), &file).unwrap();
        let whole = std::fs::read(&file).unwrap();
        let elsewhere = temp.path().join("new");
        let torn = &whole[..whole.len() / 2];
        let mut damaged = whole.clone();
        let end = damaged.len() - 3_000;
        damaged[4_096..end].fill(0xff);
        for wrong in [
            torn,
            &damaged,
            b"no database at all, but long enough to be one" as &[u8],
        ] {
            std::fs::write(&file, wrong).unwrap();
            let error = restore(&file, &elsewhere).unwrap_err();
            assert!(
                matches!(
                    error,
                    StoreError::Corrupt { .. } | StoreError::NotOurs { .. }
                ),
                "{error:?}"
            );
            assert!(!elsewhere.exists());
        }
        assert!(back_up(&elsewhere, &temp.path().join("other")).is_err());
        assert!(!temp.path().join("other").exists());
    }
}
