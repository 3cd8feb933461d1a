//! Passes contacts and leads through the plugins, page by page, and writes the
//! scores of the demo's own leads back.

use anyhow::{Context as _, Result, bail};
use lockgate::{Outcome, QueryOptions, Records, WriteOptions};
use serde_json::{Map, Value as Json, json};

use super::kinds::{EXTERNAL_ID, KINDS};
use super::records::written;
use super::report::PluginReport;
use super::stage::Stage;
use crate::steps::same;
use crate::text::counted;

/// Wished records a page: small, so that there are several.
const PAGE_SIZE: u32 = 200;

/// The field that takes the score.
const SCORE: &str = "Lead_Score__c";

impl Stage {
    /// Contacts through the normaliser.
    pub(super) async fn normalise(&mut self) -> Result<String> {
        let query = format!(
            "SELECT Id, {EXTERNAL_ID}, FirstName, LastName, Email, Phone, MailingCountry \
             FROM Contact ORDER BY {EXTERNAL_ID} NULLS LAST"
        );
        let settings = json!({ "default_country": "US" });
        let (report, _) = self
            .through("contact-normalizer", "Contact", &query, &settings)
            .await?;
        let what = told(&report);
        if report.changed == 0 {
            bail!("the plugin changed none of {} records", report.records);
        }
        self.plugins.push(report);
        Ok(what)
    }

    /// Leads through the scorer, and the scores of the demo's own back to the org.
    pub(super) async fn score(&mut self) -> Result<String> {
        let query = format!(
            "SELECT Id, {EXTERNAL_ID}, Title, Email, NumberOfEmployees, Rating, {SCORE} FROM Lead \
             ORDER BY {EXTERNAL_ID} NULLS LAST"
        );
        let (report, rows) = self
            .through("lead-scorer", "Lead", &query, &scoring_rules())
            .await?;
        let own = self.ids("Lead")?;
        let scored: Vec<Json> = rows
            .iter()
            .filter(|row| row.get("Id").and_then(Json::as_str).is_some_and(|id| own.iter().any(|own| own == id)))
            .map(|row| json!({ "Id": row.get("Id"), SCORE: row.get(SCORE), "Rating": row.get("Rating") }))
            .collect();
        same(
            "leads of the demo that were scored",
            scored.len(),
            own.len(),
        )?;
        let connection = self.connection()?;
        let results = connection
            .update(
                "Lead",
                &Records::from_items(&scored)?,
                WriteOptions::default(),
            )
            .await?;
        let lead = KINDS
            .into_iter()
            .find(|kind| kind.object == "Lead")
            .context("no leads")?;
        let updated = written(lead, &results, &Outcome::Updated)?;
        let what = format!(
            "{}; {} written back",
            told(&report),
            counted(updated.len(), "score")
        );
        self.plugins.push(report);
        Ok(what)
    }

    /// Runs a query through a plugin, each page in an instance of its own, and
    /// compares every record with what it was before.
    async fn through(
        &self,
        plugin: &str,
        object: &'static str,
        query: &str,
        settings: &Json,
    ) -> Result<(PluginReport, Vec<Map<String, Json>>)> {
        let transform = self.host.transform(plugin, settings).await?;
        let options = QueryOptions {
            page_size: PAGE_SIZE,
            ..QueryOptions::default()
        };
        let mut pages = self.connection()?.query(query, options).await?;
        let mut report = PluginReport {
            plugin: plugin.to_owned(),
            object,
            pages: 0,
            records: 0,
            changed: 0,
            dropped: 0,
            rejected: 0,
            example: None,
        };
        let mut rows = Vec::new();
        // The record of which the plugin changed most shows best what it does.
        let mut most_changes = 0;
        while let Some(page) = pages.next_page().await? {
            let after = transform.apply(object, &page.records).await?;
            report.pages += 1;
            report.records += page.records.len();
            report.dropped += after.dropped.len();
            report.rejected += after.rejected.len();
            // These settings leave nothing out, so that the pairs are pairs.
            same(
                "records that came out of the plugin",
                after.records.len(),
                page.records.len(),
            )?;
            for (before, after) in page.records.rows()?.into_iter().zip(after.records.rows()?) {
                if before.get() != after.get() {
                    report.changed += 1;
                    let changes = n_changes(before.get(), after.get())?;
                    if changes > most_changes {
                        most_changes = changes;
                        report.example = Some([short(before.get()), short(after.get())]);
                    }
                }
            }
            rows.extend(after.records.to_vec::<Map<String, Json>>()?);
        }
        Ok((report, rows))
    }
}

/// How many fields of a record are others than before.
fn n_changes(before: &str, after: &str) -> Result<usize> {
    let before: Map<String, Json> = serde_json::from_str(before)?;
    let after: Map<String, Json> = serde_json::from_str(after)?;
    let changed = after
        .iter()
        .filter(|(field, value)| before.get(*field) != Some(value));
    Ok(changed.count())
}

fn told(report: &PluginReport) -> String {
    format!(
        "{} on {} of {}, {} changed",
        counted(report.records, "record"),
        counted(report.pages, "page"),
        report.object,
        report.changed
    )
}

/// A record without what says where it is.
fn short(record: &str) -> String {
    let parsed = serde_json::from_str::<Map<String, Json>>(record);
    let Ok(mut record) = parsed else {
        return record.to_owned();
    };
    for name in ["attributes", "Id", EXTERNAL_ID] {
        record.shift_remove(name);
    }
    Json::Object(record).to_string()
}

/// Rules for leads: who decides, in a large company, and can be reached.
pub(crate) fn scoring_rules() -> Json {
    json!({
        "score_field": SCORE,
        "rules": [
            { "name": "decides", "points": 40,
              "when": { "field": "Title", "operator": "contains", "value": ["chief", "head of", "vp"] } },
            { "name": "large", "points": 30,
              "when": { "field": "NumberOfEmployees", "operator": "greater", "value": 500 } },
            { "name": "can be reached", "points": 20,
              "when": { "field": "Email", "operator": "exists" } },
        ],
        "rating": {
            "field": "Rating",
            "steps": [{ "at_least": 40, "value": "Warm" }, { "at_least": 70, "value": "Hot" }],
            "otherwise": "Cold",
        },
    })
}
