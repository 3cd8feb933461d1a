//! Which version of the REST API to speak.
//!
//! The org lists what it serves at `/services/data`, and drops old versions
//! about once a year. The list is kept for a day, so that it costs one request a
//! day for each connection.

use serde::{Deserialize, Serialize};

use crate::bindings::exports::lockgate::connector::records::{Advice, Error};
use crate::fault::{refused, unexpected};
use crate::wire;

/// Where the org lists its versions.
pub(crate) const VERSIONS_PATH: &str = "/services/data";
/// Where the list is kept.
pub(crate) const STORAGE_KEY: &str = "api-versions";

/// How long the list is trusted, in milliseconds.
const FRESH_MS: u64 = 24 * 60 * 60 * 1000;
/// The newest version that the connector was written against (Summer '26). A
/// newer one may change what is asked of it.
const NEWEST_KNOWN: u32 = 67;
/// The oldest that has all that is used here: upserts of collections came with
/// it.
const OLDEST_USABLE: u32 = 46;

/// The org's versions, by their major numbers, and when they were asked for.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Versions {
    asked_ms: u64,
    majors: Vec<u32>,
}

#[derive(Deserialize)]
struct Listed {
    version: String,
}

impl Versions {
    /// Reads the org's list.
    pub(crate) fn read(body: &[u8], now_ms: u64) -> Result<Self, Error> {
        let listed: Vec<Listed> = wire::read(body)
            .ok_or_else(|| unexpected("a list of API versions at /services/data"))?;
        let majors = listed
            .iter()
            .filter_map(|entry| major(&entry.version))
            .collect();
        Ok(Self {
            asked_ms: now_ms,
            majors,
        })
    }

    /// Reads what was kept, unless it is stale or from the future.
    pub(crate) fn recall(kept: &[u8], now_ms: u64) -> Option<Self> {
        let versions: Self = wire::read(kept)?;
        let age_ms = now_ms.checked_sub(versions.asked_ms)?;
        (age_ms < FRESH_MS).then_some(versions)
    }

    /// What to keep.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The version to speak: the pinned one, or the newest that both sides know.
    pub(crate) fn choose(&self, pinned: Option<&str>) -> Result<String, Error> {
        if let Some(pinned) = pinned {
            let served = major(pinned).is_some_and(|major| self.majors.contains(&major));
            return if served {
                Ok(pinned.to_owned())
            } else {
                Err(retired(pinned, &self.span()))
            };
        }
        self.majors
            .iter()
            .filter(|major| (OLDEST_USABLE..=NEWEST_KNOWN).contains(*major))
            .max()
            .map(|major| format!("{major}.0"))
            .ok_or_else(|| {
                refused(
                    Advice::FixSchema,
                    "UNSUPPORTED_API_VERSION",
                    &format!(
                        "the org serves {}, the connector speaks {OLDEST_USABLE}.0 to \
                         {NEWEST_KNOWN}.0",
                        self.span()
                    ),
                )
            })
    }

    fn span(&self) -> String {
        match (self.majors.iter().min(), self.majors.iter().max()) {
            (Some(oldest), Some(newest)) => format!("API versions {oldest}.0 to {newest}.0"),
            _ => "no API version".to_owned(),
        }
    }
}

/// The refusal of a pinned version.
pub(crate) fn retired(pinned: &str, served: &str) -> Error {
    refused(
        Advice::FixSchema,
        "UNSUPPORTED_API_VERSION",
        &format!("the setting api_version pins {pinned}, but the org serves {served}"),
    )
}

fn major(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(versions: &[&str]) -> Versions {
        let list: Vec<String> = versions
            .iter()
            .map(|v| format!(r#"{{"label":"x","url":"/services/data/v{v}","version":"{v}"}}"#))
            .collect();
        Versions::read(format!("[{}]", list.join(",")).as_bytes(), 1_000).unwrap()
    }

    #[test]
    fn the_newest_version_that_both_sides_know_is_spoken() {
        assert_eq!(
            served(&["31.0", "59.0", "66.0"]).choose(None),
            Ok("66.0".to_owned())
        );
        assert_eq!(
            served(&["31.0", "67.0", "100"]).choose(None),
            Ok("67.0".to_owned())
        );
        assert!(served(&["31.0"]).choose(None).is_err());
        assert!(served(&[]).choose(None).is_err());
    }

    #[test]
    fn a_pinned_version_is_spoken_only_if_the_org_serves_it() {
        let versions = served(&["31.0", "59.0", "66.0"]);
        assert_eq!(versions.choose(Some("31.0")), Ok("31.0".to_owned()));
        let Err(Error::Refused(problem)) = versions.choose(Some("30.0")) else {
            panic!("a retired version was accepted");
        };
        assert_eq!(problem.code, "UNSUPPORTED_API_VERSION");
        assert!(
            problem.message.contains("31.0 to 66.0"),
            "{}",
            problem.message
        );
    }

    #[test]
    fn the_list_is_kept_for_a_day_and_not_if_the_clock_went_back() {
        let kept = served(&["62.0"]).to_bytes();
        assert!(Versions::recall(&kept, 1_000 + FRESH_MS - 1).is_some());
        assert!(Versions::recall(&kept, 1_000 + FRESH_MS).is_none());
        assert!(Versions::recall(&kept, 999).is_none());
        assert!(Versions::recall(b"{", 1_000).is_none());
    }
}
