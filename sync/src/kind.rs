//! Kinds of field: which the product has, and the one form that the values of
//! each have here.

use serde::{Deserialize, Serialize};
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

use crate::value::{Value, decimal};

/// How the values of a field look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A text: ids and references of 18 characters, names, picklists, several
    /// picks as `A;B`, and all that is not known. The empty text is nothing, as
    /// products treat it.
    Text,
    /// Yes or no.
    Boolean,
    /// A whole number.
    Int,
    /// An exact decimal number: amounts, percentages and what the product calls
    /// `double`.
    Decimal,
    /// `2030-01-31`.
    Date,
    /// `2030-01-31T23:59:59.123Z`, always UTC, always milliseconds.
    Datetime,
    /// `23:59:59.123Z`.
    Time,
}

impl Kind {
    /// The kind for the product's own name of a type. `None` for fields without a
    /// column: groups of fields, whose parts have columns of their own, and files.
    /// A name that is not known is a text.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "address" | "location" | "complexvalue" | "base64" => return None,
            "boolean" => Self::Boolean,
            "int" | "long" => Self::Int,
            "double" | "currency" | "percent" => Self::Decimal,
            "date" => Self::Date,
            "datetime" => Self::Datetime,
            "time" => Self::Time,
            _ => Self::Text,
        })
    }

    /// The value in this kind's form. One that has no such form stays as it is;
    /// [`Self::problem`] tells of it.
    #[must_use]
    pub fn canonical(self, value: Value) -> Value {
        match (self, value) {
            (Self::Text, Value::Text(text)) if text.is_empty() => Value::Null,
            (Self::Text, Value::Number(text)) => Value::Text(text),
            (Self::Text, Value::Bool(value)) => Value::Text(value.to_string()),
            (Self::Boolean, Value::Text(text)) => match text.as_str() {
                "true" | "t" | "1" => Value::Bool(true),
                "false" | "f" | "0" => Value::Bool(false),
                _ => Value::Text(text),
            },
            (Self::Boolean, Value::Number(number)) => match number.as_str() {
                "0" => Value::Bool(false),
                "1" => Value::Bool(true),
                _ => Value::Number(number),
            },
            (Self::Int | Self::Decimal, Value::Text(text)) => {
                decimal(&text).map_or(Value::Text(text), Value::Number)
            }
            (Self::Date, Value::Text(text)) => {
                date(&text).map_or(Value::Text(text), |date| Value::Text(show_date(date)))
            }
            (Self::Datetime, Value::Text(text)) => {
                moment(&text).map_or(Value::Text(text), |moment| Value::Text(show(moment)))
            }
            (Self::Time, Value::Text(text)) => {
                clock(&text).map_or(Value::Text(text), |time| Value::Text(show_time(time)))
            }
            (_, value) => value,
        }
    }

    /// What is wrong with a value in its canonical form, for the person who wrote
    /// it. `max_length` in characters, 0 if it does not apply.
    #[must_use]
    pub fn problem(self, value: &Value, max_length: u32) -> Option<String> {
        let expected = match (self, value) {
            (_, Value::Null)
            | (Self::Boolean, Value::Bool(_))
            | (Self::Decimal, Value::Number(_)) => {
                return None;
            }
            (Self::Text, Value::Text(text)) => {
                let length = text.chars().count();
                let is_long =
                    max_length > 0 && length > usize::try_from(max_length).unwrap_or(usize::MAX);
                return is_long.then(|| {
                    format!("has {length} characters, and the org takes {max_length} at most")
                });
            }
            (Self::Int, Value::Number(number)) if !number.contains('.') => return None,
            (Self::Date, Value::Text(text)) if date(text).is_some() => return None,
            (Self::Datetime, Value::Text(text)) if moment(text).is_some() => return None,
            (Self::Time, Value::Text(text)) if clock(text).is_some() => return None,
            (Self::Text, _) => "a text",
            (Self::Boolean, _) => "true or false",
            (Self::Int, _) => "a whole number",
            (Self::Decimal, _) => "a number",
            (Self::Date, _) => "a date such as 2030-01-31",
            (Self::Datetime, _) => "a time such as 2030-01-31T23:59:59Z",
            (Self::Time, _) => "a time of day such as 23:59:59",
        };
        Some(format!("is not {expected}"))
    }
}

/// Milliseconds since 1970 of a date with a time; `None` if the text is none.
#[must_use]
pub(crate) fn milliseconds(text: &str) -> Option<i64> {
    let moment = moment(text)?;
    i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok()
}

/// `2030-01-31`, also with a time behind it.
fn date(text: &str) -> Option<Date> {
    let (day, rest) = text.split_at_checked(10)?;
    if !(rest.is_empty() || rest.starts_with(['T', ' '])) {
        return None;
    }
    let mut parts = day.split('-');
    let year = number(parts.next()?, 4)?;
    let month = u8::try_from(number(parts.next()?, 2)?).ok()?;
    let day = u8::try_from(number(parts.next()?, 2)?).ok()?;
    let month = Month::try_from(month).ok()?;
    Date::from_calendar_date(i32::try_from(year).ok()?, month, day).ok()
}

/// A date with a time, which is UTC if it names no other zone: the forms of ISO
/// 8601, of the product (`+0000`) and of SQLite's `datetime()`.
fn moment(text: &str) -> Option<OffsetDateTime> {
    let day = date(text)?;
    let Some(rest) = text.get(11..) else {
        return Some(PrimitiveDateTime::new(day, Time::MIDNIGHT).assume_utc());
    };
    let (time, zone) = match rest.find(['Z', 'z', '+', '-']) {
        Some(at) => rest.split_at_checked(at)?,
        None => (rest, ""),
    };
    let offset = offset(zone)?;
    let moment = PrimitiveDateTime::new(day, clock(time)?).assume_offset(offset);
    moment.checked_to_offset(UtcOffset::UTC)
}

fn offset(zone: &str) -> Option<UtcOffset> {
    if matches!(zone, "" | "Z" | "z") {
        return Some(UtcOffset::UTC);
    }
    let (sign, rest) = zone.split_at_checked(1)?;
    let sign = if sign == "-" { -1 } else { 1 };
    let digits = rest.replace(':', "");
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = if minutes.is_empty() { "00" } else { minutes };
    let hours = i8::try_from(number(hours, 2)?).ok()?;
    let minutes = i8::try_from(number(minutes, 2)?).ok()?;
    UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()
}

/// `23:59`, `23:59:59` or `23:59:59.123`, also with `Z`. What is finer than a
/// millisecond is cut off.
fn clock(text: &str) -> Option<Time> {
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = whole.split(':');
    let hour = number(parts.next()?, 2)?;
    let minute = number(parts.next()?, 2)?;
    let second = parts.next().map_or(Some(0), |second| number(second, 2))?;
    if parts.next().is_some() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    let small = |number: u32| u8::try_from(number).ok();
    Time::from_hms_milli(
        small(hour)?,
        small(minute)?,
        small(second)?,
        thousandths.parse().ok()?,
    )
    .ok()
}

/// A number of exactly so many digits.
fn number(text: &str, digits: usize) -> Option<u32> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

fn show_date(date: Date) -> String {
    format!(
        "{:04}-{:02}-{:02}",
        date.year(),
        u8::from(date.month()),
        date.day()
    )
}

fn show_time(time: Time) -> String {
    let (hour, minute, second, millisecond) = time.as_hms_milli();
    format!("{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

fn show(moment: OffsetDateTime) -> String {
    format!("{}T{}", show_date(moment.date()), show_time(moment.time()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(kind: Kind, text: &str) -> String {
        match kind.canonical(Value::text(text)) {
            Value::Text(text) | Value::Number(text) => text,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn moments_are_utc_with_milliseconds_whatever_they_came_as() {
        let wanted = "2026-05-01T07:25:37.000Z";
        for text in [
            "2026-05-01T07:25:37.000+0000",
            "2026-05-01T07:25:37Z",
            "2026-05-01 07:25:37",
            "2026-05-01T09:25:37+02:00",
            "2026-05-01T05:25:37.0004-02",
        ] {
            assert_eq!(form(Kind::Datetime, text), wanted, "{text}");
        }
        assert_eq!(milliseconds(wanted), Some(1_777_620_337_000));
        assert_eq!(
            form(Kind::Datetime, "2026-05-01"),
            "2026-05-01T00:00:00.000Z"
        );
        assert_eq!(form(Kind::Time, "23:59"), "23:59:00.000Z");
        assert_eq!(form(Kind::Date, "2026-05-01T23:00:00Z"), "2026-05-01");
    }

    #[test]
    fn what_has_no_form_stays_and_is_told() {
        for (kind, text) in [
            (Kind::Datetime, "tomorrow"),
            (Kind::Datetime, "2026-02-30T00:00:00Z"),
            (Kind::Datetime, "2026-05-01T25:00:00Z"),
            (Kind::Date, "2026-5-1"),
            (Kind::Time, "7"),
            (Kind::Int, "many"),
            (Kind::Boolean, "perhaps"),
        ] {
            let value = kind.canonical(Value::text(text));
            assert_eq!(value, Value::text(text));
            assert!(kind.problem(&value, 0).is_some(), "{kind:?} {text}");
        }
        let fraction = Kind::Int.canonical(Value::text("1.5"));
        assert!(Kind::Int.problem(&fraction, 0).is_some());
        let long = Kind::Text.problem(&Value::text("äöü"), 2).unwrap();
        assert_eq!(long, "has 3 characters, and the org takes 2 at most");
        assert_eq!(Kind::Text.problem(&Value::text("äö"), 2), None);
    }

    #[test]
    fn an_empty_text_is_nothing_and_a_kind_that_is_not_known_is_a_text() {
        assert_eq!(Kind::Text.canonical(Value::text("")), Value::Null);
        assert_eq!(Kind::of("quantumstate"), Some(Kind::Text));
        assert_eq!(Kind::of("address"), None);
    }
}
