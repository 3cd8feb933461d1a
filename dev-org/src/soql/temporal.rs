//! Dates and instants as SOQL writes them, and the calendar arithmetic that
//! date literals and date functions need.
//!
//! Days count from 1970-01-01, instants in milliseconds from the epoch. The
//! org's time zone and every user's is GMT, so a day is a UTC day.

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// A day of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    /// The year.
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: i64,
    /// 1 to 31.
    pub(crate) day: i64,
}

impl Civil {
    /// The calendar day of a day number (Howard Hinnant's `civil_from_days`).
    pub(crate) fn from_days(days: i64) -> Self {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: of_year - (153 * shifted_month + 2) / 5 + 1,
        }
    }

    /// The day number of a calendar day (`days_from_civil`).
    pub(crate) fn to_days(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let shifted_month = (self.month + 9) % 12;
        let of_year = (153 * shifted_month + 2) / 5 + self.day - 1;
        let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
        era * 146_097 + of_era - 719_468
    }
}

/// The first day of a month counted from year 0 (`year * 12 + month - 1`).
pub(crate) fn first_of_month(month_index: i64) -> i64 {
    Civil {
        year: month_index.div_euclid(12),
        month: month_index.rem_euclid(12) + 1,
        day: 1,
    }
    .to_days()
}

/// 1 for Sunday to 7 for Saturday; day 0 was a Thursday.
pub(crate) fn day_of_week(days: i64) -> i64 {
    (days + 4).rem_euclid(7) + 1
}

/// The fixed-width decimal number at the front, and what follows it.
fn digits(text: &str, count: usize) -> Option<(i64, &str)> {
    let (head, rest) = text.split_at_checked(count)?;
    let numeric = head.bytes().all(|b| b.is_ascii_digit());
    Some((head.parse().ok().filter(|_| numeric)?, rest))
}

/// `YYYY-MM-DD`, nothing before or after.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    let (days, rest) = leading_date(text)?;
    rest.is_empty().then_some(days)?.try_into().ok()
}

fn leading_date(text: &str) -> Option<(i64, &str)> {
    let (year, rest) = digits(text, 4)?;
    let (month, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let civil = Civil { year, month, day };
    // A day that the month does not have comes back as another one.
    let days = (1..=12).contains(&month).then(|| civil.to_days())?;
    (Civil::from_days(days) == civil).then_some((days, rest))
}

/// `HH:MM:SS` with an optional fraction, in milliseconds.
fn leading_time(text: &str) -> Option<(i64, &str)> {
    let (hour, rest) = digits(text, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 2)?;
    let (second, mut rest) = digits(rest.strip_prefix(':')?, 2)?;
    let mut millis = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let end = fraction
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(fraction.len());
        let (written, after) = fraction.split_at_checked(end)?;
        let padded: String = written.chars().chain("000".chars()).take(3).collect();
        millis = padded.parse().ok().filter(|_| end > 0)?;
        rest = after;
    }
    let valid = hour < 24 && minute < 60 && second < 60;
    let total = ((hour * 60 + minute) * 60 + second) * 1_000 + millis;
    valid.then_some((total, rest))
}

/// `YYYY-MM-DDTHH:MM:SS[.fff]` with `Z`, `+HH:MM` or `+HHMM`.
pub(crate) fn parse_datetime(text: &str) -> Option<i64> {
    let (days, rest) = leading_date(text)?;
    let (time, zone) = leading_time(rest.strip_prefix(['T', 't'])?)?;
    Some(days * DAY_MS + time - offset_ms(zone)?)
}

fn offset_ms(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = match zone.strip_prefix('+') {
        Some(rest) => (1, rest),
        None => (-1, zone.strip_prefix('-')?),
    };
    let (hours, rest) = digits(rest, 2)?;
    let (minutes, rest) = digits(rest.strip_prefix(':').unwrap_or(rest), 2)?;
    let valid = rest.is_empty() && hours < 24 && minutes < 60;
    valid.then_some(sign * (hours * 60 + minutes) * 60_000)
}

/// `HH:MM:SS[.fff]Z`, in milliseconds of the day.
pub(crate) fn parse_time(text: &str) -> Option<u32> {
    let (time, zone) = leading_time(text)?;
    matches!(zone, "Z" | "z").then_some(time)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_is_its_own_inverse() {
        for days in [-719_468, -1, 0, 59, 11_016, 20_574, 2_932_896] {
            assert_eq!(Civil::from_days(days).to_days(), days);
        }
    }

    #[test]
    fn a_leap_day_exists_only_in_leap_years() {
        assert!(parse_date("2024-02-29").is_some());
        assert!(parse_date("2023-02-29").is_none());
        assert!(parse_date("2023-13-01").is_none());
    }

    #[test]
    fn the_epoch_was_a_thursday() {
        assert_eq!(day_of_week(0), 5);
    }

    #[test]
    fn a_datetime_needs_seconds_and_a_zone() {
        assert_eq!(parse_datetime("1970-01-02T00:00:00Z"), Some(DAY_MS));
        assert_eq!(parse_datetime("1970-01-02T00:00Z"), None);
        assert_eq!(parse_datetime("1970-01-02T00:00:00"), None);
    }
}
