//! How far an object was looked at.

use super::row::text_of;
use crate::events::checkpoint::Place;

/// A place in an object's changes. Times are the org's, in milliseconds since
/// 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// The newest record that was seen.
    pub(super) newest_ms: u64,
    /// Until when deletions were told.
    pub(super) gone_ms: u64,
    /// In the midst of a look of several pages: the last record that was told.
    pub(super) cursor: Option<Cursor>,
}

/// A record in the order of looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) stamp_ms: u64,
    /// Empty before all records of this time.
    pub(super) id: String,
}

impl Cursor {
    /// What is behind it, in SOQL.
    pub(super) fn condition(&self) -> String {
        let stamp = text_of(self.stamp_ms);
        if self.id.is_empty() {
            return format!("SystemModstamp >= {stamp}");
        }
        format!(
            "SystemModstamp > {stamp} OR (SystemModstamp = {stamp} AND Id > '{}')",
            self.id
        )
    }
}

impl Spot {
    pub(super) fn place(&self) -> Place {
        let mut text = format!("{}:{}", self.newest_ms, self.gone_ms);
        if let Some(cursor) = &self.cursor {
            text.push_str(&format!(":{}:{}", cursor.stamp_ms, cursor.id));
        }
        Place::Behind(text)
    }

    pub(super) fn read(place: &Place) -> Option<Self> {
        let Place::Behind(text) = place else {
            return None;
        };
        let parts: Vec<&str> = text.split(':').collect();
        let (newest, gone, cursor) = match parts.as_slice() {
            [newest, gone] => (newest, gone, None),
            [newest, gone, stamp, id] => {
                let cursor = Cursor {
                    stamp_ms: stamp.parse().ok()?,
                    // It becomes part of a query.
                    id: crate::names::id(id).ok()?,
                };
                (newest, gone, Some(cursor))
            }
            _ => return None,
        };
        Some(Self {
            newest_ms: newest.parse().ok()?,
            gone_ms: gone.parse().ok()?,
            cursor,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_says_the_same_when_it_is_read_again() {
        for cursor in [
            None,
            Some(Cursor {
                stamp_ms: 3,
                id: "0035J000004TNtzQAG".to_owned(),
            }),
        ] {
            let spot = Spot {
                newest_ms: u64::MAX,
                gone_ms: 2,
                cursor,
            };
            assert_eq!(Spot::read(&spot.place()), Some(spot));
        }
    }

    #[test]
    fn what_is_no_place_is_refused_before_it_becomes_part_of_a_query() {
        for bad in [
            "",
            "1",
            "1:x",
            "1:2:3",
            "1:2:3:' OR Id != '",
            "-1:2",
            "1:2:3:4:5",
        ] {
            assert_eq!(Spot::read(&Place::Behind(bad.to_owned())), None, "{bad}");
        }
        assert_eq!(Spot::read(&Place::Oldest), None);
    }

    #[test]
    fn the_next_page_begins_behind_the_last_record() {
        let cursor = |id: &str| Cursor {
            stamp_ms: 1_612_912_679_000,
            id: id.to_owned(),
        };
        assert_eq!(
            cursor("").condition(),
            "SystemModstamp >= 2021-02-09T23:17:59.000Z"
        );
        assert_eq!(
            cursor("0035J000004TNtzQAG").condition(),
            "SystemModstamp > 2021-02-09T23:17:59.000Z OR (SystemModstamp = \
             2021-02-09T23:17:59.000Z AND Id > '0035J000004TNtzQAG')"
        );
    }
}
