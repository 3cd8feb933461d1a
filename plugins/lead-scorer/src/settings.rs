//! The settings: rules, limits of the score, where it is written.

mod read;

use record_batch::Fields;

use crate::condition::Condition;

/// A setting that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Settings that were found sound.
#[derive(Clone, Debug)]
pub struct Settings {
    /// All fields that conditions name, and those that are written.
    pub(crate) fields: Fields,
    pub(crate) score_slot: usize,
    pub(crate) base: i64,
    pub(crate) minimum: i64,
    pub(crate) maximum: i64,
    pub(crate) rules: Vec<Rule>,
    pub(crate) rating: Option<Rating>,
    pub(crate) drop_when: Option<Condition>,
    pub(crate) reject_when: Vec<Rejection>,
}

/// Points for records of which something is true.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) when: Condition,
    pub(crate) points: i64,
}

/// A picklist value by score.
#[derive(Clone, Debug)]
pub(crate) struct Rating {
    pub(crate) slot: usize,
    /// Falling.
    pub(crate) steps: Vec<(i64, String)>,
    pub(crate) otherwise: Option<String>,
}

/// Records that are rejected.
#[derive(Clone, Debug)]
pub(crate) struct Rejection {
    pub(crate) when: Condition,
    pub(crate) reason: String,
}

impl Settings {
    /// Reads settings, a JSON object as text.
    ///
    /// # Errors
    /// All problems at once.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        read::settings(text)
    }
}

impl Rating {
    /// The value for a score; `None` leaves the field as it is.
    pub(crate) fn of(&self, score: i64) -> Option<&str> {
        let step = self.steps.iter().find(|(at_least, _)| score >= *at_least);
        step.map(|(_, value)| value.as_str())
            .or(self.otherwise.as_deref())
    }
}
