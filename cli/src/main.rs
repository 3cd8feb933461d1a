//! The `lockgate` command: connect to an org, look at it, read and write its
//! records, and build and try packages, all in the same sandbox as in production.

mod action;
mod args;
mod authorize;
mod backup;
mod bench;
mod browser;
mod callback;
mod calls;
mod connection;
mod demo;
mod describe;
mod dev_org;
mod exit;
mod file;
mod input;
mod interrupt;
mod kept;
mod key;
mod limits;
mod logging;
mod mailing_list;
mod objects;
mod output;
mod package;
mod packages;
mod place;
mod plugin;
mod plugin_argument;
mod progress;
mod query;
mod recipe;
mod record;
mod registry;
mod roots;
mod rows;
mod run;
mod session;
mod shelf;
mod steps;
mod sync;
mod table;
mod text;
mod top;
mod transform;
mod trust;
mod watch;
mod webhook;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser as _;

use args::{Args, Command};
use exit::Status;

fn main() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|first| first == trust::COMPILE)
    {
        return lockgate::compile_helper();
    }
    // Usage errors leave here, with exit code 2 and the usage on stderr.
    let args = Args::parse();
    let least = match &args.command {
        // What these provoke they report themselves.
        Command::Demo(_) | Command::Bench(_) => "off",
        _ => "warn",
    };
    logging::start(least, args.common.verbose);
    let target = args.command.target().cloned();
    match run(args) {
        Ok(status) => status.into(),
        Err(error) => exit::report(&error, target.as_ref()).into(),
    }
}

fn run(args: Args) -> Result<Status> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let done = dispatch(args).await;
        session::keep_count().await;
        done
    })
}

async fn dispatch(args: Args) -> Result<Status> {
    let common = args.common;
    match args.command {
        Command::Demo(args) => demo::run(args).await,
        Command::DevOrg(args) => dev_org::run(args).await,
        Command::MailingList(args) => mailing_list::run(args).await,
        Command::Recipe(args) => recipe::run(args).await,
        Command::Connection(args) => connection::run(&common, args).await,
        Command::Objects(args) => objects::run(&common, args).await,
        Command::Describe(args) => describe::run(&common, args).await,
        Command::Record(args) => record::run(&common, args).await,
        Command::File(args) => file::run(&common, args).await,
        Command::Query(args) => query::run(&common, args).await,
        Command::Watch(args) => watch::run(&common, args).await,
        Command::Action(args) => action::run(&common, args).await,
        Command::Sync(args) => sync::run(&common, args).await,
        Command::Webhook(args) => webhook::run(&common, args).await,
        Command::Run(args) => run::run(&common, args).await,
        Command::Top(args) => top::run(&common, args).await,
        Command::Backup(args) => backup::back_up(&common, args).await,
        Command::Restore(args) => backup::restore(&common, args).await,
        Command::Key(args) => key::run(&common, args).await,
        Command::Limits(args) => limits::run(&common, args).await,
        Command::Bench(args) => bench::run(args).await,
        Command::Package(args) => package::run(&common, args).await,
        Command::Plugin(args) => plugin::run(&common, args).await,
        Command::Transform(args) => transform::run(&common, args).await,
    }
}
