//! Date functions: the part of a date or a dateTime that a query groups or
//! filters by. The fiscal year is the calendar year.

use super::temporal::{Civil, DAY_MS, day_of_week};
use crate::schema::FieldKind;
use crate::value::Value;

/// A date function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DateFunction {
    /// `CALENDAR_MONTH`, `FISCAL_MONTH`: 1 to 12.
    Month,
    /// `CALENDAR_QUARTER`, `FISCAL_QUARTER`: 1 to 4.
    Quarter,
    /// `CALENDAR_YEAR`, `FISCAL_YEAR`.
    Year,
    /// `DAY_IN_MONTH`: 1 to 31.
    DayInMonth,
    /// `DAY_IN_WEEK`: 1 for Sunday to 7.
    DayInWeek,
    /// `DAY_IN_YEAR`: 1 to 366.
    DayInYear,
    /// `DAY_ONLY`: the date of a dateTime.
    DayOnly,
    /// `HOUR_IN_DAY`: 0 to 23.
    HourInDay,
    /// `WEEK_IN_MONTH`: 1 for the first seven days.
    WeekInMonth,
    /// `WEEK_IN_YEAR`: 1 for the first seven days.
    WeekInYear,
}

impl DateFunction {
    /// The function with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().as_str() {
            "CALENDAR_MONTH" | "FISCAL_MONTH" => Some(Self::Month),
            "CALENDAR_QUARTER" | "FISCAL_QUARTER" => Some(Self::Quarter),
            "CALENDAR_YEAR" | "FISCAL_YEAR" => Some(Self::Year),
            "DAY_IN_MONTH" => Some(Self::DayInMonth),
            "DAY_IN_WEEK" => Some(Self::DayInWeek),
            "DAY_IN_YEAR" => Some(Self::DayInYear),
            "DAY_ONLY" => Some(Self::DayOnly),
            "HOUR_IN_DAY" => Some(Self::HourInDay),
            "WEEK_IN_MONTH" => Some(Self::WeekInMonth),
            "WEEK_IN_YEAR" => Some(Self::WeekInYear),
            _ => None,
        }
    }

    /// Whether it can be applied to fields of this kind.
    pub(crate) fn takes(self, kind: FieldKind) -> bool {
        match kind {
            FieldKind::DateTime => true,
            FieldKind::Date => !matches!(self, Self::DayOnly | Self::HourInDay),
            _ => false,
        }
    }

    /// The kind of its results.
    pub(crate) fn kind(self) -> FieldKind {
        match self {
            Self::DayOnly => FieldKind::Date,
            _ => FieldKind::Int,
        }
    }

    /// Its result for a value; nothing for no value.
    pub(crate) fn of(self, value: &Value) -> Value {
        let (days, millis) = match value {
            Value::Date(days) => (i64::from(*days), 0),
            Value::DateTime(millis) => (millis.div_euclid(DAY_MS), millis.rem_euclid(DAY_MS)),
            _ => return Value::Null,
        };
        let civil = Civil::from_days(days);
        let new_year = Civil {
            month: 1,
            day: 1,
            ..civil
        };
        let day_in_year = days - new_year.to_days() + 1;
        Value::Int(match self {
            Self::Month => civil.month,
            Self::Quarter => (civil.month - 1) / 3 + 1,
            Self::Year => civil.year,
            Self::DayInMonth => civil.day,
            Self::DayInWeek => day_of_week(days),
            Self::DayInYear => day_in_year,
            Self::DayOnly => return i32::try_from(days).map_or(Value::Null, Value::Date),
            Self::HourInDay => millis / 3_600_000,
            Self::WeekInMonth => (civil.day - 1) / 7 + 1,
            Self::WeekInYear => (day_in_year - 1) / 7 + 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soql::temporal::parse_datetime;

    #[test]
    fn every_function_takes_its_part_of_an_instant() {
        let instant = Value::DateTime(parse_datetime("2026-05-16T13:45:00Z").unwrap());
        let part = |name| DateFunction::named(name).unwrap().of(&instant);
        let expected = [
            ("CALENDAR_MONTH", 5),
            ("FISCAL_QUARTER", 2),
            ("calendar_year", 2026),
            ("DAY_IN_MONTH", 16),
            ("DAY_IN_WEEK", 7),
            ("DAY_IN_YEAR", 136),
            ("HOUR_IN_DAY", 13),
            ("WEEK_IN_MONTH", 3),
            ("WEEK_IN_YEAR", 20),
        ];
        for (name, number) in expected {
            assert_eq!(part(name), Value::Int(number), "{name}");
        }
        assert_eq!(part("DAY_ONLY"), Value::Date(20_589));
    }

    #[test]
    fn a_missing_date_has_no_parts() {
        assert_eq!(DateFunction::Year.of(&Value::Null), Value::Null);
    }
}
