//! Date literals (`TODAY`, `LAST_N_DAYS:7`, `THIS_FISCAL_YEAR`...): each is a
//! range of days that is fixed when the query runs.
//!
//! Weeks start on Sunday and the fiscal year is the calendar year, which is
//! what a new org in the en_US locale has.

use super::temporal::{Civil, day_of_week, first_of_month};

/// What a date literal counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

/// Which units, relative to the one that holds today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// The n-th one before (negative) or after (positive) the current one.
    At(i64),
    /// The n ones before the current one.
    Last(i64),
    /// The n ones after the current one.
    Next(i64),
    /// The n days before today, and today.
    LastDays(i64),
}

/// A date literal as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DateLiteral {
    unit: Unit,
    reach: Reach,
}

/// No org has data further away than this many days, months or years; the
/// bound keeps the arithmetic far from overflow.
const MAX_COUNT: i64 = 1_000_000;

/// Whether the literal's name must be followed by `:n`.
pub(crate) fn takes_count(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name.contains("_N_") || (name.starts_with("N_") && name.ends_with("_AGO"))
}

/// The literal with this name; `count` is the n of `:n`.
pub(crate) fn date_literal(name: &str, count: Option<i64>) -> Option<DateLiteral> {
    let name = name.to_ascii_uppercase();
    let literal = |unit, reach| Some(DateLiteral { unit, reach });
    match (name.as_str(), count) {
        ("TODAY", None) => return literal(Unit::Day, Reach::At(0)),
        ("YESTERDAY", None) => return literal(Unit::Day, Reach::At(-1)),
        ("TOMORROW", None) => return literal(Unit::Day, Reach::At(1)),
        ("LAST_90_DAYS", None) => return literal(Unit::Day, Reach::LastDays(90)),
        ("NEXT_90_DAYS", None) => return literal(Unit::Day, Reach::Next(90)),
        _ => {}
    }
    if let Some(count) = count {
        let count = count.clamp(0, MAX_COUNT);
        if let Some(units) = name.strip_prefix("LAST_N_") {
            return match plural(units)? {
                Unit::Day => literal(Unit::Day, Reach::LastDays(count)),
                unit => literal(unit, Reach::Last(count)),
            };
        }
        if let Some(units) = name.strip_prefix("NEXT_N_") {
            return literal(plural(units)?, Reach::Next(count));
        }
        let units = name.strip_prefix("N_")?.strip_suffix("_AGO")?;
        return literal(plural(units)?, Reach::At(-count));
    }
    for (prefix, step) in [("LAST_", -1), ("THIS_", 0), ("NEXT_", 1)] {
        if let Some(unit) = name.strip_prefix(prefix) {
            return literal(singular(unit)?, Reach::At(step));
        }
    }
    None
}

fn singular(unit: &str) -> Option<Unit> {
    match unit {
        "WEEK" => Some(Unit::Week),
        "MONTH" => Some(Unit::Month),
        "QUARTER" | "FISCAL_QUARTER" => Some(Unit::Quarter),
        "YEAR" | "FISCAL_YEAR" => Some(Unit::Year),
        _ => None,
    }
}

fn plural(units: &str) -> Option<Unit> {
    match units {
        "DAYS" => Some(Unit::Day),
        other => singular(other.strip_suffix('S')?),
    }
}

impl DateLiteral {
    /// The first day of the range and the first day behind it.
    pub(crate) fn days(self, today: i64) -> (i64, i64) {
        let start = |step: i64| self.unit.start(today, step);
        match self.reach {
            Reach::At(step) => (start(step), start(step + 1)),
            Reach::Last(count) => (start(-count), start(0)),
            Reach::Next(count) => (start(1), start(count + 1)),
            Reach::LastDays(count) => (start(-count), start(1)),
        }
    }
}

impl Unit {
    /// The first day of the unit that lies `step` units from today's.
    fn start(self, today: i64, step: i64) -> i64 {
        let civil = Civil::from_days(today);
        let month = civil.year * 12 + civil.month - 1;
        match self {
            Self::Day => today + step,
            Self::Week => today - (day_of_week(today) - 1) + 7 * step,
            Self::Month => first_of_month(month + step),
            Self::Quarter => first_of_month(month - month.rem_euclid(3) + 3 * step),
            Self::Year => first_of_month((civil.year + step) * 12),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soql::temporal::parse_date;

    /// The range as its first and its last day, seen from Saturday 2026-05-16.
    fn range(name: &str, count: Option<i64>) -> (i64, i64) {
        let today = i64::from(parse_date("2026-05-16").unwrap());
        let (start, end) = date_literal(name, count).unwrap().days(today);
        (start, end - 1)
    }

    fn days(first: &str, last: &str) -> (i64, i64) {
        let day = |text| i64::from(parse_date(text).unwrap());
        (day(first), day(last))
    }

    #[test]
    fn a_literal_without_a_count_names_one_unit() {
        assert_eq!(range("today", None), days("2026-05-16", "2026-05-16"));
        assert_eq!(range("THIS_WEEK", None), days("2026-05-10", "2026-05-16"));
        assert_eq!(range("NEXT_WEEK", None), days("2026-05-17", "2026-05-23"));
        assert_eq!(range("LAST_MONTH", None), days("2026-04-01", "2026-04-30"));
        assert_eq!(
            range("LAST_QUARTER", None),
            days("2026-01-01", "2026-03-31")
        );
        assert_eq!(
            range("NEXT_FISCAL_YEAR", None),
            days("2027-01-01", "2027-12-31")
        );
    }

    #[test]
    fn the_last_n_days_include_today_and_the_next_do_not() {
        assert_eq!(
            range("LAST_N_DAYS", Some(3)),
            days("2026-05-13", "2026-05-16")
        );
        assert_eq!(
            range("NEXT_N_DAYS", Some(3)),
            days("2026-05-17", "2026-05-19")
        );
        assert_eq!(
            range("LAST_90_DAYS", None),
            days("2026-02-15", "2026-05-16")
        );
    }

    #[test]
    fn the_last_n_months_end_with_the_previous_one() {
        assert_eq!(
            range("LAST_N_MONTHS", Some(5)),
            days("2025-12-01", "2026-04-30")
        );
        assert_eq!(
            range("N_QUARTERS_AGO", Some(2)),
            days("2025-10-01", "2025-12-31")
        );
        assert_eq!(
            range("NEXT_N_FISCAL_QUARTERS", Some(2)),
            days("2026-07-01", "2026-12-31")
        );
    }

    #[test]
    fn a_count_is_needed_exactly_where_the_name_has_an_n() {
        assert!(date_literal("LAST_N_DAYS", None).is_none());
        assert!(date_literal("TODAY", Some(1)).is_none());
        assert!(takes_count("n_days_ago") && !takes_count("LAST_90_DAYS"));
    }
}
