//! The component: settings in, one attack out.

#[expect(
    unsafe_code,
    reason = "generated: the calling convention of components needs raw memory"
)]
pub(crate) mod bindings {
    wit_bindgen::generate!({
        world: "transform",
        path: "../../../wit",
        default_bindings_module: "crate::guest::bindings",
    });

    use super::Plugin;

    export!(Plugin);
}

use std::cell::RefCell;

use bindings::exports::lockgate::connector::batches::{
    Batch, Description, Error, Guest, Outcome, SettingProblem,
};
use serde_json::Value;

use crate::attack::{self, Attack};

thread_local! {
    static ATTACK: RefCell<Attack> = RefCell::default();
}

struct Plugin;

impl Guest for Plugin {
    fn describe() -> Description {
        Description {
            summary: "Attacks its sandbox.".to_owned(),
            settings_schema: "{}".to_owned(),
        }
    }

    fn configure(settings: String) -> Result<(), Vec<SettingProblem>> {
        let settings: Value = serde_json::from_str(&settings).unwrap_or_default();
        let number = |name: &str| settings.get(name).and_then(Value::as_u64).unwrap_or(1);
        let text = |name: &str| {
            settings
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let attack = Attack {
            name: text("do").to_owned(),
            count: usize::try_from(number("count")).unwrap_or(usize::MAX),
            bytes: usize::try_from(number("bytes")).unwrap_or(usize::MAX),
        };
        if text("at") == "configure" {
            if attack.name == "many-problems" {
                return Err(attack::many_problems(&attack));
            }
            attack::exhaust(&attack);
        }
        ATTACK.set(attack);
        Ok(())
    }

    fn apply(input: Batch) -> Result<Outcome, Error> {
        ATTACK.with_borrow(|attack| {
            attack::exhaust(attack);
            attack::answer(attack, &input.records)
        })
    }
}
