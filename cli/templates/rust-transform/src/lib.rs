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
        let settings: Value =
            serde_json::from_str(&settings).map_err(|error| problem("", error.to_string()))?;
        let domains = match settings.get("drop_domains") {
            None => Ok(Vec::new()),
            Some(domains) => serde_json::from_value(domains.clone())
                .map_err(|_| problem("/drop_domains", "is a list of texts".to_owned())),
        };
        // `configure` comes once, so nothing was set before.
        let _ = DROP_DOMAINS.set(domains?);
        Ok(())
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
            let verdict = look_at(&mut record);
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

/// Changes one record if it has to be, and says what becomes of it.
fn look_at(record: &mut Map<String, Value>) -> Verdict {
    let before = match record.get("Email").and_then(Value::as_str) {
        Some(email) if email.contains('@') => email,
        _ => return Verdict::Reject("it has no e-mail address".to_owned()),
    };
    let email = before.trim().to_lowercase();
    let domain = email.rsplit('@').next().unwrap_or_default();
    let unwanted = DROP_DOMAINS
        .get()
        .is_some_and(|all| all.iter().any(|one| one == domain));
    if unwanted {
        return Verdict::Drop;
    }
    if email == before {
        return Verdict::Keep;
    }
    record.insert("Email".to_owned(), Value::String(email));
    Verdict::Change
}

fn problem(pointer: &str, message: String) -> Vec<SettingProblem> {
    vec![SettingProblem {
        pointer: pointer.to_owned(),
        message,
    }]
}

export!(Plugin);
