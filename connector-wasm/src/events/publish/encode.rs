//! Values of JSON as a schema of Avro wants them.

use apache_avro::Schema;
use apache_avro::types::Value as Avro;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::value::Kind;
use crate::soql;

/// A value; `None` if it does not fit.
pub(super) fn value(kind: Kind, schema: &Schema, json: &Value) -> Option<Avro> {
    match (schema, json) {
        (Schema::Union(union), json) => {
            let variants = union.variants().iter().enumerate();
            variants
                .filter_map(|(at, variant)| Some((at, value(kind, variant, json)?)))
                .find_map(|(at, avro)| Some(Avro::Union(u32::try_from(at).ok()?, Box::new(avro))))
        }
        (Schema::Null, Value::Null) => Some(Avro::Null),
        (Schema::Boolean, Value::Bool(flag)) => Some(Avro::Boolean(*flag)),
        (Schema::Int, json) => Some(Avro::Int(i32::try_from(json.as_i64()?).ok()?)),
        (Schema::Long, Value::String(text)) => Some(Avro::Long(moment(kind, text)?)),
        (Schema::Long, json) => Some(Avro::Long(json.as_i64()?)),
        (Schema::Double, json) => Some(Avro::Double(json.as_f64()?)),
        (Schema::String, Value::String(text)) => Some(Avro::String(text.clone())),
        _ => None,
    }
}

/// Milliseconds since 1970, or of a day.
fn moment(kind: Kind, text: &str) -> Option<i64> {
    let whole = match kind {
        Kind::Date => format!("{text}T00:00:00Z"),
        Kind::Time => format!("1970-01-01T{text}"),
        Kind::DateTime => soql::moment(text)?,
        Kind::Int | Kind::Plain => return None,
    };
    let moment = OffsetDateTime::parse(&whole, &Rfc3339).ok()?;
    i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(kind: Kind, schema: &str, json: &Value) -> Option<Avro> {
        value(kind, &Schema::parse_str(schema).unwrap(), json)
    }

    #[test]
    fn values_take_the_form_that_the_schema_wants() {
        let some = |value| Some(Avro::Union(1, Box::new(value)));
        let text = r#"["null","string"]"#;
        assert_eq!(
            of(Kind::Plain, text, &json!("a")),
            some(Avro::String("a".to_owned()))
        );
        assert_eq!(
            of(Kind::Plain, text, &Value::Null),
            Some(Avro::Union(0, Box::new(Avro::Null)))
        );
        let number = r#"["null","double"]"#;
        assert_eq!(of(Kind::Plain, number, &json!(2)), some(Avro::Double(2.0)));
        let long = r#"["null","long"]"#;
        assert_eq!(
            of(Kind::Date, long, &json!("2000-02-29")),
            some(Avro::Long(951_782_400_000))
        );
        assert_eq!(
            of(Kind::DateTime, long, &json!("2021-02-09T23:17:59.042+0000")),
            some(Avro::Long(1_612_912_679_042))
        );
        assert_eq!(
            of(Kind::Time, long, &json!("10:30:00.000Z")),
            some(Avro::Long(37_800_000))
        );
    }

    #[test]
    fn values_that_do_not_fit_are_not_bent() {
        for (kind, schema, json) in [
            (Kind::Plain, r#"["null","string"]"#, json!(1)),
            (Kind::Plain, r#"["null","double"]"#, json!("1")),
            (Kind::Plain, "\"string\"", Value::Null),
            (Kind::Date, "\"long\"", json!("2000-02-30")),
            (Kind::Plain, "\"boolean\"", json!("true")),
            (Kind::Plain, "\"int\"", json!(1.5)),
        ] {
            assert_eq!(of(kind, schema, &json), None, "{schema} {json}");
        }
    }
}
