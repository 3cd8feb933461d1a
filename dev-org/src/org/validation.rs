//! Custom validation rules.

use super::Org;
use super::draft::Draft;
use crate::fault::Fault;
use crate::schema::{Comparison, Condition, ValidationRule};
use crate::table::same_without_case;
use crate::value::{Value, parse_date, parse_datetime};

impl Org {
    /// Refuses a record for the first rule whose conditions all hold.
    pub(super) fn check_validation_rules(&self, draft: &Draft<'_>) -> Result<(), Fault> {
        self.schema
            .validation_rules(&draft.object.name)
            .find(|rule| rule.when.iter().all(|condition| holds(condition, draft)))
            .map_or(Ok(()), |rule| Err(refusal(rule)))
    }
}

fn refusal(rule: &ValidationRule) -> Fault {
    let fault = Fault::bad_request("FIELD_CUSTOM_VALIDATION_EXCEPTION", rule.message.clone());
    match &rule.field {
        Some(field) => fault.on(field),
        None => fault,
    }
}

fn holds(condition: &Condition, draft: &Draft<'_>) -> bool {
    let value = draft.get(&condition.field);
    let wanted = condition.value.as_ref();
    match condition.is {
        Comparison::Blank => value.is_null(),
        Comparison::NotBlank => !value.is_null(),
        Comparison::Changed => !draft.is_new() && draft.is_changed(&condition.field),
        Comparison::Equal => wanted.is_some_and(|wanted| is_equal(value, wanted)),
        Comparison::NotEqual => !wanted.is_some_and(|wanted| is_equal(value, wanted)),
        Comparison::Less => order(value, wanted).is_some_and(|(left, right)| left < right),
        Comparison::Greater => order(value, wanted).is_some_and(|(left, right)| left > right),
        Comparison::Contains => value
            .as_str()
            .zip(wanted.and_then(toml::Value::as_str))
            .is_some_and(|(text, part)| text.to_lowercase().contains(&part.to_lowercase())),
        Comparison::LongerThan => value
            .as_str()
            .zip(wanted.and_then(toml::Value::as_integer))
            .is_some_and(|(text, most)| {
                i64::try_from(text.chars().count()).is_ok_and(|length| length > most)
            }),
    }
}

fn is_equal(value: &Value, wanted: &toml::Value) -> bool {
    match (value, wanted) {
        (Value::Text(text), toml::Value::String(wanted)) => same_without_case(text, wanted),
        (Value::Bool(flag), toml::Value::Boolean(wanted)) => flag == wanted,
        _ => order(value, Some(wanted)).is_some_and(|(left, right)| left == right),
    }
}

/// Both sides as numbers: numbers, or dates and instants as their count.
fn order(value: &Value, wanted: Option<&toml::Value>) -> Option<(f64, f64)> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of any date in use are exact in a double"
    )]
    match (value, wanted?) {
        (Value::Date(day), toml::Value::String(text)) => {
            Some((f64::from(*day), f64::from(parse_date(text)?)))
        }
        (Value::DateTime(ms), toml::Value::String(text)) => {
            Some((*ms as f64, parse_datetime(text)? as f64))
        }
        (_, toml::Value::Integer(number)) => Some((value.as_f64()?, *number as f64)),
        (_, toml::Value::Float(number)) => Some((value.as_f64()?, *number)),
        _ => None,
    }
}
