//! Records through a plugin, each with what became of it: if the plugin fails, the
//! record that it fails on is looked for, so that one does not hold up all others.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::error::{Blame, Error};
use crate::records::Records;
use crate::transform::{Transform, Transformed};

/// What became of a record.
#[derive(Clone, Debug)]
pub(super) enum Passed {
    /// The record as the plugin left it.
    Kept(Box<RawValue>),
    /// The plugin has no use for it.
    LeftOut,
    /// The plugin turned it away, or failed on it: why.
    Rejected(String),
    /// The host could not try it now: why.
    NotNow(String),
}

/// Sends records through a plugin, and gives what became of each in their order.
pub(super) async fn pass(plugin: &Transform, object: &str, records: &[&RawValue]) -> Vec<Passed> {
    let mut all = BTreeMap::new();
    let mut parts = vec![(0, records)];
    while let Some((start, part)) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        let transformed = match Records::from_items(part) {
            Ok(records) => plugin.apply(object, &records).await,
            Err(error) => Err(error),
        };
        let outcomes = match transformed {
            Ok(transformed) => of(plugin, part.len(), &transformed),
            // It leaves such records as they are.
            Err(Error::UnknownObject { .. }) => part
                .iter()
                .map(|&record| Passed::Kept(record.to_owned()))
                .collect(),
            Err(error) if !is_about_records(&error) => {
                vec![Passed::NotNow(error.to_string()); part.len()]
            }
            Err(_) if part.len() > 1 => {
                let middle = part.len() / 2;
                let (first, second) = part.split_at(middle);
                parts.extend([(start + middle, second), (start, first)]);
                continue;
            }
            Err(error) => vec![Passed::Rejected(error.to_string())],
        };
        all.extend((start..).zip(outcomes));
    }
    all.into_values().collect()
}

/// What a plugin made of some records.
fn of(plugin: &Transform, count: usize, transformed: &Transformed) -> Vec<Passed> {
    let mut left: BTreeMap<usize, Passed> = transformed
        .dropped
        .iter()
        .map(|&at| (at, Passed::LeftOut))
        .collect();
    for rejected in &transformed.rejected {
        let reason = format!("{}: {}", plugin.name(), rejected.reason);
        left.insert(rejected.at, Passed::Rejected(reason));
    }
    let kept = transformed.records.rows().unwrap_or_default();
    let mut kept = kept.into_iter();
    let outcomes = (0..count).map(|at| match left.remove(&at) {
        Some(passed) => passed,
        None => match kept.next() {
            Some(record) => Passed::Kept(record.to_owned()),
            // The host has counted them.
            None => Passed::Rejected(format!("{} has lost it", plugin.name())),
        },
    });
    outcomes.collect()
}

/// Whether fewer records may do what more did not.
fn is_about_records(error: &Error) -> bool {
    error.blame() == Blame::Guest || matches!(error, Error::Input(_))
}
