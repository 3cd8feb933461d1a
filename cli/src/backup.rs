//! `lockgate backup` and `lockgate restore`.

use std::path::PathBuf;

use anyhow::Result;
use lockgate::{Error, MASTER_KEY_FILE, store};

use crate::args::Common;
use crate::exit::{Status, advised, usage};
use crate::{output, place, session, text};

const BACKUP_EXAMPLES: &str = "\
Examples:
  lockgate backup lockgate-2026-11-26.backup
      Others may work with the data directory meanwhile, `lockgate run` too.

Tokens and secrets are sealed in the copy as they are in the data directory: keep the
master key elsewhere, and do not lose it, nor an older one that a backup was sealed
with before `lockgate key rotate`. Tables of syncs are in your own databases.";

const RESTORE_EXAMPLES: &str = "\
Examples:
  install -Dm600 master.key /var/lib/lockgate/master.key &&
      lockgate restore lockgate-2026-11-26.backup --data-dir /var/lib/lockgate
  lockgate restore lockgate-2026-11-26.backup --master-key-file master.key

Refresh tokens that were rotated since the backup are good no more: such a connection
says that it needs to be reconnected.";

#[derive(Debug, clap::Args)]
#[command(after_help = BACKUP_EXAMPLES)]
pub(crate) struct BackupArgs {
    /// The file to write; it must not be there yet
    file: PathBuf,
}

#[derive(Debug, clap::Args)]
#[command(after_help = RESTORE_EXAMPLES)]
pub(crate) struct RestoreArgs {
    /// The file that `lockgate backup` has written
    file: PathBuf,
}

pub(crate) async fn back_up(common: &Common, args: BackupArgs) -> Result<Status> {
    is_a_file(common)?;
    if args.file.exists() {
        return Err(usage(format!(
            "{} is there already, and is not overwritten: name another file, or remove it first",
            args.file.display()
        )));
    }
    let data_dir = place::data_dir(common)?;
    let file = args.file.clone();
    let copied = tokio::task::spawn_blocking(move || store::back_up(&data_dir, &file)).await?;
    copied.map_err(Error::Store)?;
    output::line(&format!("{} is written", args.file.display()))?;
    Ok(Status::Done)
}

pub(crate) async fn restore(common: &Common, args: RestoreArgs) -> Result<Status> {
    is_a_file(common)?;
    let data_dir = place::data_dir(common)?;
    if !place::has_key(common)? {
        return Err(advised(
            "the master key that the backup was sealed with is not here",
            format!(
                "copy it to {} first, or give it with --master-key-file or LOCKGATE_MASTER_KEY, \
                 now and from then on",
                data_dir.join(MASTER_KEY_FILE).display()
            ),
        ));
    }
    let place = data_dir.clone();
    let restored = tokio::task::spawn_blocking(move || store::restore(&args.file, &place)).await?;
    restored.map_err(Error::Store)?;
    // Tells at once whether the master key is the right one.
    let host = match session::open(common, None).await {
        Ok(host) => host,
        Err(error) => {
            // So that it can be tried again with the right one.
            for end in ["", "-wal", "-shm"] {
                let file = data_dir.join(format!("{}{end}", store::FILE_NAME));
                // What is not there need not go.
                let _ = std::fs::remove_file(file);
            }
            return Err(error);
        }
    };
    let count = host.connections(None).await?.len();
    let connections = text::counted(count, "connection");
    output::line(&format!("{} has {connections}", data_dir.display()))?;
    Ok(Status::Done)
}

/// Whether the store is a file of ours rather than a database.
fn is_a_file(common: &Common) -> Result<()> {
    match place::store(common) {
        None => Ok(()),
        Some(_) => Err(usage(
            "the store is a database: copy it with `pg_dump`, and restore it with `pg_restore`",
        )),
    }
}
