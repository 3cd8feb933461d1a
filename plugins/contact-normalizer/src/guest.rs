//! The component: the contract's `batches` on the one side, the plain functions
//! of this crate on the other.

#[expect(
    unsafe_code,
    reason = "generated: the calling convention of components needs raw memory"
)]
mod bindings {
    wit_bindgen::generate!({
        world: "transform",
        path: "../../wit",
        default_bindings_module: "crate::guest::bindings",
    });

    use super::Plugin;

    export!(Plugin);
}

use std::cell::RefCell;

use bindings::exports::lockgate::connector::batches::{
    Batch, Description, Error, Guest, Outcome, SettingProblem, Verdict,
};

use crate::{SETTINGS_SCHEMA, SUMMARY, Settings};

thread_local! {
    /// Set by `configure`, once on each instance.
    static SETTINGS: RefCell<Settings> = RefCell::default();
}

struct Plugin;

impl Guest for Plugin {
    fn describe() -> Description {
        Description {
            summary: SUMMARY.to_owned(),
            settings_schema: SETTINGS_SCHEMA.to_owned(),
        }
    }

    fn configure(settings: String) -> Result<(), Vec<SettingProblem>> {
        match Settings::parse(&settings) {
            Ok(settings) => {
                SETTINGS.set(settings);
                Ok(())
            }
            Err(problems) => Err(problems
                .into_iter()
                .map(|problem| SettingProblem {
                    pointer: problem.pointer,
                    message: problem.message,
                })
                .collect()),
        }
    }

    fn apply(input: Batch) -> Result<Outcome, Error> {
        let outcome = SETTINGS
            .with_borrow(|settings| crate::transform(settings, &input.object, &input.records));
        match outcome {
            Ok(outcome) => Ok(Outcome {
                records: outcome.records,
                verdicts: outcome.verdicts.into_iter().map(Verdict::from).collect(),
            }),
            Err(crate::Error::Malformed(what)) => Err(Error::Malformed(what)),
            Err(crate::Error::UnsupportedObject) => Err(Error::UnsupportedObject),
        }
    }
}

impl From<crate::Verdict> for Verdict {
    fn from(verdict: crate::Verdict) -> Self {
        match verdict {
            crate::Verdict::Keep => Self::Keep,
            crate::Verdict::Change => Self::Change,
            crate::Verdict::Drop => Self::Drop,
            crate::Verdict::Reject(reason) => Self::Reject(reason),
        }
    }
}
