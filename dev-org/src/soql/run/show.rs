//! FORMAT and toLabel: values as a user in the en_US locale sees them.

use crate::schema::FieldKind;
use crate::soql::check::fold;
use crate::soql::plan::Shown;
use crate::soql::temporal::{Civil, DAY_MS};
use crate::value::Value;

impl Shown {
    /// The value as text; nothing stays nothing.
    pub(crate) fn of(&self, value: &Value) -> Value {
        match (self, value) {
            (_, Value::Null) => Value::Null,
            (Self::Label(labels), Value::Text(text)) => {
                let folded = fold(text);
                let found = labels.iter().find(|(value, _)| *value == folded);
                found.map_or_else(|| value.clone(), |(_, label)| Value::text(label.as_str()))
            }
            (Self::Format(kind, scale), value) => format(value, *kind, *scale),
            (Self::Label(_), value) => value.clone(),
        }
    }
}

fn format(value: &Value, kind: FieldKind, scale: u32) -> Value {
    match value {
        Value::Date(days) => Value::text(date(i64::from(*days))),
        Value::DateTime(ms) => {
            let day = date(ms.div_euclid(DAY_MS));
            let minutes = ms.rem_euclid(DAY_MS) / 60_000;
            Value::text(format!("{day}, {}", clock(minutes)))
        }
        Value::Time(ms) => Value::text(clock(i64::from(*ms) / 60_000)),
        Value::Int(_) | Value::Double(_) => {
            let number = value.as_f64().unwrap_or(0.0);
            let digits = usize::try_from(scale).unwrap_or(0);
            let grouped = thousands(&format!("{:.digits$}", number.abs()));
            let sign = if number < 0.0 { "-" } else { "" };
            Value::text(match kind {
                FieldKind::Currency => format!("{sign}${grouped}"),
                FieldKind::Percent => format!("{sign}{grouped}%"),
                _ => format!("{sign}{grouped}"),
            })
        }
        other => other.clone(),
    }
}

/// `5/16/2026`
fn date(days: i64) -> String {
    let Civil { year, month, day } = Civil::from_days(days);
    format!("{month}/{day}/{year}")
}

/// `1:45 PM`
fn clock(minutes: i64) -> String {
    let hours = minutes / 60;
    let half = if hours < 12 { "AM" } else { "PM" };
    let shown = if hours % 12 == 0 { 12 } else { hours % 12 };
    format!("{shown}:{:02} {half}", minutes % 60)
}

/// Commas between the thousands of a number that is not negative.
fn thousands(number: &str) -> String {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &Value, kind: FieldKind, scale: u32) -> String {
        format(value, kind, scale).as_str().unwrap().to_owned()
    }

    #[test]
    fn money_and_numbers_get_commas() {
        let amount = Value::Double(-1_234_567.5);
        assert_eq!(shown(&amount, FieldKind::Currency, 2), "-$1,234,567.50");
        assert_eq!(shown(&Value::Int(999), FieldKind::Int, 0), "999");
        assert_eq!(
            shown(&Value::Double(1000.0), FieldKind::Percent, 0),
            "1,000%"
        );
    }

    #[test]
    fn dates_are_written_month_first_and_times_in_halves() {
        let instant = Value::DateTime(13 * 3_600_000 + 5 * 60_000);
        assert_eq!(shown(&instant, FieldKind::DateTime, 0), "1/1/1970, 1:05 PM");
        assert_eq!(shown(&Value::Date(31), FieldKind::Date, 0), "2/1/1970");
    }

    #[test]
    fn a_label_is_found_without_case() {
        let labels = Shown::Label(vec![("hot".to_owned(), "Heiß".to_owned())]);
        assert_eq!(labels.of(&Value::text("Hot")), Value::text("Heiß"));
        assert_eq!(labels.of(&Value::text("Cold")), Value::text("Cold"));
    }
}
