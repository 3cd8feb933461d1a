//! Golden folders: a batch that goes in, and what must come out of it.
//!
//! A folder below `golden` holds `input.json`, and with it either `expected.json` or
//! `error.txt`. It may hold `settings.json`, `object.txt` with what the records are,
//! and `verdicts.txt` with a line for each record of the input: `keep`, `drop` or
//! `reject: why`. Without the last all records are to be kept.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use lockgate::{Error, Records, Transformed};
use serde_json::Value as Json;
use similar::TextDiff;

use super::json_text;
use crate::exit::usage;

/// The folder in a plugin's directory that holds the golden ones.
pub(super) const FOLDER: &str = "golden";

/// What records are if a folder does not say it.
const OBJECT: &str = "Contact";

/// One golden folder.
pub(super) struct Case {
    pub(super) name: String,
    folder: PathBuf,
    pub(super) object: String,
    pub(super) settings: Json,
    pub(super) input: Records,
    expected: Option<Outcome>,
}

/// What came out, or has to.
pub(super) enum Outcome {
    Transformed {
        /// The kept records, a JSON text each.
        records: Vec<String>,
        /// One line for each record of the input.
        verdicts: Vec<String>,
    },
    /// The batch or the settings were refused. What is expected is a part of what
    /// is said.
    Refused(String),
}

impl Case {
    /// The golden folders of a plugin, by name.
    pub(super) fn all(plugin: &Path) -> Result<Vec<Self>> {
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
        folders.into_iter().map(Self::read).collect()
    }

    fn read(folder: PathBuf) -> Result<Self> {
        let optional = |name: &str| optional(&folder.join(name));
        let wrong =
            |name: &str, what: String| usage(format!("{}: {what}", folder.join(name).display()));
        let input = optional("input.json")?
            .ok_or_else(|| wrong("input.json", "there is no such file".to_owned()))?;
        let input =
            Records::from_json(input).map_err(|error| wrong("input.json", error.to_string()))?;
        let settings = optional("settings.json")?.unwrap_or_else(|| "{}".to_owned());
        let settings = serde_json::from_str(&settings)
            .map_err(|error| wrong("settings.json", error.to_string()))?;
        let expected = match (optional("expected.json")?, optional("error.txt")?) {
            (Some(_), Some(_)) => {
                let what = "there is an expected.json as well: only one can be true";
                return Err(wrong("error.txt", what.to_owned()));
            }
            (None, Some(error)) => Some(Outcome::Refused(error.trim().to_owned())),
            (Some(records), None) => {
                let records = Records::from_json(records)
                    .map_err(|error| wrong("expected.json", error.to_string()))?;
                let verdicts = match optional("verdicts.txt")? {
                    Some(lines) => lines.lines().map(str::to_owned).collect(),
                    None => vec!["keep".to_owned(); input.len()],
                };
                Some(Outcome::Transformed {
                    records: texts(&records)?,
                    verdicts,
                })
            }
            (None, None) => None,
        };
        let object = optional("object.txt")?.unwrap_or_else(|| OBJECT.to_owned());
        let name = folder.file_name().unwrap_or_default();
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            object: object.trim().to_owned(),
            settings,
            input,
            expected,
            folder,
        })
    }

    /// How what came out differs from what is expected; `None` if it does not.
    pub(super) fn difference(&self, came: &Outcome) -> Option<String> {
        let Some(expected) = &self.expected else {
            return Some(
                "there is neither expected.json nor error.txt; --bless writes what came out"
                    .to_owned(),
            );
        };
        match (expected, came) {
            (Outcome::Refused(part), Outcome::Refused(said)) if said.contains(part) => return None,
            (Outcome::Transformed { .. }, Outcome::Refused(_)) => return Some(came.to_string()),
            _ => {}
        }
        let (expected, came) = (expected.to_string(), came.to_string());
        if expected == came {
            return None;
        }
        let diff = TextDiff::from_lines(&expected, &came);
        let mut diff = diff.unified_diff();
        diff.context_radius(3).header("expected", "came out");
        Some(diff.to_string())
    }

    /// Makes what came out what is expected.
    pub(super) fn bless(&self, came: &Outcome) -> Result<()> {
        let (expected, verdicts, error) = match came {
            Outcome::Refused(said) => (None, None, Some(format!("{said}\n"))),
            Outcome::Transformed { records, verdicts } => {
                let lines: Vec<String> =
                    records.iter().map(|record| format!("  {record}")).collect();
                let array = match lines.is_empty() {
                    true => "[]\n".to_owned(),
                    false => format!("[\n{}\n]\n", lines.join(",\n")),
                };
                let is_plain = verdicts.iter().all(|verdict| verdict == "keep");
                let verdicts = (!is_plain).then(|| format!("{}\n", verdicts.join("\n")));
                (Some(array), verdicts, None)
            }
        };
        let files = [
            ("expected.json", expected),
            ("verdicts.txt", verdicts),
            ("error.txt", error),
        ];
        for (name, text) in files {
            let file = self.folder.join(name);
            let done = match text {
                Some(text) => std::fs::write(&file, text),
                None if file.exists() => std::fs::remove_file(&file),
                None => Ok(()),
            };
            done.with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok(())
    }
}

impl Outcome {
    /// What a transform made of so many records.
    pub(super) fn of(input: &Records, done: &Transformed) -> Result<Self> {
        let mut verdicts = vec!["keep".to_owned(); input.len()];
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
        Ok(Self::Transformed {
            records: texts(&done.records)?,
            verdicts,
        })
    }

    /// What an error says, without which package and which version of it.
    pub(super) fn refused(error: &Error) -> Self {
        Self::Refused(match error {
            Error::Transform { what, .. } => what.clone(),
            Error::Settings { problems, .. } => {
                let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
                problems.join("; ")
            }
            other => other.to_string(),
        })
    }
}

impl std::fmt::Display for Outcome {
    /// As it is compared.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(why) => writeln!(f, "refused: {why}"),
            Self::Transformed { records, verdicts } => {
                for record in records {
                    writeln!(f, "{}", json_text::spread(record))?;
                }
                for (at, verdict) in verdicts.iter().enumerate() {
                    writeln!(f, "record {at}: {verdict}")?;
                }
                Ok(())
            }
        }
    }
}

fn texts(records: &Records) -> Result<Vec<String>> {
    let rows = records.rows()?;
    Ok(rows.into_iter().map(|row| row.get().to_owned()).collect())
}

fn optional(file: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(files: &[(&str, &str)]) -> (tempfile::TempDir, Case) {
        let plugin = tempfile::tempdir().unwrap();
        let folder = plugin.path().join(FOLDER).join("one");
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let case = Case::all(plugin.path()).unwrap().remove(0);
        (plugin, case)
    }

    fn transformed(records: &[&str], verdicts: &[&str]) -> Outcome {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Outcome::Transformed {
            records: owned(records),
            verdicts: owned(verdicts),
        }
    }

    #[test]
    fn what_came_out_is_shown_line_by_line_where_it_differs() {
        let files = [
            ("input.json", "[{}]"),
            ("expected.json", r#"[{"a":1,"b":2}]"#),
        ];
        let (_plugin, case) = case(&files);
        assert_eq!(
            case.difference(&transformed(&[r#"{"a": 1, "b": 2}"#], &["keep"])),
            None
        );
        let other = case
            .difference(&transformed(&[r#"{"a":1,"b":3}"#], &["keep"]))
            .unwrap();
        assert!(other.contains("-  \"b\": 2\n+  \"b\": 3"), "{other}");
        let dropped = case.difference(&transformed(&[], &["drop"])).unwrap();
        assert!(dropped.contains("+record 0: drop"), "{dropped}");
        let refused = case
            .difference(&Outcome::Refused("why".to_owned()))
            .unwrap();
        assert_eq!(refused, "refused: why\n");
    }

    #[test]
    fn a_part_of_what_is_said_is_enough_of_an_error() {
        let (_plugin, case) = case(&[("input.json", "[]"), ("error.txt", "/rules/0\n")]);
        let said = Outcome::Refused("/rules/0: is no rule".to_owned());
        assert_eq!(case.difference(&said), None);
        assert!(case.difference(&transformed(&[], &[])).is_some());
    }

    #[test]
    fn what_was_blessed_is_expected_from_then_on() {
        let (plugin, case) = case(&[("input.json", "[{},{}]"), ("error.txt", "no")]);
        let came = transformed(&[r#"{"a":1}"#], &["keep", "reject: it is wrong"]);
        assert!(case.difference(&came).is_some());
        case.bless(&came).unwrap();
        let again = Case::all(plugin.path()).unwrap().remove(0);
        assert_eq!(again.difference(&came), None);
        let refused = Outcome::Refused("too large".to_owned());
        again.bless(&refused).unwrap();
        let again = Case::all(plugin.path()).unwrap().remove(0);
        assert_eq!(again.difference(&refused), None);
    }

    #[test]
    fn a_folder_that_expects_nothing_yet_says_how_to_write_it() {
        let (_plugin, case) = case(&[("input.json", "[]")]);
        let said = case.difference(&transformed(&[], &[])).unwrap();
        assert!(said.contains("--bless"), "{said}");
    }
}
