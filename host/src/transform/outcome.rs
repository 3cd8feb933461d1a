//! What a transform made of a batch, held against the batch and put together: changed
//! records are the guest's, kept ones the host's own.

use bytes::Bytes;

use super::{Transformed, wit};
use crate::error::Error;
use crate::records::{Records, Rejected, bounded};

impl Transformed {
    /// Takes over an outcome with as many verdicts as there are records, and as many
    /// records as it changes. A guest that miscounts would lose or invent records unseen.
    ///
    /// # Errors
    /// What does not fit, in words.
    pub(super) fn of(input: &Records, outcome: wit::Outcome) -> Result<Self, String> {
        let verdicts = outcome.verdicts;
        if verdicts.len() != input.len() {
            let (given, asked) = (verdicts.len(), input.len());
            return Err(format!("{given} verdicts for {asked} records"));
        }
        let changed = Records::from_json(outcome.records)
            .map_err(|error| format!("the changed records: {error}"))?;
        let of = |is: fn(&wit::Verdict) -> bool| verdicts.iter().filter(|v| is(v)).count();
        let n_changed = of(|verdict| matches!(verdict, wit::Verdict::Change));
        let n_kept = of(|verdict| matches!(verdict, wit::Verdict::Keep));
        if changed.len() != n_changed {
            let given = changed.len();
            return Err(format!("{given} records for {n_changed} that it changes"));
        }
        let read = |error: Error| format!("the batch: {error}");
        let records = if n_kept == input.len() {
            input.clone()
        } else if n_kept == 0 {
            changed
        } else {
            woven(input, &verdicts, &changed).map_err(read)?
        };
        let (mut dropped, mut rejected) = (Vec::new(), Vec::new());
        // Records of the input are looked up only if one was rejected.
        let mut texts: Option<Vec<&str>> = None;
        for (at, verdict) in verdicts.into_iter().enumerate() {
            match verdict {
                wit::Verdict::Keep | wit::Verdict::Change => {}
                wit::Verdict::Drop => dropped.push(at),
                wit::Verdict::Reject(reason) => {
                    let texts = match &mut texts {
                        Some(texts) => texts,
                        None => texts.insert(input.texts().map_err(read)?),
                    };
                    let record = texts
                        .get(at)
                        .map(|text| Bytes::copy_from_slice(text.as_bytes()));
                    rejected.push(Rejected {
                        at,
                        record: record.unwrap_or_default(),
                        reason: bounded(&reason),
                    });
                }
            }
        }
        Ok(Self {
            records,
            dropped,
            rejected,
        })
    }
}

/// The records that go on, in the order of the input.
fn woven(input: &Records, verdicts: &[wit::Verdict], changed: &Records) -> Result<Records, Error> {
    let before = input.texts()?;
    let mut changes = changed.texts()?.into_iter();
    let mut json = Vec::with_capacity(input.as_bytes().len() + changed.as_bytes().len());
    let mut count = 0;
    json.push(b'[');
    for (record, verdict) in before.into_iter().zip(verdicts) {
        let text = match verdict {
            wit::Verdict::Keep => Some(record),
            wit::Verdict::Change => changes.next(),
            wit::Verdict::Drop | wit::Verdict::Reject(_) => None,
        };
        let Some(text) = text else { continue };
        if count > 0 {
            json.push(b',');
        }
        json.extend_from_slice(text.as_bytes());
        count += 1;
    }
    json.push(b']');
    Ok(Records::counted(json.into(), count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wit::Verdict::{Change, Drop, Keep, Reject};

    fn outcome(verdicts: Vec<wit::Verdict>, records: &str) -> Result<Transformed, String> {
        let input = Records::from_json(r#"[{"a":1.50}, {"a":2} ,{"a":3}]"#).unwrap();
        let records = records.as_bytes().to_vec();
        Transformed::of(&input, wit::Outcome { records, verdicts })
    }

    #[test]
    fn kept_records_are_the_hosts_and_changed_ones_the_guests() {
        let rejected = || Reject("\u{1b}no".to_owned());
        for (verdicts, given, expected) in [
            (
                vec![Keep, Keep, Keep],
                "[]",
                r#"[{"a":1.50}, {"a":2} ,{"a":3}]"#,
            ),
            (
                vec![Keep, Change, Keep],
                "[ {} ]",
                r#"[{"a":1.50},{},{"a":3}]"#,
            ),
            (
                vec![Change, Drop, Keep],
                r#"[{"b":1}]"#,
                r#"[{"b":1},{"a":3}]"#,
            ),
            (vec![Change, Change, Change], "[{},{},{}]", "[{},{},{}]"),
            (vec![Drop, rejected(), Keep], "[]", r#"[{"a":3}]"#),
            (vec![Drop, rejected(), Drop], "[]", "[]"),
        ] {
            let n_left = verdicts
                .iter()
                .filter(|v| matches!(v, Keep | Change))
                .count();
            let done = outcome(verdicts, given).unwrap();
            assert_eq!(done.records.as_bytes(), expected);
            assert_eq!(done.records.len(), n_left);
            assert_eq!(done.records.rows().unwrap().len(), n_left);
            for rejected in &done.rejected {
                assert_eq!((rejected.at, &rejected.record[..]), (1, &br#"{"a":2}"#[..]));
                assert_eq!(rejected.reason, "\\u{1b}no");
            }
        }
    }

    #[test]
    fn an_outcome_that_does_not_fit_its_batch_is_none() {
        for (verdicts, given) in [
            (vec![Keep, Keep], "[]"),
            (vec![Keep, Keep, Keep, Keep], "[]"),
            (vec![Keep, Keep, Keep], "[{}]"),
            (vec![Keep, Change, Drop], "[]"),
            (vec![Keep, Change, Drop], "[{},{}]"),
            (vec![Keep, Change, Drop], "[1]"),
            (vec![Keep, Change, Drop], "{}"),
            (vec![Keep, Keep, Keep], ""),
        ] {
            assert!(outcome(verdicts, given).is_err(), "{given}");
        }
    }
}
