//! One record: each field that the plan names, in its order.

use std::borrow::Cow;

use record_batch::{Edits, Record, Verdict};

use crate::name::{self, Part};
use crate::settings::{Kind, Plan, Policy, Settings};
use crate::{country, email, phone};

/// Normalises one record.
pub(crate) fn record(
    settings: &Settings,
    plan: &Plan,
    record: &Record<'_, '_>,
    edits: &mut Edits,
) -> Verdict {
    // Looked up once, and only if the record has a phone at all.
    let mut home = None;
    for (slot, field) in plan.handled() {
        let Some(text) = record.text(slot) else {
            continue;
        };
        let text = text.as_ref();
        if text.trim().is_empty() {
            // CRMs do not tell an empty text from none; blanks mean the same.
            if !text.is_empty() {
                edits.clear(slot);
            }
            continue;
        }
        let (value, policy, expected) = match field.kind {
            Kind::GivenName => (sure(name::normalize(text, Part::Given)), Policy::Keep, ""),
            Kind::FamilyName => (sure(name::normalize(text, Part::Family)), Policy::Keep, ""),
            Kind::FullName => (sure(name::normalize(text, Part::Full)), Policy::Keep, ""),
            Kind::Text => (Some(tidy_lines(text)), Policy::Keep, ""),
            Kind::Email => (
                email::normalize(text).map(Cow::Owned),
                settings.invalid_email,
                "an e-mail address",
            ),
            Kind::Phone => {
                let home = *home.get_or_insert_with(|| home_of(settings, plan, record));
                (
                    phone::normalize(text, home).map(Cow::Owned),
                    settings.invalid_phone,
                    "a phone number that can be read for certain",
                )
            }
            Kind::Country => (
                country::code(text).map(Cow::Borrowed),
                settings.unknown_country,
                "a known country",
            ),
        };
        match (value, policy) {
            (Some(value), _) if value == text => {}
            (Some(value), _) => edits.set_text(slot, &value),
            (None, Policy::Keep) => {}
            (None, Policy::Clear) => edits.clear(slot),
            // The value is not quoted: reasons are shown and kept in places
            // where personal data should not be.
            (None, Policy::Reject) => {
                return Verdict::Reject(format!("{} is not {expected}", field.name));
            }
        }
    }
    Verdict::Keep
}

fn sure(value: String) -> Option<Cow<'static, str>> {
    Some(Cow::Owned(value))
}

/// Where a phone without a prefix is at home: the country of the record's
/// address, or else the one of the settings.
fn home_of<'s>(settings: &'s Settings, plan: &Plan, record: &Record<'_, '_>) -> Option<&'s str> {
    plan.phone_country_slots()
        .filter_map(|slot| record.text(slot))
        .find_map(|text| country::code(&text))
        .or(settings.default_country.as_deref())
}

/// Without needless blanks, line by line: streets have several.
fn tidy_lines(text: &str) -> Cow<'_, str> {
    if !text.contains('\n') {
        return name::tidy(text);
    }
    let lines: Vec<_> = text.trim().lines().map(name::tidy).collect();
    Cow::Owned(lines.join("\n"))
}
