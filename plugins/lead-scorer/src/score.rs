//! One record: left out, or scored.

use record_batch::{Edits, Record, Verdict};

use crate::settings::Settings;

/// Scores one record.
pub(crate) fn record(settings: &Settings, record: &Record<'_, '_>, edits: &mut Edits) -> Verdict {
    if let Some(unwanted) = &settings.drop_when
        && unwanted.holds(record)
    {
        return Verdict::Drop;
    }
    for rejection in &settings.reject_when {
        if rejection.when.holds(record) {
            return Verdict::Reject(rejection.reason.clone());
        }
    }
    let score = settings
        .rules
        .iter()
        .filter(|rule| rule.when.holds(record))
        .fold(settings.base, |score, rule| {
            score.saturating_add(rule.points)
        })
        .max(settings.minimum)
        .min(settings.maximum);
    let is_there = record
        .raw(settings.score_slot)
        .is_some_and(|raw| raw.parse() == Ok(score));
    if !is_there {
        edits.set_number(settings.score_slot, score);
    }
    if let Some(rating) = &settings.rating
        && let Some(value) = rating.of(score)
        && record.text(rating.slot).as_deref() != Some(value)
    {
        edits.set_text(rating.slot, value);
    }
    Verdict::Keep
}
