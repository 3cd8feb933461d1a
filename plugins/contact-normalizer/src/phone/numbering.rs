//! What numbers look like under one calling code.

use crate::table;

static CODES: &str = table::body(include_str!("../../data/calling-codes.tsv"));

/// Digits of the longest calling code.
const MAX_CODE: usize = 3;

/// Whether a number that is written as at home begins with the trunk prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrunkRule {
    Required,
    Optional,
    None,
}

/// One line of the data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbering {
    pub(crate) code: &'static str,
    /// What is dialled before the calling code of another country.
    pub(crate) abroad: Option<&'static str>,
    /// What is dialled before the number within the country.
    pub(crate) trunk: Option<&'static str>,
    pub(crate) rule: TrunkRule,
    /// Possible lengths after the code: `8,10-11`.
    lengths: &'static str,
}

impl Numbering {
    /// The line of a calling code.
    pub(crate) fn of_code(code: &'static str) -> Option<Self> {
        Self::of_line(code, table::find(CODES, code)?)
    }

    fn of_line(code: &'static str, columns: &'static str) -> Option<Self> {
        let mut columns = columns.split('\t');
        let some = |column: &'static str| (column != "-").then_some(column);
        Some(Self {
            code,
            abroad: some(columns.next()?),
            trunk: some(columns.next()?),
            rule: match columns.next()? {
                "required" => TrunkRule::Required,
                "optional" => TrunkRule::Optional,
                _ => TrunkRule::None,
            },
            lengths: columns.next()?,
        })
    }

    /// The line of the calling code that a number begins with. No code begins
    /// with another, so there is at most one.
    pub(crate) fn at_start_of(digits: &str) -> Option<Self> {
        (1..=MAX_CODE).find_map(|length| {
            let columns = table::find(CODES, digits.get(..length)?)?;
            // The key as the data holds it, which lives as long as the program.
            let end = (columns.as_ptr() as usize)
                .checked_sub(CODES.as_ptr() as usize)?
                .checked_sub(1)?;
            Self::of_line(CODES.get(end.checked_sub(length)?..end)?, columns)
        })
    }

    /// Whether a number can have these digits after the code.
    pub(crate) fn is_possible(&self, national: &str) -> bool {
        let has_length = self.lengths.split(',').any(|range| {
            let (low, high) = range.split_once('-').unwrap_or((range, range));
            let bound = |text: &str| text.parse::<usize>().ok();
            bound(low).is_some_and(|low| low <= national.len())
                && bound(high).is_some_and(|high| national.len() <= high)
        });
        has_length && (self.code != "1" || is_north_american(national))
    }
}

/// The North American plan: area code and exchange each begin with 2 to 9, and
/// neither is one of the service codes N11.
fn is_north_american(national: &str) -> bool {
    let group = |range: std::ops::Range<usize>| {
        national
            .get(range)
            .is_some_and(|group| group.starts_with(|c: char| ('2'..='9').contains(&c)))
    };
    group(0..3) && group(3..6) && national.get(1..3) != Some("11")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_data_can_be_read() {
        for line in CODES.lines() {
            let code = line.split('\t').next().unwrap();
            let numbering = Numbering::of_code(code).unwrap();
            assert!(code.len() <= MAX_CODE);
            assert!(numbering.lengths.split(',').count() >= 1);
            assert_eq!(
                numbering.rule == TrunkRule::None,
                numbering.trunk.is_none(),
                "{code}"
            );
            assert_eq!(
                Numbering::at_start_of(&format!("{code}555")).unwrap().code,
                code
            );
        }
    }
}
