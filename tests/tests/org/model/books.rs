//! The model: what should be in the org, record by record.

use std::collections::BTreeMap;

use lockgate::{Advice, Outcome, RecordResult};

/// A record that was ever written. Its number is its name in the org, which no
/// rule holds to be unique: a record that is made twice is found twice.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    /// It is found by a key as well, and was made by an upsert.
    pub(super) has_key: bool,
    /// The id that it had when it was last there.
    pub(super) id: Option<String>,
    /// Its value, if it is there.
    pub(super) value: Option<i64>,
}

/// All records.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) entries: Vec<Entry>,
    last_value: i64,
}

/// What is in the org: id and value by number.
pub(super) type Truth = BTreeMap<usize, Vec<(String, Option<i64>)>>;

/// What the caller was told of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Created,
    Updated,
    Deleted,
    Failed,
    InDoubt,
}

impl Told {
    pub(super) fn of(result: &RecordResult) -> Self {
        match &result.outcome {
            Outcome::Created => Self::Created,
            Outcome::Updated => Self::Updated,
            Outcome::Deleted => Self::Deleted,
            // The word of a dry run: nothing was written.
            Outcome::Checked => Self::Failed,
            Outcome::Failed { problems } => {
                let is_in_doubt = |advice| advice == Advice::CheckOutcome;
                match problems.iter().any(|problem| is_in_doubt(problem.advice)) {
                    true => Self::InDoubt,
                    false => Self::Failed,
                }
            }
        }
    }

    const fn is_done(self) -> bool {
        matches!(self, Self::Created | Self::Updated | Self::Deleted)
    }
}

impl Books {
    /// Numbers of new records.
    pub(super) fn open(&mut self, n: u64, has_key: bool) -> Vec<usize> {
        let first = self.entries.len();
        self.entries.extend((0..n).map(|_| Entry {
            has_key,
            ..Entry::default()
        }));
        (first..self.entries.len()).collect()
    }

    /// A value that no record had before.
    pub(super) fn value(&mut self) -> i64 {
        self.last_value += 1;
        self.last_value
    }

    /// Records that fit.
    pub(super) fn which(&self, fits: impl Fn(&Entry) -> bool) -> Vec<usize> {
        let all = self.entries.iter().enumerate();
        all.filter(|(_, entry)| fits(entry))
            .map(|(number, _)| number)
            .collect()
    }

    /// Holds what was told of a write against the org, and takes over what is
    /// there where that was open. `wanted` is the value that the records get,
    /// `None` if they are deleted.
    pub(super) fn settle(
        &mut self,
        told: &BTreeMap<usize, (Told, Option<String>)>,
        wanted: Option<i64>,
        truth: &Truth,
    ) -> Result<(), String> {
        if let Some(number) = truth.keys().find(|number| **number >= self.entries.len()) {
            return Err(format!(
                "record {number} is in the org, and was never written"
            ));
        }
        for (number, entry) in self.entries.iter_mut().enumerate() {
            let found = truth.get(&number).map_or(&[][..], Vec::as_slice);
            let (there, old) = match found {
                [] => (None, entry.value),
                [(id, value)] => {
                    let value = value.ok_or_else(|| format!("record {number} lost its value"))?;
                    (Some((id, value)), entry.value)
                }
                _ => return Err(format!("record {number} is there {} times", found.len())),
            };
            let new = there.map(|(_, value)| value);
            let (told, id) = match told.get(&number) {
                Some((told, id)) => (Some(*told), id.as_ref()),
                None => (None, None),
            };
            let is_sound = match told {
                Some(told) if told.is_done() => new == wanted,
                Some(Told::InDoubt) => new == wanted || new == old,
                _ => new == old,
            };
            if !is_sound {
                return Err(format!(
                    "record {number} was told as {told:?}: it had {old:?}, should get {wanted:?}, \
                     and has {new:?}"
                ));
            }
            let is_told_right = match told {
                Some(Told::Created) => old.is_none(),
                Some(Told::Updated) => old.is_some(),
                _ => true,
            };
            if !is_told_right {
                return Err(format!(
                    "record {number} had {old:?} and was told as {told:?}"
                ));
            }
            if let (Some(id), Some((there, _)), Some(true)) = (id, there, told.map(Told::is_done))
                && id != there
            {
                return Err(format!("record {number} is {there} and was told as {id}"));
            }
            entry.value = new;
            if let Some((id, _)) = there {
                entry.id = Some(id.clone());
            }
        }
        Ok(())
    }

    /// Holds the rows of a query against the model.
    pub(super) fn compare(&self, rows: &[(usize, Option<i64>)]) -> Result<(), String> {
        let mut seen: Vec<(usize, Option<i64>)> = rows.to_vec();
        seen.sort_unstable();
        let all = self.entries.iter().enumerate();
        let expected: Vec<(usize, Option<i64>)> = all
            .filter(|(_, entry)| entry.value.is_some())
            .map(|(number, entry)| (number, entry.value))
            .collect();
        if seen == expected {
            return Ok(());
        }
        let missing = expected.iter().filter(|row| !seen.contains(row));
        let surplus = seen.iter().filter(|row| !expected.contains(row));
        Err(format!(
            "{} rows instead of {}; missing {:?}, surplus {:?}",
            seen.len(),
            expected.len(),
            missing.take(5).collect::<Vec<_>>(),
            surplus.take(5).collect::<Vec<_>>()
        ))
    }
}
