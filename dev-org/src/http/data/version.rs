//! API versions: which there are, what they are called, and what a request
//! for one that is gone or has not come gets.

use axum::response::Response;
use serde_json::{Value, json};

use crate::http::answer;

/// Older ones have been retired.
const OLDEST: u16 = 31;

/// The newest one that answers.
const NEWEST: u16 = 68;

/// The first version there ever was under this scheme.
const FIRST_EVER: u16 = 7;

/// A version of the API that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(u16);

impl Version {
    /// Reads `v60.0`.
    pub(crate) fn parse(segment: &str) -> Result<Self, Box<Response>> {
        let number = segment
            .strip_prefix('v')
            .and_then(|number| number.strip_suffix(".0"))
            .filter(|number| !number.starts_with('0'))
            .and_then(|number| number.parse::<u16>().ok())
            .ok_or_else(|| Box::new(answer::not_found()))?;
        match number {
            OLDEST..=NEWEST => Ok(Self(number)),
            FIRST_EVER..OLDEST => Err(Box::new(answer::error(
                410,
                "UNSUPPORTED_API_VERSION",
                "The requested resource has been retired or removed. Delete or update any references to the resource.",
            ))),
            _ => Err(Box::new(answer::not_found())),
        }
    }

    pub(crate) fn is_at_least(self, number: u16) -> bool {
        self.0 >= number
    }

    /// 60.0, as jobs show it.
    pub(crate) fn number(self) -> f64 {
        f64::from(self.0)
    }

    /// `/services/data/v60.0`.
    pub(crate) fn path(self) -> String {
        format!("/services/data/v{}.0", self.0)
    }

    /// `v60.0`.
    pub(crate) fn name(self) -> String {
        format!("v{}.0", self.0)
    }

    /// Three releases a year; the one before New Year has the new year's name.
    fn label(self) -> String {
        let since = self.0 - OLDEST;
        let season = match since % 3 {
            0 => "Summer",
            1 => "Winter",
            _ => "Spring",
        };
        format!("{season} '{}", 14 + since.div_ceil(3))
    }
}

/// The list at `/services/data`.
pub(crate) fn list() -> Value {
    (OLDEST..=NEWEST)
        .map(Version)
        .map(|version| {
            json!({
                "label": version.label(),
                "url": version.path(),
                "version": format!("{}.0", version.0),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_follow_the_releases() {
        let label = |number| Version(number).label();
        assert_eq!(label(31), "Summer '14");
        assert_eq!(label(32), "Winter '15");
        assert_eq!(label(33), "Spring '15");
        assert_eq!(label(60), "Spring '24");
        assert_eq!(label(67), "Summer '26");
        assert_eq!(label(68), "Winter '27");
    }

    #[test]
    fn a_retired_version_is_gone_and_an_unknown_one_not_found() {
        let status = |segment| Version::parse(segment).map_err(|refused| refused.status().as_u16());
        assert_eq!(status("v60.0"), Ok(Version(60)));
        assert_eq!(status("v30.0"), Err(410));
        for unknown in ["v69.0", "v6.0", "60.0", "v60", "v60.1", "v060.0", "x"] {
            assert_eq!(status(unknown), Err(404), "{unknown}");
        }
    }
}
