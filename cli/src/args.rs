//! What every command takes; what only one takes lies with that command.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::{
    action, backup, bench, connection, demo, describe, dev_org, exit, file, key, limits,
    mailing_list, objects, package, plugin, query, recipe, record, run, sync, top, transform,
    watch, webhook,
};

const EXAMPLES: &str = "\
Examples:
  lockgate demo
      See everything work against an org on this machine; nothing is needed.
  lockgate connection create crm --login production --client-id ID
      Connect to a Salesforce org with your own app.
  lockgate query crm \"SELECT Id, Name FROM Account\" --output csv > accounts.csv
  lockgate record create crm Account '{\"Name\": \"Acme\"}'

Exit codes:
  0    done
  1    failed
  2    the arguments, settings or input are wrong
  3    the connection has to be authorised: lockgate connection reconnect NAME
  4    the budget of API calls is used up
  5    some records were not written, not found or rejected by a plugin; the
       others were not touched by that
  6    a passing fault: the same may succeed later
  130  interrupted with Ctrl-C; it says what there is after it

Environment:
  LOCKGATE_DATA_DIR       as --data-dir
  LOCKGATE_STORE          as --store: keeps its password out of the list of processes
  LOCKGATE_MASTER_KEY     the key that seals tokens, 32 bytes in base64
  LOCKGATE_CLIENT_SECRET  as --client-secret
  LOCKGATE_ALLOW_UNSIGNED as --allow-unsigned
  LOCKGATE_SYNC_TO        as --to of `lockgate sync create`
  LOCKGATE_WEBHOOK_TO     as --to of `lockgate webhook create`
  RUST_LOG                what is logged to standard error, such as lockgate=debug
  NO_COLOR                no colours";

/// Runs SaaS connectors as sealed WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "lockgate", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Common {
    /// Where connections, sealed tokens and budgets are kept; by default a
    /// directory of this user's own
    #[arg(long, global = true, env = "LOCKGATE_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// A PostgreSQL database that keeps connections, sealed tokens and budgets in place
    /// of the data directory, for several machines; all need the same master key
    #[arg(
        long,
        global = true,
        env = "LOCKGATE_STORE",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub(crate) store: Option<String>,
    /// The key that seals tokens, made on first use; by default LOCKGATE_MASTER_KEY,
    /// or else a file in the data directory
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) master_key_file: Option<PathBuf>,
    /// Load packages that nobody has signed: for development
    #[arg(long, global = true, env = "LOCKGATE_ALLOW_UNSIGNED")]
    pub(crate) allow_unsigned: bool,
    /// Log more to standard error: -v info, -vv debug, -vvv everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show everything at work against an org on this machine
    Demo(demo::Args),
    /// Run a Salesforce-compatible org on this machine
    DevOrg(dev_org::Args),
    /// Run use cases from beginning to end on this machine
    Recipe(recipe::Args),
    /// Run a small mailing-list service on this machine
    MailingList(mailing_list::Args),
    /// Add, list, test, change and remove connections to orgs
    Connection(connection::Args),
    /// List the objects that the connected user can see
    Objects(objects::Args),
    /// Show the fields of an object
    Describe(describe::Args),
    /// Create, read, change and delete records
    Record(record::Args),
    /// Get and put the contents of files
    File(file::Args),
    /// Run a query and stream its rows
    Query(query::Args),
    /// Tell of changes and messages of an org as they come
    Watch(watch::Args),
    /// Keep an org and a database equal
    Sync(sync::Args),
    /// Send an org's events to an app as signed requests, and receive webhooks
    Webhook(webhook::Args),
    /// Have all syncs and webhooks at work, until it is told to stop
    Run(run::Args),
    /// Show what the calls of the host that runs come to, as they come
    Top(top::Args),
    /// Copy the data directory's store into a file
    Backup(backup::BackupArgs),
    /// Make a data directory's store from such a file
    Restore(backup::RestoreArgs),
    /// Show the master key's id, or put a new key in its place
    Key(key::Args),
    /// Do what a connector can beyond records, or list what that is
    Action(action::Args),
    /// Show an org's limits and what is left of the budget of API calls
    Limits(limits::Args),
    /// Write a plugin: begin, build, test and pack one in Rust, JavaScript or Python
    Plugin(plugin::Args),
    /// Build packages and look into them
    Package(package::Args),
    /// Measure what promises about time cost on this machine
    Bench(bench::Args),
    /// Run a plugin on records in a file, in the real sandbox
    Transform(transform::Args),
}

/// A connection that was created before, and the connector that it runs.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Target {
    /// The connection's name
    pub(crate) connection: String,
    #[command(flatten)]
    pub(crate) owner: Owner,
}

/// Whose connection it is, and the connector that it runs.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Owner {
    /// Whose connection it is
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) tenant: String,
    /// A connector's package directory, in place of the one that is built in
    #[arg(long, value_name = "DIR")]
    pub(crate) package: Option<PathBuf>,
}

/// How a command that reads answers.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Shape {
    /// How to write the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Format,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Table,
    /// For programs
    Json,
}

impl Target {
    /// The connection as arguments name it.
    pub(crate) fn as_arguments(&self) -> String {
        format!(
            "{}{}",
            self.connection,
            exit::tenant_argument(&self.owner.tenant)
        )
    }
}

impl Command {
    /// The connection that the command is about.
    pub(crate) fn target(&self) -> Option<&Target> {
        match self {
            Self::Objects(args) => Some(args.target()),
            Self::Describe(args) => Some(args.target()),
            Self::Record(args) => Some(args.target()),
            Self::File(args) => Some(args.target()),
            Self::Query(args) => Some(args.target()),
            Self::Watch(args) => Some(args.target()),
            Self::Action(args) => Some(args.target()),
            Self::Limits(args) => Some(args.target()),
            Self::Connection(args) => args.target(),
            Self::Sync(args) => args.target(),
            Self::Webhook(args) => args.target(),
            Self::Demo(_)
            | Self::DevOrg(_)
            | Self::MailingList(_)
            | Self::Recipe(_)
            | Self::Run(_)
            | Self::Top(_)
            | Self::Backup(_)
            | Self::Restore(_)
            | Self::Key(_)
            | Self::Plugin(_)
            | Self::Package(_)
            | Self::Bench(_)
            | Self::Transform(_) => None,
        }
    }
}

impl Shape {
    pub(crate) fn is_json(self) -> bool {
        self.output == Format::Json
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_of_all_commands_fit_together() {
        Args::command().debug_assert();
    }

    #[test]
    fn each_command_has_an_example_of_itself_in_its_help() {
        fn without(command: &clap::Command, path: &str, found: &mut Vec<String>) {
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            if !(help.contains("Example") && help.contains(path)) {
                found.push(path.to_owned());
            }
            for inner in command.get_subcommands() {
                without(inner, &format!("{path} {}", inner.get_name()), found);
            }
        }
        let mut found = Vec::new();
        without(&Args::command(), "lockgate", &mut found);
        assert!(found.is_empty(), "{found:#?}");
    }
}
