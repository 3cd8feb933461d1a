//! `lockgate sync create`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use lockgate::ConnectionKey;
use lockgate_sync::{Database, Direction, ObjectPlan, Plan, Target as Place};
use serde_json::json;

use super::definition::{self, Definition, Plugin, Sync};
use super::{key_field, open};
use crate::args::{Common, Shape, Target};
use crate::exit::{Status, advised, usage};
use crate::plugin_argument::plugin;
use crate::progress::Progress;
use crate::run::control;
use crate::{input, kept, output, session, text};

const EXAMPLES: &str = "\
Examples:
  lockgate sync create crm --object Account --object Contact --to sqlite:crm.db
      Both ways. `lockgate run` has it at work; any program may write to the tables.
  lockgate sync create crm --object Lead --to sqlite:leads.db --direction in --dry-run
      Show the tables that would be made.
  LOCKGATE_SYNC_TO=postgres://app:PASSWORD@db.example.com/crm \\
      lockgate sync create crm --object Contact --key-field Sync_Key__c \\
      --plugin contact-normalizer
  lockgate sync create crm --object Contact --to sqlite:crm.db \\
      --key-field Lockgate_Key__c --add-key-field
      Add the field to Contact if it is not there, then synchronise by it.
  lockgate sync create crm --object Contact --to sqlite:crm.db --mapping crm.toml
  lockgate sync create list --object Member --to sqlite:crm.db --key-field external_key
      Another product beside it in the same database; triggers of your own carry
      values from one table to the other.

A mapping file says what is to be otherwise than by itself:
  [objects.Contact]
  table = \"people\"
  direction = \"both\"           # or in, out
  policy = \"newest\"            # who wins where both sides changed a field:
                               # org, local, newest, plugin
  key_field = \"Sync_Key__c\"    # an external id: nothing is ever created twice
  leave_out = [\"Fax\"]
  [objects.Contact.fields.MailingStreet]
  column = \"street\"
  policy = \"local\"";

/// The largest mapping file, in bytes.
const MAX_MAPPING_BYTES: u64 = 1024 * 1024;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// The sync's name, unique for the tenant; by default that of the connection
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// An object to synchronise, by its API name; repeat it for more
    #[arg(
        long = "object",
        value_name = "NAME",
        value_delimiter = ',',
        required = true
    )]
    objects: Vec<String>,
    /// The database: sqlite:FILE, or postgres://USER:PASSWORD@HOST/DATABASE; better
    /// in the environment, since others on this machine can see arguments
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "LOCKGATE_SYNC_TO",
        hide_env_values = true
    )]
    to: String,
    /// Which way records go
    #[arg(long, value_enum, default_value_t, value_name = "WAY")]
    direction: Way,
    /// What is to be otherwise than by itself, a TOML file
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// The external id field that holds the rows' keys, of all objects that have a
    /// field of this name and of which the mapping names no other
    #[arg(long, value_name = "FIELD")]
    key_field: Option<String>,
    /// Add the key field, an external id, to objects that lack it: this changes the
    /// org's data model, for which the connected user needs an administrator's
    /// permission
    #[arg(long, requires = "key_field", conflicts_with = "dry_run")]
    add_key_field: bool,
    /// A plugin that each record goes through, a package directory or the name of a
    /// built-in one, perhaps with its settings, a JSON file; repeat it for more
    #[arg(long = "plugin", value_name = "PACKAGE[=FILE]", value_parser = plugin)]
    plugins: Vec<Plugin>,
    /// A plugin that decides conflicts of fields whose policy is `plugin`: it gets
    /// records of `number`, `field`, `base`, `local` and `org`, and gives them back with
    /// `value`
    #[arg(long, value_name = "PACKAGE[=FILE]", value_parser = plugin)]
    decider: Option<Plugin>,
    /// How to hear of changes, by the connector's name of it; by default the
    /// connector chooses
    #[arg(long, value_name = "NAME")]
    way: Option<String>,
    /// How often all records are compared, in hours; 0 for never
    #[arg(long, value_name = "N", default_value_t = 24)]
    reconcile_hours: u32,
    /// Show what would be made, and make nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    shape: Shape,
}

/// A direction as an argument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Way {
    /// From the org into the tables and back
    #[default]
    Both,
    /// From the org into the tables, which other programs cannot change then
    In,
    /// From the tables into the org
    Out,
}

impl From<Way> for Direction {
    fn from(way: Way) -> Self {
        match way {
            Way::Both => Self::Both,
            Way::In => Self::In,
            Way::Out => Self::Out,
        }
    }
}

impl Args {
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let mut sync = sync(&args)?;
    let host = session::of(common, &args.target).await?;
    kept::must_be_new(&host, &sync).await?;
    if let Some(other) = kept::all::<Definition>(&host, None)
        .await?
        .iter()
        .find(|other| {
            other.definition.to == sync.definition.to
                && other.definition.tables == sync.definition.tables
        })
    {
        return Err(advised(
            format!(
                "its own tables would be called as those of {} in that database",
                other.title()
            ),
            "give this one another name with --name",
        ));
    }
    let connection = open::connection(&host, &sync).await?;
    // Whether plugins take their settings is told now rather than at night.
    open::plugins(&host, &sync.definition).await?;
    open::decider(&host, &sync.definition).await?;
    let progress = Progress::spinner("asking what the objects are like");
    if let Some(key_field) = &args.key_field {
        sync.definition.mapping =
            key_field::mapping(&connection, &sync.definition, key_field, args.add_key_field)
                .await?;
    }
    let plan = Arc::new(open::plan(&connection, &sync.definition).await?);
    drop(progress);
    let place = sync.definition.target()?;
    if args.dry_run {
        let is_new = place.file().is_some_and(|file| !file.exists());
        let statements = Database::preview(&place, &plan).await;
        if let Some(file) = place.file().filter(|_| is_new) {
            clear(file);
        }
        show(&plan, &statements?, args.shape)?;
        return Ok(Status::Done);
    }
    Database::open(&place, &plan).await?;
    kept::keep(&host, &sync).await?;
    let is_at_work = control::reload(common).await?;
    if args.shape.is_json() {
        output::json(&super::list::json(&sync))?;
    } else {
        let shown = Place::shown(&sync.definition.to);
        output::line(&format!(
            "{} is set up: {} with {shown}",
            sync.title(),
            sync.connection
        ))?;
        for object in &plan.objects {
            output::line(&format!("  {}", in_words(object)))?;
        }
    }
    for object in plan.objects.iter().filter(|object| makes_twice(object)) {
        output::warn(&format!(
            "{}: without a key field a record whose creation is cut off by a crash may be made \
             twice; name an external id field of 32 characters or more with --key-field",
            object.object
        ));
    }
    if !is_at_work {
        output::tell(&format!(
            "have it at work with `lockgate run`, or once with `lockgate sync run-once {}`",
            sync.as_arguments()
        ));
    }
    Ok(Status::Done)
}

fn makes_twice(object: &ObjectPlan) -> bool {
    object.createable && object.direction != Direction::In && object.key_field.is_none()
}

/// A preview has made it, empty.
fn clear(file: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        // What is not there need not go.
        let _ = std::fs::remove_file(name);
    }
}

fn sync(args: &Args) -> Result<Sync> {
    let owner = &args.target.owner;
    let key = |name: &str| {
        ConnectionKey::new(&owner.tenant, name).map_err(|error| usage(error.to_string()))
    };
    let name = args.name.as_ref().unwrap_or(&args.target.connection);
    // It is written where names of connections are.
    key(name)?;
    let connection = key(&args.target.connection)?;
    let mapping = args.mapping.as_deref();
    let mapping = mapping.map(|file| input::read(file, MAX_MAPPING_BYTES));
    let definition = Definition {
        objects: args.objects.clone(),
        to: absolute(&args.to)?,
        tables: Some(definition::tables(&connection, name)),
        direction: args.direction.into(),
        mapping: mapping.transpose()?.unwrap_or_default(),
        plugins: args.plugins.clone(),
        decider: args.decider.clone(),
        package: owner
            .package
            .as_deref()
            .map(std::path::absolute)
            .transpose()?,
        way: args.way.clone(),
        reconcile_hours: args.reconcile_hours,
        is_paused: false,
    };
    definition.mapping()?;
    Ok(Sync {
        name: name.clone(),
        connection,
        definition,
    })
}

/// The address as it is understood from any directory.
fn absolute(address: &str) -> Result<String> {
    Ok(match Place::parse(address)?.file() {
        Some(file) => {
            let file = std::path::absolute(file)
                .with_context(|| format!("{} is no file", file.display()))?;
            if let Some(directory) = file.parent().filter(|directory| !directory.is_dir()) {
                return Err(usage(format!(
                    "there is no directory {} for the database: make it first, or name another \
                     file with --to",
                    directory.display()
                )));
            }
            format!("sqlite:{}", file.display())
        }
        None => address.to_owned(),
    })
}

fn show(plan: &Plan, statements: &[String], shape: Shape) -> Result<()> {
    if shape.is_json() {
        return output::json(&json!({"plan": plan, "statements": statements}));
    }
    for object in &plan.objects {
        output::line(&format!("-- {}", in_words(object)))?;
    }
    for statement in statements {
        let lines: Vec<_> = statement.lines().map(text::clean).collect();
        output::line(&format!("{};", lines.join("\n")))?;
    }
    Ok(())
}

/// `Contact ⇄ contact (23 columns)`.
fn in_words(object: &ObjectPlan) -> String {
    let arrow = match object.direction {
        Direction::Both => "<->",
        Direction::In => "->",
        Direction::Out => "<-",
    };
    let key = match &object.key_field {
        Some(field) => format!(", key in {field}"),
        None => String::new(),
    };
    format!(
        "{} {arrow} {} ({} columns{key})",
        object.object,
        object.table,
        object.columns.len()
    )
}
