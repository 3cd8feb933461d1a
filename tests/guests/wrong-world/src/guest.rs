//! The exports of a transform. None of it is ever run.

use crate::bindings::exports::lockgate::connector::batches::{
    Batch, Description, Error, Guest, Outcome, SettingProblem,
};
use crate::bindings::lockgate::connector::log::{self, Level};

pub(crate) struct Plugin;

impl Guest for Plugin {
    fn describe() -> Description {
        Description {
            summary: "Speaks another contract.".to_owned(),
            settings_schema: "{}".to_owned(),
        }
    }

    fn configure(_settings: String) -> Result<(), Vec<SettingProblem>> {
        log::write(Level::Error, "a component of another contract runs", &[]);
        Ok(())
    }

    fn apply(_input: Batch) -> Result<Outcome, Error> {
        Err(Error::UnsupportedObject)
    }
}
