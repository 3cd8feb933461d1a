//! The lead scorer as a plugin of Extism: the same code behind its plugin kit.

use std::sync::OnceLock;

use extism_pdk::{Error, FnResult, WithReturnCode, config, plugin_fn};
use lead_scorer::Settings;

/// Read once, as our guest reads them in `configure`.
static SETTINGS: OnceLock<Settings> = OnceLock::new();

/// Scores a batch. The verdicts are left out: an Extism plugin gives bytes, and
/// nothing is rejected here.
#[plugin_fn]
pub fn score(batch: Vec<u8>) -> FnResult<Vec<u8>> {
    let settings = match SETTINGS.get() {
        Some(settings) => settings,
        None => {
            let text = config::get("settings")?.unwrap_or_default();
            let read = Settings::parse(&text).map_err(|_| failure("these are no settings"))?;
            SETTINGS.get_or_init(|| read)
        }
    };
    let outcome = lead_scorer::transform(settings, &batch);
    Ok(outcome
        .map_err(|error| failure(&error.to_string()))?
        .records)
}

/// Gives back what it gets: a call of it is Extism's work and next to nothing else.
#[plugin_fn]
pub fn echo(batch: Vec<u8>) -> FnResult<Vec<u8>> {
    Ok(batch)
}

fn failure(text: &str) -> WithReturnCode<Error> {
    Error::msg(text.to_owned()).into()
}
