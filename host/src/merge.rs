//! Settings of one call over those that are stored: JSON Merge Patch.

use serde_json::Value as Json;

/// Changes `target` as `patch` says (RFC 7396).
pub(crate) fn merge(target: &mut Json, patch: &Json) {
    match (target, patch) {
        (Json::Object(target), Json::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    target.remove(key);
                } else {
                    merge(target.entry(key.clone()).or_insert(Json::Null), value);
                }
            }
        }
        (target, patch) => *target = patch.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_of_one_call_are_merged_over_the_stored_ones() {
        let mut settings = json!({"api_version": "60.0", "assignment": {"rule": "a", "x": 1}});
        merge(
            &mut settings,
            &json!({"assignment": {"rule": "b", "x": null}, "mru": true}),
        );
        assert_eq!(
            settings,
            json!({"api_version": "60.0", "assignment": {"rule": "b"}, "mru": true})
        );
    }
}
