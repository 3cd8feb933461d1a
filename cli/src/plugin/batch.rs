//! The golden folders of a transform: a batch of records, `input.json`, perhaps with
//! `settings.json`, and with `object.txt`, which says what the records are.

use anyhow::Result;
use lockgate::{Host, Records, Usage};
use serde_json::{Value as Json, json};

use super::golden::{self, Folder, KEEP, Outcome};

/// The files that say what goes in.
const INPUT: &str = "input.json";
const OBJECT_NAME: &str = "object.txt";
const SETTINGS: &str = "settings.json";

/// What records are if a folder does not say it.
const OBJECT: &str = "Contact";

/// What goes in.
pub(super) struct Batch {
    object: String,
    settings: Json,
    pub(super) input: Records,
}

impl Batch {
    pub(super) fn of(folder: &Folder) -> Result<Self> {
        folder.check(&[golden::VERDICTS, INPUT, SETTINGS, OBJECT_NAME])?;
        let input = folder
            .text(INPUT)?
            .ok_or_else(|| folder.wrong(INPUT, "there is no such file"))?;
        let object = folder
            .text(OBJECT_NAME)?
            .unwrap_or_else(|| OBJECT.to_owned());
        Ok(Self {
            object: object.trim().to_owned(),
            settings: folder.json(SETTINGS)?.unwrap_or_else(|| json!({})),
            input: Records::from_json(input).map_err(|error| folder.wrong(INPUT, error))?,
        })
    }

    /// Runs a transform on it in an instance of its own. `usage` is what that has used,
    /// also if it failed.
    pub(super) async fn run(
        &self,
        host: &Host,
        transform: &str,
        usage: &mut Option<Usage>,
    ) -> Result<Outcome> {
        let transform = host.transform(transform, &self.settings).await?;
        let mut instance = transform.warm().await?;
        let done = instance.apply(&self.object, &self.input).await;
        *usage = Some(instance.usage());
        let done = done?;
        let mut verdicts = vec![KEEP.to_owned(); self.input.len()];
        let dropped = done.dropped.iter().map(|at| (*at, "drop".to_owned()));
        let rejected = done
            .rejected
            .iter()
            .map(|one| (one.at, format!("reject: {}", one.reason)));
        for (at, verdict) in dropped.chain(rejected) {
            if let Some(place) = verdicts.get_mut(at) {
                *place = verdict;
            }
        }
        let records = String::from_utf8_lossy(done.records.as_bytes()).into_owned();
        Ok(Outcome::Done {
            records: golden::texts(&records)?,
            verdicts: Some(verdicts),
        })
    }
}
