//! The lists of fields in the header of a change: hexadecimal numbers whose bits,
//! from the lowest on, are the fields of the schema in their order.
//!
//! `0x0104` means the fields 2 and 8; `3-0x06` the parts 1 and 2 of the compound
//! field 3.

use std::collections::BTreeMap;

/// A list of fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bitmap {
    fields: Bits,
    parts: BTreeMap<usize, Bits>,
}

/// Four bits an item, the lowest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Bits(Vec<u32>);

impl Bits {
    fn read(hex: &str) -> Option<Self> {
        let digits = hex.strip_prefix("0x").or_else(|| hex.strip_prefix("0X"))?;
        let bits: Option<Vec<u32>> = digits
            .chars()
            .rev()
            .map(|digit| digit.to_digit(16))
            .collect();
        bits.filter(|bits| !bits.is_empty()).map(Self)
    }

    fn has(&self, at: usize) -> bool {
        self.0
            .get(at / 4)
            .is_some_and(|bits| bits >> (at % 4) & 1 == 1)
    }
}

impl Bitmap {
    /// Reads a list as the header has it; `None` if an item is none.
    pub(super) fn read<T: AsRef<str>>(items: &[T]) -> Option<Self> {
        let mut bitmap = Self::default();
        for item in items {
            match item.as_ref().split_once('-') {
                None => bitmap.fields = Bits::read(item.as_ref())?,
                Some((place, bits)) => {
                    bitmap.parts.insert(place.parse().ok()?, Bits::read(bits)?);
                }
            }
        }
        Some(bitmap)
    }

    /// Whether it names nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        self.fields.0.is_empty() && self.parts.is_empty()
    }

    /// Whether it names a field as a whole.
    pub(super) fn has(&self, field: usize) -> bool {
        self.fields.has(field)
    }

    /// Whether it names a part of a compound field, or the whole of it.
    pub(super) fn has_part(&self, field: usize, part: usize) -> bool {
        self.has(field) || self.parts.get(&field).is_some_and(|bits| bits.has(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_fields_from_the_lowest_on_and_parts_stand_behind_their_place() {
        // The example of Salesforce's own clients.
        let bitmap = Bitmap::read(&["0x104", "1-0x6"]).unwrap();
        let fields: Vec<usize> = (0..12).filter(|field| bitmap.has(*field)).collect();
        assert_eq!(fields, [2, 8]);
        let parts: Vec<usize> = (0..4).filter(|part| bitmap.has_part(1, *part)).collect();
        assert_eq!(parts, [1, 2]);
        assert!(!bitmap.has_part(3, 0));
    }

    #[test]
    fn a_compound_that_is_named_as_a_whole_has_all_its_parts() {
        let bitmap = Bitmap::read(&["0x02"]).unwrap();
        assert!(bitmap.has_part(1, 0) && bitmap.has_part(1, 7));
    }

    #[test]
    fn numbers_may_be_longer_than_any_integer_and_of_odd_length() {
        let bitmap = Bitmap::read(&["0x800000000000000000000000000000001"]).unwrap();
        assert!(bitmap.has(0) && bitmap.has(131) && !bitmap.has(130) && !bitmap.has(1_000));
    }

    #[test]
    fn what_is_no_bitmap_is_not_taken_for_one() {
        for bad in ["", "0x", "104", "0xZZ", "x-0x1", "1-", "-0x1"] {
            assert_eq!(Bitmap::read(&[bad]), None, "{bad}");
        }
        assert!(Bitmap::read::<&str>(&[]).unwrap().is_empty());
    }
}
