//! `lockgate file get`.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use futures_util::TryStreamExt as _;
use lockgate::Download;
use tempfile::NamedTempFile;

use super::Place;
use crate::args::{Common, Target};
use crate::exit::{Status, usage};
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::{output, session};

const EXAMPLES: &str = "\
Examples:
  lockgate file get crm 068XX0000000001AAA --to report.pdf
  lockgate file get crm 00PXX0000000001AAA --object Attachment | sha256sum
      The file appears under its name when it is whole, and not before.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) target: Target,
    /// The id of the record with the file
    id: String,
    #[command(flatten)]
    place: Place,
    /// Where to write it, in the place of what is there; by default standard
    /// output, if that is no terminal
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

pub(super) async fn run(common: &Common, args: Args) -> Result<Status> {
    if args.to.is_none() && output::is_terminal() {
        return Err(usage(
            "a file may hold anything, also what steers a terminal: name a file with --to, or use \
             a pipe",
        ));
    }
    if let Some(file) = &args.to {
        let directory = directory_of(file);
        if !directory.is_dir() {
            return Err(usage(format!(
                "cannot write {}: {} is no directory; make it first, or name another file with --to",
                file.display(),
                directory.display()
            )));
        }
    }
    // What is half written goes with the program, unless a signal ends it.
    let mut interrupt = Interrupt::listen()?;
    let (_host, connection) = session::connect(common, &args.target).await?;
    let getting = async {
        let field = args.place.field();
        let content = connection.download(&args.place.object, &args.id, field);
        let content = content.await?;
        match &args.to {
            Some(path) => into_file(content, path).await,
            None => {
                let mut out = output::stdout();
                copy(content, &mut out).await
            }
        }
    };
    interrupt
        .or("nothing was written to a file", getting)
        .await?;
    Ok(Status::Done)
}

/// Writes beside the place and moves there what is whole.
async fn into_file(content: Download, path: &Path) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let beside = beside(directory_of(path)).with_context(failed)?;
    copy(content, &mut BufWriter::new(beside.as_file())).await?;
    beside.as_file().sync_all().with_context(failed)?;
    beside.persist(path).with_context(failed)?;
    Ok(())
}

fn directory_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn beside(directory: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".lockgate-");
    // As any other new file, not only for this user.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(directory)
}

async fn copy(mut content: Download, out: &mut impl Write) -> Result<()> {
    let progress = Progress::bytes("getting the file", content.length());
    while let Some(part) = content.try_next().await? {
        out.write_all(&part).context("cannot write the file")?;
        progress.advance(part.len());
    }
    out.flush().context("cannot write the file")
}
