//! `lockgate run`: the host that stays. It has all syncs and webhooks at work until it
//! is told to stop, and hears of changes from the other commands, with which it shares
//! the data directory.

pub(crate) mod control;
mod couriers;
mod hosts;
mod listener;
mod receiving;
mod socket;
mod supervisor;
mod work;

use std::fs::File;

use anyhow::{Context as _, Result};
use lockgate::HostBuilder;
use lockgate::receiver::Receiver;

use crate::args::Common;
use crate::exit::{Status, advised};
use crate::shelf::Shelf;
use crate::{output, place, session, text, trust};
use supervisor::Supervisor;

const EXAMPLES: &str = "\
Examples:
  lockgate run
  lockgate run --data-dir /var/lib/lockgate -v
  lockgate run --listen 127.0.0.1:8723
      Takes the webhooks of `lockgate webhook receive` as well. Something in front of it
      has to end TLS for senders outside of this machine, unless it does so itself:
  lockgate run --listen 0.0.0.0:8443 --tls-cert hooks.pem --tls-key hooks.key \\
      --client-ca issuers.pem --client-name sender.example.com
      Only for senders with a certificate for that name from one of these issuers.

Each data directory has one at a time. It stops cleanly at SIGTERM and at Ctrl-C: each
step of a sync is one transaction, and the next start goes on from the last one; webhooks
that were just being sent are sent again a minute later. Other commands reach it by a
socket in the data directory, which is for its owner only.";

/// Locked by the one that runs.
const LOCK: &str = "run.lock";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    listen: listener::Listen,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let mut stop = Stop::listen()?;
    let data_dir = place::data_dir(common)?;
    // Makes the directory, and tells at once what is wrong with it.
    let shelf = Shelf::of(common)?;
    // What this data directory signs from now on is trusted by the host that runs, too.
    trust::own_or_new_key(common)?;
    let follow = |builder: HostBuilder| builder.watch_packages(shelf.follower());
    let host = session::open_with(common, None, follow).await?;
    let _lock = lock(&data_dir)?;
    let web = listener::Listener::bind(&args.listen).await?;
    let listener = socket::Listener::bind(&data_dir)?;
    let receiver = Receiver::new(args.listen.options());
    let mut supervisor = Supervisor::new(common, host, receiver.clone());
    supervisor.reload().await?;
    tell_of_webhooks(supervisor.received(), web.as_ref());
    output::tell(&format!(
        "{} at work; Ctrl-C ends it",
        supervisor.in_words()
    ));
    let ended = tokio::select! {
        () = stop.wait() => Ok(()),
        ended = serve(&listener, &mut supervisor) => ended,
        ended = listener::serve(web.as_ref(), &receiver) => ended,
    };
    drop(listener);
    supervisor.stop().await?;
    ended?;
    output::tell("stopped");
    Ok(Status::Done)
}

fn tell_of_webhooks(n_webhooks: usize, web: Option<&listener::Listener>) {
    let webhooks = text::counted(n_webhooks, "webhook");
    match web {
        Some(web) => output::tell(&format!("receives {webhooks} at {}", web.address())),
        None if n_webhooks > 0 => output::warn(&format!(
            "{webhooks} cannot come in: name an address with --listen"
        )),
        None => {}
    }
}

/// Answers other commands, one after the other.
async fn serve(listener: &socket::Listener, supervisor: &mut Supervisor) -> Result<()> {
    loop {
        let mut caller = listener.accept().await?;
        // A caller that goes away, or asks for nonsense, is its own business.
        let answered = caller
            .answer(async |request| supervisor.answer(request).await)
            .await;
        if let Err(error) = answered {
            tracing::debug!(%error, "a command was not answered");
        }
    }
}

fn lock(data_dir: &std::path::Path) -> Result<File> {
    let path = data_dir.join(LOCK);
    let doing = || format!("cannot lock {}", path.display());
    let mut options = File::options();
    let file = options.create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(doing)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(advised(
            format!(
                "another `lockgate run` is at work on {}",
                data_dir.display()
            ),
            "it has all syncs and webhooks at work: see them with `lockgate sync status` and \
             `lockgate webhook status`",
        )),
        Err(std::fs::TryLockError::Error(error)) => Err(error).with_context(doing),
    }
}

/// What asks the program to stop. Listened for from the beginning, so that it is never
/// cut off in the middle of a start.
struct Stop {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    interrupt: crate::interrupt::Interrupt,
}

impl Stop {
    fn listen() -> Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            terminate: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                .context("cannot listen for SIGTERM")?,
            interrupt: crate::interrupt::Interrupt::listen()?,
        })
    }

    async fn wait(&mut self) {
        #[cfg(unix)]
        let terminate = self.terminate.recv();
        #[cfg(not(unix))]
        let terminate = std::future::pending::<Option<()>>();
        // Nothing, if Ctrl-C came first.
        let _ = self.interrupt.stops(terminate).await;
    }
}
