//! Values of Avro in the words in which REST tells the same field.
//!
//! Avro has dates, times and moments as one kind of number; what a field is, the
//! description of its object says, and where that is not at hand the schema's
//! own documentation (`Data:DateOnly`).

use apache_avro::types::Value as Avro;
use time::OffsetDateTime;

use crate::wire::push_text;

/// What decides how a value is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    Date,
    DateTime,
    Time,
    /// A whole number, whatever Avro makes of it.
    Int,
    /// What Avro says of it is enough.
    #[default]
    Plain,
}

impl Kind {
    /// By the type of a field's description.
    pub(super) fn described(kind: &str) -> Self {
        match kind {
            "date" => Self::Date,
            "datetime" => Self::DateTime,
            "time" => Self::Time,
            "int" => Self::Int,
            _ => Self::Plain,
        }
    }

    /// By the documentation in the schema: `CreatedDate:DateTime`,
    /// `Data:DateOnly:00N…`.
    pub(super) fn documented(doc: &str) -> Self {
        match doc.split(':').nth(1) {
            Some("DateOnly") => Self::Date,
            Some("DateTime") => Self::DateTime,
            Some("TimeOnly") => Self::Time,
            _ => Self::Plain,
        }
    }
}

/// What is inside of a union.
pub(super) fn bare(value: &Avro) -> &Avro {
    match value {
        Avro::Union(_, value) => bare(value),
        value => value,
    }
}

/// Appends a value as JSON.
pub(super) fn push(out: &mut Vec<u8>, kind: Kind, value: &Avro) {
    match bare(value) {
        Avro::Boolean(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
        Avro::Int(number) => push_integer(out, kind, i64::from(*number)),
        Avro::Long(number) => push_integer(out, kind, *number),
        Avro::Float(number) => push_double(out, kind, f64::from(*number)),
        Avro::Double(number) => push_double(out, kind, *number),
        Avro::String(text) | Avro::Enum(_, text) => push_text(out, text),
        // Salesforce's schemas have no other simple types, and what is empty is
        // null.
        _ => out.extend_from_slice(b"null"),
    }
}

fn push_integer(out: &mut Vec<u8>, kind: Kind, number: i64) {
    if matches!(kind, Kind::Int | Kind::Plain) {
        return out.extend_from_slice(number.to_string().as_bytes());
    }
    match moment(kind, number) {
        Some(text) => push_text(out, &text),
        None => out.extend_from_slice(b"null"),
    }
}

fn push_double(out: &mut Vec<u8>, kind: Kind, number: f64) {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole numbers below 2^53 are exact in both"
    )]
    if kind == Kind::Int && number.fract() == 0.0 && number.abs() < 9e15 {
        return push_integer(out, kind, number as i64);
    }
    // What is no number, JSON has no word for but null.
    match serde_json::Number::from_f64(number) {
        Some(number) => out.extend_from_slice(number.to_string().as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
}

/// Milliseconds since 1970 as text.
pub(super) fn moment(kind: Kind, ms: i64) -> Option<String> {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok()?;
    let date = || {
        format!(
            "{:04}-{:02}-{:02}",
            at.year(),
            u8::from(at.month()),
            at.day()
        )
    };
    let time = || {
        let (hour, minute, second) = (at.hour(), at.minute(), at.second());
        format!("{hour:02}:{minute:02}:{second:02}.{:03}", at.millisecond())
    };
    Some(match kind {
        Kind::Date => date(),
        Kind::Time => format!("{}Z", time()),
        _ => format!("{}T{}+0000", date(), time()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(kind: Kind, value: &Avro) -> String {
        let mut out = Vec::new();
        push(&mut out, kind, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dates_and_times_are_told_as_rest_tells_them() {
        let some = |number| Avro::Union(1, Box::new(Avro::Long(number)));
        assert_eq!(json(Kind::Date, &some(951_782_400_000)), "\"2000-02-29\"");
        assert_eq!(json(Kind::Date, &some(-86_400_000)), "\"1969-12-31\"");
        assert_eq!(
            json(Kind::DateTime, &some(1_612_912_679_042)),
            "\"2021-02-09T23:17:59.042+0000\""
        );
        assert_eq!(json(Kind::Time, &some(37_800_000)), "\"10:30:00.000Z\"");
        assert_eq!(json(Kind::Date, &some(i64::MAX)), "null");
    }

    #[test]
    fn numbers_stay_what_they_are_and_whole_ones_whole() {
        assert_eq!(
            json(Kind::Plain, &Avro::Double(350_000_000.0)),
            "350000000.0"
        );
        assert_eq!(json(Kind::Plain, &Avro::Double(0.1)), "0.1");
        assert_eq!(json(Kind::Int, &Avro::Double(12.0)), "12");
        assert_eq!(json(Kind::Int, &Avro::Int(12)), "12");
        assert_eq!(json(Kind::Plain, &Avro::Double(f64::NAN)), "null");
    }

    #[test]
    fn texts_are_escaped_and_what_is_empty_is_null() {
        let text = Avro::Union(1, Box::new(Avro::String("a\"b\n".to_owned())));
        assert_eq!(json(Kind::Plain, &text), r#""a\"b\n""#);
        assert_eq!(
            json(Kind::Date, &Avro::Union(0, Box::new(Avro::Null))),
            "null"
        );
        assert_eq!(json(Kind::Plain, &Avro::Boolean(true)), "true");
    }

    #[test]
    fn a_kind_is_known_by_the_description_or_else_by_the_documentation() {
        assert_eq!(Kind::described("datetime"), Kind::DateTime);
        assert_eq!(Kind::described("picklist"), Kind::Plain);
        assert_eq!(Kind::documented("CreatedDate:DateTime"), Kind::DateTime);
        assert_eq!(
            Kind::documented("Data:DateOnly:00N000000000001"),
            Kind::Date
        );
        assert_eq!(Kind::documented("Data:Text:00N000000000001"), Kind::Plain);
        assert_eq!(Kind::documented(""), Kind::Plain);
    }
}
