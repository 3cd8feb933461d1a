//! Plugins as arguments, of syncs and of all else that sends records through them.

use std::path::{Path, PathBuf};

use crate::sync::definition::Plugin;
use crate::{input, packages};

/// `PACKAGE`, or `PACKAGE=FILE` with a file of settings.
pub(crate) fn plugin(text: &str) -> Result<Plugin, String> {
    let (place, settings) = match text.split_once('=') {
        Some((place, file)) => (place, Some(Path::new(file))),
        None => (text, None),
    };
    let settings = settings.map(input::settings).transpose();
    let settings = settings.map_err(|error| format!("{error:#}"))?;
    let place = PathBuf::from(place);
    // A name is looked up where it is used: it may be installed, beside its own source.
    let is_name = place.components().count() == 1 && packages::is_source(&place);
    let place = match place.is_dir() && !is_name {
        true => {
            packages::open(&place).map_err(|error| format!("{error:#}"))?;
            std::path::absolute(&place).map_err(|error| error.to_string())?
        }
        false => place,
    };
    Ok(Plugin {
        place,
        settings: settings.unwrap_or_else(|| serde_json::json!({})),
    })
}
