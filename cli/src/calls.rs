//! How a command makes its API calls: at which priority, and whether it waits when
//! the budget is used up.

use std::time::{Duration, SystemTime};

use clap::ValueEnum;
use lockgate::{Connection, Parking, Priority, QuotaWait};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::progress::Note;

/// How long `--wait` waits at a time if it is not said: calls free up a day after
/// they were made, and the ledger counts to the end of five minutes.
const WAIT: &str = "25h";

#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Calls {
    /// Whose turn it is when API calls are scarce
    #[arg(long, value_enum, default_value_t, value_name = "NAME")]
    pub(crate) priority: Urgency,
    /// Wait when the budget of API calls is used up, at most so long at a time
    /// (90s, 30m, 12h, 2d), and then go on
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = duration,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = WAIT
    )]
    wait: Option<Duration>,
}

/// A priority as an argument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Urgency {
    /// Somebody waits for the answer
    #[default]
    Interactive,
    /// Keeps systems in step; leaves some calls to the first
    Sync,
    /// Any time will do; leaves more calls to the others
    Backfill,
}

impl From<Urgency> for Priority {
    fn from(urgency: Urgency) -> Self {
        match urgency {
            Urgency::Interactive => Self::Interactive,
            Urgency::Sync => Self::Sync,
            Urgency::Backfill => Self::Backfill,
        }
    }
}

impl Calls {
    /// The connection with calls like that. `note` shows how long it is parked.
    pub(crate) fn of(self, connection: &Connection, note: Note) -> Connection {
        let connection = connection.with_priority(self.priority.into());
        let Some(longest) = self.wait else {
            return connection;
        };
        let wait = QuotaWait::up_to(longest).telling(move |parking| match parking {
            Parking::Parked { until, .. } => note.say(format!("parked until {}", moment(*until))),
            _ => note.clear(),
        });
        connection.with_quota_wait(wait)
    }
}

/// A moment as people and programs read it, to the second.
pub(crate) fn moment(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    at.replace_nanosecond(0)
        .unwrap_or(at)
        .format(&Rfc3339)
        .unwrap_or_default()
}

/// The same of milliseconds since 1970.
pub(crate) fn moment_of_ms(ms: i64) -> String {
    let since = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    moment(SystemTime::UNIX_EPOCH + since)
}

fn duration(text: &str) -> Result<Duration, String> {
    let unit_at = text
        .find(|c: char| !c.is_ascii_digit())
        .ok_or("a unit is missing: s, m, h or d")?;
    let (number, unit) = text.split_at(unit_at);
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err("the units are s, m, h and d, as in 90s, 30m, 12h or 2d".to_owned()),
    };
    let number: u32 = number
        .parse()
        .map_err(|_| "a number is missing before the unit".to_owned())?;
    Ok(Duration::from_secs(u64::from(number) * unit_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, seconds) in [
            ("90s", 90),
            ("30m", 1_800),
            ("25h", 90_000),
            ("2d", 172_800),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "5", "h", "5x", "-5h", "1h30m"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_moment_is_told_to_the_second() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_012_345);
        assert_eq!(moment(at), "2027-01-15T08:00:12Z");
    }
}
