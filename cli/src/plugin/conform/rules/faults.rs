//! Answers that a product gives in the place of those that it should give.

use lockgate::manifest::{Meaning, VendorManifest};
use serde_json::{Map, Value as Json};

use crate::plugin::exchanges::Answer;

/// A page of a web server that stands in the way.
const HTML: &str = "<html><head><title>Maintenance</title></head><body>Back soon</body></html>";

/// An answer in forms that nobody can read.
pub(super) fn unreadable_forms(answer: &Answer) -> Vec<(&'static str, Answer)> {
    let with = |body: Json, headers: Map<String, Json>| Answer {
        status: answer.status,
        headers,
        body,
    };
    let html = Map::from_iter([("content-type".to_owned(), Json::from("text/html"))]);
    let mut forms = Vec::new();
    if answer.body.is_null() {
        return forms;
    }
    forms.push(("HTML", with(Json::from(HTML), html)));
    // Half of a text may be one as well, and so may none of it.
    if answer.body.is_object() || answer.body.is_array() {
        let (_, content) = answer.content();
        let half = content.get(..content.len() / 2).unwrap_or_default();
        let half = String::from_utf8_lossy(half).into_owned();
        forms.push((
            "half of the JSON",
            with(Json::from(half), answer.headers.clone()),
        ));
        forms.push(("an empty body", with(Json::Null, answer.headers.clone())));
    }
    forms
}

/// An answer that has this meaning, as the manifest says it.
pub(super) fn signal(vendor: &VendorManifest, meaning: Meaning) -> Option<Answer> {
    let signal = vendor
        .signals
        .iter()
        .find(|signal| signal.means == meaning)?;
    Some(Answer {
        status: signal.status,
        headers: Map::new(),
        body: Json::from(signal.contains.join(" ")),
    })
}

/// The answer of a product whose calls are used up: as the manifest says it, or as HTTP
/// does (RFC 6585).
pub(super) fn used_up(vendor: &VendorManifest) -> Answer {
    let signal = signal(vendor, Meaning::BudgetExhausted);
    signal.unwrap_or_else(|| Answer {
        status: 429,
        headers: Map::from_iter([("retry-after".to_owned(), Json::from("1"))]),
        body: Json::Null,
    })
}
