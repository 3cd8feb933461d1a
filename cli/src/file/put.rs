//! `lockgate file put`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use lockgate::{Connection, Content, Error, Outcome, RecordResult};
use serde_json::{Map, Value as Json};
use tokio::fs::File;

use super::Place;
use crate::args::{Common, Shape, Target};
use crate::exit::{Status, usage};
use crate::progress::{Counted, Progress};
use crate::{input, output, session, text};

const EXAMPLES: &str = "\
Examples:
  lockgate file put crm report.pdf --on 001XX0000000001AAA
      Put a file beside an account.
  lockgate file put crm report.pdf --document 069XX0000000001AAA
      Put a new version of a file.
  lockgate file put crm logo.png --object Attachment --on 001XX0000000001AAA
  lockgate file put crm a.txt --fields '{\"Description\": \"From the press\"}'";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) target: Target,
    /// The file to put
    file: PathBuf,
    #[command(flatten)]
    place: Place,
    /// What it is called; by default the file's name
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// The record that it belongs to; the folder, for a Document
    #[arg(long, value_name = "RECORD_ID")]
    on: Option<String>,
    /// The file that it is a new version of, a ContentDocument
    #[arg(long, value_name = "ID")]
    document: Option<String>,
    /// Further fields of its record, a JSON object; they win over what the
    /// other options say
    #[arg(long, value_name = "JSON")]
    fields: Option<String>,
    #[command(flatten)]
    shape: Shape,
}

impl Args {
    /// The record that goes with the file.
    fn record(&self) -> Result<Json> {
        let name = self
            .file
            .file_name()
            .ok_or_else(|| usage(format!("{} is not a file", self.file.display())))?
            .to_string_lossy();
        let mut record = Map::new();
        let mut set = |field: &str, value: &str| record.insert(field.to_owned(), value.into());
        let title = self.title.as_deref();
        if self.place.is_version() {
            set("PathOnClient", &name);
            set("Title", title.unwrap_or(&name));
            if let Some(document) = &self.document {
                set("ContentDocumentId", document);
            }
        } else {
            set("Name", title.unwrap_or(&name));
        }
        if let Some(on) = &self.on {
            let field = match self.place.object.to_ascii_lowercase().as_str() {
                "contentversion" => "FirstPublishLocationId",
                "document" => "FolderId",
                _ => "ParentId",
            };
            set(field, on);
        }
        if let Json::Object(fields) = input::object(self.fields.as_deref(), None)? {
            record.extend(fields);
        }
        Ok(Json::Object(record))
    }
}

pub(super) async fn run(common: &Common, args: Args) -> Result<Status> {
    let record = args.record()?;
    // Says that it is not there before anything else is done.
    drop(open(&args.file).await?);
    let (_host, connection) = session::connect(common, &args.target).await?;
    let result = match put(&connection, &args, &record).await {
        // The session had ended, and was renewed: the file is still here.
        Err(Failure::Call(Error::Unavailable { retry_after, .. })) if retry_after.is_zero() => {
            put(&connection, &args, &record).await
        }
        outcome => outcome,
    };
    let result = result.map_err(Failure::into_error)?;
    tell(&result, args.shape)?;
    match result.is_ok() {
        true => Ok(Status::Done),
        false => Ok(Status::SomeFailed),
    }
}

/// Why a file was not put.
enum Failure {
    File(anyhow::Error),
    Call(Error),
}

impl Failure {
    fn into_error(self) -> anyhow::Error {
        match self {
            Self::File(error) => error,
            Self::Call(error) => error.into(),
        }
    }
}

async fn put(connection: &Connection, args: &Args, record: &Json) -> Result<RecordResult, Failure> {
    let (file, length) = open(&args.file).await.map_err(Failure::File)?;
    let progress = Progress::bytes("putting the file", Some(length));
    let content = Content::from_reader(Counted::new(file, &progress), Some(length));
    connection
        .upload(&args.place.object, record, args.place.field(), content)
        .await
        .map_err(Failure::Call)
}

async fn open(path: &Path) -> Result<(File, u64)> {
    let failed = |error| input::unreadable(path, &error);
    let file = File::open(path).await.map_err(failed)?;
    let about = file.metadata().await.map_err(failed)?;
    if !about.is_file() {
        return Err(usage(format!("{} is not a file", path.display())));
    }
    Ok((file, about.len()))
}

fn tell(result: &RecordResult, shape: Shape) -> Result<()> {
    if shape.is_json() {
        return output::json(result);
    }
    let id = text::clean(result.id.as_deref().unwrap_or_default()).into_owned();
    match &result.outcome {
        Outcome::Failed { problems } => {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            output::error(
                &format!("the file was not put: {}", problems.join(" | ")),
                None,
            );
            Ok(())
        }
        Outcome::Updated => output::line(&format!("changed {id}")),
        _ => output::line(&format!("created {id}")),
    }
}
