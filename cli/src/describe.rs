//! `lockgate describe`.

use anyhow::Result;
use lockgate::Field;

use crate::args::{Common, Shape, Target};
use crate::exit::Status;
use crate::{output, session, table};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate describe crm Account\n  lockgate describe crm Order --output json | jq '.fields[].name'"
)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// The object's API name
    object: String,
    #[command(flatten)]
    shape: Shape,
}

impl Args {
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let (_host, connection) = session::connect(common, &args.target).await?;
    let described = connection.describe(&args.object).await?;
    if args.shape.is_json() {
        output::json(&described)?;
        return Ok(Status::Done);
    }
    let rows = described.fields.into_iter().map(|field| {
        [
            field.name.clone(),
            field.label.clone(),
            kind(&field),
            notes(&field),
        ]
    });
    table::print(["field", "label", "type", "notes"], rows)?;
    Ok(Status::Done)
}

fn kind(field: &Field) -> String {
    match (field.max_length, field.references.as_slice()) {
        (0, []) => field.kind.clone(),
        (length, []) => format!("{}({length})", field.kind),
        (_, references) => format!("{} to {}", field.kind, references.join(", ")),
    }
}

fn notes(field: &Field) -> String {
    let notes = [
        (field.required, "required"),
        (field.external_id, "external id"),
        (field.unique, "unique"),
        (!field.createable && !field.updateable, "read only"),
        (field.createable && !field.updateable, "create only"),
        (field.custom, "custom"),
        (field.restricted, "restricted"),
    ];
    let notes: Vec<&str> = notes
        .into_iter()
        .filter_map(|(is, note)| is.then_some(note))
        .collect();
    notes.join(", ")
}
