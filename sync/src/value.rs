//! Values of fields in one form, whichever way they came: from the product's
//! JSON, from a column, or from what was kept before.
//!
//! Two values are equal if and only if they are equal here. Numbers are decimal
//! texts, so that no float ever stands between two systems that count money.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Fields by the product's API names.
pub type Fields = BTreeMap<String, Value>;

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A decimal number in its shortest form: `0`, `-1.5`, never `1.50` or `1e3`.
    Number(String),
    /// A text; also dates and times, see [`crate::Kind`].
    Text(String),
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number.
    #[must_use]
    pub fn int(number: i64) -> Self {
        Self::Number(number.to_string())
    }

    /// Whether there is nothing.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text, if it is one.
    #[must_use]
    pub const fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            _ => None,
        }
    }

    fn of_json(raw: &RawValue) -> Result<Self, serde_json::Error> {
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'n') => Self::Null,
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'"') => Self::Text(serde_json::from_str(text)?),
            // What is neither is kept as the text that it is.
            Some(b'{' | b'[') => Self::Text(text.to_owned()),
            _ => decimal(text).map_or_else(|| Self::Text(text.to_owned()), Self::Number),
        })
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Text(text) => serializer.serialize_str(text),
            // As it is written here: through a float it could lose digits.
            Self::Number(text) => RawValue::from_string(text.clone())
                .map_err(serde::ser::Error::custom)?
                .serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::of_json(&raw).map_err(D::Error::custom)
    }
}

/// The fields of a JSON object, without the member `attributes` that some
/// products put into each record.
///
/// # Errors
/// When it is no JSON object.
pub fn fields_from_json(json: &[u8]) -> Result<Fields, serde_json::Error> {
    let mut fields: Fields = serde_json::from_slice(json)?;
    fields.remove("attributes");
    Ok(fields)
}

/// A JSON object of these fields.
#[must_use]
pub fn fields_to_json(fields: &Fields) -> String {
    // Maps of texts to values cannot fail: numbers are checked where they enter.
    serde_json::to_string(fields).unwrap_or_else(|_| "{}".to_owned())
}

/// Numbers with more digits before or behind the point than this are no numbers
/// of any product's; without a bound `1e999999999` would fill the memory.
const MAX_DIGITS: usize = 400;

/// A decimal number in its shortest form; `None` if the text is none.
#[must_use]
pub fn decimal(text: &str) -> Option<String> {
    let text = text.trim();
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let point = i64::try_from(whole.len()).ok()? + i64::from(exponent);
    let count = i64::try_from(digits.len()).ok()?;
    let limit = i64::try_from(MAX_DIGITS).ok()?;
    if count > limit || point.abs() > limit {
        return None;
    }
    let pad = |zeros: i64| "0".repeat(usize::try_from(zeros).unwrap_or(0));
    let padded = format!("{}{digits}{}", pad(1 - point), pad(point - count));
    let at = usize::try_from(point.max(1)).ok()?;
    let (whole, fraction) = padded.split_at_checked(at)?;
    let (whole, fraction) = (
        whole.trim_start_matches('0'),
        fraction.trim_end_matches('0'),
    );
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(match (whole, fraction) {
        ("0", "") => "0".to_owned(),
        (whole, "") => format!("{sign}{whole}"),
        (whole, fraction) => format!("{sign}{whole}.{fraction}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_form_each() {
        for (text, form) in [
            ("0", "0"),
            ("-0.00", "0"),
            ("007.50", "7.5"),
            ("+1", "1"),
            (".5", "0.5"),
            ("1.", "1"),
            ("1e3", "1000"),
            ("1.25E-3", "0.00125"),
            ("-12345678901234567.89", "-12345678901234567.89"),
            ("0.1e1", "1"),
        ] {
            assert_eq!(decimal(text).as_deref(), Some(form), "{text}");
        }
        for text in ["", "-", ".", "1,5", "0x1", "1e", "1e999999999", "NaN"] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_keep_their_digits_through_json() {
        let json = br#"{"attributes":{"type":"X"},"A":12345678901234567.89,"B":1.50,"C":null,"D":true,"E":"x","F":[1]}"#;
        let fields = fields_from_json(json).unwrap();
        assert_eq!(
            fields_to_json(&fields),
            r#"{"A":12345678901234567.89,"B":1.5,"C":null,"D":true,"E":"x","F":"[1]"}"#
        );
        assert_eq!(
            fields_from_json(fields_to_json(&fields).as_bytes()).unwrap(),
            fields
        );
        assert!(fields_from_json(b"[]").is_err());
    }
}
