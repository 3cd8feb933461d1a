//! The component: the `batches` of contract 0.1.0.

#[expect(
    unsafe_code,
    reason = "generated: the calling convention of components needs raw memory"
)]
mod bindings {
    wit_bindgen::generate!({
        world: "transform",
        path: "../../../wit/frozen/0.1.0",
        default_bindings_module: "crate::guest::bindings",
    });

    use super::Plugin;

    export!(Plugin);
}

use bindings::exports::lockgate::connector::batches::{
    Batch, Description, Error, Guest, Outcome, SettingProblem, Verdict,
};
use bindings::lockgate::connector::log::{self, Level};
use serde_json::Value;
use serde_json::value::RawValue;

struct Plugin;

impl Guest for Plugin {
    fn describe() -> Description {
        Description {
            summary: "Speaks contract 0.1.0.".to_owned(),
            settings_schema: r#"{"type":"object"}"#.to_owned(),
        }
    }

    fn configure(settings: String) -> Result<(), Vec<SettingProblem>> {
        if settings.contains("refuse") {
            return Err(vec![SettingProblem {
                pointer: "/refuse".to_owned(),
                message: "is refused".to_owned(),
            }]);
        }
        Ok(())
    }

    fn apply(input: Batch) -> Result<Outcome, Error> {
        log::write(Level::Info, "took a batch", &[]);
        let records: Vec<&RawValue> = serde_json::from_slice(&input.records)
            .map_err(|error| Error::Malformed(error.to_string()))?;
        let mut kept = Vec::new();
        let mut verdicts = Vec::new();
        for record in records {
            let read: Value = serde_json::from_str(record.get()).unwrap_or_default();
            let verdict = match read.get("do").and_then(Value::as_str) {
                Some("drop") => Verdict::Drop,
                Some("reject") => Verdict::Reject("it asks for it".to_owned()),
                Some("change") => {
                    kept.push(r#"{"changed":true}"#);
                    Verdict::Keep
                }
                _ => {
                    kept.push(record.get());
                    Verdict::Keep
                }
            };
            verdicts.push(verdict);
        }
        match input.object.as_str() {
            "Unknown" => return Err(Error::UnsupportedObject),
            "Failing" => return Err(Error::Failed("as it was told".to_owned())),
            "Spin" => loop {
                std::hint::black_box(());
            },
            // Keeps a record and does not give it.
            "Lost" => drop(kept.pop()),
            _ => {}
        }
        Ok(Outcome {
            records: format!("[{}]", kept.join(",")).into_bytes(),
            verdicts,
        })
    }
}
