//! Creates, reads, changes and deletes records of every object. Each step looks
//! at the org afterwards instead of trusting its own answers.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use lockgate::{Connection, Outcome, QueryOptions, RecordResult, Records, WriteOptions};
use serde_json::{Map, Value as Json, json};

use super::kinds::{KINDS, Kind, Parents};
use super::stage::Stage;
use crate::steps::same;
use crate::text::counted;

/// Ids in one query: with more, its address would become too long.
const IDS_A_QUERY: usize = 200;

impl Stage {
    /// Creates records of every object, parents first.
    pub(super) async fn create(&mut self) -> Result<String> {
        let connection = self.connection()?;
        let price_book = standard_price_book(&connection).await?;
        let mut total = 0;
        for kind in KINDS {
            let parents = Parents {
                ids: &self.ids,
                price_book: &price_book,
            };
            let records: Vec<Json> = (0..self.n_records)
                .map(|number| kind.record(number, &parents))
                .collect::<Result<_>>()?;
            let results = connection
                .create(
                    kind.object,
                    &Records::from_items(&records)?,
                    WriteOptions::default(),
                )
                .await?;
            let ids = written(kind, &results, &Outcome::Created)?;
            total += ids.len();
            self.object(kind.object).created = ids.len();
            self.ids.insert(kind.object, ids);
        }
        Ok(format!(
            "{} of {} objects",
            counted(total, "record"),
            KINDS.len()
        ))
    }

    /// Queries the records that were created.
    pub(super) async fn read(&mut self) -> Result<String> {
        let connection = self.connection()?;
        let mut total = 0;
        for kind in KINDS {
            let ids = self.ids(kind.object)?;
            let found = by_id(&connection, kind, &ids).await?;
            same(
                &format!("{} records found by query", kind.object),
                found.len(),
                ids.len(),
            )?;
            total += found.len();
            self.object(kind.object).read = found.len();
        }
        Ok(format!("{} by query", counted(total, "record")))
    }

    /// Changes every record, and reads the change.
    pub(super) async fn update(&mut self) -> Result<String> {
        let connection = self.connection()?;
        let mut total = 0;
        for kind in KINDS {
            let ids = self.ids(kind.object)?;
            let records: Vec<Json> = ids
                .iter()
                .enumerate()
                .map(|(number, id)| json!({ "Id": id, kind.changed: kind.value(number, 1) }))
                .collect();
            let results = connection
                .update(
                    kind.object,
                    &Records::from_items(&records)?,
                    WriteOptions::default(),
                )
                .await?;
            let updated = written(kind, &results, &Outcome::Updated)?;
            check_values(&connection, kind, &ids, 1).await?;
            total += updated.len();
            self.object(kind.object).updated = updated.len();
        }
        Ok(format!("{}, each read again", counted(total, "record")))
    }

    /// Upserts: by the external id where there is one, which changes records and
    /// makes one more; else by `Id`, which can only change.
    pub(super) async fn upsert(&mut self) -> Result<String> {
        let connection = self.connection()?;
        let price_book = standard_price_book(&connection).await?;
        let (mut changed, mut made) = (0, 0);
        for kind in KINDS {
            let ids = self.ids(kind.object)?;
            let key = kind.key();
            let mut records: Vec<Json> = ids
                .iter()
                .enumerate()
                .map(|(number, id)| {
                    let value = match kind.has_external_id {
                        true => Json::from(kind.external_id(number)),
                        false => Json::from(id.as_str()),
                    };
                    json!({ key: value, kind.changed: kind.value(number, 2) })
                })
                .collect();
            if kind.has_external_id {
                let parents = Parents {
                    ids: &self.ids,
                    price_book: &price_book,
                };
                records.push(kind.record(ids.len(), &parents)?);
            }
            let results = connection
                .upsert(
                    kind.object,
                    key,
                    &Records::from_items(&records)?,
                    WriteOptions::default(),
                )
                .await?;
            let (old, new) = results
                .split_at_checked(ids.len())
                .context("too few results")?;
            same(
                &format!("{} records changed by upsert", kind.object),
                written(kind, old, &Outcome::Updated)?.len(),
                ids.len(),
            )?;
            let new = written(kind, new, &Outcome::Created)?;
            check_values(&connection, kind, &ids, 2).await?;
            changed += ids.len();
            made += new.len();
            let report = self.object(kind.object);
            report.upserted = ids.len() + new.len();
            report.upserted_by = key;
            self.ids.entry(kind.object).or_default().extend(new);
        }
        Ok(format!(
            "{} changed and {made} made, found by external id or Id",
            counted(changed, "record")
        ))
    }

    /// Deletes all that was made, children first, and looks that it is gone.
    pub(super) async fn delete(&mut self) -> Result<String> {
        let connection = self.connection()?;
        let mut total = 0;
        for kind in KINDS.into_iter().rev() {
            let ids = self.ids(kind.object)?;
            let results = connection
                .delete(kind.object, &ids, WriteOptions::default())
                .await?;
            let deleted = written(kind, &results, &Outcome::Deleted)?;
            let left = by_id(&connection, kind, &ids).await?;
            same(
                &format!("{} records left after deleting", kind.object),
                left.len(),
                0,
            )?;
            total += deleted.len();
            self.object(kind.object).deleted = deleted.len();
        }
        Ok(format!("{}, none left", counted(total, "record")))
    }
}

/// The ids of records with the expected outcome; a failure if one has another.
pub(super) fn written(
    kind: Kind,
    results: &[RecordResult],
    expected: &Outcome,
) -> Result<Vec<String>> {
    let id = |(at, result): (usize, &RecordResult)| match (&result.outcome, &result.id) {
        (Outcome::Failed { problems }, _) => {
            let problem = problems
                .first()
                .map(ToString::to_string)
                .unwrap_or_default();
            bail!("{} record {at}: {problem}", kind.object)
        }
        (outcome, Some(id)) if outcome == expected => Ok(id.clone()),
        (outcome, _) => bail!(
            "{} record {at} was {outcome:?}, not {expected:?}",
            kind.object
        ),
    };
    results.iter().enumerate().map(id).collect()
}

/// The records of these ids that the org has, by id.
async fn by_id(
    connection: &Connection,
    kind: Kind,
    ids: &[String],
) -> Result<BTreeMap<String, Map<String, Json>>> {
    let mut found = BTreeMap::new();
    for some in ids.chunks(IDS_A_QUERY) {
        let list: Vec<String> = some.iter().map(|id| format!("'{id}'")).collect();
        let query = format!(
            "SELECT Id, {} FROM {} WHERE Id IN ({})",
            kind.changed,
            kind.object,
            list.join(",")
        );
        let pages = connection.query(&query, QueryOptions::default()).await?;
        let records: Vec<Map<String, Json>> = pages.collect(some.len()).await?.to_vec()?;
        for record in records {
            let id = record
                .get("Id")
                .and_then(Json::as_str)
                .unwrap_or_default()
                .to_owned();
            found.insert(id, record);
        }
    }
    Ok(found)
}

/// Reads records by id and holds the changed field against what was written.
async fn check_values(
    connection: &Connection,
    kind: Kind,
    ids: &[String],
    round: usize,
) -> Result<()> {
    let fields = ["Id".to_owned(), kind.changed.to_owned()];
    let json = connection.get(kind.object, ids, &fields).await?;
    let records: Vec<Option<Map<String, Json>>> =
        serde_json::from_slice(&json).context("the records are not JSON")?;
    same(
        &format!("{} records read again", kind.object),
        records.len(),
        ids.len(),
    )?;
    for (number, record) in records.iter().enumerate() {
        let found = record.as_ref().and_then(|record| record.get(kind.changed));
        let expected = kind.value(number, round);
        let is_same = found.is_some_and(|found| {
            *found == expected || (found.is_number() && found.as_f64() == expected.as_f64())
        });
        if !is_same {
            bail!(
                "{}.{} of record {number} is {found:?}, not {expected}",
                kind.object,
                kind.changed
            );
        }
    }
    Ok(())
}

/// Every org has exactly one.
async fn standard_price_book(connection: &Connection) -> Result<String> {
    let query = "SELECT Id FROM Pricebook2 WHERE IsStandard = true";
    let pages = connection.query(query, QueryOptions::default()).await?;
    let records: Vec<Map<String, Json>> = pages.collect(2).await?.to_vec()?;
    let id = records
        .first()
        .and_then(|record| record.get("Id"))
        .and_then(Json::as_str);
    Ok(id.context("the org has no standard price book")?.to_owned())
}
