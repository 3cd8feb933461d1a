//! One field's value as a row stores it, and its form on the wire.
//!
//! Rows are many, so text is shared (`Arc<str>`): a picklist value or an owner
//! id is one allocation for the whole org.

use std::io::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use time::{Date, OffsetDateTime, PrimitiveDateTime, UtcOffset};

/// Julian day of 1970-01-01, the day from which `Value::Date` counts.
const EPOCH_JULIAN_DAY: i32 = 2_440_588;
/// Milliseconds in a day.
pub const DAY_MS: i64 = 86_400_000;

/// One field's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value; JSON `null`.
    Null,
    /// A checkbox.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number, an amount of money or a percentage.
    Double(f64),
    /// Text of any kind: strings, picklists, emails, and ids (18 characters).
    Text(Arc<str>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Milliseconds since the epoch, UTC.
    DateTime(i64),
    /// Milliseconds since midnight.
    Time(u32),
    /// The content of a file.
    Blob(Arc<Bytes>),
}

impl Value {
    /// Text from anything that can become shared text.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// The content of a file.
    pub fn blob(bytes: impl Into<Bytes>) -> Self {
        Self::Blob(Arc::new(bytes.into()))
    }

    /// The content, when this is one.
    pub fn as_blob(&self) -> Option<&Bytes> {
        match self {
            Self::Blob(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Whether there is no value.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text, when this is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, when this is a number of either kind.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            #[expect(
                clippy::cast_precision_loss,
                reason = "Salesforce int fields hold 18 digits at most and are compared as doubles"
            )]
            Self::Int(number) => Some(*number as f64),
            Self::Double(number) => Some(*number),
            _ => None,
        }
    }

    /// Whether this is a ticked checkbox.
    pub fn is_true(&self) -> bool {
        matches!(self, Self::Bool(true))
    }

    /// The wire form.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(flag) => (*flag).into(),
            Self::Int(number) => (*number).into(),
            Self::Double(number) => (*number).into(),
            Self::Text(text) => text.as_ref().into(),
            Self::Date(days) => date_to_wire(*days).into(),
            Self::DateTime(ms) => datetime_to_wire(*ms).into(),
            Self::Time(ms) => time_to_wire(*ms).into(),
            Self::Blob(bytes) => STANDARD.encode(&**bytes).into(),
        }
    }

    /// Writes the wire form to a buffer, without a tree in between.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Text(text) => write_json_text(text, out),
            // Writing to a Vec cannot fail.
            Self::Int(number) => drop(write!(out, "{number}")),
            Self::Double(number) => drop(serde_json::to_writer(out, number)),
            Self::Date(days) => quoted(out, |out| write_date(*days, out)),
            Self::DateTime(ms) => quoted(out, |out| write_datetime(*ms, out)),
            Self::Time(ms) => quoted(out, |out| write_time(*ms, out)),
            Self::Blob(bytes) => write_json_text(&STANDARD.encode(&**bytes), out),
        }
    }
}

impl Value {
    /// Writes the form of bulk results: everything in quotes, nothing for
    /// null, instants with the letter of UTC, large and small numbers with an
    /// exponent.
    pub fn write_csv(&self, out: &mut Vec<u8>) {
        match self {
            // Queries of bulk jobs have no files.
            Self::Null | Self::Blob(_) => out.extend_from_slice(b"\"\""),
            Self::Text(text) => write_csv_text(text, out),
            // Writing to a Vec cannot fail.
            Self::Bool(flag) => drop(write!(out, "\"{flag}\"")),
            Self::Int(number) => drop(write!(out, "\"{number}\"")),
            Self::Double(number) => quoted(out, |out| write_double(*number, out)),
            Self::Date(days) => quoted(out, |out| write_date(*days, out)),
            Self::DateTime(ms) => quoted(out, |out| {
                write_instant(*ms, out);
                out.push(b'Z');
            }),
            Self::Time(ms) => quoted(out, |out| write_time(*ms, out)),
        }
    }
}

/// Writes text in quotes, which are doubled inside.
pub(crate) fn write_csv_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    if text.contains('"') {
        out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    } else {
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
}

/// `300.0`, `1.39E8`: as Java writes numbers.
fn write_double(number: f64, out: &mut Vec<u8>) {
    let size = number.abs();
    if number == 0.0 || (1e-3..1e7).contains(&size) {
        // Writing to a Vec cannot fail.
        drop(write!(out, "{number:?}"));
        return;
    }
    let text = format!("{number:E}");
    match text.split_once('E') {
        Some((digits, power)) if !digits.contains('.') => {
            drop(write!(out, "{digits}.0E{power}"));
        }
        _ => out.extend_from_slice(text.as_bytes()),
    }
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

/// Writes a JSON string; the common case without escapes is one copy.
pub fn write_json_text(text: &str, out: &mut Vec<u8>) {
    if text
        .bytes()
        .all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\')
    {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        drop(serde_json::to_writer(out, text));
    }
}

/// The calendar date of a day number.
pub fn date_of(days: i32) -> Date {
    Date::from_julian_day(days.saturating_add(EPOCH_JULIAN_DAY)).unwrap_or(Date::MAX)
}

/// The day number of a calendar date.
pub fn days_of(date: Date) -> i32 {
    date.to_julian_day() - EPOCH_JULIAN_DAY
}

/// The day that an instant falls on, in UTC.
pub fn day_of_ms(ms: i64) -> i32 {
    i32::try_from(ms.div_euclid(DAY_MS)).unwrap_or(i32::MAX)
}

/// `2026-05-01`.
pub fn date_to_wire(days: i32) -> String {
    text_of(|out| write_date(days, out))
}

/// `2026-05-01T07:25:37.000+0000`: always UTC, the offset without a colon.
pub fn datetime_to_wire(ms: i64) -> String {
    text_of(|out| write_datetime(ms, out))
}

/// `07:25:37.000Z`.
pub fn time_to_wire(ms: u32) -> String {
    text_of(|out| write_time(ms, out))
}

fn text_of(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap_or_default()
}

// A page of records has thousands of dates: digits go straight to the buffer,
// since the formatting machinery takes several times as long.

fn write_date(days: i32, out: &mut Vec<u8>) {
    let date = date_of(days);
    write_digits(date.year().unsigned_abs(), 4, out);
    out.push(b'-');
    write_digits(u32::from(u8::from(date.month())), 2, out);
    out.push(b'-');
    write_digits(u32::from(date.day()), 2, out);
}

fn write_datetime(ms: i64, out: &mut Vec<u8>) {
    write_instant(ms, out);
    out.extend_from_slice(b"+0000");
}

/// `2026-05-01T07:25:37.000`
fn write_instant(ms: i64, out: &mut Vec<u8>) {
    write_date(day_of_ms(ms), out);
    out.push(b'T');
    write_clock(u32::try_from(ms.rem_euclid(DAY_MS)).unwrap_or(0), out);
}

fn write_time(ms: u32, out: &mut Vec<u8>) {
    write_clock(ms, out);
    out.push(b'Z');
}

/// `07:25:37.000`
fn write_clock(ms: u32, out: &mut Vec<u8>) {
    let seconds = ms / 1000;
    write_digits(seconds / 3600, 2, out);
    out.push(b':');
    write_digits(seconds / 60 % 60, 2, out);
    out.push(b':');
    write_digits(seconds % 60, 2, out);
    out.push(b'.');
    write_digits(ms % 1000, 3, out);
}

/// The last `width` digits of a number, at most four, with zeros in front.
fn write_digits(number: u32, width: usize, out: &mut Vec<u8>) {
    for power in [1000, 100, 10, 1]
        .into_iter()
        .skip(4_usize.saturating_sub(width))
    {
        let digit = u8::try_from(number / power % 10).unwrap_or(0);
        out.push(b'0' + digit);
    }
}

/// Reads `2026-05-01`; a following time of day is ignored, as Salesforce does.
pub fn parse_date(text: &str) -> Option<i32> {
    let format = time::macros::format_description!("[year]-[month]-[day]");
    let day = text.get(..10)?;
    match text.get(10..11) {
        None | Some("" | "T") => {}
        Some(_) => return None,
    }
    Date::parse(day, format).ok().map(days_of)
}

/// Reads an ISO 8601 instant: `Z`, `+hh:mm` or `+hhmm`, with or without
/// seconds and fractions; a bare date is midnight UTC.
pub fn parse_datetime(text: &str) -> Option<i64> {
    let day = parse_date(text)?;
    let Some(rest) = text.get(11..).filter(|rest| !rest.is_empty()) else {
        return (text.len() == 10).then(|| i64::from(day) * DAY_MS);
    };
    let zone_at = rest.find(['Z', '+', '-']);
    let (clock, zone) = match zone_at {
        Some(at) => rest.split_at_checked(at)?,
        None => (rest, "Z"),
    };
    let clock_ms = parse_clock(clock)?;
    let offset_seconds = parse_offset(zone)?;
    Some(i64::from(day) * DAY_MS + i64::from(clock_ms) - i64::from(offset_seconds) * 1000)
}

/// Reads `07:25:37.000Z`.
pub fn parse_time(text: &str) -> Option<u32> {
    parse_clock(text.strip_suffix('Z').unwrap_or(text))
}

fn parse_clock(clock: &str) -> Option<u32> {
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = whole.split(':').map(|part| {
        (part.len() == 2)
            .then(|| part.parse::<u32>().ok())
            .flatten()
    });
    let hours = parts.next()??;
    let minutes = parts.next()??;
    let seconds = match parts.next() {
        Some(seconds) => seconds?,
        None => 0,
    };
    if parts.next().is_some() || hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let mut milliseconds = 0;
    for (digit, weight) in fraction.chars().zip([100, 10, 1, 0, 0, 0, 0, 0, 0]) {
        milliseconds += digit.to_digit(10)? * weight;
    }
    Some(((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds)
}

fn parse_offset(zone: &str) -> Option<i32> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let digits: String = zone.chars().skip(1).filter(|c| *c != ':').collect();
    if digits.len() != 4 {
        return None;
    }
    let hours: i32 = digits.get(..2)?.parse().ok()?;
    let minutes: i32 = digits.get(2..)?.parse().ok()?;
    Some(sign * (hours * 3600 + minutes * 60))
}

/// The instant as a `time` value, for callers that do calendar arithmetic.
pub fn offset_datetime(ms: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Milliseconds since the epoch of a UTC date and time.
pub fn ms_of(when: PrimitiveDateTime) -> i64 {
    let nanos = when.assume_offset(UtcOffset::UTC).unix_timestamp_nanos();
    i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datetime_is_written_in_utc_with_an_offset_without_colon() {
        let ms = parse_datetime("2026-05-01T09:25:37+02:00").unwrap();
        assert_eq!(datetime_to_wire(ms), "2026-05-01T07:25:37.000+0000");
    }

    #[test]
    fn every_accepted_spelling_of_an_instant_is_the_same_instant() {
        let expected = parse_datetime("2026-05-01T07:25:37Z").unwrap();
        for spelling in [
            "2026-05-01T07:25:37.000+0000",
            "2026-05-01T07:25:37.000Z",
            "2026-05-01T07:25:37+00:00",
            "2026-05-01T03:25:37-0400",
        ] {
            assert_eq!(parse_datetime(spelling), Some(expected), "{spelling}");
        }
    }

    #[test]
    fn bulk_results_quote_everything_and_give_large_numbers_an_exponent() {
        for (value, expected) in [
            (Value::Null, "\"\""),
            (Value::text("say \"hi\""), "\"say \"\"hi\"\"\""),
            (Value::Double(300.0), "\"300.0\""),
            (Value::Double(0.0), "\"0.0\""),
            (Value::Double(139_000_000.0), "\"1.39E8\""),
            (Value::Double(1e8), "\"1.0E8\""),
            (
                Value::DateTime(1_777_620_337_000),
                "\"2026-05-01T07:25:37.000Z\"",
            ),
            (Value::Bool(true), "\"true\""),
        ] {
            let mut out = Vec::new();
            value.write_csv(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn nonsense_is_not_a_date() {
        for text in ["", "tomorrow", "2026-13-01", "2026-02-30", "2026-05-01x"] {
            assert_eq!(parse_date(text), None, "{text}");
        }
        for text in [
            "2026-05-01T25:00:00Z",
            "2026-05-01T1:00Z",
            "2026-05-01T10:00:00+1",
        ] {
            assert_eq!(parse_datetime(text), None, "{text}");
        }
    }

    #[test]
    fn json_written_directly_equals_json_built_as_a_tree() {
        for value in [
            Value::Null,
            Value::Bool(true),
            Value::Int(-3),
            Value::Double(300.0),
            Value::text("say \"hi\"\n\u{1}"),
            Value::text("plain"),
            Value::Date(20_574),
            Value::DateTime(1_777_620_337_000),
            Value::Time(3_600_001),
        ] {
            let mut out = Vec::new();
            value.write_json(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), value.to_json().to_string());
        }
    }
}
