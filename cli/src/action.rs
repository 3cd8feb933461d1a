//! `lockgate action`: what a connector can do beyond records.

use std::path::PathBuf;

use anyhow::Result;
use lockgate::Connection;

use crate::args::{Common, Shape, Target};
use crate::exit::{Status, usage};
use crate::{input, output, session, table};

const EXAMPLES: &str = "\
Examples:
  lockgate action crm
      List the actions; --output json has the schemas of what they take and give.
      What an action gives is always written as JSON.
  lockgate action crm record-counts '{\"objects\": [\"Account\", \"Contact\"]}'
  lockgate action crm find --file find.json";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// The action to do; without it the actions are listed
    #[arg(value_name = "NAME")]
    action: Option<String>,
    /// What the action takes, a JSON object; `-` for standard input, `{}` if
    /// nothing is given
    #[arg(value_name = "JSON")]
    input: Option<String>,
    /// A file with what the action takes; `-` for standard input
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "input",
        requires = "action"
    )]
    file: Option<PathBuf>,
    #[command(flatten)]
    shape: Shape,
}

impl Args {
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let input = input::object(args.input.as_deref(), args.file.as_deref())?;
    let (_host, connection) = session::connect(common, &args.target).await?;
    match &args.action {
        None => list(&connection, args.shape).await?,
        Some(action) => {
            must_be_offered(&connection, action, &args.target).await?;
            output::json(&connection.invoke(action, &input).await?)?;
        }
    }
    Ok(Status::Done)
}

async fn list(connection: &Connection, shape: Shape) -> Result<()> {
    let described = connection.connector().await?;
    if shape.is_json() {
        let actions: Vec<_> = described.actions.iter().map(with_schemas).collect();
        return output::json(&actions);
    }
    if described.actions.is_empty() {
        output::tell(&format!("{} has no actions", described.product));
        return Ok(());
    }
    let rows = described.actions.into_iter();
    table::print(
        ["action", "what it does"],
        rows.map(|a| [a.name, a.summary]),
    )
}

/// An action with its schemas as JSON, not as text that holds JSON.
fn with_schemas(action: &lockgate::Action) -> serde_json::Value {
    serde_json::json!({
        "name": action.name,
        "summary": action.summary,
        "input_schema": schema(&action.input_schema),
        "output_schema": schema(&action.output_schema),
    })
}

/// A schema as JSON, or as text if it is none.
pub(crate) fn schema(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::from(text))
}

/// A name that is none costs no call, and the names that are some are told.
async fn must_be_offered(connection: &Connection, action: &str, target: &Target) -> Result<()> {
    let described = connection.connector().await?;
    let names: Vec<&str> = described.actions.iter().map(|a| a.name.as_str()).collect();
    if names.contains(&action) {
        return Ok(());
    }
    let product = &described.product;
    Err(usage(match names.as_slice() {
        [] => format!("{product} has no actions"),
        names => format!(
            "{product} has no action `{action}`, but {}; see `lockgate action {}`",
            names.join(", "),
            target.as_arguments()
        ),
    }))
}
