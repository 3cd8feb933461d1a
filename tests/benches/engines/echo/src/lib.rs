//! A transform that gives back the very bytes that it got, and a verdict for each of
//! as many records as its settings say: so a call of it is the host's work and next to
//! nothing else.

use std::cell::Cell;

wit_bindgen::generate!({
    world: "transform",
    path: "../../../../wit",
});

use exports::lockgate::connector::batches::{
    Batch, Description, Error, Guest, Outcome, SettingProblem, Verdict,
};

thread_local! {
    /// How many records a batch has.
    static RECORDS: Cell<usize> = const { Cell::new(0) };
}

struct Echo;

impl Guest for Echo {
    fn describe() -> Description {
        Description {
            summary: "Gives back what it gets.".to_owned(),
            settings_schema: "{}".to_owned(),
        }
    }

    /// The settings are one number.
    fn configure(settings: String) -> Result<(), Vec<SettingProblem>> {
        RECORDS.set(settings.parse().unwrap_or(0));
        Ok(())
    }

    fn apply(input: Batch) -> Result<Outcome, Error> {
        Ok(Outcome {
            records: input.records,
            verdicts: vec![Verdict::Change; RECORDS.get()],
        })
    }
}

export!(Echo);
