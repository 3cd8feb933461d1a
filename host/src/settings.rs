//! What may be settings of a package: a JSON object, or nothing at all.

use serde_json::Value as Json;

/// Why something cannot be settings.
pub(crate) const NO_SETTINGS: &str = "the settings must be a JSON object";

pub(crate) fn is_settings(json: &Json) -> bool {
    json.is_null() || json.is_object()
}

/// Settings as packages get them: none are an empty object.
pub(crate) fn settings_or_none(settings: Json) -> Json {
    match settings {
        Json::Null => Json::Object(serde_json::Map::new()),
        settings => settings,
    }
}
