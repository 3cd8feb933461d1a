//! Puts e-mail addresses into one form, drops records of unwanted domains, and
//! rejects records without an address.

wit_bindgen::generate!({ world: "transform", path: "wit" });

use std::sync::OnceLock;

use exports::lockgate::connector::batches::{
    Batch, Description, Error, Guest, Outcome, SettingProblem, Verdict,
};
use lockgate::connector::log;
use serde_json::{Map, Value};

const SETTINGS_SCHEMA: &str = r#"{
    "type": "object",
    "properties": { "drop_domains": { "type": "array", "items": { "type": "string" } } },
    "additionalProperties": false
}"#;

/// Set once by `configure`: an instance has one set of settings.
static DROP_DOMAINS: OnceLock<Vec<String>> = OnceLock::new();

struct Plugin;

impl Guest for Plugin {
    fn describe() -> Description {
        Description {
            summary: "Puts e-mail addresses into one form.".to_owned(),
            settings_schema: SETTINGS_SCHEMA.to_owned(),
        }
    }

    fn configure(settings: String) -> Result<(), Vec<SettingProblem>> {
        std::panic::set_hook(Box::new(tell_place));
        let settings: Map<String, Value> =
            serde_json::from_str(&settings).map_err(|error| vec![problem("", &error.to_string())])?;
        let mut problems = Vec::new();
        for (name, value) in settings {
            match name.as_str() {
                "drop_domains" => match serde_json::from_value(value) {
                    // `configure` comes once, so nothing was set before.
                    Ok(domains) => drop(DROP_DOMAINS.set(domains)),
                    Err(_) => problems.push(problem("/drop_domains", "is a list of texts")),
                },
                _ => problems.push(problem(&format!("/{name}"), "there is no such setting")),
            }
        }
        match problems.is_empty() {
            true => Ok(()),
            false => Err(problems),
        }
    }

    fn apply(input: Batch) -> Result<Outcome, Error> {
        let records: Vec<Map<String, Value>> = serde_json::from_slice(&input.records)
            .map_err(|error| Error::Malformed(error.to_string()))?;
        let number = records.len().to_string();
        log::write(
            log::Level::Info,
            "took a batch",
            &[("records".to_owned(), number)],
        );
        let (mut changed, mut verdicts) = (Vec::new(), Vec::new());
        for mut record in records {
            let before = record.clone();
            let mut verdict = look_at(&mut record);
            // The host has a record that is kept: it needs only those that are other now.
            if matches!(verdict, Verdict::Keep) && record != before {
                verdict = Verdict::Change;
            }
            if matches!(verdict, Verdict::Change) {
                changed.push(record);
            }
            verdicts.push(verdict);
        }
        let records =
            serde_json::to_vec(&changed).map_err(|error| Error::Failed(error.to_string()))?;
        Ok(Outcome { records, verdicts })
    }
}

/// Says where a panic was; else it would be a crash without a word. Not its message,
/// which may quote a record.
fn tell_place(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let field = ("at".to_owned(), place.unwrap_or_default());
    log::write(log::Level::Error, "panicked", &[field]);
}

/// Changes what has to be other in one record, and says what becomes of it. Of a record
/// that is kept, `apply` sees whether it was changed.
fn look_at(record: &mut Map<String, Value>) -> Verdict {
    let email = match record.get("Email").and_then(Value::as_str) {
        Some(email) if email.contains('@') => email.trim().to_lowercase(),
        _ => return Verdict::Reject("it has no e-mail address".to_owned()),
    };
    let domain = email.rsplit('@').next().unwrap_or_default();
    let unwanted = DROP_DOMAINS
        .get()
        .is_some_and(|all| all.iter().any(|one| one == domain));
    if unwanted {
        return Verdict::Drop;
    }
    record.insert("Email".to_owned(), Value::String(email));
    Verdict::Keep
}

fn problem(pointer: &str, message: &str) -> SettingProblem {
    SettingProblem {
        pointer: pointer.to_owned(),
        message: message.to_owned(),
    }
}

export!(Plugin);
