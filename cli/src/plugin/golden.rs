//! Golden folders: what must come out of a plugin, and how what came differs.
//!
//! A folder below `golden` holds what goes in, which `batch.rs` and `call.rs` read, and
//! with it either `expected.json` or `error.txt`. Of a batch it may hold `verdicts.txt`
//! with a line for each record of the input: `keep`, `drop` or `reject: why`. Without
//! it all are to be kept. A record that was changed is a kept one: how it came out is in
//! `expected.json`. A file with another name is a mistake: what it should say would not
//! be heard.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use lockgate::{Error, Package};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use similar::TextDiff;

use super::json_text;
use crate::exit::usage;

/// The folder in a plugin's directory that holds the golden ones.
pub(super) const FOLDER: &str = "golden";

/// The verdict of a record that is kept.
pub(super) const KEEP: &str = "keep";

/// What must come out.
const EXPECTED: &str = "expected.json";
const ERROR: &str = "error.txt";

/// What becomes of each record of a batch.
pub(super) const VERDICTS: &str = "verdicts.txt";

/// One golden folder.
pub(super) struct Folder {
    pub(super) name: String,
    path: PathBuf,
}

/// What came out, or has to.
pub(super) enum Outcome {
    Done {
        /// The records that came out, a JSON text each.
        records: Vec<String>,
        /// One line for each record that went in, where there are such; `None` if
        /// all of them are to be kept.
        verdicts: Option<Vec<String>>,
    },
    /// The batch or the settings were refused. What is expected is a part of what
    /// is said.
    Refused(String),
}

impl Folder {
    /// The golden folders of a plugin, by name: these, or all if none are named.
    ///
    /// # Errors
    /// If there is none, or none of a name.
    pub(super) fn named(plugin: &Path, names: &[String]) -> Result<Vec<Self>> {
        let mut folders = Self::all(plugin)?;
        let is_there = |name: &&String| folders.iter().any(|folder| folder.name == **name);
        if let Some(missing) = names.iter().find(|name| !is_there(name)) {
            return Err(usage(format!(
                "{} holds no folder `{missing}`",
                plugin.join(FOLDER).display()
            )));
        }
        folders.retain(|folder| names.is_empty() || names.contains(&folder.name));
        Ok(folders)
    }

    fn all(plugin: &Path) -> Result<Vec<Self>> {
        let golden = plugin.join(FOLDER);
        let entries = std::fs::read_dir(&golden).map_err(|error| {
            usage(format!(
                "there are no golden folders in {}: {error}",
                golden.display()
            ))
        })?;
        let mut folders = Vec::new();
        for entry in entries {
            let folder = entry?.path();
            if folder.is_dir() {
                folders.push(folder);
            }
        }
        folders.sort();
        if folders.is_empty() {
            return Err(usage(format!("{} holds no folder", golden.display())));
        }
        Ok(folders.into_iter().map(Self::new).collect())
    }

    fn new(path: PathBuf) -> Self {
        let name = path.file_name().unwrap_or_default();
        Self {
            name: name.to_string_lossy().into_owned(),
            path,
        }
    }

    /// Refuses files with names that mean nothing: only those of what must come out, and
    /// these, do. What editors and systems leave behind is let be.
    pub(super) fn check(&self, names: &[&str]) -> Result<()> {
        let names = || [EXPECTED, ERROR].iter().chain(names);
        let entries = std::fs::read_dir(&self.path);
        for entry in entries.with_context(|| format!("cannot list {}", self.path.display()))? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            let is_known = names().any(|known| *known == name);
            if !is_known && !name.starts_with('.') && !name.ends_with('~') {
                let names: Vec<_> = names().copied().collect();
                let what = "nothing is read of that name; there may be";
                return Err(self.wrong(&name, format!("{what} {}", names.join(", "))));
            }
        }
        Ok(())
    }

    /// What must come out, if it says it yet.
    ///
    /// # Errors
    /// If what it says cannot be used.
    pub(super) fn expected(&self) -> Result<Option<Outcome>> {
        Ok(match (self.text(EXPECTED)?, self.text(ERROR)?) {
            (Some(_), Some(_)) => {
                let what = "there is an expected.json as well: only one can be true";
                return Err(self.wrong(ERROR, what));
            }
            (None, Some(error)) => Some(Outcome::Refused(error.trim().to_owned())),
            (Some(records), None) => Some(Outcome::Done {
                records: texts(&records).map_err(|error| self.wrong(EXPECTED, error))?,
                verdicts: self.verdicts()?,
            }),
            (None, None) => None,
        })
    }

    fn verdicts(&self) -> Result<Option<Vec<String>>> {
        let Some(text) = self.text(VERDICTS)? else {
            return Ok(None);
        };
        let mut verdicts = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let what = || {
                let number = at + 1;
                format!("line {number} is `{line}`, which is none of keep, drop and reject: why")
            };
            verdicts.push(verdict(line).ok_or_else(|| self.wrong(VERDICTS, what()))?);
        }
        Ok(Some(verdicts))
    }

    /// One of its files, if it is there.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>> {
        let file = self.path.join(name);
        match std::fs::read_to_string(&file) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.wrong(name, error)),
        }
    }

    /// One of its JSON files, if it is there.
    pub(super) fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let text = self.text(name)?;
        text.map(|text| serde_json::from_str(&text).map_err(|error| self.wrong(name, error)))
            .transpose()
    }

    /// A file of it that cannot be used, or that is missing.
    pub(super) fn wrong(&self, name: &str, what: impl std::fmt::Display) -> anyhow::Error {
        usage(format!("{}: {what}", self.path.join(name).display()))
    }

    /// Makes what came out what is expected.
    pub(super) fn bless(&self, came: &Outcome) -> Result<()> {
        let (expected, verdicts, error) = match came {
            Outcome::Refused(said) => (None, None, Some(format!("{said}\n"))),
            Outcome::Done { records, verdicts } => {
                let lines: Vec<String> =
                    records.iter().map(|record| format!("  {record}")).collect();
                let array = match lines.is_empty() {
                    true => "[]\n".to_owned(),
                    false => format!("[\n{}\n]\n", lines.join(",\n")),
                };
                let verdicts = verdicts.as_deref().unwrap_or_default();
                let is_plain = verdicts.iter().all(|verdict| verdict == KEEP);
                let verdicts = (!is_plain).then(|| format!("{}\n", verdicts.join("\n")));
                (Some(array), verdicts, None)
            }
        };
        let files = [(EXPECTED, expected), (VERDICTS, verdicts), (ERROR, error)];
        for (name, text) in files {
            match text {
                Some(text) => self.write(name, &text)?,
                None => self.remove(name)?,
            }
        }
        Ok(())
    }

    /// Writes one of its files.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<()> {
        let file = self.path.join(name);
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    fn remove(&self, name: &str) -> Result<()> {
        let file = self.path.join(name);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", file.display()))
            }
            _ => Ok(()),
        }
    }
}

impl Outcome {
    /// What an error says, without which package and which version of it: with the next
    /// one the same is said.
    pub(super) fn refused(error: &Error, package: &Package) -> Self {
        Self::Refused(match error {
            Error::Transform { what, .. } => what.clone(),
            Error::Settings { problems, .. } => {
                let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
                problems.join("; ")
            }
            other => {
                let version = &package.manifest().package.version;
                let guest = format!("{} {version} ", package.name());
                other.to_string().replace(&guest, "")
            }
        })
    }

    /// How what came out differs from this, which is expected; `None` if it does not.
    pub(super) fn difference(&self, came: &Self) -> Option<String> {
        match (self, came) {
            (Self::Refused(part), Self::Refused(said)) if said.contains(part) => return None,
            (Self::Done { .. }, Self::Refused(_)) => return Some(came.to_string()),
            _ => {}
        }
        let (expected, came) = (self.like(came), came.to_string());
        if expected == came {
            return None;
        }
        let diff = TextDiff::from_lines(&expected, &came);
        let mut diff = diff.unified_diff();
        diff.context_radius(3).header("expected", "came out");
        Some(diff.to_string())
    }

    /// The length of the records that came out.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Done { records, .. } => records.iter().map(String::len).sum(),
            Self::Refused(_) => 0,
        }
    }

    /// As it is compared with `came`: without verdicts of its own it keeps as many
    /// records as that has verdicts.
    fn like(&self, came: &Self) -> String {
        match (self, came) {
            (
                Self::Done {
                    records,
                    verdicts: None,
                },
                Self::Done {
                    verdicts: Some(verdicts),
                    ..
                },
            ) => Self::Done {
                records: records.clone(),
                verdicts: Some(vec![KEEP.to_owned(); verdicts.len()]),
            }
            .to_string(),
            _ => self.to_string(),
        }
    }
}

impl std::fmt::Display for Outcome {
    /// As it is compared.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(why) => writeln!(f, "refused: {why}"),
            Self::Done { records, verdicts } => {
                for record in records {
                    writeln!(f, "{}", json_text::spread(record))?;
                }
                for (at, verdict) in verdicts.iter().flatten().enumerate() {
                    writeln!(f, "record {at}: {verdict}")?;
                }
                Ok(())
            }
        }
    }
}

/// A line of `verdicts.txt` as it is compared, if it is a verdict. The contract's word for
/// a record that was changed is one for a kept record as well.
fn verdict(line: &str) -> Option<String> {
    match line.trim() {
        KEEP | "change" => Some(KEEP.to_owned()),
        line if line == "drop" || line.starts_with("reject:") => Some(line.to_owned()),
        _ => None,
    }
}

/// The elements of a JSON array, each as its text.
pub(super) fn texts(array: &str) -> serde_json::Result<Vec<String>> {
    let elements: Vec<&RawValue> = serde_json::from_str(array)?;
    let text = |element: &RawValue| element.get().to_owned();
    Ok(elements.into_iter().map(text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Folder) {
        let plugin = tempfile::tempdir().unwrap();
        let folder = plugin.path().join(FOLDER).join("one");
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let golden = Folder::all(plugin.path()).unwrap().remove(0);
        (plugin, golden)
    }

    fn transformed(records: &[&str], verdicts: &[&str]) -> Outcome {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Outcome::Done {
            records: owned(records),
            verdicts: Some(owned(verdicts)),
        }
    }

    fn difference(golden: &Folder, came: &Outcome) -> Option<String> {
        golden.expected().unwrap().unwrap().difference(came)
    }

    #[test]
    fn what_came_out_is_shown_line_by_line_where_it_differs() {
        let files = [
            ("input.json", "[{}]"),
            ("expected.json", r#"[{"a":1,"b":2}]"#),
        ];
        let (_plugin, golden) = folder(&files);
        assert_eq!(
            difference(&golden, &transformed(&[r#"{"a": 1, "b": 2}"#], &["keep"])),
            None
        );
        let other = difference(&golden, &transformed(&[r#"{"a":1,"b":3}"#], &["keep"])).unwrap();
        assert!(other.contains("-  \"b\": 2\n+  \"b\": 3"), "{other}");
        let dropped = difference(&golden, &transformed(&[], &["drop"])).unwrap();
        assert!(dropped.contains("+record 0: drop"), "{dropped}");
        let refused = difference(&golden, &Outcome::Refused("why".to_owned())).unwrap();
        assert_eq!(refused, "refused: why\n");
    }

    #[test]
    fn a_changed_record_is_a_kept_one() {
        let files = [
            ("input.json", "[{},{}]"),
            ("expected.json", r#"[{"a":1}]"#),
            ("verdicts.txt", "change\ndrop\n"),
        ];
        let (_plugin, golden) = folder(&files);
        let came = transformed(&[r#"{"a":1}"#], &["keep", "drop"]);
        assert_eq!(difference(&golden, &came), None);
    }

    #[test]
    fn a_part_of_what_is_said_is_enough_of_an_error() {
        let (_plugin, golden) = folder(&[("input.json", "[]"), ("error.txt", "/rules/0\n")]);
        let said = Outcome::Refused("/rules/0: is no rule".to_owned());
        assert_eq!(difference(&golden, &said), None);
        assert!(difference(&golden, &transformed(&[], &[])).is_some());
    }

    #[test]
    fn what_was_blessed_is_expected_from_then_on() {
        let (plugin, golden) = folder(&[("input.json", "[{},{}]"), ("error.txt", "no")]);
        let came = transformed(&[r#"{"a":1}"#], &["keep", "reject: it is wrong"]);
        assert!(difference(&golden, &came).is_some());
        golden.bless(&came).unwrap();
        let again = Folder::all(plugin.path()).unwrap().remove(0);
        assert_eq!(difference(&again, &came), None);
        let refused = Outcome::Refused("too large".to_owned());
        again.bless(&refused).unwrap();
        let again = Folder::all(plugin.path()).unwrap().remove(0);
        assert_eq!(difference(&again, &refused), None);
    }

    #[test]
    fn what_a_folder_says_that_cannot_be_meant_is_told_with_what_can() {
        let (_plugin, golden) = folder(&[("input.json", "[]"), ("setting.json", "{}")]);
        let told = golden.check(&["input.json", "settings.json"]).unwrap_err();
        let told = told.to_string();
        assert!(told.contains("one/setting.json: nothing is read"), "{told}");
        assert!(told.contains("input.json, settings.json"), "{told}");
        assert!(golden.check(&["input.json", "setting.json"]).is_ok());
        let (_plugin, golden) = folder(&[("expected.json", "[]"), ("verdicts.txt", "keep\nkep")]);
        let told = golden.expected().err().unwrap().to_string();
        assert!(told.contains("line 2 is `kep`"), "{told}");
        for (name, text) in [("error.txt", "no"), ("expected.json", "[")] {
            let (_plugin, golden) = folder(&[("expected.json", "[]"), (name, text)]);
            let error = golden.expected().err().unwrap();
            assert!(error.is::<crate::exit::Usage>(), "{error}");
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
