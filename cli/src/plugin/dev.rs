//! `lockgate plugin dev`: builds and tests again whenever a file changes, and has the
//! host that runs take what is good.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::future::{Either, select};
use notify::{EventKind, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::UnboundedReceiver;

use super::swap::Swaps;
use super::tested::Tests;
use super::{build, package_directory, sources};
use crate::args::Common;
use crate::exit::{self, Status};
use crate::interrupt::Interrupt;
use crate::output;

/// How long nothing must have changed before it is built: editors and version control
/// write several files at a time.
const QUIET: Duration = Duration::from_millis(150);

/// How often the host that runs is asked for figures.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lockgate plugin dev ./my-plugin
  lockgate plugin dev ./my-plugin --swap
      Has `lockgate run` on the same data directory take each build that passes its tests,
      as a version of its own such as 0.1.1-dev.3, and shows how that does.

It goes on until Ctrl-C. What it builds is in target/package; a host at work is not touched
by that without --swap. What fails to build or to pass its tests is never swapped in. The
way back is `lockgate package swap NAME VERSION`.")]
pub(super) struct Args {
    /// The plugin's directory
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Swap each good build into the host that runs
    #[arg(long)]
    swap: bool,
}

pub(super) async fn run(common: &Common, args: Args) -> Result<Status> {
    let mut interrupt = Interrupt::listen()?;
    // Watched before the first build, so that no change is missed.
    let directory = std::fs::canonicalize(&args.directory)
        .with_context(|| format!("cannot find {}", args.directory.display()))?;
    let (seen, mut changes) = tokio::sync::mpsc::unbounded_channel();
    let root = directory.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| is_change(&root, &event)) {
            // Nobody listens any more once the command ends.
            let _ = seen.send(());
        }
    })?;
    watcher
        .watch(&directory, RecursiveMode::Recursive)
        .with_context(|| format!("cannot watch {}", directory.display()))?;
    let mut swaps = args.swap.then(|| Swaps::new(common));
    let work = async {
        loop {
            if let Err(error) = once(common, &args.directory, swaps.as_mut()).await {
                exit::report(&error, None);
            }
            output::tell("waiting for a change; Ctrl-C ends this");
            let change = pin!(changed(&mut changes));
            // Told of until the next change.
            let figures = pin!(tell_figures(swaps.as_mut()));
            if let Either::Left((None, _)) = select(change, figures).await {
                return;
            }
        }
    };
    interrupt.stops(work).await;
    Ok(Status::Done)
}

/// Builds and tests once, shows what came of it, and swaps in what is good.
async fn once(common: &Common, directory: &Path, swaps: Option<&mut Swaps<'_>>) -> Result<()> {
    let package = build::make(common, directory, &package_directory(directory)).await?;
    let tests = Tests::run(common, directory, &package).await?;
    tests.show()?;
    match (swaps, tests.status()) {
        (Some(swaps), Status::Done) => swaps.take(&package).await,
        (Some(_), _) => {
            output::tell("nothing was swapped: what does not pass its tests stays out");
            Ok(())
        }
        (None, _) => Ok(()),
    }
}

/// Shows what calls of the version that was swapped in last come to. Never ends.
async fn tell_figures(swaps: Option<&mut Swaps<'_>>) {
    let Some(swaps) = swaps else {
        return std::future::pending().await;
    };
    loop {
        tokio::time::sleep(LOOK).await;
        let told = swaps.figures().await;
        let shown = told.and_then(|figures| match figures {
            Some(figures) => output::line(&figures),
            None => Ok(()),
        });
        if let Err(error) = shown {
            exit::report(&error, None);
        }
    }
}

/// Waits for a change, and for the end of those that come with it; `None` if no more
/// can come.
async fn changed(changes: &mut UnboundedReceiver<()>) -> Option<()> {
    changes.recv().await?;
    while let Ok(more) = tokio::time::timeout(QUIET, changes.recv()).await {
        more?;
    }
    Some(())
}

/// Whether something happened to a file that a person writes.
fn is_change(root: &Path, event: &notify::Event) -> bool {
    let is_write = !matches!(event.kind, EventKind::Access(_));
    let is_written = |path: &PathBuf| path.strip_prefix(root).is_ok_and(sources::is_written);
    is_write && event.paths.iter().any(is_written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_build_makes_is_no_change() {
        let event = |path: &str| {
            notify::Event::new(EventKind::Any).add_path(Path::new("/plugin").join(path))
        };
        let root = Path::new("/plugin");
        for path in ["src/lib.rs", "golden/one/input.json", "package.toml"] {
            assert!(is_change(root, &event(path)), "{path}");
        }
        for path in [
            "target/package/component.wasm",
            "node_modules/x/index.js",
            ".venv/bin/python",
            "src/__pycache__/plugin.pyc",
            "src/.plugin.py.swp",
        ] {
            assert!(!is_change(root, &event(path)), "{path}");
        }
    }
}
