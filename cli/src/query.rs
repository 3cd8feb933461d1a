//! `lockgate query`: rows as they come, page by page, never all at once.

mod sink;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use lockgate::{Host, Page, Pages, QueryOptions, Rejected};
use serde::Deserialize;

use crate::args::{Common, Target};
use crate::calls::Calls;
use crate::exit::{Status, usage};
use crate::plugin_argument::plugin;
use crate::progress::{Note, Progress};
use crate::sync::definition::Plugin;
use crate::{input, output, packages, session, text};
use sink::Sink;

const EXAMPLES: &str = "\
Examples:
  lockgate query crm \"SELECT Id, Name, Owner.Name FROM Account ORDER BY Name\"
  lockgate query crm \"SELECT Id, Email FROM Contact\" --output csv > contacts.csv
  lockgate query crm \"SELECT Id, Email FROM Contact\" --way bulk --output csv > all.csv
  lockgate query crm \"SELECT Id FROM Task\" --priority backfill --wait --output csv > tasks.csv
  lockgate query crm \"SELECT Id, Name, Phone FROM Contact\" \\
      --plugin contact-normalizer=settings.json --output json
  lockgate query crm - < report.soql";

/// Rejected records whose reasons are shown; more would bury the count.
const SHOWN_REASONS: usize = 10;

/// The longest query that is read from standard input, in bytes.
const MAX_QUERY_BYTES: u64 = 1024 * 1024;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// The query, in the product's own language; `-` for standard input
    #[arg(value_name = "QUERY")]
    text: String,
    /// How to write the rows; all of them are streamed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: RowFormat,
    /// Include deleted and archived records
    #[arg(long)]
    all: bool,
    /// How to ask for them, by the connector's name of it: `rest` or `bulk` for
    /// Salesforce; by default the connector chooses what costs fewer calls
    #[arg(long, value_name = "NAME")]
    way: Option<String>,
    #[command(flatten)]
    calls: Calls,
    /// Wished records a page
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    page_size: u32,
    /// Send the rows through this plugin: a package directory or the name of a
    /// built-in one, perhaps with its settings, a JSON file; repeat it for several, one
    /// after the other
    #[arg(long = "plugin", value_name = "PACKAGE[=FILE]", value_parser = plugin)]
    plugins: Vec<Plugin>,
    /// Settings of a plugin that is named without a file; repeat it for several plugins,
    /// in their order; those behind the last file get none
    #[arg(long = "plugin-settings", value_name = "FILE", requires = "plugins")]
    plugin_settings: Vec<PathBuf>,
    /// What the records are, for plugins; by default what the query is FROM
    #[arg(long, value_name = "NAME", requires = "plugins")]
    object: Option<String>,
}

impl Args {
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowFormat {
    /// For people
    #[default]
    Table,
    /// One array of records
    Json,
    /// With a header, related fields as Owner.Name
    Csv,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    if args.plugin_settings.len() > args.plugins.len() {
        return Err(usage("there are more --plugin-settings than --plugin"));
    }
    let query = match args.text.as_str() {
        "-" => input::read("-".as_ref(), MAX_QUERY_BYTES)?,
        text => text.to_owned(),
    };
    let (host, connection) = session::connect(common, &args.target).await?;
    let connection = args.calls.of(&connection, Note::default());
    let options = QueryOptions {
        include_deleted: args.all,
        page_size: args.page_size,
        way: args.way.clone(),
    };
    let progress = Progress::spinner("querying");
    let pages = connection.query(&query, options).await?;
    drop(progress);
    if output::is_terminal() {
        let way = pages.way();
        output::tell(&format!(
            "by {}: {}",
            text::clean(&way.name),
            text::clean(&way.reason)
        ));
    }
    let progress = Progress::spinner("querying");
    let mut pages = through_plugins(&host, pages, &args, &query).await?;

    let mut sink = Sink::new(args.output);
    let mut counts = Counts::default();
    let mut progress = Some(progress);
    while let Some(page) = pages.next_page().await? {
        if output::is_terminal() && !page.records.is_empty() {
            // The rows themselves show that it goes on.
            progress = None;
        }
        sink.page(&page.records.rows()?)?;
        counts.add(&page);
        if let Some(progress) = &progress {
            progress.say(text::counted(counts.rows, "row"));
        }
    }
    drop(progress);
    let left_out = sink.finish()?;
    if output::is_terminal() {
        output::tell(&text::counted(counts.rows, "row"));
    }
    counts.tell();
    if let Some(fields) = left_out {
        output::error(
            &format!("fields that only later records have are not in the output: {fields}"),
            Some("use --output json, which keeps every record whole"),
        );
        return Ok(Status::Failed);
    }
    Ok(if counts.rejected > 0 {
        Status::SomeFailed
    } else {
        Status::Done
    })
}

async fn through_plugins(host: &Host, mut pages: Pages, args: &Args, query: &str) -> Result<Pages> {
    for (at, Plugin { place, settings }) in args.plugins.iter().enumerate() {
        let plugin = packages::load_plugin(host, place).await?;
        let given = args.plugin_settings.get(at);
        let given = given.map(|file| input::settings(file)).transpose()?;
        let has_own = settings
            .as_object()
            .is_none_or(|settings| !settings.is_empty());
        if has_own && given.is_some() {
            return Err(usage(format!(
                "{plugin} has two files of settings: name its own with --plugin or with \
                 --plugin-settings"
            )));
        }
        let settings = given.as_ref().unwrap_or(settings);
        let transform = host.transform(&plugin, settings).await?;
        let object = args
            .object
            .as_deref()
            .or_else(|| object_of(query))
            .with_context(|| "it is not clear what the records are: say it with --object NAME")?;
        pages = pages.through(&transform, object);
    }
    Ok(pages)
}

/// The word after the `FROM` that is in no parentheses and no string.
fn object_of(query: &str) -> Option<&str> {
    let (mut depth, mut in_text, mut escaped) = (0_u32, false, false);
    let mut start = 0;
    let mut after_from = false;
    let ends = query.char_indices().chain([(query.len(), ' ')]);
    for (at, character) in ends {
        if in_text {
            in_text = escaped || character != '\'';
            escaped = character == '\\' && !escaped;
            start = at + character.len_utf8();
            continue;
        }
        if character.is_alphanumeric() || character == '_' {
            continue;
        }
        let word = query.get(start..at).unwrap_or_default();
        if depth == 0 && !word.is_empty() {
            if after_from {
                return Some(word);
            }
            after_from = word.eq_ignore_ascii_case("from");
        }
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '\'' => in_text = true,
            _ => {}
        }
        start = at + character.len_utf8();
    }
    None
}

#[derive(Debug, Default)]
struct Counts {
    rows: usize,
    dropped: usize,
    rejected: usize,
    reasons: Vec<String>,
}

impl Counts {
    fn add(&mut self, page: &Page) {
        let before = self.rows + self.dropped + self.rejected;
        let room = SHOWN_REASONS.saturating_sub(self.reasons.len());
        let shown = page.rejected.iter().take(room);
        self.reasons.extend(
            shown.map(|rejected| format!("{}: {}", name_of(rejected, before), rejected.reason)),
        );
        self.rows += page.records.len();
        self.dropped += page.dropped;
        self.rejected += page.rejected.len();
    }

    fn tell(&self) {
        if self.dropped > 0 {
            output::tell(&format!(
                "{} left out by plugins",
                text::counted(self.dropped, "record")
            ));
        }
        if self.rejected > 0 {
            output::warn(&format!(
                "{} rejected by plugins:",
                text::counted(self.rejected, "record")
            ));
            for reason in &self.reasons {
                output::tell(&format!("  {}", text::clean(reason)));
            }
            let unshown = self.rejected - self.reasons.len();
            if unshown > 0 {
                output::tell(&format!("  and {unshown} more"));
            }
        }
    }
}

/// How a person finds a rejected record again: by its id, else by its number
/// from 0 among the records that the plugin was given.
fn name_of(rejected: &Rejected, before: usize) -> String {
    #[derive(Deserialize)]
    struct Named {
        #[serde(alias = "Id", alias = "ID")]
        id: String,
    }

    match serde_json::from_slice::<Named>(&rejected.record) {
        Ok(named) => named.id,
        Err(_) => format!("record {}", before + rejected.at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejected_record_is_named_by_its_id_or_else_its_number() {
        let rejected = |record: &'static str| Rejected {
            at: 2,
            record: record.into(),
            reason: String::new(),
        };
        assert_eq!(name_of(&rejected(r#"{"A":1,"Id":"003"}"#), 10), "003");
        assert_eq!(name_of(&rejected(r#"{"A":1}"#), 10), "record 12");
    }

    #[test]
    fn the_object_of_a_query_is_that_of_its_outer_from() {
        let nested = "SELECT Id, (SELECT Id FROM Contacts) FROM Account WHERE Name = 'a from b'";
        assert_eq!(object_of(nested), Some("Account"));
        assert_eq!(
            object_of("select Id from\nMy_Thing__c"),
            Some("My_Thing__c")
        );
        assert_eq!(object_of("SELECT Id FROM Lead, Lead.Owner o"), Some("Lead"));
        assert_eq!(object_of("FIND {x}"), None);
    }
}
