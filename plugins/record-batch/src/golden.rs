//! Golden tests of a plugin: each folder is a batch that goes in, and what must
//! come out of it to the byte.
//!
//! A folder holds `input.json`, `expected.json` and `verdicts.txt` (a line for
//! each record: `keep`, `drop` or `reject: why`), and what else the plugin's own
//! test reads, `settings.json` for instance. The JSON files have one record on a
//! line; the line breaks between are not compared.

use std::fs;
use std::path::{Path, PathBuf};

use json_skim::{Malformed, Skim};

use crate::{Outcome, Verdict};

/// One folder.
#[derive(Debug)]
pub struct Case(PathBuf);

impl Case {
    /// The text of one of its files; `None` if it has no such file.
    #[must_use]
    pub fn text(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.0.join(file)).ok()
    }
}

/// Sends each batch below `golden` through `transform`, and what was kept of it
/// through once more: a second pass must change nothing.
///
/// # Errors
/// The first folder that came out otherwise, and how; also if there is none.
pub fn check<E, F>(golden: &Path, transform: F) -> Result<(), String>
where
    E: std::fmt::Display,
    F: Fn(&Case, &[u8]) -> Result<Outcome, E>,
{
    let folders = fs::read_dir(golden).map_err(|error| format!("{}: {error}", golden.display()))?;
    let mut cases: Vec<Case> = folders.flatten().map(|entry| Case(entry.path())).collect();
    cases.sort_by(|one, other| one.0.cmp(&other.0));
    for case in &cases {
        check_one(case, &transform).map_err(|what| format!("{}: {what}", case.0.display()))?;
    }
    if cases.is_empty() {
        return Err(format!("{} holds no folder", golden.display()));
    }
    Ok(())
}

fn check_one<E, F>(case: &Case, transform: F) -> Result<(), String>
where
    E: std::fmt::Display,
    F: Fn(&Case, &[u8]) -> Result<Outcome, E>,
{
    let file = |name: &str| case.text(name).ok_or_else(|| format!("it lacks {name}"));
    let run = |records: &str| {
        let outcome = transform(case, records.as_bytes()).map_err(|error| error.to_string())?;
        let records = going_on(records, &outcome).map_err(|error| error.to_string())?;
        Ok::<_, String>((records, outcome.verdicts))
    };
    let (first, verdicts) = run(&file("input.json")?)?;
    let expected: String = file("expected.json")?.lines().map(str::trim).collect();
    same("the records", &first, &expected)?;
    let verdicts: Vec<String> = verdicts.iter().map(line).collect();
    let expected = file("verdicts.txt")?;
    same("the verdicts", &verdicts.join("\n"), expected.trim_end())?;
    let (second, _) = run(&first)?;
    same("a second pass", &second, &first)
}

/// The records that go on, as the host puts them together: those that were kept as
/// they came, the others as they were changed.
fn going_on(input: &str, outcome: &Outcome) -> Result<String, Malformed> {
    let changed = String::from_utf8_lossy(&outcome.records);
    let mut changed = records(&changed)?.into_iter();
    let before = records(input)?.into_iter().zip(&outcome.verdicts);
    let after: Vec<&str> = before
        .filter_map(|(record, verdict)| match verdict {
            Verdict::Keep => Some(record),
            Verdict::Change => changed.next(),
            Verdict::Drop | Verdict::Reject(_) => None,
        })
        .collect();
    Ok(format!("[{}]", after.join(",")))
}

/// The records of an array.
fn records(array: &str) -> Result<Vec<&str>, Malformed> {
    let mut records = Vec::new();
    Skim::new(array).elements(|skim| {
        records.push(skim.value()?);
        Ok::<_, Malformed>(())
    })?;
    Ok(records)
}

fn same(what: &str, came: &str, expected: &str) -> Result<(), String> {
    if came == expected {
        return Ok(());
    }
    Err(format!(
        "{what} came out as\n{came}\nand not as\n{expected}"
    ))
}

fn line(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Keep | Verdict::Change => "keep".to_owned(),
        Verdict::Drop => "drop".to_owned(),
        Verdict::Reject(reason) => format!("reject: {reason}"),
    }
}
